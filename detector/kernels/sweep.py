"""Along the sweep: means of a few rows, straight lines between them, one filter at one place."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def add_means(rows: F8, every: int, part: F8, held: int, out: F8, at: int) -> tuple[int, int]:
    """Means of `every` successive rows, counted from the start of the segment.

    rows : (n, width); part : (width,) sum of the `held` rows of an unfinished mean, updated;
    out : (capacity, width), receives the means from row `at`. Returns (held, at) after.
    """
    n, width = rows.shape
    scale = 1.0 / every
    for i in range(n):
        row = rows[i]
        for c in range(width):
            part[c] += row[c]
        held += 1
        if held == every:
            to = out[at]
            for c in range(width):
                to[c] = part[c] * scale
                part[c] = 0.0
            held = 0
            at += 1
    return held, at


@njit(cache=True, nogil=True)
def spread_rows(means: F8, first_mean: int, every: int, first: int, n: int) -> F8:
    """Straight lines between the middles of means of `every` readings, at full rate.

    means : (m, cells), number first_mean and following. Returns (n, cells) for readings `first` and following,
    constant before the first and after the last middle that is given.
    """
    m, cells = means.shape
    out = np.empty((n, cells))
    for i in range(n):
        at = (first + i - 0.5 * (every - 1)) / every
        k = math.floor(at)
        u = at - k
        lower = means[min(max(int(k) - first_mean, 0), m - 1)]
        upper = means[min(max(int(k) + 1 - first_mean, 0), m - 1)]
        for c in range(cells):
            out[i, c] = (1.0 - u) * lower[c] + u * upper[c]
    return out


@njit(cache=True, nogil=True)
def filter_at(rows: F8, row: int, taps: F8, half: int) -> F8:
    """Output of one symmetric filter at one row, divided by the sum of its tap magnitudes. (width,)."""
    n, width = rows.shape
    out = np.zeros(width)
    total = 0.0
    for j in range(max(0, row - half), min(n, row + half + 1)):
        w = taps[abs(j - row)]
        total += abs(w)
        for c in range(width):
            out[c] += w * rows[j, c]
    for c in range(width):
        out[c] /= total
    return out
