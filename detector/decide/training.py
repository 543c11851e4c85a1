"""How a model is made: alarm tails from target-free ground, a forest a sensor and their fusion from known objects.

Everything that is stated as a probability is calibrated on lanes that the trees were not grown on. Splits are by
lane, never by sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Tail
from detector.decide.calibrating import Fused, clutter_limit, fuse, held_out_figures
from detector.decide.classifier import MODEL_FORMAT, MODEL_VERSION
from detector.decide.evidence import PARTS, part_flags, sensor_model_from
from detector.decide.growing import grow
from detector.decide.search import Signal
from detector.detections import CLASSES, FEATURES
from detector.errors import ModelError

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

FOLDS: Final = 5
"""By lane: each lane is judged by trees that were grown without it."""

NOVEL_SHARE: Final = 0.025
"""Of held-out known objects that may lie beyond the limit of novelty: about one in forty is unknown, and dug."""

LEAST_SHARE: Final = 0.6
"""Of an alarming sensor's features: a head that tells less gives unknown."""


LEAST_PER_M: Final = 0.2
"""Peaks a metre that an alarm's tail is fitted to, where there are so many: twice what the default profile asks for."""

LEAST_PEAKS: Final = 8
"""That a tail can be fitted to."""

SEARCH_LEAST_PER_M: Final = 2.0
"""Likewise of the search path, which the default profile lets sound once a metre."""

_SHARES: Final = (0.5, 0.75, 0.9)
"""Of the peaks above a tail's level, below which each scale is taken."""


@dataclass(frozen=True, slots=True)
class Example:
    """An alarm on an object that is known."""

    lane: str
    """The place: sweeps over the same ground are held out together."""
    inputs: F8
    """(len(FEATURES) + len(FLAGS),), NaN where not seen."""
    label: int
    """Index into CLASSES."""
    object: str = ""
    """Which object of the lane: sweeps over the same one are not independent."""
    weight: float = 1.0
    """How many examples it counts for."""


def fit_tail(scores: Sequence[float], clean_m: float, least_per_m: float = LEAST_PER_M) -> Tail:
    """Exponential tail of the peak scores on target-free ground.

    The level is the median of the peaks, or their 80 % quantile where that leaves 15 above it, but no higher than
    leaves `least_per_m` above it: a threshold below the level would be a guess. The excess over it is taken as
    exponential (Pickands 1975; Coles 2001, ch. 4, shape 0), with the largest of the scales that its median, upper
    quarter and upper tenth give: ground with a lighter tail alarms less often than asked. The mean excess would be
    efficient, but a single lane whose converter clips can stand far out of all others and raise the threshold of all.

    Parameters
    ----------
    scores : peak scores on ground where nothing is known to lie
    clean_m : metres of such ground, over all recordings
    least_per_m : peaks a metre that it must be true for
    """
    if len(scores) < LEAST_PEAKS or clean_m <= 0:
        raise ModelError(
            f"Only {len(scores)} peaks on {clean_m:.1f} m of target-free ground: at least {LEAST_PEAKS} are needed "
            "to say how often clean ground alarms. Add recordings of clean lanes."
        )
    s = np.sort(np.asarray(scores, dtype=np.float64))
    most = max(0.0, 1.0 - least_per_m * clean_m / len(s))
    level = float(np.quantile(s, min(0.8 if len(s) >= 75 else 0.5, most)))
    above = s[s > level]
    scale = max(float(np.quantile(above - level, share)) / -math.log1p(-share) for share in _SHARES)
    return Tail(level=level, scale=scale, rate_per_m=len(above) / clean_m)


def tail_data(tail: Tail) -> dict[str, float]:
    """A tail as a model stores it."""
    return {"level": round(tail.level, 6), "scale": round(tail.scale, 6), "rate_per_m": round(tail.rate_per_m, 6)}


def signal_peaks(signals: Sequence[Signal], radius_m: float) -> list[tuple[float, float]]:
    """(x m, strength) of the signals that are the strongest of their channel within +-radius_m.

    A head that stands out for ten records running has sounded once, not ten times.
    """
    found = []
    for channel in sorted({(s.stream, s.channel) for s in signals}):
        mine = sorted((s.x_m, s.strength) for s in signals if (s.stream, s.channel) == channel)
        x = np.array([m[0] for m in mine])
        strength = np.array([m[1] for m in mine])
        for i, (here, own) in enumerate(mine):
            a, b = np.searchsorted(x, [here - radius_m, here + radius_m])
            if own >= strength[a:b].max() and int(np.argmax(strength[a:b])) + a == i:
                found.append((here, own))
    return found


