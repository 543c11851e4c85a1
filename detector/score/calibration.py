"""Whether probabilities mean what they say: reliability diagram, calibration error, and what chance would give."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.score.trial import LaneScore

DRAWS: Final = 2000
"""Of consistency resampling."""
SEED: Final = 1
MOST_AT_ONCE: Final = 1 << 18
"""Answers that are drawn at a time."""
WIDE: Final = 10
"""Bins of equal width."""

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EqualWidth:
    """The calibration error in WIDE bins of equal width, 0 to 0.1, 0.1 to 0.2 and so on. Guo et al. 2017 (ICML).

    Where most cases lie at one end, bins of equal count are wide in between, and errors of opposite sign within one of
    them cancel; these show such errors, and for bins with few cases chance as well.
    """

    ece: float
    chance_ece: float
    """Mean that perfect calibration would show."""
    chance_bounds: tuple[float, float]
    """95 % of what it would show."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Stated against observed, in bins of equal count, and what perfect calibration would show on the same cases."""

    stated: tuple[float, ...]
    """Mean stated probability of each bin."""
    observed: tuple[float, ...]
    """Share of the bin for which it was true."""
    count: tuple[int, ...]
    ece: float
    """Expected calibration error: mean |stated - observed|, weighted by count. Naeini et al. 2015 (AAAI)."""
    brier: float
    low: tuple[float, ...]
    """Consistency bars: 95 % of the shares that perfect calibration would show in each bin."""
    high: tuple[float, ...]
    chance_ece: float
    """Mean calibration error that perfect calibration would show."""
    chance_bounds: tuple[float, float]
    """95 % of the calibration errors that it would show."""
    objects: int
    """Different ones: repeated cases of one object are decided by one draw."""
    too_sure: float
    """Mean stated probability of the likelier answer less the share in which that answer was true: above 0 is
    over-confident."""
    chance_sure: tuple[float, float]
    """95 % of what perfect calibration would show there."""
    too_high: float
    """Mean stated probability less the share that was true: above 0 says too often that it is."""
    chance_high: tuple[float, float]
    """95 % of what perfect calibration would show there."""
    equal_width: EqualWidth
    """The error again, in bins of another kind."""

    @property
    def told_from_calibrated(self) -> bool:
        """Whether the error in either kind of bins is more than perfect calibration would show in 97.5 of 100 such
        trials, so that it is called calibrated in 95 of 100 where it is."""
        return self.ece > self.chance_bounds[1] or self.equal_width.ece > self.equal_width.chance_bounds[1]

    @property
    def errors(self) -> str:
        """In both kinds of bins, for a person."""
        return (
            f"expected calibration error {self.ece:.3f} in {len(self.stated)} bins of equal count, "
            f"{self.equal_width.ece:.3f} in {WIDE} of equal width"
        )

    @property
    def verdict(self) -> str:
        """In words, with each direction that is more than chance."""
        if not self.told_from_calibrated:
            return "cannot be told from perfectly calibrated"
        said = [
            f"{much if by > 0 else little} by {abs(by):.3f} at the mean"
            for by, (low, high), much, little in (
                (self.too_sure, self.chance_sure, "over-confident", "under-confident"),
                (self.too_high, self.chance_high, "calls mines too likely", "calls mines too unlikely"),
            )
            if not low <= by <= high
        ]
        return "not calibrated: " + (", ".join(said) or "wrong in places, in no one direction on the whole")

    def to_text(self) -> str:
        """What the calibration error is to be held against, as a sentence."""
        same = "" if self.objects == sum(self.count) else f" {self.objects} different objects, one draw each;"
        (low, high), wide = self.chance_bounds, self.equal_width
        return (
            f"perfectly calibrated probabilities would show {self.chance_ece:.3f} ({low:.3f} to {high:.3f}) and "
            f"{wide.chance_ece:.3f} ({wide.chance_bounds[0]:.3f} to {wide.chance_bounds[1]:.3f});{same} {self.verdict}"
        )


