"""From recordings with truth to a model: what each lane gives is collected once, then fitted and held out by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from detector.collected import Collected, decided
from detector.decide.alarm import Tail
from detector.decide.classifier import FLAGS, SENSORS, Model, model_from
from detector.decide.evidence import WAVE, sensor_of
from detector.decide.training import (
    LEAST_PEAKS,
    SEARCH_LEAST_PER_M,
    Example,
    fit_model,
    fit_tail,
    tail_data,
    untrained,
)
from detector.detections import CLASSES, LabelClass
from detector.looking_again import look_again
from detector.profile import Profile
from detector.ranking import rarities_of
from detector.score.matching import match
from detector.score.trial import LaneScore, score_lane

RECORDED_WEIGHT: Final = 2.0
"""An example from a recording counts for up to so many from scenes, but recordings together for no more than scenes.
Of 1, 2, 4 and 8, two was best on held-out scenes and better than more on held-out lanes of another simulator."""


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
        # a sensor that was absent there, or is not there at all, says nothing: not even that it kept silent
        seen = ((d.radar_peak_seq, d.radar_llr), (d.metal_peak_seq, d.metal_llr))
        flags = [1.0 if peak >= 0 else 0.0 if llr == llr else float("nan") for peak, llr in seen]
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


def refit(
    name: str,
    lanes: Sequence[Collected],
    tails: Mapping[str, Tail],
    profile: Profile,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """The same with thresholds that are given, and radar scores that the second look has changed already."""
    start = model_from(untrained(dict(tails)), "untrained")
    drawn = [e for c in lanes if c.scene for e in examples_of(c, start, profile)]
    recorded = [e for c in lanes if not c.scene for e in examples_of(c, start, profile)]
    weight = min(RECORDED_WEIGHT, max(1.0, len(drawn) / max(len(recorded), 1)))
    examples = [*(replace(e, weight=weight) for e in recorded), *drawn]
    facts = {"profile_hash": profile.hash, "recorded_weight": round(weight, 6)}
    return fit_model(name, examples, dict(tails), {**provenance, **facts})


def scored(lanes: Sequence[Collected], model: Model, profile: Profile) -> list[LaneScore]:
    """The lanes under that model."""
    return [
        score_lane(
            c.lane,
            c.truth,
            decided(c, model, profile),
            c.span_m,
            c.soil,
            rarities=rarities_of(c.device, profile, model),
        )
        for c in lanes
    ]
