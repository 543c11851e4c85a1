"""A coil's response along the track to a dipole in the ground, and its fit by damped Gauss-Newton steps."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]

ALONG, ACROSS, LOG_BELOW, LOG_RADIUS, XX, YY, ZZ, XZ, YZ, XY, STRENGTH = range(11)
"""Unknowns: place along and across the track, m; ln of distance below the coil's plane and of the coil's radius; the
polarizability's elements over a common strength (x along the track, y across, z down); that strength, as the answer of
a ball straight below. Then an offset and a slope of every coil."""

BASE = 11


@njit(cache=True, nogil=True)
def loop_vector(radius: float, along: float, across: float, below: float) -> tuple[float, float, float]:
    """Field of one ampere-turn at a point below a round coil, A/m: along, across, down.

    Complete elliptic integrals (Smythe, Static and Dynamic Electricity, 7.10) by the arithmetic-geometric mean.
    """
    rho = max(np.sqrt(along * along + across * across), 1e-4 * radius)
    z = -below
    far = (radius + rho) ** 2 + z * z
    near = (radius - rho) ** 2 + z * z
    m = 4.0 * radius * rho / far
    a = 1.0
    b = np.sqrt(1.0 - m)
    c2 = 0.5 * m
    weight = 1.0
    for _ in range(8):
        c = 0.5 * (a - b)
        a, b = 0.5 * (a + b), np.sqrt(a * b)
        c2 += weight * c * c
        weight *= 2.0
    k = np.pi / (2.0 * a)
    e = k * (1.0 - c2)
    scale = 1.0 / (2.0 * np.pi * np.sqrt(far))
    h_z = scale * (k + (radius * radius - rho * rho - z * z) / near * e)
    h_rho = scale * z / rho * (-k + (radius * radius + rho * rho + z * z) / near * e)
    return h_rho * along / rho, h_rho * across / rho, h_z


@njit(cache=True, nogil=True)
def dipole_rows(theta: F8, x: F8, coils: F8, pair: float, out: F8) -> None:
    """out (C, n): what C coils at `coils` (C,) across read at places x (n,), the response's middle row being 1.

    theta : as ALONG and so on say; pair : receiver ahead of the sender, m, their middle at x
    """
    below = np.exp(theta[LOG_BELOW])
    radius = np.exp(theta[LOG_RADIUS])
    _, _, straight = loop_vector(radius, 0.0, 0.0, below)
    for c in range(coils.size):
        for i in range(x.size):
            along = theta[ALONG] - x[i]
            across = theta[ACROSS] - coils[c]
            sx, sy, sz = loop_vector(radius, along + 0.5 * pair, across, below)
            rx, ry, rz = sx, sy, sz
            if pair != 0.0:
                rx, ry, rz = loop_vector(radius, along - 0.5 * pair, across, below)
            g = theta[ZZ] * sz * rz + theta[XX] * sx * rx + theta[YY] * sy * ry + theta[XZ] * (sx * rz + sz * rx)
            g += theta[YZ] * (sy * rz + sz * ry) + theta[XY] * (sx * ry + sy * rx)
            line = theta[BASE + 2 * c] + theta[BASE + 1 + 2 * c] * x[i]
            out[c, i] = theta[STRENGTH] * g / (straight * straight) + line


@njit(cache=True, nogil=True)
def solve_positive(matrix: F8, right: F8, out: F8) -> bool:
    """out = matrix^-1 right, for a symmetric positive matrix (p, p) and right (p, m); False where it is none.

    By Cholesky, sums in a fixed order: no library's choice of order for a processor enters a decision.
    """
    p = matrix.shape[0]
    low = np.zeros((p, p))
    for i in range(p):
        for j in range(i + 1):
            s = matrix[i, j]
            for k in range(j):
                s -= low[i, k] * low[j, k]
            if i == j:
                if not s > 0.0:
                    return False
                low[i, i] = np.sqrt(s)
            else:
                low[i, j] = s / low[j, j]
    for c in range(right.shape[1]):
        for i in range(p):
            s = right[i, c]
            for k in range(i):
                s -= low[i, k] * out[k, c]
            out[i, c] = s / low[i, i]
        for i in range(p - 1, -1, -1):
            s = out[i, c]
            for k in range(i + 1, p):
                s -= low[k, i] * out[k, c]
            out[i, c] = s / low[i, i]
    return True


@njit(cache=True, nogil=True)
def fit_dipole_rows(
    start: F8, prior: F8, prior_sigma: F8, x: F8, rows: F8, sigma: F8, coils: F8, pair: float, steps: int
) -> tuple[F8, F8, float]:
    """Gauss-Newton with Levenberg's damping from `start`: theta, the inverse of its covariance (p, p), and the cost.

    prior, prior_sigma : (p,) what is known beforehand, infinite where nothing is; rows : (C, n) read, of 1 sigma
    (C, n)
    """
    p = start.size
    channels, n = rows.shape
    theta = start.copy()
    made = np.empty(rows.shape)
    moved = np.empty(rows.shape)
    slopes = np.empty((p, channels, n))
    normal = np.zeros((p, p))
    damped = np.zeros((p, p))
    pull = np.zeros((p, 1))
    move = np.zeros((p, 1))
    dipole_rows(theta, x, coils, pair, made)
    cost = _cost(theta, prior, prior_sigma, rows, made, sigma)
    damping = 1e-2
    for step in range(steps + 1):
        for j in range(p):
            h = 1e-5 if j < STRENGTH else 1.0
            other = theta.copy()
            other[j] += h
            dipole_rows(other, x, coils, pair, moved)
            for c in range(channels):
                for i in range(n):
                    slopes[j, c, i] = (moved[c, i] - made[c, i]) / (h * sigma[c, i])
        for j in range(p):
            for k in range(j + 1):
                s = 0.0
                for c in range(channels):
                    for i in range(n):
                        s += slopes[j, c, i] * slopes[k, c, i]
                normal[j, k] = s
                normal[k, j] = s
            s = 0.0
            for c in range(channels):
                for i in range(n):
                    s += slopes[j, c, i] * (rows[c, i] - made[c, i]) / sigma[c, i]
            pull[j, 0] = s
        for j in range(p):
            if prior_sigma[j] < np.inf:
                weight = 1.0 / (prior_sigma[j] * prior_sigma[j])
                normal[j, j] += weight
                pull[j, 0] += weight * (prior[j] - theta[j])
        if step == steps:
            break
        improved = False
        for _ in range(8):
            damped[:] = normal
            for j in range(p):
                damped[j, j] += damping * normal[j, j]
            if solve_positive(damped, pull, move):
                other = theta + move[:, 0]
                # a step of more than a factor three in distance or radius leaves what the straight line knows
                other[LOG_BELOW] = min(max(other[LOG_BELOW], theta[LOG_BELOW] - 1.1), theta[LOG_BELOW] + 1.1)
                other[LOG_RADIUS] = min(max(other[LOG_RADIUS], theta[LOG_RADIUS] - 1.1), theta[LOG_RADIUS] + 1.1)
                dipole_rows(other, x, coils, pair, moved)
                worth = _cost(other, prior, prior_sigma, rows, moved, sigma)
                if worth < cost:
                    improved = cost - worth > 1e-6 * cost
                    theta, cost = other, worth
                    made[:] = moved
                    damping = max(0.2 * damping, 1e-9)
                    break
            damping *= 5.0
        if not improved:
            break
    return theta, normal, cost


@njit(cache=True, nogil=True)
def _cost(theta: F8, prior: F8, prior_sigma: F8, rows: F8, made: F8, sigma: F8) -> float:
    total = 0.0
    for c in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            total += ((rows[c, i] - made[c, i]) / sigma[c, i]) ** 2
    for j in range(theta.size):
        if prior_sigma[j] < np.inf:
            total += ((theta[j] - prior[j]) / prior_sigma[j]) ** 2
    return total
