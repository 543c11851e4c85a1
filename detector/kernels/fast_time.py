"""What happens within one A-scan: blanking, dewow, zero-phase band-pass, alignment of the surface.

All in float32, whose rounding (1 part in 1.7e7) lies far below a 16-bit converter's step, and twice
as fast. No sum is taken in an order that depends on how A-scans were cut into blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]

LANES = 64
"""A-scans filtered side by side: a recursion along fast time is vectorised across A-scans."""

_PATCH = 64
"""Samples turned over at a time."""

_LIMIT = np.float32(1e12)
"""Values beyond this are cut: their squares must stay within float32. No converter reaches it."""

_WHISPER = np.float32(1e-18)
"""Added before the recursions and rejected by them: a filter that rings out never reaches denormal numbers."""

_ZERO = np.float32(0.0)


@njit(cache=True, nogil=True)
def filter_ascans(
    raw: NDArray[Any], offset: float, factor: float, blank: int, half: int, sos: F4, zi: F4, pad: int
) -> F4:
    """Scale, blank, subtract the running mean, and filter every A-scan forward and backward.

    raw : (n, channels, m) as sampled; a value becomes (raw - offset) * factor, within +-1e12, and 0 if it
    is not a number; blank : leading samples replaced by the first after them; half : running mean over +-half
    samples, clipped at the ends, 0 for none; sos : (sections, 6), zi : (sections, 2) as scipy.signal
    gives, no sections for no filter; pad : samples of odd reflection at the ends, less than m.
    The filter is that of scipy.signal.sosfiltfilt(padtype="odd", padlen=pad).
    Returns (n, channels, m) float32.
    """
    n, channels, m = raw.shape
    sections = sos.shape[0]
    out = np.empty((n, channels, m), np.float32)
    shift = np.float32(offset)
    scale = np.float32(factor)
    line = np.empty(_PATCH, np.float32)
    x = np.zeros((m, LANES), np.float32)
    ext = np.zeros((m + 2 * pad, LANES), np.float32)
    total = np.zeros(LANES, np.float32)
    z0 = np.zeros((sections, LANES), np.float32)
    z1 = np.zeros((sections, LANES), np.float32)
    end = m + 2 * pad - 1
    for tile in range(0, n * channels, LANES):
        lanes = min(LANES, n * channels - tile)
        # turned over patch by patch, so that both sides of a patch stay in the first cache
        for first in range(0, m, _PATCH):
            size = min(_PATCH, m - first)
            side = x[first : first + size]
            for r in range(lanes):
                row = raw[(tile + r) // channels, (tile + r) % channels, first : first + size]
                for k in range(size):
                    v = (np.float32(row[k]) - shift) * scale
                    v = v if v == v else _ZERO
                    v = v if v < _LIMIT else _LIMIT
                    line[k] = v if v > -_LIMIT else -_LIMIT
                for k in range(size):
                    side[k, r] = line[k]
        for k in range(blank):
            for r in range(lanes):
                x[k, r] = x[blank, r]
        if half > 0:
            for r in range(LANES):
                total[r] = _ZERO
            for k in range(min(half, m)):
                for r in range(LANES):
                    total[r] += x[k, r]
            for k in range(m):
                if k + half < m:
                    for r in range(LANES):
                        total[r] += x[k + half, r]
                if k - half - 1 >= 0:
                    for r in range(LANES):
                        total[r] -= x[k - half - 1, r]
                w = np.float32(1.0 / (min(m, k + half + 1) - max(0, k - half)))
                for r in range(LANES):
                    ext[pad + k, r] = x[k, r] - w * total[r]
        else:
            for k in range(m):
                for r in range(LANES):
                    ext[pad + k, r] = x[k, r]
        if sections > 0:
            for k in range(m):
                for r in range(LANES):
                    ext[pad + k, r] += _WHISPER
            for k in range(pad):
                for r in range(LANES):
                    ext[k, r] = ext[pad, r] + ext[pad, r] - ext[2 * pad - k, r]
                    ext[pad + m + k, r] = ext[pad + m - 1, r] + ext[pad + m - 1, r] - ext[pad + m - 2 - k, r]
            # scipy's zi chains the sections: each starts from the first input sample
            for s in range(sections):
                for r in range(LANES):
                    z0[s, r] = zi[s, 0] * ext[0, r]
                    z1[s, r] = zi[s, 1] * ext[0, r]
            for k in range(end + 1):
                for s in range(sections):
                    b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
                    for r in range(LANES):
                        u = ext[k, r]
                        v = b0 * u + z0[s, r]
                        z0[s, r] = b1 * u - a1 * v + z1[s, r]
                        z1[s, r] = b2 * u - a2 * v
                        ext[k, r] = v
            for s in range(sections):
                for r in range(LANES):
                    z0[s, r] = zi[s, 0] * ext[end, r]
                    z1[s, r] = zi[s, 1] * ext[end, r]
            for back in range(pad + m):
                k = end - back
                for s in range(sections):
                    b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
                    for r in range(LANES):
                        u = ext[k, r]
                        v = b0 * u + z0[s, r]
                        z0[s, r] = b1 * u - a1 * v + z1[s, r]
                        z1[s, r] = b2 * u - a2 * v
                        ext[k, r] = v
        for first in range(0, m, _PATCH):
            size = min(_PATCH, m - first)
            side = ext[pad + first : pad + first + size]
            for r in range(lanes):
                done = out[(tile + r) // channels, (tile + r) % channels, first : first + size]
                for k in range(size):
                    done[k] = side[k, r]
    return out


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
    x: F4,
    reference: F4,
    gates: I8,
    max_lag: int,
    stride: int,
    max_jump: float,
    min_match: float,
    min_level: float,
    memory: int,
    state: F8,
) -> tuple[F4, F8, U1]:
    """Shift each A-scan so that its surface echo lies where the reference has it.

    Cross-correlation with the running reference in a gate, parabolic interpolation of its peak,
    cubic (Catmull-Rom) fractional shift. An A-scan that matches worse than min_match, is weaker in the gate
    than min_level times the reference, or whose lag jumps by more than max_jump from the last good one,
    keeps the last good lag, is flagged lost, and does not teach the reference. After `memory` lost ones in a
    row the reference itself is not believed any more: it starts afresh from the A-scan at hand, with its
    strongest sample in reach of the gate's middle put there.

    x : (n, channels, m); reference : (channels, m), updated; gates : (channels, 2) first and last + 1
    sample; max_lag, max_jump : samples; stride : every which sample of the gate is correlated;
    min_match : normalised correlation; min_level : of amplitudes; memory : A-scans in the running reference;
    state : (channels, 3) = last good lag, A-scans in the reference, lost in a row; updated.
    Returns aligned (n, channels, m), lags (n, channels) in samples, lost (n, channels) 0 or 1.
    """
    n, channels, m = x.shape
    out = np.empty_like(x)
    lags = np.empty((n, channels))
    lost = np.zeros((n, channels), np.uint8)
    width = 2 * max_lag + 1
    cross = np.empty(width, np.float32)
    power = np.empty(width, np.float32)
    match = np.empty(width)
    for i in range(n):
        for c in range(channels):
            row = x[i, c]
            done = out[i, c]
            known = reference[c]
            lo = max(gates[c, 0], max_lag)
            hi = min(gates[c, 1], m - max_lag)
            for j in range(width):
                cross[j] = _ZERO
                power[j] = _ZERO
            level = 0.0
            for k in range(lo, hi, stride):
                w = known[k]
                level += float(w) * float(w)
                near = row[k - max_lag : k - max_lag + width]
                for j in range(width):
                    v = near[j]
                    cross[j] += v * w
                    power[j] += v * v
            best = max_lag
            for j in range(width):
                match[j] = cross[j] / np.sqrt(power[j] * level) if power[j] > 0.0 and level > 0.0 else 0.0
                if match[j] > match[best] or j == 0:
                    best = j
            lag = float(best - max_lag)
            if 0 < best < width - 1:
                bend = match[best - 1] - 2.0 * match[best] + match[best + 1]
                if bend < 0.0:
                    lag += 0.5 * (match[best - 1] - match[best + 1]) / bend
            # a jump is measured against the last good lag; after `memory` lost rows the head may really
            # have moved, so a good match is believed again
            tired = state[c, 2] >= memory
            jumped = state[c, 1] > 1.0 and abs(lag - state[c, 0]) > max_jump and not tired
            faint = power[best] < min_level * min_level * level
            if match[best] >= min_match and not jumped and not faint:
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
            _shift(row, lag, done)
            if lost[i, c] == 0 or state[c, 1] == 0.0:
                state[c, 1] = min(state[c, 1] + 1.0, float(memory))
                share = np.float32(1.0 / state[c, 1])
                for k in range(m):
                    known[k] += share * (done[k] - known[k])
            lags[i, c] = lag
    return out, lags, lost


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
    first = min(m, max(0, 1 - whole))
    last = max(first, min(m, m - 2 - whole))
    for k in range(first):
        out[k] = _clamped(row, k + whole, w0, w1, w2, w3)
    if last > first:
        a = row[first + whole - 1 :]
        b = row[first + whole :]
        c = row[first + whole + 1 :]
        d = row[first + whole + 2 :]
        done = out[first:last]
        for k in range(last - first):
            done[k] = w0 * a[k] + w1 * b[k] + w2 * c[k] + w3 * d[k]
    for k in range(last, m):
        out[k] = _clamped(row, k + whole, w0, w1, w2, w3)


@njit(cache=True, nogil=True)
def _clamped(row: F4, p: int, w0: Any, w1: Any, w2: Any, w3: Any) -> Any:
    e = row.size - 1
    return (
        w0 * row[min(max(p - 1, 0), e)]
        + w1 * row[min(max(p, 0), e)]
        + w2 * row[min(max(p + 1, 0), e)]
        + w3 * row[min(max(p + 2, 0), e)]
    )
