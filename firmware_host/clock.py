"""Time: a host clock that cannot jump, and a head's ticks in it by a minimum-delay fit."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np

from detector.samples import ClockFit, Int64Array

BIN_S: Final = 1.0
BINS: Final = 600
"""The fit looks back over this many bins: ten minutes, in which a crystal's drift hardly changes."""
LEAST_SPAN_S: Final = 30.0
"""Below this, jitter of a millisecond looks like 30 ppm, as much as a crystal's error: no drift is fitted."""
MOST_DRIFT: Final = 1e-3
"""A counter whose rate is off by more than this is not a crystal's: its description is wrong."""
JUMP_NS: Final = 50_000_000
"""The host's clock was set, rather than slewed, if it moved by more than this against the monotonic one."""


class HostClock:
    """UTC as it was when the session began, carried on by the monotonic clock.

    Calling it gives ns since 1970. If somebody sets the computer's clock meanwhile, these times do
    not follow: `jumped` tells by how much, once, so that it can be recorded.
    """

    def __init__(
        self, utc_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._utc_ns = utc_ns
        self._monotonic_ns = monotonic_ns
        self._anchor = utc_ns() - monotonic_ns()
        self._seen = self._anchor

    def __call__(self) -> int:
        return self._monotonic_ns() + self._anchor

    def jumped(self) -> int:
        """By how much the computer's clock was set since this was last asked, ns; 0 if it was not."""
        now = self._utc_ns() - self._monotonic_ns()
        moved = now - self._seen
        if abs(moved) < JUMP_NS:
            return 0
        self._seen = now
        return moved


class TickClock:
    """Maps unwrapped ticks of one head to host time.

    A record arrives later than it was taken, never earlier, and now and then by hardly anything. Of
    each second the record with the least delay is kept (minimum-delay filter: NTP, Mills 1991); through
    these points goes the line that lies under all of them and closest to them in sum, which is the edge
    of their lower convex hull over their mean time (Moon, Skelly and Towsley 1999). Its slope is the
    head's drift against the host, its height the offset. Times given out for a stream never go back,
    and never lie after arrival.
    """

    def __init__(self, tick_hz: float) -> None:
        self._ns_per_tick = 1e9 / tick_hz
        self._origin = 0
        """Device time to which the small numbers below are relative, ns."""
        self._offset0 = 0
        self._bins: deque[tuple[float, float]] = deque(maxlen=BINS)
        """(device time, delay) of the least delayed record of each second, ns after the origin and offset0."""
        self._bin = -1
        self._height = 0.0
        self._slope = 0.0
        self._begun = False
        self._last: dict[int, int] = {}

    def begin_again(self) -> None:
        """The head's counter began anew: what was fitted means nothing any more."""
        self._begun = False
        self._bins.clear()
        self._bin = -1
        self._height = self._slope = 0.0

    def to_utc(self, stream_id: int, ticks: Int64Array, arrival_ns: int) -> Int64Array:
        """(n,) host time, ns, of records whose last one arrived at arrival_ns; n > 0."""
        device = np.round(ticks * self._ns_per_tick).astype(np.int64)
        newest = int(device[-1])
        if not self._begun:
            self._begun = True
            self._origin, self._offset0 = newest, arrival_ns - newest
        self._observe(float(newest - self._origin), float(arrival_ns - newest - self._offset0))
        late = self._height + self._slope * (device - self._origin)
        utc = device + self._offset0 + np.floor(late).astype(np.int64)
        last = self._last.get(stream_id, np.iinfo(np.int64).min)
        out: Int64Array = np.maximum.accumulate(np.maximum(utc, last))
        self._last[stream_id] = int(out[-1])
        return out

    def fit(self) -> ClockFit:
        """What is known of the head's clock now."""
        x, y = np.array(self._bins).T if self._bins else np.zeros((2, 0))
        above = y - self._height - self._slope * x
        span_s = float(x[-1] - x[0]) * 1e-9 if len(x) else 0.0
        return ClockFit(
            utc_ns=max(self._last.values(), default=0),
            tick=round((self._origin + (x[-1] if len(x) else 0.0)) / self._ns_per_tick),
            offset_ns=int(self._offset0 + np.floor(self._height + self._slope * (x[-1] if len(x) else 0.0))),
            drift_ppm=1e6 * self._slope if span_s >= LEAST_SPAN_S else float("nan"),
            span_s=span_s,
            residual_median_us=float(np.median(above)) * 1e-3 if len(x) else float("nan"),
            residual_p95_us=float(np.quantile(above, 0.95)) * 1e-3 if len(x) else float("nan"),
        )

    def _observe(self, device: float, delay: float) -> None:
        number = int(device // (BIN_S * 1e9))
        if number > self._bin:
            if self._bin >= 0:
                self._refit()
            self._bins.append((device, delay))
            self._bin = number
        elif delay < self._bins[-1][1]:
            self._bins[-1] = (device, delay)
        # nothing arrives before it was taken: a record below the line says that the line is too high
        self._height = min(self._height, delay - self._slope * device)

    def _refit(self) -> None:
        points = list(self._bins)
        if points[-1][0] - points[0][0] < LEAST_SPAN_S * 1e9:
            self._slope = 0.0
            self._height = min(d for _, d in points)
            return
        hull: list[tuple[float, float]] = []
        for x, y in points:
            while len(hull) >= 2:
                (x1, y1), (x2, y2) = hull[-2], hull[-1]
                if (y2 - y1) * (x - x2) < (y - y2) * (x2 - x1):
                    break
                hull.pop()
            hull.append((x, y))
        middle = sum(x for x, _ in points) / len(points)
        for (x1, y1), (x2, y2) in itertools.pairwise(hull):
            if x1 <= middle <= x2:
                self._slope = min(MOST_DRIFT, max(-MOST_DRIFT, (y2 - y1) / (x2 - x1)))
                break
        self._height = min(y - self._slope * x for x, y in points)
