"""What the tests of the metal stages stand on."""

from __future__ import annotations

import numpy as np
import pytest

from detector.metal.geometry import MetalGeometry
from detector.samples import StreamKind


def pulse_geometry(gates: int = 8, coils: int = 1, rate_hz: float = 500.0, lsb: float = 0.0) -> MetalGeometry:
    """A pulse-induction head swept at 0.5 m/s."""
    axis = tuple(float(t) for t in np.geomspace(15e-6, 400e-6, gates))
    low, high = (-32768 * lsb, 32767 * lsb) if lsb else (float("-inf"), float("inf"))
    return MetalGeometry(StreamKind.METAL_PI, coils, gates, axis, rate_hz, 0.5 / rate_hz, lsb, low, high)


def wave_geometry(coils: int = 1, frequencies: tuple[float, ...] = (2e3, 8e3, 32e3)) -> MetalGeometry:
    return MetalGeometry(StreamKind.METAL_CW, coils, 2 * len(frequencies), frequencies, 500.0, 1e-3, 0.0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(17)
