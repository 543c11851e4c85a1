"""Noise of every gate or value with the head still, and the lines in its spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.bench.bounds import sd_interval
from detector.bench.lines import Line, Spectrum, fast_spectrum, lines_of, spectrum
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import Settings, quantity

TITLE = "Noise per gate, and its spectrum"
SOURCE = "Practice of UXO processing: standard deviation per gate of a still head. Spectrum: Welch 1967"


class NoiseSettings(Settings):
    """How noise is measured."""

    seconds: float = quantity(60.0, "s", 5.0, 3600.0, "length of the still step; assumed")
    resolution_hz: float = quantity(0.5, "Hz", 0.01, 50.0, "of the spectrum; assumed")
    false_alarm: float = quantity(
        0.01, "1", 1e-6, 0.5, "chance that a spectrum without lines shows one, over all gates; assumed"
    )
    most_sigma: float = quantity(
        0.0, "unit", 0.0, 1e12, "largest noise of any gate that passes, in the stream's unit; 0: no limit"
    )


def plan(settings: NoiseSettings) -> list[Planned]:
    """One long still step."""
    text = "Hold or clamp the head still in the air, 60 cm or more from ground and metal."
    return [Planned("still", text, settings.seconds, settle_s=1.0)]


@dataclass(frozen=True, slots=True)
class GateNoise:
    """Noise of one series without the lines in it."""

    sigma: float
    low: float
    high: float
    spectrum: Spectrum
    lines: list[Line]


def gate_noise(x: F8, rate_hz: float, settings: NoiseSettings, gates: int = 1) -> GateNoise:
    """Standard deviation of a series (n,) less its straight drift and its lines, with bounds by chi square.

    The bins of the lines are left out of the whole record's transform, and the rest stands for them. Degrees of freedom
    of coloured noise: n (mean P)^2 / mean P^2 over the rest of the smoothed spectrum P (Bartlett 1946).
    """
    s = spectrum(x, rate_hz, settings.resolution_hz)
    lines = lines_of(s, settings.false_alarm / gates, from_hz=2 * float(s.hz[1]))
    n = len(x)
    t = np.arange(n)
    rest = x - np.polyval(np.polyfit(t, x, 1), t)
    transform = np.fft.rfft(rest)[1:]
    hz = np.fft.rfftfreq(n, 1 / rate_hz)[1:]
    kept = np.ones(len(hz), bool)
    for line in lines:
        kept &= np.abs(hz - line.hz) > 3 * settings.resolution_hz
    if kept.mean() < 0.2:
        raise BenchError("Lines fill the whole spectrum. Find and switch off what disturbs, then measure again.")
    sigma = float(np.sqrt((np.abs(transform[kept]) ** 2).mean() / n))
    smooth = np.interp(hz[kept], s.hz, s.floor)
    dof = 2 * int(kept.sum()) * float(smooth.mean() ** 2 / (smooth**2).mean()) - 2
    return GateNoise(sigma, *sd_interval(sigma, max(2.0, dof)), s, lines)


def measure(steps: Sequence[Taken], settings: NoiseSettings) -> Result:
    """Noise per gate and the lines in its spectrum.

    Raises
    ------
    BenchError
        if there is no still step, or it is too short, broken or saturated.
    """
    check(steps, "still", 1)
    still = in_role(steps, "still")[0]
    return _metal(still, settings) if still.stream.kind.is_metal else _radar(still, settings)


def _limit(settings: NoiseSettings) -> Limit | None:
    return Limit(None, settings.most_sigma, "stated for this measurement") if settings.most_sigma > 0 else None


def _metal(still: Taken, settings: NoiseSettings) -> Result:
    if still.missing:
        raise BenchError(f"{still.missing} records of the still step were lost: a spectrum needs all. Take it again.")
    if still.seconds < 7.9 / settings.resolution_hz:
        raise BenchError(
            f"The still step lasts {still.seconds:.1f} s: a spectrum of {settings.resolution_hz:g} Hz resolution needs "
            f"{8 / settings.resolution_hz:.0f} s. Take a longer one."
        )
    names, unit, rate = still.stream.value_names, still.stream.unit, still.rate_hz
    gates = [gate_noise(still.values[:, g], rate, settings, still.values.shape[1]) for g in range(len(names))]
    how = "chi square, degrees of freedom from the spectrum; lines left out"
    figures = [
        Figure(f"noise, {name}", g.sigma, unit, g.low, g.high, how, _limit(settings))
        for name, g in zip(names, gates, strict=True)
    ]
    found: dict[float, tuple[str, Line]] = {}
    for name, g in zip(names, gates, strict=True):
        for line in g.lines:
            same = [hz for hz in found if abs(hz - line.hz) < 2 * settings.resolution_hz]
            if not same:
                found[line.hz] = (name, line)
            elif line.above_floor_db > found[same[0]][1].above_floor_db:
                found[same[0]] = (name, line)
    strongest = sorted(found.values(), key=lambda f: -f[1].rms)[:12]
    figures += [_line_figure(line, unit, f"{line.hz:.2f} Hz, clearest at {name}") for name, line in strongest]
    notes = [_line_note(line, f"{line.hz:.2f} Hz", unit) for _, line in strongest] or [
        "No line stands out of the noise."
    ]
    shown = sorted({0, len(gates) // 2, len(gates) - 1})
    curves = tuple(
        Curve(names[g], gates[g].spectrum.hz[1:].tolist(), np.sqrt(gates[g].spectrum.density[1:]).tolist())
        for g in shown
    )
    marks = tuple((f"{line.hz:.1f} Hz", line.hz) for _, line in strongest[:6])
    chart = Chart("frequency (Hz)", f"noise density ({unit}/√Hz)", curves, log_y=True, marks=marks)
    return Result("noise", TITLE, SOURCE, tuple(figures), chart, tuple(notes))


def _radar(still: Taken, settings: NoiseSettings) -> Result:
    n = len(still.values)
    if n < 20:
        raise BenchError(f"{n} A-scans are too few to know the noise: hold the antenna still for 20 or more.")
    unit, dt = still.stream.unit, still.stream.sampling_interval_s
    if dt <= 0:
        raise BenchError(f"{still.stream.name!r} is {still.stream.kind}: fast-time noise needs an impulse radar.")
    residue = still.values - still.values.mean(axis=0)
    per_sample = residue.std(axis=0, ddof=1)
    sigma = float(np.sqrt((per_sample**2).mean()))
    low, high = sd_interval(sigma, (n - 1) * residue.shape[1] / 4)
    s = fast_spectrum(residue, dt)
    lines = lines_of(s, settings.false_alarm, from_hz=float(s.hz[1]), name_of="band")[:12]
    how = "chi square; four neighbouring samples counted as one"
    figures = [Figure("noise of the A-scan", sigma, unit, low, high, how, _limit(settings))]
    figures += [_line_figure(line, unit, f"{line.hz / 1e6:.0f} MHz") for line in lines]
    notes = [_line_note(line, f"{line.hz / 1e6:.0f} MHz", unit) for line in lines]
    curve = Curve("still head", (s.hz[1:] / 1e6).tolist(), np.sqrt(s.density[1:]).tolist())
    marks = tuple((f"{line.hz / 1e6:.0f} MHz", line.hz / 1e6) for line in lines[:6])
    chart = Chart("frequency (MHz)", f"noise density ({unit}/√Hz)", (curve,), log_y=True, marks=marks)
    return Result("noise", TITLE, SOURCE, tuple(figures), chart, tuple(notes or ["No line stands out of the noise."]))


def _line_figure(line: Line, unit: str, where: str) -> Figure:
    return Figure(f"line at {where}", line.rms, unit, line.low, line.high, "rms; power of its bins above the floor")


def _line_note(line: Line, where: str, unit: str) -> str:
    level = 20 * np.log10(line.rms)
    return f"{where}: {line.above_floor_db:.0f} dB above the floor, {level:.1f} dB re 1 {unit}; {line.name}."
