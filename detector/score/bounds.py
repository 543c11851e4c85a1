"""Exact confidence bounds for counts."""

from __future__ import annotations

import math

import scipy


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of a probability of detection after `hits` of `trials`. Clopper and Pearson 1934.

    >>> [round(b, 4) for b in clopper_pearson(98, 100)]
    [0.9296, 0.9976]
    """
    if not 0 <= hits <= trials or trials < 1:
        raise ValueError(f"{hits} of {trials} is not a number of hits")
    a = 1.0 - confidence
    low = 0.0 if hits == 0 else float(scipy.special.betaincinv(hits, trials - hits + 1, a / 2))
    high = 1.0 if hits == trials else float(scipy.special.betaincinv(hits + 1, trials - hits, 1 - a / 2))
    return low, high


def poisson_rate(count: int, exposure: float, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of a rate after `count` events on `exposure` (m, m2, h). Garwood 1936.

    >>> [round(b, 4) for b in poisson_rate(12, 200)]
    [0.031, 0.1048]
    """
    if count < 0 or exposure <= 0:
        raise ValueError("a rate needs a count of 0 or more on a positive exposure")
    a = 1.0 - confidence
    low = 0.0 if count == 0 else float(scipy.stats.chi2.ppf(a / 2, 2 * count)) / (2 * exposure)
    return low, float(scipy.stats.chi2.ppf(1 - a / 2, 2 * count + 2)) / (2 * exposure)


def trials_without_a_miss(pod: float, confidence: float = 0.95) -> int:
    """Targets that must all be found to show that POD is at least `pod`.

    >>> trials_without_a_miss(0.99)
    299
    """
    return math.ceil(math.log(1.0 - confidence) / math.log(pod))
