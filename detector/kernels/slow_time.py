"""Along the sweep of a metal detector: impulse rejection, soil projection, matched filters."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True)
def reject_impulses(rows: F8, lo: int, hi: int, half: int, limit: float) -> F8:
    """Hampel filter: a value further than `limit` robust deviations from its median becomes the median.

    rows : (n, width); window +-half rows, clipped at the ends; limit in units of 1.4826 MAD.
    Returns rows lo to hi - 1, (hi - lo, width). Reference: Hampel 1974; Pearson 2002.
    """
    n, width = rows.shape
    out = np.empty((hi - lo, width))
    window = np.empty(2 * half + 1)
    for i in range(lo, hi):
        a = max(0, i - half)
        b = min(n, i + half + 1)
        for c in range(width):
            for j in range(a, b):
                window[j - a] = rows[j, c]
            middle = np.median(window[: b - a])
            for j in range(a, b):
                window[j - a] = abs(rows[j, c] - middle)
            spread = 1.4826 * np.median(window[: b - a])
            v = rows[i, c]
            out[i - lo, c] = middle if abs(v - middle) > limit * spread else v
    return out


@njit(cache=True)
def whiten_and_balance(rows: F8, sigma: F8, soil: F8) -> tuple[F8, F8, F8]:
    """Scale each gate to unit noise and take the soil's direction out of every group of gates.

    In whitened gates the oblique projection x - s (s' S^-1 x) / (s' S^-1 s) is orthogonal.
    rows, sigma : (n, channels * G), same unit, sigma > 0; soil : (G,) direction, all zero for none.
    Returns whitened (n, width), balanced (n, width), and the soil's share of each channel's whitened
    energy (n, channels), 0 to 1.
    """
    n, width = rows.shape
    g = soil.size
    white = np.empty_like(rows)
    balanced = np.empty_like(rows)
    share = np.zeros((n, width // g))
    for i in range(n):
        for c in range(0, width, g):
            ss = 0.0
            sx = 0.0
            xx = 0.0
            for q in range(g):
                u = rows[i, c + q] / sigma[i, c + q]
                w = soil[q] / sigma[i, c + q]
                white[i, c + q] = u
                ss += w * w
                sx += w * u
                xx += u * u
            along = sx / ss if ss > 0.0 else 0.0
            for q in range(g):
                balanced[i, c + q] = white[i, c + q] - along * soil[q] / sigma[i, c + q]
            if xx > 0.0:
                share[i, c // g] = along * sx / xx
    return white, balanced, share


@njit(cache=True)
def matched_energy(rows: F8, lo: int, hi: int, filters: F8, halves: NDArray[np.int64], groups: int) -> F8:
    """Energy of each channel after each of a bank of symmetric filters along slow time.

    rows : (n, groups * G) whitened; filters : (F, longest half + 1), taps from the centre outward;
    halves : (F,) half lengths in rows. Filters sum to zero; in a window that the segment cuts, the
    mean tap is taken off so that they still do.
    Returns (hi - lo, groups, F): sum over the G values of the squared filter outputs, each scaled
    so that unit white noise gives 1 per value.
    """
    n, width = rows.shape
    n_f = halves.size
    per = width // groups
    out = np.zeros((hi - lo, groups, n_f))
    for i in range(lo, hi):
        for f in range(n_f):
            h = halves[f]
            a = max(0, i - h)
            b = min(n, i + h + 1)
            mean = 0.0
            if b - a < 2 * h + 1:
                for j in range(a, b):
                    mean += filters[f, abs(j - i)]
                mean /= b - a
            norm = 0.0
            for j in range(a, b):
                norm += (filters[f, abs(j - i)] - mean) ** 2
            if norm == 0.0:
                continue  # a segment of one row has nothing to be compared with
            for g in range(groups):
                e = 0.0
                for c in range(g * per, (g + 1) * per):
                    s = 0.0
                    for j in range(a, b):
                        s += (filters[f, abs(j - i)] - mean) * rows[j, c]
                    e += s * s
                out[i - lo, g, f] = e / (norm * per)
    return out


@njit(cache=True)
def filter_at(rows: F8, row: int, taps: F8, half: int) -> F8:
    """Output of one symmetric filter at one row, divided by the sum of its tap magnitudes. (width,)."""
    n, width = rows.shape
    out = np.zeros(width)
    total = 0.0
    for j in range(max(0, row - half), min(n, row + half + 1)):
        w = taps[abs(j - row)]
        total += abs(w)
        for c in range(width):
            out[c] += w * rows[j, c]
    for c in range(width):
        out[c] /= total
    return out
