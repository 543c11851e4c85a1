"""Matched filters along the sweep: means over a few rows, a bank of symmetric filters, energy in white gates."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.whitening import sum_of_squares, whiten

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True)
def add_means(rows: F8, every: int, part: F8, held: int, out: F8, at: int) -> tuple[int, int]:
    """Means of `every` successive rows, counted from the start of the segment.

    rows : (n, width); part : (width,) sum of the `held` rows of an unfinished mean, updated;
    out : (capacity, width), receives the means from row `at`. Returns (held, at) after.
    """
    n, width = rows.shape
    scale = 1.0 / every
    for i in range(n):
        row = rows[i]
        for c in range(width):
            part[c] += row[c]
        held += 1
        if held == every:
            to = out[at]
            for c in range(width):
                to[c] = part[c] * scale
                part[c] = 0.0
            held = 0
            at += 1
    return held, at


@njit(cache=True)
def filter_row(rows: F8, n: int, i: int, taps: F8, half: int, zero_sum: bool, out: F8) -> float:
    """One symmetric filter at row i of rows[:n], into out (width,).

    taps : from the centre outward. In a window that the ends cut, a zero-sum filter loses its mean tap, so
    that it still sums to zero. Returns the sum of squared taps.
    """
    width = out.size
    out[:] = 0.0
    norm = 0.0
    if i >= half and i + half < n:
        w = taps[0]
        row = rows[i]
        norm += w * w
        for c in range(width):
            out[c] += w * row[c]
        for j in range(1, half + 1):
            w = taps[j]
            norm += 2.0 * w * w
            left, right = rows[i - j], rows[i + j]
            for c in range(width):
                out[c] += w * (left[c] + right[c])
        return norm
    a, b = max(0, i - half), min(n, i + half + 1)
    mean = 0.0
    if zero_sum:
        for j in range(a, b):
            mean += taps[abs(j - i)]
        mean /= b - a
    for j in range(a, b):
        w = taps[abs(j - i)] - mean
        norm += w * w
        row = rows[j]
        for c in range(width):
            out[c] += w * row[c]
    return norm


@njit(cache=True)
def bank_energy(
    rows: F8, n: int, lo: int, hi: int, filters: F8, halves: I8, zero_sum: bool, every: int, whitener: F8, soil: int
) -> F8:
    """Energy of each coil after each filter, balanced and whole, in units of white noise.

    rows : (>= n, C * G) means of `every` readings; filters : (F, longest half + 1); whitener : (C, G, G)
    transposed, whose first `soil` outputs are the soil's. Returns (hi - lo, C, 2 F) with the F balanced
    energies first, or (hi - lo, C, F) if soil is 0; each is a mean square over its degrees of freedom.
    """
    width = rows.shape[1]
    n_c, g = whitener.shape[0], whitener.shape[1]
    n_f = halves.size
    out = np.zeros((hi - lo, n_c, 2 * n_f if soil > 0 else n_f))
    y = np.empty(width)
    t = np.empty(g)
    for i in range(lo, hi):
        for f in range(n_f):
            norm = filter_row(rows, n, i, filters[f], halves[f], zero_sum, y)
            if norm < 1e-24:
                continue  # a segment of one row has nothing to be compared with
            scale = every / norm
            for c in range(n_c):
                whiten(y[c * g : (c + 1) * g], whitener[c], t)
                left = sum_of_squares(t, soil)
                whole = left
                for j in range(soil):
                    whole += t[j] * t[j]
                if soil > 0:
                    out[i - lo, c, f] = left * scale / max(1, g - soil)
                    out[i - lo, c, n_f + f] = whole * scale / g
                else:
                    out[i - lo, c, f] = whole * scale / g
    return out


@njit(cache=True)
def spread_rows(means: F8, first_mean: int, every: int, first: int, n: int) -> F8:
    """Straight lines between the middles of means of `every` readings, at full rate.

    means : (m, cells), number first_mean and following. Returns (n, cells) for readings `first` and following,
    constant before the first and after the last middle that is given.
    """
    m, cells = means.shape
    out = np.empty((n, cells))
    for i in range(n):
        at = (first + i - 0.5 * (every - 1)) / every
        k = math.floor(at)
        u = at - k
        lower = means[min(max(int(k) - first_mean, 0), m - 1)]
        upper = means[min(max(int(k) + 1 - first_mean, 0), m - 1)]
        for c in range(cells):
            out[i, c] = (1.0 - u) * lower[c] + u * upper[c]
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
