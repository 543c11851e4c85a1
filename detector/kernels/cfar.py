"""CFAR: cells (depth bins or filter widths) against the ground around, along the track and in depth."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.order import insert_sorted, remove_sorted, replace_sorted

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def log_cells(energy: F8, floor: F8) -> F4:
    """ln(energy + floor), (n, cells) float32. A scalar loop: a vector library's last bit depends on the cut."""
    n, cells = energy.shape
    out = np.empty((n, cells), np.float32)
    for i in range(n):
        for c in range(cells):
            out[i, c] = np.log(energy[i, c] + floor[c])
    return out


@njit(cache=True, nogil=True)
def strongest_near(log_energy: F4, groups: int, reach: int) -> F4:
    """Largest of each cell and those within +-reach of it in its group: (n, cells), like log_energy."""
    n, cells = log_energy.shape
    per = cells // groups
    out = np.empty((n, cells), np.float32)
    for i in range(n):
        for c in range(cells):
            base = c // per * per
            most = log_energy[i, c]
            for q in range(max(base, c - reach), min(base + per, c + reach + 1)):
                most = max(most, log_energy[i, q])
            out[i, c] = most
    return out


@njit(cache=True, nogil=True)
def ordered_log_ratio(
    tested: F4,
    reference: F4,
    lo: int,
    hi: int,
    behind: int,
    ahead: int,
    guard: int,
    quantile: float,
    min_reference: int,
    ordered: F4,
    window: I8,
) -> F8:
    """Log of each cell's energy over an order statistic of the ground around it.

    The reference of row i is rows i - behind to i + ahead without i - guard to i + guard. Where the
    segment has fewer than min_reference rows of it, the guard shrinks until it has, and where it
    never can, the ratio is NaN: such ground was not tested.

    reference : (n, cells), natural log, with behind + 1 rows before row lo where the segment has them;
    tested : (hi - lo, cells), what rows lo to hi - 1 are themselves, which need not be what they are to others;
    outputs for rows lo to hi - 1; ordered : (cells, behind + ahead + 2) float32, the reference of each cell in
    order, and window : (5,), how full it is and its two stretches relative to the row before; both
    updated, and zero at the start of a segment. Returns (hi - lo, cells).
    """
    n, cells = reference.shape
    out = np.empty((hi - lo, cells))
    scratch = np.empty(ordered.shape[1] + 1, np.float32)
    for i in range(lo, hi):
        a, left, right, b = _reference(n, i, behind, ahead, guard, min_reference)
        count = window[0]
        was = window[1:] + (i - 1)
        for side in range(2):
            old_first, old_last = was[2 * side], was[2 * side + 1]
            if window[2 * side + 1] == window[2 * side + 2]:
                # nothing was held of this stretch
                old_first = old_last = 0
            first, last = (a, left) if side == 0 else (right, b)
            if old_last - old_first == last - first > 0 and first == old_first + 1:
                # in the middle of a segment a stretch moves on by one row
                gone, new = reference[old_first], reference[last - 1]
                for c in range(cells):
                    replace_sorted(ordered[c], count, gone[c], new[c], scratch)
                continue
            for j in range(old_first, old_last):
                if not first <= j < last:
                    for c in range(cells):
                        remove_sorted(ordered[c], count, reference[j, c])
                    count -= 1
            for j in range(first, last):
                if not old_first <= j < old_last:
                    for c in range(cells):
                        insert_sorted(ordered[c], count, reference[j, c])
                    count += 1
        window[0] = count
        window[1], window[2], window[3], window[4] = a - i, left - i, right - i, b - i
        rank = int(quantile * (count - 1) + 0.5)
        for c in range(cells):
            out[i - lo, c] = tested[i - lo, c] - ordered[c, rank] if count >= min_reference else np.nan
    return out


@njit(cache=True, nogil=True)
def _reference(n: int, i: int, behind: int, ahead: int, guard: int, min_reference: int) -> tuple[int, int, int, int]:
    """The two stretches of row i's reference: [a, left) and [right, b)."""
    a = max(0, i - behind)
    b = min(n, i + ahead + 1)
    g = guard
    count = max(0, i - g - a) + max(0, b - (i + g + 1))
    while count < min_reference and g > 0:
        g -= 1
        count = max(0, i - g - a) + max(0, b - (i + g + 1))
    return a, max(a, i - g), min(b, i + g + 1), b


@njit(cache=True, nogil=True)
def averaged_log_ratio(
    log_energy: F4,
    lo: int,
    hi: int,
    behind: int,
    ahead: int,
    guard: int,
    min_reference: int,
    groups: int,
    depth: int,
    depth_guard: int,
) -> F8:
    """Log of each cell's energy over the mean log of a frame round it, along the track and in depth.

    The frame is the rows of :func:`ordered_log_ratio` with and without the guard, and the cells within
    +-depth of the same group; left out is the inner block of guard rows by +-depth_guard cells. Two-dimensional
    cell-averaging CFAR (Finn and Johnson 1968) on log energies, so that one strong target in the frame
    counts little. Returns (hi - lo, cells); NaN where the ground is too little.
    """
    n, cells = log_energy.shape
    per = cells // groups
    out = np.full((hi - lo, cells), np.nan)
    outer = np.empty(cells)
    inner = np.empty(cells)
    for i in range(lo, hi):
        a, left, right, b = _reference(n, i, behind, ahead, guard, min_reference)
        count = (left - a) + (b - right)
        if count < min_reference:
            continue
        outer[:] = 0.0
        inner[:] = 0.0
        for j in range(a, b):
            if left <= j < right:
                for c in range(cells):
                    inner[c] += log_energy[j, c]
            else:
                for c in range(cells):
                    outer[c] += log_energy[j, c]
        for c in range(cells):
            base = c // per * per
            s = 0.0
            k = 0
            for q in range(max(base, c - depth), min(base + per, c + depth + 1)):
                s += outer[q]
                k += count
                if abs(q - c) > depth_guard:
                    s += inner[q]
                    k += right - left
            out[i - lo, c] = log_energy[i, c] - s / k
    return out


@njit(cache=True, nogil=True)
def mean_of_largest(x: F8, top: int, groups: int) -> tuple[F8, I8]:
    """Mean of the largest `top` cells of each group of a row, and the index of the largest in its group.

    x : (n, groups * cells). A group with a NaN gives NaN and index 0. Returns (n, groups) twice.
    """
    n = x.shape[0]
    cells = x.shape[1] // groups
    top = min(top, cells)
    out = np.empty((n, groups))
    where = np.zeros((n, groups), np.int64)
    left = np.empty(cells)
    for i in range(n):
        for g in range(groups):
            s = 0.0
            for c in range(cells):
                left[c] = x[i, g * cells + c]
                s += left[c]
            if np.isnan(s):
                out[i, g] = np.nan
                continue
            s = 0.0
            for t in range(top):
                best = 0
                for c in range(cells):
                    if left[c] > left[best]:
                        best = c
                if t == 0:
                    where[i, g] = best
                s += left[best]
                left[best] = -np.inf
            out[i, g] = s / top
    return out, where


@njit(cache=True, nogil=True)
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
