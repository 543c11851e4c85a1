"""Baselines along the sweep: running order statistics, and robust lines through medians of blocks of rows."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.order import insert_sorted, middle_of_lanes, remove_sorted, replace_sorted
from detector.kernels.vector import WIDE, fill, greatest, least, load, magnitude, store, where_at_most

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

_DENSEST = 0.35
"""Share of a window that the densest part holds: ground shows in it though metal fills up to two thirds."""

_STEPS = 7
"""Fits through the nearer half: more hardly change it."""

_EVERY = 3
"""Slopes are taken between every third point: a ninth of all pairs tell nearly as much."""

_AS_NOISE = 4.0
"""Median absolute deviations, 2.7 standard deviations, up to which a point counts as one of the line's."""

_LEAST_POINTS = 8
"""Fewer make no line: their median alone counts."""


@njit(cache=True, nogil=True)
def less_middles(rows: F8, lo: int, hi: int, half: int, ordered: F8, window: I8) -> F8:
    """Rows lo to hi - 1 of each column less the middles of rows i - half to i + half, as far as there are any.

    rows : (n, W) with half + 1 rows before lo where the segment has them; ordered : (W, 2 half + 3), the window in
    order; window : (3,) how full it is, and its ends relative to the row before; both updated, zero at first.
    Returns (hi - lo, 2 W): less the median, then less the mean of the densest part (of the shortest stretch of values
    that holds so many of them, cf. Grubel 1988).
    """
    n, width = rows.shape
    out = np.empty((hi - lo, 2 * width))
    scratch = np.empty(ordered.shape[1] + 1)
    for i in range(lo, hi):
        count = window[0]
        a, b = max(0, i - half), min(n, i + half + 1)
        was_a, was_b = (window[1] + i - 1, window[2] + i - 1) if count else (a, a)
        if b - a == was_b - was_a > 1 and a == was_a + 1:
            for w in range(width):
                replace_sorted(ordered[w], count, rows[was_a, w], rows[b - 1, w], scratch)
        else:
            for j in range(was_a, a):
                for w in range(width):
                    remove_sorted(ordered[w], count, rows[j, w])
                count -= 1
            for j in range(was_b, b):
                for w in range(width):
                    insert_sorted(ordered[w], count, rows[j, w])
                count += 1
        window[0], window[1], window[2] = count, a - i, b - i
        for w in range(width):
            middle = 0.5 * (ordered[w, (count - 1) // 2] + ordered[w, count // 2])
            out[i - lo, w] = rows[i, w] - middle
            out[i - lo, width + w] = rows[i, w] - _densest(ordered[w, :count])
    return out


@njit(cache=True, nogil=True)
def _densest(ordered: F8) -> float:
    """Mean of the shortest stretch that holds that share of values (n,) in order."""
    n = ordered.size
    many = min(n, max(2, int(_DENSEST * n)))
    last = n - many + 1
    whole = last - last % WIDE
    # the first of those of least width; their least width comes first, since it needs no branch
    narrow = fill(np.inf)
    for k in range(0, whole, WIDE):
        narrow = least(load(ordered, k + many - 1) - load(ordered, k), narrow)
    lanes = np.empty(WIDE)
    store(lanes, 0, narrow)
    width = np.inf
    for k in range(WIDE):
        width = min(width, lanes[k])
    for k in range(whole, last):
        width = min(width, ordered[k + many - 1] - ordered[k])
    first = 0
    while first < n - many and ordered[first + many - 1] - ordered[first] != width:
        first += 1
    total = 0.0
    for k in range(first, first + many):
        total += ordered[k]
    return total / many


@njit(cache=True, nogil=True)
def block_medians(rows: F8, part: F8, held: int, out: F8) -> int:
    """Medians of each `every` rows of (n, W), one block after the other, into the first rows of out.

    part : (W, every) the rows of an unfinished block, of which `held` are there; updated. Returns how many are now.
    """
    n, width = rows.shape
    every = part.shape[1]
    at = 0
    for i in range(n):
        for w in range(width):
            # in order, so that the middle one can be read
            insert_sorted(part[w], held, rows[i, w])
        held += 1
        if held == every:
            for w in range(width):
                out[at, w] = 0.5 * (part[w, (every - 1) // 2] + part[w, every // 2])
            at += 1
            held = 0
    return held


@njit(cache=True, nogil=True)
def less_baselines(
    rows: F8, lo: int, hi: int, half: int, ordered: F8, window: I8, first: int, points: F8, base: int, every: int,
    shared: int, reach: int, whole: int, fitted: I8, line: F8,
) -> F8:  # fmt: skip
    """Rows lo to hi - 1, from number `first` on, less their lines, and by how much that exceeds what the middles leave.

    See :func:`less_middles` and :func:`less_lines`.
    """
    others = less_middles(rows, lo, hi, half, ordered, window)
    return less_lines(rows[lo:hi], first, others, points, base, every, shared, reach, whole, fitted, line)


@njit(cache=True, nogil=True)
def robust_lines(points: F8, at: float) -> F8:
    """Level at point number `at`, and slope a point, of a line through the quieter half of each column: (2, W).

    Begins with the median of slopes over a quarter of the stretch or more (Theil 1950, Sen 1968), which metal that
    fills a third of the stretch still bends; then least squares through the half that lies nearest, again and again
    (Rousseeuw and Van Driessen 2006). Eight columns go through together.

    points : (n, W)
    """
    n, width = points.shape
    out = np.zeros((2, width))
    if n < _LEAST_POINTS:
        for w in range(width):
            out[0, w] = np.median(points[:, w]) if n else 0.0
        return out
    x: F8 = np.arange(n).astype(np.float64) - at
    apart = max(1, n // 4)
    slopes = np.empty((n // _EVERY + 1) ** 2 * WIDE)
    off = np.empty(n * WIDE)
    y = np.empty(n * WIDE)
    line = np.empty(2 * WIDE)
    was = np.empty(2 * WIDE)
    for first in range(0, width, WIDE):
        for i in range(n):
            for w in range(WIDE):
                # where there are fewer columns the last one stands for the rest
                y[i * WIDE + w] = points[i, min(first + w, width - 1)]
        count = 0
        for i in range(0, n - apart, _EVERY):
            for j in range(i + apart, n, _EVERY):
                slope = (load(y, j * WIDE) - load(y, i * WIDE)) / fill(x[j] - x[i])
                store(slopes, count * WIDE, slope)
                count += 1
        slope = middle_of_lanes(slopes, count)
        store(line, WIDE, slope)
        for i in range(n):
            store(off, i * WIDE, load(y, i * WIDE) - slope * fill(x[i]))
        store(line, 0, middle_of_lanes(off, n))
        for _ in range(_STEPS):
            was[:] = line
            _refit(x, y, line, 1.0, off)
            moved = 0
            for k in range(2 * WIDE):
                moved += int(line[k] != was[k])
            if moved == 0:
                break
        # at last all that lie as near as noise does: half of them alone would make a noisy line
        _refit(x, y, line, _AS_NOISE, off)
        for w in range(min(WIDE, width - first)):
            out[0, first + w], out[1, first + w] = line[w], line[WIDE + w]
    return out


@njit(cache=True, nogil=True)
def less_lines(
    rows: F8,
    first: int,
    others: F8,
    points: F8,
    base: int,
    every: int,
    shared: int,
    reach: int,
    whole: int,
    fitted: I8,
    line: F8,
) -> F8:
    """Rows (n, W) from number `first` on less the line of the block of `every` rows that each lies in.

    `shared` blocks have one line, through `whole` of them from `reach` before on; where the segment ends before, the
    line is that of as many first or last blocks. Rows of a last block that is not full have that of the one before.

    others : (n, m W) the same rows less other baselines; points : (blocks, W) medians of blocks, from number `base` on;
    fitted : (1,) first of the blocks last fitted, -1 at first, and line : (2, W) their line; both updated.
    Returns (n, (1 + m) W): deviations, and by how much they exceed each of the others.
    """
    n, width = rows.shape
    end = base + len(points)
    out = np.empty((n, width + others.shape[1]))
    for i in range(n):
        k = min((first + i) // every, max(0, end - 1)) // shared * shared
        if fitted[0] != k:
            a = max(0, min(k - reach, end - whole))
            line[:] = robust_lines(points[a - base : min(end, a + whole) - base], float(k - a))
            fitted[0] = k
        blocks = (first + i - 0.5 * (every - 1)) / every - k
        for w in range(width):
            out[i, w] = rows[i, w] - line[0, w] - line[1, w] * blocks
        for w in range(others.shape[1]):
            out[i, width + w] = out[i, w % width] - others[i, w]
    return out


@njit(cache=True, nogil=True)
def _refit(x: F8, y: F8, line: F8, times: float, off: F8) -> None:
    """Least squares through the points no further from the line than `times` the median distance, lane by lane.

    x : (n,); y, off : (n * WIDE,), off overwritten; line : (2 * WIDE,) levels, then slopes, updated
    """
    n = x.size
    level, slope = load(line, 0), load(line, WIDE)
    for i in range(n):
        store(off, i * WIDE, magnitude(load(y, i * WIDE) - level - slope * fill(x[i])))
    limit = fill(times) * middle_of_lanes(off, n)
    zero, one = fill(0.0), fill(1.0)
    m, sx, sy, sxx, sxy = zero, zero, zero, zero, zero
    for i in range(n):
        at = fill(x[i])
        dy = load(y, i * WIDE) - level - slope * at
        away = magnitude(dy)
        m = m + where_at_most(away, limit, one, zero)
        sx = sx + where_at_most(away, limit, at, zero)
        sy = sy + where_at_most(away, limit, dy, zero)
        sxx = sxx + where_at_most(away, limit, at * at, zero)
        sxy = sxy + where_at_most(away, limit, at * dy, zero)
    turn = (sxy - sx * sy / m) / greatest(sxx - sx * sx / m, fill(1e-300))
    store(line, 0, level + (sy - turn * sx) / m)
    store(line, WIDE, slope + turn)
