"""A second look at the radar's candidates: does the patch round a peak look like an object or like bare ground?

The prescreener's peak says how far a place stands out, the patch what stands there. Both are added before the
threshold, so that bare ground that stands out by chance must stand out further, and a faint echo of the right shape
need not. Two stages of this kind won the published evaluations of hand-held and vehicle radars (Ho, Collins and Gader
2004; Frigui and Gader 2009; Torrione et al. 2014). The metal detector has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Tail
from detector.decide.evidence import SensorModel, sensor_model_from
from detector.detections import FEATURES
from detector.settings import Settings, choice

F8 = NDArray[np.float64]

CLASSES: Final = ("object", "bare ground")

BOUND: Final = 3.0
"""The log likelihood ratio counts no further than this either way: a strong echo is never voted away."""

MOST_WEIGHT: Final = 0.3
"""No trained weight may be higher. With it a peak 0.9 (3.9 dB of energy) above the threshold alarms, come what may.
Of 0.1 to 1, 0.3 to 0.7 found as many held-out mines; the lowest of these trusts the simulation least."""

LEAST_SHARE: Final = 0.6
"""Of the features that must have been seen, else the look may not count against a peak."""

_ABSOLUTE: Final = ("two_way_ns", "two_way_periods", "thickness_ns", "spectral_centroid_ghz", "velocity_m_per_ns")
"""What tells the depth, the soil and the head rather than the shape: by these the forest would learn where the
training lanes happened to hold their objects, and vote away what lies deeper."""

LOOK_FEATURES: Final = tuple(
    f for f in FEATURES if f.startswith("radar_") and f != "radar_score" and f.removeprefix("radar_") not in _ABSOLUTE
)
"""Shape alone; the score of the peak is added by itself."""


class SecondLookSettings(Settings):
    use: Literal["yes", "no"] = choice(
        "yes",
        "yes: the patch round a radar peak counts beside its score, where the model has learned how; no: it does not",
    )


@dataclass(frozen=True)
class SecondLook:
    """What a model knows of candidates, and the threshold that goes with it."""

    part: SensorModel
    """Of CLASSES, on LOOK_FEATURES."""
    prior: float
    """Natural log of the odds of an object among what it was grown on."""
    weight: float
    """Score that one unit of the log likelihood ratio is worth."""
    tail: Tail
    """Of peak score and look together on clean ground, looked at by forests grown on other lanes."""
    stored: Mapping[str, Any]
    """As in the model file, for the next model to take over."""

    @property
    def reach(self) -> float:
        """The most that a look changes a score by: a peak that much above the threshold alarms whatever it looks
        like, and one that much below it does not."""
        return self.weight * BOUND

    def shift(self, features: F8) -> float:
        """What the look adds to the score of a peak with these (len(FEATURES),) features; within +-reach.

        What is further from objects and from bare ground alike than the model knows, or was not seen well, loses
        nothing.
        """
        known = self.part.log_probabilities(features)
        ratio = min(BOUND, max(-BOUND, float(known[0] - known[1]) - self.prior))
        if ratio < 0.0 and (self.part.novelty(features) > 1.0 or self.part.seen_share(features) < LEAST_SHARE):
            return 0.0
        return self.weight * ratio


def second_look_from(data: Mapping[str, Any]) -> SecondLook:
    """The part that such stored numbers are.

    Raises
    ------
    KeyError, TypeError, ValueError
        if they are not whole or out of bounds.
    """
    if tuple(data["classes"]) != CLASSES:
        raise ValueError("its second look tells other classes apart")
    prior, weight, tail = float(data["prior"]), float(data["weight"]), Tail(**data["tail"])
    numbers = (prior, weight, tail.level, tail.scale, tail.rate_per_m)
    if not np.all(np.isfinite(numbers)) or not 0.0 <= weight <= MOST_WEIGHT or tail.scale <= 0 or tail.rate_per_m <= 0:
        raise ValueError(f"the weight, prior or tail of its second look is out of bounds: {numbers}")
    return SecondLook(sensor_model_from(data["part"], len(CLASSES)), prior, weight, tail, data)
