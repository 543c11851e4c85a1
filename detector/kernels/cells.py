"""Cells of equal distance along the sweep: means of the readings in each, and straight lines between their middles."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _end_cell(part: F8, gone: F8, held: I8, cell: float, at: int, out: F8, count: F8, middle: F8) -> None:
    for c in range(len(part)):
        out[at, c] = part[c] / held[0]
        part[c] = 0.0
    count[at] = held[0]
    middle[at] = held[1] + 0.5 * (held[0] - 1)
    held[1] += held[0]
    held[0] = 0
    gone[0] = min(max(gone[0] - cell, 0.0), cell)
    gone[1] = 0.0


@njit(cache=True, nogil=True)
def add_cells(
    rows: F8,
    travel: F8,
    cell: float,
    most: int,
    longest: int,
    part: F8,
    gone: F8,
    held: I8,
    out: F8,
    count: F8,
    middle: F8,
) -> int:
    """Means of the readings of each cell, and how many there are.

    A cell ends with the reading with which the head has travelled `cell` in it, or that is its `most`th. What it
    travelled too far counts in the next one. A head that stands still goes on giving cells, but few: one in which it
    has not moved at all goes on to its `longest`th reading or until the head moves, so that the one place where it
    rests does not outweigh the ground round it. Not before it has travelled `cell` once: an odometer may be dead.

    rows : (n, width); travel : (n,) from the reading before, any unit; cell : in the same; part : (width,) sum of an
    unfinished cell, gone : (3,) travelled in it, of that since it began, and ever, held : (2,) readings in it and
    before it, all updated; out : (capacity, width), one more than the readings, count : (capacity,) readings of
    each, middle : (capacity,) their mean number, filled.
    Returns how many cells ended.
    """
    n, width = rows.shape
    at = 0
    for i in range(n):
        if held[0] >= most and travel[i] > 0.0:
            # the head goes on: the cell of its rest ends before this reading
            _end_cell(part, gone, held, cell, at, out, count, middle)
            at += 1
        for c in range(width):
            part[c] += rows[i, c]
        held[0] += 1
        gone[0] += travel[i]
        gone[1] += travel[i]
        gone[2] += travel[i]
        moves = gone[1] > 0.0 or gone[2] <= cell
        if gone[0] >= cell or held[0] >= longest or (held[0] >= most and moves):
            _end_cell(part, gone, held, cell, at, out, count, middle)
            at += 1
    return at


@njit(cache=True, nogil=True)
def travelled(places: F8, before: float, step: float) -> F8:
    """Distance to each place (n,) from the one before it in steps; 1 where it is not known."""
    n = places.size
    out = np.empty(n)
    for i in range(n):
        steps = abs(places[i] - before) / step
        out[i] = steps if steps < np.inf else 1.0
        before = places[i]
    return out


@njit(cache=True, nogil=True)
def draw_cells(values: F8, middle: F8, first: int, n: int) -> F8:
    """Straight lines between the middles of cells, at every reading.

    values : (m, width), m > 0; middle : (m,) rising reading numbers. Returns (n, width) for readings `first` and
    following, constant before the first and after the last middle.
    """
    m, width = values.shape
    out = np.empty((n, width))
    k = 0
    for i in range(n):
        at = float(first + i)
        while k + 1 < m and middle[k + 1] <= at:
            k += 1
        after = min(k + 1, m - 1)
        u = 0.0
        if after > k and at > middle[k]:
            u = (at - middle[k]) / (middle[after] - middle[k])
        for c in range(width):
            out[i, c] = (1.0 - u) * values[k, c] + u * values[after, c]
    return out
