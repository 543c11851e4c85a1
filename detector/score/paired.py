"""Two detectors on the same lanes: McNemar's test, and what a second sensor costs and spares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.trial import LaneScore, Outcome


@dataclass(frozen=True, slots=True)
class Paired:
    """The same mines under two detectors, a and b."""

    both: int
    only_a: int
    only_b: int
    neither: int
    p_value: float
    """Exact two-sided binomial test on the discordant pairs. McNemar 1947; Liddell 1983."""


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> Paired:
    """a, b : whether each found the i-th target.

    >>> mcnemar([True] * 10, [False] * 10).p_value
    0.001953125
    """
    if len(a) != len(b):
        raise ValueError(f"the two detectors saw {len(a)} and {len(b)} targets: they must be the same ones")
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    both = sum(x and y for x, y in zip(a, b, strict=True))
    discordant = only_a + only_b
    p = 1.0 if discordant == 0 else float(scipy.stats.binomtest(only_a, discordant).pvalue)
    return Paired(both, only_a, only_b, len(a) - both - discordant, p)


def paired_targets(a: Sequence[LaneScore], b: Sequence[LaneScore]) -> Paired:
    """McNemar over the mines of the same lanes, in the same order."""
    return mcnemar([o.found for s in a for o in s.targets], [o.found for s in b for o in s.targets])


@dataclass(frozen=True, slots=True)
class FalseAlarmDifference:
    """False alarms of two detectors on the same ground."""

    a: int
    b: int
    metres: float
    per_m: float
    """(a - b) per metre."""
    low: float
    """95 % of a bootstrap over grounds, 1/m; NaN where there is only one ground."""
    high: float


def false_alarm_difference(
    a: Sequence[LaneScore], b: Sequence[LaneScore], draws: int = 2000, seed: int = 1
) -> FalseAlarmDifference | None:
    """a, b : the same lanes in the same order. None without ground of known length."""
    placed = [(x, y) for x, y in zip(a, b, strict=True) if x.free_m > 0]
    if not placed:
        return None
    grounds = sorted({x.ground for x, _ in placed})
    row = {g: i for i, g in enumerate(grounds)}
    extra, metres = np.zeros(len(grounds)), np.zeros(len(grounds))
    for x, y in placed:
        extra[row[x.ground]] += len(x.alarms_outside) - len(y.alarms_outside)
        metres[row[x.ground]] += x.free_m
    low = high = math.nan
    if len(grounds) > 1:
        pick = np.random.default_rng(seed).integers(len(grounds), size=(draws, len(grounds)))
        low, high = (float(v) for v in np.quantile(extra[pick].sum(1) / metres[pick].sum(1), [0.025, 0.975]))
    n_a, n_b = (sum(len(pair[k].alarms_outside) for pair in placed) for k in (0, 1))
    return FalseAlarmDifference(n_a, n_b, float(metres.sum()), float(extra.sum() / metres.sum()), low, high)


@dataclass(frozen=True, slots=True)
class SecondSensor:
    """Metal detector alone against both sensors, on the same lanes."""

    targets: int
    found_metal: int
    found_dual: int
    pod_metal: tuple[float, float]
    """95 % Clopper-Pearson."""
    pod_dual: tuple[float, float]
    false_metal: int
    false_dual: int
    false_dual_first: int
    """False alarms of both sensors that were called mine-like or unknown: what is dug first."""
    free_m: float
    far_metal: tuple[float, float] | None
    """95 % Poisson, 1/m."""
    far_dual: tuple[float, float] | None
    rejected: tuple[Outcome, ...]
    """Mines that the metal detector found and that both together called clutter: the safety number. They still alarm
    and are still dug, but after the others."""
    lost: tuple[Outcome, ...]
    """Mines that the metal detector alone found and both together did not alarm on: must be none."""
    clutter_metal: int
    """Clutter objects on which the metal detector alone alarmed, ..."""
    clutter_recognised: int
    """... and those of them that both together called clutter."""
    rejection: tuple[float, float] | None
    """95 % Clopper-Pearson of clutter_recognised in clutter_metal; None without such clutter."""
    mcnemar: Paired
    found_radar: int | None = None
    """By the radar alone; None where it was not scored."""
    pod_radar: tuple[float, float] | None = None
    false_radar: int | None = None
    far_radar: tuple[float, float] | None = None


def second_sensor(
    metal: Sequence[LaneScore], dual: Sequence[LaneScore], radar: Sequence[LaneScore] = ()
) -> SecondSensor:
    """metal, dual, radar : the same lanes in the same order. Needs a mine."""
    pairs = [(m, d) for a, b in zip(metal, dual, strict=True) for m, d in zip(a.outcomes, b.outcomes, strict=True)]
    mines = [(m, d) for m, d in pairs if d.is_target]
    clutter = [(m, d) for m, d in pairs if not d.is_target and m.found]
    found_metal, found_dual = sum(m.found for m, _ in mines), sum(d.found for _, d in mines)
    false_metal = sum(len(s.alarms_outside) for s in metal)
    false_dual = sum(len(s.alarms_outside) for s in dual)
    free = sum(s.free_m for s in dual)
    recognised = sum(d.found and not d.dug_first for _, d in clutter)
    found_radar = sum(o.found for s in radar for o in s.targets) if radar else None
    false_radar = sum(len(s.alarms_outside) for s in radar) if radar else None
    return SecondSensor(
        targets=len(mines),
        found_metal=found_metal,
        found_dual=found_dual,
        pod_metal=clopper_pearson(found_metal, len(mines)),
        pod_dual=clopper_pearson(found_dual, len(mines)),
        false_metal=false_metal,
        false_dual=false_dual,
        false_dual_first=sum(a.decision in ("mine-like", "unknown") for s in dual for a in s.alarms_outside),
        free_m=free,
        far_metal=poisson_rate(false_metal, free) if free > 0 else None,
        far_dual=poisson_rate(false_dual, free) if free > 0 else None,
        rejected=tuple(d for m, d in mines if m.found and d.found and not d.dug_first),
        lost=tuple(d for m, d in mines if m.found and not d.found),
        clutter_metal=len(clutter),
        clutter_recognised=recognised,
        rejection=clopper_pearson(recognised, len(clutter)) if clutter else None,
        mcnemar=mcnemar([m.found for m, _ in mines], [d.found for _, d in mines]),
        found_radar=found_radar,
        pod_radar=None if found_radar is None else clopper_pearson(found_radar, len(mines)),
        false_radar=false_radar,
        far_radar=None if false_radar is None or free <= 0 else poisson_rate(false_radar, free),
    )
