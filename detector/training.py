"""From recordings with truth to a model: what each lane gives is collected once, then fitted and held out by place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from detector.decide.alarm import Alarm, Tail
from detector.decide.classifier import FLAGS, SENSORS, Model, model_from
from detector.decide.evidence import WAVE, sensor_of
from detector.decide.fusion import Fusion
from detector.decide.second_look import SecondLook
from detector.decide.second_look_training import Candidate, fit_second_look
from detector.decide.training import (
    LEAST_PEAKS,
    SEARCH_LEAST_PER_M,
    Example,
    fit_model,
    fit_tail,
    signal_peaks,
    tail_data,
    untrained,
)
from detector.detections import CLASSES, FEATURES, Detection, LabelClass, TrueObject
from detector.errors import ModelError
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock, StreamKind
from detector.score.matching import HALO_MARGIN_M, match
from detector.score.trial import LaneScore, place_of, score_lane

RECORDED_WEIGHT: Final = 2.0
"""An example from a recording counts for up to so many from scenes, but recordings together for no more than scenes.
Of 1, 2, 4 and 8, two was best on held-out scenes and better than more on held-out lanes of another simulator."""

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
    blocks: Sequence[SampleBlock],
    truth: Sequence[TrueObject],
    profile: Profile,
    soil: str = "",
    scene: bool = False,
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
        place=place_of(lane),
        soil=soil,
        device=device,
        truth=tuple(truth),
        span_m=span,
        clean_m=0.01 * int(clean.sum()),
        alarms=tuple(replace(a, score=a.score * unit) for o in outputs for a in o.alarms),
        search=search,
        scene=scene,
    )


def tails_of(lanes: Sequence[Collected]) -> dict[str, Tail]:
    """Tails of the peaks on clean ground, by sensor and by search path; continuous waves have their own.

    Where there are too few peaks of these to fit one they take pulse induction's.

    A search path that hardly ever stands out on clean ground gets none and keeps the threshold for models without.
    """
    tails = {}
    for kind in (*SENSORS, *(k for k in (WAVE,) if any(k in c.kinds for c in lanes))):
        sensor = sensor_of(kind)
        seen = [c for c in lanes if kind in c.kinds]
        metres = sum(c.clean_m for c in seen)
        peaks = [a.score for c in seen for a in c.alarms if a.sensor == sensor and c.is_clean(a.x_m)]
        search = [s for c in seen for s in c.search[sensor]]
        if kind == WAVE and len(peaks) < LEAST_PEAKS:
            continue
        tails[kind] = fit_tail(peaks, metres)
        if len(search) >= LEAST_PEAKS:
            tails[f"{kind}-search"] = fit_tail(search, metres, SEARCH_LEAST_PER_M)
    return tails


def decided(lane: Collected, model: Model, profile: Profile) -> list[Detection]:
    """The detections of a collected lane under that model's thresholds: alarms above them, fused and judged.

    The same as running the lane again, except for the first and last record of an alarm, and for the lower neighbour
    of a peak that the second look votes down: only the highest of near peaks are collected.
    """
    look = model.second_look if profile.radar_second_look.use == "yes" else None
    radar = model.tails["radar"] if look is None else look.tail
    metal = model.tails.get(WAVE, model.tails["metal"]) if WAVE in lane.kinds else model.tails["metal"]
    threshold = {
        "radar": radar.threshold(profile.radar_alarm.false_alarms_per_m),
        "metal": metal.threshold(profile.metal_alarm.false_alarms_per_m),
    }
    index = {s: FEATURES.index(f"{s}_score") for s in SENSORS}
    alarms = []
    for a in lane.alarms:
        score = a.score
        if look is not None and a.sensor == "radar" and score >= threshold["radar"] - look.reach:
            score += look.shift(a.features)
        if score >= threshold[a.sensor]:
            features = a.features.copy()
            features[index[a.sensor]] = score / threshold[a.sensor]
            alarms.append(replace(a, score=score / threshold[a.sensor], features=features))
    fusion = Fusion(
        profile.fusion, model, lane.device.tick_hz, profile.nominal_speed_m_per_s, lane.sensors, profile.hash
    )
    fusion.add(alarms)
    return fusion.settle(None)


def class_of(label: LabelClass) -> int | None:
    """Index into CLASSES of what was found; None where it teaches nothing."""
    return {
        LabelClass.MINE: CLASSES.index("mine-like"),
        LabelClass.ERW: CLASSES.index("mine-like"),
        LabelClass.METAL_CLUTTER: CLASSES.index("metal-clutter"),
        LabelClass.NONMETAL_CLUTTER: CLASSES.index("nonmetal-clutter"),
    }.get(label)


def examples_of(lane: Collected, model: Model, profile: Profile) -> list[Example]:
    """What the sensors gave at each known object that alarmed."""
    detections = decided(lane, model, profile)
    out = []
    for i, j in sorted(match(lane.truth, detections).found.items()):
        label = class_of(lane.truth[i].label)
        if label is None:
            continue
        d = detections[j]
        flags = [
            float(q >= 0) if s in lane.sensors else float("nan")
            for s, q in (("radar", d.radar_peak_seq), ("metal", d.metal_peak_seq))
        ]
        assert len(flags) == len(FLAGS)
        name = f"{lane.place}:{lane.truth[i].x_m:.3f}"
        out.append(Example(lane.place, np.array([*d.features, *flags]), label, name))
    return out


def train(name: str, lanes: Sequence[Collected], profile: Profile, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A model as stored: thresholds from clean ground, classifier from known objects. Repeatable to the bit.

    Raises
    ------
    ModelError
        if there is too little clean ground, or too few objects.
    """
    clean = {s: round(sum(c.clean_m for c in lanes if s in c.kinds), 2) for s in (*SENSORS, WAVE)}
    provenance = {**provenance, "clean_ground_m": clean}
    tails = tails_of(lanes)
    if profile.radar_second_look.use == "no":
        return refit(name, lanes, tails, profile, provenance)
    look, told, seen = look_again(lanes)
    provenance = {**provenance, "second_look": told}
    if look is None:
        return refit(name, lanes, tails, profile, provenance)
    # the classifier learns from alarms as new ground gives them: judged by forests that never saw their lane
    data = refit(name, seen, {**tails, "radar": Tail(**look["tail"])}, profile, provenance)
    return {**data, "tails": {s: tail_data(t) for s, t in tails.items()}, "second_look": look}


