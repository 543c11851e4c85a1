"""Sensitivity profile: where under the head a piece is felt, and the overlap of sweeps that follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from detector.bench.bounds import batch_mean, width_at
from detector.bench.response import Held
from detector.bench.response import joined as joined_responses
from detector.bench.result import Chart, Curve, Figure, Grid, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import Settings, quantity

TITLE = "Sensitivity profile (footprint)"
SOURCE = "CWA 14747-1, sensitivity profile (a usable reading, not a quotation)"
_FINE = 8
_DRAWS = 300


class FootprintSettings(Settings):
    """How the footprint is measured."""

    half_width_m: float = quantity(0.20, "m", 0.02, 2.0, "the grid reaches so far from the middle; assumed")
    step_m: float = quantity(0.05, "m", 0.005, 0.5, "of the grid; assumed")
    height_m: float = quantity(0.10, "m", 0.0, 2.0, "of the piece below the coil; assumed")
    hold_s: float = quantity(2.0, "s", 0.5, 60.0, "length of each step; assumed")
    every: int = quantity(9, "1", 1, 1000, "points between two steps without the piece; assumed")
    level: float = quantity(0.5, "1", 0.01, 0.99, "share of the largest response that bounds the footprint; assumed")
    shown_sigma: float = quantity(10.0, "1", 3.0, 1000.0, "the strongest point must stand out by this; assumed")
    head_width_m: float = quantity(0.26, "m", 0.02, 3.0, "of the head across the sweep's advance; assumed")
    most_overlap: float = quantity(
        0.5, "1", 0.0, 1.0, "of the head's width, that passes: half a head, as sweeps are taught"
    )


def plan(settings: FootprintSettings) -> list[Planned]:
    """A grid of points, and the head without the piece in between."""
    n = round(settings.half_width_m / settings.step_m)
    steps: list[Planned] = []
    off = Planned("background", "Take the piece away.", settings.hold_s, settle_s=0.5)
    k = 0
    for i in range(-n, n + 1):
        for j in range(-n, n + 1):
            if k % settings.every == 0:
                steps.append(off)
            x, y = round(j * settings.step_m, 6), round(i * settings.step_m, 6)
            text = f"Put the piece {1e3 * x:+.0f} mm along the sweep, {1e3 * y:+.0f} mm along the advance; hands off."
            at = {"x_m": x, "y_m": y, "height_m": settings.height_m}
            steps.append(Planned("point", text, settings.hold_s, at, settle_s=0.5))
            k += 1
    return [*steps, off]


def _background(steps: Sequence[Taken]) -> list[Held]:
    """Every point less the backgrounds before and after it, weighted by time."""
    quiet = in_role(steps, "background")
    t = np.array([s.t_s.mean() for s in quiet])
    found = [[batch_mean(s.values[:, g]) for g in range(s.values.shape[1])] for s in quiet]
    means = np.array([[m[0] for m in row] for row in found])
    errors = np.array([[m[1] for m in row] for row in found])
    out = []
    for p in in_role(steps, "point"):
        at = float(p.t_s.mean())
        b = int(np.clip(np.searchsorted(t, at), 1, len(t) - 1)) if len(t) > 1 else 0
        share = float(np.clip((at - t[b - 1]) / (t[b] - t[b - 1]), 0, 1)) if b else 1.0
        level = share * means[b] + (1 - share) * means[max(0, b - 1)]
        spread = np.hypot(share * errors[b], (1 - share) * errors[max(0, b - 1)])
        here = [batch_mean(p.values[:, g]) for g in range(p.values.shape[1])]
        value = np.array([m[0] for m in here]) - level
        out.append(Held(value, np.hypot([m[1] for m in here], spread), here[0][2]))
    return out


def widths(x: F8, y: F8, z: F8, level: float) -> tuple[float, float, float]:
    """Width along x and along y at y = 0 and x = 0 nearest to the largest response, and area, of where z >= level max.

    z : (len(y), len(x)). A bicubic spline between the points; NaN where the footprint reaches the edge of the grid.
    """
    spline = scipy.interpolate.RectBivariateSpline(y, x, z, kx=min(3, len(y) - 1), ky=min(3, len(x) - 1))
    fx = np.linspace(x[0], x[-1], _FINE * (len(x) - 1) + 1)
    fy = np.linspace(y[0], y[-1], _FINE * (len(y) - 1) + 1)
    fine = spline(fy, fx)
    i, j = np.unravel_index(int(fine.argmax()), fine.shape)
    bound = level * fine[i, j]
    area = float((fine >= bound).sum() * (fx[1] - fx[0]) * (fy[1] - fy[0]))
    return width_at(fx, fine[i], bound, int(j)), width_at(fy, fine[:, j], bound, int(i)), area


def _between(x: F8, y: F8, z: F8, level: float) -> F8:
    """(3,) what the spline may be wrong by between points: its change when every second point is left out, over 7.

    A cubic's error falls as the fourth power of the step, by 16; half of that is claimed.
    """
    found = np.array(widths(x, y, z, level))
    first = len(x) // 2 % 2, len(y) // 2 % 2  # keep the middle
    coarse = x[first[0] :: 2], y[first[1] :: 2]
    if min(len(c) for c in coarse) < 4:
        return 0.02 * found
    other = np.array(widths(*coarse, z[first[1] :: 2, first[0] :: 2], level))
    return np.where(np.isfinite(other), np.abs(found - other) / 7, 0.02 * found)


def measure(steps: Sequence[Taken], settings: FootprintSettings) -> Result:
    """Width along sweep and advance, area, and overlap.

    Raises
    ------
    BenchError
        if the points make no whole grid, the piece was never shown, or the footprint is larger than the grid.
    """
    check(steps, "point", 9)
    check(steps, "background", 2)
    points = in_role(steps, "point")
    amplitudes, errors, _ = joined_responses(_background(steps))
    if amplitudes.max() < settings.shown_sigma * errors[int(amplitudes.argmax())]:
        raise BenchError(
            f"The test piece was never shown: the strongest of {len(points)} points is "
            f"{amplitudes.max() / errors[int(amplitudes.argmax())]:.1f} times its error, wanted "
            f"{settings.shown_sigma:g}."
        )
    xs, ys = (np.unique([p.number(name) for p in points]) for name in ("x_m", "y_m"))
    z, e = np.full((len(ys), len(xs)), np.nan), np.zeros((len(ys), len(xs)))
    for p, a, error in zip(points, amplitudes, errors, strict=True):
        at = int(np.searchsorted(ys, p.number("y_m"))), int(np.searchsorted(xs, p.number("x_m")))
        z[at], e[at] = a, error
    if len(xs) < 4 or len(ys) < 4 or np.isnan(z).any():
        raise BenchError(f"{len(points)} points make no whole grid of {len(xs)} by {len(ys)}. Take the missing ones.")
    along, advance, area = widths(xs, ys, z, settings.level)
    if not np.isfinite(along) or not np.isfinite(advance):
        raise BenchError(
            f"The piece is felt with {settings.level:g} of the largest response at the edge of the grid: take a wider."
        )
    rng = np.random.default_rng(0)
    drawn = np.array([widths(xs, ys, z + e * rng.normal(size=z.shape), settings.level) for _ in range(_DRAWS)])
    bounds = np.nanquantile(drawn, (0.025, 0.975), axis=0)
    bounds += np.array([[-1.0], [1.0]]) * _between(xs, ys, z, settings.level)
    how = f"drawn {_DRAWS} times from the errors of the points; what is not known between them added"
    overlap = 1 - advance / settings.head_width_m
    limit = Limit(None, settings.most_overlap, "half a head of overlap, as sweeps are taught")
    figures = (
        Figure("width along the sweep", along, "m", float(bounds[0, 0]), float(bounds[1, 0]), how),
        Figure("width along the advance", advance, "m", float(bounds[0, 1]), float(bounds[1, 1]), how),
        Figure("area", area, "m2", float(bounds[0, 2]), float(bounds[1, 2]), how),
        Figure("overlap that it asks for, of the head's width", overlap, "1",
               1 - float(bounds[1, 1]) / settings.head_width_m, 1 - float(bounds[0, 1]) / settings.head_width_m, how,
               limit),
    )  # fmt: skip
    notes = (
        f"Where the response is at least {settings.level:g} of its largest, piece "
        f"{1e3 * points[0].number('height_m'):.0f} mm "
        f"below the coil. Sweeps may lie at most {1e3 * advance:.0f} mm apart; a negative overlap says that the head "
        "is "
        "narrower than its footprint.",
    )
    i = int(np.unravel_index(int(z.argmax()), z.shape)[0])
    unit = points[0].stream.unit
    grid = Grid(xs.tolist(), ys.tolist(), z.tolist(), f"response ({unit})", settings.level * float(z.max()))
    row = Curve(f"along the sweep, at {ys[i]:g} m", xs.tolist(), z[i].tolist())
    chart = Chart("along the sweep (m)", "along the advance (m)", (row,), grid=grid)
    return Result("footprint", TITLE, SOURCE, figures, chart, notes)
