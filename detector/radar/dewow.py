"""Dewow: the slow swing that antenna coupling leaves under an A-scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.kernels.fast_time import subtract_running_mean
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class DewowSettings(Settings):
    window_periods: float = quantity(
        3.0, "periods of the centre frequency", 1.0, 20.0, "two to three periods keep the pulse whole"
    )
    blank_samples: int = quantity(
        2, "samples", 0, 64, "GSSI and others store scan markers in the first two samples of a scan"
    )


class Dewow:
    """Blank marker samples, then subtract the running mean within each A-scan.

    Latency 0. Source: Jol (ed.), Ground Penetrating Radar: Theory and Applications, 2009, ch. 5.
    """

    latency = 0

    def __init__(self, settings: DewowSettings, geometry: RadarGeometry) -> None:
        self._half = max(1, round(settings.window_periods * geometry.period_samples / 2))
        self._blank = min(settings.blank_samples, geometry.samples - 1)

    def process(self, ascans: F8) -> F8:
        """(n, samples) in the stream's unit, to the same."""
        if self._blank:
            ascans = ascans.copy()
            ascans[:, : self._blank] = ascans[:, self._blank : self._blank + 1]
        return subtract_running_mean(ascans, self._half)