def look_again(lanes: Sequence[Collected]) -> tuple[dict[str, Any] | None, dict[str, Any], list[Collected]]:
    """The second look as stored, what is told of it, and the lanes with radar scores as it changes them.

    Each lane's scores are changed by forests grown on other places. None, and the lanes as they are, where there is
    too little to learn from.
    """
    radar = [[a for a in c.alarms if a.sensor == "radar"] for c in lanes]
    candidates: list[Candidate] = []
    for c, alarms in zip(lanes, radar, strict=True):
        near: defaultdict[int, list[int]] = defaultdict(list)
        for k, a in enumerate(alarms):
            for i, o in enumerate(c.truth):
                if abs(a.x_m - o.x_m) <= o.half_extent_m + HALO_MARGIN_M:
                    near[i].append(k)
        # an object is what stands out most in its halo; the rest of the halo is neither
        objects = {max(ks, key=lambda k: alarms[k].score) for ks in near.values()}
        for k, a in enumerate(alarms):
            label = 0 if k in objects else 1 if c.is_clean(a.x_m) else -1
            candidates.append(Candidate(c.place, a.score, a.features, label))
    look, told, scores = fit_second_look(candidates, sum(c.clean_m for c in lanes if "radar" in c.sensors))
    if look is None:
        return None, told, list(lanes)
    changed = iter(scores.tolist())
    seen = [
        replace(c, alarms=tuple(replace(a, score=next(changed)) if a.sensor == "radar" else a for a in c.alarms))
        for c in lanes
    ]
    return look, told, seen


def refit(
    name: str,
    lanes: Sequence[Collected],
    tails: Mapping[str, Tail],
    profile: Profile,
    provenance: Mapping[str, Any],
    look: SecondLook | None = None,
) -> dict[str, Any]:
    """The same with thresholds that are given: labels tell what was dug, not that the rest of the ground is clean.

    look : taken over from an earlier model, with its own threshold
    """
    start = replace(model_from(untrained(dict(tails)), "untrained"), second_look=look)
    drawn = [e for c in lanes if c.scene for e in examples_of(c, start, profile)]
    recorded = [e for c in lanes if not c.scene for e in examples_of(c, start, profile)]
    weight = min(RECORDED_WEIGHT, max(1.0, len(drawn) / max(len(recorded), 1)))
    examples = [*(replace(e, weight=weight) for e in recorded), *drawn]
    facts = {"profile_hash": profile.hash, "recorded_weight": round(weight, 6)}
    data = fit_model(name, examples, dict(tails), {**provenance, **facts})
    return data if look is None else {**data, "second_look": dict(look.stored)}


def scored(lanes: Sequence[Collected], model: Model, profile: Profile) -> list[LaneScore]:
    """The lanes under that model."""
    return [score_lane(c.lane, c.truth, decided(c, model, profile), c.span_m, c.soil) for c in lanes]


@dataclass(frozen=True, slots=True)
class Change:
    """An old and a new model on the same reference lanes, at equal false alarms."""

    targets: int
    found_before: int
    found_after: int
    false_before: int
    false_after: int
    """With the new model's threshold set so that this is not above false_before."""
    lost: tuple[str, ...]
    gained: tuple[str, ...]

    def refuse_if_worse(self) -> None:
        """Raises ModelError if mines are lost: a model that finds fewer must not replace one that finds more."""
        if self.found_after < self.found_before:
            raise ModelError(
                f"The new model finds {self.found_after} of {self.targets} mines on the reference lanes at equal false "
                f"alarms, the old one {self.found_before}: it is not written. Lost: {'; '.join(self.lost)}. "
                "Look at the new labels, or add recordings of such mines."
            )


def change(lanes: Sequence[Collected], before: Model, after: Model, profile: Profile) -> Change:
    """Compare two models on reference lanes, which neither should have been trained on.

    The new one's alarms are cut at the score that leaves it no more false alarms than the old one has.
    """
    old, new = scored(lanes, before, profile), scored(lanes, after, profile)
    allowed = sum(len(s.alarms_outside) for s in old)
    ranked = sorted((a.score for s in new for a in s.alarms_outside), reverse=True)
    cut = ranked[allowed] if len(ranked) > allowed else -np.inf
    pairs = [(o, n, n.found and n.score > cut) for a, b in zip(old, new, strict=True)
             for o, n in zip(a.targets, b.targets, strict=True)]  # fmt: skip
    return Change(
        targets=len(pairs),
        found_before=sum(o.found for o, _, _ in pairs),
        found_after=sum(f for _, _, f in pairs),
        false_before=allowed,
        false_after=sum(s > cut for s in ranked),
        lost=tuple(n.where for o, n, f in pairs if o.found and not f),
        gained=tuple(n.where for o, n, f in pairs if f and not o.found),
    )
