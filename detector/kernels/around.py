"""Energies against the ground on both sides of a place."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.ground import energy_along, lower_factor

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def around_energy(
    rows: F8, lo: int, hi: int, guard: int, ahead: int, noise: F8, decays: F8, opposite: float, pace: float, soil: F8
) -> F8:
    """Energy of rows lo to hi - 1 along the decays, in units of noise and of what the ground gives behind and ahead.

    R = (B + pace sum w v v') / (1 + pace n): B follows what was passed `guard` rows ago, as in
    :func:`detector.kernels.ground.ground_energy`, and the sum goes over the n rows from `guard` to `ahead` further on, as
    far as there are any. w, from there, is how far a row counts as ground.

    rows : (n, C F (2 r + 1) + F), for each coil and filter the output v, the output against the other baseline, and w;
    then the noise left by each filter in that of one reading; `guard` rows before lo and `ahead` after hi where the
    segment has them; noise : (C, r, r) of one reading; decays : (T, r); soil : (C, F, r, r), B, updated.
    Returns (hi - lo, C, F).
    """
    coils, bank, r = soil.shape[0], soil.shape[1], soil.shape[2]
    each = 2 * r + 1
    out = np.empty((hi - lo, coils, bank))
    z = np.empty(r)
    white = np.empty(r)
    whole = np.empty((r, r))
    factor = np.empty((r, r))
    for i in range(lo, hi):
        first, last = i + guard, min(rows.shape[0], i + ahead + 1)
        spread = 1.0 / (1.0 + pace * max(0, last - first))
        for c in range(coils):
            for f in range(bank):
                at = (c * bank + f) * each
                cov = soil[c, f]
                if i >= guard:
                    old = rows[i - guard, at : at + each]
                    for p in range(r):
                        for q in range(r):
                            cov[p, q] += pace * (old[2 * r] * old[p] * old[q] - cov[p, q])
                whole[:] = cov
                for j in range(first, last):
                    there = rows[j, at : at + each]
                    w = pace * there[2 * r]
                    for p in range(r):
                        wv = w * there[p]
                        for q in range(p + 1):
                            whole[p, q] += wv * there[q]
                left = rows[i, coils * bank * each + f]
                for p in range(r):
                    for q in range(p + 1):
                        whole[p, q] = spread * whole[p, q] + left * noise[c, p, q]
                lower_factor(whole, factor)
                own = rows[i, at : at + r]
                other = rows[i, at + r : at + 2 * r]
                along = energy_along(factor, own, decays, opposite, z, white)
                out[i - lo, c, f] = min(along, energy_along(factor, other, decays, opposite, z, white)) / r
    return out
