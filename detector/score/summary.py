"""A whole trial: the pooled figures, search mode, each sensor alone, a rival, and what was not tested."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from detector.score.asked import AskedRate, asked_rates
from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.paired import (
    FalseAlarmDifference,
    Paired,
    SecondSensor,
    false_alarm_difference,
    paired_targets,
    second_sensor,
)
from detector.score.procedure import Procedure, which
from detector.score.report import Score, by_size, finite, pool
from detector.score.roc import Curve, curve, ranked
from detector.score.stored import RESULT_FORMAT, RESULT_VERSION, lanes_to_json
from detector.score.trial import LaneScore

FEW: Final = 29
"""Mines under which not even a POD of 0.90 can be shown (29 without a miss, 95 %)."""


@dataclass(frozen=True, slots=True)
class SearchScore:
    """Search signals, pooled. They only point; the decision is scored apart."""

    targets: int
    signalled: int
    pod_bounds: tuple[float, float] | None
    outside: int
    """Places outside halos that sounded."""
    free_m: float
    far_bounds: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Against:
    """The same lanes under another chain, or in an earlier result."""

    name: str
    paired: Paired
    difference: FalseAlarmDifference | None
    lanes: int
    curve: Curve | None


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that a report says."""

    score: Score
    lanes: tuple[LaneScore, ...]
    search: SearchScore | None
    second: SecondSensor | None
    alone: dict[str, Curve]
    against: Against | None
    not_tested: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]
    """What, and its value."""
    procedure: Procedure | None = None
    """Where the lanes are procedures of several sweeps: what each brought."""
    asked: tuple[AskedRate, ...] = ()
    """False alarms asked of each sensor, and got."""

    def to_json(self) -> dict[str, Any]:
        """Strict JSON; --against reads it."""
        return {
            "format": RESULT_FORMAT,
            "version": RESULT_VERSION,
            **self.score.to_json(),
            "procedure": None if self.procedure is None else self.procedure.to_json(),
            "search": finite(None if self.search is None else asdict(self.search)),
            "second_sensor": finite(None if self.second is None else asdict(self.second)),
            "asked": finite([asdict(a) for a in self.asked]),
            "alone": finite({k: asdict(v) for k, v in self.alone.items()}),
            "against": finite(None if self.against is None else asdict(self.against)),
            "not_tested": list(self.not_tested),
            "provenance": [list(row) for row in self.provenance],
            "lane_scores": lanes_to_json(self.lanes),
        }


def trial(
    lanes: Sequence[LaneScore],
    alone: Sequence[dict[str, LaneScore]] = (),
    rival: tuple[str, Sequence[LaneScore]] | None = None,
    with_roc: bool = False,
    not_tested: Sequence[str] = (),
    provenance: Sequence[tuple[str, str]] = (),
    procedure: Procedure | None = None,
    asked: Mapping[str, float] | None = None,
) -> Trial:
    """Pool scored lanes.

    Parameters
    ----------
    alone : of each lane, its sensors by themselves
    rival : its name, and its lanes; lanes of the same name and truth are compared
    not_tested : sentences on what the caller knows was not tested
    procedure : of lanes that are procedures of several sweeps
    asked : false alarms per metre that the profile asks of each sensor
    """
    total = pool(lanes, with_roc)
    both = [(lane, a) for lane, a in zip(lanes, alone, strict=bool(alone)) if len(a) > 1]
    second, curves = None, {}
    if any(lane.targets for lane, _ in both):
        sensors = {s: [a[s] for _, a in both] for s in ("metal", "radar")}
        second = second_sensor(sensors["metal"], [lane for lane, _ in both], sensors["radar"])
        if with_roc:
            curves = {s: c for s, of in sensors.items() if (c := curve_of(of)) is not None}
    return Trial(
        score=total,
        lanes=tuple(lanes),
        search=_search(lanes),
        second=second,
        alone=curves,
        against=None if rival is None else _against(*rival, lanes, with_roc),
        not_tested=(
            *not_tested,
            *_untested(total, lanes),
            *_of_procedure(procedure),
            *_otherwise_ranked(rival, with_roc),
        ),
        provenance=tuple(provenance),
        procedure=procedure,
        asked=asked_rates(asked or {}, alone),
    )


def curve_of(lanes: Sequence[LaneScore]) -> Curve | None:
    """None where no placed lane holds a mine."""
    placed = [lane for lane in lanes if lane.free_m > 0]
    return curve([ranked(lane) for lane in placed]) if any(lane.targets for lane in placed) else None


def _search(lanes: Sequence[LaneScore]) -> SearchScore | None:
    seen = [lane for lane in lanes if lane.search is not None]
    hits = [
        hit
        for lane in seen
        if lane.search is not None
        for o, hit in zip(lane.outcomes, lane.search.signalled, strict=True)
        if o.is_target
    ]
    placed = [lane for lane in seen if lane.free_m > 0]
    outside, free = sum(lane.search.outside for lane in placed if lane.search), sum(lane.free_m for lane in placed)
    if not seen:
        return None
    return SearchScore(
        targets=len(hits),
        signalled=sum(hits),
        pod_bounds=clopper_pearson(sum(hits), len(hits)) if hits else None,
        outside=outside,
        free_m=free,
        far_bounds=poisson_rate(outside, free) if free > 0 else None,
    )


