"""Impulse rejection: sferics and switching spikes, shorter than any target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.slow_time import reject_impulses
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class ImpulseSettings(Settings):
    half_window: int = quantity(2, "readings", 0, 50, "readings either side in the median; 0 = leave out")
    limit: float = quantity(6.0, "robust standard deviations", 2.0, 100.0, "further than this is an impulse")
    longest_ms: float = quantity(
        12.0, "ms", 0.0, 100.0, "the window shrinks so that it stays shorter than any target under the head"
    )


class ImpulseRejection:
    """Hampel filter over successive readings of each gate. Latency: half the window."""

    def __init__(self, settings: ImpulseSettings, geometry: MetalGeometry) -> None:
        longest = int(settings.longest_ms * 1e-3 * geometry.rate_hz / 2)
        self.latency = min(settings.half_window, longest)
        self._limit = settings.limit
        self._line = DelayLine(self.latency, self.latency, geometry.width)

    def process(self, rows: F8) -> F8:
        """(n, width) to (n', width), late by the latency."""
        return self._run(*self._line.push(rows))

    def finish(self) -> F8:
        return self._run(*self._line.finish())

    def _run(self, rows: F8, lo: int, hi: int) -> F8:
        if self.latency == 0:
            return rows[lo:hi]
        return reject_impulses(rows, lo, hi, self.latency, self._limit)
