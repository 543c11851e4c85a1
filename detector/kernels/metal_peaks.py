"""Peaks along the sweep of energies behind filters of several widths."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def highest(score: F8, along: F8, i: int, column: int, reach: float) -> bool:
    """Whether row i holds the largest of its column within `reach`. Of equal ones the first counts."""
    s = score[i, column]
    j = i - 1
    while j >= 0 and along[i] - along[j] <= reach:
        if score[j, column] >= s:
            return False
        j -= 1
    j = i + 1
    while j < along.size and along[j] - along[i] <= reach:
        if score[j, column] > s:
            return False
        j += 1
    return True


@njit(cache=True, nogil=True)
def rise(score: F8, along: F8, i: int, column: int, reach: float) -> float:
    """By how much row i stands above the lowest ground within `reach`, on the side where it does so less.

    A side that ends with the segment does not count: what lies beyond is not known. Where both do, the whole height.
    """
    s: float = score[i, column]
    least: float = s
    low = s
    j = i - 1
    while j >= 0 and along[i] - along[j] <= reach:
        low = min(low, score[j, column])
        j -= 1
    if j >= 0:
        least = min(least, s - low)
    low = s
    j = i + 1
    while j < along.size and along[j] - along[i] <= reach:
        low = min(low, score[j, column])
        j += 1
    if j < along.size:
        least = min(least, s - low)
    return least


@njit(cache=True, nogil=True)
def find_peaks(score: F8, along: F8, lo: int, hi: int, radius: float, alone: float, least: float) -> tuple[I8, I8, F8]:
    """Rows of [lo, hi) where something stands by itself.

    In column 0, the largest of all filters, that is a row that is the highest within `radius`. In each other column,
    one filter's, it is a row that is the highest within `alone` and rises by `least` from the ground on both sides; it
    counts by its rise where that is less than its height, and only where no peak of column 0 and no better one of
    another filter lies within `radius`.

    score : (n, 1 + filters); along : (n,) m, rising. Windows that reach beyond the rows end there: rows as far as
    `radius` + `alone` round [lo, hi) must be given where the segment has them, and one more.
    Returns rows, columns and what each counts by, in order of rows and columns.
    """
    columns = score.shape[1]
    room = 16
    rows, found, worth = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
    count = 0
    for i in range(lo, hi):
        if not score[i, 0] >= least:
            continue
        for k in range(columns):
            own = _worth(score, along, i, k, radius, alone, least)
            if own < least or (k > 0 and _beside_better(score, along, i, k, own, radius, alone, least)):
                continue
            if count == room:
                room *= 2
                rows = np.concatenate((rows, np.empty(count, np.int64)))
                found = np.concatenate((found, np.empty(count, np.int64)))
                worth = np.concatenate((worth, np.empty(count)))
            rows[count], found[count], worth[count] = i, k, own
            count += 1
    return rows[:count], found[:count], worth[:count]


@njit(cache=True, nogil=True)
def _worth(score: F8, along: F8, i: int, column: int, radius: float, alone: float, least: float) -> float:
    """What a row counts by in its column; below `least` where it is no peak."""
    s: float = score[i, column]
    if not s >= least or not highest(score, along, i, column, radius if column == 0 else alone):
        return -np.inf
    return s if column == 0 else min(s, rise(score, along, i, column, alone))


@njit(cache=True, nogil=True)
def _beside_better(
    score: F8, along: F8, i: int, column: int, own: float, radius: float, alone: float, least: float
) -> bool:
    """Whether a peak of column 0, or one of another filter that is worth more, lies within `radius` of row i."""
    j = i
    while j > 0 and along[i] - along[j - 1] <= radius:
        j -= 1
    while j < along.size and along[j] - along[i] <= radius:
        for k in range(score.shape[1]):
            if (j == i and k == column) or not score[j, k] >= least:
                continue
            other = _worth(score, along, j, k, radius, alone, least)
            before = k < column or (k == column and j < i)
            if other >= least and (k == 0 or other > own or (other == own and before)):
                return True
        j += 1
    return False
