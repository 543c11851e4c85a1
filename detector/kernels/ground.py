"""Responses against the ground at hand: energies in units of noise and soil."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.order import quantile

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

_QUIET = 0.25
"""Share of a segment's first rows that is taken for ground whatever else lies there."""

_ASIDE = 0.25
"""Share of the energy in all directions that counts where that along the decays is less.

Once metal has taught the ground, the energy along a decay that is not quite its own falls as 1 / R^2, that of all
directions as 1 / R. At a quarter clean ground stands no higher than along the decays alone.
"""


MOST_ENERGY = 1e30
"""Energy that none exceeds: over no noise at all an answer is infinite or no number, and so is what it teaches."""


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
def reduced_noise(factor: F8, basis: F8, out: F8) -> None:
    """Noise covariance of the coordinates, from the lower Cholesky factor (C, G, G) of the values', into (C, r, r)."""
    g, r = basis.shape
    turned = np.empty((g, r))
    for c in range(out.shape[0]):
        turned[:] = 0.0
        for j in range(g):
            for h in range(j + 1):
                for p in range(r):
                    turned[h, p] += factor[c, j, h] * basis[j, p]
        out[c] = 0.0
        for h in range(g):
            for p in range(r):
                for q in range(r):
                    out[c, p, q] += turned[h, p] * turned[h, q]


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
def _solve(factor: F8, v: F8, z: F8) -> float:
    """z = L^-1 v, (r,); returns its sum of squares."""
    total: float = 0.0
    for p in range(v.size):
        s = v[p]
        for q in range(p):
            s -= factor[p, q] * z[q]
        z[p] = s / factor[p, p]
        total += z[p] * z[p]
    return total


@njit(cache=True, nogil=True)
def _along(z: F8, white: F8, power: F8, opposite: float) -> float:
    """Largest energy of z (r,) along one of the whitened decays (T, r) of that power; `opposite` of it against one."""
    best: float = 0.0
    for t in range(power.size):
        dot = 0.0
        for p in range(z.size):
            dot += white[t, p] * z[p]
        e = dot * dot / max(power[t], 1e-300)
        if dot < 0.0:
            e *= opposite
        best = max(best, e)
    return best


@njit(cache=True, nogil=True)
def _energies(factor: F8, v: F8, white: F8, power: F8, opposite: float, z: F8) -> tuple[float, float]:
    """Energies of an output v (r,): in all directions, and what counts: that along the decays or a share of all.

    The same where there are no decays. All directions have no sign: where it matters they count `opposite` too.
    """
    e = _solve(factor, v, z)
    return e, max(_ASIDE * opposite * e, _along(z, white, power, opposite)) if power.size else e


