"""A head that stops over metal, as people do where it sounds: it alarms as if the head had gone on."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.alarm import Alarm
from detector.decide.classifier import load_model
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock
from tests.detector.test_start_over_metal import RATE_HZ, SPEED, sweep

MINE_M = 4.0


def stopped(kind: str, mines_m: tuple[float, ...], rest_s: float, drift: float = 0.0) -> SampleBlock:
    """A mine ten times the noise; the head rests at MINE_M. drift : of every value, noises a root of s."""
    block = sweep(kind, mines_m, 6.5, sigmas=10.0)
    at, n = round(MINE_M / SPEED * RATE_HZ), round(rest_s * RATE_HZ)
    rng = np.random.default_rng(5)
    clean = sweep(kind, (), 0.01)
    under = sweep(kind, mines_m, 6.5, sigmas=10.0).raw[at] - sweep(kind, (), 6.5).raw[at]
    rest = (under + rng.normal(size=(n, *clean.raw.shape[1:]))).astype(np.float32)
    raw = np.concatenate((block.raw[:at], rest, block.raw[at:]))
    if drift:
        steps = rng.normal(size=(len(raw), 1, raw.shape[2])) * drift / np.sqrt(RATE_HZ)
        raw = (raw + np.cumsum(steps, axis=0)).astype(np.float32)
    seq = np.arange(len(raw), dtype=np.int64)
    places = np.concatenate((block.odometer_um[:at], np.full(n, block.odometer_um[at]), block.odometer_um[at:]))
    return SampleBlock(block.stream, seq, seq * 2000, seq * 2_000_000, places, raw)


def alarms(block: SampleBlock, size: int = 10_000) -> list[Alarm]:
    pipeline = Pipeline(DeviceDescription("made up", "1", "1", 1e6, (block.stream,)), Profile(), load_model())
    found = [a for i in range(0, len(block), size) for a in pipeline.process(block[i : i + size]).alarms]
    return found + pipeline.finish().alarms


@pytest.mark.parametrize("kind", ["pi", "cw"])
@pytest.mark.parametrize("rest_s", [10.0, 60.0])
def test_metal_under_a_resting_head_alarms_as_under_one_that_goes_on(kind: str, rest_s: float) -> None:
    (gone_on,) = alarms(stopped(kind, (MINE_M,), 0.0))
    (rested,) = alarms(stopped(kind, (MINE_M,), rest_s))
    assert rested.x_m == pytest.approx(MINE_M, abs=0.05)
    assert rested.score > 0.9 * gone_on.score


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_a_head_that_drifts_while_it_rests_on_bare_ground_hardly_alarms_there_and_not_elsewhere(kind: str) -> None:
    found = alarms(stopped(kind, (), 60.0, drift=0.3))
    assert len(found) <= 1
    assert all(a.x_m == pytest.approx(MINE_M, abs=0.1) for a in found)


def test_alarms_after_a_rest_do_not_depend_on_the_cut() -> None:
    block = stopped("pi", (MINE_M,), 10.0)
    whole = repr(alarms(block))
    for size in (7, 999):
        assert repr(alarms(block, size)) == whole
