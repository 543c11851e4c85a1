"""Strong metal does not alarm beside itself, and does not hide its neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.alarm import Alarm
from detector.decide.classifier import Model
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind

GATES = tuple(float(t) for t in np.geomspace(15e-6, 400e-6, 8))
METAL = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, 8, "int32", 500.0, scale=5 / 8388608, unit="V", axis=GATES
)
HEAD = DeviceDescription("simulated", "S", "1", 1e6, (METAL,))
STRONG = 400_000.0


def alarms(model: Model, targets: list[tuple[float, float, float]], seed: int = 0, size: int = 10000) -> list[Alarm]:
    """A loop of 10 cm radius 5 cm over the ground, at 0.4 m/s; targets 10 cm deep: place, counts, time constant."""
    x = np.arange(round(8.0 / 0.4 * 500)) / 500 * 0.4
    t, rng = np.array(GATES), np.random.default_rng(seed)
    counts = 3000.0 * (1 / t - 1 / (t + 250e-6)) / (1 / t[0] - 1 / (t[0] + 250e-6)) * np.ones((len(x), 1))
    for place, strength, tau in targets:
        counts = counts + strength * (0.01 / (0.01 + 0.0225 + (x - place) ** 2))[:, None] ** 3 * np.exp(-t / tau)
    counts = counts + 20.0 * (rng.uniform(-0.5, 0.5, counts.shape) + rng.uniform(-0.5, 0.5, counts.shape))
    n = np.arange(len(x))
    block = SampleBlock(
        METAL, n, n * 2000, n * 0, np.round(x * 1e6).astype(np.int64), np.round(counts).astype("<i4")[:, None, :]
    )
    pipeline = Pipeline(HEAD, Profile(), model)
    found = [a for i in range(0, len(n), size) for a in pipeline.process(block[i : i + size]).alarms]
    return [*found, *pipeline.finish().alarms]


def test_a_strong_target_alarms_once_and_in_its_middle(model: Model) -> None:
    for seed in range(3):
        found = alarms(model, [(3.0, STRONG, 1e-4)], seed)
        near = [a.x_m for a in found if abs(a.x_m - 3.0) < 1.0]
        assert len(near) == 1
        assert abs(near[0] - 3.0) < 0.05


@pytest.mark.parametrize("distance", [0.85, 1.2, 1.5])
@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_two_strong_targets_alarm_in_their_own_places(model: Model, distance: float, strength: float) -> None:
    found = alarms(model, [(2.0, STRONG, 1e-4), (2.0 + distance, strength * STRONG, 3e-5)])
    for place in (2.0, 2.0 + distance):
        assert any(abs(a.x_m - place) < 0.05 for a in found), place


def test_alarms_do_not_depend_on_how_the_records_were_cut(model: Model) -> None:
    targets = [(2.0, STRONG, 1e-4), (2.5, 0.3 * STRONG, 3e-5)]
    whole = [(a.peak_seq, a.score, a.metal) for a in alarms(model, targets)]
    assert repr(whole) == repr([(a.peak_seq, a.score, a.metal) for a in alarms(model, targets, size=7)])
