"""Lag between a place and the samples that belong to it, by opposite passes over one piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.bench.bounds import mean_interval
from detector.bench.response import Pass, PassSettings, measure_passes, signature
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import quantity

TITLE = "Lag by opposite passes"
SOURCE = "Lag test of UXO practice: two opposite passes over one target; lag = dx / (v1 + v2)"


class LagSettings(PassSettings):
    """How lag is measured."""

    still_s: float = quantity(60.0, "s", 10.0, 3600.0, "still step, from which the noise is known; assumed")
    pass_s: float = quantity(4.0, "s", 0.5, 60.0, "length of the step of one pass; assumed")
    repeats: int = quantity(6, "1", 2, 100, "pairs of opposite passes; assumed")
    fewest: int = quantity(3, "1", 2, 100, "pairs without which no figure is given; assumed")
    least_speed: float = quantity(0.1, "m/s", 0.001, 2.0, "slower passes say little of a lag; assumed")
    most_s: float = quantity(
        0.05, "s", 0.0, 10.0, "largest lag that passes: at 1 m/s 50 ms are half the margin of a halo; 0: no limit"
    )


def plan(settings: LagSettings) -> list[Planned]:
    """A still step, then pairs of passes there and back."""
    steps = [Planned("still", "Hold the head still, no metal near.", settings.still_s, settle_s=1.0)]
    for k in range(settings.repeats):
        for direction, word in ((1.0, "forwards"), (-1.0, "backwards")):
            text = f"Pass the head {word} over the piece at a steady pace, odometer on."
            steps.append(Planned("pass", text, settings.pass_s, {"direction": direction, "pair": float(k)}))
    return steps


def place_and_speed(p: Pass) -> tuple[float, float]:
    """Where the odometer stood at the peak, m, and how fast it ran there, m/s.

    The peak is the vertex of a parabola through the top half.

    Raises
    ------
    BenchError
        if the pass has no places.
    """
    x = p.at.x_m
    if not np.isfinite(x).all():
        raise BenchError("The passes have no places: a lag needs an odometer. Connect it, and take the passes again.")
    i = int(np.searchsorted(p.t_s, p.time_s))
    half = max(2, int(0.35 * p.width_s * p.at.rate_hz)) if np.isfinite(p.width_s) else 4
    near = slice(max(0, i - half), i + half + 1)
    t = p.t_s[near] - p.time_s
    a, b, _ = np.polyfit(t, p.signal[near], 2)
    at = float(np.clip(-b / (2 * a), t[0], t[-1])) if a < 0 else 0.0
    fit = np.polyfit(t, x[near], 1)
    return float(np.polyval(fit, at)), float(fit[0])


def measure(steps: Sequence[Taken], settings: LagSettings) -> Result:
    """The lag, from pairs of passes in opposite directions.

    Raises
    ------
    BenchError
        without an odometer; with too few pairs; if the piece was never shown or passed too fast.
    """
    check(steps, "still", 1)
    check(steps, "pass", 2 * settings.fewest)
    taken = in_role(steps, "pass")
    s = signature(in_role(steps, "still")[0], taken, settings)
    passes = measure_passes(taken, s, settings)
    found: dict[float, list[tuple[float, float]]] = {}
    for p in passes:
        found.setdefault(p.at.number("pair"), []).append(place_and_speed(p))
    lags = []
    for pair, ends in found.items():
        if len(ends) != 2 or ends[0][1] * ends[1][1] >= 0:
            raise BenchError(f"Pair {pair:g} is not two passes in opposite directions by the odometer. Take it again.")
        (x1, v1), (x2, v2) = ends if ends[0][1] > 0 else ends[::-1]
        if min(v1, -v2) < settings.least_speed:
            raise BenchError(
                f"Pair {pair:g} was passed at {min(v1, -v2):.2f} m/s, slower than {settings.least_speed:g}."
            )
        lags.append((x1 - x2) / (v1 - v2))
    mean, low, high = mean_interval(lags)
    limit = (
        Limit(-settings.most_s, settings.most_s, "assumed: half the margin of a halo at 1 m/s")
        if settings.most_s
        else None
    )
    speed = float(np.mean([abs(v) for ends in found.values() for _, v in ends]))
    shift = Figure("shift of a place at 1 m/s", mean, "m", low, high, f"t, {len(lags)} pairs")
    curves = tuple(
        Curve(
            f"{'forwards' if p.at.number('direction') > 0 else 'backwards'}",
            p.at.x_m.tolist(),
            _unit(p.signal).tolist(),
        )
        for p in passes[:2]
    )
    chart = Chart("odometer (m)", "signal over its largest", curves)
    figures = (Figure("lag", mean, "s", low, high, f"t, {len(lags)} pairs", limit), shift)
    notes = (f"Passes at {speed:.2f} m/s on the average. Positive: the signal comes after its place.",)
    return Result("lag", TITLE, SOURCE, figures, chart, notes, samples={"lag": tuple(lags)})


def _unit(y: F8) -> F8:
    return np.asarray(y / np.abs(y).max())
