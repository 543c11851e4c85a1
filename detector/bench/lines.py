"""Lines in a spectrum, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from detector.bench.steps import F8

MAINS_HZ: Final = (50.0, 60.0)
_HARMONICS: Final = 40
_FOLDED: Final = 11
"""Harmonics beyond half the record rate that are named: with more of them any line would be one."""

BANDS: Final = (
    (87.5e6, 108e6, "FM broadcast"),
    (174e6, 230e6, "television and digital radio, VHF"),
    (390e6, 400e6, "TETRA"),
    (470e6, 694e6, "television, UHF"),
    (694e6, 862e6, "mobile telephone, 700 and 800 MHz"),
    (868e6, 870e6, "short-range devices"),
    (880e6, 960e6, "mobile telephone, 900 MHz"),
    (1164e6, 1300e6, "satellite navigation"),
    (1559e6, 1610e6, "satellite navigation"),
    (1710e6, 1880e6, "mobile telephone, 1800 MHz"),
    (1880e6, 1900e6, "DECT"),
    (1920e6, 2170e6, "mobile telephone, 2100 MHz"),
    (2400e6, 2483.5e6, "Wi-Fi and Bluetooth, 2.4 GHz"),
    (2500e6, 2690e6, "mobile telephone, 2600 MHz"),
    (3400e6, 3800e6, "mobile telephone, 3.5 GHz"),
    (5150e6, 5875e6, "Wi-Fi, 5 GHz"),
)
"""Uses of bands in ITU region 1, roughly; other regions differ."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One-sided, over gates added up in units of each gate's noise, or of one series."""

    hz: F8
    density: F8
    """unit^2/Hz."""
    floor: F8
    """Running median, as a mean of noise would be, unit^2/Hz."""
    averages: float
    """Equivalent number of independent segments."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line."""

    hz: float
    rms: float
    """In the series' unit."""
    low: float
    high: float
    above_floor_db: float
    name: str


