"""What an alarm looks like, in the numbers that the classifier weighs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.decide.metal_look import noise_of, swept_look
from detector.decide.radar_look import aligned_look
from detector.decide.wave_look import wave_look
from detector.detections import FEATURES
from detector.kernels.patch import (
    column_energy,
    edge_histogram,
    patch_symmetry,
    semblance,
    spectral_centroid,
    strongest_sample,
)
from detector.kernels.sweep import filter_at

F8 = NDArray[np.float64]

_INDEX = {name: i for i, name in enumerate(FEATURES)}

SPEEDS_M_PER_S = 1e9 / np.linspace(1 / 0.17, 1 / 0.06, 16)
"""Wave speeds of the semblance scan: dry sand to wet clay (Daniels 2004, table 2.1), even in 1/v."""


@dataclass(frozen=True, slots=True)
class RadarShape:
    """What the B-scan shows round a radar alarm."""

    features: F8
    two_way_s: float
    """Below the surface echo."""
    speed_m_per_s: float
    """Wave speed whose hyperbola fits best."""


def _empty() -> F8:
    return np.full(len(FEATURES), np.nan)


def radar_shape(
    patch: F8,
    centre: int,
    bin_first: int,
    bin_length: int,
    surface: int,
    dt_s: float,
    step_m: float,
    score: float,
    antenna_m: float,
    period_s: float,
    pulse: F8,
) -> RadarShape:
    """Describe an echo.

    Parameters
    ----------
    patch : (n, samples) whole A-scans of the gained B-scan round the alarm
    centre : row of the alarm in the patch
    bin_first, bin_length : the depth bin that stood out, samples
    surface : sample index of the surface echo
    dt_s : fast-time sampling interval, s
    step_m : distance between A-scans, m
    score : in units of the alarm threshold
    antenna_m : height of the antenna over the ground, m
    period_s : of the centre frequency, s
    pulse : the head's own pulse as the ground sends it back, same sampling

    Sources: edge histogram, Park et al. 2000; semblance, Taner and Koehler 1969; use on mines,
    Frigui and Gader 2009, Torrione et al. 2014.
    """
    patch = np.ascontiguousarray(patch)
    n, m = patch.shape
    apex = int(strongest_sample(patch[centre], bin_first, min(m, bin_first + bin_length)))
    window = max(2, bin_length // 2)
    lo, hi = max(0, apex - 2 * window), min(m, apex + 4 * window)
    late_lo, late_hi = min(m - 1, apex + 2 * window), min(m, apex + 6 * window)

    best, speed = -1.0, float(SPEEDS_M_PER_S[0])
    for v in SPEEDS_M_PER_S:
        s = float(semblance(patch, centre, float(apex), float(surface), dt_s, step_m, v, window // 2, antenna_m))
        if s > best:
            best, speed = s, float(v)

    near = max(1, round(0.08 / step_m))
    close = np.ascontiguousarray(patch[max(0, centre - near) : centre + near + 1])
    at = centre - max(0, centre - near)
    narrow = float(semblance(close, at, float(apex), float(surface), dt_s, step_m, speed, window // 2, antenna_m))
    flat = float(semblance(patch, centre, float(apex), float(surface), dt_s, step_m, 1e12, window // 2, antenna_m))

    across = column_energy(patch, lo, hi)
    here = float(across[centre])
    left = right = centre
    while left > 0 and across[left - 1] > 0.5 * here:
        left -= 1
    while right < n - 1 and across[right + 1] > 0.5 * here:
        right += 1
    down = patch[centre] ** 2
    level = 0.1 * down[apex]
    deep = apex
    quiet = 0
    while deep < m - 1 and quiet < 2 * window:
        deep += 1
        quiet = 0 if down[deep] > level else quiet + 1
    early = float(column_energy(patch[centre : centre + 1], lo, hi)[0])
    late = float(column_energy(patch[centre : centre + 1], late_lo, late_hi)[0])
    edges = edge_histogram(np.ascontiguousarray(patch[:, lo:hi]))

    features = _empty()
    two_way_s = (apex - surface) * dt_s
    values = {
        "radar_score": score,
        "radar_two_way_ns": two_way_s * 1e9,
        "radar_thickness_ns": (deep - quiet - apex) * dt_s * 1e9,
        "radar_width_m": (right - left + 1) * step_m,
        "radar_symmetry": float(patch_symmetry(np.ascontiguousarray(patch[:, lo:hi]), centre)),
        "radar_semblance": best,
        "radar_velocity_m_per_ns": speed * 1e-9,
        "radar_polarity": float(np.sign(patch[centre, apex])),
        "radar_spectral_centroid_ghz": float(spectral_centroid(patch[centre], lo, hi, dt_s)) * 1e-9,
        "radar_ringing": late / early if early > 0 else np.nan,
        "radar_edge_horizontal": float(edges[0]),
        "radar_edge_vertical": float(edges[1]),
        "radar_edge_rising": float(edges[2]),
        "radar_edge_falling": float(edges[3]),
        "radar_two_way_periods": two_way_s / period_s,
        "radar_flatness": flat - best,
        "radar_semblance_near": narrow,
        **aligned_look(patch, centre, apex, step_m, dt_s, period_s, pulse),
    }
    values["radar_centroid_ratio"] = values["radar_spectral_centroid_ghz"] * 1e9 * period_s
    for name, value in values.items():
        features[_INDEX[name]] = value
    return RadarShape(features, two_way_s, speed)


def metal_shape(
    gates: F8,
    row: int,
    taps: F8,
    half: int,
    axis: tuple[float, ...],
    soil_share: float,
    width_m: float,
    score: float,
    step_m: float,
    frequencies: tuple[float, ...] = (),
    soil: F8 | None = None,
) -> F8:
    """Describe a metal response; (len(FEATURES),).

    Parameters
    ----------
    gates : (n, values) offset-free readings of one coil round the alarm
    row : reading of the alarm
    taps, half : (half + 1,) the matched filter that stood out, centre outward
    axis : gate times, s; empty if the head does not state them
    soil_share : share of whitened energy along the soil's direction, 0 to 1
    width_m : full width at half height of that filter
    score : in units of the alarm threshold
    step_m : distance between readings
    frequencies : of a continuous wave, Hz; else empty
    soil : (values,) direction of the soil's answer, or None; continuous wave
    """
    features = _empty()
    gates = np.ascontiguousarray(gates)
    decay = filter_at(gates, row, taps, half)
    for name, value in swept_look(gates, row, decay, taps, half, axis, step_m).items():
        features[_INDEX[name]] = value
    if 2 * len(frequencies) == len(decay) and len(frequencies) >= 2:
        for name, value in wave_look(decay, noise_of(gates), frequencies, soil).items():
            features[_INDEX[name]] = value
    magnitude = np.abs(decay)
    total = 0.0
    for v in magnitude:
        total += float(v)
    features[_INDEX["metal_score"]] = score
    features[_INDEX["metal_width_m"]] = width_m
    features[_INDEX["metal_sign"]] = float(np.sign(decay[0]))
    features[_INDEX["metal_ground_likeness"]] = soil_share
    if len(axis) >= 3 and total > 0:
        # least squares of ln|v| on ln t, weighted by |v|: late gates hold mostly noise
        sw = sx = sy = sxx = sxy = late = 0.0
        for k, t in enumerate(axis):
            if magnitude[k] <= 0:
                continue
            w, x, y = float(magnitude[k]), float(np.log(t)), float(np.log(magnitude[k]))
            sw += w
            sx += w * x
            sy += w * y
            sxx += w * x * x
            sxy += w * x * y
            if 2 * k >= len(axis):
                late += w
        spread = sw * sxx - sx * sx
        if spread > 1e-12 * sw * sxx:
            features[_INDEX["metal_log_slope"]] = (sw * sxy - sx * sy) / spread
        features[_INDEX["metal_late_fraction"]] = late / total
    return features
