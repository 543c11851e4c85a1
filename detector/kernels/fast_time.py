"""What happens within one A-scan: blanking, dewow, zero-phase band-pass.

All in float32, whose rounding (1 part in 1.7e7) lies far below a 16-bit converter's step, and twice
as fast. No sum is taken in an order that depends on how A-scans were cut into blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.lanes import LANES, STATE, run, run_less_mean, start
from detector.kernels.squares import LIMIT, SIDE, soon, turn, turn_in
from detector.kernels.vector import WIDTH, fill, fused, load, store

F4 = NDArray[np.float32]

_LIMIT = np.float32(LIMIT)
_WHISPER = np.float32(1e-18)
"""Added before the recursions and rejected by them: a filter that rings out never reaches denormal numbers."""

_ZERO = np.float32(0.0)
_BLOCK = 64
"""Samples laid side by side, filtered, or laid back at a time: they are still in the first cache."""

_PAGE = 4096 // (4 * LANES)
"""Samples of all lanes in a page."""

_LINE = 64
"""Bytes of a cache line: a vector that straddles two of them takes twice as long."""


def filter_room(samples: int, pad: int, half: int) -> F4:
    """Working memory of :func:`filter_ascans` for A-scans of that length."""
    # samples, padded ones before them, running means, filter state; and room to begin on a cache line
    return np.zeros((samples + 2 * pad + half + 2 + _PAGE) * LANES + STATE + _LINE // 4, np.float32)


@njit(cache=True, nogil=True)
def filter_ascans(
    raw: NDArray[Any], offset: float, factor: float, counts: bool, blank: int, half: int, sections: F4, pad: int,
    room: F4, out: F4,
) -> None:
    """Scale, blank, subtract the running mean, and filter every A-scan forward and backward.

    raw : (n, channels, m) as sampled; a value becomes (raw - offset) * factor, within +-1e12, and 0 if it
    is not a number; counts : raw holds integers, which are always numbers and within; blank : leading samples
    replaced by the first after them; half : running mean over +-half samples, clipped at the ends, 0 for none;
    sections : (s, 3) = g, p, q, each g (1 - z^-2) / (1 + p z^-1 + q z^-2), none for no filter;
    pad : samples of odd reflection at the ends, less than m;
    room : as :func:`filter_room` gives it, zeros or what the last call left; out : (n, channels, m) float32.
    The filter is that of scipy.signal.sosfiltfilt(padtype="odd", padlen=pad).
    """
    n, channels, m = raw.shape
    count = n * channels
    samples, flat = raw.reshape(-1), out.reshape(-1)
    at = (-(room.ctypes.data // 4)) % (_LINE // 4)
    ext = room[at : at + (m + 2 * pad) * LANES]
    # what is filtered takes the place of the sample that has just left the running mean, or of one not long before
    first = pad + half + 1 + _apart(half)
    x = room[at + first * LANES : at + (first + m) * LANES]
    at += (first + pad + m) * LANES
    total = room[at : at + LANES]
    z = room[at + LANES : at + LANES + STATE]
    inner = ext[pad * LANES : (pad + m) * LANES]
    shift, scale = np.float32(offset), np.float32(factor)
    pairs = (len(sections) + 1) // 2
    # all gains at once, there and back, where the running mean is taken off
    both = 1.0
    for s in range(len(sections)):
        both *= float(sections[s, 0]) ** 2
    gain = np.float32(both)
    whisper = _WHISPER if pairs > 0 else _ZERO
    edge = max(half, pad, blank) + 1
    whole = half > 0 and pairs > 0 and 2 * edge < m
    share = np.float32(both / (2 * half + 1))
    apart = max(1, _LINE // raw.itemsize)
    share_of_next = LANES * m * _BLOCK // max(_BLOCK, m - 2 * edge)
    for tile in range(0, count, LANES):
        lanes = min(LANES, count - tile)
        first, last = (edge, m - edge) if whole else (m, m)
        laid = _lay_in(samples, m, tile, lanes, shift, scale, counts, x, 0, min(m, first + half))
        for k in range(blank):
            x[k * LANES : (k + 1) * LANES] = x[blank * LANES : (blank + 1) * LANES]
        _less_mean(x, half, m, both, whisper, total, inner, 0, first)
        if pairs > 0:
            pair = _pair(sections, 0)
            _reflect(ext, pad, -1, pad)
            start(ext, z, 0)
            if not whole:
                _reflect(ext, pad + m - 1, 1, pad)
            run(ext, z, pair, 0, pad + first, 1)
            next_up = (tile + LANES) * m
            for k in range(first, last, _BLOCK):
                end = min(last, k + _BLOCK)
                # what the next lanes will take comes from far away
                for j in range(next_up, next_up + share_of_next, apart):
                    soon(samples, j)
                next_up += share_of_next
                laid = _lay_in(samples, m, tile, lanes, shift, scale, counts, x, laid, min(m, end + half))
                run_less_mean(x, total, half, gain, share, whisper, inner, z, pair, k, end - k)
            if whole:
                _lay_in(samples, m, tile, lanes, shift, scale, counts, x, laid, m)
                _less_mean(x, half, m, both, whisper, total, inner, last, m)
                _reflect(ext, pad + m - 1, 1, pad)
            run(ext, z, pair, pad + last, m + pad - last, 1)
            for j in range(1, pairs):
                z[:] = _ZERO
                run(ext, z, _pair(sections, j), 0, m + 2 * pad, 1)
            start(ext, z, m + 2 * pad - 1)
            for j in range(pairs - 1, 0, -1):
                run(ext, z, _pair(sections, j), m + 2 * pad - 1, m + pad, -1)
                z[:] = _ZERO
            run(ext, z, pair, m + 2 * pad - 1, pad, -1)
        done = flat[tile * m : (tile + lanes) * m]
        for k in range((m - 1) // _BLOCK * _BLOCK, -1, -_BLOCK):
            end = min(m, k + _BLOCK)
            if pairs > 0:
                run(ext, z, pair, pad + end - 1, end - k, -1)
            _lay_out(inner, lanes, m, k, end, done)


@njit(cache=True, nogil=True)
def _apart(half: int) -> int:
    """Samples between those that leave the running mean and those written, fewer than _PAGE.

    So that none of the three samples that are read lies just as far into a page as one written a moment ago: a
    processor would wait for that.
    """
    best, least = 0, _PAGE
    for k in range(_PAGE):
        nearest = max(k, (k + half + 1) % _PAGE, (k + 2 * half + 1) % _PAGE)
        best, least = (k if nearest < least else best), min(nearest, least)
    return best


@njit(cache=True, nogil=True)
def _pair(sections: F4, j: int) -> F4:
    """Sections 2 j and 2 j + 1 without their gains, as the recursions take them."""
    pair = np.array([0.0, -1.0, 0.0, -1.0], np.float32)
    for s in range(2 * j, min(2 * j + 2, len(sections))):
        pair[2 * (s - 2 * j) : 2 * (s - 2 * j) + 2] = sections[s, 1:]
    return pair


@njit(cache=True, nogil=True)
def _lay_in(
    raw: NDArray[Any], m: int, tile: int, lanes: int, shift: Any, scale: Any, counts: bool, x: F4, first: int, last: int
) -> int:
    """Samples first to last - 1 of A-scans tile to tile + lanes - 1 as float32, side by side; at most 7 more.

    Returns what is to be laid next. first : a multiple of SIDE. Lanes for which no A-scan is left hold what nobody
    reads.
    """
    squares = max(0, min((last - first + SIDE - 1) // SIDE, (m - first) // SIDE))
    for g in range(0, lanes, SIDE):
        for k in range(first, first + squares * SIDE, SIDE):
            turn_in(raw, (tile + g) * m + k, m, min(SIDE, lanes - g), shift, scale, x, k * LANES + g, LANES)
    laid = first + squares * SIDE
    if laid < last:
        for k in range(laid, m):
            for i in range(lanes):
                v = (np.float32(raw[(tile + i) * m + k]) - shift) * scale
                if not counts:
                    v = v if v == v else _ZERO
                    v = v if v < _LIMIT else _LIMIT
                    v = v if v > -_LIMIT else -_LIMIT
                x[k * LANES + i] = v
        laid = m
    return laid


@njit(cache=True, nogil=True)
def _lay_out(x: F4, lanes: int, m: int, first: int, last: int, out: F4) -> None:
    """Samples first to last - 1 of the lanes, to rows of m."""
    whole = first + (last - first) // SIDE * SIDE
    full = lanes // SIDE * SIDE
    for g in range(0, full, SIDE):
        for k in range(first, whole, SIDE):
            turn(x, k * LANES + g, LANES, out, g * m + k, m)
        for k in range(whole, last):
            for i in range(g, g + SIDE):
                out[i * m + k] = x[k * LANES + i]
    for i in range(full, lanes):
        for k in range(first, last):
            out[i * m + k] = x[k * LANES + i]


@njit(cache=True, nogil=True)
def _less_mean(x: F4, half: int, m: int, gain: float, whisper: Any, total: F4, out: F4, first: int, last: int) -> None:
    """out = x less its mean over +-half samples, clipped at the ends, times gain, and a whisper.

    Samples first to last - 1; total : sums over the windows of sample first - 1, updated, set where first is 0.
    """
    scale, quiet = fill(np.float32(gain)), fill(whisper)
    for r in range(0, LANES, WIDTH):
        s = load(total, r)
        if first == 0:
            s = fill(_ZERO)
            for k in range(min(half, m)):
                s = s + load(x, k * LANES + r)
        for k in range(first, last):
            if half > 0 and k + half < m:
                s = s + load(x, (k + half) * LANES + r)
            if half > 0 and k > half:
                s = s - load(x, (k - half - 1) * LANES + r)
            share = np.float32(-gain / (min(m, k + half + 1) - max(0, k - half)))
            store(out, k * LANES + r, fused(scale, load(x, k * LANES + r), fused(fill(share), s, quiet)))
        store(total, r, s)


@njit(cache=True, nogil=True)
def _reflect(ext: F4, about: int, step: int, pad: int) -> None:
    """Odd reflection of `pad` samples about sample `about`: those `step` after it become those as far before it."""
    for r in range(0, LANES, WIDTH):
        middle = load(ext, about * LANES + r)
        for k in range(1, pad + 1):
            inside = load(ext, (about - step * k) * LANES + r)
            store(ext, (about + step * k) * LANES + r, (middle + middle) - inside)
