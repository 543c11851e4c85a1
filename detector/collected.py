"""What a lane with truth gives under open thresholds: every peak that could matter, to be judged again at will."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detector.decide.alarm import Alarm, Tail
from detector.decide.classifier import SENSORS, Model, model_from
from detector.decide.evidence import WAVE
from detector.decide.fusion import Fusion
from detector.decide.training import signal_peaks, untrained
from detector.detections import FEATURES, Detection, TrueObject
from detector.pipeline import Absence, Pipeline
from detector.profile import Profile
from detector.recording.playing import Played
from detector.samples import DeviceDescription, SampleBlock, Silence, StreamKind
from detector.score.matching import HALO_MARGIN_M, refuse_too_wide
from detector.score.trial import place_of

SEARCH_RADIUS_M: Final = 0.15
"""Search signals nearer than this are one sounding."""

EDGE_M: Final = 0.15
"""An echo's tails reach further than its halo: ground this near to a halo is not clean."""

OPEN: Final = Tail(level=0.4, scale=0.3, rate_per_m=1.0)
"""Threshold 0.4 at one alarm a metre: lower than any that a fitted tail gives, so that every peak that could matter
is collected. On clean ground a metal detector has about half a peak a metre above it, a radar many."""


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
    scene: bool = False
    """Whether it was drawn by our own simulator, and not recorded or simulated elsewhere."""
    absences: tuple[Absence, ...] = ()
    """When a stream saw nothing: what alarms then, alarms without it."""

    @property
    def sensors(self) -> frozenset[str]:
        return frozenset("metal" if s.kind.is_metal else "radar" for s in self.device.streams)

    @property
    def kinds(self) -> frozenset[str]:
        """Whose alarm tails serve: 'radar', 'metal' (pulse induction and others), 'metal-cw'."""
        kinds = {StreamKind.METAL_CW: WAVE}
        return frozenset(kinds.get(s.kind, "metal" if s.kind.is_metal else "radar") for s in self.device.streams)

    def is_clean(self, x_m: float) -> bool:
        """Whether that place is far from everything known."""
        return all(abs(x_m - o.x_m) > o.half_extent_m + HALO_MARGIN_M + EDGE_M for o in self.truth)


def collect(
    lane: str,
    device: DeviceDescription,
    items: Iterable[Played],
    truth: Sequence[TrueObject],
    profile: Profile,
    soil: str = "",
    scene: bool = False,
) -> Collected | None:
    """Run a lane with open thresholds; None if it has no places, without which no rate per metre means anything.

    items : its records in time order, and between them what gave a stream up or balanced it, as in a replay
    profile : as the session had it, with the length of the pulse that the head stated
    """
    refuse_too_wide(truth)
    stages = ("radar_alarm", "metal_alarm", "radar_search", "metal_search")
    # dense echoes have no threshold that could be opened, and nothing to learn from
    wide = profile.model_copy(
        update={s: getattr(profile, s).model_copy(update={"false_alarms_per_m": 1.0}) for s in stages}
        | {"radar_dense": profile.radar_dense.model_copy(update={"use": "no"})}
    )
    tails = dict.fromkeys((*SENSORS, "radar-search", "metal-search"), OPEN)
    absences: dict[tuple[int, int], Absence] = {}

    def absent(a: Absence) -> None:
        absences[a.stream_id, a.after_tick] = a

    pipeline = Pipeline(device, wide, model_from(untrained(tails), "open thresholds"), absent)
    outputs = []
    low, high = np.inf, -np.inf
    for item in items:
        if isinstance(item, Silence):
            outputs.append(pipeline.skip(item))
        elif not isinstance(item, SampleBlock):
            outputs.append(pipeline.learn(item)[1])
        elif len(item):
            x = item.odometer_m
            if np.isnan(x).any():
                return None
            low, high = min(low, float(x.min())), max(high, float(x.max()))
            outputs.append(pipeline.process(item))
    if low > high:
        return None
    outputs.append(pipeline.finish())
    unit = OPEN.threshold(1.0)
    span = (low, high)
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
        place=place_of(lane),
        soil=soil,
        device=device,
        truth=tuple(truth),
        span_m=span,
        clean_m=0.01 * int(clean.sum()),
        alarms=tuple(_in_scores(a, unit) for o in outputs for a in o.alarms),
        search=search,
        scene=scene,
        absences=tuple(absences.values()),
    )


def _in_scores(a: Alarm, unit: float) -> Alarm:
    return replace(a, score=a.score * unit, members=tuple(_in_scores(m, unit) for m in a.members))


def decided(lane: Collected, model: Model, profile: Profile) -> list[Detection]:
    """The detections of a collected lane under that model's thresholds: alarms above them, fused and judged.

    The same as running the lane again, except for the first and last record and antenna of an alarm, for the lower
    neighbour of a peak that the second look votes down: only the highest of near peaks are collected; for dense echoes,
    which are not collected; and for what antennas abreast are joined to: whose score is the higher before the look.
    """
    look = model.second_look if profile.radar_second_look.use == "yes" else None
    radar = model.tails["radar"] if look is None else look.tail
    metal = model.tails.get(WAVE, model.tails["metal"]) if WAVE in lane.kinds else model.tails["metal"]
    threshold = {
        "radar": radar.threshold(profile.radar_alarm.false_alarms_per_m),
        "metal": metal.threshold(profile.metal_alarm.false_alarms_per_m),
    }
    index = {s: FEATURES.index(f"{s}_score") for s in SENSORS}

    def above(a: Alarm) -> list[Alarm]:
        """It with those of its members that are above the threshold too, or these where it is not."""
        members = tuple(m for one in a.members for m in above(one))
        score = a.score
        if look is not None and a.sensor == "radar" and score >= threshold["radar"] - look.reach:
            score += look.shift(a.features)
        if score < threshold[a.sensor]:
            return list(members)
        features = a.features.copy()
        features[index[a.sensor]] = score / threshold[a.sensor]
        return [replace(a, score=score / threshold[a.sensor], features=features, members=members)]

    alarms = [found for a in lane.alarms for found in above(a)]
    fusion = Fusion(
        profile.fusion, model, lane.device.tick_hz, profile.nominal_speed_m_per_s, lane.sensors, profile.hash
    )
    for gone in lane.absences:
        fusion.absent(gone.stream_id, gone.sensor, gone.after_tick, gone.before_tick)
    fusion.add(alarms)
    return fusion.settle(None)
