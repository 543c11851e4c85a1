"""Impulse rejection: sferics and switching spikes, shorter than any target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.impulse import reject_impulses
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class ImpulseSettings(Settings):
    half_window: int = quantity(2, "readings", 0, 2, "readings either side in the median; 0 = leave out")
    limit: float = quantity(
        8.0, "mean distances from the neighbours", 4.0, 200.0, "further from the median is an impulse; about 8 sigma"
    )
    longest_ms: float = quantity(
        12.0, "ms", 0.0, 100.0, "the window shrinks so that it stays shorter than any target under the head"
    )


class ImpulseRejection:
    """Median of up to five successive readings of each gate, used where a reading is far from it.

    The yardstick is a running mean distance over 128 readings, not the spread within the window: five
    readings are too few to tell their own spread, and would have one good reading in thirty replaced.
    Latency: half the window. Source: Hampel 1974; Pearson 2002 (decision filter).
    """

    def __init__(self, settings: ImpulseSettings, geometry: MetalGeometry) -> None:
        longest = int(settings.longest_ms * 1e-3 * geometry.rate_hz / 2)
        self.latency = min(settings.half_window, longest)
        self._limit = settings.limit
        self._floor = max(geometry.lsb / 4.0, float(np.finfo(np.float64).tiny))
        self._line = DelayLine(self.latency, self.latency, geometry.width)
        self._spread: F8 = np.zeros(geometry.width)
        self._count = 0

    def process(self, rows: F8) -> F8:
        """(n, width) to (n', width), late by the latency."""
        if self.latency == 0:
            return rows
        return self._run(*self._line.push(rows))

    def finish(self) -> F8:
        """What is still owed at the end of the segment."""
        return self._run(*self._line.finish())

    def _run(self, rows: F8, lo: int, hi: int) -> F8:
        out = reject_impulses(
            rows, lo, hi, self.latency, self._limit, 1.0 / 128.0, self._floor, self._spread, self._count
        )
        self._count += hi - lo
        return out
