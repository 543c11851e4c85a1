"""Time-varying gain: what spreading and absorption took from late echoes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class GainSettings(Settings):
    power: float = quantity(1.0, "1", 0.0, 4.0, "exponent of the spreading gain (t / one period)^power")
    absorption_db_per_ns: float = quantity(1.0, "dB/ns", 0.0, 20.0, "two-way absorption made good; soils 0 to 10")
    limit_db: float = quantity(40.0, "dB", 0.0, 120.0, "gain stops growing here")


class Gain:
    """Multiply by a fixed curve of time below the surface; no automatic gain, which would destroy
    the amplitude statistics that the alarm stage rests on. Latency 0.
    """

    latency = 0

    def __init__(self, settings: GainSettings, geometry: RadarGeometry) -> None:
        self._s = settings
        self._g = geometry

    def curve(self, surface: int) -> F8:
        """(samples,) factor for a surface echo at that sample index; 1 above the ground."""
        t = np.maximum(0.0, (np.arange(self._g.samples) - surface) * self._g.dt_s)
        db = 20.0 * self._s.power * np.log10(1.0 + t * self._g.centre_frequency_hz)
        db += self._s.absorption_db_per_ns * t * 1e9
        return np.asarray(10.0 ** (np.minimum(db, self._s.limit_db) / 20.0))

    def process(self, ascans: F8, curve: F8) -> F8:
        """(n, samples) times (samples,)."""
        return ascans * curve
