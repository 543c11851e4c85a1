"""The causal search statistic, with the soil's direction as it turns.

The causal half is one pass because each part needs the others' state at the row before: the baseline holds
while the search statistic stands out, the statistic needs the baseline, and both need the noise.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import WIDE, fill, load, store
from detector.kernels.white import add_to_covariance, second_difference, set_whitener, sum_of_squares, whiten

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

DOUBT: Final = 4.0
"""A level so many times the mean of a later stretch was learned from metal at the start, not from ground."""

HELD_PACE: Final = 0.02
"""Pace of the levels while the statistic stands out: 10 s under a target raise it by less than a fifth."""


@njit(cache=True, nogil=True)
def turn_direction(nominal: F8, cross: F8, power: float, factor: F8, bound: float, out: F8) -> float:
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
    """(C, G, G) of the noise of one row, on the diagonal and right of it."""
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
    fresh: F8
    """(C, 1 + k) mean of the statistic, then of the soil's coordinates, over the stretch at hand."""
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
    stretch: int
    """Rows of a stretch that may prove the level to be too high, ..."""
    doubtful: int
    """... and the row up to which it may: what comes after the start raises the level by bounded steps only."""
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


@njit(cache=True, nogil=True)
def doubt_level(means: F8, level: F8, usual: F8, c: int, e: float, t: F8, spread: float, nth: int, of: int) -> bool:
    """Take the mean of a whole stretch for the level where that is far above it; returns whether it was.

    The level of the first rows is their mean, whatever lies there: metal would make the search deaf, and the ground
    marked as bad soil, until its memory has faded by the metal's strength, for tens of seconds.

    means, level, usual : `fresh`, `level`, `usual` of the state; e : statistic of the row; t : (G,) its whitened gates,
    soil first; nth : of the rows `of` a stretch, from 1
    """
    fresh = means[c]
    gain = 1.0 / nth
    fresh[0] += gain * (e - fresh[0])
    for j in range(fresh.size - 1):
        fresh[1 + j] += gain * (t[j] * t[j] / spread - fresh[1 + j])
    if nth < of:
        return False
    for j in range(fresh.size - 1):
        if fresh[1 + j] * DOUBT < usual[c, j]:
            usual[c, j] = fresh[1 + j]
    if fresh[0] * DOUBT >= level[c]:
        return False
    level[c] = fresh[0]
    return True


@njit(cache=True, nogil=True)
def seat_anew(s: SearchState, c: int, gain: float) -> None:
    """Begin a coil's baseline again at what its smoothed gates are now; gain : of that smoothing."""
    g = s.base.size // s.level.size
    for j in range(c * g, (c + 1) * g):
        s.base[j] = s.smooth[j]
        s.slope[j] = 0.0
    s.seated[c] = round(1.0 / gain)  # as good a baseline as the mean of so many rows
    s.held[c] = 0


@njit(cache=True, nogil=True)
def refresh_rows(row: int) -> bool:
    """Whether noise and soil are taken over anew at that row: 8, 16, ... 128, then every 256."""
    if row >= 256:
        return row & 255 == 0
    return row >= 8 and row & (row - 1) == 0


@njit(cache=True, nogil=True)
def refresh(s: SearchState, r: SearchRates, row: int) -> None:
    """Take over the noise covariance and the soil direction as learned by now."""
    n_c, g = s.soil.shape[0], s.covariance.shape[1]
    # a covariance from few rows is mostly its diagonal
    shrink = max(r.shrinkage, min(1.0, 3.0 * g / (row + 1.0)))
    kappa = r.smooth / (2.0 - r.smooth)
    for c in range(n_c):
        if r.bound > 0.0 and s.learned[c] * r.soil > 0.2 and s.power[c] > SOIL_SNR * kappa:
            s.tangent[c] = turn_direction(s.nominal[c, 0], s.cross[c], s.power[c], s.factor[c], r.bound, s.soil[c, 0])
        set_whitener(s.covariance[c], shrink, r.floor, s.soil[c], s.whitener[c], s.factor[c])


@njit(inline="always")
def _smoothed(rows: F8, at: int, first: int, a: float, moves: bool, smooth: F8, base: F8, slope: F8, z: F8) -> None:
    """One step of the causal mean of values first to first + G - 1 of a row, and of a baseline that moves, into z (G,).

    at : where the row begins in rows (n, W); smooth, base, slope : (W,)
    """
    g = z.size
    whole = g - g % WIDE
    gain = fill(a)
    for j in range(0, whole, WIDE):
        mean = load(smooth, first + j)
        mean = mean + gain * (load(rows, at + first + j) - mean)
        store(smooth, first + j, mean)
        b = load(base, first + j)
        if moves:
            b = b + load(slope, first + j)
            store(base, first + j, b)
        store(z, j, mean - b)
    row = at // smooth.size
    for j in range(whole, g):
        k = first + j
        smooth[k] += a * (rows[row, k] - smooth[k])
        if moves:
            base[k] += slope[k]
        z[j] = smooth[k] - base[k]


