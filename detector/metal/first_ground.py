"""The first ground of a segment, judged once more by the ground that follows it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.kernels.cells import draw_cells

F8 = NDArray[np.float64]


class FirstGround:
    """Deviations of the first cells, kept until the ground behind them tells what soil is worth here.

    The first ground teaches what soil gives before anything else is known. Where metal fills most of it, metal is
    soil, answers as little as soil does, and hides what answers like it. No direction of the answer tells the two
    apart: soil of unknown pulse length, conducting soil and a receiver's phase leave as much across the soil's
    directions as metal gives. The ground that follows tells.

    Parameters
    ----------
    first : cells, more than those that the soil is first learned from
    after : cells behind these that judge all of them; half as many do where the segment ends before
    """

    def __init__(self, first: int, after: int) -> None:
        self._first, self._after = first, after
        self._rows: list[F8] = []
        self._middles: list[F8] = []
        self._found: list[F8] = []
        self._noise: F8 = np.empty(0)
        self.missing = first + after
        """Cells that have still to come before they are judged; 0 once they have been."""

    def push(
        self, rows: F8, found: F8, middles: F8, noise: F8, judge: Callable[[F8, F8, F8, F8], F8 | None],
        last: bool = False,
    ) -> F8 | None:
        """Take the next cells, at most `missing`; once, when all are there, (n', width) energies of the first readings.

        rows : (n, W + 1) deviations of cells; found : (n, width) what they gave at first; middles : (n,) their middles
        in readings; noise : as of now, of which the first that comes counts; judge : of all rows, what they gave, those
        that judge (none where the segment ends too soon), and the noise, to their energies, None if nothing is known;
        last : no more will come
        """
        if not self._rows:
            self._noise = noise.copy()
        self._rows.append(rows.copy())
        self._middles.append(middles.copy())
        self._found.append(found)
        self.missing -= len(rows)
        if self.missing and not last:
            return None
        enough = self.missing <= self._after // 2
        self.missing = 0
        whole, middle = np.concatenate(self._rows), np.concatenate(self._middles)
        given = np.concatenate(self._found)
        self._rows, self._middles, self._found = [], [], []
        if not len(whole):
            return None
        energies = judge(whole, given, whole[self._first :] if enough else whole[:0], self._noise)
        if energies is None:
            return None
        return draw_cells(energies, middle, 0, int(middle[-1]) + 1)
