"""What a scope shows of one stream: the record, its noise, one value over time, and spectra. Bounded memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.samples import SampleBlock, StreamDescription, StreamKind

F8 = NDArray[np.float64]

KEPT_S: Final = 10.0
"""Seconds of a stream that are kept, if they are no more than _MOST values."""
_MOST: Final = 1 << 21
_LEAST: Final = 16
"""Records from which noise and spectra are told."""
_POINTS: Final = 800
"""Points of a curve over time at most; of more, the lowest and highest of every piece are shown."""
_LINES: Final = 6
_STANDS_OUT: Final = 8.0
"""A line of a spectrum is told from this many times the usual density round it."""


class Show(StrEnum):
    """What a curve is of."""

    RECORD = "record"
    """The values of a record: a decay curve, I and Q, or an A-scan; averaged."""
    NOISE = "noise"
    """Standard deviation of each value over the seconds kept, a steady slope taken off."""
    HISTORY = "history"
    """One value over time."""
    SPECTRUM = "spectrum"
    """Amplitude density of one value along time."""
    BAND = "band"
    """Radar: amplitude spectrum of the averaged A-scan."""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody looks at."""

    stream: str
    show: Show = Show.RECORD
    channel: int = 0
    value: int = 0
    average: int = 1
    """Records averaged, the newest."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points to draw. y has one row per line."""

    x: F8
    y: F8
    x_unit: str
    y_unit: str
    names: tuple[str, ...]
    """Of the lines."""
    log_x: bool
    log_y: bool
    notes: tuple[str, ...] = ()
    """Figures for people."""


