"""Ground balance: take out the direction in gate space along which soil answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.errors import ProfileError
from detector.kernels.slow_time import whiten_and_balance
from detector.metal.geometry import MetalGeometry
from detector.samples import StreamKind
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class GroundBalanceSettings(Settings):
    exponent: float = quantity(
        1.0, "1", 0.5, 2.0, "viscous soil decays as 1/t^p; p measured between 0.9 and 1.3, log-uniform theory 1"
    )
    direction: tuple[float, ...] = ()
    """Soil response per gate as learned by pumping the head, any scale; empty = 1/t^exponent."""


class GroundBalance:
    """Oblique projection x - s (s' S^-1 x) / (s' S^-1 s) on whitened gates; raw ones are kept too.

    A target that decays like the soil loses signal in the balanced gates, so both are tested.
    Without gate times and without a learned direction there is nothing to balance: a head that does
    not state its method keeps its raw gates only. Latency 0.
    Source: magnetic viscosity of soil with log-uniform relaxation times, see docs/algorithms.md.
    """

    latency = 0

    def __init__(self, settings: GroundBalanceSettings, geometry: MetalGeometry) -> None:
        if settings.direction:
            if len(settings.direction) != geometry.values:
                raise ProfileError(
                    f"metal.ground_balance.direction has {len(settings.direction)} numbers, but the head has "
                    f"{geometry.values} values per coil. Balance again on this head, or leave it empty."
                )
            soil = np.array(settings.direction, dtype=np.float64)
        elif geometry.kind is StreamKind.METAL_PI:
            t = np.array(geometry.axis)
            soil = (t / t[0]) ** -settings.exponent
        else:
            soil = np.zeros(geometry.values)
        self.active = bool(np.any(soil != 0.0)) and geometry.values > 1
        self._soil: F8 = soil if self.active else np.zeros(geometry.values)

    def process(self, rows: F8, sigma: F8) -> tuple[F8, F8, F8]:
        """(n, width) and its noise to whitened, balanced, and the soil's share per coil (n, channels)."""
        return whiten_and_balance(rows, sigma, self._soil)
