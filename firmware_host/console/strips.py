"""Strips of a lane: where across it the head goes, for heads that tell only how far along."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SHARE: Final = 0.75
"""Distance between strips in diameters of the footprint: neighbours overlap by a quarter."""


@dataclass(slots=True)
class Strips:
    """Outward and back, from the left edge to the right, and then from the first again.

    Attributes
    ----------
    width_m : of the lane
    radius_m : of the smallest footprint
    """

    width_m: float
    radius_m: float
    passed: int = 0
    """Strips that were ended so far."""

    @property
    def count(self) -> int:
        return max(1, math.ceil(self.width_m / (2.0 * SHARE * self.radius_m) - 1e-9))

    @property
    def number(self) -> int:
        """Of the present one, from 1."""
        return self.passed % self.count + 1

    @property
    def y_m(self) -> float:
        """Its middle, from the lane's left edge."""
        return (self.number - 0.5) * self.width_m / self.count

    @property
    def outward(self) -> bool:
        """Whether it goes from the lane's beginning to its end."""
        return self.passed % 2 == 0

    @property
    def text(self) -> str:
        """For a person."""
        way = "outward" if self.outward else "back"
        return f"strip {self.number} of {self.count}, {self.y_m:.2f} m from the left edge, {way}"
