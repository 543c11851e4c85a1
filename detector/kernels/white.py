"""White gates: the noise's covariance as it comes, the transform that makes it white, and the soil set apart by it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import WIDE, fill, load, store

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def second_difference(rows: F8, i: int, before: F8, first: int, e: F8) -> None:
    """What is left of a steady slope at row i, (x - 2 x' + x'') / sqrt(6), of values `first` on, into e (G,).

    rows : (n, W); before : (2, W) the row before the first of them and the one before that
    """
    scale = 1.0 / math.sqrt(6.0)
    g = e.size
    if i >= 2:
        for q in range(g):
            e[q] = scale * (rows[i, first + q] - 2.0 * rows[i - 1, first + q] + rows[i - 2, first + q])
        return
    for q in range(g):
        last = rows[i - 1, first + q] if i == 1 else before[0, first + q]
        e[q] = scale * (rows[i, first + q] - 2.0 * last + before[1 - i, first + q])


@njit(cache=True, nogil=True)
def add_to_covariance(e: F8, covariance: F8, c: int, gain: float, outlier: float) -> None:
    """One step of the running covariance of second differences e (G,).

    Soil and targets change slowly from row to row, so what is left is noise. A row with more than `outlier` times the
    usual energy counts as that much less; outlier <= 0 takes every row as it is.

    covariance : (C, G, G), of coil c updated, on its diagonal and right of it; what is left of it is no part of it
    """
    g = e.size
    ratio = np.empty(g)
    for q in range(g):
        ratio[q] = e[q] * e[q] / max(covariance[c, q, q], 1e-300)
    energy = 0.0
    for q in range(g):
        energy += ratio[q]
    weight = 1.0
    if outlier > 0.0 and energy > outlier * g:
        weight = outlier * g / energy
    whole = g - g % WIDE
    old = fill(gain)
    for p in range(g):
        f = gain * weight * e[p]
        at = (c * g + p) * g
        for q in range(p - p % WIDE, whole, WIDE):
            was = load(covariance, at + q)
            store(covariance, at + q, was + (fill(f) * load(e, q) - old * was))
        for q in range(whole, g):
            covariance[c, p, q] += f * e[q] - gain * covariance[c, p, q]


@njit(cache=True, nogil=True)
def set_whitener(covariance: F8, shrinkage: float, floor: float, soil: F8, whitener: F8, factor: F8) -> None:
    """Transform t = W x with unit noise, whose first k outputs hold the k soil directions.

    Sum of squares of the outputs from k on is the energy after the oblique projection
    x - S (S' C^-1 S)^-1 S' C^-1 x; the sum over all outputs is x' C^-1 x. Cholesky factor of the shrunk
    covariance, inverted, then turned by Householder reflections that bring S W' to the first k axes.

    covariance : (G, G); shrinkage : share of the bare diagonal, 0 to 1; floor : least variance;
    soil : (k, G) independent directions; whitener : (G, G), receives W transposed;
    factor : (G, G), receives the lower Cholesky factor.
    """
    g = covariance.shape[0]
    keep = 1.0 - shrinkage
    upper = np.empty((g, g))
    for p in range(g):
        for q in range(g):
            upper[p, q] = keep * covariance[p, q]
        upper[p, p] = covariance[p, p] + floor
    # right-looking, so that the inner loops run along rows
    for p in range(g):
        # rounding may leave nothing of a gate that repeats another
        root = math.sqrt(max(upper[p, p], 1e-12 * (covariance[p, p] + floor)))
        upper[p, p] = root
        row = upper[p]
        for q in range(p + 1, g):
            row[q] /= root
        for i in range(p + 1, g):
            f = row[i]
            below = upper[i]
            for q in range(i, g):
                below[q] -= f * row[q]
    inverse = np.zeros((g, g))
    for p in range(g):
        inverse[p, p] = 1.0
    for p in range(g):
        row = inverse[p]
        f = 1.0 / upper[p, p]
        for q in range(p + 1):
            row[q] *= f
        for i in range(p + 1, g):
            f = upper[p, i]
            below = inverse[i]
            for q in range(p + 1):
                below[q] -= f * row[q]
    for p in range(g):
        for q in range(g):
            factor[p, q] = upper[q, p] if q <= p else 0.0
            whitener[q, p] = inverse[p, q]
    v = np.empty(g)
    for d in range(soil.shape[0]):
        v[:] = 0.0
        for j in range(g):
            for p in range(d, g):
                v[p] += whitener[j, p] * soil[d, j]
        norm = 0.0
        for p in range(d, g):
            norm += v[p] * v[p]
        norm = math.sqrt(norm)
        if norm == 0.0:
            continue
        v[d] += norm if v[d] >= 0.0 else -norm
        length = 0.0
        for p in range(d, g):
            length += v[p] * v[p]
        for j in range(g):
            s = 0.0
            for p in range(d, g):
                s += v[p] * whitener[j, p]
            s *= 2.0 / length
            for p in range(d, g):
                whitener[j, p] -= s * v[p]


@njit(inline="always")
def _four(m: F8, at: int, step: int, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Vectors of m from `at` on, each `step` further, times a, b, c, d."""
    one = a * load(m, at) + b * load(m, at + step)
    return one + (c * load(m, at + 2 * step) + d * load(m, at + 3 * step))


@njit(cache=True, nogil=True, inline="always")
def whiten(x: F8, whitener: F8, c: int, out: F8) -> None:
    """t = W x into out (G,); whitener : (C, G, G), that of coil c holds W transposed."""
    g = x.size
    rows = g - g % 4  # four rows at a time
    whole = g - g % WIDE
    first = c * g * g
    p = 0
    while p + 4 * WIDE <= whole:  # as many sums at once as registers hold: each value of x is fetched once for all
        one, two, three, four = fill(0.0), fill(0.0), fill(0.0), fill(0.0)
        at = first + p
        for j in range(0, rows, 4):
            x_0, x_1, x_2, x_3 = fill(x[j]), fill(x[j + 1]), fill(x[j + 2]), fill(x[j + 3])
            one = one + _four(whitener, at, g, x_0, x_1, x_2, x_3)
            two = two + _four(whitener, at + WIDE, g, x_0, x_1, x_2, x_3)
            three = three + _four(whitener, at + 2 * WIDE, g, x_0, x_1, x_2, x_3)
            four = four + _four(whitener, at + 3 * WIDE, g, x_0, x_1, x_2, x_3)
            at += 4 * g
        for j in range(rows, g):
            x_0 = fill(x[j])
            one = one + x_0 * load(whitener, at)
            two = two + x_0 * load(whitener, at + WIDE)
            three = three + x_0 * load(whitener, at + 2 * WIDE)
            four = four + x_0 * load(whitener, at + 3 * WIDE)
            at += g
        store(out, p, one)
        store(out, p + WIDE, two)
        store(out, p + 2 * WIDE, three)
        store(out, p + 3 * WIDE, four)
        p += 4 * WIDE
    for q in range(p, whole, WIDE):
        total = fill(0.0)
        at = first + q
        for j in range(0, rows, 4):
            total = total + _four(whitener, at, g, fill(x[j]), fill(x[j + 1]), fill(x[j + 2]), fill(x[j + 3]))
            at += 4 * g
        for j in range(rows, g):
            total = total + fill(x[j]) * load(whitener, at)
            at += g
        store(out, q, total)
    for p in range(whole, g):
        s = 0.0
        for j in range(0, rows, 4):
            one = x[j] * whitener[c, j, p] + x[j + 1] * whitener[c, j + 1, p]
            two = x[j + 2] * whitener[c, j + 2, p] + x[j + 3] * whitener[c, j + 3, p]
            s += one + two
        for j in range(rows, g):
            s += x[j] * whitener[c, j, p]
        out[p] = s


@njit(cache=True, nogil=True, inline="always")
def sum_of_squares(x: F8, first: int) -> float:
    """Of x[first:], in four partial sums so that the additions overlap."""
    a = b = c = d = 0.0
    n = x.size
    i = first
    while i + 4 <= n:
        a += x[i] * x[i]
        b += x[i + 1] * x[i + 1]
        c += x[i + 2] * x[i + 2]
        d += x[i + 3] * x[i + 3]
        i += 4
    while i < n:
        a += x[i] * x[i]
        i += 1
    return (a + b) + (c + d)
