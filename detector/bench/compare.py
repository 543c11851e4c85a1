"""Two bench reports side by side: is a difference real, or what repeats scatter by?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy

from detector.errors import BenchError

LEVEL: Final = 0.05
_DRAWS: Final = 4000


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in both reports."""

    measurement: str
    name: str
    unit: str
    a: float
    b: float
    ratio: float
    """b over a; NaN where a difference is compared."""
    low: float
    """95 % bounds of the ratio, or of the difference b - a."""
    high: float
    p: float
    """Of no difference, for this figure alone."""
    p_adjusted: float
    """After Holm 1979: as many comparisons were made as there are."""
    how: str

    @property
    def real(self) -> bool:
        """Whether the two differ, at 5 % over all comparisons together."""
        return self.p_adjusted < LEVEL


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float, float]:
    """Ratio of means b/a, its 95 % bounds by a bootstrap of both samples in t form, and p.

    p is Welch's where both samples have eight or more values, else that of a permutation of all values; both two-sided.
    The bounds: t-bootstrap of the logarithm of the ratio (Efron and Tibshirani 1993, 12.5), for means above zero.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    rng = np.random.default_rng(0)
    if min(len(x), len(y)) >= 8:
        p = float(scipy.stats.ttest_ind(x, y, equal_var=False).pvalue)
    else:
        result = scipy.stats.permutation_test(
            (x, y), lambda u, v, axis: np.mean(u, axis=axis) - np.mean(v, axis=axis), vectorized=True, n_resamples=9999,
            random_state=rng,
        )  # fmt: skip
        p = float(result.pvalue)
    ratio = float(y.mean() / x.mean())

    def log_ratio(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mu, mv = u.mean(axis=-1), v.mean(axis=-1)
        error = np.sqrt(u.var(axis=-1, ddof=1) / u.shape[-1] / mu**2 + v.var(axis=-1, ddof=1) / v.shape[-1] / mv**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(mv / mu), error

    here, error = log_ratio(x, y)
    drawn, errors = log_ratio(rng.choice(x, (_DRAWS, len(x))), rng.choice(y, (_DRAWS, len(y))))
    t = ((drawn - here) / errors)[np.isfinite(drawn) & (errors > 0)]
    if len(t) < _DRAWS / 2:
        return ratio, float("nan"), float("nan"), p
    low, high = np.quantile(t, (0.975, 0.025))
    return ratio, float(np.exp(here - low * error)), float(np.exp(here - high * error)), p


def by_intervals(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[float, float, float, float, str] | None:
    """Ratio or difference from two figures with their intervals, its bounds, p and how; None if an interval is open.

    Intervals above zero are compared as a ratio in the logarithm, others as a difference; independent, near normal.
    """
    numbers = [f[k] for f in (a, b) for k in ("low", "value", "high")]
    if any(n is None for n in numbers):
        return None
    low_a, at_a, high_a, low_b, at_b, high_b = (float(n) for n in numbers)
    z = 1.959964
    if min(low_a, low_b) > 0:
        error = float(np.hypot(np.log(high_a / low_a), np.log(high_b / low_b)) / (2 * z))
        at = float(np.log(at_b / at_a))
        p = float(2 * scipy.stats.norm.sf(abs(at) / error)) if error > 0 else float(at == 0)
        return (
            float(np.exp(at)),
            float(np.exp(at - z * error)),
            float(np.exp(at + z * error)),
            p,
            "ratio from both intervals",
        )
    error = float(np.hypot(high_a - low_a, high_b - low_b) / (2 * z))
    at = at_b - at_a
    p = float(2 * scipy.stats.norm.sf(abs(at) / error)) if error > 0 else float(at == 0)
    return float("nan"), at - z * error, at + z * error, p, "difference from both intervals"


def holm(p: Sequence[float]) -> list[float]:
    """p-values after Holm's step-down correction, in the given order. Holm 1979.

    >>> [round(x, 3) for x in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    out = np.empty(len(p))
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[int(i)]))
        out[i] = running
    return [float(x) for x in out]


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Comparison]:
    """Every figure that two reports share, as they were written to JSON.

    Repeated values are compared themselves where a report kept them; else the figures by their intervals.

    Raises
    ------
    BenchError
        if they share no figure.
    """
    rows: list[tuple[str, str, str, float, float, float, float, float, float, str]] = []
    second = {r["measurement"]: r for r in b["results"]}
    for r in a["results"]:
        name = r["measurement"]
        if name not in second:
            continue
        other = second[name]
        for what, values in r.get("samples", {}).items():
            more = other.get("samples", {}).get(what, [])
            if len(values) < 3 or len(more) < 3 or min(np.mean(values), np.mean(more)) <= 0:
                continue
            ratio, low, high, p = welch(values, more)
            how = "Welch" if min(len(values), len(more)) >= 8 else "permutation"
            said = f"{how}; ratio by a t-bootstrap, {len(values)} and {len(more)} values"
            rows.append(
                (name, f"mean of {what}", "", float(np.mean(values)), float(np.mean(more)), ratio, low, high, p, said)
            )
        figures = {f["name"]: f for f in other["figures"]}
        for f in r["figures"]:
            if f["name"] in figures and (found := by_intervals(f, figures[f["name"]])) is not None:
                ratio, low, high, p, how = found
                rows.append(
                    (name, f["name"], f["unit"], f["value"], figures[f["name"]]["value"], ratio, low, high, p, how)
                )
    if not rows:
        raise BenchError("The two reports share no figure: take the same measurements on both.")
    adjusted = holm([row[8] for row in rows])
    return [Comparison(*row[:9], q, row[9]) for row, q in zip(rows, adjusted, strict=True)]
