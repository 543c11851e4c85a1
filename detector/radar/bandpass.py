"""Zero-phase band-pass within the A-scan: keep the band in which the antenna radiates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from detector.kernels.biquad import sos_zero_phase_rows
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class BandpassSettings(Settings):
    low: float = quantity(0.3, "centre frequencies", 0.05, 0.9, "lower corner; below it is swing, not echo")
    high: float = quantity(2.0, "centre frequencies", 1.1, 5.0, "upper corner; above it is noise")
    order: int = quantity(2, "1", 1, 4, "Butterworth order of each edge, run forward and backward")


class Bandpass:
    """Butterworth band-pass, forward and backward, so echoes keep their time.

    Latency 0: works within one A-scan. Source: Gustafsson 1996 discusses the ends; here they are
    padded by odd reflection as scipy.signal.sosfiltfilt does.
    """

    latency = 0

    def __init__(self, settings: BandpassSettings, geometry: RadarGeometry) -> None:
        nyquist = 0.5 / geometry.dt_s
        low = settings.low * geometry.centre_frequency_hz
        high = min(settings.high * geometry.centre_frequency_hz, 0.9 * nyquist)
        if low >= 0.95 * high:
            low = 0.5 * high
        self._sos = np.ascontiguousarray(
            signal.butter(settings.order, [low, high], "bandpass", fs=1.0 / geometry.dt_s, output="sos")
        )
        self._zi = np.ascontiguousarray(signal.sosfilt_zi(self._sos))
        self._pad = min(geometry.samples - 2, round(4 * geometry.period_samples))

    def process(self, ascans: F8) -> F8:
        """(n, samples) to the same."""
        return sos_zero_phase_rows(ascans, self._sos, self._zi, self._pad)
