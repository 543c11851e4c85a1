"""A radar before a metal plate: time zero, bandwidth, dynamic range, range resolution, and the plate's reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import scipy

from detector.bench.bounds import mean_interval, sd_interval, width_at
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import Settings, listed, quantity

TITLE = "Radar before a plate"
SOURCE = (
    "Radar bench practice: metal plate at known distances, antenna to the sky for the background (a usable reading)"
)
C_M_PER_S: Final = 299_792_458.0
_FINE: Final = 8
_PADDED: Final = 16


class RadarSettings(Settings):
    """How the radar is measured."""

    distances_m: tuple[float, ...] = listed("m", "of the plate from the antenna; empty: 0.3, 0.4, 0.5")
    repeats: int = quantity(3, "1", 1, 50, "times that the plate is set anew at each distance; assumed")
    hold_s: float = quantity(4.0, "s", 0.2, 120.0, "length of each step; assumed")
    separation_m: float = quantity(0.0, "m", 0.0, 2.0, "between the phase centres of the two antennas")
    fewest: int = quantity(4, "1", 3, 500, "plate steps without which no figure is given; assumed")
    shown_db: float = quantity(20.0, "dB", 6.0, 100.0, "the plate must stand out of the noise by this; assumed")
    drop_db: float = quantity(10.0, "dB", 1.0, 40.0, "below the peak of the spectrum: the ends of the band")
    least_db: float = quantity(0.0, "dB", 0.0, 200.0, "least dynamic range that passes; 0: no limit")
    reference: float = quantity(
        0.0, "unit", 0.0, 1e12, "the plate's echo at the first distance, measured before; 0: none"
    )
    most_change: float = quantity(0.3, "1", 0.001, 1.0, "change against the reference that fails: 3 dB; assumed")

    @property
    def distances(self) -> tuple[float, ...]:
        return self.distances_m or (0.3, 0.4, 0.5)


def plan(settings: RadarSettings) -> list[Planned]:
    """The sky, then the plate at each distance."""
    steps = [
        Planned("sky", "Point the antenna to the open sky, nothing within 3 m.", settings.hold_s * 3, settle_s=0.5)
    ]
    for k in range(settings.repeats):
        for d in settings.distances:
            text = f"Metal plate, 60 cm or more across, square before the antenna at {1e3 * d:.0f} mm."
            steps.append(Planned("plate", text, settings.hold_s, {"distance_m": d, "repeat": float(k)}, settle_s=0.5))
    return steps


def envelope_peak(a: F8, dt: float) -> tuple[float, float, float]:
    """Time s, height and full width at half height s of the largest echo of an A-scan (samples,).

    The envelope is that of the analytic signal, on a grid eight times finer; the vertex of a parabola at its top.
    """
    spectrum = np.fft.rfft(a)
    up = np.fft.irfft(spectrum, _FINE * len(a)) * _FINE
    e = np.abs(scipy.signal.hilbert(up))
    i = int(e.argmax())
    if 0 < i < len(e) - 1:
        below, top, above = e[i - 1], e[i], e[i + 1]
        shift = 0.5 * (below - above) / (below - 2 * top + above)
    else:
        shift = 0.0
    width = width_at(np.arange(len(e), dtype=np.float64) * (dt / _FINE), e, 0.5 * float(e[i]), i)
    return (i + shift) * dt / _FINE, float(e[i]), width


def band(a: F8, dt: float, drop_db: float) -> tuple[float, float]:
    """Lowest and highest frequency, Hz, around the spectrum's peak that are less than drop_db below it."""
    n = 1 << int(np.ceil(np.log2(_PADDED * len(a))))
    power = np.abs(np.fft.rfft(a, n)) ** 2
    hz = np.fft.rfftfreq(n, dt)
    i = int(power.argmax())
    bound = power[i] * 10 ** (-drop_db / 10)
    below, above = np.nonzero(power[:i] < bound)[0], np.nonzero(power[i:] < bound)[0]
    db = 10 * np.log10(power + 1e-300)
    level = db[i] - drop_db
    low, high = 0.0, float(hz[-1])
    if len(below):
        k = int(below[-1])
        low = float(np.interp(level, (db[k], db[k + 1]), (hz[k], hz[k + 1])))
    if len(above):
        k = i + int(above[0])
        high = float(np.interp(level, (db[k], db[k - 1]), (hz[k], hz[k - 1])))
    return low, high


