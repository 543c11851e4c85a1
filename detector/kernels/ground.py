"""Responses against the ground at hand: running median along the sweep, and energies in units of noise and soil."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.gates import filter_row
from detector.kernels.order import insert_sorted, remove_sorted, replace_sorted

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def reduce_rows(rows: F8, basis: F8, coils: int) -> F8:
    """Coordinates of each coil's values: (n, C * G) and (G, r) to (n, C * r). A plain loop: the same bits for any n."""
    n = rows.shape[0]
    g, r = basis.shape
    out = np.zeros((n, coils * r))
    for i in range(n):
        for c in range(coils):
            for j in range(g):
                x = rows[i, c * g + j]
                for p in range(r):
                    out[i, c * r + p] += x * basis[j, p]
    return out


@njit(cache=True, nogil=True)
def less_median(rows: F8, lo: int, hi: int, half: int, ordered: F8, window: I8) -> F8:
    """Rows lo to hi - 1 of each column less the median of rows i - half to i + half, as far as there are any.

    rows : (n, W) with half + 1 rows before lo where the segment has them; ordered : (W, 2 half + 3), the window in
    order; window : (3,) how full it is, and its ends relative to the row before; both updated, zero at first.
    """
    n, width = rows.shape
    out = np.empty((hi - lo, width))
    scratch = np.empty(ordered.shape[1] + 1)
    for i in range(lo, hi):
        count = window[0]
        a, b = max(0, i - half), min(n, i + half + 1)
        was_a, was_b = (window[1] + i - 1, window[2] + i - 1) if count else (a, a)
        if b - a == was_b - was_a > 1 and a == was_a + 1:
            for w in range(width):
                replace_sorted(ordered[w], count, rows[was_a, w], rows[b - 1, w], scratch)
        else:
            for j in range(was_a, a):
                for w in range(width):
                    remove_sorted(ordered[w], count, rows[j, w])
                count -= 1
            for j in range(was_b, b):
                for w in range(width):
                    insert_sorted(ordered[w], count, rows[j, w])
                count += 1
        window[0], window[1], window[2] = count, a - i, b - i
        for w in range(width):
            middle = 0.5 * (ordered[w, (count - 1) // 2] + ordered[w, count // 2])
            out[i - lo, w] = rows[i, w] - middle
    return out


@njit(cache=True, nogil=True)
def _lower_factor(m: F8, factor: F8) -> None:
    """Cholesky factor of m (r, r); a pivot that rounding has eaten is kept at 1e-12 of its diagonal."""
    r = m.shape[0]
    for p in range(r):
        for q in range(p + 1):
            s = m[p, q]
            for k in range(q):
                s -= factor[p, k] * factor[q, k]
            if p == q:
                factor[p, p] = math.sqrt(max(s, 1e-12 * m[p, p], 1e-300))
            else:
                factor[p, q] = s / factor[q, q]


@njit(cache=True, nogil=True)
def _energy(factor: F8, v: F8, z: F8) -> float:
    """Mean square of L^-1 v; z : scratch (r,)."""
    r = v.size
    total: float = 0.0
    for p in range(r):
        s = v[p]
        for q in range(p):
            s -= factor[p, q] * z[q]
        z[p] = s / factor[p, p]
        total += z[p] * z[p]
    return total / r


@njit(cache=True, nogil=True)
def start_soil(rows: F8, gains: F8, taught: F8, soil: F8) -> None:
    """First idea of the soil's covariance from the first deviations (n, C * r), into soil (C, F, r, r).

    A deviation larger than the usual counts as one of the usual size, so that a target among them bends it little.
    gains : (F,) power of a filter's output where ground passes it whole; taught : (r, r), what of it may teach.
    """
    n = rows.shape[0]
    coils, bank, r = soil.shape[0], soil.shape[1], soil.shape[2]
    for c in range(coils):
        v = np.zeros((n, r))
        size = np.zeros(n)
        for i in range(n):
            for p in range(r):
                for q in range(r):
                    v[i, p] += taught[p, q] * rows[i, c * r + q]
                size[i] += v[i, p] * v[i, p]
        usual = np.median(size)
        total = np.zeros((r, r))
        weights = 0.0
        for i in range(n):
            w = 1.0 if size[i] <= usual else usual / size[i]
            weights += w
            for p in range(r):
                for q in range(r):
                    total[p, q] += w * v[i, p] * v[i, q]
        for f in range(bank):
            soil[c, f] = total * (gains[f] / max(weights, 1.0))


@njit(cache=True, nogil=True)
def ground_energy(
    rows: F8,
    lo: int,
    hi: int,
    taps: F8,
    halves: I8,
    every: int,
    noise: F8,
    taught: F8,
    pace: float,
    clip: float,
    soil: F8,
    late: F8,
    at: I8,
) -> F8:
    """Energy of each coil after each filter in units of the noise and of what the ground behind usually gives.

    v' (N + R)^-1 v / r, v the filter's output. R, the covariance of the ground's own responses, follows what the
    head passed `guard` rows ago: R <- R + pace (w v v' - R), where w bounds one row's pull to `clip` times the usual
    energy, so that a target teaches little.

    rows : (n, C * r) deviations, with the longest filter's half before lo and after hi where the segment has them;
    taps : (F, longest half + 1) from the centre outward; noise : (C, r, r) of one reading; every : readings in a
    row; taught : (r, r) what of an output may teach; soil : (C, F, r, r), updated; late : (guard, C, F, r + 1), outputs
    and weights that have not taught yet; at : (1,) rows so far. Returns (hi - lo, C, F).
    """
    coils, bank, r = soil.shape[0], soil.shape[1], soil.shape[2]
    guard = late.shape[0]
    out = np.empty((hi - lo, coils, bank))
    y = np.empty(rows.shape[1])
    v = np.empty(r)
    z = np.empty(r)
    whole = np.empty((r, r))
    factor = np.empty((r, r))
    for i in range(lo, hi):
        slot = at[0] % guard
        for f in range(bank):
            norm = filter_row(rows, rows.shape[0], i, taps[f], halves[f], False, y)
            scale = math.sqrt(every / norm)
            for c in range(coils):
                cov, old = soil[c, f], late[slot, c, f]
                if at[0] >= guard:
                    for p in range(r):
                        for q in range(r):
                            cov[p, q] += pace * (old[r] * old[p] * old[q] - cov[p, q])
                for p in range(r):
                    v[p] = scale * y[c * r + p]
                    for q in range(r):
                        whole[p, q] = noise[c, p, q] + cov[p, q]
                _lower_factor(whole, factor)
                e = _energy(factor, v, z)
                out[i - lo, c, f] = e
                old[r] = clip / e if e > clip else 1.0
                for p in range(r):
                    s = 0.0
                    for q in range(r):
                        s += taught[p, q] * v[q]
                    old[p] = s
        at[0] += 1
    return out
