"""Three baselines along the sweep, of which metal must stand out of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine, Rows
from detector.kernels.baseline import block_medians, less_baselines, less_lines

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

_POINTS = 48
"""Points that a line is fitted to: medians of what lies between."""

_SHARED = 2
"""Neighbouring points whose rows have one line."""


class Baseline:
    """Rows less a robust line, and less the median and the densest values, over `half` rows to either side.

    Each fails in a way of its own. The line is bent where metal fills more than half of its window. The median is wrong
    where metal lies to one side in a drift, and at an end of the segment. The densest values follow the ground past
    that much metal, but not a slope. Ground nearly always stands at one of the three, metal at none.

    The line is fitted for blocks of rows, through the quieter half of the blocks round each; within `half` rows of an
    end it is that of the first or last 2 `half` + 1 rows. The first rows wait for 2 `half` + 1 rows, later ones for
    `half`.

    Parameters
    ----------
    half : rows to either side; 0 takes nothing off
    width : values a row
    """

    def __init__(self, half: int, width: int) -> None:
        self._half, self._width = half, width
        self._every = max(1, (2 * half + 1) // _POINTS)
        # the last block of a line's window has come with the last row of the median's
        self._reach = max(0, (half + 1) // self._every - _SHARED)
        self._line = DelayLine(half + 1, half, width)
        self._ordered: F8 = np.zeros((width, 2 * half + 3))
        self._window = np.zeros(3, np.int64)
        self._part, self._filled = np.empty((width, self._every)), 0
        """Rows of the block that is being filled, and how many there are."""
        self._points = Rows(width)
        self._fitted, self._fit = np.full(1, -1, np.int64), np.zeros((2, width))
        self._begun: list[F8] | None = [] if half else None
        self._done = 0
        self.baselines = 3 if half else 1
        self.first: F8 = np.empty((0, width))
        """The first 2 `half` + 1 rows, or all of a shorter stretch, less one line; there with the first deviations."""

    def push(self, rows: F8) -> F8:
        """(n, width) to (n', baselines * width), of the rows that can be told now.

        First the deviations from the line, then by how much they exceed those from each other baseline.
        """
        if self._half == 0:
            return rows
        if self._begun is None:
            self._fill(rows)
            return self._told(*self._line.push(rows))
        self._begun.append(rows)
        if sum(map(len, self._begun)) <= 2 * self._half:
            return np.empty((0, self.baselines * self._width))
        begun = np.concatenate(self._begun)
        self._begun = None
        self._fill(begun)
        self._begin(begun[: 2 * self._half + 1])
        return self._told(*self._line.push(begun))

    def finish(self) -> F8:
        """The rows still owed."""
        if self._half == 0:
            return np.empty((0, self._width))
        if self._begun is not None:
            # too short for a window: one line through all of it
            begun = np.concatenate((np.empty((0, self._width)), *self._begun))
            self._begun = None
            self._fill(begun)
            self._begin(begun)
            early = self._told(*self._line.push(begun))
            return np.concatenate((early, self._told(*self._line.finish())))
        return self._told(*self._line.finish())

    def _begin(self, rows: F8) -> None:
        """The ground that the first row waits for in any case, less one line through it."""
        self.first = less_lines(
            rows, 0, np.empty((len(rows), 0)), self._points.held, self._points.base, self._every, 2 * len(rows),
            self._reach, 2 * self._reach + _SHARED, self._fitted, self._fit,
        )  # fmt: skip

    def _told(self, buffer: F8, lo: int, hi: int) -> F8:
        if hi <= lo:
            return np.empty((0, self.baselines * self._width))
        out: F8 = less_baselines(
            buffer, lo, hi, self._half, self._ordered, self._window, self._done, self._points.held, self._points.base,
            self._every, _SHARED, self._reach, 2 * self._reach + _SHARED, self._fitted, self._fit,
        )  # fmt: skip
        self._done += hi - lo
        self._points.trim(self._done // self._every - self._reach - 4)
        return out

    def _fill(self, rows: F8) -> None:
        points = self._points.extend((self._filled + len(rows)) // self._every)
        self._filled = block_medians(rows, self._part, self._filled, points)
