"""Whether a record can be trusted, judged by the record itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def at_the_ends(raw: NDArray[Any], first: I8, ends: NDArray[Any]) -> I8:
    """How many values at or beyond the ends of the converter's range, or not a number, from sample `first` on.

    raw : (n, channels, m); first : (channels,); ends : (2,) of raw's type. Returns (n, channels).
    """
    n, channels, _ = raw.shape
    out = np.zeros((n, channels), np.int64)
    low, high = ends[0], ends[1]
    for i in range(n):
        for c in range(channels):
            row = raw[i, c, first[c] :]
            count = 0
            for k in range(row.size):
                v = row[k]
                count += (v <= low) | (v >= high) | (v != v)
            out[i, c] = count
    return out


@njit(cache=True, nogil=True)
def repeats(raw: NDArray[Any], previous: NDArray[Any], run: I8) -> I8:
    """How many records in a row before this one were the same to the last bit.

    previous : (channels, m), the record before, and run : (channels,), -1 before the first; updated.
    Returns (n, channels).
    """
    n, channels, m = raw.shape
    out = np.zeros((n, channels), np.int64)
    for i in range(n):
        for c in range(channels):
            row, old = raw[i, c], previous[c]
            same = run[c] >= 0
            k = 0
            while same and k < m:
                same = row[k] == old[k]
                k += 1
            run[c] = run[c] + 1 if same else 0
            if not same:
                old[:] = row
            out[i, c] = run[c]
    return out


@njit(cache=True, nogil=True)
def roughness(x: NDArray[Any], first: int, stride: int) -> F8:
    """Standard deviation that white noise would need for the third differences seen from sample `first` on.

    Third differences of white noise have 20 times its variance, those of an echo sampled 10 times a
    period a sixteenth of its power. x : (n, channels, m). Returns (n, channels).
    """
    n, channels, m = x.shape
    out = np.zeros((n, channels))
    for i in range(n):
        for c in range(channels):
            row = x[i, c]
            s = 0.0
            count = 0
            for k in range(first, m - 3, stride):
                d = (float(row[k + 3]) - float(row[k])) - 3.0 * (float(row[k + 2]) - float(row[k + 1]))
                if not np.isfinite(d):
                    d = 0.0
                s += d * d
                count += 1
            out[i, c] = np.sqrt(s / (20.0 * count)) if count > 0 else 0.0
    return out


@njit(cache=True, nogil=True)
def too_noisy(
    noise: F8, dead: NDArray[np.bool_], factor: float, learn: int, floor: float, given: float, reference: F8, seen: I8
) -> I8:
    """1 where the noise is more than `factor` times its reference.

    The reference is `given`, or if that is 0 the mean of the first `learn` records; it follows a quieter
    head and never a louder one. Records that are `dead`, (n, channels), teach it nothing: the silence of a stuck
    head would make a live one loud for good. noise : (n, channels); reference, seen : (channels,), updated.
    """
    n, channels = noise.shape
    out = np.zeros((n, channels), np.int64)
    for i in range(n):
        for c in range(channels):
            v = max(floor, noise[i, c])
            if given > 0.0:
                out[i, c] = v > factor * max(floor, given)
                continue
            if dead[i, c]:
                continue
            seen[c] += 1
            if seen[c] <= learn:
                reference[c] += (v - reference[c]) / seen[c]
            else:
                out[i, c] = v > factor * reference[c]
                if v < reference[c]:
                    reference[c] += 0.02 * (v - reference[c])
    return out
