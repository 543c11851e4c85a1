"""Rows with context: what every stage with a window along slow time stands on.

A stage that needs rows before and after the one it computes pushes rows in as they come and gets
back a buffer with a range of rows whose whole window is there. The window of a row is the same
whatever the cut of the input, so a stage built on this is exact by construction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


class DelayLine:
    """Holds the last `behind` rows and the next `ahead` rows round the one to be computed.

    Parameters
    ----------
    behind, ahead : rows of context; `ahead` is the latency in rows
    width : columns
    """

    def __init__(self, behind: int, ahead: int, width: int) -> None:
        self.behind = behind
        self.ahead = ahead
        self._rows: F8 = np.empty((0, width))
        self._next = 0

    def push(self, rows: F8) -> tuple[F8, int, int]:
        """Add rows (n, width). Returns (buffer, lo, hi): rows lo to hi - 1 can be computed now.

        Windows that reach beyond the buffer's first row reach beyond the start of the segment.
        """
        self._trim()
        self._rows = np.concatenate((self._rows, rows))
        lo = self._next
        hi = max(lo, len(self._rows) - self.ahead)
        self._next = hi
        return self._rows, lo, hi

    def finish(self) -> tuple[F8, int, int]:
        """The rows still owed; their windows end with the segment. The line is then empty."""
        self._trim()
        rows, lo = self._rows, self._next
        self._rows = rows[:0]
        self._next = 0
        return rows, lo, len(rows)

    def _trim(self) -> None:
        drop = max(0, self._next - self.behind)
        if drop:
            self._rows = self._rows[drop:]
            self._next -= drop
