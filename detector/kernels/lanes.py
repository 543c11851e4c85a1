"""Recursions along fast time for many A-scans side by side: sample k of lane r stands at k * LANES + r.

A recursion waits for its own last result; two vectors of A-scans together keep a processor busy, and their state stays
in registers. Every lane does the same arithmetic in the same order whatever the others hold.

Sections come in pairs, each p0, q0, p1, q1, and a section is v[k] = u[k] - u[k-2] - p v[k-1] - q v[k-2]: zeros at 0 and
at half the sampling rate, three operations a sample, of which two are a product and a sum rounded once. Where there
is no second section p = 0, q = -1 passes every value on as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import WIDTH, fill, fused, load, store

F4 = NDArray[np.float32]

LANES = 2 * WIDTH
"""A-scans side by side."""

STATE = 4 * LANES
"""Values that a pair of sections keeps."""

_ZERO = np.float32(0.0)
_L2, _L3 = 2 * LANES, 3 * LANES


@njit(inline="always")
def _section(u: Any, a: Any, b: Any, p: Any, q: Any) -> Any:
    """One sample, its section's state, and the section."""
    v = u - a
    return v, fused(p, v, b), fused(q, v, u)


@njit(cache=True, nogil=True)
def start(x: F4, z: F4, k: int) -> None:
    """State in which sample k has stood for ever: only the first section sees it, and rejects it."""
    for r in range(LANES):
        z[r] = z[LANES + r] = x[k * LANES + r]
        z[_L2 + r] = z[_L3 + r] = _ZERO


@njit(cache=True, nogil=True)
def run(x: F4, z: F4, pair: F4, first: int, count: int, step: int) -> None:
    """Two sections over samples first, first + step, ... in place.

    x : (n * LANES,); z : (STATE,), updated; pair : (4,); step : 1 forward, -1 backward.
    """
    p, q, r, s = fill(pair[0]), fill(pair[1]), fill(pair[2]), fill(pair[3])
    a, b, c, d = load(z, 0), load(z, LANES), load(z, _L2), load(z, _L3)
    e, f, g, h = load(z, WIDTH), load(z, LANES + WIDTH), load(z, _L2 + WIDTH), load(z, _L3 + WIDTH)
    at = first * LANES
    for _ in range(count):
        u, a, b = _section(load(x, at), a, b, p, q)
        v, e, f = _section(load(x, at + WIDTH), e, f, p, q)
        u, c, d = _section(u, c, d, r, s)
        v, g, h = _section(v, g, h, r, s)
        store(x, at, u)
        store(x, at + WIDTH, v)
        at += step * LANES
    store(z, 0, a)
    store(z, LANES, b)
    store(z, _L2, c)
    store(z, _L3, d)
    store(z, WIDTH, e)
    store(z, LANES + WIDTH, f)
    store(z, _L2 + WIDTH, g)
    store(z, _L3 + WIDTH, h)


@njit(cache=True, nogil=True)
def run_less_mean(
    x: F4, total: F4, half: int, gain: Any, share: Any, whisper: Any, y: F4, z: F4, pair: F4, first: int, count: int
) -> None:
    """x less its mean over +-half samples, times gain, plus a whisper, through two sections forward into y.

    Samples first to first + count - 1, whose windows are whole. total : (LANES,) sums over the windows of sample
    first - 1, updated; gain, share : share is gain / (2 half + 1); else as in :func:`run`.
    """
    p, q, r, s = fill(pair[0]), fill(pair[1]), fill(pair[2]), fill(pair[3])
    a, b, c, d = load(z, 0), load(z, LANES), load(z, _L2), load(z, _L3)
    e, f, g, h = load(z, WIDTH), load(z, LANES + WIDTH), load(z, _L2 + WIDTH), load(z, _L3 + WIDTH)
    sum0, sum1 = load(total, 0), load(total, WIDTH)
    scale, part, quiet = fill(gain), fill(-share), fill(whisper)
    ahead, behind = half * LANES, -(half + 1) * LANES
    at = first * LANES
    for _ in range(count):
        sum0 = (sum0 + load(x, at + ahead)) - load(x, at + behind)
        sum1 = (sum1 + load(x, at + ahead + WIDTH)) - load(x, at + behind + WIDTH)
        u = fused(scale, load(x, at), fused(part, sum0, quiet))
        v = fused(scale, load(x, at + WIDTH), fused(part, sum1, quiet))
        u, a, b = _section(u, a, b, p, q)
        v, e, f = _section(v, e, f, p, q)
        u, c, d = _section(u, c, d, r, s)
        v, g, h = _section(v, g, h, r, s)
        store(y, at, u)
        store(y, at + WIDTH, v)
        at += LANES
    store(total, 0, sum0)
    store(total, WIDTH, sum1)
    store(z, 0, a)
    store(z, LANES, b)
    store(z, _L2, c)
    store(z, _L3, d)
    store(z, WIDTH, e)
    store(z, LANES + WIDTH, f)
    store(z, _L2 + WIDTH, g)
    store(z, _L3 + WIDTH, h)
