"""The surface echo of every A-scan: where it is to a fraction of a sample, and the shift that holds it still."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import (
    WIDTH,
    after_one,
    after_three,
    after_two,
    fill,
    fused,
    greatest,
    load,
    magnitude,
    store,
)

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]

_ZERO = np.float32(0.0)
_TINY = np.float32(1e-37)
"""Less power than this is none."""


@njit(cache=True, nogil=True)
def find_surface(row: F4, first: int, last: int) -> int:
    """Index of the largest magnitude of a row within [first, last)."""
    best = first
    for k in range(first, last):
        if abs(row[k]) > abs(row[best]):
            best = k
    return best


@njit(cache=True, nogil=True)
def align_ascans(
    x: F4, reference: F4, gates: I8, max_lag: int, stride: int, max_jump: float,
    min_match: float, min_level: float, memory: int, state: F8, out: F4, lags: F8, lost: U1,
) -> None:  # fmt: skip
    """Shift each A-scan so that its surface echo lies where the reference has it.

    Cross-correlation with the running reference in a gate, parabolic interpolation of its peak,
    cubic (Catmull-Rom) fractional shift. An A-scan that matches worse than min_match, is weaker in the gate
    than min_level times the reference, or whose lag jumps by more than max_jump from the last good one,
    keeps the last good lag, is flagged lost, and does not teach the reference. After `memory` lost ones in a
    row the reference itself is not believed any more: it starts afresh from the A-scan at hand, with its
    strongest sample in reach of the gate's middle put there.

    x : (n, channels, m); reference : (channels, m), updated within the gates, beyond which it is not used;
    gates : (channels, 2) first and last + 1 sample; max_lag, max_jump : samples; stride : every which sample of
    the gate is correlated; min_match : normalised correlation; min_level : of amplitudes;
    memory : A-scans in the running reference; state : (channels, 3) = last good lag, A-scans in the reference,
    lost in a row; updated.
    out : (n, channels, m) aligned; lags : (n, channels) in samples; lost : (n, channels) 0 or 1; all three filled.
    """
    n, channels, m = x.shape
    width = 2 * max_lag + 1
    wide = (width + WIDTH - 1) // WIDTH * WIDTH
    cross, power, square = np.empty(wide, np.float32), np.empty(wide, np.float32), np.empty(wide, np.float32)
    near, weight = np.zeros(m + wide, np.float32), np.zeros(m, np.float32)
    for i in range(n):
        # all lags first: what one channel waits for is filled with the next one's sums
        for c in range(channels):
            row = x[i, c]
            lo, hi = max(gates[c, 0], max_lag), min(gates[c, 1], m - max_lag)
            count = max(0, (hi - lo + stride - 1) // stride)
            begin = lo - max_lag
            taught = reference[c, lo : max(lo, hi)]
            if stride > 1:
                for t in range(count):
                    weight[t] = taught[t * stride]
            if begin + (count - 1) * stride + wide <= m:
                level = _correlate(row[begin:], taught if stride == 1 else weight[:count], stride, cross, power)
            else:
                near[: m - begin] = row[begin:]
                level = _correlate(near, taught if stride == 1 else weight[:count], stride, cross, power)
            best = _best(cross, power, width, square) if level > 0.0 else 0
            match = _match(cross[best], power[best], level)
            lag = float(best - max_lag)
            if 0 < best < width - 1:
                before = _match(cross[best - 1], power[best - 1], level)
                after = _match(cross[best + 1], power[best + 1], level)
                bend = before - 2.0 * match + after
                if bend < 0.0:
                    lag += 0.5 * (before - after) / bend
            # a jump is measured against the last good lag; after `memory` lost rows the head may really
            # have moved, so a good match is believed again
            tired = state[c, 2] >= memory
            jumped = state[c, 1] > 1.0 and abs(lag - state[c, 0]) > max_jump and not tired
            faint = power[best] < min_level * min_level * level
            lost[i, c] = 0
            if match >= min_match and not jumped and not faint:
                state[c, 0] = lag
                state[c, 2] = 0.0
            elif tired and level > 0.0 and power[max_lag] > 0.0:
                middle = (gates[c, 0] + gates[c, 1]) // 2
                peak = middle
                for k in range(max(0, middle - max_lag), min(m, middle + max_lag + 1)):
                    if abs(row[k]) > abs(row[peak]):
                        peak = k
                lag = float(peak - middle)
                state[c, 0] = lag
                state[c, 1] = 0.0
                state[c, 2] = 0.0
                lost[i, c] = 1
            else:
                lost[i, c] = 1
                state[c, 2] += 1.0
                lag = state[c, 0]
            lags[i, c] = lag
        for c in range(channels):
            done = out[i, c]
            _shift(x[i, c], lags[i, c], done)
            if lost[i, c] == 0 or state[c, 1] == 0.0:
                state[c, 1] = min(state[c, 1] + 1.0, float(memory))
                share = np.float32(1.0 / state[c, 1])
                lo = max(gates[c, 0], max_lag)
                # whole vectors: what lies beyond the gate is not used
                hi = min(m, lo + (max(lo, min(gates[c, 1], m - max_lag)) - lo + WIDTH - 1) // WIDTH * WIDTH)
                _teach(reference[c, lo:hi], done[lo:hi], share)


@njit(cache=True, nogil=True)
def _best(cross: F4, power: F4, width: int, square: F4) -> int:
    """Where the match is greatest, sign and all, which its square shows up to a factor without the roots.

    square : room, as long as the others.
    """
    for j in range(0, cross.size, WIDTH):
        c = load(cross, j)
        # in this order no product leaves float32; where there is no power there is no product either
        store(square, j, magnitude(c) * (c / greatest(load(power, j), fill(_TINY))))
    best, top = 0, square[0]
    for j in range(1, width):
        more = square[j] > top
        best, top = (j if more else best), (square[j] if more else top)
    return best


@njit(cache=True, nogil=True)
def _correlate(near: F4, weight: F4, stride: int, cross: F4, power: F4) -> float:
    """cross[j] = sum over t of near[t * stride + j] * weight[t], power[j] = sum of near^2 over the same.

    Returns the sum of weight^2.
    """
    level = _ZERO
    for first in range(0, cross.size, WIDTH):
        level, level_odd = _ZERO, _ZERO
        s, e, s_odd, e_odd = fill(_ZERO), fill(_ZERO), fill(_ZERO), fill(_ZERO)
        # even and odd t apart, so that one sum need not wait for the other
        for t in range(0, weight.size - 1, 2):
            w, w_odd = weight[t], weight[t + 1]
            v, v_odd = load(near, t * stride + first), load(near, (t + 1) * stride + first)
            s, s_odd = fused(v, fill(w), s), fused(v_odd, fill(w_odd), s_odd)
            e, e_odd = fused(v, v, e), fused(v_odd, v_odd, e_odd)
            level, level_odd = fused(w, w, level), fused(w_odd, w_odd, level_odd)
        if weight.size % 2:
            w = weight[weight.size - 1]
            v = load(near, (weight.size - 1) * stride + first)
            s, e, level = fused(v, fill(w), s), fused(v, v, e), fused(w, w, level)
        store(cross, first, s + s_odd)
        store(power, first, e + e_odd)
        level += level_odd
    return float(level)


@njit(cache=True, nogil=True)
def _teach(known: F4, new: F4, share: Any) -> None:
    """Move a reference by that share of the way."""
    whole = known.size // WIDTH * WIDTH
    pace = fill(share)
    for k in range(0, whole, WIDTH):
        b = load(known, k)
        store(known, k, fused(pace, load(new, k) - b, b))
    for k in range(whole, known.size):
        known[k] = fused(share, new[k] - known[k], known[k])


@njit(cache=True, nogil=True)
def _match(cross: Any, power: Any, level: float) -> float:
    """Normalised correlation."""
    if power > 0.0 and level > 0.0:
        return float(float(cross) / np.sqrt(float(power) * level))
    return 0.0


@njit(cache=True, nogil=True)
def _shift(row: F4, lag: float, out: F4) -> None:
    """out[k] = row at k + lag, by cubic (Catmull-Rom) interpolation; the ends repeat the end samples."""
    m = row.size
    whole = int(np.floor(lag))
    f = lag - whole
    w0 = np.float32(0.5 * f * (-1.0 + f * (2.0 - f)))
    w1 = np.float32(1.0 + 0.5 * f * f * (-5.0 + 3.0 * f))
    w2 = np.float32(0.5 * f * (1.0 + f * (4.0 - 3.0 * f)))
    w3 = np.float32(0.5 * f * f * (f - 1.0))
    # between these all four samples are there
    first = min(m, max(0, 1 - whole))
    last = max(first, min(m, m - 2 - whole))
    if last - first < WIDTH:
        last = first
    for k in range(first):
        out[k] = _clamped(row, k + whole, w0, w1, w2, w3)
    if last > first:
        v0, v1, v2, v3 = fill(w0), fill(w1), fill(w2), fill(w3)
        store(out, first, _between(row, first + whole, v0, v1, v2, v3))
        # the next pieces begin where a whole number of vectors does, and overlap the first and the last
        k = (first + WIDTH - 1) // WIDTH * WIDTH
        pieces = (min(last, m - WIDTH - whole) - k) // WIDTH
        low = load(row, k + whole - 1 if pieces > 0 else 0)
        for _ in range(pieces):
            # one load and shifts of registers: a load that straddles two cache lines takes twice as long
            high = load(row, k + whole - 1 + WIDTH)
            s = fused(v1, after_one(low, high), v0 * low)
            s = fused(v3, after_three(low, high), fused(v2, after_two(low, high), s))
            store(out, k, s)
            low = high
            k += WIDTH
        while k < last:
            k = min(k, last - WIDTH)
            store(out, k, _between(row, k + whole, v0, v1, v2, v3))
            k += WIDTH
    for k in range(last, m):
        out[k] = _clamped(row, k + whole, w0, w1, w2, w3)


@njit(inline="always")
def _between(row: F4, p: int, v0: Any, v1: Any, v2: Any, v3: Any) -> Any:
    """WIDTH samples from p on."""
    s = fused(v1, load(row, p), v0 * load(row, p - 1))
    return fused(v3, load(row, p + 2), fused(v2, load(row, p + 1), s))


@njit(cache=True, nogil=True)
def _clamped(row: F4, p: int, w0: Any, w1: Any, w2: Any, w3: Any) -> Any:
    e = row.size - 1
    s = fused(w1, row[min(max(p, 0), e)], w0 * row[min(max(p - 1, 0), e)])
    return fused(w3, row[min(max(p + 2, 0), e)], fused(w2, row[min(max(p + 1, 0), e)], s))
