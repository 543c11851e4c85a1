"""Mains hum: sines and cosines at the harmonics of one tracked frequency, fitted column by column."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.vector import WIDE, fill, greatest, least, load, magnitude, store

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def track_mains(
    rows: F8,
    harmonics: I8,
    fit: F8,
    level: F8,
    spread: F8,
    trust: F8,
    loop: F8,
    gain: float,
    level_gain: float,
    clip: float,
    floor: float,
    half_band: float,
    settle: float,
    count: int,
) -> F8:
    """Subtract the hum that was fitted so far, then fit it a little further.

    Least mean squares on cos(h p), sin(h p) and a fast level that keeps targets and offset out of the fit;
    the error is bounded by `clip` mean distances, so a strong target leaves the fit alone. The phase p
    runs at a frequency that follows the lag of the fitted phasors: a second-order loop common to all
    columns (Widrow et al. 1975 for the canceller; Regalia 1991, Karimi-Ghartemani 2004 for its tracking).

    Parameters
    ----------
    rows : (n, width), contiguous
    harmonics : (H,) multiples of the fundamental
    fit : (2 H, width) coefficients of cos and sin, updated
    level, spread : (width,) fast level, and mean distance of the error, updated
    trust : (width,) inverse square of the spread, refreshed every 32 rows
    loop : (4,) phase, rad; frequency, rad per row; nominal frequency, rad per row; weight of the hum; updated
    gain, level_gain : per row; settle : rows that the gain starts with
    half_band : largest departure from the nominal frequency, rad per row
    floor : least spread, unit of rows; count : rows already processed
    """
    n, width = rows.shape
    h_n = harmonics.size
    out = np.empty((n, width))
    error = np.empty(width)
    hum = np.empty(width)
    turn = np.empty(2 * h_n)
    later = np.empty(2 * h_n)
    whole = width - width % WIDE
    for i in range(n):
        seen = count + i
        # wide at first, to find the hum, then as narrow as asked
        g = max(gain, 12.0 / (seen + 12.0 * settle))
        phase = loop[0]
        c_1, s_1 = math.cos(phase), math.sin(phase)
        c_m, s_m, m_now = c_1, s_1, 1
        for h in range(h_n):
            while m_now < harmonics[h]:
                c_m, s_m = c_m * c_1 - s_m * s_1, s_m * c_1 + c_m * s_1
                m_now += 1
            turn[2 * h] = c_m
            turn[2 * h + 1] = s_m
            later[2 * h], later[2 * h + 1] = float(m_now) * c_m, float(m_now) * s_m
        s_gain = max(0.25 * gain, 1.0 / (seen + 1.0))
        settled = seen > settle
        follows = settled and half_band > 0.0
        bound = clip if settled else 1e300
        at = i * width
        for c in range(0, whole, WIDE):
            # what the fit says, and its derivative by the phase
            h_sum, d_sum = fill(0.0), fill(0.0)
            for h in range(h_n):
                by_cos, by_sin = load(fit, 2 * h * width + c), load(fit, (2 * h + 1) * width + c)
                h_sum = h_sum + (fill(turn[2 * h]) * by_cos + fill(turn[2 * h + 1]) * by_sin)
                d_sum = d_sum + (by_sin * fill(later[2 * h]) - by_cos * fill(later[2 * h + 1]))
            store(hum, c, d_sum)
            cleaned = load(rows, at + c) - h_sum
            store(out, at + c, cleaned)
            known = load(level, c)
            off = cleaned - known
            store(level, c, known + fill(level_gain) * off)
            wide = load(spread, c)
            most = fill(bound) * wide if settled else fill(bound)
            off = least(most, greatest(fill(0.0) - most, off))
            store(error, c, off)
            store(spread, c, greatest(wide + fill(s_gain) * (magnitude(off) - wide), fill(floor)))
        for c in range(whole, width):
            s, d = 0.0, 0.0
            for h in range(h_n):
                s += turn[2 * h] * fit[2 * h, c] + turn[2 * h + 1] * fit[2 * h + 1, c]
                d += fit[2 * h + 1, c] * later[2 * h] - fit[2 * h, c] * later[2 * h + 1]
            hum[c] = d
            out[i, c] = rows[i, c] - s
            e = out[i, c] - level[c]
            level[c] += level_gain * e
            m = bound * spread[c] if settled else bound
            e = min(max(e, -m), m)
            error[c] = e
            spread[c] = max(floor, spread[c] + s_gain * (abs(e) - spread[c]))
        if follows and ((seen & 31) == 0 or loop[3] == 0.0):
            weight = 1.0  # a hum below the noise of the fit tells nothing of its frequency
            for c in range(width):
                trust[c] = 1.0 / (spread[c] * spread[c])
                for h in range(h_n):
                    times = float(harmonics[h])
                    weight += 0.5 * times * times * (fit[2 * h, c] ** 2 + fit[2 * h + 1, c] ** 2) * trust[c]
            loop[3] = weight
        for c in range(0, whole, WIDE):
            off = load(error, c)
            for h in range(2 * h_n):
                store(fit, h * width + c, load(fit, h * width + c) + fill(2.0 * g * turn[h]) * off)
        for c in range(whole, width):
            for h in range(2 * h_n):
                fit[h, c] += 2.0 * g * turn[h] * error[c]
        if follows:
            # what the fit lags behind, in phase: error along the derivative of the fitted hum
            push = 0.0
            for c in range(width):
                push += hum[c] * (error[c] * trust[c])
            loop[1] += 0.25 * g * g * min(max(push / loop[3], -0.5), 0.5)
            loop[1] = min(max(loop[1], loop[2] - half_band), loop[2] + half_band)
        phase += loop[1]
        loop[0] = phase - 2.0 * math.pi if phase > math.pi else phase
        if (seen & 255) == 255:
            # a dead input must not leave denormals behind
            for k in range(2 * h_n):
                for c in range(width):
                    if abs(fit[k, c]) < 1e-200:
                        fit[k, c] = 0.0
            for c in range(width):
                if abs(level[c]) < 1e-200:
                    level[c] = 0.0
    return out
