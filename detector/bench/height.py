"""Largest height at which a test piece is seen in air, in soil, and what the soil costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from detector.bench.bounds import crossing, drawn_interval
from detector.bench.response import Pass, PassSettings, Signature, measure_passes, signature
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.score.bounds import clopper_pearson
from detector.settings import quantity

TITLE = "Maximum detection height in air"
SOURCE = "CWA 14747-1, maximum detection height in air (a usable reading, not a quotation)"


class HeightSettings(PassSettings):
    """How the detection height is measured."""

    still_s: float = quantity(120.0, "s", 10.0, 3600.0, "still step, from which the noise is known; assumed")
    pass_s: float = quantity(3.0, "s", 0.5, 60.0, "length of the step of one pass; assumed")
    first_m: float = quantity(0.05, "m", 0.0, 2.0, "least height of the piece under the coil; assumed")
    last_m: float = quantity(0.30, "m", 0.001, 3.0, "largest height; assumed")
    step_m: float = quantity(0.025, "m", 0.001, 0.5, "between heights; assumed")
    repeats: int = quantity(5, "1", 1, 100, "passes at each height; assumed")
    fewest: int = quantity(3, "1", 2, 100, "passes at each height without which no figure is given; assumed")
    least_m: float = quantity(0.0, "m", 0.0, 3.0, "least detection height that passes; 0: no limit")


def heights_of(settings: HeightSettings) -> list[float]:
    """The heights that are asked for, from the least on."""
    n = round((settings.last_m - settings.first_m) / settings.step_m) + 1
    return [round(settings.first_m + i * settings.step_m, 6) for i in range(n)]


def plan(settings: HeightSettings) -> list[Planned]:
    """A still step, then passes at each height."""
    steps = [Planned("still", "Hold or clamp the head still, no metal near.", settings.still_s, settle_s=1.0)]
    for h in heights_of(settings):
        for k in range(settings.repeats):
            text = f"Pass the piece once under the head, {1e3 * h:.0f} mm below it, from far to far, within the step."
            steps.append(Planned("pass", text, settings.pass_s, {"height_m": h, "repeat": float(k)}))
    return steps


def grouped(passes: Sequence[Pass], by: str, fewest: int) -> dict[float, list[Pass]]:
    """Passes by the value of a condition, in rising order.

    Raises
    ------
    BenchError
        if one of the groups is too small.
    """
    groups: dict[float, list[Pass]] = {}
    for p in passes:
        groups.setdefault(p.at.number(by), []).append(p)
    for value, found in groups.items():
        if len(found) < fewest:
            raise BenchError(
                f"Too few repeats: {len(found)} passes at {by} {value:g}, at least {fewest} are needed. Take the rest."
            )
    return dict(sorted(groups.items()))


def reach(
    groups: dict[float, list[Pass]], s: Signature, threshold: float, scale: Callable[[F8], F8] = lambda x: x
) -> tuple[float, float, float, F8, F8]:
    """Where the mean amplitude, seen along a condition, falls to the threshold; straight in its logarithm.

    Returns the place, its bounds, the means and their standard errors. The bounds come from drawing means and noise
    anew, from their own distributions. The place is NaN if no crossing was seen.

    scale : of the condition, in which the amplitude's logarithm is nearly straight
    """
    x = scale(np.array(list(groups)))
    means = np.array([np.mean([p.amplitude for p in found]) for found in groups.values()])
    n = np.array([len(found) for found in groups.values()])
    variances = np.array([np.var([p.amplitude for p in found], ddof=1) for found in groups.values()])
    hand, dof = _hand(means, variances, n, s)
    errors = np.sqrt((s.sigma**2 + (hand * means) ** 2) / n)
    floor = 0.2 * s.sigma

    def where(amplitudes: F8, sigma: float) -> float:
        return crossing(x, np.log(np.maximum(amplitudes, floor)), float(np.log(threshold * sigma)))

    def draw(rng: np.random.Generator) -> float:
        sigma = s.sigma * np.sqrt(s.dof / rng.chisquare(s.dof))
        return where(means + errors * rng.standard_t(dof, size=len(n)), float(sigma))

    low, high = drawn_interval(draw)
    return where(means, s.sigma), low, high, means, errors


def _hand(means: F8, variances: F8, n: NDArray[np.int64], s: Signature) -> tuple[float, float]:
    """What hand and jig add to the noise, as a share of the signal, and degrees of freedom of the error.

    Taken from the groups that stand out by 20 sigma and pooled: a path or a height that is a little off scales the
    signal. Where it does not show, the noise of the still step is all.
    """
    strong = means > 20 * s.sigma
    if not strong.any():
        return 0.0, s.dof
    weights = (n - 1)[strong]
    excess = float((weights * (variances[strong] - s.sigma**2) / means[strong] ** 2).sum() / weights.sum())
    return float(np.sqrt(max(0.0, excess))), float(max(4, weights.sum()))


def measure(steps: Sequence[Taken], settings: HeightSettings) -> Result:
    """The height at which the mean pass just stands out, and the greatest at which every pass did.

    Raises
    ------
    BenchError
        if the piece was never shown, passed too fast, saturates, or there are too few passes; also if it was seen at
        every height or at none, for then the height was not found.
    """
    check(steps, "still", 1)
    check(steps, "pass", 2 * settings.fewest)
    taken = in_role(steps, "pass")
    s = signature(in_role(steps, "still")[0], taken, settings)
    groups = grouped(measure_passes(taken, s, settings), "height_m", settings.fewest)
    h, low, high, means, errors = reach(groups, s, settings.threshold_sigma)
    if not np.isfinite(h):
        raise BenchError(
            f"The piece was seen at every height up to {max(groups):g} m: go on higher, the largest was not found."
        )
    level = settings.threshold_sigma * s.sigma
    seen = {x: sum(p.amplitude >= level for p in found) for x, found in groups.items()}
    every = [x for x in groups if all(seen[y] == len(groups[y]) for y in groups if y <= x)]
    limit = Limit(settings.least_m, None, "stated") if settings.least_m > 0 else None
    how = "crossing drawn 2000 times from the scatter of passes and noise"
    figures = [Figure("detection height", h, "m", low, high, how, limit)]
    notes = [
        f"A pass is seen if it stands out by {settings.threshold_sigma:g} sigma; sigma = {s.sigma:.3g} {_unit(steps)}."
    ]
    if every:
        n = len(groups[max(every)])
        bound = clopper_pearson(n, n)[0]
        above = [x for x in groups if x > max(every)]
        figures.append(
            Figure("height seen in every pass", max(every), "m", max(every), min(above) if above else float("inf"),
                   "the next height of the jig, where a pass was missed")
        )  # fmt: skip
        notes.append(
            f"Every one of {n} passes seen shows a probability above {bound:.2f} (Clopper-Pearson, 95 %), no more."
        )
    x = list(groups)
    curve = Curve(
        "mean of the passes", x, means.tolist(), _floor(means - 2 * errors), (means + 2 * errors).tolist(), True
    )
    chart = Chart(
        "height of the piece below the coil (m)", f"signal ({_unit(steps)})", (curve,), log_y=True,
        levels=(("seen above", level),), marks=(("detection height", h),),
    )  # fmt: skip
    samples = {f"amplitude at {x:g} m": tuple(p.amplitude for p in found) for x, found in groups.items()}
    return Result("height", TITLE, SOURCE, tuple(figures), chart, tuple(notes), samples=samples)


def _unit(steps: Sequence[Taken]) -> str:
    return steps[0].stream.unit


def _floor(x: F8) -> list[float]:
    return [float(v) for v in np.maximum(x, 1e-12)]
