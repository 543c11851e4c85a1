"""Mains hum: sines and cosines at the harmonics of one tracked frequency, fitted column by column."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
    rows : (n, width)
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
        row = rows[i]
        hum[:] = 0.0
        for h in range(h_n):
            t_c, t_s = turn[2 * h], turn[2 * h + 1]
            for c in range(width):
                hum[c] += t_c * fit[2 * h, c] + t_s * fit[2 * h + 1, c]
        to = out[i]
        for c in range(width):
            to[c] = row[c] - hum[c]
        s_gain = max(0.25 * gain, 1.0 / (seen + 1.0))
        settled = seen > settle
        bound = clip if settled else 1e300
        for c in range(width):
            e = to[c] - level[c]
            level[c] += level_gain * e
            m = bound * spread[c] if settled else bound
            e = min(max(e, -m), m)
            error[c] = e
            spread[c] = max(floor, spread[c] + s_gain * (abs(e) - spread[c]))
        if settled and half_band > 0.0:
            if (seen & 31) == 0 or loop[3] == 0.0:
                weight = 1.0  # a hum below the noise of the fit tells nothing of its frequency
                for c in range(width):
                    trust[c] = 1.0 / (spread[c] * spread[c])
                    for h in range(h_n):
                        times = float(harmonics[h])
                        weight += 0.5 * times * times * (fit[2 * h, c] ** 2 + fit[2 * h + 1, c] ** 2) * trust[c]
                loop[3] = weight
            # what the fit lags behind, in phase: error along the derivative of the fitted hum
            hum[:] = 0.0
            for h in range(h_n):
                times = float(harmonics[h])
                t_c, t_s = times * turn[2 * h], times * turn[2 * h + 1]
                for c in range(width):
                    hum[c] += fit[2 * h + 1, c] * t_c - fit[2 * h, c] * t_s
            for c in range(width):
                hum[c] *= error[c] * trust[c]
            push = 0.0
            for c in range(width):
                push += hum[c]
            loop[1] += 0.25 * g * g * min(max(push / loop[3], -0.5), 0.5)
            loop[1] = min(max(loop[1], loop[2] - half_band), loop[2] + half_band)
        for h in range(h_n):
            t_c, t_s = 2.0 * g * turn[2 * h], 2.0 * g * turn[2 * h + 1]
            for c in range(width):
                fit[2 * h, c] += t_c * error[c]
                fit[2 * h + 1, c] += t_s * error[c]
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
