"""The causal half of the metal chain: baseline, noise, soil direction and search statistic, row by row.

They are one pass because each needs the others' state at the row before: the baseline holds while the
search statistic stands out, the statistic needs the baseline, and both need the noise.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.whitening import add_to_covariance, set_whitener, sum_of_squares, turn_direction, whiten

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]

NOISY: Final = 4
SOIL: Final = 8
"""Bits of detector.samples.Mark that this pass sets; a test holds them equal."""

SOIL_SNR: Final = 100.0
"""Soil energy, in units of its noise, from which a reading teaches the soil's direction."""

SOIL_CLIP: Final = 9.0
"""A soil response larger than this, in units of the usual energy, is not taken for soil."""

READY: Final = 64
"""Rows from which the noise is known well enough for a statistic; it is 0 before."""

LEVEL_CLIP: Final = 4.0
"""One reading raises the mean level of the statistic by at most this many times itself."""

HELD_PACE: Final = 0.02
"""Pace of the levels while the statistic stands out: 10 s under a target raise it by less than a fifth."""


class SearchState(NamedTuple):
    """Arrays that the pass carries from row to row. C coils, G values per coil, W = C * G."""

    before: F8
    """(2, W) the last row and the one before it."""
    smooth: F8
    """(W,) causal mean of the rows."""
    base: F8
    """(W,) baseline."""
    slope: F8
    """(W,) of the baseline, per row."""
    covariance: F8
    """(C, G, G) of the noise of one row."""
    factor: F8
    """(C, G, G) its lower Cholesky factor, shrunk."""
    whitener: F8
    """(C, G, G) transposed, see set_whitener."""
    soil: F8
    """(C, k, G) soil directions in use."""
    nominal: F8
    """(C, k, G) soil directions given."""
    cross: F8
    """(C, G) mean product of smoothed gates and soil coordinate."""
    power: F8
    """(C,) mean square of the soil coordinate."""
    learned: F8
    """(C,) rows that taught the direction."""
    tangent: F8
    """(C,) of the angle between the direction in use and the nominal one."""
    level: F8
    """(C,) mean of the statistic on this ground, at least about 1."""
    usual: F8
    """(C, k) running mean energy of the soil's coordinates, in units of noise."""
    share: F8
    """(C,) running share of the soil in the smoothed, whitened energy."""
    held: I8
    """(C,) rows for which the baseline has been held."""
    seated: I8
    """(C,) rows that the baseline has followed since it was set."""
    reference: F8
    """(W,) inverse reference variance, 0 where there is none."""
    unit: F8
    """(C,) mean noise variance in units of the reference."""


class SearchRates(NamedTuple):
    """Numbers of the pass, all per row or in its own units."""

    smooth: float
    base: float
    noise: float
    level: float
    soil: float
    hold: float
    """Statistic above which the baseline begins to hold."""
    release: float
    """Statistic below which it moves again."""
    hold_rows: int
    """Rows after which a held baseline is set anew."""
    start_rows: int
    """Rows that a new baseline follows before anything is held."""
    outlier: float
    """Energy, in units of the usual, from which a reading counts less in the noise."""
    shrinkage: float
    floor: float
    """Least noise variance."""
    bound: float
    """Tangent of the largest angle that the soil direction may turn by; 0 = it may not."""
    soil_limit: float
    noisy_limit: float
    """Noise variance in units of the reference."""
    moves: bool
    """False in static mode: the baseline is the stored offset."""


@njit(cache=True)
def refresh_rows(row: int) -> bool:
    """Whether noise and soil are taken over anew at that row: 8, 16, ... 128, then every 256."""
    if row >= 256:
        return row & 255 == 0
    return row >= 8 and row & (row - 1) == 0


@njit(cache=True)
def refresh(s: SearchState, r: SearchRates, row: int) -> None:
    """Take over the noise covariance and the soil direction as learned by now."""
    n_c, g = s.soil.shape[0], s.covariance.shape[1]
    # a covariance from few rows is mostly its diagonal
    shrink = max(r.shrinkage, min(1.0, 3.0 * g / (row + 1.0)))
    kappa = r.smooth / (2.0 - r.smooth)
    for c in range(n_c):
        if r.bound > 0.0 and s.learned[c] * r.soil > 0.2 and s.power[c] > SOIL_SNR * kappa:
            s.tangent[c] = turn_direction(
                s.nominal[c, 0], s.cross[c], s.power[c], s.factor[c], r.bound, s.soil[c, 0]
            )
        set_whitener(s.covariance[c], shrink, r.floor, s.soil[c], s.whitener[c], s.factor[c])


