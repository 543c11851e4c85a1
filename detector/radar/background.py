"""Background removal along slow time: coupling, surface and layers go, what stands out stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.background import start_background, subtract_background
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class BackgroundSettings(Settings):
    length_m: float = quantity(0.5, "m", 0.05, 20.0, "e-folding length of the background's memory")
    ahead_m: float = quantity(0.3, "m", 0.0, 10.0, "ground seen ahead; costs latency, steadies the start")
    clip: float = quantity(
        2.0, "mean absolute deviations", 0.5, 20.0, "largest pull of one A-scan: a target cannot erase itself"
    )


class Background:
    """Recursive background whose step per A-scan is bounded (a Huber-type influence).

    Latency: `ahead_m` in A-scans.
    """

    def __init__(self, settings: BackgroundSettings, geometry: RadarGeometry) -> None:
        self.latency = round(settings.ahead_m / geometry.step_m)
        self._alpha = min(1.0, geometry.step_m / settings.length_m)
        self._clip = settings.clip
        self._floor = max(geometry.lsb / np.sqrt(12.0), float(np.finfo(np.float64).tiny))
        self._line = DelayLine(0, self.latency, geometry.samples)
        self._level: F8 | None = None
        self._spread: F8 = np.empty(0)

    def process(self, ascans: F8) -> F8:
        """(n, samples) to (n', samples): as many A-scans late as the latency says."""
        return self._run(*self._line.push(ascans))

    def finish(self) -> F8:
        """The A-scans still owed at the end of a segment."""
        return self._run(*self._line.finish())

    def _run(self, rows: F8, lo: int, hi: int) -> F8:
        if hi == lo:
            return rows[:0]
        started = self._level is not None
        if self._level is None:
            self._level, self._spread = start_background(rows[: self.latency + 1])
            # floating-point samples have no count: 120 dB under the strongest echo is as good as nothing
            self._floor = max(self._floor, 1e-6 * float(np.max(np.abs(self._level))))
        out, _ = subtract_background(
            rows, lo, hi, self.latency, self._level, self._spread, self._alpha, self._clip, self._floor, started
        )
        return out
