"""What one lane of a trial gave: every object found or not, every false alarm, the ground that was tested."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from detector.detections import CLASSES, UNKNOWN, Detection, LabelClass, TrueObject
from detector.score.matching import halo_length_m, match

DEPTHS_M = (0.05, 0.10, 0.15, 0.20)
"""Edges of the depth strata, of the object's top below the surface."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An object in the ground and what was made of it."""

    lane: str
    kind: str
    label: LabelClass
    depth_m: float
    soil: str
    x_m: float
    contains_metal: bool
    found: bool
    score: float
    """Alarm score of the detection that counts for it; -inf if it was not found."""
    seen_by: str
    """'metal', 'radar', 'metal+radar'; '' if it was not found."""
    decision: str
    level: int
    """-1 if it was not found."""
    probability: tuple[float, ...]
    """Of each of CLASSES; () if it was not found."""

    @property
    def is_target(self) -> bool:
        return self.label in (LabelClass.MINE, LabelClass.ERW)

    @property
    def dug_first(self) -> bool:
        """Whether it alarmed and was called mine-like or unknown: both rank highest."""
        return self.found and self.decision in (CLASSES[0], UNKNOWN)

    @property
    def where(self) -> str:
        """For a person."""
        return f"{self.kind} in {self.lane} at {self.x_m:.2f} m, {100 * self.depth_m:.0f} cm deep"

    @property
    def depth(self) -> str:
        """Its depth stratum."""
        if math.isnan(self.depth_m):
            return "depth not known"
        low = 0.0
        for edge in DEPTHS_M:
            if self.depth_m < edge:
                return f"{100 * low:.0f} to {100 * edge:.0f} cm"
            low = edge
        return f"over {100 * low:.0f} cm"


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """A detection outside every halo."""

    lane: str
    soil: str
    x_m: float
    score: float
    seen_by: str
    decision: str
    level: int
    probability: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LaneScore:
    """One lane. Counts only: rates are for the pool."""

    lane: str
    soil: str
    outcomes: tuple[Outcome, ...]
    alarms_outside: tuple[FalseAlarm, ...]
    duplicates: int
    free_m: float
    """Lane length outside all halos, m; 0 where the place is not known."""

    @property
    def place(self) -> str:
        """The ground it is a sweep of: lanes 'NAME-1' and 'NAME-2' are two sweeps of NAME, not two lanes."""
        return self.lane.split("-")[0]

    @property
    def targets(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.is_target]

    @property
    def clutter(self) -> list[Outcome]:
        return [o for o in self.outcomes if not o.is_target]


def soil_of(note: str) -> str:
    """The soil that a recording's note names ('Soil: damp sand; ...'), or ''."""
    found = re.search(r"\b[Ss]oil: ([^;.,]+)", note)
    return found.group(1).strip() if found else ""


def score_lane(
    lane: str,
    truth: Sequence[TrueObject],
    detections: Sequence[Detection],
    lane_m: tuple[float, float] | None,
    soil: str = "",
) -> LaneScore:
    """Match detections to what is known to lie there.

    lane_m : first and last place of the lane, m; None where it has no odometer; soil : for the strata, '' = not known.
    """
    m = match(truth, detections)

    def outcome(i: int, o: TrueObject) -> Outcome:
        j = m.found.get(i)
        d = None if j is None else detections[j]
        return Outcome(
            lane=lane,
            kind=o.kind,
            label=o.label,
            depth_m=o.depth_m,
            soil=soil,
            x_m=o.x_m,
            contains_metal=o.contains_metal,
            found=d is not None,
            score=-math.inf if d is None else d.score,
            seen_by="" if d is None else d.seen_by,
            decision="" if d is None else d.decision,
            level=-1 if d is None else d.level,
            probability=() if d is None else d.probability,
        )

    free = 0.0 if lane_m is None else lane_m[1] - lane_m[0] - halo_length_m(truth, lane_m)
    return LaneScore(
        lane=lane,
        soil=soil,
        outcomes=tuple(outcome(i, o) for i, o in enumerate(truth)),
        alarms_outside=tuple(
            FalseAlarm(lane, soil, d.x_m, d.score, d.seen_by, d.decision, d.level, d.probability)
            for d in (detections[j] for j in m.outside)
        ),
        duplicates=len(m.duplicates),
        free_m=max(0.0, free),
    )


