"""What a source of interference, or a second head, adds to the noise, over its distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from detector.bench.bounds import crossing, drawn_interval, ratio_interval, variance_dof
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.score.bounds import poisson_rate
from detector.settings import Settings, listed, quantity

TITLE = "Immunity and mutual interference"
SOURCE = "CWA 14747-1, interference (a usable reading, not a quotation): noise with the source off and on"


class ImmunitySettings(Settings):
    """How immunity is measured."""

    distances_m: tuple[float, ...] = listed("m", "of the source; empty: 0.5, 1, 2, 4, 8")
    hold_s: float = quantity(20.0, "s", 2.0, 600.0, "length of each step; assumed")
    most_ratio: float = quantity(1.1, "1", 1.01, 10.0, "noise on over off that still counts as undisturbed; assumed")
    smoothing_s: float = quantity(0.1, "s", 0.005, 1.0, "of the signal in which false alarms are counted; assumed")
    threshold_sigma: float = quantity(6.0, "1", 3.0, 30.0, "a false alarm stands out by this, source off; assumed")
    most_m: float = quantity(0.0, "m", 0.0, 1000.0, "largest distance of disturbance that passes; 0: no limit")

    @property
    def distances(self) -> tuple[float, ...]:
        return self.distances_m or (0.5, 1.0, 2.0, 4.0, 8.0)


def plan(settings: ImmunitySettings) -> list[Planned]:
    """At each distance: off, on."""
    steps = []
    for d in settings.distances:
        at = {"distance_m": d}
        off = f"Source or second head at {d:g} m, switched off. Head still."
        steps.append(Planned("off", off, settings.hold_s, at, settle_s=1.0))
        steps.append(Planned("on", "Switch it on. Head still.", settings.hold_s, at, settle_s=1.0))
    return steps


def noise_of(s: Taken) -> tuple[F8, float]:
    """(width,) standard deviations less a straight drift, and degrees of freedom of their mean square.

    Correlated gates count for fewer: width^2 over the sum of squared correlations.
    """
    rest = scipy.signal.detrend(s.values, axis=0)
    gates = rest.shape[1] ** 2 / float((np.atleast_2d(np.corrcoef(rest.T)) ** 2).sum())
    return rest.std(axis=0, ddof=2), gates * min(variance_dof(rest[:, g]) for g in range(rest.shape[1]))


def false_alarms(on: Taken, sigma: F8, settings: ImmunitySettings) -> int:
    """Excursions of the smoothed signal beyond the threshold, in any gate, counted once each.

    sigma : (width,) of the smoothed signal with the source off
    """
    flat = scipy.signal.detrend(on.values, axis=0)
    y = scipy.ndimage.gaussian_filter1d(flat, settings.smoothing_s * on.rate_hz, axis=0)
    out = np.any(np.abs(y) > settings.threshold_sigma * sigma, axis=1, keepdims=True)[:, 0]
    return int((np.diff(out.astype(np.int8)) > 0).sum() + out[0])


def measure(steps: Sequence[Taken], settings: ImmunitySettings) -> Result:
    """Noise on over off at each distance, false alarms, and the distance from which nothing is added.

    Raises
    ------
    BenchError
        if the steps are not pairs of off and on at two distances or more.
    """
    check(steps, "off", 2)
    check(steps, "on", 2)
    off = {s.number("distance_m"): s for s in in_role(steps, "off")}
    on = {s.number("distance_m"): s for s in in_role(steps, "on")}
    if off.keys() != on.keys():
        raise BenchError("Not every distance has a step with the source off and one with it on. Take the missing ones.")
    figures = []
    x = np.array(sorted(off))
    ratios, lows, highs = [], [], []
    for d in x:
        (a, dof_a), (b, dof_b) = noise_of(on[d]), noise_of(off[d])
        ratio = float(np.sqrt((a**2 / b**2).mean()))
        low, high = ratio_interval(ratio, dof_a, 1.0, dof_b)
        ratios.append(ratio)
        lows.append(low)
        highs.append(high)
        figures.append(
            Figure(f"noise on over off at {d:g} m", ratio, "1", low, high, "F; correlated gates counted for fewer")
        )
        flat = scipy.signal.detrend(off[d].values, axis=0)
        quiet = scipy.ndimage.gaussian_filter1d(flat, settings.smoothing_s * off[d].rate_hz, axis=0)
        count = false_alarms(on[d], quiet.std(axis=0), settings)
        minutes = on[d].seconds / 60
        figures.append(
            Figure(f"false alarms with the source at {d:g} m", count / minutes, "1/min", *poisson_rate(count, minutes),
                   "Poisson, exact")
        )  # fmt: skip
    spread = np.log(np.array(highs) / np.array(lows)) / 3.92
    level = float(np.log(settings.most_ratio))
    logs = np.log(ratios)
    at = crossing(np.log(x), logs, level)
    notes = []
    if np.isfinite(at):
        low, high = drawn_interval(lambda r: crossing(np.log(x), logs + spread * r.normal(size=len(x)), level))
        limit = Limit(None, settings.most_m, "stated") if settings.most_m > 0 else None
        figures.insert(
            0,
            Figure(
                "disturbs up to",
                float(np.exp(at)),
                "m",
                float(np.exp(low)),
                float(np.exp(high)),
                "crossing drawn",
                limit,
            ),
        )
    else:
        word = "no" if ratios[0] < settings.most_ratio else "every"
        notes.append(f"The source disturbs at {word} distance that was taken: the distance itself was not found.")
    curve = Curve("all gates", x.tolist(), ratios, lows, highs, True)
    chart = Chart(
        "distance (m)", "noise on over off", (curve,), log_x=True, levels=(("undisturbed", settings.most_ratio),)
    )
    return Result("immunity", TITLE, SOURCE, tuple(figures), chart, tuple(notes))
