"""The alarm stage: which places stand out from the ground at hand, at a set false-alarm rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.cfar import (
    averaged_log_ratio,
    local_peaks,
    log_cells,
    mean_of_largest,
    ordered_log_ratio,
    strongest_near,
)
from detector.metal_description import MetalDescription
from detector.settings import Settings, choice, quantity

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]


class AlarmSettings(Settings):
    method: Literal["order-statistic", "cell-average", "own-ground"] = choice(
        "order-statistic",
        "order-statistic: each cell against its own depth; cell-average: against a frame in depth too (2-D CFAR); "
        "own-ground: cells come in units of their ground already, as those of the metal detector do, see MetalPeaks",
    )
    false_alarms_per_m: float = quantity(
        0.1, "1/m", 1e-4, 10.0, "wanted false alarms per metre of lane; sets the threshold"
    )
    reference_m: float = quantity(1.0, "m", 0.1, 50.0, "ground behind the head that the cell is compared with")
    ahead_m: float = quantity(1.0, "m", 0.0, 50.0, "ground ahead that it is compared with; costs latency")
    guard_m: float = quantity(0.2, "m", 0.0, 10.0, "ground around the cell left out: a target's own extent")
    quantile: float = quantity(
        0.4, "1", 0.05, 0.95, "order statistic of the reference; low, so that other targets in it count little"
    )
    slope_cells: int = quantity(
        1,
        "cells",
        0,
        20,
        "the ground's figure is the strongest of so many cells up and down: layers slope (order-statistic)",
    )
    depth_cells: int = quantity(2, "cells", 0, 50, "frame above and below the cell (cell-average)")
    depth_guard_cells: int = quantity(1, "cells", 0, 50, "cells above and below left out of it (cell-average)")
    top: int = quantity(3, "cells", 1, 20, "cells averaged: an echo fills more than one depth bin")
    radius_m: float = quantity(0.12, "m", 0.01, 5.0, "of peaks nearer than this only the largest alarms")


@dataclass(frozen=True, slots=True)
class Tail:
    """How high the score of target-free ground reaches, as fitted on development lanes.

    Above ``level`` the rate of peaks higher than s falls as ``rate_per_m * exp(-(s - level) / scale)``,
    the exponential member of the generalised Pareto family.
    """

    level: float
    scale: float
    rate_per_m: float

    def threshold(self, false_alarms_per_m: float) -> float:
        """Score that target-free ground exceeds at that rate per metre; at least 0.1: scores are divided by it."""
        return max(0.1, self.level + self.scale * math.log(self.rate_per_m / false_alarms_per_m))


@dataclass(frozen=True, slots=True)
class Alarm:
    """One sensor's alarm, placed in time and space and described. Unknown figures are NaN."""

    sensor: str
    """'metal' or 'radar'."""
    channel: int
    first_seq: int
    peak_seq: int
    last_seq: int
    first_tick: int
    peak_tick: int
    last_tick: int
    utc_ns: int
    x_m: float
    x_sigma_m: float
    score: float
    """In units of the alarm threshold."""
    two_way_s: float
    depth_m: float
    depth_sigma_m: float
    features: F8
    """(len(FEATURES),) with this sensor's entries filled."""
    metal: MetalDescription | None = None
    """What the answer is like, for people; None of a radar."""
    dense: bool = False
    """Whether it alarms as one of dense echoes, see detector/radar/dense.py: its shape is its score,
    and of its other features none is told."""
    first_channel: int = -1
    """First and ..."""
    last_channel: int = -1
    """... last antenna that it was joined of; -1 where it is that of `channel` alone."""
    members: tuple[Alarm, ...] = ()
    """The lower ones that it was joined of, each as it was."""

    @property
    def channels(self) -> tuple[int, int]:
        """First and last channel that it covers."""
        return (self.channel, self.channel) if self.first_channel < 0 else (self.first_channel, self.last_channel)


@dataclass(frozen=True, slots=True)
class Peak:
    """An alarm before anybody asked what it is. Rows count from the start of the segment."""

    row: int
    first_row: int
    last_row: int
    score: float
    """Mean log energy ratio of the top cells."""
    cell: int
    """The cell of its group that stood out most."""
    group: int
    """The antenna; 0 where all coils stand in one group."""
    middle: int
    """Where it lies: of energies in units of the ground, the middle of where half the amplitude is; else `row`."""
    hidden_m: float = math.nan
    """How far from it its own answer stands above the threshold, of energies in units of the ground, m."""


