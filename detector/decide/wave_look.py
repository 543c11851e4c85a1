"""How a continuous-wave response looks: phases, how they go with frequency, time constant, ferrous or not."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.kernels.wave_answer import explained_by, static_and_eddy

F8 = NDArray[np.float64]

REFERENCE_HZ: Final = 10e3
"""Middle of what fielded heads use, so that heads with other frequencies give the same numbers."""

FERROUS_SHARE: Final = 0.25
"""Static over eddy part from which an object is called ferrous, as in detector/metal/wave.py."""

_TAUS: Final = 40


def wave_look(values: F8, sigma: F8, axis: tuple[float, ...], soil: F8 | None) -> dict[str, float]:
    """Features of an answer by name; NaN where the frequencies do not tell.

    Parameters
    ----------
    values, sigma : (2 F,) matched-filter output, I and Q per frequency, and its noise; axis : frequencies, Hz
    soil : (2 F,) direction of the soil's answer, or None
    """
    order = np.argsort(np.array(axis), kind="stable")
    pairs = np.stack((2 * order, 2 * order + 1), axis=1).ravel()
    f = np.array(axis)[order]
    v, s = np.ascontiguousarray(values[pairs]), np.ascontiguousarray(sigma[pairs])
    sign, tau, static, eddy, spread, fit = static_and_eddy(v, s, 2 * np.pi * f, _TAUS)
    if math.isnan(fit):
        return {}
    z = sign * (v[0::2] + 1j * v[1::2])
    size = np.abs(z)
    mean = max(float(size.mean()), 1e-300)
    out: dict[str, float] = {}
    at = float(np.clip(math.log(REFERENCE_HZ), math.log(f[0]), math.log(f[-1])))
    middle = complex(np.interp(at, np.log(f), z.real), np.interp(at, np.log(f), z.imag))
    for name, one in (("low", complex(z[0])), ("10khz", middle), ("high", complex(z[-1]))):
        length = abs(one)
        out[f"cw_cosine_{name}"] = one.real / length if length > 0.0 else math.nan
        out[f"cw_sine_{name}"] = one.imag / length if length > 0.0 else math.nan
    decades = math.log10(f[-1] / f[0])
    if decades > 0.0:
        out["cw_slope_in_phase"] = float(z[-1].real - z[0].real) / (mean * decades)
        out["cw_slope_quadrature"] = float(z[-1].imag - z[0].imag) / (mean * decades)
        out["cw_rise_db"] = 20.0 * math.log10(max(float(size[-1]), 1e-3 * mean) / max(float(size[0]), 1e-3 * mean))
    out["cw_log_tau"] = math.log10(tau) if tau > 0.0 else math.nan
    out["cw_static_share"] = static / (static + eddy) if static + eddy > 0.0 else math.nan
    if spread > 0.0:
        contrast = (static - FERROUS_SHARE * eddy) / spread
        out["cw_static_sigmas"] = math.copysign(math.log1p(abs(contrast)), contrast)
    out["cw_fit"] = fit
    if soil is not None:
        out["cw_soil_fit"] = float(explained_by(v, s, np.ascontiguousarray(soil[pairs])))
    return out
