"""Baseline along the sweep: a running median, and a line through the ground where the sweep begins and ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.ground import less_median

F8 = NDArray[np.float64]

_POINTS = 48
"""Points that a line is fitted to: medians of what lies between."""

_STEPS = 8
"""Fits through the nearer half: more hardly change it."""

_AS_NOISE = 4.0
"""Median absolute deviations, 2.7 standard deviations, up to which a point counts as one of the line's."""


class Baseline:
    """Rows less their running median over `half` rows to either side, and how far that is in doubt.

    Within `half` rows of either end a median over what there is would be that of ground on one side only, and a drift
    of one noise sigma a metre would look like a target. There the baseline is a line through the quieter half of the
    first or last 2 `half` + 1 rows. What line and median disagree on is given too: what stands out of one of them only
    is no answer of the place. The first rows wait for 2 `half` rows more.

    Parameters
    ----------
    half : rows to either side; 0 takes nothing off
    width : values a row
    """

    def __init__(self, half: int, width: int) -> None:
        self._half, self._width = half, width
        self._line = DelayLine(half + 1, half, width)
        self._ordered: F8 = np.zeros((width, 2 * half + 3))
        self._window = np.zeros(3, np.int64)
        self._begun: list[F8] | None = [] if half else None
        self.first: F8 = np.empty((0, width))
        """The first 2 `half` + 1 rows, or all of a shorter stretch, less one line; there with the first deviations."""

    def push(self, rows: F8) -> F8:
        """(n, width) to (n', 2 width): deviations, then their doubt, of the rows that can be told now."""
        if self._half == 0:
            return _sure(rows)
        if self._begun is None:
            return _sure(self._less(*self._line.push(rows)))
        self._begun.append(rows)
        if sum(map(len, self._begun)) <= 2 * self._half:
            return np.empty((0, 2 * self._width))
        begun = np.concatenate(self._begun)
        self._begun = None
        out = _sure(self._less(*self._line.push(begun)))
        self.first = off_line(begun[: 2 * self._half + 1])
        self._end(out[: self._half], self.first[: self._half])
        return out

    def finish(self) -> F8:
        """The rows still owed."""
        if self._half == 0:
            return np.empty((0, 2 * self._width))
        if self._begun is not None:
            # too short for a window: one line through all of it
            begun = np.concatenate((np.empty((0, self._width)), *self._begun))
            out = _sure(begun - np.median(begun, axis=0) if len(begun) else begun)
            self.first = off_line(begun)
            self._end(out, self.first)
            return out
        buffer, lo, hi = self._line.finish()
        out = _sure(self._less(buffer, lo, hi))
        self._end(out, off_line(buffer[hi - (2 * self._half + 1) : hi])[lo - hi :])
        return out

    def _end(self, out: F8, off: F8) -> None:
        out[:, self._width :] = off - out[:, : self._width]
        out[:, : self._width] = off

    def _less(self, buffer: F8, lo: int, hi: int) -> F8:
        return less_median(buffer, lo, hi, self._half, self._ordered, self._window)


def _sure(rows: F8) -> F8:
    return np.concatenate((rows, np.zeros_like(rows)), axis=1)


def off_line(rows: F8) -> F8:
    """(n, width) less a line through the quieter half of them.

    Begins with the median of slopes over a quarter of the stretch or more (Theil 1950, Sen 1968), which metal that
    fills a third of the stretch still bends; then least squares through the half that lies nearest, again and again
    (Rousseeuw and Van Driessen 2006).
    """
    n, width = rows.shape
    if n == 0:
        return rows
    every = max(1, n // _POINTS)
    points = n // every
    y = np.median(rows[: points * every].reshape(points, every, width), axis=1)
    x = every * np.arange(points) + 0.5 * (every - 1)
    i, j = np.triu_indices(points, max(1, points // 4))
    slope = np.median((y[j] - y[i]) / (x[j] - x[i])[:, None], axis=0) if len(i) else np.zeros(width)
    level = np.median(y - slope * x[:, None], axis=0)
    for k in range(_STEPS if points >= 8 else 0):
        off = np.abs(y - level - slope * x[:, None])
        usual = np.median(off, axis=0)
        # at last all that lie as near as noise does: half of them alone would make a noisy line
        within = off <= (_AS_NOISE * usual if k == _STEPS - 1 else usual)
        weight = within / within.sum(axis=0)
        middle, height = (weight * x[:, None]).sum(axis=0), (weight * y).sum(axis=0)
        arm = weight * (x[:, None] - middle)
        slope = (arm * (y - height)).sum(axis=0) / np.maximum((arm * (x[:, None] - middle)).sum(axis=0), 1e-300)
        level = height - slope * middle
    return np.asarray(rows - level - slope * np.arange(n)[:, None])
