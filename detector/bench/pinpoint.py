"""How far an operator's mark lies from the piece: bias, spread and the radius that holds 95 of 100 marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.errors import BenchError
from detector.settings import Settings, quantity

TITLE = "Pinpointing"
SOURCE = "CWA 14747-1, pinpointing (a usable reading); ITEP 2009: position unknown to the operator"
_DRAWS = 400


class PinpointSettings(Settings):
    """How pinpointing is measured."""

    repeats: int = quantity(20, "1", 3, 500, "marks; assumed")
    fewest: int = quantity(8, "1", 4, 500, "marks without which no figure is given; assumed")
    most_radius_m: float = quantity(
        0.10, "m", 0.0, 1.0, "largest 95 % radius that passes: the margin of a halo, 100 mm; 0: no limit"
    )


def plan(settings: PinpointSettings) -> list[Planned]:
    """Marks, one after the other; the piece lies where the operator cannot know."""
    text = "Move the hidden piece to a new place. Let the operator find and mark it, then measure both places."
    ask = ("true_x_m", "true_y_m", "mark_x_m", "mark_y_m")
    return [Planned("mark", f"Mark {k + 1}: {text}", 0.0, {"repeat": float(k)}, ask) for k in range(settings.repeats)]


def radius95(bias: F8, covariance: F8) -> float:
    """Radius that holds 95 % of a plane normal distribution about the true place, m: exact for these parameters.

    A weighted sum of two non-central chi squares, by Imhof's integral in two dimensions done as a sum over angles.
    """
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    spread = np.linalg.cholesky(covariance + 1e-18 * np.eye(2))
    # radii of unit noise with equal shares of probability
    shares = (np.arange(48) + 0.5) / 48
    radii = np.sqrt(-2 * np.log1p(-shares))
    points = radii[:, None, None] * np.stack((np.cos(angles), np.sin(angles)), -1)
    return float(np.quantile(np.linalg.norm(points.reshape(-1, 2) @ spread.T + bias, axis=1), 0.95))


def measure(steps: Sequence[Taken], settings: PinpointSettings) -> Result:
    """Bias along both axes, root mean square distance and 95 % radius.

    Raises
    ------
    BenchError
        if there are too few marks.
    """
    marks = in_role(steps, "mark")
    if len(marks) < settings.fewest:
        raise BenchError(f"Too few repeats: {len(marks)} marks, at least {settings.fewest} are needed. Take the rest.")
    d = np.array(
        [[s.number("mark_x_m") - s.number("true_x_m"), s.number("mark_y_m") - s.number("true_y_m")] for s in marks]
    )
    n = len(d)
    bias, covariance = d.mean(axis=0), np.cov(d.T)
    half = scipy.stats.t.ppf(0.975, n - 1) * d.std(axis=0, ddof=1) / np.sqrt(n)
    # parameters of the population drawn from what the marks say of them: normal mean, Wishart covariance
    rng = np.random.default_rng(0)
    drawn = []
    for scale in np.asarray(scipy.stats.invwishart.rvs(n - 1, covariance * (n - 1), size=_DRAWS, random_state=1)):
        drawn.append((rng.multivariate_normal(bias, scale / n), scale))
    radii = np.array([radius95(b, c) for b, c in drawn])
    r_low, r_high = (float(q) for q in np.asarray(np.quantile(radii, (0.025, 0.975))))
    # scatter of a mean square of normal deviates, taken in its logarithm
    square = float((d**2).sum(axis=1).mean())
    scatter = np.sqrt((2 * np.trace(covariance @ covariance) + 4 * bias @ covariance @ bias) / n)
    factor = float(np.exp(0.5 * scipy.stats.t.ppf(0.975, n - 1) * scatter / square))
    rms = float(np.sqrt(square))
    how = "normal mean and Wishart covariance, drawn"
    limit = Limit(None, settings.most_radius_m, "margin of a halo, 100 mm") if settings.most_radius_m > 0 else None
    r = radius95(bias, covariance)
    figures = (
        _bias("x", bias[0], half[0], n),
        _bias("y", bias[1], half[1], n),
        Figure("root mean square distance", rms, "m", rms / factor, rms * factor, f"t in the logarithm, {n} marks"),
        Figure("radius of 95 % of marks", r, "m", r_low, r_high, how, limit),
    )  # fmt: skip
    turn = np.linspace(0, 2 * np.pi, 73)
    curves = (
        Curve("marks", d[:, 0].tolist(), d[:, 1].tolist(), points=True),
        Curve("95 % radius", (r * np.cos(turn)).tolist(), (r * np.sin(turn)).tolist()),
    )
    chart = Chart("mark less truth along x (m)", "along y (m)", curves)
    samples = {"distance": tuple(np.linalg.norm(d, axis=1).tolist())}
    return Result("pinpoint", TITLE, SOURCE, figures, chart, samples=samples)


def _bias(axis: str, bias: float, half: float, n: int) -> Figure:
    return Figure(f"bias along {axis}", float(bias), "m", float(bias - half), float(bias + half), f"t, {n} marks")
