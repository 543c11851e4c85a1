"""Receiver operating characteristic: probability of detection against false alarms per metre, with bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.score.bounds import clopper_pearson
from detector.score.trial import LaneScore

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One sweep's scores, from whatever detector: what a curve needs."""

    place: str
    """Ground; sweeps of one ground are resampled together."""
    targets: F8
    """Score of the detection of each mine; -inf where there was none."""
    outside: F8
    """Scores of detections outside every halo."""
    free_m: float


@dataclass(frozen=True, slots=True)
class Curve:
    """POD at given false-alarm rates, with a 95 % band: the wider of Clopper-Pearson and a bootstrap over grounds."""

    far_per_m: tuple[float, ...]
    pod: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    reached_per_m: float
    """False-alarm rate of the lowest threshold that was run: beyond it the curve is level, not measured."""


RATES_PER_M = tuple(float(r) for r in np.round(np.geomspace(0.01, 3.0, 26), 5))


def ranked(lane: LaneScore) -> Ranked:
    """A scored lane by how rarely clean ground gives what its places gave; also below the threshold that was run.

    Where the model's tails are not known, by the alarm score in units of the threshold.
    """
    if lane.ranking is not None:
        rarity = [r for o, r in zip(lane.outcomes, lane.ranking.outcomes, strict=True) if o.is_target]
        outside = np.array(lane.ranking.outside, dtype=np.float64)
        return Ranked(lane.ground, np.array(rarity, dtype=np.float64), outside, lane.free_m)
    targets = np.array([max(o.score, o.weak) for o in lane.targets], dtype=np.float64)
    outside = np.array([*(a.score for a in lane.alarms_outside), *lane.weak_outside], dtype=np.float64)
    return Ranked(lane.ground, targets, outside, lane.free_m)


def pods_at(lanes: Sequence[Ranked], rates_per_m: Sequence[float]) -> F8:
    """POD at each rate, with the lowest threshold that keeps false alarms at or under it. Needs a target and ground."""
    outside = np.sort(np.concatenate([lane.outside for lane in lanes]))[::-1]
    targets = np.concatenate([lane.targets for lane in lanes])
    high = np.sort(targets[np.isfinite(targets)])
    allowed = np.floor(np.asarray(rates_per_m) * sum(lane.free_m for lane in lanes) + 1e-9).astype(np.int64)
    threshold = np.append(outside, -np.inf)[np.minimum(allowed, len(outside))]
    found: F8 = (len(high) - np.searchsorted(high, threshold, side="right")) / len(targets)
    return found


def pod_at(lanes: Sequence[Ranked], far_per_m: float) -> float:
    """POD at one rate."""
    return float(pods_at(lanes, (far_per_m,))[0])


def auc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Area under the curve of a ranking: the share of pairs in which the first is above the second, ties half.

    Mann and Whitney 1947; Bamber 1975. Raises ValueError without a pair.

    >>> auc([3.0, 2.0], [1.0, 2.0])
    0.875
    """
    if not higher or not lower:
        raise ValueError("an area under a curve needs cases of both kinds")
    ranks = scipy.stats.rankdata(np.concatenate((np.asarray(higher, float), np.asarray(lower, float))))
    n, m = len(higher), len(lower)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def grouped(lanes: Sequence[Ranked], draws: int, seed: int) -> Iterator[list[Ranked]]:
    """Draws of as many grounds as there are, with replacement; those without mines or ground are passed over."""
    grounds = sorted({lane.place for lane in lanes})
    members = {p: [lane for lane in lanes if lane.place == p] for p in grounds}
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        pick = [lane for i in rng.integers(len(grounds), size=len(grounds)) for lane in members[grounds[i]]]
        if any(len(lane.targets) for lane in pick) and sum(lane.free_m for lane in pick) > 0:
            yield pick


def curve(
    lanes: Sequence[Ranked], rates_per_m: Sequence[float] = RATES_PER_M, draws: int = 400, seed: int = 1
) -> Curve:
    """The pooled curve and its band.

    Lanes are resampled with replacement by ground, so that targets and clutter of one ground stay together. Where all
    or none are found every draw is the same, however few they are: the exact bounds of as many mines as there are
    different ones are the least that the band spans.
    """
    if not any(len(lane.targets) for lane in lanes) or sum(lane.free_m for lane in lanes) <= 0:
        raise ValueError("a curve needs mines and ground outside halos")
    drawn = [pods_at(pick, rates_per_m) for pick in grouped(lanes, draws, seed)]
    band = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    pods = pods_at(lanes, rates_per_m)
    mines: dict[str, int] = {}
    for lane in lanes:
        mines[lane.place] = max(mines.get(lane.place, 0), len(lane.targets))
    different = sum(mines.values())
    exact = np.array([clopper_pearson(round(different * pod), different) for pod in pods]).T
    total = sum(len(lane.outside) for lane in lanes) / sum(lane.free_m for lane in lanes)
    return Curve(
        tuple(rates_per_m),
        tuple(float(v) for v in pods),
        tuple(float(v) for v in np.minimum(band[0], exact[0])),
        tuple(float(v) for v in np.maximum(band[1], exact[1])),
        float(total),
    )
