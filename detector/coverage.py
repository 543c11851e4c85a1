"""Which ground was swept: a grid over a lane, marked by the head's footprint where its data were valid.

Four states, and only the last two count. What no sensor passed, and what was passed while data were lost or could
not be trusted, is listed to be swept again. Every sensor must have passed validly: ground that one of them missed
was not swept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detector.errors import SampleError
from detector.kernels.coverage import pass_over
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]
Bool = NDArray[np.bool_]

MOST_CELLS = 4_000_000
"""Largest grid: a lane of 1 km by 10 m at 5 cm."""


class CoverageSettings(Settings):
    cell_m: float = quantity(0.05, "m", 0.01, 1.0, "side of a cell; half the smallest mine's diameter; assumed")
    radius_m: float = quantity(0.1, "m", 0.01, 2.0, "of the footprint: measure yours (sensitivity profile); assumed")
    visit_s: float = quantity(0.5, "s", 0.05, 60.0, "a pass this much later is another one, so it overlaps; assumed")
    most_sigma_m: float = quantity(0.25, "m", 0.01, 10.0, "a record placed less surely covers nothing; assumed")


class Ground(IntEnum):
    """State of a cell."""

    NOT_REACHED = 0
    INVALID = 1
    """Reached, but some sensor's data were lost or cannot be trusted."""
    VALID = 2
    OVERLAPPED = 3
    """Valid more than once for every sensor."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Connected ground that does not count as swept: where to sweep again."""

    x_m: tuple[float, float]
    """From, to along the lane."""
    y_m: tuple[float, float]
    """From, to across the lane."""
    area_m2: float
    reached: bool
    """Whether the head was there, with data that do not count."""


class Coverage:
    """A lane's grid.

    Parameters
    ----------
    length_m, width_m : of the lane, from its corner at (0, 0)
    sensors : names; each must pass
    inside : (n, 2) vertices of a polygon in the lane's metres; only ground in it counts. None = all

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
        inside: F8 | None = None,
    ) -> None:
        self.settings = settings or CoverageSettings()
        cell = self.settings.cell_m
        if not (0 < length_m < 1e6 and 0 < width_m < 1e6 and sensors):
            raise SampleError(f"A lane needs a length and a width in m and a sensor, not {length_m} by {width_m} m.")
        shape = (max(1, round(length_m / cell)), max(1, round(width_m / cell)))
        if shape[0] * shape[1] > MOST_CELLS:
            raise SampleError(
                f"A lane of {length_m:g} by {width_m:g} m has more than {MOST_CELLS} cells of {cell:g} m. "
                "Split it, or use larger cells."
            )
        self.length_m, self.width_m = length_m, width_m
        self._reached = {s: np.zeros(shape, np.bool_) for s in sensors}
        self._visits = {s: np.zeros(shape, np.uint8) for s in sensors}
        self._last_s = {s: np.zeros(shape) for s in sensors}
        self.inside: Bool = np.ones(shape, np.bool_) if inside is None else _within(inside, shape, cell)
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
        self.inside = np.pad(self.inside, grown, constant_values=True)
        self.length_m = length_m

    def add(self, sensor: str, x_m: F8, y_m: F8, t_s: F8, valid: Bool, sigma_m: F8 | None = None) -> None:
        """Mark what one sensor passed.

        Parameters
        ----------
        x_m, y_m : (n,) along and across the lane; NaN = no place, which covers nothing
        t_s : (n,) time, s
        valid : (n,) whether each record can be trusted
        sigma_m : (n,) accuracy of the places; None = sure
        """
        cell = self.settings.cell_m
        x = np.asarray(x_m, np.float64) / cell
        if sigma_m is not None:
            x = np.where(sigma_m <= self.settings.most_sigma_m, x, np.nan)
        pass_over(
            x,
            np.asarray(y_m, np.float64) / cell,
            np.asarray(t_s, np.float64),
            np.asarray(valid, np.bool_),
            self.settings.radius_m / cell,
            self.settings.visit_s,
            self._reached[sensor],
            self._visits[sensor],
            self._last_s[sensor],
        )

    def states(self) -> NDArray[np.uint8]:
        """(columns, rows) of Ground; outside the lane NOT_REACHED."""
        reached = np.logical_or.reduce(list(self._reached.values()))
        visits = np.minimum.reduce(list(self._visits.values()))
        out = np.where(visits > 1, Ground.OVERLAPPED, np.where(visits > 0, Ground.VALID, Ground.NOT_REACHED))
        out = np.where((visits == 0) & reached, Ground.INVALID, out)
        return np.where(self.inside, out, Ground.NOT_REACHED).astype(np.uint8)

    def shares(self) -> dict[Ground, float]:
        """Share of the lane in each state; they add to 1."""
        states, total = self.states()[self.inside], max(1, int(self.inside.sum()))
        return {g: float(np.count_nonzero(states == g)) / total for g in Ground}

    def holes(self, least_m2: float = 0.0) -> list[Hole]:
        """Connected ground in the lane that does not count as swept, from its beginning on."""
        states = self.states()
        cell = self.settings.cell_m
        labelled, _ = ndimage.label((states < Ground.VALID) & self.inside, structure=np.ones((3, 3)))
        out = []
        for k, where in enumerate(ndimage.find_objects(labelled), 1):
            part = labelled[where] == k
            columns, rows = where
            hole = Hole(
                (columns.start * cell, columns.stop * cell),
                (rows.start * cell, rows.stop * cell),
                float(part.sum()) * cell * cell,
                bool(np.any(states[where][part] == Ground.INVALID)),
            )
            if hole.area_m2 >= least_m2:
                out.append(hole)
        return sorted(out, key=lambda h: h.x_m)


def _within(polygon: F8, shape: tuple[int, int], cell: float) -> Bool:
    """(columns, rows) whether each cell's centre lies in the polygon, by crossings of a ray (even-odd rule)."""
    x = (np.arange(shape[0]) + 0.5)[:, None] * cell
    y = (np.arange(shape[1]) + 0.5)[None, :] * cell
    odd = np.zeros(shape, np.bool_)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        odd ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return odd
