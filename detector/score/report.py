"""The figures of a trial, with their bounds and with what was not tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from detector.detections import Detection, TrueObject
from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.matching import HALO_MARGIN_M, halo_length_m, is_target, match


@dataclass(frozen=True, slots=True)
class LaneScore:
    """One lane. Counts only: rates are for the pool."""

    lane: str
    targets: tuple[tuple[str, bool, str], ...]
    """(kind, found, decision) of each mine."""
    clutter: tuple[tuple[str, bool, str], ...]
    """(kind, alarmed, decision) of each clutter object."""
    false_alarms: int
    duplicates: int
    free_m: float
    """Lane length outside all halos, m; 0 where the place is not known."""


def score_lane(
    lane: str, truth: Sequence[TrueObject], detections: Sequence[Detection], lane_m: tuple[float, float] | None
) -> LaneScore:
    """lane_m : first and last place of the lane, m; None where it has no odometer."""
    m = match(truth, detections)

    def row(i: int) -> tuple[str, bool, str]:
        j = m.found.get(i)
        return truth[i].kind, j is not None, "" if j is None else detections[j].decision

    free = 0.0 if lane_m is None else lane_m[1] - lane_m[0] - halo_length_m(truth, lane_m)
    return LaneScore(
        lane=lane,
        targets=tuple(row(i) for i, o in enumerate(truth) if is_target(o)),
        clutter=tuple(row(i) for i, o in enumerate(truth) if not is_target(o)),
        false_alarms=len(m.outside),
        duplicates=len(m.duplicates),
        free_m=free,
    )


@dataclass(frozen=True, slots=True)
class Score:
    """A pool of lanes."""

    lanes: int
    targets: int
    found: int
    pod: float | None
    pod_bounds: tuple[float, float] | None
    by_kind: dict[str, tuple[int, int]]
    """kind -> (found, targets)"""
    called: dict[str, int]
    """decision on found targets -> count"""
    clutter: int
    clutter_alarmed: int
    clutter_called: dict[str, int]
    false_alarms: int
    free_m: float
    far_per_m: float | None
    far_bounds: tuple[float, float] | None
    duplicates: int
    halo_margin_m: float = HALO_MARGIN_M

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        """The report, for a person."""
        lines = [f"{self.lanes} lane(s). Halo: half the target's extent + {100 * self.halo_margin_m:.0f} cm."]
        if self.pod is None or self.pod_bounds is None:
            lines.append("POD: not tested, there were no mines.")
        else:
            low, high = self.pod_bounds
            bounds = f"95 % Clopper-Pearson {low:.3f} to {high:.3f}"
            lines.append(f"POD {self.found}/{self.targets} = {self.pod:.3f}, {bounds}")
            lines += [f"  {kind}: {k}/{n}" for kind, (k, n) in sorted(self.by_kind.items())]
            lines.append("  called: " + (", ".join(f"{c} {n}" for c, n in sorted(self.called.items())) or "none"))
        if self.far_per_m is None or self.far_bounds is None:
            lines.append(f"False alarms: {self.false_alarms}, no rate: the ground's length is not known.")
        else:
            low, high = self.far_bounds
            lines.append(
                f"False alarms {self.false_alarms} on {self.free_m:.1f} m outside halos = {self.far_per_m:.3f}/m, "
                f"95 % Poisson {low:.3f} to {high:.3f}"
            )
        called = ", ".join(f"{c} {n}" for c, n in sorted(self.clutter_called.items()))
        alarmed = f"Clutter objects alarmed {self.clutter_alarmed}/{self.clutter}"
        lines.append(alarmed + (f" ({called})" if called else ""))
        if self.duplicates:
            lines.append(f"Further alarms inside a halo, counted once: {self.duplicates}")
        return "\n".join(lines)


def pool(lanes: Sequence[LaneScore]) -> Score:
    """All lanes as one trial."""
    targets = [t for lane in lanes for t in lane.targets]
    clutter = [c for lane in lanes for c in lane.clutter]
    found = sum(hit for _, hit, _ in targets)
    placed = [lane for lane in lanes if lane.free_m > 0]
    free = sum(lane.free_m for lane in placed)
    counted = sum(lane.false_alarms for lane in placed)
    kinds: dict[str, tuple[int, int]] = {}
    for kind, hit, _ in targets:
        k, n = kinds.get(kind, (0, 0))
        kinds[kind] = (k + hit, n + 1)
    return Score(
        lanes=len(lanes),
        targets=len(targets),
        found=found,
        pod=found / len(targets) if targets else None,
        pod_bounds=clopper_pearson(found, len(targets)) if targets else None,
        by_kind=kinds,
        called=dict(Counter(d for _, hit, d in targets if hit)),
        clutter=len(clutter),
        clutter_alarmed=sum(hit for _, hit, _ in clutter),
        clutter_called=dict(Counter(d for _, hit, d in clutter if hit)),
        false_alarms=counted if placed else sum(lane.false_alarms for lane in lanes),
        free_m=free,
        far_per_m=counted / free if free > 0 else None,
        far_bounds=poisson_rate(counted, free) if free > 0 else None,
        duplicates=sum(lane.duplicates for lane in lanes),
    )
