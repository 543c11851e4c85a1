"""A model that goes on learning from what was dug, and the check that it has not become worse.

What it learns from: the scenes that its predecessor learned from, made again by seed, and the labelled detections.
What it is judged on: reference lanes that neither has seen. Thresholds and the second look stay the predecessor's:
labels tell what lay under an alarm, not that the ground beside it is clean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from detector.decide.classifier import Model, model_from
from detector.detections import LEVELS, UNKNOWN, Detection, Label, LabelClass, TrueObject
from detector.errors import ModelError
from detector.profile import Profile
from detector.score.bounds import clopper_pearson
from detector.score.calibration import mine_reliability
from detector.score.paired import Paired, mcnemar
from detector.score.roc import auc
from detector.score.trial import FalseAlarm, LaneScore, Outcome, place_of
from detector.training import Change, Collected, change, refit, scored

REFERENCE_SEEDS: Final = range(700_000, 700_024)
"""Simulated scenes of the reference set that comes with the product; never trained on."""

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


def continued(
    name: str,
    before: Model,
    base: Sequence[Collected],
    labelled: Sequence[Collected],
    profile: Profile,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """The next model as stored. Repeatable to the bit; examples are split by place."""
    lanes = [replace(c, place=place_of(c.lane)) for c in (*base, *labelled)]
    origin = {"continued_from": {"name": before.name, "hash": before.hash}}
    return refit(name, lanes, before.tails, profile, {**provenance, **origin}, before.second_look)


@dataclass(frozen=True, slots=True)
class Side:
    """One model on the reference lanes."""

    found: int
    """Mines, at the false alarms that both are allowed."""
    pod_bounds: tuple[float, float]
    false_alarms: int
    called_clutter: int
    """Mines that alarm and are called clutter: dug, but after the others."""
    clutter: int
    """Clutter objects called clutter."""
    calibration_error: float
    """Of the probability of a mine at known objects; NaN if none alarmed."""
    ranking: float
    """Share of pairs of an alarmed mine and another alarm in which the mine is dug first; NaN without pairs."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a new model changes on lanes that neither learned from."""

    lanes: int
    targets: int
    before: Side
    after: Side
    mcnemar: Paired
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    changed: tuple[str, ...]
    """Detections whose level or decision is another."""

    @property
    def worse(self) -> str:
        """Why it must not replace the old one, as a sentence; '' if nothing speaks against it."""
        a, b = self.before, self.after
        if b.found < a.found:
            return f"at equal false alarms it finds {b.found} of {self.targets} mines, the old one {a.found}"
        if b.called_clutter > a.called_clutter:
            return f"it calls {b.called_clutter} of {self.targets} mines clutter, the old one {a.called_clutter}"
        return ""

    def to_text(self) -> str:
        """For a person."""
        lines = [f"Reference: {self.lanes} lanes with {self.targets} mines that neither model learned from."]
        for name, s in (("before", self.before), ("after", self.after)):
            lines.append(
                f"  {name:<7}POD {s.found}/{self.targets} ({s.pod_bounds[0]:.3f} to {s.pod_bounds[1]:.3f}) at "
                f"{s.false_alarms} false alarms; mines called clutter {s.called_clutter}; clutter called clutter "
                f"{s.clutter}; calibration error {s.calibration_error:.3f}, ranking {s.ranking:.3f}"
            )
        lines.append(
            f"  McNemar, exact: {self.mcnemar.only_a} mines only before, {self.mcnemar.only_b} only after, "
            f"p = {self.mcnemar.p_value:.3g}"
        )
        lines += [f"  lost: {w}" for w in self.lost] + [f"  gained: {w}" for w in self.gained]
        lines.append(f"  {len(self.changed)} detections change level or decision" + (":" if self.changed else ""))
        lines += [f"    {c}" for c in self.changed[:15]]
        if len(self.changed) > 15:
            lines.append(f"    and {len(self.changed) - 15} more (--report has all)")
        return "\n".join(lines)


