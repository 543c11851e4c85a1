"""How a metal response looks: footprint along the sweep, slopes of its decay, its time constant beside the soil's."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.kernels.answer import along_sweep, decay_over_soil, difference_sigma, half_width, log_slope

F8 = NDArray[np.float64]

SLOPES_S: Final = {"10us": (5e-6, 30e-6), "30us": (20e-6, 90e-6), "90us": (60e-6, 270e-6), "270us": (180e-6, 1.5e-3)}
"""Stretches of the decay, s after switch-off: fixed, so that heads with other gates give the same slopes."""

_TAUS: Final = 40


def noise_of(rows: F8) -> F8:
    """(width,) standard deviation of each value of rows (n, width); none is 0, and neither is its square."""
    return np.maximum(difference_sigma(rows), 1e-12 * float(np.abs(rows).max(initial=0.0)) + 1e-150)


def swept_look(
    gates: F8, row: int, decay: F8, taps: F8, half: int, axis: tuple[float, ...], step_m: float
) -> dict[str, float]:
    """Features of a coil's readings round the alarm, by name; NaN where the head does not tell.

    Parameters
    ----------
    gates : (n, values) offset-free readings; row : of the alarm
    decay : (values,) matched-filter output there; taps, half : (half + 1,) that filter, centre outward
    axis : gate times, s, or () ; step_m : between readings
    """
    sigma = noise_of(gates)
    squares = magnitude = 0.0
    for j in range(-half, half + 1):
        w = float(taps[abs(j)])
        squares += w * w
        magnitude += abs(w)
    filtered = sigma * math.sqrt(squares) / magnitude
    energy = 0.0
    for v, s in zip(decay, filtered, strict=True):
        energy += float(v / s) ** 2
    profile = along_sweep(gates, decay, sigma)
    left, right = half_width(profile, row)
    out = {
        "metal_snr_db": 10.0 * math.log10(max(energy, 1e-6)),
        "metal_footprint_m": (left + right) * step_m,
        "metal_lean_db": abs(10.0 * math.log10(max(left, 0.25) / max(right, 0.25))),
    }
    top = float(profile[row])
    out["metal_undershoot"] = min(float(profile.min()), 0.0) / top if top > 0.0 else math.nan
    flanks = [i for i in (row - round(0.7 * left), row + round(0.7 * right)) if 0 <= i < len(gates)]
    out["metal_flank_likeness"] = min((_likeness(gates[i], decay, sigma) for i in flanks), default=math.nan)
    if len(axis) == len(decay) and len(axis) >= 3:
        times = np.array(axis)
        for name, (low, high) in SLOPES_S.items():
            out[f"metal_slope_{name}"] = float(log_slope(decay, filtered, times, low, high))
        tau, share, soil, fit = decay_over_soil(decay, filtered, times, _TAUS)
        out["metal_log_tau"] = math.log10(tau) if tau > 0.0 else math.nan
        out["metal_tau_share"], out["metal_soil_part"], out["metal_tau_fit"] = float(share), float(soil), float(fit)
    return out


def _likeness(a: F8, b: F8, sigma: F8) -> float:
    """Cosine between two decays, noise-weighted."""
    ab = aa = bb = 0.0
    for x, y, s in zip(a, b, sigma, strict=True):
        ab += float(x * y / (s * s))
        aa += float(x * x / (s * s))
        bb += float(y * y / (s * s))
    return ab / math.sqrt(aa * bb) if aa > 0.0 and bb > 0.0 else math.nan
