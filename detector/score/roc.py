"""Receiver operating characteristic: probability of detection against false alarms per metre, with bootstrap bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.score.trial import LaneScore

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One sweep's scores, from whatever detector: what a curve needs."""

    place: str
    """Ground; sweeps of one place are resampled together."""
    targets: F8
    """Score of the detection of each mine; -inf where there was none."""
    outside: F8
    """Scores of detections outside every halo."""
    free_m: float


@dataclass(frozen=True, slots=True)
class Curve:
    """POD at given false-alarm rates, with the 95 % band of a bootstrap over places."""

    far_per_m: tuple[float, ...]
    pod: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    reached_per_m: float
    """False-alarm rate of the lowest threshold that was run: beyond it the curve is level, not measured."""


RATES_PER_M = tuple(float(r) for r in np.round(np.geomspace(0.01, 3.0, 26), 5))


def ranked(lane: LaneScore) -> Ranked:
    """The scores of a scored lane, by alarm score."""
    targets = np.array([o.score for o in lane.targets], dtype=np.float64)
    return Ranked(lane.place, targets, np.array([a.score for a in lane.alarms_outside], dtype=np.float64), lane.free_m)


def pod_at(lanes: Sequence[Ranked], far_per_m: float) -> float:
    """POD with the lowest threshold that keeps false alarms at or under that rate. Needs a target and ground."""
    outside = np.sort(np.concatenate([lane.outside for lane in lanes]))[::-1]
    targets = np.concatenate([lane.targets for lane in lanes])
    allowed = int(np.floor(far_per_m * sum(lane.free_m for lane in lanes) + 1e-9))
    threshold = -np.inf if allowed >= len(outside) else float(outside[allowed])
    return float(np.mean((targets > threshold) & np.isfinite(targets)))


def curve(
    lanes: Sequence[Ranked], rates_per_m: Sequence[float] = RATES_PER_M, draws: int = 400, seed: int = 1
) -> Curve:
    """The pooled curve and its band.

    Lanes are resampled with replacement by place, so that targets and clutter of one ground stay together.
    """
    if not any(len(lane.targets) for lane in lanes) or sum(lane.free_m for lane in lanes) <= 0:
        raise ValueError("a curve needs mines and ground outside halos")
    places = sorted({lane.place for lane in lanes})
    members = {p: [lane for lane in lanes if lane.place == p] for p in places}
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        pick = [lane for i in rng.integers(len(places), size=len(places)) for lane in members[places[i]]]
        if any(len(lane.targets) for lane in pick) and sum(lane.free_m for lane in pick) > 0:
            drawn.append([pod_at(pick, r) for r in rates_per_m])
    band = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    total = sum(len(lane.outside) for lane in lanes) / sum(lane.free_m for lane in lanes)
    return Curve(
        tuple(rates_per_m),
        tuple(pod_at(lanes, r) for r in rates_per_m),
        tuple(float(v) for v in band[0]),
        tuple(float(v) for v in band[1]),
        float(total),
    )
