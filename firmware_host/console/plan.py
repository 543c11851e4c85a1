"""What a session is to sweep, and how places are to be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from detector.lane import Lane


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be swept, and how the place is known."""

    lane: Lane | None = None
    radii_m: Mapping[str, float] = field(default_factory=dict)
    """Of the footprints that were measured, by stream; others are assumed."""
    passes: int = 1
    satellites: bool = False
    reckon_m_per_s: float = 0.0
    """Dead reckoning at this speed; 0 = none."""
    count_reckoned: bool = False
    nominal_m_per_s: float = 0.5
    """Speed that the chains are made for: twice as fast is too fast."""
