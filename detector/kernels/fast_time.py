"""What happens within one A-scan: blanking, removal of the running mean, alignment of the surface."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]


@njit(cache=True)
def subtract_running_mean(x: F8, half: int) -> F8:
    """Subtract from each sample the mean of its row over +-half samples, clipped at the ends.

    x : (n, m). Each mean is a difference of running sums taken within its own row only.
    """
    n, m = x.shape
    out = np.empty_like(x)
    total = np.empty(m + 1)
    for i in range(n):
        total[0] = 0.0
        for k in range(m):
            total[k + 1] = total[k] + x[i, k]
        for k in range(m):
            lo = max(0, k - half)
            hi = min(m, k + half + 1)
            out[i, k] = x[i, k] - (total[hi] - total[lo]) / (hi - lo)
    return out


@njit(cache=True)
def find_surface(row: F8, first: int, last: int) -> int:
    """Index of the largest magnitude of a row within [first, last)."""
    best = first
    for k in range(first, last):
        if abs(row[k]) > abs(row[best]):
            best = k
    return best


@njit(cache=True)
def align_rows(
    x: F8,
    reference: F8,
    gate: tuple[int, int],
    max_lag: int,
    max_jump: float,
    min_match: float,
    memory: int,
    state: F8,
) -> tuple[F8, F8, U1]:
    """Shift each row so that its surface echo lies where the reference has it.

    Cross-correlation with the running reference in a gate, parabolic interpolation of its peak,
    cubic (Catmull-Rom) fractional shift. A row that matches worse than min_match, or whose lag jumps
    by more than max_jump from the last good one, keeps the last good lag, is flagged lost, and
    does not teach the reference.

    x : (n, m); reference : (m,), updated; gate : [first, last) samples; max_lag, max_jump : samples;
    min_match : normalised correlation; memory : rows in the running reference;
    state : (3,) = last good lag, rows in the reference, rows lost in a row; updated.
    Returns aligned (n, m), lags (n,) in samples, lost (n,) 0 or 1.
    """
    n, m = x.shape
    out = np.empty_like(x)
    lags = np.empty(n)
    lost = np.zeros(n, np.uint8)
    corr = np.empty(2 * max_lag + 1)
    lo = max(gate[0], max_lag)
    hi = min(gate[1], m - max_lag)
    for i in range(n):
        rr = 0.0
        for k in range(lo, hi):
            rr += reference[k] * reference[k]
        best = 0
        best_match = -2.0
        for j in range(2 * max_lag + 1):
            d = j - max_lag
            xy = 0.0
            xx = 0.0
            for k in range(lo, hi):
                v = x[i, k + d]
                xy += v * reference[k]
                xx += v * v
            corr[j] = xy / np.sqrt(xx * rr) if xx > 0.0 and rr > 0.0 else 0.0
            if corr[j] > best_match:
                best_match = corr[j]
                best = j
        lag = float(best - max_lag)
        if 0 < best < 2 * max_lag:
            bend = corr[best - 1] - 2.0 * corr[best] + corr[best + 1]
            if bend < 0.0:
                lag += 0.5 * (corr[best - 1] - corr[best + 1]) / bend
        # a jump is measured against the last good lag; after `memory` lost rows the head may really
        # have moved, so a good match is believed again
        jumped = state[1] > 1.0 and abs(lag - state[0]) > max_jump and state[2] < memory
        if best_match < min_match or jumped:
            lost[i] = 1
            state[2] += 1.0
            lag = state[0]
        else:
            state[0] = lag
            state[2] = 0.0
        whole = int(np.floor(lag))
        f = lag - whole
        for k in range(m):
            p = k + whole
            a = x[i, min(max(p - 1, 0), m - 1)]
            b = x[i, min(max(p, 0), m - 1)]
            c = x[i, min(max(p + 1, 0), m - 1)]
            d4 = x[i, min(max(p + 2, 0), m - 1)]
            out[i, k] = b + 0.5 * f * (
                c - a + f * (2.0 * a - 5.0 * b + 4.0 * c - d4 + f * (3.0 * (b - c) + d4 - a))
            )
        if lost[i] == 0:
            state[1] = min(state[1] + 1.0, float(memory))
            w = 1.0 / state[1]
            for k in range(m):
                reference[k] += w * (out[i, k] - reference[k])
        lags[i] = lag
    return out, lags, lost
