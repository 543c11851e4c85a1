"""What stays the same from record to record: a robust recursive background with look-ahead."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def start_background(first_rows: F8) -> tuple[F8, F8]:
    """Median of the first rows, and their mean absolute deviation from it, per column.

    first_rows : (n, width). Returns (width,), (width,).
    """
    n, width = first_rows.shape
    level = np.empty(width)
    spread = np.empty(width)
    column = np.empty(n)
    for c in range(width):
        for i in range(n):
            column[i] = first_rows[i, c]
        level[c] = np.median(column)
        s = 0.0
        for i in range(n):
            s += abs(column[i] - level[c])
        spread[c] = s / n
    return level, spread


@njit(cache=True, nogil=True)
def subtract_background(
    rows: F8,
    lo: int,
    hi: int,
    ahead: int,
    level: F8,
    spread: F8,
    alpha: float,
    clip: float,
    floor: float,
    started: bool,
) -> tuple[F8, F8]:
    """Subtract a recursive background that an outlying row can move only a bounded step.

    b <- b + alpha * clip(x - b, +-clip * s), with s the running mean absolute deviation (itself
    clipped, and at a quarter of the pace): the influence-bounded form of b <- b + alpha (x - b), so
    that a target which stays under the head for a few memories does not erase itself. The
    background under row i has seen rows up to i + ahead.

    rows : (n, width); outputs are for rows lo to hi - 1; level, spread : (width,), updated;
    floor : least spread, so that ground that starts without any noise can still be followed;
    started : False while row lo is the first of its segment, whose background is already in level.
    Returns what is left, and the spread at each row, both (hi - lo, width).
    """
    n, width = rows.shape
    out = np.empty((hi - lo, width))
    spreads = np.empty((hi - lo, width))
    if not started:
        for c in range(width):
            spread[c] = max(floor, spread[c])
    for i in range(lo, hi):
        j = i + ahead
        if (started or i > lo) and j < n:
            for c in range(width):
                d = rows[j, c] - level[c]
                limit = clip * spread[c]
                if d > limit:
                    step = limit
                elif d < -limit:
                    step = -limit
                else:
                    step = d
                level[c] += alpha * step
                spread[c] = max(floor, spread[c] + 0.25 * alpha * (min(abs(d), limit) - spread[c]))
        for c in range(width):
            out[i - lo, c] = rows[i, c] - level[c]
            spreads[i - lo, c] = spread[c]
    return out, spreads
