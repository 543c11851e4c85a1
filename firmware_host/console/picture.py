"""What the page draws, thinned to what eyes can follow: the metal signal as a line, A-scans as columns of a B-scan.

Pictures only: nothing is decided on them, and what the pipeline decides on never passes here.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.samples import SampleBlock, StreamDescription

F8 = NDArray[np.float64]

DRAWN_HZ: Final = 30.0
"""Points and columns a second of device time at most: more would not be seen."""

DEPTH_CELLS: Final = 96
"""Rows of the B-scan picture at most."""

_MEMORY_S: Final = 3.0
"""Time constant of the ground that is subtracted for the picture, s."""

SPEED_M_PER_S: Final = 1e8
"""Wave speed of the cm scale: relative permittivity 9, a moist sand; alarms carry their own estimate."""


@dataclass(frozen=True, slots=True)
class Point:
    """One drawn moment of a metal stream."""

    t_s: float
    """By the head's ticks."""
    strength: float
    """rms deviation from the ground passed before, in its own usual deviation: about 1 on quiet ground."""


@dataclass(frozen=True, slots=True)
class Column:
    """One drawn column of a radar stream."""

    t_s: float
    cells: str
    """Base 64 of one signed byte per row, 32 to the usual deviation of that row."""


class _Ground:
    """Running mean and mean absolute deviation per value; one record pulls by three deviations at most."""

    def __init__(self, width: int, rate_hz: float) -> None:
        self._alpha = min(1.0, 1.0 / (_MEMORY_S * rate_hz))
        self.mean: F8 = np.zeros(width)
        self._spread: F8 = np.zeros(width)
        self._seen = 0

    def deviation(self, x: F8) -> F8:
        """(n, width) in deviations; the first records are the ground themselves."""
        if self._seen == 0:
            self.mean = np.median(x, axis=0)
        d = x - self.mean
        if self._seen == 0:
            self._spread = np.mean(np.abs(d), axis=0)
        # quicker at first: the average of what was seen, until there is a memory's worth
        a = max(self._alpha, 1.0 / (self._seen + 1)) * len(x)
        a = min(0.5, a)
        floor = 1e-3 * float(np.max(self._spread, initial=0.0)) + 1e-300
        limit = 3.0 * np.maximum(self._spread, floor) if self._seen > 1.0 / self._alpha / 10 else np.inf
        pull = np.clip(d, -limit, limit)
        self.mean = self.mean + a * np.mean(pull, axis=0)
        self._spread = self._spread + a * (np.mean(np.abs(pull), axis=0) - self._spread)
        self._seen += len(x)
        out: F8 = d / np.maximum(self._spread, floor)
        return out


class MetalPicture:
    """Points of one metal stream."""

    def __init__(self, stream: StreamDescription, tick_hz: float) -> None:
        self._stream, self._tick_hz = stream, tick_hz
        self._ground = _Ground(stream.width, stream.rate_hz)
        self._slot = -1
        self._best = 0.0

    def add(self, block: SampleBlock) -> list[Point]:
        """Points that are complete now: the strongest record of each moment."""
        x = block.raw.reshape(len(block), -1).astype(np.float64)
        strength = np.sqrt(np.mean(self._ground.deviation(x) ** 2, axis=1))
        slots = (block.tick * (DRAWN_HZ / self._tick_hz)).astype(np.int64)
        points = []
        for slot in np.unique(slots):
            best = float(strength[slots == slot].max())
            if slot != self._slot and self._slot >= 0:
                points.append(Point(self._slot / DRAWN_HZ, self._best))
                self._best = 0.0
            self._slot = int(slot)
            self._best = max(self._best, best)
        return points


class RadarPicture:
    """Columns of the first antenna of one radar stream."""

    def __init__(self, stream: StreamDescription, tick_hz: float) -> None:
        self._stream, self._tick_hz = stream, tick_hz
        self._ground = _Ground(stream.values, stream.rate_hz)
        self._slot = -1
        self._best: F8 | None = None
        self._starts = np.unique(np.linspace(0, stream.values, DEPTH_CELLS, endpoint=False).astype(np.int64))

    @property
    def rows(self) -> int:
        return len(self._starts)

    @property
    def window_s(self) -> float:
        """Two-way time from the first to past the last row."""
        return self._stream.values * self._stream.sampling_interval_s

    @property
    def surface_s(self) -> float:
        """Two-way time of the strongest steady echo, which is the ground or the antenna's own pulse."""
        return int(np.argmax(np.abs(self._ground.mean))) * self._stream.sampling_interval_s

    def add(self, block: SampleBlock) -> list[Column]:
        """Columns that are complete now: the A-scan of each moment that stands out most."""
        deviation = self._ground.deviation(block.raw[:, 0, :].astype(np.float64))
        slots = (block.tick * (DRAWN_HZ / self._tick_hz)).astype(np.int64)
        columns = []
        for slot in np.unique(slots):
            rows = deviation[slots == slot]
            row = rows[int(np.argmax(np.sum(np.abs(rows), axis=1)))]
            if slot != self._slot:
                if self._best is not None:
                    columns.append(Column(self._slot / DRAWN_HZ, self._cells(self._best)))
                self._slot, self._best = int(slot), row
            elif self._best is None or np.sum(np.abs(row)) > np.sum(np.abs(self._best)):
                self._best = row
        return columns

    def _cells(self, row: F8) -> str:
        high = np.maximum.reduceat(row, self._starts)
        low = np.minimum.reduceat(row, self._starts)
        cells = np.where(high >= -low, high, low)
        return base64.b64encode(np.clip(32.0 * cells, -127, 127).astype(np.int8).tobytes()).decode()
