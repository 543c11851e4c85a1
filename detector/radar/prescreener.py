"""Prescreener: energy per depth bin of the focused B-scan, the cells that the alarm stage tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.focus import focused_energy, hyperbola_delays
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


class PrescreenerSettings(Settings):
    aperture_m: float = quantity(0.15, "m", 0.0, 3.0, "half aperture of the diffraction stack")
    slow_m_per_ns: float = quantity(0.08, "m/ns", 0.03, 0.3, "slowest wave speed tried: wet clay 0.06")
    fast_m_per_ns: float = quantity(0.15, "m/ns", 0.03, 0.3, "fastest wave speed tried: dry sand 0.15")
    speeds: int = quantity(3, "1", 1, 12, "wave speeds tried, spread evenly in 1/v")
    first_periods: float = quantity(
        0.45, "periods of the centre frequency", 0.0, 10.0, "first depth bin, after the surface echo"
    )
    bin_periods: float = quantity(0.75, "periods of the centre frequency", 0.25, 10.0, "length of a depth bin")
    max_depth_ns: float = quantity(0.0, "ns", 0.0, 2000.0, "last bin, after the surface echo; 0 = whole A-scan")


class Prescreener:
    """Coherent sum along hyperbolas for a few wave speeds, then mean square per depth bin; bins
    overlap by half.

    A coherent sum over the aperture gains about sqrt(A-scans) in signal-to-noise ratio and pulls the
    tails of an echo together to its apex. Latency: `aperture_m` in A-scans. Source: Kirchhoff
    (diffraction-stack) migration, Schneider 1978; depth-binned energy, Torrione et al. 2006.
    """

    def __init__(self, settings: PrescreenerSettings, geometry: RadarGeometry, surface: int) -> None:
        g = geometry
        self.latency = round(settings.aperture_m / g.step_m)
        slow, fast = sorted((settings.slow_m_per_ns, settings.fast_m_per_ns))
        self.speeds_m_per_s: F8 = 1e9 / np.linspace(1 / fast, 1 / slow, settings.speeds)
        self.bin_length = max(2, round(settings.bin_periods * g.period_samples))
        first = min(surface + max(1, round(settings.first_periods * g.period_samples)), g.samples - self.bin_length)
        last = g.samples
        if settings.max_depth_ns > 0:
            last = min(last, surface + round(settings.max_depth_ns * 1e-9 / g.dt_s))
        stop = max(first + 1, last - self.bin_length + 1)
        self.bins: I8 = np.arange(max(0, first), stop, max(1, self.bin_length // 2), dtype=np.int64)
        self._delays = hyperbola_delays(
            g.samples, float(surface), g.dt_s, g.step_m, self.latency, self.speeds_m_per_s
        )
        self._taper = 0.5 + 0.5 * np.cos(np.pi * np.arange(self.latency + 1) / (self.latency + 1))
        self._line = DelayLine(self.latency, self.latency, g.samples)

    def process(self, ascans: F8) -> tuple[F8, I8]:
        """(n, samples) to energy (n', bins) and the index of the best wave speed (n', bins)."""
        return self._run(*self._line.push(ascans))

    def finish(self) -> tuple[F8, I8]:
        """The rows still owed at the end of a segment."""
        return self._run(*self._line.finish())

    def _run(self, rows: F8, lo: int, hi: int) -> tuple[F8, I8]:
        energy, which = focused_energy(rows, lo, hi, self._delays, self._taper, self.bins, self.bin_length)
        return energy, which
