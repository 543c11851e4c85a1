"""Dense echoes beside the alarm stage: told only where no alarm by its own height stands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import Rows
from detector.kernels.cfar import local_peaks
from detector.radar.dense import DenseEcho, DenseEchoes

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]

Stands = Callable[[int, int, int, float], bool]
"""Whether an alarm at that row, channel and cell with that score would stand."""


class DenseAlarms:
    """Dense echoes of one segment that alarm. Beside the alarm stage, whose cells and scores it is told.

    Parameters
    ----------
    echoes : what finds them
    channels : antennas
    radius : rows within which a peak of the alarm stage keeps others away
    least, stands : of the alarm stage, see :class:`detector.decide.alarm.AlarmStage`
    """

    def __init__(
        self, echoes: DenseEchoes, channels: int, radius: int, least: float, stands: Stands | None
    ) -> None:  # fmt: skip
        self._echoes, self._channels = echoes, channels
        # what lies at the very radius of the alarm stage cannot be told from a flank of what lies beyond
        self._near = max(0, min(echoes.radius, radius - 1))
        self._least, self._stands = least, stands
        self._scores = Rows(2 * channels)

    @property
    def behind(self) -> int:
        """Rows of the B-scan before a row to be decided that must still be there."""
        return self._echoes.behind

    def entered(self, own: F4) -> None:
        """See :class:`detector.decide.alarm.Beside`."""
        self._echoes.entered(own)

    def compared(self, own: F4, ratio: F8) -> None:
        """See :class:`detector.decide.alarm.Beside`."""
        self._echoes.compared(own, ratio)

    def scored(self, scores: F8) -> None:
        """(n, 2 * channels) scores and cells of the alarm stage, of the next rows."""
        self._scores.append(scores)

    def process(self, decided: int, bscan: Rows) -> list[DenseEcho]:
        """Of the rows before `decided` that were not judged yet; `bscan` as :meth:`DenseEchoes.process` needs it."""
        found = [e for e in self._echoes.process(decided, bscan) if not self._alarms_near(e.row, e.channel)]
        self._scores.trim(decided - self._near - 2)
        return found

    def _alarms_near(self, row: int, channel: int) -> bool:
        first = max(self._scores.base, row - self._near - 1)
        held = self._scores.cut(first, row + self._near + 2)
        score = np.ascontiguousarray(held[:, channel])
        low, high = max(0, row - self._near - first), min(len(score), row + self._near + 1 - first)
        for r in local_peaks(score, low, high, 1, self._least):
            cell = int(held[r, self._channels + channel])
            if self._stands is None or self._stands(first + int(r), channel, cell, float(score[r])):
                return True
        return False
