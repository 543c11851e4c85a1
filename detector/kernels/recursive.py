"""The recursive background, which an outlying A-scan can move only a bounded step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import WIDTH, fill, fused, greatest, least, load, magnitude, signed_as, store

F4 = NDArray[np.float32]
U1 = NDArray[np.uint8]

_RUN = 4
"""A-scans taken at a time: the background of a few samples stays in registers from one to the next."""


@njit(cache=True, nogil=True)
def subtract_recursive(
    rows: F4, lost: U1, lo: int, hi: int, ahead: int, level: F4, spread: F4, alpha: float,
    clip: float, floor: F4, started: bool, curve: F4, out: F4,
) -> None:  # fmt: skip
    """Subtract a recursive background that an outlying A-scan can move only a bounded step, and apply a gain.

    b <- b + alpha * clip(x - b, +-clip * s), with s the running mean absolute deviation (itself clipped,
    and at a quarter of the pace): the influence-bounded form (Huber 1964) of b <- b + alpha (x - b), so
    that a target which stays under the head for a few memories does not erase itself. The background
    under row i has seen rows up to i + ahead.

    rows : (n, channels * m) with `ahead` rows after those worked on, as far as there are; lost : (n, channels),
    where 1 keeps an A-scan out of the background; level, spread : (width,), updated; floor : (channels,) least
    spread, so that ground that starts without any noise can still be followed; started : False while row lo is
    the first of its segment, whose background is already in level; curve : (width,) gain, applied last.
    out : (hi - lo, width), filled with rows lo to hi - 1.
    """
    n, width = rows.shape
    channels = lost.shape[1]
    per = width // channels
    flat = rows.reshape(-1)
    done = out.reshape(-1)
    for c in range(channels):
        first = c * per
        known = level[first : first + per]
        wide = spread[first : first + per]
        gain = curve[first : first + per]
        i = lo
        if not started:
            for k in range(per):
                wide[k] = max(wide[k], floor[c])
            _plain(flat, i * width + first, known, gain, done, first)
            i += 1
        while i < hi:
            run = 0
            while run < _RUN and i + run < hi and i + run + ahead < n and lost[i + run + ahead, c] == 0:
                run += 1
            here, to = i * width + first, (i - lo) * width + first
            if run == 0:
                _plain(flat, here, known, gain, done, to)
                i += 1
            else:
                run = run if run == _RUN else 1
                _follow(
                    flat, here, ahead * width, width, run, known, wide, gain,
                    np.float32(alpha), np.float32(0.25 * alpha), np.float32(clip), floor[c], done, to,
                )  # fmt: skip
                i += run


@njit(cache=True, nogil=True)
def _plain(rows: F4, at: int, known: F4, gain: F4, out: F4, to: int) -> None:
    """One row that teaches nothing."""
    here = rows[at : at + known.size]
    done = out[to : to + known.size]
    for k in range(known.size):
        done[k] = (here[k] - known[k]) * gain[k]


@njit(inline="always")
def _learn(x: Any, b: Any, s: Any, pace: Any, slow: Any, clip: Any, floor: Any) -> Any:
    """Background and spread after one more row."""
    d = x - b
    size = least(magnitude(d), clip * s)
    return fused(pace, signed_as(size, d), b), greatest(floor, fused(slow, size - s, s))


@njit(inline="always")
def _four_rows(
    rows: F4, at: int, ahead: int, step: int, known: F4, wide: F4, gain: F4, k: int, pace: Any, slow: Any, clip: Any,
    floor: Any, out: F4, to: int, apart: int,
) -> None:  # fmt: skip
    """_RUN rows of two vectors `apart` from each other, which may be the same one."""
    b, s, g = load(known, k), load(wide, k), load(gain, k)
    c, t, h = load(known, k + apart), load(wide, k + apart), load(gain, k + apart)
    a0, z0 = at + apart, to + apart
    a1, a2, a3 = a0 + step, a0 + 2 * step, a0 + 3 * step
    h1, h2, h3 = at + step, at + 2 * step, at + 3 * step
    b, s = _learn(load(rows, at + ahead), b, s, pace, slow, clip, floor)
    c, t = _learn(load(rows, a0 + ahead), c, t, pace, slow, clip, floor)
    x0, y0 = (load(rows, at) - b) * g, (load(rows, a0) - c) * h
    b, s = _learn(load(rows, h1 + ahead), b, s, pace, slow, clip, floor)
    c, t = _learn(load(rows, a1 + ahead), c, t, pace, slow, clip, floor)
    x1, y1 = (load(rows, h1) - b) * g, (load(rows, a1) - c) * h
    b, s = _learn(load(rows, h2 + ahead), b, s, pace, slow, clip, floor)
    c, t = _learn(load(rows, a2 + ahead), c, t, pace, slow, clip, floor)
    x2, y2 = (load(rows, h2) - b) * g, (load(rows, a2) - c) * h
    b, s = _learn(load(rows, h3 + ahead), b, s, pace, slow, clip, floor)
    c, t = _learn(load(rows, a3 + ahead), c, t, pace, slow, clip, floor)
    x3, y3 = (load(rows, h3) - b) * g, (load(rows, a3) - c) * h
    # rows lie whole pages apart: a load after one of these would wait for it by mistake
    store(out, to, x0)
    store(out, z0, y0)
    store(out, to + step, x1)
    store(out, z0 + step, y1)
    store(out, to + 2 * step, x2)
    store(out, z0 + 2 * step, y2)
    store(out, to + 3 * step, x3)
    store(out, z0 + 3 * step, y3)
    store(known, k, b)
    store(known, k + apart, c)
    store(wide, k, s)
    store(wide, k + apart, t)


@njit(cache=True, nogil=True)
def _follow(
    rows: F4, at: int, ahead: int, step: int, run: int, known: F4, wide: F4, gain: F4, pace: Any, slow: Any, clip: Any,
    floor: Any, out: F4, to: int,
) -> None:  # fmt: skip
    """One row or _RUN of them, `step` apart, each learning from the one `ahead` of it."""
    per = known.size
    whole = per // WIDTH * WIDTH
    pa, sl, cl, fl = fill(pace), fill(slow), fill(clip), fill(floor)
    if run == _RUN:
        pairs = whole // (2 * WIDTH) * (2 * WIDTH)
        for k in range(0, pairs, 2 * WIDTH):
            # two vectors in turn: each waits for its own last row
            _four_rows(rows, at + k, ahead, step, known, wide, gain, k, pa, sl, cl, fl, out, to + k, WIDTH)
        for k in range(pairs, whole, WIDTH):
            _four_rows(rows, at + k, ahead, step, known, wide, gain, k, pa, sl, cl, fl, out, to + k, 0)
    else:
        for k in range(0, whole, WIDTH):
            b, s = _learn(load(rows, at + ahead + k), load(known, k), load(wide, k), pa, sl, cl, fl)
            store(out, to + k, (load(rows, at + k) - b) * load(gain, k))
            store(known, k, b)
            store(wide, k, s)
    for k in range(whole, per):
        for q in range(run):
            d = rows[at + ahead + q * step + k] - known[k]
            limit = clip * wide[k]
            d = min(max(d, -limit), limit)
            known[k] = fused(pace, d, known[k])
            wide[k] = max(floor, fused(slow, abs(d) - wide[k], wide[k]))
            out[to + q * step + k] = (rows[at + q * step + k] - known[k]) * gain[k]
