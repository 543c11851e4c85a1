"""Response: energy after filters as wide as a target is under the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.slow_time import matched_energy
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class ResponseSettings(Settings):
    narrow_m: float = quantity(0.10, "m", 0.01, 1.0, "narrowest response, full width at half height: shallow, small")
    wide_m: float = quantity(0.30, "m", 0.02, 3.0, "widest response: about depth plus coil diameter")
    count: int = quantity(3, "1", 1, 8, "widths tried, in geometric steps")


class Response:
    """A bank of matched filters along the sweep; the cells that the alarm stage tests.

    Each is a Gaussian as wide as the response, less one two and a half times as wide and of equal area:
    what is left of offset and steady drift cancels. A loop over a dipole at depth d answers over
    about d to 1.5 d plus its radius. Latency: the widest filter's half length.
    """

    def __init__(self, settings: ResponseSettings, geometry: MetalGeometry, balanced: bool) -> None:
        narrow, wide = sorted((settings.narrow_m, settings.wide_m))
        self.widths_m: F8 = np.geomspace(narrow, wide, settings.count)
        sigma_rows = np.maximum(self.widths_m / 2.3548 / geometry.step_m, 0.3)
        self.halves = np.ceil(4.5 * sigma_rows).astype(np.int64)
        self.latency = int(self.halves.max())
        self.filters: F8 = np.zeros((settings.count, self.latency + 1))
        for taps, sigma, half in zip(self.filters, sigma_rows, self.halves, strict=True):
            at = np.arange(half + 1)
            twice = np.where(at == 0, 1.0, 2.0)  # every tap but the middle one counts on both sides
            narrow_lobe = np.exp(-0.5 * (at / sigma) ** 2)
            wide_lobe = np.exp(-0.5 * (at / (2.5 * sigma)) ** 2)
            taps[: half + 1] = narrow_lobe / (twice @ narrow_lobe) - wide_lobe / (twice @ wide_lobe)
        self._channels = geometry.channels
        self._balanced = balanced
        self._width = geometry.width
        self._line = DelayLine(self.latency, self.latency, 2 * geometry.width)

    def process(self, white: F8, balanced: F8) -> F8:
        """Whitened and balanced (n, width) to cells (n', channels, filters or 2 x filters)."""
        return self._run(*self._line.push(np.concatenate((white, balanced), axis=1)))

    def finish(self) -> F8:
        return self._run(*self._line.finish())

    def _run(self, rows: F8, lo: int, hi: int) -> F8:
        w = self._width
        raw = matched_energy(np.ascontiguousarray(rows[:, :w]), lo, hi, self.filters, self.halves, self._channels)
        if not self._balanced:
            return raw
        balanced = matched_energy(np.ascontiguousarray(rows[:, w:]), lo, hi, self.filters, self.halves, self._channels)
        return np.concatenate((balanced, raw), axis=2)
