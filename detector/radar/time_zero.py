"""Time zero: every A-scan shifted so that the surface echo stays where it was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.kernels.fast_time import align_rows, find_surface
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]


class TimeZeroSettings(Settings):
    search_periods: float = quantity(
        6.0, "periods of the centre frequency", 1.0, 40.0, "how far from the first sample the surface echo may be"
    )
    gate_periods: float = quantity(
        1.5, "periods of the centre frequency", 0.5, 5.0, "half width of the gate in which A-scans are compared"
    )
    max_lag_ns: float = quantity(0.5, "ns", 0.02, 10.0, "largest shift from the first A-scan")
    max_jump_ns: float = quantity(0.3, "ns", 0.02, 5.0, "a larger jump between A-scans is not the ground")
    min_match: float = quantity(0.6, "1", 0.0, 1.0, "correlation below which the surface echo counts as lost")
    memory: int = quantity(50, "A-scans", 2, 5000, "A-scans averaged in the running reference")


class TimeZero:
    """Track the surface echo by cross-correlation with a running reference, to sub-sample lags.

    Runs after the band-pass, since the correlation is cleaner there and the shift commutes with
    it. Latency 0. Source: the usual alignment, e.g. Torrione, Throckmorton and Collins 2006.
    """

    latency = 0

    def __init__(self, settings: TimeZeroSettings, geometry: RadarGeometry) -> None:
        self._s = settings
        self._g = geometry
        self._reference: F8 | None = None
        self._state = np.zeros(3)
        self._gate = (0, 0)
        self.surface = 0
        """Sample index of the surface echo in aligned A-scans, known after the first one."""
        self.surface_level = 0.0
        """Magnitude of the first surface echo, stream's unit."""

    def process(self, ascans: F8) -> tuple[F8, U1]:
        """(n, samples) to aligned A-scans and (n,) flags: 1 where the surface echo was lost."""
        if len(ascans) == 0:
            return ascans, np.zeros(0, np.uint8)
        g, s = self._g, self._s
        max_lag = max(1, round(s.max_lag_ns * 1e-9 / g.dt_s))
        if self._reference is None:
            last = min(g.samples, max(8, round(s.search_periods * g.period_samples)))
            self.surface = int(find_surface(ascans[0], 0, last))
            self.surface_level = float(abs(ascans[0, self.surface]))
            half = max(2, round(s.gate_periods * g.period_samples))
            self._gate = (max(0, self.surface - half), min(g.samples, self.surface + half + 1))
            self._reference = ascans[0].copy()
        aligned, _, lost = align_rows(
            ascans,
            self._reference,
            self._gate,
            max_lag,
            s.max_jump_ns * 1e-9 / g.dt_s,
            s.min_match,
            s.memory,
            self._state,
        )
        return aligned, lost
