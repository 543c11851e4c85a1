"""A window of values kept in order, so that its quantiles cost no sort."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
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


@njit(cache=True)
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