class Beside(Protocol):
    """What looks at the same cells beside an alarm stage."""

    def entered(self, own: F4) -> None:
        """(n, cells) log energies as they come."""
        ...

    def compared(self, own: F4, ratio: F8) -> None:
        """(n, cells) log energies of rows that were compared, and by how much they exceed their ground, or NaN."""
        ...


class AlarmStage:
    """CFAR on log energy per cell, top cells averaged, local peaks reported.

    Score = mean over the `top` largest cells of ln(energy / figure of the ground around).
    Latency: `ahead_m` plus `radius_m` in rows. One instance serves one segment of one stream. Where more than its score
    decides, a peak that does not stand hides no lower one beside it that is above the threshold by itself: that is
    reported too.
    Source: Rohling 1983 (OS-CFAR); Torrione, Throckmorton and Collins 2006 (depth-binned energies).

    Parameters
    ----------
    step_m : distance between rows, m
    cells : columns of energy, over all groups
    threshold : score at which a place alarms, see :class:`Tail`
    groups : antennas whose cells are scored apart
    least : score from which a peak is reported, where more than its score decides; the threshold unless given
    stands : where more than its score decides, told a row, its group, cell and score: whether an alarm there would
        stand. Of the same place it says the same, whenever it is asked
    """

    def __init__(
        self,
        settings: AlarmSettings,
        step_m: float,
        cells: int,
        threshold: float,
        groups: int = 1,
        least: float | None = None,
        stands: Callable[[int, int, int, float], bool] | None = None,
    ) -> None:
        self._s = settings
        self._stands = stands
        self.threshold = threshold
        self.least = threshold if least is None else least
        self._groups = groups
        self._behind = max(1, round(settings.reference_m / step_m))
        self._ahead = round(settings.ahead_m / step_m)
        self._guard = round(settings.guard_m / step_m)
        self._radius = max(1, round(settings.radius_m / step_m))
        self._minimum = max(4, min(self._behind, round(0.3 / step_m)))
        self._ground = DelayLine(self._behind + 1, self._ahead, cells, np.float32)
        self._cells = DelayLine(0, self._ahead, cells, np.float32)
        self.slope = settings.slope_cells if settings.method == "order-statistic" else 0
        """Cells up and down whose strongest stands for a row's ground."""
        self._ordered = np.zeros((cells, self._behind + self._ahead + 2), np.float32)
        self._window = np.zeros(5, np.int64)
        self._scores = DelayLine(self._radius, self._radius, 2 * groups)
        self._scored = 0
        self.seen: Callable[[int, F8], None] | None = None
        """Given the first row and (n, 2 * groups) scores and cells, as soon as they are there."""
        self.beside: Beside | None = None
        """Told what is compared with what."""
        self.decided = 0
        """Rows of this segment for which no alarm can come any more."""
        self.untested = 0
        """Rows of this segment that had too little ground around them to be tested, over all groups."""

    @property
    def latency(self) -> int:
        """Rows between energy and alarm."""
        return self._ahead + self._radius

    @property
    def kept(self) -> int:
        """Rows before `decided` in which a peak to come may begin."""
        return self._radius

    @property
    def settled(self) -> int:
        """The row before the first in which an alarm to come may lie."""
        return self.decided - 1

    def ground(self, first: int, rows: int) -> NDArray[np.bool_]:
        """Of rows from `first` on, once `rows` have come: whether each is tested, as far as that is known in order.

        A row is tested from the moment at which enough of them have come for its reference. (k,), k <= rows - first.
        """
        at = np.arange(first, rows)
        missing = self._minimum - np.minimum(at, self._behind)
        if self._s.method == "own-ground":
            missing[:] = 0
        tested = missing <= np.minimum(self._ahead, rows - 1 - at)
        open_ = np.flatnonzero(~tested & (missing <= self._ahead))
        return tested[: open_[0]] if len(open_) else tested

    def process(self, energy: F8, floor: F8) -> list[Peak]:
        """(n, cells) energy, and (cells,) the least that means anything."""
        own = log_cells(energy, floor)
        if self.beside is not None:
            self.beside.entered(own)
        ground = strongest_near(own, self._groups, self.slope) if self.slope else own
        return self._peaks(self._score(self._cells.push(own), self._ground.push(ground)), last=False)

    def finish(self) -> list[Peak]:
        """Peaks among the rows still owed at the end of the segment."""
        return self._peaks(self._score(self._cells.finish(), self._ground.finish()), last=True)

    def _score(self, own: tuple[F4, int, int], ground: tuple[F4, int, int]) -> F8:
        """(n, 2 * groups): scores, then the cell that stood out most, of the n rows that are due."""
        s = self._s
        buffer, lo, hi = ground
        tested = own[0][own[1] : own[2]]
        if s.method == "order-statistic":
            ratio = ordered_log_ratio(
                tested, buffer, lo, hi, self._behind, self._ahead, self._guard, s.quantile, self._minimum,
                self._ordered, self._window,
            )  # fmt: skip
        elif s.method == "own-ground":
            ratio = tested.astype(np.float64)
        else:
            ratio = averaged_log_ratio(
                buffer, lo, hi, self._behind, self._ahead, self._guard, self._minimum, self._groups, s.depth_cells,
                s.depth_guard_cells,
            )  # fmt: skip
        if self.beside is not None:
            self.beside.compared(tested, ratio)
        score, cell = mean_of_largest(ratio, s.top, self._groups)
        self.untested += int(np.count_nonzero(np.isnan(score)))
        return np.concatenate((score, cell.astype(np.float64)), axis=1)

    def _peaks(self, scores: F8, last: bool) -> list[Peak]:
        if self.seen is not None:
            self.seen(self._scored, scores)
        self._scored += len(scores)
        found = self._report(*self._scores.push(scores))
        if last:
            found += self._report(*self._scores.finish())
        return found

    def _report(self, buffer: F8, lo: int, hi: int) -> list[Peak]:
        peaks = []
        base = self.decided - lo
        edge = 0.5 * self.threshold
        for group in range(self._groups):
            score = np.ascontiguousarray(buffer[:, group])
            rows = local_peaks(score, lo, hi, self._radius, self.least)
            if self._stands is not None:
                cells = buffer[:, self._groups + group]
                crests = local_peaks(score, lo, hi, 1, self.threshold)
                beside = [r for r in np.setdiff1d(crests, rows) if self._uncovered(score, cells, int(r), base, group)]
                rows = np.sort(np.append(rows, np.array(beside, np.int64)))
            for row in rows:
                first = last = int(row)
                while first > max(0, row - self._radius) and score[first - 1] > edge:
                    first -= 1
                while last < min(len(score), row + self._radius + 1) - 1 and score[last + 1] > edge:
                    last += 1
                cell = int(buffer[row, self._groups + group])
                at = base + int(row)
                peaks.append(Peak(at, base + first, base + last, float(score[row]), cell, group, at))
        self.decided += hi - lo
        return peaks

    def alarms(self, score: F8, cells: F8, row: int, base: int, group: int) -> bool:
        """Whether a crest is reported and stands, as far as (n,) scores and cells of rows from `base` on show; row : of
        these. What lies beyond them covers nothing."""
        first, last = max(0, row - self._radius), row + self._radius + 1
        highest = bool(np.argmax(np.nan_to_num(score[first:last], nan=-np.inf)) == row - first)
        if self._stands is None:
            return highest
        turn = highest or (score[row] >= self.threshold and self._uncovered(score, cells, row, base, group))
        return turn and self._stands(base + row, group, int(cells[row]), float(score[row]))

    def _uncovered(self, score: F8, cells: F8, row: int, base: int, group: int) -> bool:
        """Whether all that is higher within the radius of a crest belongs to crests that do not stand.

        A crest at the very radius cannot be told from a flank of what lies beyond, and covers it.
        """
        assert self._stands is not None
        first, last = max(0, row - self._radius), min(len(score) - 1, row + self._radius)
        higher = np.zeros(len(score), dtype=bool)
        higher[first:row] = score[first:row] >= score[row]
        higher[row + 1 : last + 1] = score[row + 1 : last + 1] > score[row]
        for crest in local_peaks(score, first + 1, last, 1, float(score[row])):
            if not higher[crest]:
                continue
            if self._stands(base + int(crest), group, int(cells[crest]), float(score[crest])):
                return False
            low = high = int(crest)
            while low > first and score[low - 1] <= score[low]:
                low -= 1
            while high < last and score[high + 1] <= score[high]:
                high += 1
            higher[low : high + 1] = False
        return not higher.any()