def _against(name: str, rival: Sequence[LaneScore], lanes: Sequence[LaneScore], with_roc: bool) -> Against:
    """Lanes pair by name and order among like names, and only if the same things lie in them."""
    waiting: dict[str, list[LaneScore]] = {}
    for lane in rival:
        waiting.setdefault(f"{lane.lane} {lane.ground}", []).append(lane)
    pairs = []
    for lane in lanes:
        others = waiting.get(f"{lane.lane} {lane.ground}")
        if others:
            pairs.append((lane, others.pop(0)))
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    return Against(
        name=name,
        paired=paired_targets(ours, theirs),
        difference=false_alarm_difference(ours, theirs),
        lanes=len(pairs),
        curve=curve_of(theirs) if with_roc else None,
    )


def _untested(total: Score, lanes: Sequence[LaneScore]) -> list[str]:
    out = []
    outcomes = [o for lane in lanes for o in lane.outcomes]
    if not total.targets:
        out.append("Detection of mines: no lane holds one.")
    elif total.different < FEW:
        out.append(f"A POD of 0.90: {total.different} different mines cannot show it, {FEW} without a miss can.")
    thin = [
        f"{value} ({s.trials})"
        for name, stratum in total.strata.items()
        if len(stratum) > 1
        for value, s in by_size(stratum)
        if s.trials < 5
    ]
    if thin:
        out.append(f"Strata of fewer than 5 mines say next to nothing: {', '.join(thin)}.")
    if nowhere := [lane.lane for lane in lanes if lane.free_m <= 0]:
        out.append(f"False alarms per metre on {some(nowhere)}: places are not known, or no ground is outside halos.")
    if not any(lane.width_m > 0 for lane in lanes):
        out.append("False alarms per square metre: no lane's width is known (--width, or width_m in a truth file).")
    if elsewhere := [lane.lane for lane in lanes if _lies_elsewhere(lane)]:
        out.append(
            f"The truth of {some(elsewhere)}: not one of its objects lies where records are. Is its x in another unit, "
            "or counted from another zero? Its objects count as missed, alarms there as false."
        )
    alike: dict[tuple[float, ...], list[str]] = {}
    for lane in lanes:
        alike.setdefault(_scores(lane), []).append(lane.lane)
    out += [
        f"{some(names)} are alike to the bit: copies of one recording are one sweep, and the bounds take them for "
        "several."
        for scores, names in alike.items()
        if scores and len(names) > 1
    ]
    if dug := _dug_between(lanes):
        out.append(
            f"Independence of the sweeps of {some(dug)}: by their truth things were taken out between them, and they "
            "count as different ground all the same, so that bounds are too narrow. Join them with --procedure."
        )
    if bare := [lane.lane for lane in lanes if not lane.outcomes]:
        out.append(f"Detection on {some(bare)}: no object is stated there, so every alarm counts as false.")
    said = Counter(o.confidence or "not stated" for o in outcomes)
    if said:
        counts = ", ".join(f"{k} for {n}" for k, n in sorted(said.items()))
        out.append(f"The truth itself. It is stated as {counts} objects.")
    out.append("Operators, and soils, targets, weather and heads other than those of these lanes.")
    return out


def _otherwise_ranked(rival: tuple[str, Sequence[LaneScore]] | None, with_roc: bool) -> list[str]:
    if rival is None or not with_roc or all(lane.ranking is not None for lane in rival[1]):
        return []
    return [
        f"The curve of {rival[0]} beside ours: that result does not say how rarely clean ground gives its scores, so "
        "its places are ranked by scores in units of the threshold, of two sensors as if they were one. Score those "
        "lanes again."
    ]


def _dug_between(lanes: Sequence[LaneScore]) -> list[str]:
    """Places of which one sweep's truth holds some of another's and nothing else."""
    there: dict[str, set[frozenset[object]]] = {}
    for lane in lanes:
        there.setdefault(lane.place, set()).add(frozenset(which(o) for o in lane.outcomes))
    return [place for place, sets in there.items() if any(a < b for a in sets for b in sets)]


def _of_procedure(p: Procedure | None) -> list[str]:
    if p is None:
        return []
    out = ["Other thresholds, each sensor alone and search mode: with those other things would have been dug."]
    if p.undug:
        out.append(
            f"Digging at {some(p.undug)}: neither truth nor labels say that anything was taken out between its sweeps. "
            "They are chances at the same ground."
        )
    return out


def _scores(lane: LaneScore) -> tuple[float, ...]:
    """All that was measured on it, so that no two sweeps have the same; () if nothing was."""
    found = [v for o in lane.outcomes for v in (o.score, o.weak)] + [a.score for a in lane.alarms_outside]
    return tuple(v for v in (*found, *lane.weak_outside) if math.isfinite(v))


def _lies_elsewhere(lane: LaneScore) -> bool:
    """Whether objects are placed by x, and all of them beyond the ends of the lane."""
    placed = [o for o in lane.outcomes if o.x_m == o.x_m]
    if lane.lane_m is None or not placed:
        return False
    low, high = lane.lane_m
    return all(not low - o.halo_m <= o.x_m <= high + o.halo_m for o in placed)


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
