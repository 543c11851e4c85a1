"""95 % intervals: of means, deviations, ratios, quantiles, and of where a curve crosses a level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import scipy

from detector.bench.steps import F8

CONFIDENCE: Final = 0.95
_TAILS: Final = (0.025, 0.975)
DRAWS: Final = 2000
"""Of a bootstrap."""


def mean_interval(values: Sequence[float] | F8) -> tuple[float, float, float]:
    """Mean of independent values and its bounds by Student's t. NaN bounds of fewer than two."""
    x = np.asarray(values, np.float64)
    mean = float(x.mean())
    if len(x) < 2:
        return mean, float("nan"), float("nan")
    half = float(scipy.stats.t.ppf(_TAILS[1], len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return mean, mean - half, mean + half


def sd_interval(sd: float, dof: float) -> tuple[float, float]:
    """Bounds of a standard deviation of normal noise, by chi square with so many degrees of freedom."""
    low, high = (float(sd * np.sqrt(dof / scipy.stats.chi2.ppf(p, dof))) for p in reversed(_TAILS))
    return low, high


def ratio_interval(a: float, dof_a: float, b: float, dof_b: float) -> tuple[float, float]:
    """Bounds of a/b, both standard deviations of normal noise, by Fisher's F."""
    low, high = (
        float(a / b / np.sqrt(scipy.stats.f.ppf(p, dof_a, dof_b))) for p in reversed(_TAILS)
    )  # fmt: skip
    return low, high


def variance_dof(x: F8) -> float:
    """Degrees of freedom of the variance of a correlated series (n,): n / sum of squared autocorrelations.

    Bartlett 1946; the sum ends at the first lag that is six times what it has come to (Sokal 1997). Tones, bins of the
    periodogram that are 20 times the median of their neighbours, add power and no scatter of their own: the variance of
    the estimate is then that of the noise, 2 s^4 / dof, and of its product with the tones, 4 s^2 a^2 / n.
    """
    n = len(x)
    transform = np.fft.rfft(x - x.mean())
    power = np.abs(transform) ** 2
    tones = power > 20 * scipy.ndimage.median_filter(power, min(101, len(power) // 4 * 2 + 1), mode="reflect")
    whole = float(power.sum())
    transform[tones] = 0.0
    share = float((np.abs(transform) ** 2).sum()) / whole if whole > 0 else 0.0
    if share <= 0.0:
        return float(n - 1)
    d = np.fft.irfft(transform, n)
    r = np.fft.irfft(np.abs(np.fft.rfft(d, 2 * n)) ** 2)[: n // 2]
    rho = r / r[0]
    total = 1.0 + 2.0 * np.cumsum(rho[1:] ** 2 - 1.0 / n)
    enough = np.nonzero(np.arange(1, len(total) + 1) >= 6.0 * total)[0]
    dof = (n - 1) / max(1.0, float(total[enough[0]] if len(enough) else total[-1]))
    return float(max(2.0, 2.0 / (2.0 * share**2 / dof + 4.0 * share * (1.0 - share) / n)))


def batch_mean(x: F8, batches: int = 16) -> tuple[float, float, int]:
    """Mean of a correlated series (n,), its standard error and that error's degrees of freedom.

    Batch means (Conway 1963): pieces that are long against the correlation are as good as independent.
    """
    k = max(2, min(batches, len(x) // 8))
    size = len(x) // k
    means = x[: k * size].reshape(k, size).mean(axis=1)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(k)), k - 1


def welch_half(errors: Sequence[float], dofs: Sequence[int]) -> float:
    """Half the interval of a sum of independent means, by Welch and Satterthwaite."""
    e2 = np.asarray(errors, np.float64) ** 2
    total = float(e2.sum())
    if total == 0.0:
        return 0.0
    dof = total**2 / float((e2**2 / np.asarray(dofs, np.float64)).sum())
    return float(scipy.stats.t.ppf(_TAILS[1], dof) * np.sqrt(total))


def quantile_interval(values: Sequence[float] | F8, q: float) -> tuple[float, float, float]:
    """A quantile of independent values and its bounds by the order statistics; infinite where the sample is too small.

    Needs no distribution: the number of values below the quantile is binomial (Conover 1999, 3.2).
    """
    x = np.sort(np.asarray(values, np.float64))
    n = len(x)
    low, high = int(scipy.stats.binom.ppf(_TAILS[0], n, q)), int(scipy.stats.binom.ppf(_TAILS[1], n, q)) + 1
    return (
        float(np.quantile(x, q)),
        float(x[low - 1]) if low >= 1 else float("-inf"),
        float(x[high - 1]) if high <= n else float("inf"),
    )


def drawn_interval(
    draw: Callable[[np.random.Generator], float], seed: int = 0, draws: int = DRAWS
) -> tuple[float, float]:
    """Percentile bounds of a figure computed anew from perturbed data; the seed makes it repeatable."""
    rng = np.random.default_rng(seed)
    found = np.array([draw(rng) for _ in range(draws)])
    found = np.where(np.isnan(found), np.inf, found)
    low, high = np.quantile(found, _TAILS, method="inverted_cdf")
    return float(low), float(high)


def crossing(x: F8, y: F8, level: float) -> float:
    """Where y, falling or rising along x, crosses a level, straight between points; NaN if it does not.

    The first crossing from the end where y is above the level: what lies beyond it is noise.
    """
    above = y >= level
    if above[0]:
        i = int(np.argmin(above))
        if above[i]:
            return float("nan")
        a, b = i - 1, i
    elif above[-1]:
        i = int(np.argmin(above[::-1]))
        b = len(x) - i
        a = b - 1
    else:
        return float("nan")
    return float(x[a] + (level - y[a]) / (y[b] - y[a]) * (x[b] - x[a]))


def curved_crossing(x: F8, y: F8, level: float) -> tuple[float, float]:
    """Where y crosses a level, midway between a monotone cubic and straight lines, and how far these two differ.

    The difference stands for what is not known of the curve between the points (Fritsch and Carlson 1980).
    """
    straight = crossing(x, y, level)
    if np.isnan(straight):
        return straight, float("nan")
    fine = np.linspace(x[0], x[-1], 40 * (len(x) - 1) + 1)
    curved = crossing(fine, np.asarray(scipy.interpolate.PchipInterpolator(x, y)(fine)), level)
    return (curved + straight) / 2, abs(curved - straight)


def width_at(x: F8, y: F8, level: float, top: int) -> float:
    """Width along x of the piece around index `top` in which y stays at or above a level; NaN if it reaches an end."""
    left, right = np.nonzero(y[:top] < level)[0], np.nonzero(y[top:] < level)[0]
    if not len(left) or not len(right):
        return float("nan")
    a, b = int(left[-1]), top + int(right[0])
    return float(
        np.interp(level, (y[b], y[b - 1]), (x[b], x[b - 1])) - np.interp(level, (y[a], y[a + 1]), (x[a], x[a + 1]))
    )
