"""From recordings with truth to a model: what each lane gives is collected once, then fitted and held out by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from detector.decide.alarm import Alarm, Tail
from detector.decide.classifier import FLAGS, Model, model_from
from detector.decide.fusion import Fusion
from detector.decide.training import Example, fit_model, fit_tail, signal_peaks, untrained
from detector.detections import CLASSES, Detection, LabelClass, TrueObject
from detector.errors import ModelError
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock
from detector.score.matching import HALO_MARGIN_M, match
from detector.score.trial import LaneScore, score_lane

SEARCH_RADIUS_M: Final = 0.15
"""Search signals nearer than this are one sounding."""

EDGE_M: Final = 0.15
"""An echo's tails reach further than its halo: ground this near to a halo is not clean."""

OPEN: Final = Tail(level=1.0, scale=0.3, rate_per_m=1.0)
"""Threshold 1.0 at one alarm a metre: lower than any that a fitted tail gives, so that every peak that could matter
is collected."""

SENSORS: Final = ("radar", "metal")


@dataclass(frozen=True, slots=True)
class Collected:
    """What one lane gave with thresholds opened wide."""

    lane: str
    place: str
    """Ground that it is a sweep of: what is held out together."""
    soil: str
    device: DeviceDescription
    truth: tuple[TrueObject, ...]
    span_m: tuple[float, float]
    clean_m: float
    """Length further than EDGE_M from every halo, m."""
    alarms: tuple[Alarm, ...]
    """Scores not divided by any threshold: log energy ratios."""
    search: dict[str, tuple[float, ...]]
    """Search peaks on clean ground, by sensor, likewise."""

    @property
    def sensors(self) -> frozenset[str]:
        return frozenset("metal" if s.kind.is_metal else "radar" for s in self.device.streams)

    def is_clean(self, x_m: float) -> bool:
        """Whether that place is far from everything known."""
        return all(abs(x_m - o.x_m) > o.half_extent_m + HALO_MARGIN_M + EDGE_M for o in self.truth)


def collect(
    lane: str,
    device: DeviceDescription,
    blocks: Sequence[SampleBlock],
    truth: Sequence[TrueObject],
    profile: Profile,
    soil: str = "",
) -> Collected | None:
    """Run a lane with open thresholds; None if it has no places, without which no rate per metre means anything."""
    x = np.concatenate([b.odometer_m for b in blocks]) if blocks else np.empty(0)
    if len(x) == 0 or np.isnan(x).any():
        return None
    stages = ("radar_alarm", "metal_alarm", "radar_search", "metal_search")
    wide = profile.model_copy(
        update={s: getattr(profile, s).model_copy(update={"false_alarms_per_m": 1.0}) for s in stages}
    )
    tails = dict.fromkeys((*SENSORS, "radar-search", "metal-search"), OPEN)
    pipeline = Pipeline(device, wide, model_from(untrained(tails), "open thresholds"))
    outputs = [pipeline.process(b) for b in blocks]
    outputs.append(pipeline.finish())
    unit = OPEN.threshold(1.0)
    span = (float(x.min()), float(x.max()))
    radius = [(o.x_m, o.half_extent_m + HALO_MARGIN_M + EDGE_M) for o in truth]
    grid = np.arange(span[0], span[1], 0.01)
    clean = np.ones(len(grid), dtype=bool)
    for place, r in radius:
        clean &= np.abs(grid - place) > r
    signals = [s for o in outputs for s in o.signals]
    search = {
        sensor: tuple(
            strength * unit
            for place, strength in signal_peaks([s for s in signals if s.sensor == sensor], SEARCH_RADIUS_M)
            if all(abs(place - ox) > r for ox, r in radius)
        )
        for sensor in SENSORS
    }
    return Collected(
        lane=lane,
        place=lane.split("-")[0],
        soil=soil,
        device=device,
        truth=tuple(truth),
        span_m=span,
        clean_m=0.01 * int(clean.sum()),
        alarms=tuple(replace(a, score=a.score * unit) for o in outputs for a in o.alarms),
        search=search,
    )
