"""What one lane of a trial gave: every object found or not, every false alarm, the ground that was tested."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from detector.detections import CLASSES, UNKNOWN, Detection, LabelClass, TrueObject
from detector.score.along import Trace, covered_spans, weak_peaks, weak_rarities, weak_rarity, why_missed
from detector.score.matching import HALO_MARGIN_M, halo_length_m, match
from detector.score.rarity import Ranking, Rarities
from detector.score.searching import SearchLane

ECHOES_DB = (10.0, 15.0, 20.0)
"""Edges of the strata of what a radar could see, of an object's echo over ground and noise."""
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
    """Of each of CLASSES; () if it was not found, or by dense echoes, which no model has learned."""
    novelty: float = math.nan
    alarm_x_m: float = math.nan
    """Where the detection that counts for it was placed."""
    halo_m: float = math.nan
    """Radius within which an alarm counts for it."""
    why: str = ""
    """Of a missed one: 'below threshold: ...', 'not covered: ...', 'merged: ...', 'not placed: ...' or 'not known'."""
    confidence: str = ""
    """How sure the truth is: 'simulated', 'surveyed', 'author', 'eye'."""
    radar_db: float = math.nan
    """Its echo over ground and noise, dB; NaN where nobody knows."""
    weak: float = -math.inf
    """Of one below the threshold: the highest score in its halo, in units of the threshold."""
    dense: bool = False
    """Whether what found it alarmed by dense echoes, which no model has learned."""

    @property
    def cause(self) -> str:
        """The first words of why it was missed."""
        return self.why.partition(":")[0]

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
        depth = "depth not known" if math.isnan(self.depth_m) else f"{100 * self.depth_m:.0f} cm deep"
        place = "" if math.isnan(self.x_m) else f" at {self.x_m:.2f} m"
        return f"{self.kind} in {self.lane}{place}, {depth}"

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

    @property
    def echo(self) -> str:
        """The stratum of what a radar could see of it."""
        if math.isnan(self.radar_db):
            return "echo not known"
        low = -math.inf
        for edge in ECHOES_DB:
            if self.radar_db < edge:
                return f"{low:.0f} to {edge:.0f} dB" if math.isfinite(low) else f"below {edge:.0f} dB"
            low = edge
        return f"{low:.0f} dB or more"


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
    """Covered length outside all halos, m, see :func:`covered_spans`; 0 where the place is not known."""
    lane_m: tuple[float, float] | None = None
    """First and last place, m; None where they are not known."""
    width_m: float = math.nan
    """Of the lane, m; NaN where it is not known."""
    further_m: tuple[float, ...] = ()
    """Places of the duplicates."""
    weak_outside: tuple[float, ...] = ()
    """Peaks of the alarm score outside halos that stayed below the threshold, in units of it."""
    search: SearchLane | None = None
    """What the search signals did on it; None where they were not looked at."""
    ranking: Ranking | None = None
    """What its places are ranked by; None where the model's tails were not known, as in results of before."""

    @property
    def place(self) -> str:
        """The ground it is a sweep of: lanes 'NAME-1' and 'NAME-2' are two sweeps of NAME, not two lanes."""
        return place_of(self.lane)

    @property
    def ground(self) -> str:
        """Its place and what lies there: the same for two sweeps of one lane, not for two lanes of like names."""
        return f"{self.place} {[(str(o.label), o.kind, repr(o.x_m), repr(o.depth_m)) for o in self.outcomes]}"

    @property
    def targets(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.is_target]

    @property
    def clutter(self) -> list[Outcome]:
        return [o for o in self.outcomes if not o.is_target]


def place_of(lane: str) -> str:
    """Name of the ground that a lane is a sweep of: 'dev04-2' and 'dev04-101' are sweeps of 'dev04'.

    >>> place_of("dev04-101"), place_of("sweep-20260101T080000Z")
    ('dev04', 'sweep-20260101T080000Z')
    """
    return re.sub(r"-\d{1,4}$", "", lane)


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
    width_m: float = math.nan,
    traces: Sequence[Trace] = (),
    search: SearchLane | None = None,
    rarities: Rarities | None = None,
) -> LaneScore:
    """Match detections to what is known to lie there.

    Parameters
    ----------
    lane_m : first and last place of the lane, m; None where it has no odometer
    soil : for the strata, '' = not known; width_m : of the lane, NaN = not known
    traces : the alarm score along each stream, without which nobody can say why a mine was missed
    rarities : of the alarm scores; without them places can only be ranked by the score itself
    """
    m = match(truth, detections)

    def outcome(i: int, o: TrueObject) -> Outcome:
        j = m.found.get(i)
        d = None if j is None else detections[j]
        why, weak = ("", -math.inf) if d is not None else why_missed(i, truth, detections, m, traces)
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
            # no model has learned dense echoes: what stands there is the prior, and says nothing of the model
            probability=() if d is None or d.dense else d.probability,
            novelty=math.nan if d is None else d.novelty,
            alarm_x_m=math.nan if d is None else d.x_m,
            halo_m=o.half_extent_m + HALO_MARGIN_M,
            why=why,
            weak=weak,
            confidence=o.confidence,
            radar_db=o.radar_db,
            dense=d is not None and d.dense,
        )

    spans = [] if lane_m is None else covered_spans(traces, lane_m)
    free = sum(b - a - halo_length_m(truth, (a, b)) for a, b in spans)
    outcomes = tuple(outcome(i, o) for i, o in enumerate(truth))
    ranking = None
    if rarities is not None:
        ranking = Ranking(
            tuple(
                rarities.of(detections[m.found[i]])
                if i in m.found
                else weak_rarity(o, traces)
                if math.isfinite(outcomes[i].weak)
                else -math.inf
                for i, o in enumerate(truth)
            ),
            (
                *(rarities.of(detections[j]) for j in m.outside),
                *(() if lane_m is None else weak_rarities(truth, detections, traces)),
            ),
        )
    return LaneScore(
        lane=lane,
        soil=soil,
        outcomes=outcomes,
        alarms_outside=tuple(
            FalseAlarm(lane, soil, d.x_m, d.score, d.seen_by, d.decision, d.level, d.probability)
            for d in (detections[j] for j in m.outside)
        ),
        duplicates=len(m.duplicates),
        free_m=max(0.0, free),
        lane_m=lane_m,
        width_m=width_m,
        further_m=tuple(detections[j].x_m for j in m.duplicates),
        weak_outside=() if lane_m is None else weak_peaks(truth, detections, traces),
        search=search,
        ranking=ranking,
    )


