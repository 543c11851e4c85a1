"""What happens within one A-scan: blanking, dewow, zero-phase band-pass.

All in float32, whose rounding (1 part in 1.7e7) lies far below a 16-bit converter's step, and twice
as fast. No sum is taken in an order that depends on how A-scans were cut into blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.lanes import LANES, SIDE, backward, forward, start, turn

F4 = NDArray[np.float32]

_LIMIT = np.float32(1e12)
"""Values beyond this are cut: their squares must stay within float32. No converter reaches it."""

_WHISPER = np.float32(1e-18)
"""Added before the recursions and rejected by them: a filter that rings out never reaches denormal numbers."""

_ZERO = np.float32(0.0)
_L2, _L3, _L4 = 2 * LANES, 3 * LANES, 4 * LANES
_LINE = 64
"""Bytes of a cache line: a vector that straddles two of them takes twice as long."""


def filter_room(samples: int, pad: int, sections: int) -> F4:
    """Working memory of :func:`filter_ascans` for A-scans of that length."""
    # samples, padded samples, running means, filter state; a square of rows; and room to begin on a cache line
    return np.zeros((2 * samples + 2 * pad + 1 + 2 * sections) * LANES + SIDE * samples + _LINE // 4, np.float32)


@njit(cache=True, nogil=True)
def filter_ascans(
    raw: NDArray[Any], offset: float, factor: float, counts: bool, blank: int, half: int, sections: F4, pad: int,
    room: F4, out: F4,
) -> None:
    """Scale, blank, subtract the running mean, and filter every A-scan forward and backward.

    raw : (n, channels, m) as sampled; a value becomes (raw - offset) * factor, within +-1e12, and 0 if it
    is not a number; counts : raw holds integers, which are always numbers and within; blank : leading samples
    replaced by the first after them; half : running mean over +-half samples, clipped at the ends, 0 for none;
    sections : (s, 3) as :func:`detector.kernels.lanes.forward` takes them, none for no filter;
    pad : samples of odd reflection at the ends, less than m;
    room : as :func:`filter_room` gives it, zeros or what the last call left; out : (n, channels, m) float32.
    The filter is that of scipy.signal.sosfiltfilt(padtype="odd", padlen=pad).
    """
    n, channels, m = raw.shape
    count = n * channels
    samples, flat = raw.reshape(-1), out.reshape(-1)
    at = (-(room.ctypes.data // 4)) % (_LINE // 4)
    x = room[at : at + m * LANES]
    at += m * LANES
    ext = room[at : at + (m + 2 * pad) * LANES]
    at += (m + 2 * pad) * LANES
    total = room[at : at + LANES]
    at += LANES
    z = room[at : at + _L2 * len(sections)]
    at += _L2 * len(sections)
    square = room[at : at + SIDE * m]
    for tile in range(0, count, LANES):
        lanes = min(LANES, count - tile)
        _lay_in(samples, m, tile, lanes, np.float32(offset), np.float32(factor), counts, square, x)
        for k in range(blank):
            x[k * LANES : (k + 1) * LANES] = x[blank * LANES : (blank + 1) * LANES]
        whisper = _WHISPER if len(sections) > 0 else _ZERO
        inner = ext[pad * LANES : (pad + m) * LANES]
        if half > 0:
            _less_mean(x, half, m, whisper, total, inner)
        else:
            for k in range(m * LANES):
                inner[k] = x[k] + whisper
        if len(sections) > 0:
            _reflect(ext, pad, m)
            start(ext, z, sections, 0)
            forward(ext, z, sections, 0, m + 2 * pad)
            start(ext, z, sections, m + 2 * pad - 1)
            backward(ext, z, sections, pad, m + 2 * pad)
        _lay_out(inner, lanes, m, flat[tile * m : (tile + lanes) * m])


@njit(cache=True, nogil=True)
def _lay_in(
    raw: NDArray[Any], m: int, tile: int, lanes: int, shift: Any, scale: Any, counts: bool, square: F4, x: F4
) -> None:
    """A-scans tile to tile + lanes - 1 as float32, side by side."""
    whole = m // SIDE * SIDE
    for g in range(0, lanes, SIDE):
        rows = min(SIDE, lanes - g)
        for i in range(rows):
            at = (tile + g + i) * m
            row = raw[at : at + m]
            done = square[i * m : (i + 1) * m]
            if counts:
                for k in range(m):
                    done[k] = (np.float32(row[k]) - shift) * scale
            else:
                for k in range(m):
                    v = (np.float32(row[k]) - shift) * scale
                    v = v if v == v else _ZERO
                    v = v if v < _LIMIT else _LIMIT
                    done[k] = v if v > -_LIMIT else -_LIMIT
        # what the square holds of earlier A-scans goes to lanes that nobody reads
        for k in range(0, whole, SIDE):
            turn(square, k, m, x, k * LANES + g, LANES)
        for k in range(whole, m):
            for i in range(SIDE):
                x[k * LANES + g + i] = square[i * m + k]


@njit(cache=True, nogil=True)
def _lay_out(x: F4, lanes: int, m: int, out: F4) -> None:
    """The lanes as rows of m samples again."""
    whole = m // SIDE * SIDE
    full = lanes // SIDE * SIDE
    for g in range(0, full, SIDE):
        for k in range(0, whole, SIDE):
            turn(x, k * LANES + g, LANES, out, g * m + k, m)
        for k in range(whole, m):
            for i in range(g, g + SIDE):
                out[i * m + k] = x[k * LANES + i]
    for i in range(full, lanes):
        for k in range(m):
            out[i * m + k] = x[k * LANES + i]


@njit(cache=True, nogil=True)
def _less_mean(x: F4, half: int, m: int, whisper: Any, total: F4, out: F4) -> None:
    """out = x less its mean over +-half samples, clipped at the ends, and a whisper."""
    total[:] = _ZERO
    for k in range(min(half, m)):
        row = x[k * LANES : (k + 1) * LANES]
        for r in range(LANES):
            total[r] += row[r]
    k = 0
    while k < m:
        if k > half and k + 3 + half < m:
            new = x[(k + half) * LANES : (k + half + 4) * LANES]
            old = x[(k - half - 1) * LANES : (k - half + 3) * LANES]
            here = x[k * LANES : (k + 4) * LANES]
            done = out[k * LANES : (k + 4) * LANES]
            w = np.float32(1.0 / (2 * half + 1))
            for r in range(LANES):
                s = (total[r] + new[r]) - old[r]
                done[r] = (here[r] - w * s) + whisper
                s = (s + new[LANES + r]) - old[LANES + r]
                done[LANES + r] = (here[LANES + r] - w * s) + whisper
                s = (s + new[_L2 + r]) - old[_L2 + r]
                done[_L2 + r] = (here[_L2 + r] - w * s) + whisper
                s = (s + new[_L3 + r]) - old[_L3 + r]
                done[_L3 + r] = (here[_L3 + r] - w * s) + whisper
                total[r] = s
            k += 4
            continue
        if k + half < m:
            row = x[(k + half) * LANES : (k + half + 1) * LANES]
            for r in range(LANES):
                total[r] += row[r]
        if k > half:
            row = x[(k - half - 1) * LANES : (k - half) * LANES]
            for r in range(LANES):
                total[r] -= row[r]
        w = np.float32(1.0 / (min(m, k + half + 1) - max(0, k - half)))
        row = x[k * LANES : (k + 1) * LANES]
        line = out[k * LANES : (k + 1) * LANES]
        for r in range(LANES):
            line[r] = (row[r] - w * total[r]) + whisper
        k += 1


@njit(cache=True, nogil=True)
def _reflect(ext: F4, pad: int, m: int) -> None:
    """Odd reflection about the first and the last sample."""
    first = ext[pad * LANES : (pad + 1) * LANES]
    last = ext[(pad + m - 1) * LANES : (pad + m) * LANES]
    for k in range(pad):
        inside = ext[(2 * pad - k) * LANES : (2 * pad - k + 1) * LANES]
        line = ext[k * LANES : (k + 1) * LANES]
        for r in range(LANES):
            line[r] = first[r] + first[r] - inside[r]
        inside = ext[(pad + m - 2 - k) * LANES : (pad + m - 1 - k) * LANES]
        line = ext[(pad + m + k) * LANES : (pad + m + k + 1) * LANES]
        for r in range(LANES):
            line[r] = last[r] + last[r] - inside[r]
