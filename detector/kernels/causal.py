"""The causal statistic: how far the energy under the head stands out from the ground behind it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def causal_energy(
    rows: F4,
    lost: U1,
    first: I8,
    stride: int,
    curve: F4,
    n_bins: int,
    length: int,
    level: F4,
    spread: F4,
    seen: I8,
    alpha: float,
    clip: float,
    floor: float,
) -> F8:
    """Mean square per depth bin over a bounded recursive background that has seen only what is behind.

    rows : (n, channels, m) aligned; first : (channels,) sample of the first bin; stride : samples;
    curve : (channels, T) gain; bins are `length` strides long and start every half of that;
    level, spread : (channels, T), seen : (channels,), updated; floor : least spread. Returns (n, channels * B).
    """
    n, channels, _ = rows.shape
    n_t = level.shape[1]
    out = np.zeros((n, channels * n_bins))
    hop = max(1, length // 2)
    square = np.zeros((hop, n_t // hop + 1), np.float32)
    total = np.empty(n_bins, np.float32)
    least = np.float32(floor)
    reach = np.float32(clip)
    for i in range(n):
        for c in range(channels):
            row = rows[i, c, first[c] :]
            known, wide, gain = level[c], spread[c], curve[c]
            if seen[c] == 0:
                for t in range(n_t):
                    known[t] = row[t * stride]
                    wide[t] = least
            for h in range(hop):
                part = square[h]
                for q in range((n_t - h + hop - 1) // hop):
                    t = q * hop + h
                    y = (row[t * stride] - known[t]) * gain[t]
                    part[q] = y * y
            total[:] = np.float32(0.0)
            for j in range(length):
                part = square[j % hop, j // hop :]
                for b in range(n_bins):
                    total[b] += part[b]
            for b in range(n_bins):
                out[i, c * n_bins + b] = float(total[b]) / length
            if lost[i, c] == 0 or seen[c] == 0:
                seen[c] += 1
                # a plain mean at first, then a memory
                young = seen[c] <= 8
                pace = np.float32(max(alpha, 1.0 / seen[c]))
                slow = pace if young else np.float32(0.25) * pace
                for t in range(n_t):
                    d = row[t * stride] - known[t]
                    limit = np.float32(3e38) if young else reach * wide[t]
                    step = min(max(d, -limit), limit)
                    known[t] += pace * step
                    wide[t] = max(least, wide[t] + slow * (abs(step) - wide[t]))
    return out


@njit(cache=True, nogil=True)
def stands_out(
    energy: F8,
    floor: F8,
    groups: int,
    top: int,
    divide: bool,
    guard: int,
    warm: int,
    alpha: float,
    clip: float,
    share: float,
    smooth: F8,
    ring: F8,
    middle: F8,
    spread: F8,
    seen: I8,
) -> F8:
    """Mean of the largest `top` of ln energy - running middle, cell by cell, over its running deviation or not.

    The energy is smoothed first, s <- s + share * (energy - s). The running figures of row i have seen rows
    up to i - guard - 1; an outlying row moves them by a bounded step.

    energy : (n, groups * B); floor : (groups * B,); ring : (guard + 1, groups * B),
    smooth, middle, spread : (groups * B,), seen : (1,), updated. Returns (n, groups); NaN for the first `warm` rows.
    """
    n, cells = energy.shape
    per = cells // groups
    top = min(top, per)
    out = np.full((n, groups), np.nan)
    z = np.empty(per)
    for i in range(n):
        at = seen[0] % ring.shape[0]
        k = seen[0] - guard
        if k > 0:
            # the slot that row i will take holds row i - guard - 1
            pace = max(alpha, 1.0 / k)
            for c in range(cells):
                d = ring[at, c] - middle[c]
                limit = clip * spread[c] if k > 8 else np.inf
                step = min(max(d, -limit), limit)
                middle[c] += pace * step
                spread[c] = spread[c] + pace * (abs(step) - spread[c])
        for g in range(groups):
            for b in range(per):
                c = g * per + b
                smooth[c] += (share if seen[0] > 0 else 1.0) * (energy[i, c] - smooth[c])
                ring[at, c] = np.log(smooth[c] + floor[c])
                # less than 1 dB of usual variation is a simulator's, not the ground's
                z[b] = (ring[at, c] - middle[c]) / (max(spread[c], 0.23) if divide else 1.0)
            if seen[0] >= warm:
                s = 0.0
                for _ in range(top):
                    best = 0
                    for b in range(per):
                        if z[b] > z[best]:
                            best = b
                    s += z[best]
                    z[best] = -np.inf
                out[i, g] = s / top
        seen[0] += 1
    return out
