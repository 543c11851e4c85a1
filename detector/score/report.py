"""The figures of a trial, with their bounds and with what was not tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.calibration import Reliability, mine_reliability
from detector.score.matching import HALO_MARGIN_M
from detector.score.roc import Curve, curve, ranked
from detector.score.trial import LaneScore, Outcome


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with its 95 % Clopper-Pearson bounds."""

    hits: int
    trials: int
    low: float
    high: float

    @staticmethod
    def of(hits: int, trials: int) -> Share:
        return Share(hits, trials, *clopper_pearson(hits, trials))


@dataclass(frozen=True, slots=True)
class Rate:
    """So many false alarms on so much ground, with its 95 % Poisson bounds, 1/m."""

    count: int
    metres: float
    low: float
    high: float


STRATA: dict[str, Callable[[Outcome], str]] = {
    "target": lambda o: o.kind,
    "depth": lambda o: o.depth,
    "soil": lambda o: o.soil or "soil not known",
    "metal": lambda o: "with metal" if o.contains_metal else "no metal",
}


@dataclass(frozen=True, slots=True)
class Score:
    """A pool of lanes."""

    lanes: int
    places: int
    targets: int
    found: int
    pod: float | None
    pod_bounds: tuple[float, float] | None
    first: int
    """Mines that alarmed and were called mine-like or unknown."""
    strata: dict[str, dict[str, Share]]
    """'target', 'depth', 'soil', 'metal' -> value -> mines found."""
    sensors: dict[str, int]
    """Which sensors saw the found mines."""
    called: dict[str, int]
    """decision on found targets -> count"""
    missed: tuple[Outcome, ...]
    clutter: int
    clutter_alarmed: int
    clutter_called: dict[str, int]
    clutter_by_kind: dict[str, tuple[int, int, int]]
    """kind -> (objects, alarmed, of these called clutter)"""
    false_alarms: int
    false_called: dict[str, int]
    free_m: float
    far_per_m: float | None
    far_bounds: tuple[float, float] | None
    far_by_sensor: dict[str, Rate]
    far_by_soil: dict[str, Rate]
    duplicates: int
    roc: Curve | None
    reliability: Reliability | None
    halo_margin_m: float = HALO_MARGIN_M

    @property
    def by_kind(self) -> dict[str, tuple[int, int]]:
        """kind -> (found, targets)"""
        return {k: (s.hits, s.trials) for k, s in self.strata.get("target", {}).items()}

    def to_json(self) -> dict[str, Any]:
        out = asdict(self)
        out["by_kind"] = self.by_kind
        # strict JSON knows no NaN and no infinity: what is not known is null
        clean: dict[str, Any] = _finite(out)
        return clean

    def to_text(self) -> str:
        """The report, for a person."""
        lines = [
            f"{self.lanes} lane(s) of {self.places} place(s). Halo: half the target's extent + "
            f"{100 * self.halo_margin_m:.0f} cm."
        ]
        if self.pod is None or self.pod_bounds is None:
            lines.append("POD: not tested, there were no mines.")
        else:
            low, high = self.pod_bounds
            bounds = f"95 % Clopper-Pearson {low:.3f} to {high:.3f}"
            lines.append(f"POD {self.found}/{self.targets} = {self.pod:.3f}, {bounds}")
            for name, stratum in self.strata.items():
                for value, s in sorted(stratum.items()):
                    lines.append(f"  {name}, {value}: {s.hits}/{s.trials} ({s.low:.2f} to {s.high:.2f})")
            lines.append("  called: " + (_counts(self.called) or "none"))
            lines.append("  seen by: " + (_counts(self.sensors) or "none"))
            lines += [f"  missed: {o.where}" for o in self.missed[:20]]
            if len(self.missed) > 20:
                lines.append(f"  and {len(self.missed) - 20} more missed")
        if self.far_per_m is None or self.far_bounds is None:
            lines.append(f"False alarms: {self.false_alarms}, no rate: the ground's length is not known.")
        else:
            low, high = self.far_bounds
            lines.append(
                f"False alarms {self.false_alarms} on {self.free_m:.1f} m outside halos = {self.far_per_m:.3f}/m, "
                f"95 % Poisson {low:.3f} to {high:.3f}"
            )
            lines += [
                f"  {name}: {r.count} = {r.count / r.metres:.3f}/m ({r.low:.3f} to {r.high:.3f})"
                for name, r in (*sorted(self.far_by_sensor.items()), *sorted(self.far_by_soil.items()))
            ]
            if self.false_called:
                lines.append(f"  called: {_counts(self.false_called)}")
        called = _counts(self.clutter_called)
        alarmed = f"Clutter objects alarmed {self.clutter_alarmed}/{self.clutter}"
        lines.append(alarmed + (f" ({called})" if called else ""))
        lines += [
            f"  {kind}: {k}/{n} alarmed, {c} called clutter" for kind, (n, k, c) in sorted(self.clutter_by_kind.items())
        ]
        if self.reliability is not None:
            r = self.reliability
            lines.append(
                f"Probability of a mine, on {sum(r.count)} alarms at known objects: expected calibration error "
                f"{r.ece:.3f}, Brier score {r.brier:.3f}"
            )
        if self.duplicates:
            lines.append(f"Further alarms inside a halo, counted once: {self.duplicates}")
        return "\n".join(lines)


