"""The figures of a trial, with their bounds and with what was not tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from detector.score.asked import different_rate, swept_again
from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.calibration import Reliability, mine_reliability
from detector.score.matching import HALO_MARGIN_M
from detector.score.roc import Curve, auc, curve, ranked
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
    "echo": lambda o: o.echo,
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
    dense_by_kind: dict[str, int]
    """kind -> objects, mines or clutter, found by an alarm of dense echoes."""
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
    different: int = 0
    """Mines that are not the same one swept again: what the bounds may count on."""
    different_bounds: tuple[float, float] | None = None
    """95 % Clopper-Pearson of the POD as if only these had been swept, once."""
    different_m: float = 0.0
    """Free ground that is not the same swept again, m."""
    different_far_bounds: tuple[float, float] | None = None
    """95 % Poisson of the false alarms per metre as if only that had been swept, once."""
    free_m2: float | None = None
    """Free ground of the lanes whose width is known; halos are taken over the whole width. None if none is."""
    far_per_m2: float | None = None
    far_m2_bounds: tuple[float, float] | None = None
    missed_by_cause: dict[str, int] = field(default_factory=dict)
    discrimination_auc: float | None = None
    """Share of pairs of an alarmed mine and an alarmed clutter object in which the mine was called likelier a mine."""
    halo_margin_m: float = HALO_MARGIN_M

    @property
    def repeated(self) -> bool:
        """Whether mines or ground were swept more than once."""
        return self.different < self.targets or self.again

    @property
    def again(self) -> bool:
        """Whether ground was swept more than once."""
        return swept_again(self.different_m, self.free_m)

    @property
    def by_kind(self) -> dict[str, tuple[int, int]]:
        """kind -> (found, targets)"""
        return {k: (s.hits, s.trials) for k, s in self.strata.get("target", {}).items()}

    def to_json(self) -> dict[str, Any]:
        out = asdict(self)
        out["by_kind"] = self.by_kind
        clean: dict[str, Any] = finite(out)
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
            if self.repeated and self.different_bounds is not None:
                lines.append(
                    f"  These are {self.different} different mines on {self.different_m:.1f} m of different ground; "
                    f"sweeps of one mine are not independent. 95 % of {self.different} mines: "
                    f"{self.different_bounds[0]:.3f} to {self.different_bounds[1]:.3f}"
                )
            for name, stratum in self.strata.items():
                for value, s in by_size(stratum):
                    lines.append(f"  {name}, {value}: {s.hits}/{s.trials} ({s.low:.2f} to {s.high:.2f})")
            lines.append("  called: " + (_counts(self.called) or "none"))
            lines.append("  seen by: " + (_counts(self.sensors) or "none"))
            lines += [f"  missed: {o.where}" + (f" ({o.why})" if o.why else "") for o in self.missed[:20]]
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
            if self.again and self.different_far_bounds is not None:
                lines.append(
                    f"  Sweeps of one ground are not independent; 95 % of {self.different_m:.1f} m different ground: "
                    f"{self.different_far_bounds[0]:.3f} to {self.different_far_bounds[1]:.3f}"
                )
            lines += [
                f"  {name}: {r.count} = {r.count / r.metres:.3f}/m ({r.low:.3f} to {r.high:.3f})"
                for name, r in (*sorted(self.far_by_sensor.items()), *sorted(self.far_by_soil.items()))
            ]
            if self.far_per_m2 is not None and self.far_m2_bounds is not None:
                lines.append(
                    f"  per area, where the width is known: {self.far_per_m2:.4f}/m2 "
                    f"({self.far_m2_bounds[0]:.4f} to {self.far_m2_bounds[1]:.4f}) on {self.free_m2:.1f} m2"
                )
            if self.false_called:
                lines.append(f"  called: {_counts(self.false_called)}")
        called = _counts(self.clutter_called)
        alarmed = f"Clutter objects alarmed {self.clutter_alarmed}/{self.clutter}"
        lines.append(alarmed + (f" ({called})" if called else ""))
        lines += [
            f"  {kind}: {k}/{n} alarmed, {c} called clutter" for kind, (n, k, c) in sorted(self.clutter_by_kind.items())
        ]
        if self.dense_by_kind:
            lines.append(f"Alarmed as dense echoes, by their shape and not their height: {_counts(self.dense_by_kind)}")
        if self.reliability is not None:
            r = self.reliability
            lines.append(
                f"Probability of a mine, on {sum(r.count)} alarms at known objects: {r.errors}, "
                f"Brier score {r.brier:.3f}"
                + ("" if self.discrimination_auc is None else f", area under its curve {self.discrimination_auc:.3f}")
            )
            lines.append(f"  {r.to_text()}")
        if self.duplicates:
            lines.append(f"Further alarms inside a halo, counted once: {self.duplicates}")
        return "\n".join(lines)


def by_size(stratum: dict[str, Share]) -> list[tuple[str, Share]]:
    """Its values in order: '5 to 10 cm' before '10 to 15 cm', then what begins with no number."""

    def size(item: tuple[str, Share]) -> tuple[float, str]:
        first = item[0].split(" ")[0]
        return float(first) if first.isdigit() else float("inf"), item[0]

    return sorted(stratum.items(), key=size)


def _counts(of: dict[str, int]) -> str:
    return ", ".join(f"{c} {n}" for c, n in sorted(of.items()))


def finite(v: Any) -> Any:
    """The same with null for what is not a finite number: strict JSON knows no NaN and no infinity."""
    if isinstance(v, dict):
        return {k: finite(x) for k, x in v.items()}
    if isinstance(v, list | tuple):
        return [finite(x) for x in v]
    if isinstance(v, float) and (v != v or v in (float("inf"), float("-inf"))):
        return None
    return v


def pool(lanes: Sequence[LaneScore], with_roc: bool = False) -> Score:
    """All lanes as one trial. with_roc : the curve too, with a bootstrap by ground."""
    targets = [o for lane in lanes for o in lane.targets]
    clutter = [o for lane in lanes for o in lane.clutter]
    found = [o for o in targets if o.found]
    placed = [lane for lane in lanes if lane.free_m > 0]
    free = sum(lane.free_m for lane in placed)
    outside = [a for lane in placed for a in lane.alarms_outside]
    wide = [lane for lane in placed if lane.width_m > 0]
    area = sum(lane.free_m * lane.width_m for lane in wide)
    count_m2 = sum(len(lane.alarms_outside) for lane in wide)
    grounds = {lane.ground: lane for lane in lanes}
    different = sum(len(lane.targets) for lane in grounds.values())
    different_m = sum(lane.free_m for lane in grounds.values())
    mine_p, clutter_p = ([o.probability[0] for o in some if o.found and o.probability] for some in (targets, clutter))
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
        places=len(grounds),
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
        dense_by_kind=dict(Counter(o.kind for o in (*targets, *clutter) if o.dense)),
        false_alarms=len(outside) if placed else sum(len(lane.alarms_outside) for lane in lanes),
        false_called=dict(Counter(a.decision for a in outside)),
        free_m=free,
        far_per_m=len(outside) / free if free > 0 else None,
        far_bounds=poisson_rate(len(outside), free) if free > 0 else None,
        far_by_sensor=by_sensor if len(by_sensor) > 1 else {},
        far_by_soil=by_soil,
        duplicates=sum(lane.duplicates for lane in lanes),
        roc=curve([ranked(lane) for lane in placed]) if with_roc and any(x.targets for x in placed) else None,
        reliability=mine_reliability(lanes),
        different=different,
        different_bounds=clopper_pearson(round(different * len(found) / len(targets)), different) if targets else None,
        different_m=different_m,
        different_far_bounds=different_rate(len(outside), free, different_m) if different_m > 0 else None,
        free_m2=area if wide else None,
        far_per_m2=count_m2 / area if area > 0 else None,
        far_m2_bounds=poisson_rate(count_m2, area) if area > 0 else None,
        missed_by_cause=dict(Counter(o.cause for o in targets if not o.found and o.why)),
        discrimination_auc=auc(mine_p, clutter_p) if mine_p and clutter_p else None,
    )