class StreamTraces:
    """The last seconds of one stream, in its unit. `add` and `curve` may be called from different threads."""

    def __init__(self, stream: StreamDescription) -> None:
        self.stream = stream
        n = min(round(KEPT_S * stream.rate_hz), _MOST // stream.width)
        self._ring: F8 = np.zeros((max(_LEAST, n), stream.channels, stream.values))
        self._seen = 0
        self._lock = threading.Lock()
        self._saturated = 0

    def add(self, block: SampleBlock) -> None:
        """Take records."""
        x = block.raw[-len(self._ring) :].astype(np.float64) * self.stream.scale + self.stream.offset
        low, high = self.stream.limits
        with self._lock:
            at = (self._seen + len(block) - len(x) + np.arange(len(x))) % len(self._ring)
            self._ring[at] = x
            self._seen += len(block)
            full = np.any((x <= low) | (x >= high), axis=(1, 2))
            self._saturated = len(self._ring) if full.any() else max(0, self._saturated - len(x))

    def newest(self, n: int) -> F8:
        """(up to n, channels, values) in order."""
        with self._lock:
            n = min(n, self._seen, len(self._ring))
            at = (self._seen - n + np.arange(n)) % len(self._ring)
            return np.asarray(self._ring[at])

    def curve(self, view: View) -> Curve | None:
        """What the view shows now; None before there are records enough for it."""
        s = self.stream
        c = min(max(0, view.channel), s.channels - 1)
        v = min(max(0, view.value), s.values - 1)
        if view.show is Show.RECORD:
            rows = self.newest(max(1, view.average))
            return None if len(rows) == 0 else self._record(rows[:, c].mean(axis=0), len(rows))
        if view.show is Show.BAND and s.kind is StreamKind.RADAR:
            rows = self.newest(max(1, view.average))
            return None if len(rows) == 0 else self._band(rows[:, c].mean(axis=0))
        rows = self.newest(len(self._ring))[:, c]
        if len(rows) < _LEAST:
            return None
        match view.show:
            case Show.NOISE:
                return self._noise(rows)
            case Show.HISTORY:
                return self._history(rows[:, v], v)
            case _:
                return self._spectrum(rows[:, v], v)

    @property
    def saturated(self) -> bool:
        """Whether a value stood at the end of the converter's range within the seconds kept."""
        return self._saturated > 0

    def _axis(self) -> tuple[F8, str, bool]:
        s = self.stream
        if s.kind is StreamKind.METAL_PI:
            return 1e6 * np.array(s.axis), "us after switch-off", True
        if s.kind in (StreamKind.METAL_CW, StreamKind.RADAR_SFCW):
            return 1e-3 * np.array(s.axis), "kHz", True
        if s.kind is StreamKind.RADAR:
            return 1e9 * s.sampling_interval_s * np.arange(s.values, dtype=np.float64), "ns", False
        return np.arange(s.values, dtype=np.float64), "value", False

    def _lines(self, y: F8) -> tuple[F8, tuple[str, ...]]:
        if self.stream.kind in (StreamKind.METAL_CW, StreamKind.RADAR_SFCW):
            return np.array([y[0::2], y[1::2]]), ("I", "Q")
        return y[None], ("",)

    def _record(self, y: F8, n: int) -> Curve:
        x, unit, log_x = self._axis()
        lines, names = self._lines(y)
        largest = float(np.max(np.abs(y)))
        log_y = self.stream.kind is StreamKind.METAL_PI
        notes = (f"mean of {n}", f"largest {largest:.4g} {self.stream.unit}")
        return Curve(x, lines, unit, self.stream.unit, names, log_x, log_y, notes)

    def _noise(self, rows: F8) -> Curve:
        x, unit, log_x = self._axis()
        flat = scipy.signal.detrend(rows, axis=0)
        total = np.std(flat, axis=0, ddof=2)
        # noise that is white in time: what two neighbours differ by
        white = np.std(np.diff(rows, axis=0), axis=0) / np.sqrt(2.0)
        seconds = len(rows) / self.stream.rate_hz
        lines = [self._lines(total), self._lines(white)]
        y = np.concatenate([line for line, _ in lines])
        names = tuple(f"{what} {n}".strip() for what, (_, ns) in zip(("all", "white"), lines, strict=True) for n in ns)
        notes = (
            f"over {seconds:.1f} s, a slope taken off",
            f"median {np.median(total):.4g} {self.stream.unit}, white {np.median(white):.4g}",
        )
        return Curve(x, y, unit, self.stream.unit, names, log_x, True, notes)

    def _history(self, y: F8, value: int) -> Curve:
        t = (np.arange(len(y)) - len(y)) / self.stream.rate_hz
        notes = (
            f"mean {y.mean():.6g}, standard deviation {y.std(ddof=1):.4g}, "
            f"slope {np.polyfit(t, y, 1)[0]:.3g} {self.stream.unit}/s",
        )
        if len(y) > _POINTS:
            piece = int(np.ceil(len(y) / (_POINTS // 2)))
            starts = np.arange(0, len(y), piece)
            y = np.column_stack((np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts))).reshape(-1)
            t = np.repeat(t[starts], 2)
        return Curve(t, y[None], "s", self.stream.unit, (f"value {value}",), False, False, notes)

    def _spectrum(self, y: F8, value: int) -> Curve:
        n = min(len(y), 1 << int(np.log2(max(_LEAST, len(y) // 4))))
        f, power = scipy.signal.welch(scipy.signal.detrend(y), self.stream.rate_hz, "hann", nperseg=n)
        density = np.sqrt(power)
        notes = [f"resolution {f[1]:.3g} Hz", *_lines_of(f, density, self.stream.unit)]
        unit = f"{self.stream.unit}/rtHz"
        return Curve(f[1:], density[None, 1:], "Hz", unit, (f"value {value}",), False, True, tuple(notes))

    def _band(self, y: F8) -> Curve:
        window = scipy.signal.get_window("hann", len(y))
        amplitude: F8 = np.abs(np.fft.rfft((y - y.mean()) * window)) / np.sum(window) * 2.0
        f = np.arange(len(amplitude), dtype=np.float64) / (len(y) * self.stream.sampling_interval_s)
        peak = int(np.argmax(amplitude))
        inside = np.nonzero(amplitude >= amplitude[peak] / np.sqrt(10.0))[0]
        notes = (
            f"peak at {f[peak] / 1e6:.4g} MHz",
            f"-10 dB from {f[inside[0]] / 1e6:.4g} to {f[inside[-1]] / 1e6:.4g} MHz",
        )
        return Curve(f[1:] / 1e6, amplitude[None, 1:], "MHz", self.stream.unit, ("",), False, True, notes)


def _lines_of(f: F8, density: F8, unit: str) -> list[str]:
    """Lines that stand out of a spectrum, strongest first, those of the mains named."""
    if len(f) < 32:
        return []
    usual = scipy.signal.medfilt(density, 2 * (len(f) // 32) + 9)
    peaks, _ = scipy.signal.find_peaks(density)
    found = [p for p in peaks if p > 1 and density[p] > _STANDS_OUT * usual[p]]
    found.sort(key=lambda p: -density[p])
    out = []
    for p in found[:_LINES]:
        rms = density[p] * np.sqrt(f[1] * 1.5)  # of a line, in a Hann window's noise bandwidth
        name = next((f" ({m} Hz mains x {k})" for m in (50, 60) for k in range(1, 10) if abs(f[p] - m * k) <= f[1]), "")
        out.append(f"{f[p]:.4g} Hz{name}: {rms:.3g} {unit} rms")
    return out


def as_message(curve: Curve, digits: int = 6) -> dict[str, Any]:
    """For JSON: numbers short enough for a page; what cannot be drawn is null."""

    def short(a: F8) -> list[Any]:
        return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in a]

    return {
        "x": short(curve.x), "y": [short(row) for row in curve.y], "x_unit": curve.x_unit, "y_unit": curve.y_unit,
        "names": list(curve.names), "log_x": curve.log_x, "log_y": curve.log_y, "notes": list(curve.notes),
    }  # fmt: skip
