"""A model that goes on learning from what was dug, and the check that it has not become worse.

What it learns from: the scenes that its predecessor learned from, made again by seed, and the labelled detections.
What it is judged on: reference lanes that neither has seen. Thresholds and the second look stay the predecessor's:
labels tell what lay under an alarm, not that the ground beside it is clean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from detector.collected import Collected
from detector.decide.classifier import Model, model_from
from detector.decide.training import tail_data
from detector.detections import Detection, Label, LabelClass, TrueObject
from detector.looking_again import looked, looked_afresh
from detector.model_change import Side, side
from detector.profile import Profile
from detector.score.trial import LaneScore, place_of
from detector.training import refit, scored

LABEL_HALF_EXTENT_M: Final = 0.05
"""Assumed of a dug object whose size nobody wrote down."""

_KINDS: Final = (LabelClass.MINE, LabelClass.ERW, LabelClass.METAL_CLUTTER, LabelClass.NONMETAL_CLUTTER)


@dataclass(frozen=True, slots=True)
class Dug:
    """What the labels of a recording teach."""

    objects: tuple[TrueObject, ...]
    nothing: int
    """Places where nothing was found: not an object, and no proof of clean ground."""
    opinions: int
    """Labels that are somebody's opinion and teach nothing."""
    without_place: int


def dug_objects(detections: Sequence[Detection], labels: Sequence[Label]) -> Dug:
    """The objects that were dug at detections, from the newest label of each."""
    newest = {label.detection_id: label for label in labels}
    by_id = {d.id: d for d in detections}
    objects, nothing, opinions, nowhere = [], 0, 0, 0
    for id_, said in sorted(newest.items()):
        d = by_id.get(id_)
        if not said.ground_truth:
            opinions += 1
        elif said.label == LabelClass.NOTHING:
            nothing += 1
        elif said.label in _KINDS and d is not None:
            if d.x_m != d.x_m:
                nowhere += 1
                continue
            metal = said.label != LabelClass.NONMETAL_CLUTTER
            objects.append(
                TrueObject(
                    said.label, str(said.label), "", d.x_m, -1, -1, LABEL_HALF_EXTENT_M, said.depth_m, float("nan"),
                    metal, "dug",
                )
            )  # fmt: skip
    return Dug(tuple(objects), nothing, opinions, nowhere)


@dataclass(frozen=True, slots=True)
class Lessons:
    """Lanes that teach, with radar scores as new ground gets them."""

    base: tuple[Collected, ...]
    labelled: tuple[Collected, ...]
    told: str
    """How the second look saw them."""


def lessons(
    before: Model,
    base: Sequence[Collected],
    labelled: Sequence[Collected],
    profile: Profile,
    learned: frozenset[str] = frozenset(),
) -> Lessons:
    """What the next model learns from, as the second look of its predecessor would see it on new ground.

    It knows the base lanes, and the labelled ones it learned from, and would flatter them. So these are looked at by
    forests grown on their other places; with too few of them to grow any, by itself, which is told.

    learned : names of the recordings that it learned from
    """
    look = before.second_look
    if look is None or profile.radar_second_look.use == "no":
        return Lessons(tuple(base), tuple(labelled), "none")
    known = [*base, *(c for c in labelled if c.lane in learned)]
    again = looked_afresh(known, look)
    told = "of other folds" if again is not None else "its own: too few lanes that it knows to grow others from"
    seen = iter(again or looked(known, look))
    new = iter(looked([c for c in labelled if c.lane not in learned], look))
    return Lessons(
        tuple(next(seen) for _ in base), tuple(next(seen if c.lane in learned else new) for c in labelled), told
    )


def continued(
    name: str, before: Model, taught: Lessons, profile: Profile, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """The next model as stored. Repeatable to the bit; examples are split by place."""
    origin = {"continued_from": {"name": before.name, "hash": before.hash, "second_look": taught.told}}
    look = before.second_look
    tails = dict(before.tails)
    if look is not None and profile.radar_second_look.use == "yes":
        tails["radar"] = look.tail
    data = refit(name, [*taught.base, *taught.labelled], tails, profile, {**provenance, **origin})
    data = {**data, "tails": {s: tail_data(t) for s, t in before.tails.items()}}
    return data if look is None else {**data, "second_look": dict(look.stored)}


def held_out(
    before: Model, taught: Lessons, labelled: Sequence[Collected], profile: Profile, folds: int = 3
) -> tuple[Side, Side] | None:
    """Before and after on the labelled ground itself, each place judged by a model that did not learn from it.

    What digging did not reveal counts as a false alarm; only what alarmed was dug, so POD means little here.
    None with fewer than two places, or without a dug mine.

    labelled : the lanes of `taught.labelled` as they were collected
    """
    places = sorted({place_of(c.lane) for c in labelled})
    old: list[LaneScore] = []
    new: list[LaneScore] = []
    for k in range(min(folds, len(places))):
        out = [c for c in labelled if place_of(c.lane) in places[k::folds]]
        rest = tuple(c for c in taught.labelled if place_of(c.lane) not in places[k::folds])
        after = model_from(continued("held out", before, replace(taught, labelled=rest), profile, {}), "held out")
        old += scored(out, before, profile)
        new += scored(out, after, profile)
    targets = sum(len(lane.targets) for lane in old)
    if len(places) < 2 or targets == 0:
        return None

    def one(lanes: Sequence[LaneScore]) -> Side:
        found = sum(o.found for lane in lanes for o in lane.targets)
        return side(found, sum(len(lane.alarms_outside) for lane in lanes), targets, lanes)

    return one(old), one(new)
