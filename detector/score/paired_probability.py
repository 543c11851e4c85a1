"""Two models' probabilities of a mine at the same objects: which is truer and which ranks better, beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.score.trial import LaneScore

DRAWS: Final = 2000
SEED: Final = 1
LEAST: Final = 1e-6
"""No probability counts as less, so that one answer that was called impossible is no endless loss."""

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Change:
    """A figure under the model before and after, on the same objects."""

    before: float
    after: float
    low: float
    """95 % of after - before, bootstrap over grounds; NaN where there is only one."""
    high: float

    def to_text(self) -> str:
        """For a person."""
        if math.isnan(self.after):
            return "not judged: it takes mines and clutter that alarm under both"
        bounds = f", change {self.after - self.before:+.3f} ({self.low:+.3f} to {self.high:+.3f})"
        return f"{self.before:.3f} before, {self.after:.3f} after" + ("" if math.isnan(self.low) else bounds)


@dataclass(frozen=True, slots=True)
class Probabilities:
    """What became of the probability of a mine at objects that alarm under both models."""

    log_loss: Change
    """Mean of -ln of the probability that was stated of what lay there: lower is truer."""
    area: Change
    """Under the curve, mines against clutter: higher is better."""

    @property
    def worse(self) -> str:
        """What is worse beyond chance, as a sentence; '' if nothing is."""
        told = []
        if self.log_loss.low > 0:
            told.append(f"its probabilities of a mine are less true beyond chance: log loss {self.log_loss.to_text()}")
        if self.area.high < 0:
            told.append(f"it tells mines from clutter less well beyond chance: area {self.area.to_text()}")
        return "; ".join(told)


def paired_probabilities(
    before: Sequence[LaneScore], after: Sequence[LaneScore], draws: int = DRAWS, seed: int = SEED
) -> Probabilities:
    """Both by a paired bootstrap over grounds (percentiles; Efron and Tibshirani 1993, chapter 13), seeded.

    Objects of one ground share its soil and head, so that grounds are drawn, not objects; and both models are judged
    on the same draw, so that only what differs between them counts. Of very few grounds the interval is too narrow,
    and a change is called worse too readily.

    before, after : the same lanes in the same order
    """
    row = {g: i for i, g in enumerate(dict.fromkeys(lane.ground for lane in before))}
    seen = [
        (row[a.ground], x.is_target, x.probability[0], y.probability[0])
        for a, b in zip(before, after, strict=True)
        for x, y in zip(a.outcomes, b.outcomes, strict=True)
        if x.probability and y.probability
    ]
    if not seen:
        nothing = Change(math.nan, math.nan, math.nan, math.nan)
        return Probabilities(nothing, nothing)
    of = np.array([s[0] for s in seen])
    mine = np.array([s[1] for s in seen], dtype=np.bool_)
    p = np.array([s[2:] for s in seen], dtype=np.float64)
    pick = np.random.default_rng(seed).multinomial(len(row), np.full(len(row), 1 / len(row)), size=draws)
    weight = np.vstack((np.ones(len(row)), pick)).astype(np.float64)
    loss = -np.log(np.maximum(np.where(mine[:, None], p, 1 - p), LEAST))
    sums = np.stack([np.bincount(of, column, len(row)) for column in (*loss.T, np.ones(len(of)))])
    with np.errstate(invalid="ignore"):
        losses = [weight @ s / (weight @ sums[2]) for s in sums[:2]]
        areas = [_areas(weight, of, mine, column) for column in p.T]
    grounds = len(np.unique(of))
    return Probabilities(_change(losses[0], losses[1], grounds), _change(areas[0], areas[1], grounds))


def _areas(weight: F8, of: NDArray[np.int64], mine: NDArray[np.bool_], p: F8) -> F8:
    """(k,) areas when ground g is there weight[k, g] times; NaN without a pair. Mann and Whitney 1947."""
    grounds = weight.shape[1]
    above = np.sign(p[mine][:, None] - p[~mine]) / 2 + 0.5
    pairs = np.zeros((grounds, grounds))
    np.add.at(pairs, (of[mine][:, None], of[~mine]), above)
    mines, others = (np.bincount(of[which], minlength=grounds) for which in (mine, ~mine))
    return np.asarray(((weight @ pairs) * weight).sum(axis=1) / ((weight @ mines) * (weight @ others)))


def _change(before: F8, after: F8, grounds: int) -> Change:
    """The first is of all grounds once, the others are drawn. Of one ground no draw says what chance does."""
    moved = (after - before)[1:]
    moved = moved[np.isfinite(moved)]
    known = grounds > 1 and len(moved) > 0
    low, high = (float(v) for v in np.quantile(moved, [0.025, 0.975])) if known else (math.nan, math.nan)
    return Change(float(before[0]), float(after[0]), low, high)
