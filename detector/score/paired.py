"""Two detectors on the same lanes: McNemar's test, and what a second sensor costs and spares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

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
    p = 1.0 if discordant == 0 else float(stats.binomtest(only_a, discordant).pvalue)
    return Paired(both, only_a, only_b, len(a) - both - discordant, p)


def paired_targets(a: Sequence[LaneScore], b: Sequence[LaneScore]) -> Paired:
    """McNemar over the mines of the same lanes, in the same order."""
    return mcnemar([o.found for s in a for o in s.targets], [o.found for s in b for o in s.targets])


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
    mcnemar: Paired


def second_sensor(metal: Sequence[LaneScore], dual: Sequence[LaneScore]) -> SecondSensor:
    """metal, dual : the same lanes in the same order. Needs a mine."""
    pairs = [(m, d) for a, b in zip(metal, dual, strict=True) for m, d in zip(a.outcomes, b.outcomes, strict=True)]
    mines = [(m, d) for m, d in pairs if d.is_target]
    clutter = [(m, d) for m, d in pairs if not d.is_target and m.found]
    found_metal, found_dual = sum(m.found for m, _ in mines), sum(d.found for _, d in mines)
    false_metal = sum(len(s.alarms_outside) for s in metal)
    false_dual = sum(len(s.alarms_outside) for s in dual)
    free = sum(s.free_m for s in dual)
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
        clutter_recognised=sum(d.found and not d.dug_first for _, d in clutter),
        mcnemar=mcnemar([m.found for m, _ in mines], [d.found for _, d in mines]),
    )
