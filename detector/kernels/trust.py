"""Readings that no live sensor gives: at the end of the range, or the same bits again and again."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import WIDE, fill, greatest, load, store, where_at_most, where_equal

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]

SATURATED: Final = 1
FROZEN: Final = 2
"""Bits of detector.samples.Mark that this pass sets; a test holds them equal."""


LIVE: Final = 0.8
"""A value that changes in so many of its readings is live: white noise of 1.5 counts does, and every floating-point
one."""


@njit(cache=True, nogil=True)
def raw_marks(
    rows: F8, low: float, high: float, last: F8, repeats: I8, alone: F8, active: F8, steps: F8, lsb: float, few: int,
    many: int,
) -> U1:  # fmt: skip
    """Marks of rows (n, W), contiguous, from the rows up to each.

    last : (W,) row before, NaN at the start; repeats : (C,) rows in which a whole coil repeated so far, alone : (W,)
    each value; active : (W,) running share of rows in which each value changed; steps : (C,) running mean step of each
    coil's first value between successive rows that differ; all updated; lsb : size of a count, 0 for floating point;
    few : repeats that are too many where noise moves the values by two counts or more; many : repeats that are too many
    for any sensor, and for a value whose neighbours in its coil are live. low, high : ends of the range, themselves
    saturated.
    """
    n, width = rows.shape
    n_c = repeats.size
    g = width // n_c
    marks = np.zeros(n, np.uint8)
    pace = 1.0 / max(8.0, 0.25 * many)
    whole = g - g % WIDE
    zero, one, rate, bottom, top = fill(0.0), fill(1.0), fill(pace), fill(low), fill(high)
    told = np.empty(3 * WIDE)
    for i in range(n):
        for c in range(n_c):
            at = i * width
            # lane by lane: whether any value is out of range, whether any moved, the longest that one stood still
            out, moved, longest = zero, zero, zero
            for j in range(c * g, c * g + whole, WIDE):
                x = load(rows, at + j)
                # what is not a number is no reading either
                out = greatest(out, where_at_most(x, bottom, one, where_at_most(top, x, one, zero)))
                out = greatest(out, where_equal(x, x, zero, one))
                before = load(last, j)
                changed = where_equal(x, before, zero, one)
                moved = greatest(moved, changed)
                still = where_equal(x, before, load(alone, j) + one, zero)
                longest = greatest(longest, still)
                store(alone, j, still)
                share = load(active, j)
                store(active, j, share + rate * (changed - share))
            store(told, 0, out)
            store(told, WIDE, moved)
            store(told, 2 * WIDE, longest)
            outside, moves, stands = 0.0, 0.0, 0.0
            for k in range(WIDE):
                outside = max(outside, told[k])
                moves = max(moves, told[WIDE + k])
                stands = max(stands, told[2 * WIDE + k])
            for j in range(c * g + whole, (c + 1) * g):
                x_j = rows[i, j]
                if not (x_j > low and x_j < high):
                    outside = 1.0
                changes = 1.0 if x_j != last[j] else 0.0
                moves = max(moves, changes)
                alone[j] = 0.0 if changes > 0.0 else alone[j] + 1.0
                stands = max(stands, alone[j])
                active[j] += pace * (changes - active[j])
            if outside > 0.0:
                marks[i] |= SATURATED
            if moves == 0.0:
                repeats[c] += 1
            else:
                repeats[c] = 0
                # the first value of a coil is the earliest gate or the lowest frequency, which moves most
                step = abs(rows[i, c * g] - last[c * g])
                if step >= 0.0:
                    steps[c] += (step - steps[c]) / 64.0
            live = lsb > 0.0 and steps[c] >= 2.0 * lsb
            frozen = repeats[c] >= many or (live and repeats[c] >= few)
            if not frozen and stands >= many:
                frozen = one_stuck(alone[c * g : (c + 1) * g], active[c * g : (c + 1) * g], many)
            if frozen:
                marks[i] |= FROZEN
        for j in range(width):
            last[j] = rows[i, j]
    return marks


@njit(cache=True, nogil=True)
def one_stuck(alone: F8, active: F8, many: int) -> bool:
    """Whether a value of a coil stands still for `many` rows between live ones.

    Noise changes little from one gate or frequency to the next. A late gate whose noise is less than a count may stand
    still for long, beside one that hardly moves; beside live ones on either side, as far as there is a side, none does.
    """
    g = alone.size
    for j in range(g):
        if alone[j] < many:
            continue
        left, right = j - 1, j + 1
        while left >= 0 and alone[left] >= many:
            left -= 1
        while right < g and alone[right] >= many:
            right += 1
        if (left >= 0 or right < g) and (left < 0 or active[left] >= LIVE) and (right == g or active[right] >= LIVE):
            return True
    return False


@njit(cache=True, nogil=True)
def all_finite(rows: F8) -> bool:
    """Whether rows (n, W) hold finite numbers alone."""
    bad = 0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            bad += int(not abs(rows[i, j]) < np.inf)
    return bad == 0


@njit(cache=True, nogil=True)
def hold_finite(rows: F8, good: F8) -> None:
    """Rows (n, W) that hold a value that is no finite number become the last row before them that holds none.

    good : (W,) that row, updated.
    """
    for i in range(rows.shape[0]):
        if np.all(np.isfinite(rows[i])):
            good[:] = rows[i]
        else:
            rows[i] = good
