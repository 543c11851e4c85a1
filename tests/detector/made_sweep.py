"""A recording in memory with what a real one has: detections, labels and satellite fixes."""

from __future__ import annotations

import dataclasses
import math

from detector.detections import Detection, Label
from detector.formats.foreign import ForeignRecording
from detector.samples import NO_TIME, FixQuality, Position


@dataclasses.dataclass(frozen=True)
class Sweep(ForeignRecording):
    """A recording in memory that has detections and labels too."""

    found: tuple[Detection, ...] = ()
    said: tuple[Label, ...] = ()

    def detections(self) -> list[Detection]:
        return list(self.found)

    def labels(self) -> list[Label]:
        return list(self.said)


def fix(utc_ns: int, latitude: float, longitude: float, altitude: float, quality: FixQuality, sigma: float) -> Position:
    """A fix, or what a receiver says without one: then place and accuracy are not known."""
    known = quality.measured
    return Position(
        utc_ns, NO_TIME, latitude if known else math.nan, longitude if known else math.nan, altitude, quality,
        sigma if known else math.nan, "gst" if known else "", 9, 0.8, math.nan, "",
    )  # fmt: skip
