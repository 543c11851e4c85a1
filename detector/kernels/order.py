"""Quantiles: of a window of values kept in order, so that they cost no sort; of values as they stand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import WIDE, greatest, least, load, store


@njit(cache=True, nogil=True)
def insert_sorted(ordered: NDArray[Any], count: int, value: float) -> None:
    """Put a value into the first `count` entries, which are in order."""
    lo, hi = 0, count
    while lo < hi:
        middle = (lo + hi) // 2
        if ordered[middle] < value:
            lo = middle + 1
        else:
            hi = middle
    for k in range(count, lo, -1):
        ordered[k] = ordered[k - 1]
    ordered[lo] = value


@njit(cache=True, nogil=True)
def remove_sorted(ordered: NDArray[Any], count: int, value: float) -> None:
    """Take a value that is there out of the first `count` entries, which are in order."""
    lo, hi = 0, count
    while lo < hi:
        middle = (lo + hi) // 2
        if ordered[middle] < value:
            lo = middle + 1
        else:
            hi = middle
    for k in range(lo, count - 1):
        ordered[k] = ordered[k + 1]


@njit(cache=True, nogil=True)
def replace_sorted(ordered: NDArray[Any], count: int, gone: float, value: float, scratch: NDArray[Any]) -> None:
    """Take out a value that is among the first `count` entries, which are in order, and put in another.

    Two passes without a branch that a processor could guess wrong: everything from the value that goes
    moves down by one, then each entry is the middle one of its lower neighbour, itself and the new value.
    scratch : at least count + 1 entries of the same type, overwritten.
    """
    scratch[0] = -np.inf
    scratch[count] = np.inf
    left = scratch[1:count]
    here, above = ordered[: count - 1], ordered[1:count]
    for k in range(count - 1):
        left[k] = here[k] if here[k] < gone else above[k]
    below, beside = scratch[:count], scratch[1 : count + 1]
    for k in range(count):
        v = value if value < beside[k] else beside[k]
        ordered[k] = v if v > below[k] else below[k]


@njit(cache=True, nogil=True)
def quantile(values: NDArray[Any], share: float) -> float:
    """That of values (n,), linear between the closest ranks, bit for bit numba's np.quantile; NaN where a value is.

    Numba's takes 5 s to compile, and this one a seventh of that.

    share : more than 0, less than 1
    """
    n = values.size
    for i in range(n):
        if np.isnan(values[i]) or (n == 1 and np.isinf(values[i])):
            return math.nan
    if n == 1:
        return float(values[0])
    rank = 1 + (n - 1) * (100.0 * share / 100.0)
    below = math.floor(rank)
    k = int(below) - 1
    part = values.copy()
    lo, hi = 0, n - 1
    while lo < hi:  # Hoare's selection: what is left of k is no greater, what is right of it no smaller
        pivot = part[(lo + hi) // 2]
        i, j = lo, hi
        while i <= j:
            while part[i] < pivot:
                i += 1
            while part[j] > pivot:
                j -= 1
            if i <= j:
                part[i], part[j] = part[j], part[i]
                i += 1
                j -= 1
        if k <= j:
            hi = j
        elif k >= i:
            lo = i
        else:
            break
    above = part[k + 1]
    for i in range(k + 2, n):
        above = min(above, part[i])
    share_above = rank - below
    return float(part[k] * (1 - share_above) + above * share_above)


@njit(inline="always")
def _exchange(values: NDArray[Any], i: int, j: int) -> None:
    """The smaller of rows i and j to i, the greater to j, lane by lane."""
    a, b = load(values, i * WIDE), load(values, j * WIDE)
    store(values, i * WIDE, least(a, b))
    store(values, j * WIDE, greatest(a, b))


@njit(cache=True, nogil=True)
def middle_of_lanes(values: NDArray[Any], n: int) -> Any:
    """The (n // 2)th smallest of n rows of a vector, lane by lane; their order is lost.

    Merge exchange (Batcher 1968; Knuth 5.2.2 M): it compares the same pairs whatever they hold, so that all lanes go
    through together, and no branch is guessed wrong.

    values : (n * WIDE,) float64 or more
    """
    top = 1
    while 2 * top < n:
        top *= 2
    p = top if n > 1 else 0
    while p > 0:
        q, r, d = top, 0, p
        while d > 0:
            for first in range(r, n - d, 2 * p):
                for i in range(first, min(first + p, n - d)):
                    _exchange(values, i, i + d)
            d, q, r = q - p, q // 2, p
            if q < p:
                break
        p //= 2
    return load(values, n // 2 * WIDE)
