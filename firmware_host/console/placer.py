"""Where in the lane a record was taken: by satellites, by an odometer and a strip, or by speed and time.

Each way says how sure it is. No place is a legal answer, and covers nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detector.lane import Lane
from detector.positions import Track
from detector.samples import NO_ODOMETER, Position, SampleBlock
from firmware_host.console.strips import Strips

F8 = NDArray[np.float64]

_KEPT_S: Final = 65.0
"""Fixes and odometer readings kept: a minute of delays times a fix."""
_MOST_FIXES: Final = 1500
_JUMP_M: Final = 0.5
_JUMP_M_PER_S: Final = 5.0
"""An odometer that steps further, beside this speed, has begun anew or slipped; assumed."""
_ODOMETER_STEP_NS: Final = 50_000_000
_PATIENCE_S: Final = 4.5
"""A record without a later fix after so long has no place: longer than any bridged gap, and the receiver's delay."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Places of n records; NaN where one has none."""

    x_m: F8
    y_m: F8
    sigma_m: F8
    """1 sigma; NaN = not known, which covers nothing."""

    def __getitem__(self, part: slice) -> Placed:
        return Placed(self.x_m[part], self.y_m[part], self.sigma_m[part])


class Placer(Protocol):
    """A way to know the place."""

    counts: bool
    """Whether ground may count on its word."""

    @property
    def text(self) -> str:
        """Where the places are from, for a person."""

    def where(self, block: SampleBlock) -> Placed | None:
        """Places of records, asked in the order in which they come; None = not yet known, ask again."""

    def position(self, position: Position) -> None:
        """What a satellite receiver says."""

    def next_strip(self) -> str:
        """The head turns at the lane's end, or begins: what happens now, for a person; '' if that means nothing."""

    def hold(self) -> str:
        """The head stands still, or goes on: what happens now; '' if that means nothing."""

    def restarted(self) -> str:
        """The head's counters begin anew, so its place may be lost: what to do; '' if it is not."""


def _nowhere(n: int) -> Placed:
    return Placed(*(np.full(n, np.nan) for _ in range(3)))


class OdometerPlacer:
    """Along by the head's odometer, across by the strip that the operator says.

    Parameters
    ----------
    lane : None = a track without a lane: x is the odometer's reading itself, y is `across_m`
    """

    counts = True

    def __init__(self, lane: Lane | None, strips: Strips | None = None, across_m: float = 0.0) -> None:
        self._lane, self._strips, self._across_m = lane, strips, across_m
        self._start: float | None = None
        self._last = float("nan")
        self._newest_ns = 0
        self._lost = False

    @property
    def text(self) -> str:
        if self._lost:
            where = f"the beginning of {self._strips.text}," if self._strips else "a place you know"
            return f"odometer, PLACE LOST: go to {where} and press S"
        return f"odometer, {self._strips.text}" if self._strips else "odometer, along the track only"

    def where(self, block: SampleBlock) -> Placed | None:
        x = block.odometer_m
        if np.isfinite(x).any():
            first, end = (int(block.utc_ns[k]) for k in (0, -1))
            reach = _JUMP_M + _JUMP_M_PER_S * max(0, first - self._newest_ns) * 1e-9
            if abs(float(x[np.isfinite(x)][0]) - self._last) > reach:  # never before there was a reading
                self._lost = True
            self._last = float(x[np.isfinite(x)][-1])
            self._newest_ns = max(self._newest_ns, end)
        if self._lost:
            return _nowhere(len(x))
        if self._lane is None or self._strips is None:
            return Placed(x, np.full(len(x), self._across_m), np.zeros(len(x)))
        if self._start is None:
            if not np.isfinite(x).any():
                return _nowhere(len(x))
            self._start = float(x[np.isfinite(x)][0])
        way = x - self._start
        along = way if self._strips.outward else self._lane.length_m - way
        return Placed(along, np.full(len(x), self._strips.y_m), np.zeros(len(x)))

    def position(self, position: Position) -> None:
        pass

    def next_strip(self) -> str:
        if self._strips is None:
            told = f"The track goes on at the odometer's reading of {self._last:.2f} m." if self._lost else ""
            self._lost = False
            return told
        # a strip on which the place was lost is begun anew
        self._strips.passed += not self._lost
        self._lost = False
        self._start = self._last if self._last == self._last else None
        return f"The head is now at the {'beginning' if self._strips.outward else 'end'} of {self._strips.text}."

    def hold(self) -> str:
        return ""

    def restarted(self) -> str:
        self._lost = True
        return f"The odometer may have begun anew. Place by {self.text}."


