"""What a metal alarm's gates say, in numbers that neither gain nor reading rate changes."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def difference_sigma(rows: F8) -> F8:
    """Standard deviation of each value from reading to reading, from second differences: (width,)."""
    n, width = rows.shape
    out = np.zeros(width)
    if n < 3:
        return out
    for i in range(1, n - 1):
        for c in range(width):
            d = rows[i - 1, c] - 2.0 * rows[i, c] + rows[i + 1, c]
            out[c] += d * d
    for c in range(width):
        out[c] = np.sqrt(out[c] / (6.0 * (n - 2)))
    return out


@njit(cache=True, nogil=True)
def along_sweep(rows: F8, decay: F8, sigma: F8) -> F8:
    """Each reading along the alarm's own decay, noise-weighted; 1 where it equals the decay. (n,)."""
    n, width = rows.shape
    out = np.zeros(n)
    total = 0.0
    for c in range(width):
        total += decay[c] * decay[c] / (sigma[c] * sigma[c])
    if total <= 0.0:
        return out
    for i in range(n):
        s = 0.0
        for c in range(width):
            s += rows[i, c] * decay[c] / (sigma[c] * sigma[c])
        out[i] = s / total
    return out


@njit(cache=True, nogil=True)
def half_width(profile: F8, row: int) -> tuple[float, float]:
    """Readings from the peak down to half of it, to the left and to the right, by straight lines; to the end if never.

    The peak is sought within a few readings of `row` by going uphill.
    """
    n = profile.size
    top = row
    while top + 1 < n and profile[top + 1] > profile[top]:
        top += 1
    while top > 0 and profile[top - 1] > profile[top]:
        top -= 1
    level = 0.5 * profile[top]
    left = float(top)
    for i in range(top - 1, -1, -1):
        if profile[i] <= level:
            left = top - (i + (level - profile[i]) / max(profile[i + 1] - profile[i], 1e-300))
            break
    right = float(n - 1 - top)
    for i in range(top + 1, n):
        if profile[i] <= level:
            right = i - (profile[i] - level) / min(profile[i] - profile[i - 1], -1e-300) - top
            break
    return left, right


@njit(cache=True, nogil=True)
def log_slope(decay: F8, sigma: F8, times: F8, low: float, high: float) -> float:
    """d ln|v| / d ln t by least squares over the gates within [low, high] s that stand out by two sigma; NaN under two.

    Negative gates among positive ones, or the reverse, end it: NaN.
    """
    n = 0
    sx = 0.0
    sy = 0.0
    sxx = 0.0
    sxy = 0.0
    sign = 0.0
    for k in range(decay.size):
        if times[k] < low or times[k] > high or abs(decay[k]) < 2.0 * sigma[k] or decay[k] == 0.0:
            continue
        if sign == 0.0:
            sign = np.sign(decay[k])
        if np.sign(decay[k]) != sign:
            return np.nan
        x = np.log(times[k])
        y = np.log(abs(decay[k]))
        n += 1
        sx += x
        sy += y
        sxx += x * x
        sxy += x * y
    spread = n * sxx - sx * sx
    if n < 2 or spread <= 1e-9 * n * sxx:
        return np.nan
    return (n * sxy - sx * sy) / spread


@njit(cache=True, nogil=True)
def decay_over_soil(decay: F8, sigma: F8, times: F8, count: int) -> tuple[float, float, float, float]:
    """The decay as viscous soil, 1/t, plus one exponential: tau s, the exponential's and the soil's signed share, fit.

    Noise-weighted least squares for each of `count` time constants from a third of the first gate to three times the
    last; the best is taken. Shares: each part's size over the whole's, with its sign; fit: energy explained, 0 to 1.
    Soil law: Billings et al. 2003. NaN where there are fewer than three gates or nothing.
    """
    n = decay.size
    energy = 0.0
    for k in range(n):
        energy += (decay[k] / sigma[k]) ** 2
    if n < 3 or energy <= 0.0:
        return np.nan, np.nan, np.nan, np.nan
    ss = 0.0
    sy = 0.0
    for k in range(n):
        s = 1.0 / (times[k] * sigma[k])
        ss += s * s
        sy += s * decay[k] / sigma[k]
    best = -1.0
    out = (np.nan, np.nan, np.nan, np.nan)
    ratio = (9.0 * times[n - 1] / times[0]) ** (1.0 / (count - 1))
    tau = times[0] / 3.0
    for _ in range(count):
        ee = 0.0
        es = 0.0
        ey = 0.0
        for k in range(n):
            e = np.exp(-times[k] / tau) / sigma[k]
            ee += e * e
            es += e / (times[k] * sigma[k])
            ey += e * decay[k] / sigma[k]
        det = ss * ee - es * es
        if det > 1e-9 * ss * ee:
            soil = (sy * ee - ey * es) / det
            part = (ey * ss - sy * es) / det
            explained = soil * sy + part * ey
            if explained > best:
                best = explained
                out = (
                    tau, np.sign(part) * np.sqrt(part * part * ee / energy),
                    np.sign(soil) * np.sqrt(soil * soil * ss / energy), explained / energy,
                )  # fmt: skip
        tau *= ratio
    return out
