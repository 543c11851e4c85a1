"""Drift removal: offset and slow wander of every gate, without eating a slow target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.background import start_background, subtract_background
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class DriftSettings(Settings):
    length_m: float = quantity(1.0, "m", 0.1, 50.0, "e-folding length of the baseline at the nominal speed")
    ahead_m: float = quantity(0.15, "m", 0.0, 5.0, "ground seen ahead; costs latency, steadies the start")
    clip: float = quantity(
        3.0, "mean absolute deviations", 0.5, 20.0, "largest pull of one reading: a target cannot erase itself"
    )


class DriftRemoval:
    """Recursive baseline with a bounded step; also gives the spread of each gate about it.

    Latency: `ahead_m` in readings.
    """

    def __init__(self, settings: DriftSettings, geometry: MetalGeometry) -> None:
        self.latency = round(settings.ahead_m / geometry.step_m)
        self._alpha = min(1.0, geometry.step_m / settings.length_m)
        self._clip = settings.clip
        self._floor = geometry.lsb / np.sqrt(12.0)
        self._line = DelayLine(0, self.latency, geometry.width)
        self._level: F8 | None = None
        self._spread: F8 = np.empty(0)

    def process(self, rows: F8) -> tuple[F8, F8]:
        """(n, width) to what is left (n', width) and its standard deviation per gate (n', width)."""
        return self._run(*self._line.push(rows))

    def finish(self) -> tuple[F8, F8]:
        return self._run(*self._line.finish())

    def _run(self, rows: F8, lo: int, hi: int) -> tuple[F8, F8]:
        if hi == lo:
            return rows[:0], rows[:0]
        started = self._level is not None
        if self._level is None:
            self._level, self._spread = start_background(rows[: self.latency + 1])
            # floating-point samples have no count: 240 dB under the offset is as good as nothing
            offset = 1e-12 * float(np.max(np.abs(self._level)))
            self._floor = max(self._floor, offset, float(np.finfo(np.float64).tiny))
        out, spread = subtract_background(
            rows, lo, hi, self.latency, self._level, self._spread, self._alpha, self._clip, self._floor, started
        )
        # 1.2533: standard deviation of Gaussian noise over its mean absolute deviation
        return out, 1.2533 * spread
