"""Which ground was swept: a grid over a lane, marked by each sensor's footprint where its data were valid.

Four states, and only the last two count. What no sensor passed, and what was passed while data were lost or could
not be trusted, is listed to be swept again. Every sensor must have passed validly: ground that one of them missed
was not swept. Where a function test fails, all ground since the last one that passed loses its validity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detector.errors import SampleError
from detector.ground_map import Bool, GroundMap, map_states
from detector.kernels.coverage import pass_over
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]

MOST_CELLS = 1_000_000
"""Largest grid: a lane of 1 km by 2.5 m, or a field of 50 by 50 m, at 5 cm. Some 13 MB a sensor."""


class CoverageSettings(Settings):
    cell_m: float = quantity(0.05, "m", 0.01, 1.0, "side of a cell; half the smallest mine's diameter; assumed")
    radius_m: float = quantity(0.1, "m", 0.01, 2.0, "of the footprint: measure yours (sensitivity profile); assumed")
    visit_s: float = quantity(0.5, "s", 0.05, 60.0, "a pass this much later is another one, so it overlaps; assumed")
    passes: int = quantity(1, "1", 1, 2, "valid passes asked for: 2 where sweeps are to overlap everywhere")


class Coverage:
    """A lane's grid.

    Parameters
    ----------
    length_m, width_m : of the lane, from its corner at (0, 0)
    sensors : names; each must pass
    inside : rings of a polygon in the lane's metres, (n, 2) each; only ground in it counts (even-odd rule). None = all
    radii_m : of the sensors' footprints; settings.radius_m for those that are not in it

    Raises
    ------
    SampleError
        for a lane without size, or too large for a grid.
    """

    def __init__(
        self,
        length_m: float,
        width_m: float,
        sensors: Sequence[str],
        settings: CoverageSettings | None = None,
        inside: Sequence[F8] | None = None,
        radii_m: Mapping[str, float] | None = None,
    ) -> None:
        self.settings = settings or CoverageSettings()
        cell = self.settings.cell_m
        if not (0 < length_m < 1e6 and 0 < width_m < 1e6 and sensors):
            raise SampleError(f"A lane needs a length and a width in m and a sensor, not {length_m} by {width_m} m.")
        # whole cells: ground at the edge counts too
        shape = (max(1, int(np.ceil(length_m / cell - 1e-6))), max(1, int(np.ceil(width_m / cell - 1e-6))))
        if shape[0] * shape[1] > MOST_CELLS:
            raise SampleError(
                f"A lane of {length_m:g} by {width_m:g} m has more than {MOST_CELLS} cells of {cell:g} m. "
                "Split it, or use larger cells."
            )
        self.length_m, self.width_m = length_m, width_m
        self.radii_m = {s: (radii_m or {}).get(s, self.settings.radius_m) for s in sensors}
        self._reached = {s: np.zeros(shape, np.bool_) for s in sensors}
        self._visits = {s: np.zeros(shape, np.uint8) for s in sensors}
        self._last_s = {s: np.zeros(shape) for s in sensors}
        self._confirmed = {s: np.zeros(shape, np.uint8) for s in sensors}
        """Visits up to the last function test that passed."""
        self._doubted: Bool = np.zeros(shape, np.bool_)
        self.inside: Bool = np.ones(shape, np.bool_) if inside is None else within(inside, shape, cell)
        """(columns, rows) which cells belong to the lane."""

    def extend(self, length_m: float) -> None:
        """Make the lane longer; what was passed stays passed."""
        more = round(length_m / self.settings.cell_m) - len(self.inside)
        if more <= 0:
            return
        grown = ((0, more), (0, 0))
        self._reached = {s: np.pad(g, grown) for s, g in self._reached.items()}
        self._visits = {s: np.pad(g, grown) for s, g in self._visits.items()}
        self._last_s = {s: np.pad(g, grown) for s, g in self._last_s.items()}
        self._confirmed = {s: np.pad(g, grown) for s, g in self._confirmed.items()}
        self._doubted = np.pad(self._doubted, grown)
        self.inside = np.pad(self.inside, grown, constant_values=True)
        self.length_m = length_m

    def add(self, sensor: str, x_m: F8, y_m: F8, t_s: F8, valid: Bool, sigma_m: F8 | None = None) -> None:
        """Mark what one sensor passed.

        Parameters
        ----------
        x_m, y_m : (n,) along and across the lane; NaN = no place, which covers nothing
        t_s : (n,) time, s
        valid : (n,) whether each record can be trusted
        sigma_m : (n,) accuracy of the places, by which the footprint shrinks; NaN, or more than the footprint's
            radius: the record covers nothing. None = sure
        """
        cell = self.settings.cell_m
        x = np.asarray(x_m, np.float64) / cell
        pass_over(
            x,
            np.asarray(y_m, np.float64) / cell,
            np.asarray(t_s, np.float64),
            np.asarray(valid, np.bool_),
            self.radii_m[sensor] / cell,
            np.zeros(len(x)) if sigma_m is None else np.asarray(sigma_m, np.float64) / cell,
            self.settings.visit_s,
            self._reached[sensor],
            self._visits[sensor],
            self._last_s[sensor],
        )

    def confirm(self) -> None:
        """A function test has passed: what was swept before it stays swept, whatever later ones say."""
        self._confirmed = {s: v.copy() for s, v in self._visits.items()}

    def doubt(self) -> float:
        """A function test has failed: nothing since the last that passed counts. Returns the area that lost, m2."""
        before = self.map().counts
        self._doubted |= np.minimum.reduce(list(self._visits.values())) > np.minimum.reduce(
            list(self._confirmed.values())
        )
        self._visits = {s: v.copy() for s, v in self._confirmed.items()}
        return float(np.count_nonzero(before & ~self.map().counts)) * self.settings.cell_m**2

    def map(self) -> GroundMap:
        """The ground as it stands."""
        states = map_states(self._reached.values(), self._visits.values(), self.inside)
        doubted = self._doubted & (states == 1)
        return GroundMap(states, self.inside, doubted, self.settings.cell_m, self.settings.passes)


def within(rings: Sequence[F8], shape: tuple[int, int], cell: float) -> Bool:
    """(columns, rows) whether each cell's centre lies in the polygon, by crossings of a ray (even-odd rule)."""
    x = (np.arange(shape[0]) + 0.5)[:, None] * cell
    y = (np.arange(shape[1]) + 0.5)[None, :] * cell
    odd = np.zeros(shape, np.bool_)
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y1 == y2:
                continue
            crosses = (y1 > y) != (y2 > y)
            odd ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return odd
