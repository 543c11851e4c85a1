"""Dense echoes beside the alarm stage: told only where no alarm by its own height stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import AlarmStage
from detector.delay_line import Rows
from detector.kernels.cfar import local_peaks
from detector.radar.dense import DenseEcho, DenseEchoes

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]


class DenseAlarms:
    """Dense echoes of one segment that alarm. Beside the alarm stage, whose cells and scores it is told.

    Parameters
    ----------
    echoes : what finds them
    channels : antennas
    stage : the alarm stage, a peak of which keeps others away
    """

    def __init__(self, echoes: DenseEchoes, channels: int, stage: AlarmStage) -> None:
        self._echoes, self._channels, self._stage = echoes, channels, stage
        # what lies at the very radius of the alarm stage cannot be told from a flank of what lies beyond
        self._near = max(0, min(echoes.radius, stage.kept - 1))
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
        self._scores.trim(decided - self._near - self._stage.kept - 1)
        return found

    def _alarms_near(self, row: int, channel: int) -> bool:
        """Whether a crest near it alarms, and does not give way to a higher one further off.

        What is higher is known as far as the alarm stage's radius reaches from the row itself.
        """
        far = self._near + self._stage.kept
        first = max(self._scores.base, row - far)
        held = self._scores.cut(first, row + self._stage.kept + 1)
        score, cells = np.ascontiguousarray(held[:, channel]), held[:, self._channels + channel]
        low, high = max(0, row - self._near - first), min(len(score), row + self._near + 1 - first)
        crests = local_peaks(score, low, high, 1, self._stage.least)
        return any(self._stage.alarms(score, cells, int(r), first, channel) for r in crests)
