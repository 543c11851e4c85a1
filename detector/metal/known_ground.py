"""What ground of this session that was judged answers, for the next segment, which begins without any of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import Rows
from detector.kernels.ground import start_soil

F8 = NDArray[np.float64]

_WEIGHING_PASSES = 3


@dataclass(frozen=True, slots=True)
class KnownGround:
    """Of C coils, F filters and r coordinates.

    Attributes
    ----------
    soil : (C, F, r, r) covariance of the ground's answers above its baselines
    level : (C * r,) what stood there below all that: ground, head and its drift
    spread : (C, F, r, r) covariance of the levels round it
    """

    soil: F8
    level: F8
    spread: F8


class LevelMemory:
    """Coordinates of the last cells as they are, no baseline taken off.

    Parameters
    ----------
    cells : how many are kept
    guard : cells beside one that do not judge it
    """

    def __init__(self, cells: int, guard: int, width: int) -> None:
        self._cells, self._guard = cells, guard
        self._rows = Rows(width)

    def push(self, rows: F8) -> None:
        self._rows.append(rows)
        self._rows.trim(self._rows.end - self._cells)

    def known(self, soil: F8, strange: float) -> KnownGround:
        """With the covariance that was learned of the same ground. Metal counts little, as in :func:`start_soil`."""
        held = self._rows.held
        level = np.median(held, axis=0)
        spread = np.zeros_like(soil)
        everything = np.eye(soil.shape[-1])
        start_soil(np.ascontiguousarray(held - level), everything, self._guard, strange, _WEIGHING_PASSES, spread)
        return KnownGround(soil.copy(), level, spread)