def compare(lanes: Sequence[Collected], before: Model, after: Model, profile: Profile) -> Comparison:
    """Both models on reference lanes.

    Raises
    ------
    ModelError
        if no lane holds a mine: nothing could be lost on them.
    """
    c = change(lanes, before, after, profile)
    if c.targets == 0:
        raise ModelError("The reference lanes hold no mine, so no loss could show on them. Add lanes that do.")
    old, new = scored(lanes, before, profile), scored(lanes, after, profile)
    return Comparison(
        lanes=len(lanes),
        targets=c.targets,
        before=_side(c.found_before, c.false_before, c.targets, old),
        after=_side(c.found_after, c.false_after, c.targets, new),
        mcnemar=_pairs(c),
        lost=c.lost,
        gained=c.gained,
        changed=tuple(_changes(old, new)),
    )


def held_out(
    before: Model, base: Sequence[Collected], labelled: Sequence[Collected], profile: Profile, folds: int = 3
) -> tuple[Side, Side] | None:
    """Before and after on the labelled ground itself, each place judged by a model that did not learn from it.

    What digging did not reveal counts as a false alarm; only what alarmed was dug, so POD means little here.
    None with fewer than two places, or without a dug mine.
    """
    places = sorted({place_of(c.lane) for c in labelled})
    old: list[LaneScore] = []
    new: list[LaneScore] = []
    for k in range(min(folds, len(places))):
        out = [c for c in labelled if place_of(c.lane) in places[k::folds]]
        rest = [c for c in labelled if place_of(c.lane) not in places[k::folds]]
        after = model_from(continued("held out", before, base, rest, profile, {}), "held out")
        old += scored(out, before, profile)
        new += scored(out, after, profile)
    targets = sum(len(lane.targets) for lane in old)
    if len(places) < 2 or targets == 0:
        return None

    def side(lanes: Sequence[LaneScore]) -> Side:
        found = sum(o.found for lane in lanes for o in lane.targets)
        return _side(found, sum(len(lane.alarms_outside) for lane in lanes), targets, lanes)

    return side(old), side(new)


def _pairs(c: Change) -> Paired:
    both = c.found_before - len(c.lost)
    neither = c.targets - both - len(c.lost) - len(c.gained)
    n = both, len(c.lost), len(c.gained), neither
    a = [True] * (n[0] + n[1]) + [False] * (n[2] + n[3])
    b = [True] * n[0] + [False] * n[1] + [True] * n[2] + [False] * n[3]
    return mcnemar(a, b)


def _side(found: int, false: int, targets: int, lanes: Sequence[LaneScore]) -> Side:
    outcomes = [o for lane in lanes for o in lane.outcomes]
    r = mine_reliability(outcomes)
    return Side(
        found=found,
        pod_bounds=clopper_pearson(found, targets),
        false_alarms=false,
        called_clutter=sum(o.is_target and o.found and not o.dug_first for o in outcomes),
        clutter=sum(not o.is_target and o.found and not o.dug_first for o in outcomes),
        calibration_error=float("nan") if r is None else r.ece,
        ranking=_ranking(lanes),
    )


def _ranking(lanes: Sequence[LaneScore]) -> float:
    """What is called unknown is dug with the likeliest mines."""

    def danger(a: Outcome | FalseAlarm) -> float:
        return 1.0 if a.decision == UNKNOWN else a.probability[0]

    alarmed = [o for lane in lanes for o in lane.outcomes if o.found]
    mines = [danger(o) for o in alarmed if o.is_target]
    others = [danger(o) for o in alarmed if not o.is_target]
    others += [danger(a) for lane in lanes for a in lane.alarms_outside]
    return auc(mines, others) if mines and others else float("nan")


def _changes(old: Sequence[LaneScore], new: Sequence[LaneScore]) -> list[str]:
    out = []
    for a, b in zip(old, new, strict=True):
        for x, y in zip(a.outcomes, b.outcomes, strict=True):
            if x.found and y.found and (x.level, x.decision) != (y.level, y.decision):
                out.append(f"{x.where}: {_said(x.level, x.decision)} -> {_said(y.level, y.decision)}")
        places = {round(f.x_m, 6): f for f in b.alarms_outside}
        for f in a.alarms_outside:
            g = places.get(round(f.x_m, 6))
            if g is not None and (f.level, f.decision) != (g.level, g.decision):
                said = f"{_said(f.level, f.decision)} -> {_said(g.level, g.decision)}"
                out.append(f"false alarm in {f.lane} at {f.x_m:.2f} m: {said}")
    return out


def _said(level: int, decision: str) -> str:
    return f"{LEVELS[level]} {decision}"
