"""Order-statistic CFAR along the track, per cell (depth bin or filter width)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True)
def log_cells(energy: F8, floor: F8) -> F8:
    """ln(energy + floor), (n, cells). A scalar loop: a vector library's last bit depends on the cut."""
    n, cells = energy.shape
    out = np.empty((n, cells))
    for i in range(n):
        for c in range(cells):
            out[i, c] = np.log(energy[i, c] + floor[c])
    return out


@njit(cache=True)
def ordered_log_ratio(
    log_energy: F8, lo: int, hi: int, behind: int, ahead: int, guard: int, quantile: float, min_reference: int
) -> F8:
    """Log of each cell's energy over an order statistic of the ground around it.

    The reference of row i is rows i - behind to i + ahead without i - guard to i + guard. Where the
    segment has fewer than min_reference rows of it, the guard shrinks until it has, and where it
    never can, the ratio is NaN: such ground was not tested.

    log_energy : (n, cells), natural log; outputs for rows lo to hi - 1. Returns (hi - lo, cells).
    """
    n, cells = log_energy.shape
    out = np.empty((hi - lo, cells))
    reference = np.empty(behind + ahead + 1)
    for i in range(lo, hi):
        a = max(0, i - behind)
        b = min(n, i + ahead + 1)
        g = guard
        count = max(0, i - g - a) + max(0, b - (i + g + 1))
        while count < min_reference and g > 0:
            g -= 1
            count = max(0, i - g - a) + max(0, b - (i + g + 1))
        for c in range(cells):
            if count < min_reference:
                out[i - lo, c] = np.nan
                continue
            r = 0
            for j in range(a, b):
                if j < i - g or j > i + g:
                    reference[r] = log_energy[j, c]
                    r += 1
            rank = int(quantile * (r - 1) + 0.5)
            out[i - lo, c] = log_energy[i, c] - np.partition(reference[:r], rank)[rank]
    return out


@njit(cache=True)
def mean_of_largest(x: F8, top: int) -> tuple[F8, I8]:
    """Mean of the largest `top` cells of each row, and the index of the largest.

    x : (n, cells). A row with a NaN gives NaN and index 0.
    """
    n, cells = x.shape
    top = min(top, cells)
    out = np.empty(n)
    where = np.zeros(n, np.int64)
    for i in range(n):
        ordered = np.sort(x[i])
        if np.isnan(ordered[cells - 1]):
            out[i] = np.nan
            continue
        s = 0.0
        for k in range(cells - top, cells):
            s += ordered[k]
        out[i] = s / top
        where[i] = np.argmax(x[i])
    return out, where


@njit(cache=True)
def local_peaks(score: F8, lo: int, hi: int, radius: int, threshold: float) -> I8:
    """Rows of [lo, hi) above the threshold that are the largest within +-radius rows.

    Of equal ones the first counts. score : (n,), NaN never wins.
    """
    n = score.size
    found = np.empty(hi - lo, np.int64)
    count = 0
    for i in range(lo, hi):
        if not score[i] >= threshold:
            continue
        peak = True
        for j in range(max(0, i - radius), min(n, i + radius + 1)):
            if (j < i and score[j] >= score[i]) or (j > i and score[j] > score[i]):
                peak = False
                break
        if peak:
            found[count] = i
            count += 1
    return found[:count]
