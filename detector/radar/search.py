"""Search: the causal statistic that sounds while the head is still over the spot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.kernels.causal import causal_energy
from detector.radar.geometry import RadarGeometry
from detector.radar.prescreener import DepthBins
from detector.settings import Settings, quantity

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]


class CausalSettings(Settings):
    length_m: float = quantity(0.5, "m", 0.05, 20.0, "e-folding length of the background's memory, all behind the head")
    clip: float = quantity(2.0, "mean absolute deviations", 0.5, 20.0, "largest pull of one A-scan on the background")


class CausalEnergy:
    """Energy per depth bin over a background that has seen only ground behind the head. Latency 0.

    The fast half of the pair of Ho, Collins and Gader 2004: it says where to look again, the decision
    with look-ahead says what is there. It runs beside the chain and takes nothing from it.
    """

    latency = 0

    def __init__(
        self, settings: CausalSettings, geometry: RadarGeometry, bins: DepthBins, curve: F4, loudest: float
    ) -> None:
        g = geometry
        self._bins = bins
        self._curve: F4 = np.stack([curve[c][bins.samples(c)] for c in range(g.channels)])
        self._alpha = min(1.0, g.step_m / settings.length_m)
        self._clip = settings.clip
        self._floor = max(g.lsb / np.sqrt(12.0), 1e-6 * loudest, 1e-30)
        shape = (g.channels, bins.strides)
        self._level: F4 = np.zeros(shape, np.float32)
        self._spread: F4 = np.zeros(shape, np.float32)
        self._seen: I8 = np.zeros(g.channels, np.int64)

    def process(self, ascans: F4, lost: U1) -> F8:
        """Aligned (n, channels, samples) to (n, channels * bins)."""
        b = self._bins
        return causal_energy(
            ascans, lost, b.first, b.stride, self._curve, len(b), b.length, self._level, self._spread, self._seen,
            self._alpha, self._clip, self._floor,
        )  # fmt: skip
