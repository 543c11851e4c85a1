"""What sounds at once over nothing but noise: hardly anything, from the first reading on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.decide.alarm import Tail
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


RADAR = StreamDescription(
    1, "radar", StreamKind.RADAR, 1, 400, "int16", 50.0, scale=1.0, unit="1", sampling_interval_s=5e-11 / 1.5,
    centre_frequency_hz=1.5e9, step_m=0.01,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_a_radar_that_sees_only_its_own_noise_hardly_sounds_and_an_echo_in_it_does(model: Model, seed: int) -> None:
    n, k = 900, np.arange(RADAR.values)
    swing = ((k - 40) * RADAR.sampling_interval_s * RADAR.centre_frequency_hz * np.pi) ** 2
    pulse = 20000.0 * (1 - 2 * swing) * np.exp(-swing)
    ascans = pulse + np.random.default_rng(seed).normal(scale=20.0, size=(n, RADAR.values))
    for row in range(700, 712):
        ascans[row] += 0.015 * np.roll(pulse, 150)
    at = np.arange(n, dtype=np.int64)
    block = SampleBlock(RADAR, at, at * 20000, at * 0, at * 10000, np.round(ascans).astype("<i2")[:, None, :])
    # thresholds as scenes gave them, once a metre
    fitted = replace(model, tails={**model.tails, "radar-search": Tail(1.15, 0.45, 2.0)})
    pipeline = Pipeline(DeviceDescription("h", "s", "1", 1e6, (RADAR,)), Profile(), fitted)
    seqs = [s.seq for out in (pipeline.process(block), pipeline.finish()) for s in out.signals]
    assert sum(s < 690 for s in seqs) < 0.02 * n
    assert any(700 <= s < 716 for s in seqs)
