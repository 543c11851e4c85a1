"""How near two pieces may lie and still be two signals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.bench.bounds import crossing, curved_crossing, drawn_interval
from detector.bench.height import grouped
from detector.bench.response import Pass, PassSettings, measure_pass, signature
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import listed, quantity

TITLE = "Resolution of adjacent targets"
SOURCE = "CWA 14747-1, resolution of adjacent targets (a usable reading, not a quotation)"


class ResolutionSettings(PassSettings):
    """How resolution is measured."""

    smoothing_s: float = quantity(0.05, "s", 0.005, 1.0, "standard deviation of the smoothing; assumed")
    still_s: float = quantity(60.0, "s", 10.0, 3600.0, "still step, from which the noise is known; assumed")
    pass_s: float = quantity(5.0, "s", 0.5, 60.0, "length of the step of one pass; assumed")
    spacings_m: tuple[float, ...] = listed("m", "spacings; empty: 0.5, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1")
    repeats: int = quantity(3, "1", 2, 100, "passes at each spacing; assumed")
    fewest: int = quantity(3, "1", 2, 100, "passes without which no figure is given; assumed")
    dip: float = quantity(
        0.1, "1", 0.01, 0.9, "two signals: midway the signal is less than over the pieces by this share; assumed"
    )
    most_m: float = quantity(0.0, "m", 0.0, 3.0, "largest resolvable spacing that passes; 0: no limit")

    @property
    def spacings(self) -> tuple[float, ...]:
        return self.spacings_m or (0.5, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1)


def plan(settings: ResolutionSettings) -> list[Planned]:
    """A still step, then passes over two like pieces that move together."""
    steps = [Planned("still", "Hold the head still, no metal near.", settings.still_s, settle_s=1.0)]
    for d in settings.spacings:
        for k in range(settings.repeats):
            text = f"Two like pieces {1e3 * d:.0f} mm apart on the line of the sweep. Pass over both, odometer on."
            steps.append(Planned("pair", text, settings.pass_s, {"spacing_m": d, "repeat": float(k)}))
    return steps


def dip_of(p: Pass, spacing_m: float) -> float:
    """One less the signal midway over the mean signal over the two pieces; negative where they are one.

    The middle is that of the half-height edges, so it needs no guess of where the pieces lie.

    Raises
    ------
    BenchError
        if the pass has no places, or does not hold the whole response.
    """
    x, y = p.at.x_m, p.signal
    if not np.isfinite(x).all():
        raise BenchError("The passes have no places: resolution needs an odometer. Connect it, and take them again.")
    if x[-1] < x[0]:
        x, y = x[::-1], y[::-1]
    above = np.nonzero(y >= 0.5 * y.max())[0]
    a, b = int(above[0]), int(above[-1])
    if a == 0 or b == len(y) - 1:
        raise BenchError("A pass does not hold the whole response of the pair: begin and end it far from both pieces.")
    half = 0.5 * y.max()
    left = float(np.interp(half, (y[a - 1], y[a]), (x[a - 1], x[a])))
    right = float(np.interp(half, (y[b + 1], y[b]), (x[b + 1], x[b])))
    middle = (left + right) / 2
    over = np.interp((middle - spacing_m / 2, middle + spacing_m / 2), x, y)
    return float(1 - np.interp(middle, x, y) / over.mean())


def measure(steps: Sequence[Taken], settings: ResolutionSettings) -> Result:
    """The least spacing at which two pieces are two signals.

    Raises
    ------
    BenchError
        if the pieces were never shown, or were one signal, or two, at every spacing.
    """
    check(steps, "still", 1)
    check(steps, "pair", 2 * settings.fewest)
    taken = in_role(steps, "pair")
    s = signature(in_role(steps, "still")[0], taken, settings)
    groups = grouped([measure_pass(p, s, settings) for p in taken], "spacing_m", settings.fewest)
    x = np.array(list(groups))
    dips = [np.array([dip_of(p, d) for p in g]) for d, g in groups.items()]
    means = np.array([d.mean() for d in dips])
    n = np.array([len(d) for d in dips])
    pooled = float(np.sqrt(np.mean([d.var(ddof=1) for d in dips])))
    errors = np.full(len(n), pooled) / np.sqrt(n)
    at, between = curved_crossing(x, means, settings.dip)
    if np.isnan(at):
        state = "two signals" if means[0] >= settings.dip else "one signal"
        raise BenchError(f"The pieces were {state} at every spacing from {x[0]:g} to {x[-1]:g} m: take others too.")

    def draw(rng: np.random.Generator) -> float:
        return crossing(x, means + errors * rng.standard_t(int(n.sum() - len(n)), size=len(n)), settings.dip)

    low, high = drawn_interval(draw)
    # no place is known better than a part of the way between two records
    between += 0.1 * max(float(np.median(np.abs(np.diff(p.x_m)))) for p in taken)
    limit = Limit(None, settings.most_m, "stated") if settings.most_m > 0 else None
    how = (
        "crossing drawn 2000 times from the scatter of the passes; what is not known between spacings and records added"
    )
    figures = (Figure("least resolvable spacing", at, "m", low - between, high + between, how, limit),)
    curve = Curve(
        "mean", x.tolist(), means.tolist(), (means - 2 * errors).tolist(), (means + 2 * errors).tolist(), True
    )
    chart = Chart(
        "spacing of the pieces (m)", "dip between them", (curve,), levels=(("two signals above", settings.dip),)
    )
    return Result("resolution", TITLE, SOURCE, figures, chart)
