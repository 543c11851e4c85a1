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

    taps : from the centre outward. In a window that the ends cut, a zero-sum filter loses its mean and its
    slope, so that offset and steady drift still cancel. Returns the sum of squared taps.
    """
    width = out.size
    out[:] = 0.0
    norm: float = 0.0
    if i >= half and i + half < n:
        w = float(taps[0])
        row = rows[i]
        norm += w * w
        for c in range(width):
            out[c] += w * row[c]
        for j in range(1, half + 1):
            w = float(taps[j])
            norm += 2.0 * w * w
            left, right = rows[i - j], rows[i + j]
            for c in range(width):
                out[c] += w * (left[c] + right[c])
        return norm
    a, b = max(0, i - half), min(n, i + half + 1)
    mean = slope = middle = 0.0
    if zero_sum:
        middle = 0.5 * (a + b - 1)
        squares = 0.0
        for j in range(a, b):
            mean += taps[abs(j - i)]
            slope += taps[abs(j - i)] * (j - middle)
            squares += (j - middle) ** 2
        mean /= b - a
        slope = slope / squares if squares > 0.0 else 0.0
    for j in range(a, b):
        w = taps[abs(j - i)] - mean - slope * (j - middle)
        norm += w * w
        row = rows[j]
        for c in range(width):
            out[c] += w * row[c]
    return norm


@njit(cache=True)
def bank_energy(
    rows: F8,
    n: int,
    lo: int,
    hi: int,
    filters: F8,
    halves: I8,
    zero_sum: bool,
    every: int,
    whitener: F8,
    soil: int,
    usual: F8,
    pace: float,
) -> F8:
    """Energy of each coil after each filter, in units of white noise, the soil's share at its usual worth.

    rows : (>= n, C * G) means of `every` readings; filters : (F, longest half + 1); whitener : (C, G, G)
    transposed, whose first `soil` outputs are the soil's; usual : (C, F, soil) running mean energy of the soil's
    outputs, updated with weight `pace` and at most four times itself.
    Returns (hi - lo, C, F): mean square over the gates, each soil output divided by its usual energy where
    that exceeds the noise's. Soil that comes and goes is worth as much as noise then, and a target that
    answers along the soil's direction counts where it stands out from the soil.
    """
    width = rows.shape[1]
    n_c, g = whitener.shape[0], whitener.shape[1]
    n_f = halves.size
    out = np.zeros((hi - lo, n_c, n_f))
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
                e = sum_of_squares(t, soil) * scale
                for j in range(soil):
                    s = t[j] * t[j] * scale
                    u = usual[c, f, j]
                    e += s / max(1.0, u)
                    usual[c, f, j] = u + pace * (min(s, 4.0 * max(u, 1.0)) - u)
                out[i - lo, c, f] = e / g
    return out


@njit(cache=True)
def usual_soil(
    rows: F8, n: int, filters: F8, halves: I8, every: int, whitener: F8, soil: int, usual: F8
) -> None:
    """What the soil's outputs of each filter can be expected to hold, from the first n rows, into usual (C, F, soil).

    Variance of the soil's coordinates themselves: ground that changes over about a filter's length passes
    the filter whole. rows, whitener as in bank_energy.
    """
    n_c, g = whitener.shape[0], whitener.shape[1]
    t = np.empty(g)
    for c in range(n_c):
        for j in range(soil):
            mean = 0.0
            square = 0.0
            for i in range(n):
                whiten(rows[i, c * g : (c + 1) * g] - rows[0, c * g : (c + 1) * g], whitener[c], t)
                mean += t[j] / n
                square += t[j] * t[j] / n
            for f in range(halves.size):
                norm = filters[f, 0] ** 2
                for k in range(1, halves[f] + 1):
                    norm += 2.0 * filters[f, k] ** 2
                usual[c, f, j] = max(0.0, square - mean * mean) * every / norm


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
