"""Drift of a head that stands still: slope, warm-up, and how long averaging helps (Allan deviation)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import Settings, quantity

TITLE = "Drift, warm-up and stability"
SOURCE = "CWA 14747-1 asks for drift; procedure: log a still head. Allan deviation: overlapping, Riley NIST SP 1065"


class DriftSettings(Settings):
    """How drift is measured."""

    seconds: float = quantity(1800.0, "s", 60.0, 86400.0, "from switching on; assumed")
    piece_s: float = quantity(1.0, "s", 0.1, 60.0, "samples are averaged over this before anything else; assumed")
    gate: int = quantity(0, "1", 0, 65535, "value of the record that is looked at, counted from 0")
    band: float = quantity(
        0.0, "unit", 0.0, 1e12, "warm-up is over within this of the final line; 0: the noise of one piece_s"
    )
    most_per_h: float = quantity(0.0, "unit/h", 0.0, 1e12, "largest slope that passes after warm-up; 0: no limit")
    most_minutes: float = quantity(10.0, "min", 0.0, 240.0, "longest warm-up that passes; assumed")


def plan(settings: DriftSettings) -> list[Planned]:
    """One long still step."""
    text = "Switch the head on, clamp it in the air away from ground, metal and draught, and leave it alone."
    return [Planned("still", text, settings.seconds)]


def allan(y: F8, m: int) -> tuple[float, float]:
    """Overlapping Allan deviation of readings (n,) at m readings, and its degrees of freedom.

    Source: Riley, Handbook of Frequency Stability Analysis, NIST SP 1065, 5.2.4; the degrees of freedom are those of
    white noise, table 5: 3 (n - 1) / 2m - 2 (n - 2) / n, times 4 m^2 / (4 m^2 + 5).
    """
    sums = np.concatenate(([0.0], np.cumsum(y)))
    means = (sums[m:] - sums[:-m]) / m
    steps = means[m:] - means[:-m]
    n = len(y) + 1
    dof = (3 * (n - 1) / (2 * m) - 2 * (n - 2) / n) * 4 * m * m / (4 * m * m + 5)
    return float(np.sqrt(0.5 * (steps**2).mean())), max(1.0, dof)


def pieces(s: Taken, x: F8, seconds: float) -> tuple[F8, F8]:
    """Times from the first record, s, and means of successive pieces of that length."""
    size = max(1, round(seconds * s.rate_hz))
    k = len(x) // size
    t = np.asarray((np.arange(k) + 0.5) * (size / s.rate_hz), np.float64)
    return t, np.asarray(x[: k * size].reshape(k, size).mean(axis=1), np.float64)


def slope(t: F8, y: F8) -> tuple[float, float, float]:
    """Least-squares slope and its bounds, unit/s, for residuals correlated as a first-order process."""
    fit = scipy.stats.linregress(t, y)
    rest = y - (fit.intercept + fit.slope * t)
    rho = float(np.clip((rest[1:] * rest[:-1]).sum() / (rest**2).sum(), 0.0, 0.99))
    inflate = (1 + rho) / (1 - rho)
    dof = max(2.0, len(y) / inflate - 2)
    half = float(scipy.stats.t.ppf(0.975, dof) * fit.stderr * np.sqrt(inflate))
    return float(fit.slope), float(fit.slope) - half, float(fit.slope) + half


def _model(t: F8, offset: float, per_s: float, size: float, tau: float) -> F8:
    return np.asarray(offset + per_s * t + size * np.exp(np.minimum(-t / tau, 50.0)))


def warm_up(t: F8, y: F8, band: float) -> tuple[float, float, float, F8, F8] | None:
    """An exponential on a straight line: time until it is within the band, its bounds, (4,) fit and (4, 4) covariance.

    None if the exponential does not explain more than a line by the F test at 0.1 %. The bounds are drawn from the
    fit's normal distribution.
    """
    line = np.polyfit(t, y, 1)
    straight = float(((y - np.polyval(line, t)) ** 2).sum())
    best, cost = np.zeros(4), np.inf
    for tau in np.geomspace(4 * (t[1] - t[0]), t[-1] / 2, 12):
        start = np.linalg.lstsq(np.stack((np.ones_like(t), t, np.exp(-t / tau)), 1), y, rcond=None)[0]
        left = float(((y - _model(t, start[0], start[1], start[2], float(tau))) ** 2).sum())
        if left < cost:
            best, cost = np.append(start, tau), left
    try:
        fit, covariance = (np.asarray(v) for v in scipy.optimize.curve_fit(_model, t, y, p0=best, maxfev=5000))
    except RuntimeError:
        return None
    rest = y - _model(t, fit[0], fit[1], fit[2], fit[3])
    explained = (straight - float((rest**2).sum())) / 2
    f = explained / (float((rest**2).sum()) / (len(y) - 4))
    if f < scipy.stats.f.isf(0.001, 2, len(y) - 4) or not 0 < fit[3] < t[-1] or not np.isfinite(covariance).all():
        return None

    def stable(p: F8) -> float:
        return float(p[3] * np.log(abs(p[2]) / band)) if abs(p[2]) > band and p[3] > 0 else 0.0

    drawn = np.random.default_rng(0).multivariate_normal(fit, covariance, 4000)
    low, high = np.quantile([stable(p) for p in drawn], (0.025, 0.975))
    return stable(fit), float(low), float(high), fit, covariance


def measure(steps: Sequence[Taken], settings: DriftSettings) -> Result:
    """Slope after warm-up, time to stable, and the Allan deviation.

    Raises
    ------
    BenchError
        if there is no still step, or it is too short, broken or saturated.
    """
    check(steps, "still", 1)
    still = in_role(steps, "still")[0]
    if settings.gate >= still.values.shape[1]:
        raise BenchError(f"A record has values 0 to {still.values.shape[1] - 1}, not {settings.gate}.")
    t, y = pieces(still, still.values[:, settings.gate], settings.piece_s)
    if len(y) < 40:
        raise BenchError(
            f"The still step lasts {still.seconds:.0f} s; drift needs {40 * settings.piece_s:.0f} s or more."
        )
    unit = still.stream.unit
    name = still.stream.value_names[settings.gate]
    band = settings.band or float(np.std(np.diff(y)) / np.sqrt(2))
    found = warm_up(t, y, band)
    figures: list[Figure] = []
    notes = []
    minutes = Limit(None, settings.most_minutes, "longest warm-up, assumed") if settings.most_minutes else None
    if found is None:
        notes.append("No warm-up shows: an exponential explains no more than a straight line (F test, 0.1 %).")
        per_s, low, high = slope(t, y)
        how = "least squares, t with correlated residuals"
    else:
        stable, first, last, fit, covariance = found
        figures.append(
            Figure(
                "time to stable",
                stable / 60,
                "min",
                first / 60,
                last / 60,
                f"fit, drawn; band {band:.3g} {unit}",
                minutes,
            )
        )
        deviation = float(np.sqrt(covariance[3, 3]))
        half_tau = float(scipy.stats.t.ppf(0.975, len(y) - 4)) * deviation
        figures.append(
            Figure("warm-up time constant", fit[3], "s", fit[3] - half_tau, fit[3] + half_tau, "least squares, t")
        )
        half = float(scipy.stats.t.ppf(0.975, len(y) - 4) * np.sqrt(covariance[1, 1]))
        per_s, low, high = float(fit[1]), float(fit[1]) - half, float(fit[1]) + half
        how = "least squares beside the warm-up, t"
    limit = Limit(-settings.most_per_h, settings.most_per_h, "stated") if settings.most_per_h > 0 else None
    figures.append(Figure("drift", 3600 * per_s, f"{unit}/h", 3600 * low, 3600 * high, how, limit))
    if found is not None and 60 * figures[0].value < 0.75 * t[-1]:
        settled = y[t > 60 * figures[0].value]
        notes.append("The Allan deviation is of what came after the warm-up.")
    else:
        settled = y
    taus, deviations, lows, highs = [], [], [], []
    m = 1
    while 4 * m <= len(settled):
        sigma, dof = allan(settled, m)
        taus.append(m * settings.piece_s)
        deviations.append(sigma)
        lows.append(sigma * np.sqrt(dof / scipy.stats.chi2.ppf(0.975, dof)))
        highs.append(sigma * np.sqrt(dof / scipy.stats.chi2.ppf(0.025, dof)))
        m *= 2
    for k in sorted({0, int(np.argmin(deviations))}):
        what = f"Allan deviation over {taus[k]:g} s" + (", the least" if k and k == int(np.argmin(deviations)) else "")
        figures.append(
            Figure(what, deviations[k], unit, lows[k], highs[k], "chi square, white-noise degrees of freedom")
        )
    least = int(np.argmin(deviations))
    gain = f"Averaging longer than {taus[least]:g} s gains nothing: drift takes over." if least < len(taus) - 1 else ""
    notes.append(f"At {name}. {gain}".strip())
    chart = Chart(
        "averaging time (s)",
        f"Allan deviation ({unit})",
        (Curve(name, taus, deviations, lows, highs, True),),
        True,
        True,
    )
    return Result("drift", TITLE, SOURCE, tuple(figures), chart, tuple(notes))
