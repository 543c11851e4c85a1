"""How a lane stands: its map, its gaps, and the words for them that page, terminal and files share."""

from __future__ import annotations

from dataclasses import dataclass

from detector.ground_map import GroundMap, Hole
from detector.lane import Lane


@dataclass(frozen=True, slots=True)
class Standing:
    """The ground as it stood at a look. Never changed: any thread may read it."""

    number: int = 0
    """Goes up when something changed."""
    ground: GroundMap | None = None
    """None before any place was known, where there is no lane."""
    holes: tuple[Hole, ...] = ()
    origin_m: float = 0.0
    """Of the map along the track; 0 in a lane."""
    lane: Lane | None = None

    @property
    def text(self) -> str:
        """The figures in a line."""
        if self.ground is None:
            return "no place known: the lane cannot be shown"
        g = self.ground
        n = len(self.holes)
        left = f"{n} gap{'s' * (n != 1)} of {g.area_m2 - g.counted_m2:.2f} m²" if n else "no gap"
        if self.lane is None:
            metres = g.counted_m2 / g.cell_m
            return f"{metres:.1f} m of track count, {n} gap{'s' * (n != 1)} of {g.area_m2 / g.cell_m - metres:.1f} m"
        return f"{g.counted_m2:.2f} of {g.area_m2:.2f} m² count ({g.percent:.1f} %), {left}"

    def line(self, k: int) -> str:
        """The k-th gap, from 0, for a person: number, place, size, why."""
        h = self.holes[k]
        along = f"{self.origin_m + h.x_m[0]:.2f} to {self.origin_m + h.x_m[1]:.2f} m along"
        if self.lane is None:
            return f"{k + 1}: {along}, {h.why}"
        return f"{k + 1}: {along}, {h.y_m[0]:.2f} to {h.y_m[1]:.2f} m from the left edge, {h.area_m2:.2f} m², {h.why}"
