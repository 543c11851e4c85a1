"""Mains rejection: 50 or 60 Hz and its harmonics, also where they alias to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.cache_lines import zeros_on_cache_lines
from detector.kernels.mains import track_mains
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class MainsSettings(Settings):
    frequency_hz: float = quantity(50.0, "Hz", 45.0, 65.0, "50 Hz in most of the world, 60 Hz in the Americas")
    harmonics: int = quantity(5, "1", 0, 20, "harmonics removed, the fundamental included; 0 = leave out")
    follow_hz: float = quantity(
        1.0, "Hz", 0.0, 2.0, "how far the frequency may depart from nominal and be followed; 0 = never"
    )
    memory_s: float = quantity(
        0.5, "s", 0.1, 10.0, "time in which the fit follows the hum's strength; longer takes less of the noise"
    )
    clip: float = quantity(
        3.0, "mean absolute deviations", 1.0, 20.0, "largest pull of one reading: a strong target does not ring"
    )
    keep_below_hz: float = quantity(
        15.0, "Hz", 0.0, 100.0, "targets live below this: a harmonic that aliases here is left alone"
    )


class MainsTracker:
    """Fits sines and cosines at the mains' harmonics, follows its frequency, subtracts the fit.

    One frequency serves all gates and coils; each has its own amplitude and phase at each harmonic. The
    step of the fit is bounded, so a strong target neither bends the fit nor rings afterwards. A harmonic
    above the Nyquist frequency is removed where it aliases to. Latency 0.
    See docs/algorithms-metal.md, "Mains".
    """

    latency = 0

    def __init__(self, settings: MainsSettings, geometry: MetalGeometry) -> None:
        fs = geometry.rate_hz
        kept: dict[int, float] = {}
        self.left_alone_hz: list[float] = []
        """Aliases that fall among the targets, on the Nyquist frequency, or on another harmonic's: they stay."""
        # odd harmonics first: rectifiers and saturated cores make those
        for h in (*range(1, settings.harmonics + 1, 2), *range(2, settings.harmonics + 1, 2)):
            f = h * settings.frequency_hz
            alias = abs(f - round(f / fs) * fs)
            # two that can meet within the range followed cannot be told apart, and would mislead the frequency
            meets = any(abs(alias - a) < (h + k) * settings.follow_hz + 1.0 for k, a in kept.items())
            if alias < settings.keep_below_hz or alias > 0.49 * fs or meets:
                self.left_alone_hz.append(alias)
            else:
                kept[h] = alias
        self._harmonics = np.array(sorted(kept), dtype=np.int64)
        self.aliases_hz: tuple[float, ...] = tuple(kept[h] for h in sorted(kept))
        """Where the harmonics that are removed lie in the record rate."""
        self._rate_hz = fs
        omega = 2 * np.pi * settings.frequency_hz / fs
        self._loop: F8 = np.array([0.0, omega, omega, 0.0])
        self._fit = zeros_on_cache_lines((2 * len(kept), geometry.width))
        self._level = zeros_on_cache_lines((geometry.width,))
        self._spread = zeros_on_cache_lines((geometry.width,))
        self._trust: F8 = np.ones(geometry.width)
        self._gain = min(0.1, 1.0 / (settings.memory_s * fs))
        # the level takes what is slower than any hum that is removed, so that targets do not reach the fit
        self._level_gain = min(0.5, 2 * np.pi * max(1.0, settings.keep_below_hz) / fs)
        self._half_band = 2 * np.pi * settings.follow_hz / fs
        self._settle = max(8.0, 2.0 * fs / settings.frequency_hz)
        self._clip = settings.clip
        self._floor = max(geometry.lsb / 4.0, 1e-150)
        self._count = 0

    @property
    def frequency_hz(self) -> float:
        """Mains frequency as tracked by now, Hz."""
        return float(self._loop[1]) * self._rate_hz / (2 * np.pi)

    def process(self, rows: F8) -> F8:
        """(n, width) to the same."""
        if len(self._harmonics) == 0 or len(rows) == 0:
            return rows
        if self._count == 0:
            self._level[:] = rows[0]
        out = track_mains(
            np.ascontiguousarray(rows), self._harmonics, self._fit, self._level, self._spread, self._trust, self._loop,
            self._gain, self._level_gain, self._clip, self._floor, self._half_band,
            self._settle, self._count,
        )  # fmt: skip
        self._count += len(rows)
        return out
