"""Readings that no target can make: median of the neighbours, compared with a running spread."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def middle_rows(rows: F8, first: int, last: int, out: F8) -> None:
    """Median over rows first to last of each column, into out (width,); 1 to 5 rows.

    Sorting networks of minima and maxima, so that all columns go through together.
    """
    n = last - first + 1
    width = out.size
    if n == 5:
        p, q, r, s, t = rows[first], rows[first + 1], rows[first + 2], rows[first + 3], rows[first + 4]
        for c in range(width):
            # median of five: drop the least of the two minima and the greatest of the two maxima, then of three
            low = max(min(p[c], q[c]), min(r[c], s[c]))
            high = min(max(p[c], q[c]), max(r[c], s[c]))
            a, b = min(low, high), max(low, high)
            out[c] = max(a, min(b, t[c]))
    elif n == 4:
        p, q, r, s = rows[first], rows[first + 1], rows[first + 2], rows[first + 3]
        for c in range(width):
            low = max(min(p[c], q[c]), min(r[c], s[c]))
            high = min(max(p[c], q[c]), max(r[c], s[c]))
            out[c] = 0.5 * (low + high)
    elif n == 3:
        p, q, r = rows[first], rows[first + 1], rows[first + 2]
        for c in range(width):
            out[c] = max(min(p[c], q[c]), min(max(p[c], q[c]), r[c]))
    elif n == 2:
        p, q = rows[first], rows[first + 1]
        for c in range(width):
            out[c] = 0.5 * (p[c] + q[c])
    else:
        out[:] = rows[first]


@njit(cache=True, nogil=True)
def reject_impulses(
    rows: F8, lo: int, hi: int, half: int, limit: float, gain: float, floor: float, spread: F8, count: int
) -> F8:
    """A value further than `limit` spreads from the median of its neighbourhood becomes that median.

    rows : (n, width), window +-half rows (half at most 2), clipped at the ends; spread : (width,) running
    mean distance from the middle of the two neighbours, which a slope leaves alone, updated with weight `gain`
    and at most three times itself, so that an impulse hardly moves it; floor : least spread, unit of rows;
    count : rows already processed.
    Returns rows lo to hi - 1, (hi - lo, width).
    """
    n, width = rows.shape
    out = np.empty((hi - lo, width))
    middle = np.empty(width)
    for i in range(lo, hi):
        middle_rows(rows, max(0, i - half), min(n - 1, i + half), middle)
        seen = count + i - lo
        g = max(gain, 1.0 / (seen + 1.0))
        row = rows[i]
        left, right = rows[max(0, i - 1)], rows[min(n - 1, i + 1)]
        to = out[i - lo]
        if seen < 8:
            # nothing to compare with yet: what is there teaches the spread, and passes
            for c in range(width):
                d = abs(row[c] - 0.5 * (left[c] + right[c]))
                spread[c] = max(floor, spread[c] + g * (d - spread[c]))
                to[c] = row[c]
        else:
            for c in range(width):
                d = abs(row[c] - 0.5 * (left[c] + right[c]))
                to[c] = middle[c] if abs(row[c] - middle[c]) > limit * spread[c] else row[c]
                spread[c] = max(floor, spread[c] + g * (min(d, 3.0 * spread[c]) - spread[c]))
    return out