@njit(cache=True, nogil=True)
def start_soil(rows: F8, taught: F8, guard: int, strange: float, passes: int, soil: F8) -> None:
    """First idea of the soil's covariance from the first deviations (n, C * r), into soil (C, F, r, r).

    A deviation larger than the quiet ones counts as one of their size. Then, `passes` times: each is weighed by its
    energy against the covariance of those more than `guard` rows away, w = 1 up to the quarter quantile m, m / e above,
    and less as 1 / e again beyond `strange` m. So a target among the first rows hardly counts as ground, however
    strong, unless it fills three quarters of them. Leaving out the rows round a place is what guard cells are for
    (Finn and Johnson 1968).
    taught : (r, r), what of a deviation may teach.
    """
    n = rows.shape[0]
    coils, bank, r = soil.shape[0], soil.shape[1], soil.shape[2]
    near = min(guard, n // 6)
    around = np.empty((r, r))
    factor = np.zeros((r, r))
    z = np.empty(r)
    for c in range(coils):
        v = np.zeros((n, r))
        size = np.zeros(n)
        for i in range(n):
            for p in range(r):
                for q in range(r):
                    v[i, p] += taught[p, q] * rows[i, c * r + q]
                size[i] += v[i, p] * v[i, p]
        weight = np.empty(n)
        total = np.zeros((r, r))
        _weigh(size, math.inf, weight)
        weights = _spread(v, weight, 0, n, total)
        for _ in range(passes if n >= 6 * r else 0):
            for i in range(n):
                a, b = max(0, i - near), min(n, i + near + 1)
                own = _spread(v, weight, a, b, around)
                for p in range(r):
                    for q in range(r):
                        around[p, q] = (total[p, q] - around[p, q]) / max(weights - own, 1.0)
                _lower_factor(around, factor)
                e = _solve(factor, v[i], z)
                size[i] = e if e < MOST_ENERGY else MOST_ENERGY
            _weigh(size, strange, weight)
            weights = _spread(v, weight, 0, n, total)
        for f in range(bank):
            soil[c, f] = total / max(weights, 1.0)


@njit(cache=True, nogil=True)
def _weigh(energy: F8, strange: float, weight: F8) -> None:
    """Weights (n,) of rows by their energy against the quiet ones'."""
    usual = quantile(energy, _QUIET)
    for i in range(energy.size):
        e = energy[i]
        weight[i] = 1.0 if e <= usual else usual / e
        if e > strange * usual:
            weight[i] *= strange * usual / e


@njit(cache=True, nogil=True)
def _spread(v: F8, weight: F8, first: int, last: int, out: F8) -> float:
    """Weighted sum of v v' over rows first to last - 1, into out (r, r); returns the sum of the weights."""
    out[:] = 0.0
    weights = 0.0
    for i in range(first, last):
        weights += weight[i]
        for p in range(v.shape[1]):
            for q in range(v.shape[1]):
                out[p, q] += weight[i] * v[i, p] * v[i, q]
    return weights


@njit(cache=True, nogil=True)
def _filtered(rows: F8, i: int, taps: F8, half: int, out: F8) -> float:
    """Weighted mean of rows round i, (W,) of (n, W + 1) whose last column is one over the readings in each.

    taps : from the centre outward; what the ends cut is left out. Returns the noise left, in that of one reading.
    """
    width = out.size
    out[:] = 0.0
    whole = noise = 0.0
    for j in range(max(0, i - half), min(rows.shape[0], i + half + 1)):
        w = taps[abs(j - i)]
        whole += w
        noise += w * w * rows[j, width]
        for c in range(width):
            out[c] += w * rows[j, c]
    for c in range(width):
        out[c] /= whole
    return noise / (whole * whole)


@njit(cache=True, nogil=True)
def ground_energy(
    rows: F8,
    lo: int,
    hi: int,
    early: int,
    taps: F8,
    halves: I8,
    noise: F8,
    decays: F8,
    opposite: float,
    taught: F8,
    pace: float,
    clip: float,
    strange: float,
    strange_pace: float,
    share: F8,
    soil: F8,
    late: F8,
    at: I8,
) -> F8:
    """Energy of each coil after each filter, along answers of metal, in units of noise and of what the ground gives.

    e = v' (N + R)^-1 v / r, v the filter's output. Given decays d, max over them of (d' (N + R)^-1 v)^2 /
    (d' (N + R)^-1 d) / r, the matched filter of each; against a decay `opposite` of it counts. A quarter of the energy
    in all directions counts at least. R, the covariance of the ground's own responses, follows what the head passed
    `guard` rows ago: R <- R + pace (w v v' - R). The weight w bounds one row's pull to `clip` times the usual energy,
    and lets it fall again as 1/e beyond `strange`, as long as less than half of what was passed is strange: what
    answers as no ground here does is none. Where there are several baselines the smallest energy over them counts:
    metal stands out of each. The first one's teach.

    rows : (n, B C r + 1) deviations from the first of B baselines, by how much they exceed those from each other one,
    and one over the readings in each, with the longest filter's half before lo and after hi where the segment has them;
    taps : (F, longest half + 1) from the centre outward;
    noise : (2, C, r, r) of one reading, in the first `early` rows and in those after them; decays : (T, r), T may be 0;
    taught : (r, r) what of an output may teach;
    share : (C, F) running mean of what is strange; soil : (C, F, r, r); late : (guard, C, F, r + 1), outputs and
    weights that have not taught yet; at : (1,) rows so far; all four updated.
    Returns (hi - lo, C, F).
    """
    coils, bank, r = soil.shape[0], soil.shape[1], soil.shape[2]
    guard = late.shape[0]
    out = np.empty((hi - lo, coils, bank))
    y = np.empty(rows.shape[1] - 1)
    z = np.empty(r)
    white = np.empty((len(decays), r))
    power = np.empty(len(decays))
    other = np.empty(r)
    whole = np.empty((r, r))
    factor = np.empty((r, r))
    for i in range(lo, hi):
        slot = at[0] % guard
        now = 0 if i - lo < early else 1
        for f in range(bank):
            left = _filtered(rows, i, taps[f], halves[f], y)
            for c in range(coils):
                cov, old, v = soil[c, f], late[slot, c, f], y[c * r : (c + 1) * r]
                for p in range(r):
                    for q in range(r):
                        if at[0] >= guard:
                            cov[p, q] += pace * (old[r] * old[p] * old[q] - cov[p, q])
                        whole[p, q] = left * noise[now, c, p, q] + cov[p, q]
                _lower_factor(whole, factor)
                for t in range(len(decays)):
                    power[t] = _solve(factor, decays[t], white[t])
                e, along = _energies(factor, v, white, power, opposite, z)
                for k in range(coils * r, y.size, coils * r):
                    for p in range(r):
                        other[p] = v[p] - y[k + c * r + p]
                    along = min(along, _energies(factor, other, white, power, opposite, z)[1])
                e /= r
                # no number at all is more than any: it must not be silent
                out[i - lo, c, f] = along / r if along < MOST_ENERGY else MOST_ENERGY
                share[c, f] += strange_pace * ((1.0 if e > strange else 0.0) - share[c, f])
                old[r] = min(1.0, clip / max(e, 1e-300))
                if e > strange and share[c, f] < 0.5:
                    old[r] *= strange / e
                for p in range(r):
                    s = 0.0
                    for q in range(r):
                        s += taught[p, q] * v[q]
                    old[p] = s
        at[0] += 1
    return out
