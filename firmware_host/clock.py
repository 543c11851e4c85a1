"""The head's ticks in host time: a minimum-delay filter on arrival times."""

from __future__ import annotations

import numpy as np

from detector.samples import Int64Array


class TickClock:
    """Maps unwrapped ticks to UTC.

    A record arrives later than it was taken, never earlier, and sometimes by hardly anything: the
    smallest difference seen between arrival and tick time is the best estimate of the offset
    (the minimum-delay filter of NTP, Mills 1991). Times given out never go back.
    """

    def __init__(self, tick_hz: float) -> None:
        self._ns_per_tick = 1e9 / tick_hz
        self._offset_ns: int | None = None
        self._last = np.iinfo(np.int64).min

    def begin_again(self) -> None:
        """The head's counter began anew: the offset seen so far means nothing any more."""
        self._offset_ns = None

    def to_utc(self, ticks: Int64Array, arrival_ns: int) -> Int64Array:
        """(n,) UTC, ns, of records whose last one arrived at arrival_ns; n > 0."""
        device = np.round(ticks * self._ns_per_tick).astype(np.int64)
        offset = arrival_ns - int(device[-1])
        self._offset_ns = offset if self._offset_ns is None else min(self._offset_ns, offset)
        out: Int64Array = np.maximum.accumulate(np.maximum(device + self._offset_ns, self._last))
        self._last = int(out[-1])
        return out