def reliability(
    stated: Sequence[float], true: Sequence[bool], bins: int = 10, objects: Sequence[Hashable] = ()
) -> Reliability:
    """Bins of equal count, so that none is empty; fewer bins where there are under 10 cases a bin. The error in WIDE
    bins of equal width beside it, empty ones left out.

    A calibration error of few cases is not 0 for true probabilities either: chance alone moves the share of each bin.
    What it would be then is drawn by consistency resampling (Broecker and Smith 2007, Weather and Forecasting 22, 651):
    the same probabilities and bins, answers drawn as the probabilities state, DRAWS times, seeded. Cases of one object
    share one uniform number, which each compares with its own probability: every case is calibrated, and an object
    swept three times is not three objects.

    Parameters
    ----------
    stated, true : (n,) probability, and whether it was so
    bins : most of them, of equal count
    objects : (n,) which object each case is of; () = each is one by itself

    Raises
    ------
    ValueError
        without a case, or where the lengths differ.

    >>> r = reliability([0.5] * 20, [True, False] * 10)
    >>> r.ece, r.told_from_calibrated
    (0.0, False)
    """
    if not stated:
        raise ValueError("reliability needs at least one stated probability")
    p, y = np.asarray(stated, dtype=np.float64), np.asarray(true, dtype=np.float64)
    names = {name: i for i, name in enumerate(dict.fromkeys(objects or range(len(p))))}
    of = np.array([names[name] for name in objects or range(len(p))])
    if not len(p) == len(y) == len(of):
        raise ValueError(f"{len(p)} probabilities, {len(y)} answers and {len(of)} objects do not belong together")
    order = np.argsort(p, kind="stable")
    like = _Bins(np.array([len(i) for i in np.array_split(order, max(1, min(bins, len(p) // 10)))]))
    inside = np.bincount(np.clip((p * WIDE).astype(np.int64), 0, WIDE - 1), minlength=WIDE)
    wide = _Bins(inside[inside > 0])
    mean, share = like.means(p[order]), like.means(y[order])
    rng = np.random.default_rng(SEED)
    drawn, drawn_wide = np.empty((DRAWS, len(like.count))), np.empty(DRAWS)
    sure, level = np.empty(DRAWS), np.empty(DRAWS)
    together = max(1, MOST_AT_ONCE // len(p))
    for k in range(0, DRAWS, together):
        some = slice(k, min(k + together, DRAWS))
        answers = (rng.random((some.stop - k, len(names)))[:, of] < p).astype(np.float64)
        drawn[some] = like.means(answers[:, order])
        drawn_wide[some] = wide.error(p[order], answers[:, order])
        sure[some], level[some] = _directions(p, answers)
    errors = np.abs(mean - drawn) @ like.count / len(p)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    too_sure, too_high = (float(v) for v in _directions(p, y))
    return Reliability(
        stated=tuple(mean.tolist()),
        observed=tuple(share.tolist()),
        count=tuple(like.count.tolist()),
        ece=float(like.error(p[order], y[order])),
        brier=float(np.mean((p - y) ** 2)),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        chance_ece=float(errors.mean()),
        chance_bounds=_middle(errors),
        objects=len(names),
        too_sure=too_sure,
        chance_sure=_middle(sure),
        too_high=too_high,
        chance_high=_middle(level),
        equal_width=EqualWidth(
            float(wide.error(p[order], y[order])), float(drawn_wide.mean()), _middle(drawn_wide)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Bins:
    """Of cases in order of their probability, none empty."""

    count: NDArray[np.int64]

    def means(self, values: F8) -> F8:
        """(..., bins) of (..., n) values."""
        start = np.cumsum(self.count) - self.count
        return np.asarray(np.add.reduceat(values, start, axis=-1) / self.count)

    def error(self, p: F8, y: F8) -> F8:
        """(...) calibration error of (n,) probabilities beside (..., n) answers."""
        return np.asarray(np.abs(self.means(p) - self.means(y)) @ self.count / len(p))


def _directions(p: F8, y: F8) -> tuple[F8, F8]:
    """(...) how much too sure, and how much too high, (n,) probabilities are beside (..., n) answers."""
    over = p - y
    return np.asarray(np.where(p >= 0.5, over, -over).mean(axis=-1)), np.asarray(over.mean(axis=-1))


def _middle(values: F8) -> tuple[float, float]:
    """Bounds of the middle 95 % of them."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def mine_reliability(lanes: Sequence[LaneScore]) -> Reliability | None:
    """Of the stated probability that an alarm on a known object is a mine; None if no known object alarmed.

    Sweeps of one ground are sweeps of the same objects (:attr:`LaneScore.ground`).
    """
    seen = [(o, (lane.ground, i)) for lane in lanes for i, o in enumerate(lane.outcomes) if o.found and o.probability]
    if not seen:
        return None
    p = [o.probability[0] for o, _ in seen]
    return reliability(p, [o.is_target for o, _ in seen], objects=[name for _, name in seen])
