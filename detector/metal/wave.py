"""What in-phase and quadrature at several frequencies say of the metal: phase, time constant, ferrous or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from detector.errors import SampleError

F8 = NDArray[np.float64]

_FERROUS_SHARE = 0.25
"""Static part over eddy-current part from which an object is called ferrous: 0 for non-magnetic metal, 2/3 for a
steel sphere (4 pi a^3 over 6 pi a^3)."""

_TAUS = 40


@dataclass(frozen=True, slots=True)
class WaveFeatures:
    """A target's answer to continuous waves in numbers; NaN where the frequencies do not tell."""

    amplitude: F8
    """(F,) magnitude, stream's unit, with the fitted soil taken off."""
    phase_deg: F8
    """(F,) atan2(Q, I), degrees: 0 ferrite, 90 thin conductor, 180 thick conductor; soil taken off."""
    snr: float
    """Amplitude over noise, all values together, soil taken off."""
    tau_s: float
    """Time constant of the eddy currents that fits best, s."""
    static: float
    """Static (magnetic) part at all frequencies, stream's unit."""
    eddy: float
    """Eddy-current part's high-frequency limit, stream's unit."""
    ferrous: bool
    """Whether the static part is more than a quarter of the eddy part."""
    confidence: float
    """That this is so, 0.5 to 1, from the noise alone; near 0.5 where soil hides the static part."""


def wave_features(
    values: F8, sigma: F8, frequencies_hz: tuple[float, ...] | F8, soil: F8 | None = None
) -> WaveFeatures:
    """Describe an answer by the model  soil + static - eddy (w tau)^2 / (1 + (w tau)^2)  in phase and
    soil + eddy (w tau) / (1 + (w tau)^2)  in quadrature.

    values : (2 F,) I, Q per frequency, rotated so that the primary field has phase 0; sigma : (2 F,) standard
    deviations; soil : (2 F,) direction of the soil's answer, whose unknown amount is fitted along, or None.
    Source: single-pole model of Miller et al. 2001; sphere, Wait 1951.

    Raises
    ------
    SampleError
        when the lengths differ or there are fewer values than unknowns.
    """
    v, s = np.asarray(values, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    omega = 2 * np.pi * np.asarray(frequencies_hz, dtype=np.float64)
    unknowns = 3 if soil is None else 4
    if v.shape != s.shape or v.shape != (2 * len(omega),) or np.any(s <= 0.0):
        raise SampleError(f"{len(omega)} frequencies need twice as many values and positive sigmas, not {v.shape}.")
    if len(v) < unknowns:
        raise SampleError(f"{len(v)} values cannot tell {unknowns} unknowns: give more frequencies.")
    y = v / s
    static = np.zeros_like(v)
    static[0::2] = 1.0
    best = -np.inf
    tau = float("nan")
    fit: F8 = np.zeros(unknowns - 1)
    covariance: F8 = np.eye(unknowns - 1)
    taus: F8 = np.geomspace(0.02 / float(omega.max()), 50.0 / float(omega.min()), _TAUS)
    for t in taus.tolist():
        x: F8 = omega * t
        eddy: F8 = (np.stack((-(x**2), x), axis=1) / (1 + x**2)[:, None]).ravel().astype(np.float64)
        columns = [static / s, eddy / s] + ([] if soil is None else [soil / s])
        for use in ((0, 1), (1,), (0,)):  # both parts, or one alone where the other would be negative
            design: F8 = np.stack([columns[u] for u in use] + columns[2:], axis=1)
            solution, *_ = np.linalg.lstsq(design, y, rcond=None)
            if float(solution[: len(use)].min()) < 0.0:
                continue
            gained = float(y @ (design @ solution))
            if gained > best:
                best, tau = gained, t
                full: F8 = np.stack(columns, axis=1)
                covariance = np.linalg.pinv(full.T @ full).astype(np.float64)
                fit = np.zeros(unknowns - 1)
                fit[list(use)] = solution[: len(use)]
                fit[2:] = solution[len(use) :]
    left = v if soil is None else v - fit[2] * soil
    contrast = np.zeros(unknowns - 1)
    contrast[:2] = (1.0, -_FERROUS_SHARE)
    spread = float(np.sqrt(max(float(contrast @ covariance @ contrast), 1e-300)))
    z = float(contrast @ fit) / spread
    amplitude = np.hypot(left[0::2], left[1::2])
    return WaveFeatures(
        amplitude, np.degrees(np.arctan2(left[1::2], left[0::2])), float(np.linalg.norm(left / s)), tau,
        float(fit[0]), float(fit[1]), z > 0.0, float(special.ndtr(abs(z))),
    )  # fmt: skip