@njit(inline="always")
def _less_base(
    rows: F8, at: int, first: int, g: int, follows: bool, b_gain: float, v_gain: float, base: F8, slope: F8, gates: F8
) -> None:
    """Those values less their baseline into gates (n, W), once it and its slope have followed them, if they do."""
    whole = g - g % WIDE
    b_pace, v_pace = fill(b_gain), fill(v_gain)
    for j in range(first, first + whole, WIDE):
        x, b = load(rows, at + j), load(base, j)
        if follows:
            d = x - b
            b = b + b_pace * d
            store(base, j, b)
            store(slope, j, load(slope, j) + v_pace * d)
        store(gates, at + j, x - b)
    row = at // base.size
    for j in range(first + whole, first + g):
        if follows:
            d = rows[row, j] - base[j]
            base[j] += b_gain * d
            slope[j] += v_gain * d
        gates[row, j] = rows[row, j] - base[j]


@njit(cache=True, nogil=True)
def search_rows(
    rows: F8, s: SearchState, r: SearchRates, count: int, gates: F8, shares: F8, search: F8, marks: U1
) -> None:
    """One pass over rows (n, W), contiguous; count : rows already seen.

    Filled: gates less their baseline (n, W), soil's share (n, C), search statistic (n, C). Bits are added to
    marks (n,).
    """
    n, width = rows.shape
    n_c = s.level.size
    g = width // n_c
    k = s.soil.shape[1]
    z = np.empty(g)
    t = np.empty(g)
    e_now = np.empty(g)
    judged = False
    for j in range(width):
        judged |= s.reference[j] != 0.0
    kappa = r.smooth / (2.0 - r.smooth)
    quarter = 0.25 * r.base * r.base
    for i in range(n):
        row_n = count + i
        if refresh_rows(row_n):
            refresh(s, r, row_n)
        at = i * width
        learn_noise = row_n >= 2 and row_n % 3 == 2
        # as the mean of the first rows, then with its own time: no long memory of the first row
        a = max(r.smooth, 1.0 / (row_n + 1.0))
        spread = kappa if a == r.smooth else 1.0 / (row_n + 1.0)
        for c in range(n_c):
            lo = c * g
            if learn_noise:
                second_difference(rows, i, s.before, lo, e_now)
                pace = max(3.0 * r.noise, 3.0 / (row_n + 1.0))
                add_to_covariance(e_now, s.covariance, c, pace, r.outlier if row_n > 32 else 0.0)
                if judged:
                    m = 0.0
                    for j in range(g):
                        m += s.covariance[c, j, j] * s.reference[lo + j]
                    s.unit[c] = m / g
            _smoothed(rows, at, lo, a, r.moves, s.smooth, s.base, s.slope, z)
            whiten(z, s.whitener, c, t)
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
                # where the soil's direction is tracked, the level falls as the direction turns: no doubt on the start
                if started and row_n < r.doubtful and r.bound <= 0.0:
                    nth = (row_n - r.start_rows) % r.stretch + 1
                    if doubt_level(s.fresh, s.level, s.usual, c, e, t, spread, nth, r.stretch) and r.moves:
                        # the baseline began over the same metal
                        seat_anew(s, c, r.smooth)
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
            follows, b_gain, v_gain = False, 0.0, 0.0
            if r.moves:
                # a start over metal leaves a level that no ground has, and a wrong baseline once the head has left it
                over_metal = row_n < r.doubtful and s.level[c] > r.soil_limit
                if held and s.held[c] >= (r.stretch if over_metal else r.hold_rows):
                    # nothing stands under a swept head so long: the head itself has changed
                    seat_anew(s, c, r.smooth)
                elif held:
                    s.held[c] += 1
                else:
                    s.held[c] = 0
                    follows = True
                    b_gain = max(r.base, 1.0 / (s.seated[c] + 1.0))
                    v_gain = quarter if b_gain == r.base else 0.0
                    s.seated[c] += 1
            _less_base(rows, at, lo, g, follows, b_gain, v_gain, s.base, s.slope, gates)
            if s.unit[c] > r.noisy_limit:
                marks[i] |= NOISY
            if s.level[c] > r.soil_limit and s.share[c] > 0.5 and started:
                marks[i] |= SOIL
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
    for j in range(width):
        if n > 1:
            s.before[1, j] = rows[n - 2, j]
        elif n == 1:
            s.before[1, j] = s.before[0, j]
        if n > 0:
            s.before[0, j] = rows[n - 1, j]
