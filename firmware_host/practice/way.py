"""Where the head is on a practice lane: along the odometer since the lane was begun, else by a speed that was said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.samples import SampleBlock

F8 = NDArray[np.float64]


class Way:
    """Places along the lane, from 0 at the first record with a place after `begin`.

    Parameters
    ----------
    tick_hz : of the head
    reckon_m_per_s : for records without an odometer; 0 = those have no place

    Attributes
    ----------
    begun : whether the lane was begun
    origin_m : the odometer's reading at 0; 0 for dead reckoning, NaN before there was any place
    """

    def __init__(self, tick_hz: float, reckon_m_per_s: float = 0.0) -> None:
        self._tick_hz, self._reckon = tick_hz, reckon_m_per_s
        self.begun = False
        self.origin_m = float("nan")
        self._by_odometer = False
        self._first_tick = 0

    @property
    def known(self) -> bool:
        """Whether there was a place yet."""
        return self.origin_m == self.origin_m

    def begin(self) -> None:
        """The learner begins the lane; again does nothing."""
        self.begun = True

    def places(self, block: SampleBlock) -> bool:
        """Whether records such as these have a place."""
        return self._reckon > 0 or bool(np.isfinite(block.odometer_m).any())

    def x_m(self, block: SampleBlock) -> F8:
        """(n,) m along the lane; NaN where a record has no place. The first one that has begins it.

        What the first record says decides for all: an odometer that comes or goes later places nothing in between.
        """
        if not self.begun or len(block) == 0:
            return np.full(len(block), np.nan)
        odometer = block.odometer_m
        if not self.known:
            first = np.flatnonzero(np.isfinite(odometer))
            if self._reckon > 0:
                self.origin_m, self._first_tick = 0.0, int(block.tick[0])
            elif len(first):
                self.origin_m, self._by_odometer = float(odometer[first[0]]), True
            else:
                return np.full(len(block), np.nan)
        if self._by_odometer:
            return np.asarray(odometer - self.origin_m)
        return np.asarray(self._reckon * (block.tick - self._first_tick) / self._tick_hz)
