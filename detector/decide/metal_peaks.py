"""Which places of a metal detector's energies stand out, those beside stronger metal included."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import AlarmSettings, Peak
from detector.delay_line import Rows
from detector.kernels.cfar import log_cells
from detector.kernels.metal_peaks import find_peaks

F8 = NDArray[np.float64]

_ALONE: Final = 1.2
"""Radii within which a filter's own peak is its highest. At 1 bumps on the flanks of strong metal count, at 1.7 next to
no second object is left."""

_SLOWEST: Final = 0.25
"""Nominal steps that a reading counts at least: a head that stands still goes on, as its cells do."""

_BEHIND_M: Final = 1.0
"""Ground behind a peak on which its own answer is followed."""


class MetalPeaks:
    """Peaks of ln(1 + energy), energies in units of their ground (`own-ground`), along the way that the head went.

    The largest of all filters and coils alarms where it is the highest within `radius_m`. The widest filter's flank of
    a strong target swallows what lies beside it; a narrow filter still shows it. So a peak of any one filter counts
    too, the highest of its own within 1.2 `radius_m`, by what it rises above the ground on both sides, in nepers, where
    that is less than its height: a bump on a flank rises little. It counts where no peak of the largest lies within
    `radius_m`; of two filters' the one that counts for more.

    Distance is the odometer's where it says one, else the nominal step. Latency: 2.2 `radius_m` and a reading.

    Parameters
    ----------
    step_m : nominal distance between readings, m
    threshold : score at which a place alarms
    """

    def __init__(self, settings: AlarmSettings, step_m: float, threshold: float) -> None:
        self._settings = settings
        self._radius, self._step, self.threshold = settings.radius_m, step_m, threshold
        # the windows of a row, those of what it is compared with, and a reading beyond them
        self._wait = (1.0 + _ALONE) * settings.radius_m + step_m
        self._scores: Rows | None = None
        self._cells: Rows | None = None
        self._along = Rows(1)
        self._travelled, self._place = 0.0, math.nan
        self.seen: Callable[[int, F8], None] | None = None
        """Given the first row and (n, 1) scores, as soon as they are there."""
        self.decided = 0
        """Rows of this segment for which no peak can come any more."""
        self.untested = 0
        """Rows that could not be tested: none, the energies have their ground."""

    @property
    def latency(self) -> int:
        """Rows between energy and alarm at the nominal speed."""
        return max(1, math.ceil(self._wait / self._step))

    @property
    def kept(self) -> int:
        """Rows before `decided` in which a peak to come may begin, at most."""
        return math.ceil(self._radius / (_SLOWEST * self._step)) + 1

    @property
    def settled(self) -> int:
        """The row before the first in which an alarm to come may lie: its place is the middle of its answer."""
        along = self._along.held[:, 0]
        if self._scores is None or len(along) == 0:
            return -1
        next_along = along[min(self.decided - self._along.base, len(along) - 1)]
        return self._along.base + int(np.searchsorted(along, next_along - self._radius)) - 1

    def process(self, energy: F8, places_m: F8) -> list[Peak]:
        """(n, coils, filters) energy and (n,) places along the sweep, NaN where not known."""
        if len(energy) == 0:
            return []
        n, coils, filters = energy.shape
        cells = log_cells(np.ascontiguousarray(energy.reshape(n, -1)), np.ones(coils * filters)).astype(np.float64)
        shaped = cells.reshape(n, coils, filters)
        own = shaped.max(axis=1)
        columns = np.concatenate((own.max(axis=1, keepdims=True), own), axis=1)
        which = np.concatenate((cells.argmax(axis=1)[:, None], shaped.argmax(axis=1) * filters + np.arange(filters)), 1)
        if self._scores is None or self._cells is None:
            self._scores, self._cells = Rows(columns.shape[1]), Rows(columns.shape[1], np.int64)
        if self.seen is not None:
            self.seen(self._scores.end, columns[:, :1])
        self._scores.append(columns)
        self._cells.append(which)
        self._along.append(self._travel(places_m)[:, None])
        along = self._along.held[:, 0]
        # the first row whose windows may still grow
        end = self._along.base + int(np.searchsorted(along, along[-1] - self._wait))
        return self._peaks(end)

    def finish(self) -> list[Peak]:
        """Peaks among the rows still owed at the end of the segment."""
        return self._peaks(self._along.end)

    def again(self, energy: F8, places_m: F8, rows: list[int]) -> list[Peak]:
        """Peaks of a segment's first rows by other energies, further than 1.2 `radius_m` from rows that alarmed.

        energy, places_m : as in :meth:`process`, of the first rows; a peak in the last of them is a flank of what
        lies beyond
        """
        fresh = MetalPeaks(self._settings, self._step, self.threshold)
        along = MetalPeaks(self._settings, self._step, self.threshold)._travel(places_m)
        found = fresh.process(energy, places_m) + fresh.finish()
        near = along[[row for row in rows if row < len(along)]]
        return [
            peak
            for peak in found
            if peak.row < len(along) - 1 and (np.abs(near - along[peak.row]) > _ALONE * self._radius).all()
        ]

    def _travel(self, places_m: F8) -> F8:
        """(n,) distance travelled in this segment up to each reading, m."""
        steps = np.abs(np.diff(places_m, prepend=self._place))
        steps = np.where(np.isfinite(steps), np.maximum(steps, _SLOWEST * self._step), self._step)
        # one sum after the other, whatever the cut
        travelled = np.cumsum(np.concatenate(([self._travelled], steps)))[1:]
        self._place, self._travelled = float(places_m[-1]), float(travelled[-1])
        return travelled

    def _peaks(self, end: int) -> list[Peak]:
        if end <= self.decided or self._scores is None or self._cells is None:
            return []
        base, score, along = self._scores.base, self._scores.held, self._along.held.reshape(-1)
        lo, hi = self.decided - base, end - base
        rows, columns, worth = find_peaks(score, along, lo, hi, self._radius, _ALONE * self._radius, self.threshold)
        found = [
            self._peak(score[:, k], along, int(i), base, float(w), int(self._cells.held[i, k]))
            for i, k, w in zip(rows, columns, worth, strict=True)
        ]
        self.decided = end
        reach = max(_BEHIND_M, self._wait) + self._step
        first = int(np.searchsorted(along, along[min(hi, len(along) - 1)] - reach))
        for kept in (self._scores, self._cells, self._along):
            kept.trim(base + first - 1)
        return found

    def _peak(self, score: F8, along: F8, row: int, base: int, worth: float, cell: int) -> Peak:
        near = (int(k) for k in np.searchsorted(along, (along[row] - self._radius, along[row] + self._radius)))
        lowest, highest = next(near), min(next(near), len(along) - 1)
        first, last = _stretch(score, row, 0.5 * self.threshold, lowest, highest)
        # a wide coil low over metal answers twice, under either side of its winding, and a strong one saturates: the
        # highest reading is then not over the metal, the middle of a quarter of the energy or more is
        quarter = math.log1p(0.25 * math.expm1(float(score[row])))
        a, b = _stretch(score, row, quarter, lowest, highest)
        middle = (a + b) // 2
        hidden = self._hidden(score, along, row, middle)
        return Peak(base + row, base + first, base + last, worth, cell, 0, base + middle, hidden)

    def _hidden(self, score: F8, along: F8, row: int, middle: int) -> float:
        """How far from its middle a peak's answer stays above the threshold, m: the larger of behind and ahead.

        As far as every cut of the rows has them: 1 m behind, what the decision waits for ahead.
        """
        first, last = _stretch(score, row, self.threshold, 0, len(along) - 1)
        behind = min(along[row] - along[first], _BEHIND_M) - (along[row] - along[middle])
        ahead = min(along[last] - along[row], self._wait) + (along[row] - along[middle])
        return float(max(behind, ahead))


def _stretch(score: F8, row: int, level: float, lowest: int, highest: int) -> tuple[int, int]:
    """First and last row of the stretch round one that is at that level or above, within bounds."""
    first = last = row
    while first > lowest and score[first - 1] >= level:
        first -= 1
    while last < highest and score[last + 1] >= level:
        last += 1
    return first, last