@njit(cache=True)
def search_rows(
    rows: F8, s: SearchState, r: SearchRates, count: int, gates: F8, shares: F8, search: F8, marks: U1
) -> None:
    """One pass over rows (n, W); count : rows already seen.

    Filled: gates less their baseline (n, W), soil's share (n, C), search statistic (n, C). Bits are added to
    marks (n,).
    """
    n, width = rows.shape
    n_c = s.level.size
    g = width // n_c
    k = s.soil.shape[1]
    z = np.empty(g)
    t = np.empty(g)
    kappa = r.smooth / (2.0 - r.smooth)
    quarter = 0.25 * r.base * r.base
    for i in range(n):
        row_n = count + i
        if refresh_rows(row_n):
            refresh(s, r, row_n)
        x = rows[i]
        out = gates[i]
        learn_noise = row_n >= 2 and row_n % 3 == 2
        # as the mean of the first rows, then with its own time: no long memory of the first row
        a = max(r.smooth, 1.0 / (row_n + 1.0))
        spread = kappa if a == r.smooth else 1.0 / (row_n + 1.0)
        for c in range(n_c):
            lo, hi = c * g, (c + 1) * g
            xc = x[lo:hi]
            if learn_noise:
                add_to_covariance(
                    xc, s.before[0, lo:hi], s.before[1, lo:hi], s.covariance[c],
                    max(3.0 * r.noise, 3.0 / (row_n + 1.0)), r.outlier if row_n > 32 else 0.0,
                )  # fmt: skip
                m = 0.0
                for j in range(g):
                    m += s.covariance[c, j, j] * s.reference[lo + j]
                s.unit[c] = m / g
            smooth, base, slope, oc = s.smooth[lo:hi], s.base[lo:hi], s.slope[lo:hi], out[lo:hi]
            for j in range(g):
                smooth[j] += a * (xc[j] - smooth[j])
                if r.moves:
                    base[j] += slope[j]
                z[j] = smooth[j] - base[j]
            whiten(z, s.whitener[c], t)
            left = sum_of_squares(t, k)
            soil = 0.0
            e = left
            for j in range(k):
                square = t[j] * t[j]
                soil += square
                e += square / max(1.0, s.usual[c, j])
            whole = soil + left
            shares[i, c] = soil / whole if whole > 0.0 else 0.0
            e = e / (g * spread) if row_n >= READY else 0.0
            value = e / max(1.0, s.level[c])
            search[i, c] = value
            started = row_n >= r.start_rows
            settled = s.seated[c] >= r.start_rows
            held = settled and r.moves and value > (r.release if s.held[c] > 0 else r.hold)
            stands_out = started and value > r.release
            pace = max(r.level, 1.0 / (row_n - READY + 1.0)) if row_n >= READY else 1.0
            pace *= HELD_PACE if stands_out else 1.0
            if row_n >= READY:
                bounded = min(e, LEVEL_CLIP * max(s.level[c], 0.25)) if started else e
                s.level[c] += pace * (bounded - s.level[c])
                for j in range(k):
                    u = s.usual[c, j]
                    square = t[j] * t[j] / spread
                    bounded = min(square, LEVEL_CLIP * max(u, 1.0)) if started else square
                    s.usual[c, j] = u + pace * (bounded - u)
            s.share[c] += r.level * (shares[i, c] - s.share[c])
            if r.bound > 0.0 and k > 0 and started and not stands_out:
                t0 = t[0]
                usual = s.learned[c] * r.soil < 0.1 or t0 * t0 < SOIL_CLIP * s.power[c]
                if usual and t0 * t0 > SOIL_SNR * kappa and left < r.bound * r.bound * t0 * t0:
                    pace = max(r.soil, 1.0 / (s.learned[c] + 1.0))
                    cross = s.cross[c]
                    f = pace * t0
                    for j in range(g):
                        cross[j] += f * z[j] - pace * cross[j]
                    s.power[c] += pace * (t0 * t0 - s.power[c])
                    s.learned[c] += 1.0
            if r.moves:
                if held and s.held[c] >= r.hold_rows:
                    # nothing stands under a swept head so long: the head itself has changed
                    for j in range(g):
                        base[j] = smooth[j]
                        slope[j] = 0.0
                    s.seated[c] = round(1.0 / r.smooth)  # as good a baseline as the mean of so many rows
                    s.held[c] = 0
                elif held:
                    s.held[c] += 1
                else:
                    s.held[c] = 0
                    b_gain = max(r.base, 1.0 / (s.seated[c] + 1.0))
                    v_gain = quarter if b_gain == r.base else 0.0
                    for j in range(g):
                        d = xc[j] - base[j]
                        base[j] += b_gain * d
                        slope[j] += v_gain * d
                    s.seated[c] += 1
            for j in range(g):
                oc[j] = xc[j] - base[j]
            if s.unit[c] > r.noisy_limit:
                marks[i] |= NOISY
            if s.level[c] > r.soil_limit and s.share[c] > 0.5 and started:
                marks[i] |= SOIL
        s.before[1, :] = s.before[0]
        s.before[0, :] = x
        if row_n & 255 == 255:
            # a dead input must not leave denormals behind
            for j in range(width):
                if abs(s.slope[j]) < 1e-200:
                    s.slope[j] = 0.0
                if abs(s.base[j]) < 1e-200:
                    s.base[j] = 0.0
                if abs(s.smooth[j]) < 1e-200:
                    s.smooth[j] = 0.0
            for c in range(n_c):
                for p in range(g):
                    for q in range(g):
                        if abs(s.covariance[c, p, q]) < 1e-250:
                            s.covariance[c, p, q] = 0.0
