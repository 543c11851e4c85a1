"""Whether a peak is only the far lobe of a matched filter over a stronger target that has just passed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.kernels.sweep import filter_at

F8 = NDArray[np.float64]

_OPPOSED = -0.95
"""Cosine between the two answers, below which one is the other's negative."""
_LARGEST = 0.5
"""Of a lobe over its peak; the filters' own is 0.36 at most, over a target as wide as the filter."""
_NOISE = 4.0
"""Amplitude in standard deviations, all values together, over the root of their number, that is as good as none."""


@dataclass(frozen=True, slots=True)
class _Passed:
    row: int
    answers: F8
    """(widths, channels * values) what each filter gives at the peak."""


class LobeWatch:
    """Remembers the peaks of a segment and knows their lobes.

    A zero-sum filter over a strong target answers again beside it, with the opposite sign. Such a peak is a lobe only
    where *every* width gives the negative of what it gave at a stronger peak within the filter's reach before, by at
    most half, or nothing above the noise. Metal of its own that outweighs the lobe in any width answers there with its
    own sign, so it is none. Only for pulse induction, where the sign is the same for all metal.

    Parameters
    ----------
    filters, halves : the bank: (count, longest half + 1) taps from the centre outward, and half lengths
    values : of a coil
    """

    def __init__(self, filters: F8, halves: NDArray[np.int64], values: int) -> None:
        self._filters, self._halves, self._values = filters, halves, values
        self._passed: deque[_Passed] = deque(maxlen=64)

    @property
    def reach(self) -> int:
        """Rows on either side of a peak that are asked for."""
        return int(self._halves.max())

    def is_lobe(self, rows: F8, at: int, row: int, coil: int) -> bool:
        """Judge a peak and remember it.

        Parameters
        ----------
        rows : (n, channels * values) offset-free readings round the peak
        at : the peak among them; row : the peak in the segment; coil : where it stands out
        """
        rows = np.ascontiguousarray(rows)
        answers = np.stack([filter_at(rows, at, t, int(h)) for t, h in zip(self._filters, self._halves, strict=True)])
        while self._passed and self._passed[0].row < row - 2 * self.reach:  # and the target has its own width
            self._passed.popleft()
        mine = slice(coil * self._values, (coil + 1) * self._values)
        noise = self._noise(rows[:, mine])
        lobe = any(self._opposed(answers[:, mine] / noise, p.answers[:, mine] / noise) for p in self._passed)
        if not lobe:
            self._passed.append(_Passed(row, answers))
        return lobe

    def _opposed(self, answers: F8, before: F8) -> bool:
        least = _NOISE * np.sqrt(self._values)
        said = False
        for w, (a, b) in enumerate(zip(answers, before, strict=True)):
            taps = self._filters[w, : self._halves[w] + 1]
            size = float(np.linalg.norm(a))
            if size <= least * float(np.sqrt(taps[0] ** 2 + 2.0 * np.sum(taps[1:] ** 2))):
                continue
            strength = float(np.linalg.norm(b))
            if size > _LARGEST * strength or float(a @ b) > _OPPOSED * size * strength:
                return False
            said = True
        return said

    @staticmethod
    def _noise(rows: F8) -> F8:
        if len(rows) < 3:
            return np.full(rows.shape[1], np.inf)
        e = (rows[2:] - 2.0 * rows[1:-1] + rows[:-2]) / np.sqrt(6.0)
        sigma: F8 = np.maximum(np.sqrt(np.mean(e**2, axis=0)), 1e-150)
        return sigma