def measure(steps: Sequence[Taken], settings: RadarSettings) -> Result:
    """All figures of a radar from its plate steps.

    Raises
    ------
    BenchError
        if it is no impulse radar, the plate was never shown, the converter saturates, or there are too few steps.
    """
    check(steps, "sky", 1)
    check(steps, "plate", settings.fewest)
    sky, plates = in_role(steps, "sky")[0], in_role(steps, "plate")
    dt = sky.stream.sampling_interval_s
    if dt <= 0:
        raise BenchError(f"{sky.stream.name!r} is {sky.stream.kind}: these figures need an impulse radar.")
    background = sky.values.mean(axis=0)
    residue = sky.values - background
    noise = float(np.sqrt((residue.var(axis=0, ddof=1)).mean()))
    echoes = [p.values.mean(axis=0) - background for p in plates]
    found = [envelope_peak(e, dt) for e in echoes]
    peaks = np.array([f[1] for f in found])
    error = noise / np.sqrt(min(len(p.values) for p in plates))
    if 20 * np.log10(peaks.min() / error) < settings.shown_db:
        stands = 20 * np.log10(peaks.min() / error)
        raise BenchError(
            f"The plate was never shown in step {int(peaks.argmin()) + 1}: its echo stands {stands:.0f} dB "
            f"out of the noise, wanted {settings.shown_db:g}. Set it before the antenna, and take the step again."
        )
    d = np.array([p.number("distance_m") for p in plates])
    path = 2 * np.sqrt(d**2 + (settings.separation_m / 2) ** 2)
    zeros = np.array([f[0] for f in found]) - path / C_M_PER_S
    zero, low, high = mean_interval(zeros)
    how = f"t, {len(plates)} plate steps"
    figures = [Figure("time zero", zero, "s", low, high, how)]
    notes = []
    if len(set(d)) > 1:
        slope = float(np.polyfit(path, np.array([f[0] for f in found]), 1)[0])
        notes.append(f"Echo times against distance give {1 / slope / 1e8:.4f}e8 m/s; light has 2.9979e8 m/s.")
    ends = np.array([band(e, dt, settings.drop_db) for e in echoes])
    cell = 1 / (_PADDED * len(background) * dt)
    for name, values in (
        (f"lower end of the band, -{settings.drop_db:g} dB", ends[:, 0]),
        (f"upper end of the band, -{settings.drop_db:g} dB", ends[:, 1]),
        (f"bandwidth, -{settings.drop_db:g} dB", ends[:, 1] - ends[:, 0]),
    ):
        figures.append(Figure(name, *_widened(mean_interval(values), "Hz", cell / 2), f"{how}; half a bin added"))
    resolution = np.array([f[2] for f in found]) * C_M_PER_S / 2
    if np.isfinite(resolution).all():
        grid = dt / _FINE * C_M_PER_S / 2
        figures.append(
            Figure(
                "range resolution in air",
                *_widened(mean_interval(resolution), "m", grid / 2),
                f"{how}; half a step of the fine grid added",
            )
        )
    nearest = peaks[d == d.min()]
    dof = (len(residue) - 1) * residue.shape[1] / 4
    noise_low, noise_high = sd_interval(noise, dof)
    top, top_low, top_high = (
        mean_interval(nearest) if len(nearest) > 2 else (nearest.mean(), nearest.min(), nearest.max())
    )
    limit = Limit(settings.least_db, None, "stated") if settings.least_db > 0 else None
    figures.append(
        Figure("dynamic range, plate over noise of one A-scan", _db(top / noise), "dB", _db(top_low / noise_high),
               _db(top_high / noise_low), "t of the echoes, chi square of the noise", limit)
    )  # fmt: skip
    unit = sky.stream.unit
    figures.append(
        Figure(f"echo of the plate at {d.min():g} m", float(top), unit, float(top_low), float(top_high), how)
    )
    full = sky.stream.limits[1]
    if np.isfinite(full):
        notes.append(f"From the noise to the end of the converter: {_db(full / noise):.0f} dB.")
    if settings.reference > 0:
        r = settings.reference
        change = Limit(1 - settings.most_change, 1 + settings.most_change, "assumed: 3 dB")
        figures.append(Figure("plate against its reference", top / r, "1", top_low / r, top_high / r, how, change))
    t = np.arange(len(background)) * dt * 1e9
    shown = {float(x): e for x, e in zip(d, echoes, strict=True)}
    curves = tuple(Curve(f"plate at {x:g} m", t.tolist(), e.tolist()) for x, e in sorted(shown.items())[:4])
    chart = Chart("time (ns)", f"echo less sky ({unit})", curves, marks=(("time zero", zero * 1e9),))
    samples = {"time zero": tuple(zeros.tolist()), "plate echo": tuple(nearest.tolist())}
    return Result("radar", TITLE, SOURCE, tuple(figures), chart, tuple(notes), samples=samples)


def _db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


def _widened(m: tuple[float, float, float], unit: str, by: float) -> tuple[float, str, float, float]:
    return m[0], unit, m[1] - by, m[2] + by
