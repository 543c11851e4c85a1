"""What sounds at once over nothing but noise: hardly anything, from the first reading on."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.classifier import Model
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind

METAL = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, 6, "int32", 200.0, scale=1e-6, unit="V",
    axis=(2e-5, 5e-5, 1e-4, 2e-4, 3e-4, 4e-4),
)  # fmt: skip
SPEED = 0.4


def over_noise(seed: int, seconds: float = 30.0) -> SampleBlock:
    rng = np.random.default_rng(seed)
    n = round(seconds * METAL.rate_hz)
    at = np.arange(n)
    raw = np.round(1000.0 + rng.normal(scale=50.0, size=(n, 1, 6))).astype("<i4")
    x = np.round(at / METAL.rate_hz * SPEED * 1e6).astype(np.int64)
    return SampleBlock(METAL, at, at * 5000, at * 0, x, raw)


@pytest.mark.parametrize("seed", range(4))
def test_a_metal_detector_over_nothing_but_noise_hardly_sounds(model: Model, seed: int) -> None:
    pipeline = Pipeline(DeviceDescription("h", "s", "1", 1e6, (METAL,)), Profile(), model)
    block = over_noise(seed)
    signals = [s for out in (pipeline.process(block), pipeline.finish()) for s in out.signals]
    assert len(signals) < 0.03 * len(block)
    # the ground that a sweep begins with is no target either
    assert max((s.strength for s in signals), default=1.0) < 3.0
