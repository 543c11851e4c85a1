"""Time zero: every A-scan shifted so that the surface echo stays where it was."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.cache_lines import on_cache_lines
from detector.kernels.alignment import align_ascans, find_surface
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F4 = NDArray[np.float32]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]


class TimeZeroSettings(Settings):
    search_periods: float = quantity(
        6.0, "periods of the centre frequency", 1.0, 40.0, "how far from the first sample the surface echo may be"
    )
    gate_periods: float = quantity(
        1.5, "periods of the centre frequency", 0.5, 5.0, "half width of the gate in which A-scans are compared"
    )
    max_lag_ns: float = quantity(0.5, "ns", 0.02, 10.0, "largest shift from the first A-scan")
    max_jump_ns: float = quantity(0.3, "ns", 0.02, 5.0, "a larger jump between A-scans is not the ground")
    min_match: float = quantity(0.6, "1", 0.0, 1.0, "correlation below which the surface echo counts as lost")
    min_level: float = quantity(
        0.1, "1", 0.0, 1.0, "share of the reference's amplitude below which it is lost: noise can match by chance"
    )
    memory: int = quantity(50, "A-scans", 2, 5000, "A-scans averaged in the running reference")


def sought(settings: TimeZeroSettings, geometry: RadarGeometry) -> int:
    """Samples in which the surface echo may be."""
    return min(geometry.samples, max(8, round(settings.search_periods * geometry.period_samples)))


def find_surfaces(ascans: F4, settings: TimeZeroSettings, geometry: RadarGeometry) -> I8:
    """(channels,) sample of the strongest early echo of one A-scan per channel, (channels, samples)."""
    last = sought(settings, geometry)
    return np.array([find_surface(row, 0, last) for row in ascans], dtype=np.int64)


class Alignment:
    """Track an echo by cross-correlation with a running reference, to sub-sample lags, and shift it still.

    Latency 0. Source: the usual alignment, e.g. Torrione, Throckmorton and Collins 2006.

    Parameters
    ----------
    middle : (channels,) sample where the echo is and shall stay
    half : half width of the gate round it, samples
    max_lag_ns, max_jump_ns, min_match, min_level, memory : as in :class:`TimeZeroSettings`
    """

    latency = 0

    def __init__(
        self, geometry: RadarGeometry, middle: I8, half: int, max_lag_ns: float, max_jump_ns: float,
        min_match: float, min_level: float, memory: int,
    ) -> None:  # fmt: skip
        g = geometry
        self.gates: I8 = np.stack((np.maximum(0, middle - half), np.minimum(g.samples, middle + half + 1)), axis=1)
        """(channels, 2) first and last + 1 sample compared."""
        self._max_lag = min(max(1, round(max_lag_ns * 1e-9 / g.dt_s)), (g.samples - 1) // 4)
        self._max_jump = max_jump_ns * 1e-9 / g.dt_s
        self._min_match = min_match
        self._min_level = min_level
        self._memory = memory
        self._stride = g.stride
        self._reference: F4 | None = None
        self._state = np.zeros((g.channels, 3))

    def process(self, ascans: F4) -> tuple[F4, NDArray[np.float64], U1]:
        """(n, channels, samples) to the same aligned, the shifts (n, channels) in samples, and 1 where lost."""
        if self._reference is None:
            self._reference = ascans[0].copy()
        out = on_cache_lines(ascans.shape, np.float32)
        lags = np.empty(ascans.shape[:2])
        lost = np.empty(ascans.shape[:2], np.uint8)
        align_ascans(ascans, *self.arguments, out, lags, lost)  # type: ignore[call-arg]
        return out, lags, lost

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the kernel takes between the A-scans and what it fills, once it has begun."""
        return (
            self._reference, self.gates, self._max_lag, self._stride, self._max_jump, self._min_match, self._min_level,
            self._memory, self._state,
        )  # fmt: skip


def time_zero(settings: TimeZeroSettings, geometry: RadarGeometry, surface: I8) -> Alignment:
    """The alignment on the surface echo.

    Runs after the filters by default, since the correlation is cleaner there and the shift commutes with them.
    """
    half = max(2, round(settings.gate_periods * geometry.period_samples))
    s = settings
    return Alignment(geometry, surface, half, s.max_lag_ns, s.max_jump_ns, s.min_match, s.min_level, s.memory)
