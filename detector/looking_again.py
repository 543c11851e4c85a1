"""The second look on collected lanes: learned from them, and what it makes of their radar scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from detector.collected import Collected
from detector.decide.second_look import SecondLook
from detector.decide.second_look_training import Candidate, fit_second_look, held_out_looks
from detector.score.matching import HALO_MARGIN_M


def look_again(lanes: Sequence[Collected]) -> tuple[dict[str, Any] | None, dict[str, Any], list[Collected]]:
    """The second look as stored, what is told of it, and the lanes with radar scores as it changes them.

    Each lane's scores are changed by forests grown on other places. None, and the lanes as they are, where there is
    too little to learn from.
    """
    look, told, scores = fit_second_look(_candidates(lanes), _clean_m(lanes))
    return look, told, list(lanes) if look is None else _with_scores(lanes, scores.tolist())


def looked(lanes: Sequence[Collected], look: SecondLook) -> list[Collected]:
    """Lanes that the look did not learn from, with radar scores as it changes them."""
    scores = [a.score + look.shift(a.features) for c in lanes for a in c.alarms if a.sensor == "radar"]
    return _with_scores(lanes, scores)


def looked_afresh(lanes: Sequence[Collected], look: SecondLook) -> list[Collected] | None:
    """Lanes that the look learned from, as it would see them if it had not: by forests grown on their other places.

    The weight is the look's own. None where there is too little to grow such forests from.
    """
    held = held_out_looks(_candidates(lanes), _clean_m(lanes))
    if isinstance(held, str):
        return None
    return _with_scores(lanes, (held.score + look.weight * held.ratio).tolist())


def _clean_m(lanes: Sequence[Collected]) -> float:
    return sum(c.clean_m for c in lanes if "radar" in c.sensors)


def _candidates(lanes: Sequence[Collected]) -> list[Candidate]:
    out = []
    for c in lanes:
        alarms = [a for a in c.alarms if a.sensor == "radar"]
        near: defaultdict[int, list[int]] = defaultdict(list)
        for k, a in enumerate(alarms):
            for i, o in enumerate(c.truth):
                if abs(a.x_m - o.x_m) <= o.half_extent_m + HALO_MARGIN_M:
                    near[i].append(k)
        # an object is what stands out most in its halo; the rest of the halo is neither
        objects = {max(ks, key=lambda k: alarms[k].score) for ks in near.values()}
        for k, a in enumerate(alarms):
            label = 0 if k in objects else 1 if c.is_clean(a.x_m) else -1
            out.append(Candidate(c.place, a.score, a.features, label))
    return out


def _with_scores(lanes: Sequence[Collected], radar: Sequence[float]) -> list[Collected]:
    """Other scores for the radar's alarms, lane by lane and in order."""
    changed: Iterator[float] = iter(radar)
    return [
        replace(c, alarms=tuple(replace(a, score=next(changed)) if a.sensor == "radar" else a for a in c.alarms))
        for c in lanes
    ]
