"""How the second look is learned: a forest that tells objects from bare ground, its weight, and a tail of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Tail
from detector.decide.calibrating import pairs_in_order
from detector.decide.classifier import model_hash
from detector.decide.evidence import sensor_model_from
from detector.decide.growing import grow
from detector.decide.second_look import CLASSES, LOOK_FEATURES, MOST_WEIGHT, SecondLook
from detector.decide.training import FOLDS, NOVEL_SHARE, fit_tail, tail_data

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

LOOSE_PER_M: Final = 2.0
"""Peaks a metre on clean ground that are candidates, so that the forest is taught on what it will be shown."""

LEAST_EACH: Final = 100
"""Candidates on objects, and on bare ground: with fewer nothing is learned and the score stands alone."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A peak of the prescreener, however low."""

    place: str
    """Ground: sweeps of it are held out together."""
    score: float
    features: F8
    """(len(FEATURES),)"""
    label: int
    """Index into CLASSES; -1 beside an object, where nobody can say."""


@dataclass(frozen=True)
class HeldOut:
    """Candidates as forests see them that never saw their place."""

    score: F8
    label: I8
    taught: NDArray[np.bool_]
    """Those that forests are grown on."""
    features: F8
    limit: float
    """Of novelty."""
    ratio: F8
    """(n,) log likelihood ratio that the look may add, within its bound, before any weight."""


def held_out_looks(candidates: Sequence[Candidate], clean_m: float) -> HeldOut | str:
    """Each candidate looked at by forests of other folds, by place; or why there are none.

    clean_m : metres of ground on which nothing is known to lie
    """
    score = np.array([c.score for c in candidates], dtype=np.float64)
    label = np.array([c.label for c in candidates], dtype=np.int64)
    fold = np.unique([c.place for c in candidates], return_inverse=True)[1] % FOLDS if candidates else np.empty(0)
    bare = np.sort(score[label == 1])[::-1]
    allowed = int(LOOSE_PER_M * clean_m)
    level = float(bare[allowed]) if allowed < len(bare) else -np.inf
    taught = (label >= 0) & (score > level)
    each = [[int(np.count_nonzero(taught & (fold != k) & (label == c))) for c in (0, 1)] for k in range(FOLDS)]
    if not candidates or min(min(n) for n in each) < LEAST_EACH:
        return f"fewer than {LEAST_EACH} objects or candidates on bare ground to learn from"
    features = np.array([c.features for c in candidates])
    parts = [_grown(features, label, taught & (fold != k)) for k in range(FOLDS)]
    distance = np.zeros(len(score))
    for k, (part, _) in enumerate(parts):
        model = sensor_model_from(part, len(CLASSES))
        for i in np.flatnonzero((fold == k) & taught & (label == 0)):
            distance[i] = model.novelty(features[i])
    limit = round(float(np.quantile(distance[taught & (label == 0)], 1.0 - NOVEL_SHARE)), 4)
    ratio = np.zeros(len(score))
    for k, (part, prior) in enumerate(parts):
        look = _of_unit_weight(part, prior, limit)
        for i in np.flatnonzero(fold == k):
            ratio[i] = look.shift(features[i])
    return HeldOut(score, label, taught, features, limit, ratio)


def fit_second_look(
    candidates: Sequence[Candidate], clean_m: float
) -> tuple[dict[str, Any] | None, dict[str, Any], F8]:
    """The part as stored, what is told of it, and (n,) scores with the look of forests that never saw their place.

    In FOLDS folds by place. On the held-out looks stand the limit of novelty, the weight (that of a logistic
    regression of object against bare ground on score and log likelihood ratio, so that both count as the evidence
    that they are) and the tail. The forest that is kept is grown on all. Repeatable to the bit. None if there is too
    little to learn from.

    clean_m : metres of ground on which nothing is known to lie

    Raises
    ------
    ModelError
        without scikit-learn, which the extra 'train' brings.
    """
    held = held_out_looks(candidates, clean_m)
    if isinstance(held, str):
        return None, {"why_none": held}, np.array([c.score for c in candidates], dtype=np.float64)
    score, label, taught, ratio = held.score, held.label, held.taught, held.ratio
    weight = _weight(score[taught], ratio[taught], label[taught])
    looked: F8 = score + weight * ratio
    tail = fit_tail(looked[label == 1].tolist(), clean_m)
    part, prior = _grown(held.features, label, taught)
    stored = {
        "classes": list(CLASSES),
        "prior": prior,
        "weight": weight,
        "tail": tail_data(tail),
        "part": {**part, "novelty_limit": held.limit},
    }
    told = {
        "objects": int(np.count_nonzero(taught & (label == 0))),
        "bare_ground": int(np.count_nonzero(taught & (label == 1))),
        "places": len({c.place for c in candidates}),
        "auc_object_bare_held_out": {
            "score": round(pairs_in_order(score[taught], label[taught] == 0), 4),
            "look": round(pairs_in_order(ratio[taught], label[taught] == 0), 4),
            "both": round(pairs_in_order(looked[taught], label[taught] == 0), 4),
        },
        "sha256": model_hash(stored),
    }
    return stored, told, looked


def _grown(features: F8, label: I8, rows: NDArray[np.bool_]) -> tuple[dict[str, Any], float]:
    part = grow("radar", features[rows], label[rows], np.ones(int(rows.sum())), LOOK_FEATURES, len(CLASSES))
    n = np.bincount(label[rows])
    return part, round(float(np.log(n[0] / n[1])), 6)


def _of_unit_weight(part: dict[str, Any], prior: float, limit: float) -> SecondLook:
    """A look without a weight and a threshold of its own yet."""
    model = sensor_model_from({**part, "novelty_limit": limit}, len(CLASSES))
    return SecondLook(model, prior, 1.0, Tail(0.0, 1.0, 1.0), {})


def _weight(score: F8, ratio: F8, label: I8) -> float:
    """Score that a unit of the ratio is worth, 0 to MOST_WEIGHT, to three figures after the point."""
    from sklearn.linear_model import LogisticRegression

    on = LogisticRegression(C=1e3, max_iter=1000).fit(np.column_stack((score, ratio)), label == 0)
    of_score, of_ratio = (float(v) for v in on.coef_[0])
    # where the score says nothing by itself, the look may weigh what it is allowed to
    return MOST_WEIGHT if of_score <= 0.0 else round(min(MOST_WEIGHT, max(0.0, of_ratio / of_score)), 3)
