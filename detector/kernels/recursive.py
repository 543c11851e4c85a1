"""The recursive background, which an outlying A-scan can move only a bounded step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import WIDTH, fill, greatest, least, load, magnitude, negative, store

F4 = NDArray[np.float32]
U1 = NDArray[np.uint8]

_RUN = 4
"""A-scans taken at a time: the background of a few samples stays in registers from one to the next."""


@njit(cache=True, nogil=True)
def subtract_recursive(
    rows: F4,
    lost: U1,
    lo: int,
    hi: int,
    ahead: int,
    level: F4,
    spread: F4,
    alpha: float,
    clip: float,
    floor: F4,
    started: bool,
    curve: F4,
    out: F4,
) -> None:
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
    limit = clip * s
    d = least(greatest(x - b, negative(limit)), limit)
    return b + pace * d, greatest(floor, s + slow * (magnitude(d) - s))


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
        for k in range(0, whole, WIDTH):
            b, s, g = load(known, k), load(wide, k), load(gain, k)
            h0, t0 = at + k, to + k
            h1, h2, h3 = h0 + step, h0 + 2 * step, h0 + 3 * step
            n0, n1 = load(rows, h0 + ahead), load(rows, h1 + ahead)
            n2, n3 = load(rows, h2 + ahead), load(rows, h3 + ahead)
            x0, x1, x2, x3 = load(rows, h0), load(rows, h1), load(rows, h2), load(rows, h3)
            b, s = _learn(n0, b, s, pa, sl, cl, fl)
            x0 = (x0 - b) * g
            b, s = _learn(n1, b, s, pa, sl, cl, fl)
            x1 = (x1 - b) * g
            b, s = _learn(n2, b, s, pa, sl, cl, fl)
            x2 = (x2 - b) * g
            b, s = _learn(n3, b, s, pa, sl, cl, fl)
            x3 = (x3 - b) * g
            # rows lie whole pages apart: a load after one of these would wait for it by mistake
            store(out, t0, x0)
            store(out, t0 + step, x1)
            store(out, t0 + 2 * step, x2)
            store(out, t0 + 3 * step, x3)
            store(known, k, b)
            store(wide, k, s)
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
            known[k] += pace * d
            wide[k] = max(floor, wide[k] + slow * (abs(d) - wide[k]))
            out[to + q * step + k] = (rows[at + q * step + k] - known[k]) * gain[k]
