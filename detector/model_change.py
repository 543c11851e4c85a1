"""An old and a new model side by side on lanes that neither learned from: what changes, and whether it is worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detector.collected import Collected
from detector.decide.classifier import Model
from detector.decide.evidence import WAVE
from detector.detections import LEVELS, UNKNOWN
from detector.errors import ModelError
from detector.profile import Profile
from detector.score.bounds import clopper_pearson, trials_without_a_miss
from detector.score.calibration import mine_reliability
from detector.score.paired import Paired, mcnemar
from detector.score.paired_probability import Probabilities, paired_probabilities
from detector.score.roc import auc, ranked
from detector.score.trial import FalseAlarm, LaneScore, Outcome
from detector.training import scored

CONTINUOUS: Final = "continuous waves"
OTHER: Final = "pulses and radar"
LOSS: Final = 0.05
"""Share of the mines that a new model might lose: a reference that would let it pass is told to be too small."""


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
    clutter_now: tuple[str, ...]
    """Mines that are called clutter and were not before."""
    probabilities: Probabilities
    heads: str = ""
    """Which kind swept these lanes."""

    @property
    def worse(self) -> str:
        """Why it must not replace the old one, in words; '' if nothing speaks against it."""
        a, b = self.before, self.after
        told = []
        if b.found < a.found:
            told.append(f"at equal false alarms it finds {b.found} of {self.targets} mines, the old one {a.found}")
        if self.clutter_now:
            told.append(f"it calls clutter what the old one did not: {', '.join(self.clutter_now)}")
        if self.probabilities.worse:
            told.append(self.probabilities.worse)
        return "; ".join(told)

    @property
    def unseen_loss(self) -> float:
        """Chance that a model which loses each mine with probability LOSS loses none of those found before."""
        return (1.0 - LOSS) ** self.before.found

    @property
    def too_small(self) -> str:
        """Why these lanes cannot show a loss of LOSS, as a sentence; '' if they can.

        With n mines found before and none lost, the upper bound of the share that is lost is 1 - 0.05 ** (1 / n)
        (Clopper and Pearson 1934, one-sided 95 %): below LOSS from 59 on.
        """
        least = trials_without_a_miss(1.0 - LOSS)
        if self.before.found >= least:
            return ""
        # McNemar's exact test calls no fewer than six mines lost and none gained a difference
        return (
            f"{self.before.found} mines that the old model finds are too few: a model that loses {100 * LOSS:.0f} in "
            f"100 of them would go unseen with a chance of {100 * self.unseen_loss:.0f} in 100. It takes {least} (5 in "
            "100), and 120 before McNemar's test would call such a loss no chance"
        )

    def to_text(self) -> str:
        """For a person."""
        of = f" of {self.heads}" if self.heads else ""
        lines = [f"Reference{of}: {self.lanes} lanes with {self.targets} mines that neither model learned from."]
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
        p = self.probabilities
        lines.append("  probability of a mine at what alarms under both, 95 % of a paired bootstrap over grounds:")
        lines += [f"    log loss {p.log_loss.to_text()}", f"    area, mines against clutter, {p.area.to_text()}"]
        lines += [f"  now called clutter: {w}" for w in self.clutter_now]
        lines += [f"  lost: {w}" for w in self.lost] + [f"  gained: {w}" for w in self.gained]
        lines.append(f"  {len(self.changed)} detections change level or decision" + (":" if self.changed else ""))
        lines += [f"    {c}" for c in self.changed[:15]]
        if len(self.changed) > 15:
            lines.append(f"    and {len(self.changed) - 15} more (--report has all)")
        if self.too_small:
            lines.append(f"  WARNING: {self.too_small}.")
        return "\n".join(lines)


def compare(lanes: Sequence[Collected], before: Model, after: Model, profile: Profile, heads: str = "") -> Comparison:
    """Both models on reference lanes, which neither should have been trained on, at equal false alarms.

    The new one's alarms are cut where, ranked as for a curve, that leaves it no more false alarms than the old one has.

    heads : what swept them, for the report

    Raises
    ------
    ModelError
        if no lane holds a mine: nothing could be lost on them.
    """
    old, new = scored(lanes, before, profile), scored(lanes, after, profile)
    pairs = [p for a, b in zip(old, new, strict=True) for p in zip(a.targets, b.targets, strict=True)]
    if not pairs:
        raise ModelError("The reference lanes hold no mine, so no loss could show on them. Add lanes that do.")
    allowed = sum(len(s.alarms_outside) for s in old)
    each = [ranked(s) for s in new]
    outside = sorted((float(r) for lane in each for r in lane.outside), reverse=True)
    cut = outside[allowed] if len(outside) > allowed else -np.inf
    then, now = [o.found for o, _ in pairs], [bool(r > cut) for lane in each for r in lane.targets]
    return Comparison(
        lanes=len(lanes),
        targets=len(pairs),
        before=side(sum(then), allowed, len(pairs), old),
        after=side(sum(now), sum(r > cut for r in outside), len(pairs), new),
        mcnemar=mcnemar(then, now),
        lost=tuple(n.where for (_, n), t, f in zip(pairs, then, now, strict=True) if t and not f),
        gained=tuple(n.where for (_, n), t, f in zip(pairs, then, now, strict=True) if f and not t),
        changed=tuple(_changes(old, new)),
        clutter_now=tuple(n.where for o, n in pairs if n.found and not n.dug_first and (o.dug_first or not o.found)),
        probabilities=paired_probabilities(old, new),
        heads=heads,
    )


def compare_by_heads(
    lanes: Sequence[Collected], before: Model, after: Model, profile: Profile
) -> tuple[Comparison, ...]:
    """Lanes of continuous waves and the others apart: what is lost under one is not made good under the other.

    Raises
    ------
    ModelError
        if those of one kind hold no mine.
    """
    kinds = ((OTHER, [c for c in lanes if WAVE not in c.kinds]), (CONTINUOUS, [c for c in lanes if WAVE in c.kinds]))
    if not lanes:
        raise ModelError("There are no reference lanes, so no loss could show. Leave --reference-scenes as it is.")
    return tuple(compare(of, before, after, profile, heads) for heads, of in kinds if of)


def side(found: int, false: int, targets: int, lanes: Sequence[LaneScore]) -> Side:
    outcomes = [o for lane in lanes for o in lane.outcomes]
    r = mine_reliability(lanes)
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
