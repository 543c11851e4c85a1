"""A metal detector's alarms over made-up sweeps: where lanes begin and end, and however fast the head goes."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.alarm import Alarm
from detector.decide.classifier import load_model
from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind
from detector.simulate.pulse_induction import TARGETS, Head, target_signal

RATE_HZ = 1000.0
HEAD = Head()
STREAM = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, len(HEAD.gates_s), "int32", RATE_HZ, scale=1e-3, unit="V", axis=HEAD.gates_s
)
DEVICE = DeviceDescription("made up", "1", "1", 1e6, (STREAM,))


def alarms(target_m: float, sigmas: float, speed: float = 0.5, block: int = 200, length_m: float = 5.0) -> list[Alarm]:
    """Of a sweep over a minimum-metal mine 25 cm deep, whose answer is 35 cm wide, so many times the noise."""
    n = round(length_m / speed * RATE_HZ)
    seq = np.arange(n, dtype=np.int64)
    x = seq * speed / RATE_HZ
    answer = target_signal(HEAD, TARGETS["minimum-metal"], x - target_m, 0.25, np.full(n, 0.05))
    answer *= sigmas / np.abs(answer).max()
    noise = np.random.default_rng(1).normal(size=answer.shape)
    raw = np.round(10.0 * (answer + noise + 20.0)).astype(np.int32)[:, None, :]
    places = np.round(1e6 * x).astype(np.int64)
    whole = SampleBlock(STREAM, seq, seq * 1000, seq * 1_000_000, places, raw)
    pipeline = Pipeline(DEVICE, load_profile(), load_model())
    outputs = [pipeline.process(whole[i : i + block]) for i in range(0, n, block)]
    return [a for o in (*outputs, pipeline.finish()) for a in o.alarms]


@pytest.mark.parametrize("target_m", [0.2, 0.35, 0.6, 1.0, 2.5, 4.4, 4.65, 4.8])
def test_strong_metal_alarms_wherever_a_sweep_begins_or_ends(target_m: float) -> None:
    near = [a for a in alarms(target_m, 200.0) if abs(a.x_m - target_m) < 0.06]
    assert near
    assert max(a.score for a in near) > 4.0


@pytest.mark.parametrize("target_m", [0.35, 2.5, 4.65])
def test_weak_metal_alarms_there_too(target_m: float) -> None:
    assert any(abs(a.x_m - target_m) < 0.06 for a in alarms(target_m, 5.0))


@pytest.mark.parametrize("speed", [0.5, 1.5, 2.5])
def test_any_cut_describes_an_alarm_alike_at_any_speed(speed: float) -> None:
    whole = alarms(2.5, 30.0, speed, 100_000)
    assert whole
    for block in (7, 50):
        cut = alarms(2.5, 30.0, speed, block)
        assert [(a.x_m, a.score, a.peak_tick) for a in cut] == [(a.x_m, a.score, a.peak_tick) for a in whole]
        assert [a.features.tobytes() for a in cut] == [a.features.tobytes() for a in whole]
        assert [repr(a.metal) for a in cut] == [repr(a.metal) for a in whole]


def test_the_fitted_place_is_told_from_the_alarms() -> None:
    found = [a for a in alarms(2.5, 200.0) if abs(a.x_m - 2.5) < 0.06]
    assert len(found) == 1
    metal = found[0].metal
    assert metal is not None
    assert found[0].x_m + metal.along_m == pytest.approx(2.5, abs=0.01)
