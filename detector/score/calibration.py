"""Whether probabilities mean what they say: reliability diagram and expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.score.trial import Outcome


@dataclass(frozen=True, slots=True)
class Reliability:
    """Stated against observed, in bins of equal count."""

    stated: tuple[float, ...]
    """Mean stated probability of each bin."""
    observed: tuple[float, ...]
    """Share of the bin for which it was true."""
    count: tuple[int, ...]
    ece: float
    """Expected calibration error: mean |stated - observed|, weighted by count. Naeini et al. 2015."""
    brier: float


def reliability(stated: Sequence[float], true: Sequence[bool], bins: int = 10) -> Reliability:
    """Bins of equal count, so that none is empty; fewer bins where there are under 10 cases a bin.

    >>> reliability([0.5] * 20, [True, False] * 10).ece
    0.0
    """
    if not stated:
        raise ValueError("reliability needs at least one stated probability")
    p, y = np.asarray(stated, dtype=np.float64), np.asarray(true, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(p) // 10)))
    mean = [float(p[i].mean()) for i in parts]
    share = [float(y[i].mean()) for i in parts]
    counts = [len(i) for i in parts]
    ece = sum(n * abs(a - b) for a, b, n in zip(mean, share, counts, strict=True)) / len(p)
    return Reliability(tuple(mean), tuple(share), tuple(counts), float(ece), float(np.mean((p - y) ** 2)))


def mine_reliability(outcomes: Sequence[Outcome]) -> Reliability | None:
    """Of the stated probability that an alarm on a known object is a mine; None if no known object alarmed."""
    seen = [o for o in outcomes if o.found and o.probability]
    if not seen:
        return None
    return reliability([o.probability[0] for o in seen], [o.is_target for o in seen])
