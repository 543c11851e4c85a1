"""Scoring a recording: the alarms are those of replay, and each sensor alone is a head that has only that one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.decide.classifier import Model
from detector.detections import Detection
from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.ranking import rarities_of
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, SampleBlock
from detector.score.trial import score_lane
from detector.score.truth_file import LaneTruth
from detector.scoring import Chain, score_recording


@pytest.fixture(scope="module")
def lane(recordings: Path) -> tuple[DeviceDescription, list[SampleBlock], LaneTruth]:
    with open_recording(recordings / "lane_dev04.h5") as r:
        return r.device, list(r.blocks(4096)), LaneTruth(tuple(r.truth()), "sand")


@pytest.fixture(scope="module")
def chain(model: Model) -> Chain:
    return Chain(load_profile("handheld-dual"), model)


def run(device: DeviceDescription, blocks: list[SampleBlock], chain: Chain) -> list[Detection]:
    pipeline = Pipeline(device, chain.profile, chain.model)
    out = [d for b in blocks for d in pipeline.process(b).detections]
    return out + pipeline.finish().detections


def test_the_alarms_are_those_of_a_replay(
    lane: tuple[DeviceDescription, list[SampleBlock], LaneTruth], chain: Chain
) -> None:
    device, blocks, truth = lane
    got = score_recording("a", device, iter(blocks), truth, chain)
    rarities = rarities_of(device, chain.profile, chain.model)
    want = score_lane("a", truth.objects, run(device, blocks, chain), got.lane.lane_m, rarities=rarities)
    assert [(o.found, o.score, o.probability) for o in got.lane.outcomes] == [
        (o.found, o.score, o.probability) for o in want.outcomes
    ]
    assert got.lane.ranking is not None
    assert want.ranking is not None
    assert [r for r, o in zip(got.lane.ranking.outcomes, got.lane.outcomes, strict=True) if o.found] == [
        r for r, o in zip(want.ranking.outcomes, want.outcomes, strict=True) if o.found
    ]
    assert got.lane.ranking.outside[: len(want.ranking.outside)] == want.ranking.outside
    assert got.lane.free_m == want.free_m
    assert got.records_without_place == 0


@pytest.mark.parametrize("sensor", ["metal", "radar"])
def test_a_sensor_alone_is_a_head_with_that_sensor_only(
    lane: tuple[DeviceDescription, list[SampleBlock], LaneTruth], chain: Chain, sensor: str
) -> None:
    device, blocks, truth = lane
    got = score_recording("a", device, blocks, truth, chain).alone[sensor]
    streams = tuple(s for s in device.streams if s.kind.is_metal == (sensor == "metal"))
    less = DeviceDescription(device.model, device.serial, device.firmware, device.tick_hz, streams)
    want = score_lane("a", truth.objects, run(less, [b for b in blocks if b.stream in streams], chain), got.lane_m)
    assert any(o.found for o in got.outcomes)
    assert [(o.found, o.score, o.probability) for o in got.outcomes] == [
        (o.found, o.score, o.probability) for o in want.outcomes
    ]


def test_how_the_blocks_are_cut_changes_no_score(
    lane: tuple[DeviceDescription, list[SampleBlock], LaneTruth], chain: Chain
) -> None:
    device, blocks, truth = lane
    small = [b[i : i + 7] for b in blocks for i in range(0, len(b), 7)]
    assert repr(score_recording("a", device, small, truth, chain)) == repr(
        score_recording("a", device, blocks, truth, chain)
    )


def test_a_lane_of_which_records_have_no_place_has_no_rate(
    lane: tuple[DeviceDescription, list[SampleBlock], LaneTruth], chain: Chain
) -> None:
    device, blocks, truth = lane
    unplaced = SampleBlock(
        blocks[0].stream, blocks[0].seq, blocks[0].tick, blocks[0].utc_ns,
        np.full_like(blocks[0].odometer_um, np.iinfo(np.int64).min), blocks[0].raw,
    )  # fmt: skip
    got = score_recording("a", device, [unplaced, *blocks[1:]], truth, chain)
    assert got.lane.free_m == 0
    assert got.records_without_place == len(unplaced)
