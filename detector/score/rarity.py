"""How rarely clean ground gives a score: what places of two sensors are ranked by together.

An alarm score is in units of its sensor's threshold. Twice the threshold is rare ground under one sensor and common
under another, whose tail is fatter; so scores of two sensors are never compared as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detection

F8 = NDArray[np.float64]

MOST: Final = math.log(10_000.0)
"""Rarer than once in ten kilometres is not known: no tail was made of that much ground."""
_BEYOND: Final = 1e-3
"""What is left of a rarity beyond it: enough to keep the order of one sensor's places."""


@dataclass(frozen=True, slots=True)
class Rarity:
    """Of one sensor: minus the natural log of the rate per metre at which clean ground reaches a score.

    The tails are exponential, so it is a straight line, up to MOST.

    >>> thin, fat = Rarity(2.3, 5.0), Rarity(2.3, 1.0)
    >>> thin.of(2.0) > fat.of(3.0)
    True
    """

    at_threshold: float
    per_threshold: float
    """What a score higher by one threshold adds; more than 0."""

    def of(self, score: float) -> float:
        """score : in units of the threshold, also below it, where the tail goes on as a line."""
        line = self.at_threshold + self.per_threshold * (score - 1.0)
        return line if line <= MOST else MOST + _BEYOND * (line - MOST)

    def below(self, scores: F8) -> F8:
        """(n,) of scores below the threshold; NaN of NaN."""
        return self.at_threshold + self.per_threshold * (scores - 1.0)


@dataclass(frozen=True, slots=True)
class Rarities:
    """Of a head, all sensors."""

    of_sensor: Mapping[str, Rarity]
    """'metal' and 'radar'."""
    within_m: float
    """Length along the lane in which two sensors' alarms are one place, m."""

    def of(self, d: Detection) -> float:
        """Of what a place gave: where both sensors alarmed, the rate at which clean ground makes both do so at once.

        With rates a and b per metre, by chance, that is a b within_m. A sensor that did not alarm says nothing against
        the other, so no place is more common than what the rarer one alone gave. Dense echoes are scored by their
        shape, which no tail is of: they rank as an alarm at the threshold.
        """
        scores = (("metal", d.metal_score), ("radar", 1.0 if d.dense else d.radar_score))
        given = [self.of_sensor[sensor].of(score) for sensor, score in scores if not math.isnan(score)]
        return max(*given, sum(given) - math.log(self.within_m)) if len(given) > 1 else given[0]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What the places of a lane are ranked by: the rarity of what they gave."""

    outcomes: tuple[float, ...]
    """Of each object; -inf where nothing was there to rank."""
    outside: tuple[float, ...]
    """Of each detection outside halos, then of the peaks there that stayed below the threshold."""
