"""Biquad cascades in Q31 and Q15, to the bit as CMSIS-DSP computes them on a Cortex-M.

Direct form 1, coefficients b0 b1 b2 a1 a2 per section with the signs of a turned, 64-bit accumulator,
the result cut (not rounded) to the word. Source: CMSIS-DSP 1.10, arm_biquad_cascade_df1_q31 and _q15.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def prime(x0: int, rest: I8, state: I8) -> None:
    """State of a cascade whose input has been x0 for ever.

    rest : (S,) gain at rest from the cascade's input to each section's output, Q31; state : (S, 4)
    x1 x2 y1 y2, filled.
    """
    x = x0
    for s in range(rest.size):
        y = (x0 * rest[s]) >> 31
        state[s, 0] = x
        state[s, 1] = x
        state[s, 2] = y
        state[s, 3] = y
        x = y


@njit(cache=True, nogil=True)
def run_cascade(x: I8, coefficients: I8, post_shift: int, word: int, state: I8, out: I8) -> None:
    """Run samples through the cascade.

    x, out : (n,) words; may be the same array; coefficients : (S, 5) in Q(word - post_shift);
    word : 31, whose result wraps, or 15, whose result saturates, as in CMSIS-DSP; state : (S, 4), updated.
    """
    shift = word - post_shift
    low, high = -(1 << word), (1 << word) - 1
    for i in range(x.size):
        v = x[i]
        for s in range(coefficients.shape[0]):
            c, z = coefficients[s], state[s]
            acc = c[0] * v + c[1] * z[0] + c[2] * z[1] + c[3] * z[2] + c[4] * z[3]
            y = acc >> shift
            y = min(max(y, low), high) if word == 15 else ((y + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            z[1] = z[0]
            z[0] = v
            z[3] = z[2]
            z[2] = y
            v = y
        out[i] = v


@njit(cache=True, nogil=True)
def filter_rows(rows: I8, coefficients: I8, rest: I8, post_shift: int, word: int, state: I8, started: bool) -> I8:
    """Every column of rows (n, width) through a cascade of its own; state : (width, S, 4), updated.

    Not started: the first row is taken to have stood for ever.
    """
    n, width = rows.shape
    out = np.empty((n, width), np.int64)
    line = np.empty(n, np.int64)
    for c in range(width):
        if not started and n > 0:
            prime(rows[0, c], rest, state[c])
        for i in range(n):
            line[i] = rows[i, c]
        run_cascade(line, coefficients, post_shift, word, state[c], line)
        for i in range(n):
            out[i, c] = line[i]
    return out


@njit(cache=True, nogil=True)
def filter_ascans_fixed(
    raw: I8, shift: int, blank: int, half: int, reciprocals: I8, pad: int,
    coefficients: I8, rest: I8, post_shift: int, word: int,
) -> I8:
    """Blank, dewow and band-pass forward and backward, A-scan by A-scan.

    raw : (n, m) converter counts; shift : a count is 2^shift in Q31; blank, half, pad : as
    kernels.fast_time.filter_ascans has them, half < m / 2, pad < m; reciprocals : (half + 1,) round(2^31 / c)
    for windows of c = half + 1, ..., 2 half + 1 samples; word : 31 or 15, the latter keeps the upper half.
    Returns (n, m) words.
    """
    n, m = raw.shape
    sections = coefficients.shape[0]
    out = np.empty((n, m), np.int64)
    ext = np.empty(m + 2 * pad, np.int64)
    x = np.empty(m, np.int64)
    state = np.zeros((sections, 4), np.int64)
    for i in range(n):
        for k in range(m):
            x[k] = raw[i, max(k, blank)]
        total = 0
        if half > 0:
            for k in range(half):
                total += x[k]
        for k in range(m):
            mean = 0
            if half > 0:
                if k + half < m:
                    total += x[k + half]
                if k - half - 1 >= 0:
                    total -= x[k - half - 1]
                count = min(m, k + half + 1) - max(0, k - half)
                r = reciprocals[count - half - 1]
                mean = (total * r) >> (31 - shift) if shift >= 0 else (total * r) >> 31 >> -shift
            v = (x[k] << shift if shift >= 0 else x[k] >> -shift) - mean
            ext[pad + k] = v if word == 31 else (v + 0x8000) >> 16
        if sections > 0:
            for k in range(pad):
                ext[k] = 2 * ext[pad] - ext[2 * pad - k]
                ext[pad + m + k] = 2 * ext[pad + m - 1] - ext[pad + m - 2 - k]
            prime(ext[0], rest, state)
            run_cascade(ext, coefficients, post_shift, word, state, ext)
            back = ext[::-1]
            prime(back[0], rest, state)
            run_cascade(back, coefficients, post_shift, word, state, back)
        for k in range(m):
            out[i, k] = ext[pad + k]
    return out