def untrained(tails: dict[str, Tail]) -> dict[str, Any]:
    """A model that knows nothing and so calls everything unknown: where training starts."""
    even = np.full(len(CLASSES), -np.log(len(CLASSES)))
    return _as_data("untrained", {}, Fused(even, {}, {}), 0.0, tails, {"note": "knows nothing"})


def fit_model(
    name: str, examples: Sequence[Example], tails: dict[str, Tail], provenance: dict[str, Any]
) -> dict[str, Any]:
    """Grow, hold out, fuse, calibrate and pack a model. Repeatable to the bit.

    A forest a part (growing.grow). In FOLDS folds by lane each lane's alarms are judged by forests grown without
    it; on these held-out judgements stand the fusion's weights, which calibrate it (calibrating.fuse), the limit of
    novelty, and the probability under which an alarm may be called clutter (calibrating.clutter_limit).
    Probabilities hold at the frequencies of the training lanes.

    Raises
    ------
    ModelError
        if there are too few objects, classes or lanes, or scikit-learn is not installed.
    """
    x = np.array([e.inputs for e in examples]).reshape(len(examples), -1)
    y = np.array([e.label for e in examples], dtype=np.int64)
    lanes = np.array([e.lane for e in examples])
    if len(set(y.tolist())) < len(CLASSES) or len(set(lanes.tolist())) < 3:
        raise ModelError(
            "Training needs objects of every class (" + ", ".join(CLASSES) + ") on at least 3 lanes; "
            f"there are {len(examples)} alarms of {len(set(y.tolist()))} classes on {len(set(lanes.tolist()))} lanes."
        )
    features, flags = x[:, : len(FEATURES)], x[:, len(FEATURES) :]
    weight = np.array([e.weight for e in examples], dtype=np.float64)
    fold = np.unique(lanes, return_inverse=True)[1] % FOLDS
    parts: dict[str, dict[str, Any]] = {}
    held: dict[str, F8] = {}
    seen = part_flags(features, flags)
    for i, sensor in enumerate(PARTS):
        alarmed = seen[:, i] == 1.0
        if len(set(y[alarmed].tolist())) < 2 or len(set(fold[alarmed].tolist())) < FOLDS:
            continue
        logs, distance = _held_out(sensor, features, y, weight, fold, alarmed)
        parts[sensor] = grow(sensor, features[alarmed], y[alarmed], weight[alarmed])
        parts[sensor]["novelty_limit"] = round(float(np.quantile(distance[alarmed], 1.0 - NOVEL_SHARE)), 4)
        held[sensor] = logs
    fused = fuse(held, seen, y, weight)
    p = fused.probabilities(held, seen)
    objects = [e.object or f"{e.lane}:{i}" for i, e in enumerate(examples)]
    limit = clutter_limit(p[:, 0], y == 0, objects)
    provenance = {
        **provenance,
        "examples": len(examples),
        "lanes": len(set(lanes.tolist())),
        "held_out_by_lane": held_out_figures(p, y, limit),
    }
    return _as_data(name, parts, fused, limit, tails, provenance)


def _held_out(sensor: str, features: F8, y: I8, weight: F8, fold: I8, alarmed: NDArray[np.bool_]) -> tuple[F8, F8]:
    """(n, K) log probabilities and (n,) novelty of each alarm by a part grown on the other folds; else zeros."""
    logs, distance = np.zeros((len(y), len(CLASSES))), np.zeros(len(y))
    for k in range(FOLDS):
        inside = alarmed & (fold != k)
        part = sensor_model_from(grow(sensor, features[inside], y[inside], weight[inside]))
        for i in np.flatnonzero(alarmed & (fold == k)):
            logs[i] = part.log_probabilities(features[i])
            distance[i] = part.novelty(features[i])
    return logs, distance


def _as_data(
    name: str,
    parts: dict[str, dict[str, Any]],
    fused: Fused,
    limit: float,
    tails: dict[str, Tail],
    provenance: dict[str, Any],
) -> dict[str, Any]:
    return {
        "format": MODEL_FORMAT,
        "version": MODEL_VERSION,
        "name": name,
        "classes": list(CLASSES),
        "least_share": LEAST_SHARE,
        "clutter_limit": round(limit, 6),
        "fusion": {
            "log_prior": np.round(fused.log_prior, 6).tolist(),
            "weight": {s: round(w, 6) for s, w in fused.weight.items()},
            "silent": {s: np.round(v, 6).tolist() for s, v in fused.silent.items()},
        },
        "tails": {s: tail_data(t) for s, t in tails.items()},
        "sensors": parts,
        "provenance": provenance,
    }
