"""Smallest ball that is seen, over heights: in air, in soil, and what the soil costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.bench.bounds import crossing
from detector.bench.height import grouped, reach
from detector.bench.response import Pass, PassSettings, Signature, measure_passes, signature
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import listed, quantity

TITLE = "Minimum detectable target"
SOURCE = "CWA 14747-1, minimum detectable target over chrome-steel balls (a usable reading, not a quotation)"
SOIL_TITLE = "Minimum detectable target in soil, and loss"
SOIL_SOURCE = "CWA 14747-1, in-soil curve compared with the in-air curve (a usable reading, not a quotation)"


class SmallestSettings(PassSettings):
    """How the curve is measured."""

    still_s: float = quantity(120.0, "s", 10.0, 3600.0, "still step, from which the noise is known; assumed")
    pass_s: float = quantity(3.0, "s", 0.5, 60.0, "length of the step of one pass; assumed")
    balls_m: tuple[float, ...] = listed("m", "diameters of the ball set; empty: 3 to 15 mm")
    heights_m: tuple[float, ...] = listed("m", "heights; empty: 30, 50, 100, 150, 200 mm")
    repeats: int = quantity(3, "1", 1, 100, "passes of each ball at each height; assumed")
    fewest: int = quantity(3, "1", 2, 100, "passes without which no figure is given; assumed")
    most_m: float = quantity(0.0, "m", 0.0, 1.0, "largest diameter that passes at any height; 0: no limit")

    @property
    def balls(self) -> tuple[float, ...]:
        return self.balls_m or (0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.010, 0.012, 0.015)

    @property
    def heights(self) -> tuple[float, ...]:
        return self.heights_m or (0.03, 0.05, 0.10, 0.15, 0.20)


def plan(settings: SmallestSettings, medium: str = "") -> list[Planned]:
    """A still step, then passes of every ball at every height; medium : 'air' or 'soil', if both are compared."""
    at: dict[str, float | str] = {"medium": medium} if medium else {}
    where = {"": "below the head", "air": "below the head, in air", "soil": "below the head, in soil"}[medium]
    still = "Hold the head still over the soil, ground balance on, no metal near." if medium == "soil" else (
        "Hold or clamp the head still, no metal near."
    )  # fmt: skip
    steps = [Planned("still", still, settings.still_s, at, settle_s=1.0)]
    for h in settings.heights:
        for d in settings.balls:
            for k in range(settings.repeats):
                text = f"Pass the {1e3 * d:g} mm ball once, {1e3 * h:.0f} mm {where}, from far to far, within the step."
                condition = {**at, "height_m": h, "diameter_m": d, "repeat": float(k)}
                steps.append(Planned("pass", text, settings.pass_s, condition))
    return steps


def soil_plan(settings: SmallestSettings) -> list[Planned]:
    """The curve in air, then in soil."""
    return [*plan(settings, "air"), *plan(settings, "soil")]


def curve_of(
    passes: Sequence[Pass], s: Signature, settings: SmallestSettings
) -> dict[float, tuple[float, float, float]]:
    """Smallest diameter and its bounds for each height at which one was found, m."""
    heights = sorted({p.at.number("height_m") for p in passes})
    out = {}
    for h in heights:
        groups = grouped([p for p in passes if p.at.number("height_m") == h], "diameter_m", settings.fewest)
        if len(groups) < 2:
            raise BenchError(f"At {h:g} m only {len(groups)} ball was passed: a curve needs two or more.")
        d, low, high, _, _ = reach(groups, s, settings.threshold_sigma, np.log)
        if np.isfinite((d, low, high)).all():
            out[h] = (float(np.exp(d)), float(np.exp(low)), float(np.exp(high)))
    return out


def _curve(steps: Sequence[Taken], settings: SmallestSettings) -> dict[float, tuple[float, float, float]]:
    check(steps, "still", 1)
    check(steps, "pass", 2 * settings.fewest)
    taken = in_role(steps, "pass")
    s = signature(in_role(steps, "still")[0], taken, settings)
    found = curve_of(measure_passes(taken, s, settings), s, settings)
    if not found:
        raise BenchError("At no height was one ball seen and another not: take smaller and larger balls.")
    return found


def measure(steps: Sequence[Taken], settings: SmallestSettings) -> Result:
    """The smallest ball at each height.

    Raises
    ------
    BenchError
        as the detection height, and if at no height one ball was seen and another was not.
    """
    found = _curve(steps, settings)
    limit = Limit(None, settings.most_m, "stated") if settings.most_m > 0 else None
    how = "crossing drawn 2000 times from the scatter of passes and noise, log-log"
    figures = tuple(Figure(f"smallest ball at {1e3 * h:.0f} mm", *_spread(f, how, limit)) for h, f in found.items())
    heights = {p.number("height_m") for p in in_role(steps, "pass")}
    notes = [
        f"At {1e3 * h:.0f} mm the smallest ball is outside the set, or not surely inside it."
        for h in sorted(heights - found.keys())
    ]
    chart = Chart("height of the ball below the coil (m)", "smallest diameter (m)", (_line("in air", found),))
    return Result("smallest", TITLE, SOURCE, figures, chart, tuple(notes))


def measure_soil(steps: Sequence[Taken], settings: SmallestSettings) -> Result:
    """The curve in soil beside that in air, and the height that the soil costs at each ball.

    Raises
    ------
    BenchError
        as `measure`, for either medium.
    """
    air = _curve([s for s in steps if s.at.get("medium") == "air"], settings)
    soil = _curve([s for s in steps if s.at.get("medium") == "soil"], settings)
    how = "crossing drawn 2000 times from the scatter of passes and noise, log-log"
    figures = [Figure(f"smallest ball at {1e3 * h:.0f} mm in soil", *_spread(f, how, None)) for h, f in soil.items()]
    for h in sorted(air.keys() & soil.keys()):
        ratio = soil[h][0] / air[h][0]
        half = float(np.hypot(_log_half(soil[h]), _log_half(air[h])))
        figures.append(
            Figure(f"larger by soil at {1e3 * h:.0f} mm", ratio, "1", ratio * np.exp(-half), ratio * np.exp(half),
                   "both intervals in quadrature, in the logarithm")
        )  # fmt: skip
    notes = []
    for d in settings.balls:
        depth = _height_for(soil, d), _height_for(air, d)
        if all(np.isfinite(depth)):
            notes.append(
                f"The {1e3 * d:g} mm ball: {1e3 * depth[1]:.0f} mm in air, {1e3 * depth[0]:.0f} mm in soil; loss "
                f"{round(1e3 * (depth[1] - depth[0])):d} mm (read off the curves)."
            )
    chart = Chart(
        "height of the ball below the coil (m)", "smallest diameter (m)", (_line("in air", air), _line("in soil", soil))
    )
    return Result("soil", SOIL_TITLE, SOIL_SOURCE, tuple(figures), chart, tuple(notes))


def _log_half(f: tuple[float, float, float]) -> float:
    return float(0.5 * np.log(f[2] / f[1])) if f[1] > 0 and np.isfinite(f[2]) else float("inf")


def _height_for(curve: dict[float, tuple[float, float, float]], diameter: float) -> float:
    if len(curve) < 2:
        return float("nan")
    return crossing(np.array(list(curve)), -np.log([f[0] for f in curve.values()]), -float(np.log(diameter)))


def _spread(
    f: tuple[float, float, float], how: str, limit: Limit | None
) -> tuple[float, str, float, float, str, Limit | None]:
    return f[0], "m", f[1], f[2], how, limit


def _line(name: str, found: dict[float, tuple[float, float, float]]) -> Curve:
    rows = np.array(list(found.values()))
    x: F8 = np.array(list(found))
    return Curve(name, x.tolist(), rows[:, 0].tolist(), rows[:, 1].tolist(), rows[:, 2].tolist(), points=True)