def _counts(of: dict[str, int]) -> str:
    return ", ".join(f"{c} {n}" for c, n in sorted(of.items()))


def _finite(v: Any) -> Any:
    if isinstance(v, dict):
        return {k: _finite(x) for k, x in v.items()}
    if isinstance(v, list | tuple):
        return [_finite(x) for x in v]
    if isinstance(v, float) and (v != v or v in (float("inf"), float("-inf"))):
        return None
    return v


def pool(lanes: Sequence[LaneScore], with_roc: bool = False) -> Score:
    """All lanes as one trial. with_roc : the curve too, with a bootstrap by place."""
    targets = [o for lane in lanes for o in lane.targets]
    clutter = [o for lane in lanes for o in lane.clutter]
    found = [o for o in targets if o.found]
    placed = [lane for lane in lanes if lane.free_m > 0]
    free = sum(lane.free_m for lane in placed)
    outside = [a for lane in placed for a in lane.alarms_outside]
    strata = {
        name: {
            value: Share.of(
                sum(o.found for o in targets if key(o) == value), sum(1 for o in targets if key(o) == value)
            )
            for value in sorted({key(o) for o in targets})
        }
        for name, key in STRATA.items()
        if len({key(o) for o in targets}) > 1 or name == "target"
    }
    kinds = sorted({o.kind for o in clutter})
    soils = sorted({lane.soil for lane in placed if lane.soil})
    by_soil = {}
    for soil in soils if len(soils) > 1 else []:
        metres = sum(lane.free_m for lane in placed if lane.soil == soil)
        count = sum(a.soil == soil for a in outside)
        by_soil[soil] = Rate(count, metres, *poisson_rate(count, metres))
    by_sensor = {}
    for seen_by in sorted({a.seen_by for a in outside}):
        count = sum(a.seen_by == seen_by for a in outside)
        by_sensor[f"seen by {seen_by}"] = Rate(count, free, *poisson_rate(count, free))
    return Score(
        lanes=len(lanes),
        places=len({lane.place for lane in lanes}),
        targets=len(targets),
        found=len(found),
        pod=len(found) / len(targets) if targets else None,
        pod_bounds=clopper_pearson(len(found), len(targets)) if targets else None,
        first=sum(o.dug_first for o in targets),
        strata=strata if targets else {},
        sensors=dict(Counter(o.seen_by for o in found)),
        called=dict(Counter(o.decision for o in found)),
        missed=tuple(o for o in targets if not o.found),
        clutter=len(clutter),
        clutter_alarmed=sum(o.found for o in clutter),
        clutter_called=dict(Counter(o.decision for o in clutter if o.found)),
        clutter_by_kind={
            k: (
                sum(o.kind == k for o in clutter),
                sum(o.kind == k and o.found for o in clutter),
                sum(o.kind == k and o.found and not o.dug_first for o in clutter),
            )
            for k in kinds
        },
        false_alarms=len(outside) if placed else sum(len(lane.alarms_outside) for lane in lanes),
        false_called=dict(Counter(a.decision for a in outside)),
        free_m=free,
        far_per_m=len(outside) / free if free > 0 else None,
        far_bounds=poisson_rate(len(outside), free) if free > 0 else None,
        far_by_sensor=by_sensor if len(by_sensor) > 1 else {},
        far_by_soil=by_soil,
        duplicates=sum(lane.duplicates for lane in lanes),
        roc=curve([ranked(lane) for lane in placed]) if with_roc and any(x.targets for x in placed) else None,
        reliability=mine_reliability([*targets, *clutter]),
    )
