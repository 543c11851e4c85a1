"""Antenna height: the ground bounce under a raised antenna, held still and at one strength."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.radar.geometry import RadarGeometry
from detector.radar.time_zero import Alignment
from detector.settings import Settings, quantity

F4 = NDArray[np.float32]
I8 = NDArray[np.int64]
C_M_PER_S = 299792458.0


class HeightSettings(Settings):
    antenna_m: float = quantity(
        0.0, "m", 0.0, 3.0, "nominal height over the ground; 0 = on the ground, and rays are not refracted"
    )
    gate_periods: float = quantity(1.0, "periods of the centre frequency", 0.25, 5.0, "half width of the bounce's gate")
    range_m: float = quantity(0.05, "m", 0.001, 1.0, "largest change of height that is followed")
    memory: int = quantity(50, "A-scans", 2, 5000, "A-scans averaged in the running reference")


class Height:
    """After time zero stands on the direct wave: track the ground bounce, hold it still, and make good
    the spreading that a changed height costs echoes from below.

    Shifts by 2 dh / c and scales by (h + dh) / h, h = nominal height. The direct wave, which does not move
    with the ground, is smeared by it: that is the price, paid above the surface where nothing is sought.
    Without a nominal height only the shift is done. Latency 0.
    """

    latency = 0

    def __init__(self, settings: HeightSettings, geometry: RadarGeometry, direct: I8) -> None:
        g = geometry
        delay = round(2.0 * settings.antenna_m / C_M_PER_S / g.dt_s)
        self.surface: I8 = np.minimum(direct + delay, g.samples - 2)
        """(channels,) sample of the ground bounce."""
        half = max(2, round(settings.gate_periods * g.period_samples))
        reach_ns = 2e9 * settings.range_m / C_M_PER_S
        self._bounce = Alignment(g, self.surface, half, reach_ns, 0.5 * reach_ns, 0.3, 0.1, settings.memory)
        self._m_per_sample = 0.5 * C_M_PER_S * g.dt_s
        self._nominal = settings.antenna_m

    def process(self, ascans: F4) -> tuple[F4, NDArray[np.uint8]]:
        """(n, channels, samples) aligned on the direct wave; the same aligned on the bounce, and 1 where it is lost."""
        held, lags, lost = self._bounce.process(ascans)
        if self._nominal > 0.0:
            factor = np.clip(1.0 + lags * self._m_per_sample / self._nominal, 0.25, 4.0)
            held *= factor[:, :, None].astype(np.float32)
        return held, lost
