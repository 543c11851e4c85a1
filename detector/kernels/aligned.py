"""A patch of B-scan laid out alike for every head, and what stands in it.

Across: metres from the alarm. Down: periods of the centre frequency from the strongest sample. Divided by its own
size, so that neither gain nor step nor sampling interval nor band changes the numbers, as far as physics allows.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def aligned_patch(
    patch: F8, centre: int, apex: int, step: float, dt: float, period: float, half: int, cell: float, above: int,
    below: int, per_period: int,
) -> F8:  # fmt: skip
    """(2 half + 1, above + below) by straight lines between samples; 0 where the patch does not reach.

    patch : (n, samples); centre, apex : row and sample of the alarm; step m; dt, period s; half : columns each side,
    `cell` m apart; above, below : samples before and from the apex on, `per_period` a period.
    """
    n, m = patch.shape
    out = np.zeros((2 * half + 1, above + below))
    size = 0.0
    for j in range(2 * half + 1):
        at = centre + (j - half) * cell / step
        row = int(np.floor(at))
        a = at - row
        if row < 0 or row > n - 1 or (row == n - 1 and a > 1e-9):
            continue
        upper = min(row + 1, n - 1)
        for k in range(above + below):
            p = apex + (k - above) * period / per_period / dt
            s = int(np.floor(p))
            b = p - s
            if s < 0 or s >= m - 1:
                continue
            value = (1.0 - a) * ((1.0 - b) * patch[row, s] + b * patch[row, s + 1])
            value += a * ((1.0 - b) * patch[upper, s] + b * patch[upper, s + 1])
            out[j, k] = value
            size += value * value
    if size > 0.0:
        scale = 1.0 / np.sqrt(size)
        for j in range(out.shape[0]):
            for k in range(out.shape[1]):
                out[j, k] *= scale
    return out


@njit(cache=True, nogil=True)
def block_energy(z: F8, first: int, last: int, start: int, stop: int) -> float:
    """Energy of columns first to last - 1 and samples start to stop - 1."""
    total = 0.0
    for j in range(max(0, first), min(z.shape[0], last)):
        for k in range(max(0, start), min(z.shape[1], stop)):
            total += z[j, k] * z[j, k]
    return total


@njit(cache=True, nogil=True)
def folded_edges(z: F8, near: int, far: int, start: int, stop: int) -> F8:
    """Shares of edge strength at columns near to far from the middle, both sides folded together: (4,), sums to 1.

    layer: along the track; column: down; arch: falling away from the middle, as a hyperbola's arms do; dip: rising.
    Operators of the MPEG-7 edge histogram descriptor (Park, Jeon and Won 2000); on mines, Frigui and Gader 2009.
    """
    share = np.zeros(4)
    middle = z.shape[0] // 2
    r2 = np.sqrt(2.0)
    for d in range(near, far):
        for side in (-1, 1):
            i = middle + side * d
            o = middle + side * (d + 1)
            if i < 0 or o < 0 or i >= z.shape[0] or o >= z.shape[0]:
                continue
            for k in range(start, min(stop, z.shape[1]) - 1):
                a = z[i, k]
                b = z[i, k + 1]
                c = z[o, k]
                e = z[o, k + 1]
                layer = abs(a - b + c - e)
                column = abs(a + b - c - e)
                # a crest that comes later further out joins a and e: its edge stands between b and c
                arch = abs(r2 * b - r2 * c)
                dip = abs(r2 * a - r2 * e)
                top = max(max(layer, column), max(arch, dip))
                if top <= 0.0:
                    continue
                if layer == top:
                    share[0] += top
                elif column == top:
                    share[1] += top
                elif arch == top:
                    share[2] += top
                else:
                    share[3] += top
    total = 0.0
    for q in range(4):
        total += share[q]
    if total > 0.0:
        for q in range(4):
            share[q] /= total
    return share


@njit(cache=True, nogil=True)
def envelope(trace: F8, quarter: int) -> F8:
    """Magnitude of a narrow-band trace with itself a quarter period on either side: (n,)."""
    n = trace.size
    out = np.zeros(n)
    for k in range(n):
        early = trace[max(0, k - quarter)]
        late = trace[min(n - 1, k + quarter)]
        out[k] = np.sqrt(trace[k] * trace[k] + 0.25 * (late - early) * (late - early))
    return out


@njit(cache=True, nogil=True)
def second_echo(trace: F8, quarter: int, first: int, least: int) -> tuple[int, float, float]:
    """The strongest peak of the envelope from `least` samples after `first` on: delay, its share, its sign.

    The sign is that of the product of the waveforms half a period round the two peaks. 0 delay if there is none.
    """
    e = envelope(trace, quarter)
    best = -1
    for k in range(first + least, trace.size - 1):
        if e[k] >= e[k - 1] and e[k] > e[k + 1] and (best < 0 or e[k] > e[best]):
            best = k
    if best < 0 or e[first] <= 0.0:
        return 0, 0.0, 0.0
    both = 0.0
    for w in range(-2 * quarter, 2 * quarter + 1):
        i = first + w
        j = best + w
        if 0 <= i < trace.size and 0 <= j < trace.size:
            both += trace[i] * trace[j]
    return best - first, e[best] / e[first], np.sign(both)


@njit(cache=True, nogil=True)
def phase_to(trace: F8, pulse: F8, quarter: int, first: int, last: int) -> tuple[float, float, float]:
    """How an echo resembles the head's own pulse: cosine and sine of its phase to it, and the likeness, 0 to 1.

    trace, pulse : same sampling; the pulse is slid over the trace's samples first to last - 1 and stays at the place
    of best likeness, taken with its quadrature (itself a quarter period on either side). NaN where either is silent.
    """
    n = pulse.size
    turned = np.zeros(n)
    size = 0.0
    turned_size = 0.0
    for k in range(n):
        turned[k] = 0.5 * (pulse[min(n - 1, k + quarter)] - pulse[max(0, k - quarter)])
        size += pulse[k] * pulse[k]
        turned_size += turned[k] * turned[k]
    if size <= 0.0 or turned_size <= 0.0:
        return np.nan, np.nan, np.nan
    best = -1.0
    cosine = np.nan
    sine = np.nan
    for start in range(first, last):
        along = 0.0
        across = 0.0
        own = 0.0
        for k in range(n):
            i = start + k - n // 2
            if 0 <= i < trace.size:
                along += trace[i] * pulse[k]
                across += trace[i] * turned[k]
                own += trace[i] * trace[i]
        if own <= 0.0:
            continue
        c = along / np.sqrt(size * own)
        s = across / np.sqrt(turned_size * own)
        strength = c * c + s * s
        # by energy, not by likeness alone: a faint piece of noise can look like anything
        weight = strength * own
        if weight > best:
            best = weight
            likeness = np.sqrt(strength)
            cosine = c / likeness if likeness > 0.0 else np.nan
            sine = s / likeness if likeness > 0.0 else np.nan
            top = min(1.0, likeness)
    if best < 0.0:
        return np.nan, np.nan, np.nan
    return cosine, sine, top
