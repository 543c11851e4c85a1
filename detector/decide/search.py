"""Search: signals that sound while the head is over the spot. They point; the decision comes after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Tail
from detector.kernels.causal import stands_out
from detector.settings import Settings, choice, quantity

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

UNFITTED: Final = Tail(level=3.0, scale=1.0, rate_per_m=1.0)
"""For a model made before there was a search path: on the quiet side of what development lanes gave."""


class SearchSettings(Settings):
    measure: Literal["log-ratio", "deviations"] = choice(
        "deviations",
        "log-ratio: log energy over its usual level; deviations: that over its usual deviation",
    )
    false_alarms_per_m: float = quantity(
        1.0, "1/m", 1e-3, 100.0, "wanted false signals per metre: more than the decision's, a look again costs a second"
    )
    reference_m: float = quantity(1.0, "m", 0.1, 50.0, "e-folding length of the ground behind that is compared with")
    guard_m: float = quantity(0.15, "m", 0.0, 5.0, "ground just behind left out: a target's own extent")
    warm_m: float = quantity(0.3, "m", 0.05, 10.0, "ground that must be behind before anything can stand out from it")
    clip: float = quantity(3.0, "mean absolute deviations", 0.5, 20.0, "largest pull of one record on the reference")
    smooth_m: float = quantity(
        0.02, "m", 0.0, 1.0, "e-folding length of the energy's smoothing: its mean delay, 40 ms at 0.5 m/s; 0 = none"
    )
    top: int = quantity(5, "cells", 1, 20, "cells averaged: an echo fills more than one depth bin")


@dataclass(frozen=True, slots=True)
class Signal:
    """One record in which one antenna or coil stands out from the ground behind it: sound and show it at once."""

    stream: str
    sensor: str
    """'metal' or 'radar'."""
    channel: int
    seq: int
    tick: int
    utc_ns: int
    x_m: float
    """Along-track place that it stands for, m: that of the record before it by the mean delay of the smoothing."""
    strength: float
    """In units of the search threshold, 1 or more."""


class SearchStage:
    """Log energy of every cell against the running level of the ground behind, top cells averaged.

    In nepers (*log-ratio*) or in running mean absolute deviations (*deviations*). Many cells that hold little but
    noise are each usual most of the time: divided by their small deviations the highest of them would sound.

    No look-ahead: the score of a record needs no later one. Its mean delay is that of the smoothing. One
    instance serves one segment.
    Source: per-depth running statistics as in Torrione, Throckmorton and Collins 2006, one-sided.

    Parameters
    ----------
    step_m : distance between rows, m; cells : columns of energy over all groups; groups : channels scored apart
    """

    def __init__(self, settings: SearchSettings, step_m: float, cells: int, groups: int) -> None:
        s = settings
        self._share = 1.0 / (1.0 + s.smooth_m / step_m)
        self._smooth = np.zeros(cells)
        self._s, self._groups = s, groups
        self._guard = round(s.guard_m / step_m)
        self._warm = max(self._guard + 4, round(s.warm_m / step_m))
        self._alpha = min(1.0, step_m / s.reference_m)
        self._ring = np.zeros((self._guard + 1, cells))
        self._middle = np.zeros(cells)
        self._spread = np.zeros(cells)
        self._seen: I8 = np.zeros(1, np.int64)

    def process(self, energy: F8, floor: F8) -> F8:
        """(n, cells) and (cells,) to scores (n, groups); NaN where too little ground is behind."""
        s = self._s
        return stands_out(
            energy, floor, self._groups, s.top, s.measure == "deviations", self._guard, self._warm, self._alpha,
            s.clip, self._share, self._smooth, self._ring, self._middle, self._spread, self._seen,
        )  # fmt: skip
