"""A-scans over a ground: where the antennas stand over which of its cells."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.simulate.full_wave.ground import Ground
from detector.simulate.full_wave.plan import LanePlan
from detector.simulate.full_wave.solver import node_coefficients, run_ascan, time_step

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]

REACH_M: Final = 0.52
"""Of the ground that an A-scan is computed in, each side of its middle."""
SEPARATION_M: Final = 0.08
"""Of source and receiver, along the lane."""


class Sounding:
    """The radar of a lane over its ground.

    ground : its size and materials; x_m : (n,) places of the A-scans; height : (n,) of the antennas, cells over the
    mean surface
    """

    def __init__(self, plan: LanePlan, ground: Ground, x_m: F8, height: NDArray[np.int64]) -> None:
        self._plan, self._ground, self._x_m, self._height = plan, ground, x_m, height
        cell = ground.cell_m
        self._reach, self._apart = round(REACH_M / cell), round(SEPARATION_M / cell / 2)
        self.dt_s = time_step(cell)
        self.separation_m = 2 * self._apart * cell
        self._nodes = np.empty((0, 0, 3), np.float32)

    def over(self, ids: NDArray[np.uint8]) -> Sounding:
        """It over other materials, (nx, ny) of the ground's table. Returns itself."""
        self._nodes = node_coefficients(ids, self._ground.table, self.dt_s)
        return self

    def ascan(self, k: int) -> F4:
        """A-scan `k`, V/m: (samples,) every `dt_s`."""
        g, reach, apart = self._ground, self._reach, self._apart
        middle = round((self._x_m[k] - g.x0_m) / g.cell_m)
        part = np.ascontiguousarray(self._nodes[middle - reach : middle + reach])
        y = int(g.y0 + self._height[k])
        return run_ascan(
            part, g.cell_m, self._plan.frequency_ghz * 1e9, self._plan.window_s, (reach - apart, y), (reach + apart, y)
        )
