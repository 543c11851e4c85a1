"""Filters, time zero, recursive background and gain as one step, where nobody watches what is in between."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.cache_lines import on_cache_lines
from detector.kernels.front import front_end
from detector.kernels.lanes import LANES
from detector.radar.background import Background
from detector.radar.filters import Filters
from detector.radar.geometry import RadarGeometry
from detector.radar.time_zero import Alignment

F4 = NDArray[np.float32]
U1 = NDArray[np.uint8]

_SAMPLES = 1 << 16
"""Taken through all stages at a time: with what comes of them, half of a processor's second cache."""


class FrontEnd:
    """Three stages and a gain at once, on the stages' own state: one may change between the two at any record.

    Parameters
    ----------
    curve : (channels, samples) gain, ones for none
    """

    def __init__(
        self, filters: Filters, alignment: Alignment, background: Background, curve: F4, geometry: RadarGeometry
    ) -> None:
        g = geometry
        self._filters, self._alignment, self._background = filters, alignment, background
        self._curve: F4 = on_cache_lines((g.width,), np.float32, 56)
        self._curve[:] = curve.reshape(-1)
        step = _records_at_a_time(g.channels, g.samples)
        self._filtered: F4 = on_cache_lines((step, g.channels, g.samples), np.float32, 16)
        self._lags = np.empty((step, g.channels))

    def process(self, raw: NDArray[Any], offset: float, factor: float) -> tuple[F4, U1, F4]:
        """(n, channels, samples) as sampled, to the aligned A-scans, which of them are lost, and what comes out.

        Aligned (n, channels, samples), lost (n, channels), out (n', width), as many A-scans late as the
        background's latency says. The first two are valid until the next call.
        """
        n = len(raw)
        rows, lost, lo, hi = self._background.extend(n)
        first = len(rows) - n
        out: F4 = on_cache_lines((hi - lo, rows.shape[1]), np.float32, 32)
        front_end(
            raw, offset, factor, raw.dtype.kind in "iu", self._filters.arguments, self._alignment.arguments,
            self._background.arguments, self._curve, self._filtered, rows, self._lags, lost, first, lo, hi, out,
        )  # fmt: skip
        return rows[first:].reshape(raw.shape), lost[first:], out


def _records_at_a_time(channels: int, samples: int) -> int:
    """As many as fill the lanes best within _SAMPLES; more rather than fewer."""
    most = max(1, _SAMPLES // (channels * samples))
    return max(range(1, most + 1), key=lambda n: (n * channels / (-(-n * channels // LANES) * LANES), n))
