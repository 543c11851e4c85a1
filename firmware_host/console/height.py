"""How high the head is held, from the radar's own ground bounce.

The noise step holds the head in the air: what the radar sees then is its own pulse, between its antennas. What is
added over ground begins with the surface. Half the way of the wave between the two is the height, as long as the
antennas are much closer together than that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.samples import DeviceDescription, SampleBlock, StreamKind
from firmware_host.session import Listener
from firmware_host.startup import Readiness
from firmware_host.startup_judging import Outcome

F8 = NDArray[np.float64]

LIGHT_M_PER_S: Final = 299_792_458.0

HIGHEST_M: Final = 0.10
"""Told to be lower above this; assumed: the reach of both sensors goes down with every centimetre."""

_SETTLE_S: Final = 0.3
"""Time constant of the mean, s."""
_LEAST_ECHO: Final = 0.05
"""A surface echo has this share of the antenna's own pulse; what is less is no echo. Assumed."""


def peak(x: F8) -> float:
    """Index of the largest absolute value, between samples by a parabola."""
    a = np.abs(x)
    k = int(np.argmax(a))
    if not 0 < k < len(a) - 1:
        return float(k)
    before, at, after = a[k - 1], a[k], a[k + 1]
    bend = before - 2 * at + after
    return k + (0.5 * float((before - after) / bend) if bend < 0 else 0.0)


class HeightGauge(Listener):
    """Height over ground, for guidance only. NaN before the head was held in the air by the noise step."""

    def __init__(self, device: DeviceDescription, readiness: Readiness) -> None:
        self._stream = next((s for s in device.streams if s.kind is StreamKind.RADAR), None)
        self._noise = next(s for s in readiness.steps if s.name == "noise")
        self._air: F8 | None = None
        self._sum: F8 | None = None
        self._n = 0
        self._mean: F8 | None = None

    def block(self, block: SampleBlock) -> None:
        if block.stream is not self._stream:
            return
        x = block.raw[:, 0, :].astype(np.float64)
        if self._noise.outcome is Outcome.RUNNING:
            self._sum = x.sum(axis=0) + (0.0 if self._sum is None else self._sum)
            self._n += len(x)
        elif self._sum is not None:
            if self._noise.outcome in (Outcome.PASSED, Outcome.NO_REFERENCE):
                self._air = self._sum / self._n
            self._sum, self._n = None, 0
        share = 1.0 - np.exp(-len(x) / (_SETTLE_S * block.stream.rate_hz))
        mean = x.mean(axis=0)
        self._mean = mean if self._mean is None else self._mean + share * (mean - self._mean)

    @property
    def height_m(self) -> float:
        """NaN where it is not known."""
        if self._stream is None or self._air is None or self._mean is None:
            return float("nan")
        echo = self._mean - self._air
        own = self._air - np.median(self._air)
        if np.abs(echo).max() < _LEAST_ECHO * np.abs(own).max():
            return float("nan")
        seconds = (peak(echo) - peak(own)) * self._stream.sampling_interval_s
        return 0.5 * LIGHT_M_PER_S * seconds if seconds >= 0 else float("nan")

    @property
    def text(self) -> str:
        """For a person."""
        h = self.height_m
        if h != h:
            return "not measured"
        return f"{100 * h:.0f} cm" + (": lower" if h > HIGHEST_M else "")
