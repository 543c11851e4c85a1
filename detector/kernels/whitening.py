"""Noise covariance of the gates of a coil, and the transform that makes it white with the soil set apart."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True)
def add_to_covariance(now: F8, before: F8, earlier: F8, covariance: F8, gain: float, outlier: float) -> None:
    """One step of the running covariance of what is left of a steady slope, (x - 2 x1 + x2) / sqrt(6).

    now, before, earlier : (G,) successive rows; covariance : (G, G), updated. Soil and targets change
    slowly from row to row, so what is left is noise. A row with more than `outlier` times the usual
    energy counts as that much less; outlier <= 0 takes every row as it is.
    """
    g = now.size
    e = np.empty(g)
    energy = 0.0
    scale = 1.0 / math.sqrt(6.0)
    for q in range(g):
        e[q] = scale * (now[q] - 2.0 * before[q] + earlier[q])
        energy += e[q] * e[q] / max(covariance[q, q], 1e-300)
    weight = 1.0
    if outlier > 0.0 and energy > outlier * g:
        weight = outlier * g / energy
    for p in range(g):
        f = gain * weight * e[p]
        row = covariance[p]
        for q in range(g):
            row[q] += f * e[q] - gain * row[q]


@njit(cache=True)
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


@njit(cache=True)
def whiten(x: F8, whitener: F8, out: F8) -> None:
    """t = W x into out (G,); whitener holds W transposed."""
    g = x.size
    out[:] = 0.0
    whole = g - g % 4
    for j in range(0, whole, 4):  # four rows at a time: the sums stay in registers for longer
        a, b, c, d = x[j], x[j + 1], x[j + 2], x[j + 3]
        r0, r1, r2, r3 = whitener[j], whitener[j + 1], whitener[j + 2], whitener[j + 3]
        for p in range(g):
            out[p] += (a * r0[p] + b * r1[p]) + (c * r2[p] + d * r3[p])
    for j in range(whole, g):
        a = x[j]
        r0 = whitener[j]
        for p in range(g):
            out[p] += a * r0[p]


@njit(cache=True)
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


@njit(cache=True)
def turn_direction(
    nominal: F8, cross: F8, power: float, factor: F8, bound: float, out: F8
) -> float:
    """Soil direction as regressed, held within an angle of the nominal one in whitened gates.

    nominal, cross, out : (G,) in the stream's unit; cross / power is the regression of the gates on the
    soil's coordinate; factor : lower Cholesky factor of the noise covariance;
    bound : tangent of the largest angle. Returns the tangent of the angle taken.
    """
    g = nominal.size
    wanted = np.empty(g)
    usual = np.empty(g)
    regressed = cross / power
    # angles in whitened gates, before the turn: L y = x by forward substitution
    for p in range(g):
        a = regressed[p]
        b = nominal[p]
        for q in range(p):
            a -= factor[p, q] * wanted[q]
            b -= factor[p, q] * usual[q]
        wanted[p] = a / factor[p, p]
        usual[p] = b / factor[p, p]
    dot = 0.0
    norm = 0.0
    for p in range(g):
        dot += wanted[p] * usual[p]
        norm += usual[p] * usual[p]
    if dot == 0.0 or norm == 0.0:
        out[:] = nominal
        return 0.0
    off = 0.0
    for p in range(g):  # the coordinate may count against the direction: only the line matters
        wanted[p] = wanted[p] * norm / dot - usual[p]
        off += wanted[p] * wanted[p]
    tangent = math.sqrt(off / norm)
    shrink = bound / tangent if tangent > bound else 1.0
    for p in range(g):
        s = 0.0
        for q in range(p + 1):
            s += factor[p, q] * wanted[q]
        out[p] = nominal[p] + shrink * s
    return min(tangent, bound)
