"""Background removal along slow time: coupling, surface and layers go, what stands out stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from detector.cache_lines import on_cache_lines
from detector.delay_line import DelayLine
from detector.kernels.clutter import (
    start_level,
    subtract_mean,
    subtract_median,
    subtract_subspace,
)
from detector.kernels.recursive import subtract_recursive
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, choice, quantity

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]


class BackgroundSettings(Settings):
    method: Literal["recursive", "mean", "median", "subspace"] = choice(
        "recursive",
        "recursive: bounded steps; mean, median: of a window; subspace: leading singular vectors of clean A-scans",
    )
    length_m: float = quantity(0.3, "m", 0.05, 20.0, "e-folding length or half window of the background's memory")
    ahead_m: float = quantity(0.3, "m", 0.0, 10.0, "ground seen ahead; costs latency, steadies the start")
    clip: float = quantity(
        1.5,
        "mean absolute deviations",
        1.1,
        20.0,
        "largest pull of one A-scan (recursive; at 1 and below the deviation itself would die away), or how far a "
        "clean one may stand out (subspace, root energies)",
    )
    rank: int = quantity(1, "1", 1, 5, "singular vectors taken out (subspace)")
    refresh: int = quantity(10, "A-scans", 1, 1000, "how often the singular vectors are renewed (subspace)")


class _Method(Protocol):
    def run(self, rows: F4, lost: U1, lo: int, hi: int) -> F4: ...


class _Recursive:
    def __init__(self, s: BackgroundSettings, g: RadarGeometry, behind: int, ahead: int) -> None:
        self._ahead, self._clip = ahead, s.clip
        self._alpha = min(1.0, g.step_m / s.length_m)
        self._floor = np.full(g.channels, max(g.lsb / np.sqrt(12.0), 1e-30), np.float32)
        self._channels = g.channels
        self._level: F4 | None = None
        self._plain = np.ones(g.width, np.float32)
        self._spread: F4 = np.empty(0, np.float32)

    def run(self, rows: F4, lost: U1, lo: int, hi: int) -> F4:
        started = self._level is not None
        if self._level is None:
            self._level = on_cache_lines((rows.shape[1],), np.float32, 8)
            self._spread = on_cache_lines((rows.shape[1],), np.float32, 24)
            self._level[:], self._spread[:] = start_level(rows[: self._ahead + 1], lost[: self._ahead + 1])
            # floating-point samples have no step: 120 dB under the strongest echo is as good as nothing
            loudest = np.abs(self._level).reshape(self._channels, -1).max(axis=1)
            self._floor = np.maximum(self._floor, np.float32(1e-6) * loudest)
        out = on_cache_lines((hi - lo, rows.shape[1]), np.float32, 32)
        subtract_recursive(rows, lost, lo, hi, *self.arguments, started, self._plain, out)  # type: ignore[call-arg]
        return out

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self._ahead, self._level, self._spread, self._alpha, self._clip, self._floor

    @property
    def started(self) -> bool:
        return self._level is not None


class _Mean:
    def __init__(self, s: BackgroundSettings, g: RadarGeometry, behind: int, ahead: int) -> None:
        self._behind, self._ahead, self._started = behind, ahead, False
        self._total: F8 = np.zeros(g.width)
        self._count: I8 = np.zeros(g.channels, np.int64)

    def run(self, rows: F4, lost: U1, lo: int, hi: int) -> F4:
        started, self._started = self._started, True
        return subtract_mean(rows, lost, lo, hi, self._behind, self._ahead, self._total, self._count, started)


class _Median:
    def __init__(self, s: BackgroundSettings, g: RadarGeometry, behind: int, ahead: int) -> None:
        self._behind, self._ahead, self._started = behind, ahead, False
        self._ordered: F4 = np.zeros((g.width, behind + ahead + 2), np.float32)
        self._count: I8 = np.zeros(g.channels, np.int64)

    def run(self, rows: F4, lost: U1, lo: int, hi: int) -> F4:
        started, self._started = self._started, True
        return subtract_median(rows, lost, lo, hi, self._behind, self._ahead, self._ordered, self._count, started)


class _Subspace:
    def __init__(self, s: BackgroundSettings, g: RadarGeometry, behind: int, ahead: int) -> None:
        self._ahead, self._clip, self._refresh, self._started = ahead, s.clip, s.refresh, False
        self._recent: F4 = np.zeros((g.channels, behind + ahead + 1, g.samples), np.float32)
        self._basis: F4 = np.zeros((g.channels, s.rank, g.samples), np.float32)
        self._state: F8 = np.zeros((g.channels, 3))

    def run(self, rows: F4, lost: U1, lo: int, hi: int) -> F4:
        started, self._started = self._started, True
        return subtract_subspace(
            rows, lost, lo, hi, self._ahead, self._recent, self._basis, self._state, self._clip, self._refresh, started
        )


_METHODS: Final[dict[str, Callable[[BackgroundSettings, RadarGeometry, int, int], _Method]]] = {
    "recursive": _Recursive,
    "mean": _Mean,
    "median": _Median,
    "subspace": _Subspace,
}


class Background:
    """Follows what does not change from A-scan to A-scan, and takes it out. Latency: `ahead_m` in A-scans.

    Sources: recursive with bounded influence, Huber 1964 applied to exponential averaging; subspace, e.g.
    Tjora, Eide and Lundheim 2004 (singular values of B-scans); window mean and median, Daniels
    2004, ch. 7. A-scans whose surface was lost never enter the background.
    """

    def __init__(self, settings: BackgroundSettings, geometry: RadarGeometry) -> None:
        g = geometry
        self.latency = round(settings.ahead_m / g.step_m)
        behind = g.rows(settings.length_m)
        self._method: _Method = _METHODS[settings.method](settings, g, behind, self.latency)
        # a window needs the row that leaves it too
        kept = 0 if settings.method in ("recursive", "subspace") else behind + 1
        self._line = DelayLine(kept, self.latency, g.width, np.float32)
        self._flags = DelayLine(kept, self.latency, g.channels, np.uint8)

    def process(self, ascans: F4, lost: U1) -> F4:
        """(n, width) and (n, channels) to (n', width): as many A-scans late as the latency says."""
        return self._run(self._line.push(ascans), self._flags.push(lost))

    def finish(self) -> F4:
        """The A-scans still owed at the end of a segment."""
        return self._run(self._line.finish(), self._flags.finish())

    @property
    def recursive(self) -> bool:
        """Whether the recursive method is at work and has begun, so that a kernel may go on with its state."""
        return isinstance(self._method, _Recursive) and self._method.started

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the recursive method's kernel takes between the rows and whether it has begun."""
        assert isinstance(self._method, _Recursive)
        return self._method.arguments

    def extend(self, n: int) -> tuple[F4, U1, int, int]:
        """Rows held, (k, width), and lost among them, (k, channels), the last n to be filled; first and last due."""
        rows, lo, hi = self._line.extend(n)
        flags, _, _ = self._flags.extend(n)
        return rows, flags, lo, hi

    def _run(self, rows: tuple[F4, int, int], flags: tuple[U1, int, int]) -> F4:
        held, lo, hi = rows
        if hi == lo:
            return np.empty((0, held.shape[1]), np.float32)
        return self._method.run(held, flags[0], lo, hi)