def spectrum(x: F8, rate_hz: float, resolution_hz: float) -> Spectrum:
    """Welch's periodogram of a series (n,), Hann windows overlapping by half, each less its mean."""
    n = min(len(x), max(16, round(rate_hz / resolution_hz)))
    hz, density = scipy.signal.welch(x, rate_hz, "hann", n)
    segments = max(1, (len(x) - n) // (n - n // 2) + 1)
    averages = segments if segments == 1 else segments / (1 + 2 * (1 / 6) ** 2 * (1 - 1 / segments))
    width = max(5, min(len(density) // 8 * 2 + 1, 61))
    # the median of averaged power lies under its mean by a known share
    share = float(scipy.stats.chi2.median(2 * averages)) / (2 * averages)
    floor = scipy.ndimage.median_filter(density, width, mode="reflect") / share
    return Spectrum(np.asarray(hz), np.asarray(density), np.asarray(floor), float(averages))


def find_lines(s: Spectrum, false_alarm: float, from_hz: float) -> list[tuple[int, int]]:
    """Ranges of bins, first and last, that stand out as noise would once in 1/false_alarm spectra."""
    used = np.nonzero((s.hz >= from_hz) & (s.floor > 0))[0]
    dof = np.full(len(s.hz), 2 * s.averages)
    dof[-1] = s.averages  # Nyquist's bin is real; mains at half the record rate fall into it
    limit = scipy.stats.chi2.isf(false_alarm / max(1, len(used)), dof) / dof
    limit[-1] *= 0.5  # and one-sided spectra do not double it
    above = np.zeros(len(s.hz), bool)
    above[used] = s.density[used] > limit[used] * s.floor[used]
    labels, count = scipy.ndimage.label(scipy.ndimage.binary_closing(np.pad(above, 2), iterations=1)[2:-2] | above)
    return [(int(part[0].start), int(part[0].stop) - 1) for part in scipy.ndimage.find_objects(labels, count)]


def lines_of(s: Spectrum, false_alarm: float = 0.01, from_hz: float = 0.0, name_of: str = "mains") -> list[Line]:
    """The lines in it, strongest first.

    The power of a line is what its bins hold above the floor, two bins more on each side; its bounds are those of
    that sum of noise and line (normal approximation).

    name_of : 'mains' for record rates, 'band' for a radar's fast time
    """
    out = []
    step = float(s.hz[1] - s.hz[0])
    nyquist = float(s.hz[-1])
    for first, last in find_lines(s, false_alarm, from_hz):
        a, b = max(1, first - 2), min(len(s.hz) - 1, last + 2)
        power = (s.density[a : b + 1] - s.floor[a : b + 1]).sum() * step
        if power <= 0:
            continue
        peak = first + int(s.density[first : last + 1].argmax())
        weights = np.maximum(s.density[a : b + 1] - s.floor[a : b + 1], 0.0)
        hz = float((s.hz[a : b + 1] * weights).sum() / weights.sum())
        # noise alone scatters each bin by floor/sqrt(averages), line and noise together by the mixed term
        mixed = s.floor[a : b + 1] ** 2 + 2 * s.floor[a : b + 1] * weights
        scatter = 1.96 * float(np.sqrt(2.5 * mixed.sum() / s.averages)) * step  # neighbours of a Hann window go along
        out.append(
            Line(
                hz,
                float(np.sqrt(power)),
                float(np.sqrt(max(0.0, power - scatter))),
                float(np.sqrt(power + scatter)),
                float(10 * np.log10(s.density[peak] / s.floor[peak])),
                mains_name(hz, 2 * nyquist, 1.5 * step) if name_of == "mains" else band_name(hz, 1.5 * step),
            )
        )
    return sorted(out, key=lambda line: -line.rms)


def folded(hz: float, rate_hz: float) -> float:
    """Where a frequency shows in records of that rate."""
    rest = hz % rate_hz
    return min(rest, rate_hz - rest)


def mains_name(hz: float, rate_hz: float, tolerance_hz: float) -> str:
    """The mains and harmonic that a line may be, folded as the record rate folds it; or that it is none.

    Mains wander by 0.05 Hz, a harmonic by as many times more.
    """
    fits: list[tuple[int, float]] = []
    for base in MAINS_HZ:
        for k in range(1, _HARMONICS + 1):
            if k > _FOLDED and k * base > rate_hz / 2:
                break
            if abs(folded(k * base, rate_hz) - hz) <= tolerance_hz + 0.05 * k:
                fits.append((k, base))
                break
    if not fits:
        return "no mains harmonic; a switching supply, a vibration, or a carrier folded down by the record rate"
    fits.sort()
    k, base = fits[0]
    names = [f"{b:.0f} Hz mains" + (f", harmonic {j}" if j > 1 else "") for j, b in fits if j <= 3 * k]
    seen = "" if k * base <= rate_hz / 2 else f" (folded from {k * base:.0f} Hz)"
    return " or ".join(names) + seen


def band_name(hz: float, tolerance_hz: float = 0.0) -> str:
    """The uses of the bands in which a line of a radar's spectrum may lie."""
    names = [name for low, high, name in BANDS if low - tolerance_hz <= hz <= high + tolerance_hz]
    if not names:
        return "in no band that is named here"
    return f"may be {' or '.join(dict.fromkeys(names))} (known to {tolerance_hz / 1e6:.0f} MHz)"


def fast_spectrum(residue: F8, interval_s: float) -> Spectrum:
    """Mean periodogram of A-scans less their mean: residue (n, samples), sampled every interval_s."""
    hz, density = scipy.signal.periodogram(residue, 1 / interval_s, "hann", detrend="constant", axis=1)
    mean = density.mean(axis=0)
    width = max(5, min(len(mean) // 8 * 2 + 1, 61))
    averages = float(len(residue))
    share = float(scipy.stats.chi2.median(2 * averages)) / (2 * averages)
    floor = scipy.ndimage.median_filter(mean, width, mode="reflect") / share
    return Spectrum(np.asarray(hz), np.asarray(mean), np.asarray(floor), averages)
