"""Describes the response at a metal alarm: decay of a pulse, phases of a wave. Run at alarms only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.kernels.sweep import filter_at
from detector.metal.decay import decay_features
from detector.metal.geometry import MetalGeometry
from detector.metal.wave import wave_features
from detector.metal_description import MetalDescription
from detector.samples import StreamKind

F8 = NDArray[np.float64]

_NAN = float("nan")


def describe_metal(readings: F8, row: int, taps: F8, half: int, geometry: MetalGeometry, soil: F8) -> MetalDescription:
    """Describe the response of one coil.

    The noise is taken from second differences of the readings, in which targets and soil cancel, and is taken as
    independent from reading to reading; so a description depends on these readings alone.

    Parameters
    ----------
    readings : (n, values) offset-free readings round the alarm, stream's unit
    row : reading of the alarm
    taps, half : (half + 1,) the matched filter that stood out, centre outward
    soil : (k, values) directions of the soil's answer
    """
    values = filter_at(np.ascontiguousarray(readings), row, taps, half)
    sigma = _noise(readings, geometry.lsb) * float(np.sqrt(taps[0] ** 2 + 2.0 * np.sum(taps[1 : half + 1] ** 2)))
    if geometry.kind is StreamKind.METAL_PI and len(geometry.axis) >= 3:
        return _decay(values, sigma, geometry.axis)
    if geometry.kind is StreamKind.METAL_CW and len(geometry.axis) >= 2:
        return _wave(values, sigma, geometry.axis, soil[0] if len(soil) else None)
    return MetalDescription(snr=float(np.linalg.norm(values / sigma)))


def _noise(readings: F8, lsb: float) -> F8:
    """(values,) standard deviation of one reading, above 0."""
    least = max(lsb / np.sqrt(12.0), 1e-12 * float(np.max(np.abs(readings), initial=0.0)), 1e-150)
    if len(readings) < 3:
        return np.full(readings.shape[1], least)
    e = (readings[2:] - 2.0 * readings[1:-1] + readings[:-2]) / np.sqrt(6.0)
    sigma: F8 = np.maximum(np.sqrt(np.mean(e**2, axis=0)), least)
    return sigma


def _decay(values: F8, sigma: F8, axis: tuple[float, ...]) -> MetalDescription:
    d = decay_features(values, sigma, axis)
    seen = np.flatnonzero(np.abs(values) >= 2.0 * sigma)
    return MetalDescription(
        snr=d.snr,
        sign=float(np.sign(values[seen[0]])) if len(seen) else _NAN,
        sign_changes=float(d.sign_changes),
        log_slopes=tuple(float(s) for s in d.log_slopes),
        early_late_ratio=d.early_late_ratio,
        tau_s=d.tau_s,
        tau_sigma_s=d.tau_sigma_s,
        tau_fit=d.tau_fit,
        tau_fast_s=d.taus_s[0],
        tau_slow_s=d.taus_s[1],
    )


def _wave(values: F8, sigma: F8, axis: tuple[float, ...], soil: F8 | None) -> MetalDescription:
    w = wave_features(values, sigma, axis, soil)
    return MetalDescription(
        snr=w.snr,
        tau_s=w.tau_s,
        phase_deg=tuple(float(p) for p in w.phase_deg),
        amplitude=tuple(float(a) for a in w.amplitude),
        static=w.static,
        eddy=w.eddy,
        ferrous=float(w.ferrous),
        confidence=w.confidence,
    )
