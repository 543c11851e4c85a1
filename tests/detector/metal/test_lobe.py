"""The second alarm behind strong metal is told to be a lobe; metal of its own is not."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.alarm import Alarm
from detector.decide.classifier import Model
from detector.metal.geometry import MetalGeometry
from detector.metal.lobe import LobeWatch
from detector.metal.response import Response
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


def lobe(alarm: Alarm) -> bool:
    assert alarm.metal is not None
    return alarm.metal.lobe == 1.0


def test_the_alarm_just_behind_a_strong_target_is_told_to_be_a_lobe(model: Model) -> None:
    behind = [a for seed in range(3) for a in alarms(model, [(3.0, STRONG, 1e-4)], seed)]
    over = [a for a in behind if abs(a.x_m - 3.0) < 0.05]
    beside = [a for a in behind if 0.3 < a.x_m - 3.0 < 0.6]
    assert len(over) == 3
    assert not any(lobe(a) for a in over)
    assert beside, "the filters have a lobe"
    assert all(lobe(a) for a in beside)
    assert all("lobe" in a.metal.text for a in beside if a.metal)


@pytest.mark.parametrize("distance", [1.2, 1.5])
@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_metal_further_on_is_no_lobe(model: Model, distance: float, strength: float) -> None:
    found = alarms(model, [(2.0, STRONG, 1e-4), (2.0 + distance, strength * STRONG, 3e-5)])
    own = [a for a in found if abs(a.x_m - 2.0 - distance) < 0.05]
    assert own
    assert not any(lobe(a) for a in own)


@pytest.mark.parametrize(("strength", "expected"), [(0.0, True), (0.02, False), (0.05, False), (0.4, False)])
def test_metal_of_its_own_within_the_lobe_is_no_lobe(strength: float, expected: bool) -> None:
    """45 cm behind a target two thousand times the noise: what answers in any filter with its own sign is metal."""
    response = Response(Profile().metal.response, MetalGeometry.of(METAL, 0.5), 1, moves=True)
    watch = LobeWatch(response.filters, response.halves, 8)
    rows = np.arange(4000)
    decay = np.exp(-np.array(GATES) / 1e-4)
    shape = np.exp(-0.5 * ((rows - 1500) / 90) ** 2) + strength * np.exp(-0.5 * ((rows - 1950) / 60) ** 2)
    readings = 1e4 * shape[:, None] * decay + np.random.default_rng(0).normal(scale=5.0, size=(4000, 8))
    reach = watch.reach
    assert not watch.is_lobe(readings[1500 - reach : 1501 + reach], reach, 1500, 0)
    assert watch.is_lobe(readings[1950 - reach : 1951 + reach], reach, 1950, 0) is expected


def test_what_is_told_does_not_depend_on_how_the_records_were_cut(model: Model) -> None:
    targets = [(2.0, STRONG, 1e-4), (2.5, 0.3 * STRONG, 3e-5)]
    whole = [(a.peak_seq, lobe(a)) for a in alarms(model, targets)]
    assert whole == [(a.peak_seq, lobe(a)) for a in alarms(model, targets, size=7)]
