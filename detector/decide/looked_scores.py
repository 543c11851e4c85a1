"""The radar's score along the lane as the second look leaves it: what a watcher sees is what the threshold met."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import Rows

F8 = NDArray[np.float64]


class LookedScores:
    """Raises or lowers the rows round each candidate as its look did; rows of no candidate stay as they are.

    The hump of a candidate is moved as a whole: of the candidates within +-`reach` rows the nearest counts, of two as
    near the earlier. Rows come out `reach` rows after the peaks there are decided.

    Parameters
    ----------
    groups : antennas, each with candidates of its own
    reach : rows
    give : told the number of the first row and (n, groups) scores
    """

    def __init__(self, groups: int, reach: int, give: Callable[[int, F8], None]) -> None:
        self._rows = Rows(groups)
        self._reach = reach
        self._give = give
        self._candidates: list[tuple[int, int, float]] = []

    @property
    def next(self) -> int:
        """The first row that is still to come out."""
        return self._rows.base

    def append(self, scores: F8) -> None:
        """(n, groups) rows as the prescreener scores them."""
        self._rows.append(scores)

    def looked(self, row: int, group: int, shift: float) -> None:
        """A candidate there had its score changed by `shift`; candidates come in the order of their rows."""
        self._candidates.append((row, group, shift))

    def settle(self, decided: int, last: bool = False) -> None:
        """No candidate comes before row `decided` any more; last : nor after."""
        first = self.next
        end = self._rows.end if last else max(first, decided - self._reach)
        if end == first:
            return
        out = self._rows.cut(first, end).copy()
        at = np.arange(first, end)
        distance = np.full(out.shape, self._reach + 1)
        shifts = np.zeros(out.shape)
        for row, group, shift in self._candidates:
            far = np.abs(at - row)
            nearer = far < distance[:, group]
            distance[nearer, group] = far[nearer]
            shifts[nearer, group] = shift
        self._rows.trim(end)
        self._candidates = [c for c in self._candidates if c[0] + self._reach >= end]
        self._give(first, out + shifts)
