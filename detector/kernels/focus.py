"""Diffraction stack: coherent sums along hyperbolas, and their energy in depth bins."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True)
def hyperbola_delays(m: int, surface: float, dt: float, step: float, half: int, velocities: F8) -> F8:
    """Where the echo of a point below record 0 lies in the record d steps away.

    t(x) = sqrt(t0^2 + (2 x / v)^2) below the surface time.
    velocities : (V,) m/s; step : m. Returns (V, half + 1, m) sample positions.
    """
    out = np.empty((velocities.size, half + 1, m))
    for v in range(velocities.size):
        for d in range(half + 1):
            moveout = 2.0 * d * step / velocities[v]
            for k in range(m):
                t0 = max(0.0, (k - surface) * dt)
                out[v, d, k] = surface + np.sqrt(t0 * t0 + moveout * moveout) / dt
    return out


@njit(cache=True)
def focused_energy(
    rows: F8, lo: int, hi: int, delays: F8, taper: F8, bins: I8, bin_length: int
) -> tuple[F8, I8]:
    """Mean square of the diffraction stack per depth bin, greatest over the velocities tried.

    rows : (n, m); outputs for rows lo to hi - 1; delays : (V, half + 1, m); taper : (half + 1,);
    bins : (B,) first sample of each bin; bin_length : samples.
    Returns energy (hi - lo, B) normalised to the energy of unit white noise, and the index of the
    velocity that gave it (hi - lo, B).
    """
    n, m = rows.shape
    n_v, n_d, _ = delays.shape
    half = n_d - 1
    n_bins = bins.size
    energy = np.zeros((hi - lo, n_bins))
    which = np.zeros((hi - lo, n_bins), np.int64)
    stack = np.empty(m)
    first = bins[0]
    for i in range(lo, hi):
        for v in range(n_v):
            weight = 0.0
            for k in range(m):
                stack[k] = 0.0
            for d in range(-half, half + 1):
                j = i + d
                if j < 0 or j >= n:
                    continue
                w = taper[abs(d)]
                weight += w * w
                for k in range(first, m):
                    p = delays[v, abs(d), k]
                    whole = int(p)
                    if whole >= m - 1:
                        break
                    f = p - whole
                    stack[k] += w * (rows[j, whole] * (1.0 - f) + rows[j, whole + 1] * f)
            for b in range(n_bins):
                s = 0.0
                for k in range(bins[b], bins[b] + bin_length):
                    s += stack[k] * stack[k]
                s /= bin_length * weight
                if s > energy[i - lo, b]:
                    energy[i - lo, b] = s
                    which[i - lo, b] = v
    return energy, which
