"""Which detection belongs to which object: halos, one to one, nearest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from detector.detections import LARGEST_OBJECT_M, LabelClass, TrueObject
from detector.errors import TruthError

HALO_MARGIN_M = 0.10
"""Added to half the target's extent (CWA 14747-1 practice; printed in every report)."""


class Found(Protocol):
    """What can be matched: a detection, or a place that a person marked. Records are -1 where there is none."""

    @property
    def x_m(self) -> float: ...
    @property
    def radar_peak_seq(self) -> int: ...
    @property
    def metal_peak_seq(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Match:
    """Where the detections of one lane fell."""

    found: dict[int, int]
    """Index of the object -> index of the detection that counts for it."""
    duplicates: tuple[int, ...]
    """Detections inside a halo whose object has another one already."""
    outside: tuple[int, ...]
    """Detections outside every halo: false alarms, unless the ground holds unlisted objects."""


def refuse_too_wide(truth: Sequence[TrueObject]) -> None:
    """A recording may hold a truth from before sizes were looked at: its halo would cover the lane.

    Raises
    ------
    TruthError
        names the first object that is wider than any.
    """
    for o in truth:
        if 2 * o.half_extent_m > LARGEST_OBJECT_M:
            raise TruthError(
                f"By the recording's truth a {o.kind or o.label} at {o.x_m:g} m is {2 * o.half_extent_m:g} m wide; the "
                f"most is {LARGEST_OBJECT_M:g} m. Perhaps it was in cm. Mend the truth and import it again, or give "
                "one of its own (score --truth)."
            )


def distance(o: TrueObject, d: Found) -> float:
    """Metres, or records where the recording has no place; infinite outside the halo."""
    if o.stream and ((o.stream == "radar" and d.radar_peak_seq < 0) or (o.stream == "metal" and d.metal_peak_seq < 0)):
        return math.inf
    if o.first_seq >= 0:
        seq = d.metal_peak_seq if o.stream == "metal" else d.radar_peak_seq
        if o.first_seq <= seq <= o.last_seq:
            return abs(seq - 0.5 * (o.first_seq + o.last_seq))
        return math.inf
    gap = abs(d.x_m - o.x_m)
    return gap if gap <= o.half_extent_m + HALO_MARGIN_M else math.inf


def match(truth: Sequence[TrueObject], detections: Sequence[Found]) -> Match:
    """Pair objects and detections; each object counts once, each detection for one object."""
    pairs = sorted(
        (d, i, j)
        for i, o in enumerate(truth)
        for j, det in enumerate(detections)
        if math.isfinite(d := distance(o, det))
    )
    found: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in pairs:
        if i not in found and j not in used:
            found[i] = j
            used.add(j)
    inside = {j for _, _, j in pairs}
    rest = range(len(detections))
    return Match(
        found,
        tuple(j for j in rest if j in inside and j not in used),
        tuple(j for j in rest if j not in inside),
    )


def halo_length_m(truth: Sequence[TrueObject], lane_m: tuple[float, float]) -> float:
    """Metres of the lane that lie inside some halo."""
    halos = [(o.x_m, o.half_extent_m + HALO_MARGIN_M) for o in truth]
    spans = sorted((max(lane_m[0], x - r), min(lane_m[1], x + r)) for x, r in halos if math.isfinite(x + r))
    total, end = 0.0, -math.inf
    for a, b in spans:
        total += max(0.0, b - max(a, end))
        end = max(end, b)
    return total


def is_target(o: TrueObject) -> bool:
    """Whether missing it counts: mines and explosive remnants."""
    return o.label in (LabelClass.MINE, LabelClass.ERW)