class ReckoningPlacer:
    """Along by a speed that is only said, from the moment at which the operator begins a strip.

    Nobody knows how far off that is, so ground counts on it only where that was asked for.
    """

    def __init__(self, lane: Lane, strips: Strips, speed_m_per_s: float, tick_hz: float, counts: bool) -> None:
        self.counts = counts
        self._lane, self._strips, self._speed, self._tick_hz = lane, strips, speed_m_per_s, tick_hz
        self._begun = self._going = False
        self._walked_m = 0.0
        self._since_tick: int | None = None
        self._newest_tick = 0

    @property
    def text(self) -> str:
        word = "COUNTS BY YOUR WISH" if self.counts else "does not count"
        how = self._strips.text if self._going else f"standing, {self._strips.text}"
        return f"DEAD RECKONING at {self._speed:g} m/s, accuracy unknown, {word}: {how}"

    def where(self, block: SampleBlock) -> Placed | None:
        n = len(block)
        self._newest_tick = max(self._newest_tick, int(block.tick[-1]))
        if not self._going:
            return _nowhere(n)
        if self._since_tick is None:
            self._since_tick = int(block.tick[0])
        way = self._walked_m + self._speed * (block.tick - self._since_tick) / self._tick_hz
        # before the beginning and past the end nobody knows anything
        way = np.where((way >= 0.0) & (way <= self._lane.length_m), way, np.nan)
        along = np.asarray(way if self._strips.outward else self._lane.length_m - way, np.float64)
        return Placed(along, np.full(n, self._strips.y_m), np.zeros(n))

    def position(self, position: Position) -> None:
        pass

    def next_strip(self) -> str:
        if self._begun:
            self._strips.passed += 1
        self._begun = self._going = True
        self._walked_m, self._since_tick = 0.0, None
        return f"Dead reckoning at {self._speed:g} m/s begins: {self._strips.text}."

    def hold(self) -> str:
        if not self._begun:
            return ""
        if self._going and self._since_tick is not None:
            self._walked_m += self._speed * (self._newest_tick - self._since_tick) / self._tick_hz
        self._since_tick = None
        self._going = not self._going
        return f"Dead reckoning {'goes on' if self._going else 'stands still'} at {self._walked_m:.2f} m."

    def restarted(self) -> str:
        self._begun = self._going = False
        return f"Dead reckoning has ended. Go to the beginning of {self._strips.text}, and press S."


class SatellitePlacer:
    """By a satellite receiver's fixes, as docs/positions.md says; with the odometer between them if there is one."""

    counts = True

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._fixes: deque[Position] = deque(maxlen=_MOST_FIXES)
        self._odometer: deque[tuple[int, float]] = deque(maxlen=_MOST_FIXES)
        self._track: Track | None = None
        self._newest_ns = 0
        self._sigma = float("nan")

    @property
    def text(self) -> str:
        sigma = f"± {self._sigma:.2f} m" if self._sigma == self._sigma else "no sure place"
        return f"satellites, {sigma}"

    def position(self, position: Position) -> None:
        self._fixes.append(position)
        while position.utc_ns - self._fixes[0].utc_ns > _KEPT_S * 1e9:
            self._fixes.popleft()
        self._track = None

    def where(self, block: SampleBlock) -> Placed | None:
        end = int(block.utc_ns[-1])
        self._newest_ns = max(self._newest_ns, end)
        self._note_odometer(block)
        if self._track is None:
            self._track = Track(list(self._fixes), odometer=self._odometer_columns())
        known = self._track.utc_ns
        if (len(known) == 0 or known[-1] < end) and self._newest_ns - end < _PATIENCE_S * 1e9:
            return None
        places = self._track.places(block.utc_ns)
        self._sigma = float(places.sigma_m[-1])
        x, y = self._lane.from_earth(places.latitude_deg, places.longitude_deg)
        return Placed(x, y, places.sigma_m)

    def _note_odometer(self, block: SampleBlock) -> None:
        """Readings thinned out; a block that is asked for again brings none twice."""
        if self._odometer and block.utc_ns[-1] - self._odometer[-1][0] < _ODOMETER_STEP_NS:
            return
        for utc_ns, um in zip(block.utc_ns, block.odometer_um, strict=True):
            if um != NO_ODOMETER and (not self._odometer or utc_ns - self._odometer[-1][0] >= _ODOMETER_STEP_NS):
                self._odometer.append((int(utc_ns), um * 1e-6))

    def _odometer_columns(self) -> tuple[NDArray[np.int64], F8] | None:
        if not self._odometer:
            return None
        times, metres = zip(*self._odometer, strict=True)
        return np.array(times, np.int64), np.array(metres, np.float64)

    def next_strip(self) -> str:
        return ""

    def hold(self) -> str:
        return ""

    def restarted(self) -> str:
        return ""
