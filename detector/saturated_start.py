"""A segment that begins with a saturated head: metal too strong to be measured, and no ground to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm
from detector.detections import FEATURES
from detector.kernels.ground import MOST_ENERGY
from detector.metal.geometry import MetalGeometry
from detector.samples import NO_ODOMETER, SampleBlock
from detector.segment import place_m

F8 = NDArray[np.float64]

PIECE_M: Final = 0.5
"""A shorter saturated start is metal that the chain alarms on by the ground behind it; a longer one has an alarm for
each such piece of it, and the chain begins behind it: readings that do not change are no noise and no ground."""
_MOST_PIECES: Final = 10
"""So much metal without an end is a head that rests on it, or is broken: it stays marked and does not alarm any more.
The chain begins with the first reading of which any value says something: it may be all that a broken coil gives."""
_SLOWEST: Final = 0.25
"""Nominal steps that a reading counts at least: a head that stands still gives alarms too."""


@dataclass(slots=True)
class Begun:
    """What some readings at the start of a segment came to."""

    alarms: list[Alarm] = field(default_factory=list)
    waiting: list[SampleBlock] = field(default_factory=list)
    """Saturated; where they go is known later."""
    saturated: list[SampleBlock] = field(default_factory=list)
    """Left out of the chain for good."""
    rest: list[SampleBlock] = field(default_factory=list)
    """For the chain, in order."""


class SaturatedStart:
    """Takes the readings of a segment until one is sound. One is, where any coil's is: a coil that stands at an end for
    good is broken, and the others go on.

    Memory and latency: at most the readings of one piece.

    Parameters
    ----------
    threshold : score at which a place alarms
    """

    def __init__(self, geometry: MetalGeometry, threshold: float) -> None:
        self._g, self._threshold = geometry, threshold
        self._held: list[SampleBlock] = []
        self._rows: list[list[int]] = []
        """seq, tick, utc_ns, odometer_um of the piece at hand."""
        self._along, self._last = 0.0, NO_ODOMETER
        self._pieces = 0
        """Left out so far."""
        self.over = geometry.low == float("-inf") and geometry.high == float("inf")
        """Whether the chain has begun: readings need not pass here any more."""

    def push(self, block: SampleBlock, physical: F8) -> Begun:
        """Next readings, (n, width) in the stream's unit; not asked any more once it is over."""
        inside = (physical > self._g.low) & (physical < self._g.high)
        if self._pieces == _MOST_PIECES:
            return self._mute(block, inside)
        out = Begun()
        sound = np.all(inside.reshape(len(block), self._g.channels, -1), axis=2)
        bad = ~np.any(sound, axis=1)
        n = len(block) if bad.all() else int(np.argmin(bad))
        first = 0
        rows = np.column_stack((block.seq, block.tick, block.utc_ns, block.odometer_um))[:n].tolist()
        for i, row in enumerate(rows):
            if self._pass(row):
                out.saturated += [*self._held, block[first : i + 1]]
                self._held, first = [], i + 1
                out.alarms.append(self._alarm())
                if self._pieces == _MOST_PIECES:
                    rest = self._mute(block[first:], inside[first:])
                    out.saturated += rest.saturated
                    out.rest += rest.rest
                    return out
        if n > first:
            if self._pieces:
                out.saturated.append(block[first:n])
            else:
                self._held.append(block[first:n])
                out.waiting.append(block[first:n])
        if n < len(block):
            self._end(out)
            out.rest.append(block[n:])
        return out

    @property
    def open_tick(self) -> int | None:
        """Of the first record of a piece that may still alarm, None if there is none."""
        return self._rows[0][1] if self._rows else None

    def _mute(self, block: SampleBlock, inside: NDArray[np.bool_]) -> Begun:
        """What follows the last piece that alarms."""
        speaks = np.any(inside, axis=1)
        n = int(np.argmax(speaks)) if speaks.any() else len(block)
        self.over = n < len(block)
        return Begun(saturated=[block[:n]] if n else [], rest=[block[n:]] if self.over else [])

    def finish(self) -> Begun:
        """The segment has ended."""
        out = Begun()
        if not self.over:
            self._end(out)
        return out

    def _pass(self, row: list[int]) -> bool:
        """Whether a piece ends with that reading: seq, tick, utc_ns, odometer_um."""
        step = self._g.step_m
        known = row[3] != NO_ODOMETER and self._last != NO_ODOMETER
        self._along += max(abs(row[3] - self._last) * 1e-6, _SLOWEST * step) if known else step
        self._last = row[3]
        self._rows.append(row)
        return self._along >= PIECE_M

    def _end(self, out: Begun) -> None:
        self.over = True
        if self._pieces and self._rows:
            out.alarms.append(self._alarm())
        out.rest, self._held = self._held, []

    def _alarm(self) -> Alarm:
        """Of the piece at hand, in its middle."""
        first, here, last = self._rows[0], self._rows[len(self._rows) // 2], self._rows[-1]
        score = float(np.log1p(MOST_ENERGY)) / self._threshold
        features = np.full(len(FEATURES), np.nan)
        features[FEATURES.index("metal_score")] = score
        nan = float("nan")
        x_m = place_m(here[3])
        sigma = self._along / np.sqrt(12.0) if x_m == x_m else nan
        self._rows, self._along = [], 0.0
        self._pieces += 1
        return Alarm(
            sensor="metal", channel=0, first_seq=first[0], peak_seq=here[0], last_seq=last[0], first_tick=first[1],
            peak_tick=here[1], last_tick=last[1], utc_ns=here[2], x_m=x_m, x_sigma_m=float(sigma), score=score,
            two_way_s=nan, depth_m=nan, depth_sigma_m=nan, features=features,
        )  # fmt: skip
