"""Dewow and band-pass: what happens to every A-scan by itself, in one pass over the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.cache_lines import on_cache_lines
from detector.kernels.fast_time import filter_ascans, filter_room
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F4 = NDArray[np.float32]


class DewowSettings(Settings):
    window_periods: float = quantity(
        3.0, "periods of the centre frequency", 1.0, 20.0, "two to three periods keep the pulse whole"
    )
    blank_samples: int = quantity(
        2, "samples", 0, 64, "GSSI and others store scan markers in the first two samples of a scan"
    )


class BandpassSettings(Settings):
    low: float = quantity(0.3, "centre frequencies", 0.05, 0.9, "lower corner; below it is swing, not echo")
    high: float = quantity(2.0, "centre frequencies", 1.1, 5.0, "upper corner; above it is noise")
    order: int = quantity(2, "1", 1, 4, "Butterworth order of each edge, run forward and backward")


_PAD_PERIODS = 2.0
"""Odd reflection at either end of an A-scan, periods: what the band-pass needs to settle."""


class Filters:
    """Blank marker samples, subtract the running mean, band-pass forward and backward so that echoes keep their time.

    Either can be left out; together they are one pass. Latency 0: they work within one A-scan.
    Sources: dewow, Jol (ed.), Ground Penetrating Radar: Theory and Applications, 2009, ch. 5; ends padded
    by odd reflection as scipy.signal.sosfiltfilt does, discussed by Gustafsson 1996.
    """

    latency = 0

    def __init__(
        self, dewow: DewowSettings | None, bandpass: BandpassSettings | None, geometry: RadarGeometry
    ) -> None:
        g = geometry
        self._half = self._blank = 0
        if dewow is not None:
            self._half = max(1, round(dewow.window_periods * g.period_samples / 2))
            self._blank = min(dewow.blank_samples, g.samples - 1)
        self._sections: F4 = np.zeros((0, 3), np.float32)
        if bandpass is not None:
            nyquist = 0.5 / g.dt_s
            high = min(bandpass.high * g.centre_frequency_hz, 0.9 * nyquist)
            low = bandpass.low * g.centre_frequency_hz
            if low >= 0.95 * high:
                low = 0.5 * high
            self._sections = sections(bandpass.order, low / nyquist, high / nyquist)
        self._pad = max(0, min(g.samples - 2, round(_PAD_PERIODS * g.period_samples)))
        self._room = filter_room(g.samples, self._pad, self._half)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the kernel takes between how samples are scaled and where they go."""
        return self._blank, self._half, self._sections, self._pad, self._room

    @property
    def sections(self) -> F4:
        """(S, 6) of the band-pass as scipy.signal has them; none if it is left out."""
        gain, p, q = self._sections.T
        one, nothing = np.ones_like(gain), np.zeros_like(gain)
        return np.column_stack((gain, nothing, -gain, one, p, q))

    @property
    def half_window(self) -> int:
        """Samples on either side in the running mean; 0 = no dewow."""
        return self._half

    @property
    def blank(self) -> int:
        """Leading samples replaced by the first after them."""
        return self._blank

    @property
    def pad(self) -> int:
        """Samples of odd reflection at either end."""
        return self._pad

    def process(self, raw: NDArray[Any], offset: float = 0.0, factor: float = 1.0) -> F4:
        """(n, channels, samples) as sampled to the same in float32: (raw - offset) * factor, filtered."""
        out = on_cache_lines(raw.shape, np.float32)
        filter_ascans(raw, offset, factor, raw.dtype.kind in "iu", *self.arguments, out)  # type: ignore[call-arg]
        return out


def sections(order: int, low: float, high: float) -> F4:
    """Butterworth band-pass as second-order sections that share their zeros out evenly: g, p, q of each.

    Every section is g (1 - z^-2) / (1 + p z^-1 + q z^-2), which takes half the work of a general one. The whole
    is the filter of scipy.signal.butter. order : of each edge; low, high : of half the sampling rate.
    Returns (order, 3).
    """
    poles: Any
    _, poles, gain = scipy.signal.butter(order, [low, high], "bandpass", output="zpk")
    # in conjugate pairs, nearest the unit circle last, as scipy orders them
    sos = scipy.signal.zpk2sos(np.zeros(2 * order), poles, 1.0)
    return np.column_stack((np.full(order, gain ** (1.0 / order)), sos[:, 4:])).astype(np.float32)
