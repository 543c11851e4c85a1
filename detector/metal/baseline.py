"""Baseline along the sweep: a running median, and a line through the ground where the sweep begins and ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.ground import less_median

F8 = NDArray[np.float64]

_POINTS = 48
"""Points that a line is fitted to: medians of what lies between."""


class Baseline:
    """Rows less their running median over `half` rows to either side.

    Within `half` rows of either end a median over what there is would be that of ground on one side only, and a drift
    of one noise sigma a metre would look like a target. There the baseline is a robust line (Theil 1950, Sen 1968)
    through the first or last 2 `half` + 1 rows. The first rows therefore wait for 2 `half` rows more.

    Parameters
    ----------
    half : rows to either side; 0 takes nothing off
    width : values a row
    """

    def __init__(self, half: int, width: int) -> None:
        self._half = half
        self._line = DelayLine(half + 1, half, width)
        self._ordered: F8 = np.zeros((width, 2 * half + 3))
        self._window = np.zeros(3, np.int64)
        self._begun: list[F8] | None = [] if half else None

    def push(self, rows: F8) -> F8:
        """(n, width) to (n', width): what can be told now."""
        if self._half == 0:
            return rows
        if self._begun is None:
            return self._less(*self._line.push(rows))
        self._begun.append(rows)
        if sum(map(len, self._begun)) <= 2 * self._half:
            return np.empty((0, rows.shape[1]))
        buffer, lo, hi = self._start()
        out = self._less(buffer, lo, hi)
        out[: self._half] = off_line(buffer[: 2 * self._half + 1])[: self._half]
        return out

    def finish(self) -> F8:
        """The rows still owed."""
        if self._half == 0:
            return np.empty((0, self._ordered.shape[0]))
        if self._begun is not None:
            # too short for a window: one line through all of it
            return off_line(np.concatenate((np.empty((0, self._ordered.shape[0])), *self._begun)))
        buffer, lo, hi = self._line.finish()
        return off_line(buffer[hi - (2 * self._half + 1) : hi])[lo - hi :]

    def _start(self) -> tuple[F8, int, int]:
        assert self._begun is not None
        rows = np.concatenate(self._begun)
        self._begun = None
        return self._line.push(rows)

    def _less(self, buffer: F8, lo: int, hi: int) -> F8:
        return less_median(buffer, lo, hi, self._half, self._ordered, self._window)


def off_line(rows: F8) -> F8:
    """(n, width) less a line through most of them: median of slopes over a quarter of the stretch or more."""
    n = len(rows)
    if n == 0:
        return rows
    every = max(1, n // _POINTS)
    points = n // every
    y = np.median(rows[: points * every].reshape(points, every, -1), axis=1)
    i, j = np.triu_indices(points, max(1, points // 4))
    slope = np.median((y[j] - y[i]) / (every * (j - i))[:, None], axis=0) if len(i) else np.zeros(rows.shape[1])
    level = rows - slope * np.arange(n)[:, None]
    return np.asarray(level - np.median(level, axis=0))
