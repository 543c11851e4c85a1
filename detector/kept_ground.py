"""The lanes of a recording and how their ground stood at last, as its session kept them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.coverage import within
from detector.ground_map import GroundMap, map_of
from detector.lane import Lane, kept_lanes
from detector.recording.reader import Recording


@dataclass(frozen=True, slots=True)
class KeptGround:
    """One lane and its ground."""

    number: int
    lane: Lane | None
    """None: a track along an odometer, without a lane."""
    ground: GroundMap
    origin_m: float
    """Of the map along the track; 0 in a lane."""


def kept_ground(recording: Recording, cell_m: float = 0.05) -> list[KeptGround]:
    """Every lane in the order in which it was given, as it stood when it was last kept.

    cell_m : for a lane of which nothing was kept; nothing of it was reached

    Raises
    ------
    RecordingError
        for a recording of type training, in which no ground ever counts.
    """
    recording.refuse_training("say what ground was covered")
    runs = recording.table("ground")
    lanes = kept_lanes(recording.table("lanes"))
    out = []
    for number in sorted({*lanes, *(int(n) for n in runs["lane"])}):
        mine = runs[runs["lane"] == number]
        mine = mine[mine["utc_ns"] == mine["utc_ns"].max()] if len(mine) else mine
        cell = float(mine["cell_m"][0]) if len(mine) else cell_m
        lane, asked = lanes.get(number, (None, 1))
        if lane is not None:
            shape = tuple(max(1, int(np.ceil(m / cell - 1e-6))) for m in (lane.length_m, lane.width_m))
            inside, origin = within(lane.rings_m, (shape[0], shape[1]), cell), 0.0
        else:
            first = int(mine["first"].min())
            mine = mine.copy()
            mine["first"] -= first
            mine["last"] -= first
            inside, origin = np.ones((int(mine["last"].max()) + 1, 1), np.bool_), first * cell
        out.append(KeptGround(number, lane, map_of(mine, inside, cell, asked), origin))
    return out
