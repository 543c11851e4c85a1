"""What a metal alarm's in-phase and quadrature values say, in numbers that gain hardly changes."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def static_and_eddy(values: F8, sigma: F8, omega: F8, count: int) -> tuple[float, float, float, float, float, float]:
    """The answer as a static part and one relaxation, of one sign: static - eddy (i w tau) / (1 + i w tau), conjugate.

    Noise-weighted least squares for each of `count` time constants, from 0.02 over the highest to 50 over the lowest
    angular frequency; where one part would have the other sign it is left out. Single-pole model: Miller et al. 2001.

    Parameters
    ----------
    values, sigma : (2 F,) I, Q per frequency; omega : (F,) rad/s, ascending

    Returns
    -------
    sign, tau s, static, eddy, 1 sigma of (static - eddy / 4), share of the energy that the fit explains
    """
    n = omega.size
    energy = 0.0
    ss = 0.0
    sy = 0.0
    for k in range(2 * n):
        energy += (values[k] / sigma[k]) ** 2
    for k in range(n):
        ss += 1.0 / sigma[2 * k] ** 2
        sy += values[2 * k] / sigma[2 * k] ** 2
    if energy <= 0.0:
        return np.nan, np.nan, np.nan, np.nan, np.nan, np.nan
    low = 0.02 / omega[n - 1]
    ratio = (50.0 / omega[0] / low) ** (1.0 / (count - 1))
    tau = low
    best = -1.0
    out = (1.0, np.nan, 0.0, 0.0, np.nan)
    for _ in range(count):
        ee = 0.0
        se = 0.0
        ey = 0.0
        for k in range(n):
            x = omega[k] * tau
            i = -x * x / (1.0 + x * x)
            q = x / (1.0 + x * x)
            wi = 1.0 / sigma[2 * k] ** 2
            wq = 1.0 / sigma[2 * k + 1] ** 2
            ee += i * i * wi + q * q * wq
            se += i * wi
            ey += i * values[2 * k] * wi + q * values[2 * k + 1] * wq
        det = ss * ee - se * se
        s = 0.0
        e = 0.0
        if det > 1e-9 * ss * ee:
            s = (sy * ee - ey * se) / det
            e = (ey * ss - sy * se) / det
        if s * e < 0.0 or (s == 0.0 and e == 0.0):
            if sy * sy / ss > ey * ey / ee:
                s, e = sy / ss, 0.0
            else:
                s, e = 0.0, ey / ee
        explained = s * sy + e * ey
        if explained > best:
            best = explained
            sign = 1.0 if s + e >= 0.0 else -1.0
            spread = np.sqrt(max(ee + 0.5 * se + ss / 16.0, 0.0) / det) if det > 1e-9 * ss * ee else np.nan
            out = (sign, tau, sign * s, sign * e, spread)
        tau *= ratio
    return out[0], out[1], out[2], out[3], out[4], best / energy


@njit(cache=True, nogil=True)
def explained_by(values: F8, sigma: F8, direction: F8) -> float:
    """Share of the energy that lies along one direction, noise-weighted, 0 to 1; NaN where there is none."""
    vv = 0.0
    dd = 0.0
    vd = 0.0
    for k in range(values.size):
        w = 1.0 / (sigma[k] * sigma[k])
        vv += values[k] * values[k] * w
        dd += direction[k] * direction[k] * w
        vd += values[k] * direction[k] * w
    return vd * vd / (vv * dd) if vv > 0.0 and dd > 0.0 else np.nan
