"""A segment that begins over metal so strong that the head saturates: it alarms there, and not on what lies behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.decide.classifier import load_model
from detector.detections import Detection
from detector.metal_segment import MetalSegment
from detector.pipeline import Coverage, Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock
from tests.detector.test_start_over_metal import RATE_HZ, SPEED, sweep


def saturated(kind: str, length_m: float, mines_m: tuple[float, ...] = (), whole_m: float = 8.0) -> SampleBlock:
    """At the end of a 16-bit converter's range over the first length_m."""
    block = sweep(kind, mines_m, whole_m)
    raw = np.clip(np.round(10.0 * block.raw), -32768, 32767).astype(np.int16)
    raw[: round(length_m / SPEED * RATE_HZ)] = 32767
    stream = replace(block.stream, sample_type="int16", scale=0.1)
    return SampleBlock(stream, block.seq, block.tick, block.utc_ns, block.odometer_um, raw)


def resting(block: SampleBlock, rest_s: float) -> SampleBlock:
    """The head stands on the first record's place for so long before it goes."""
    n = round(rest_s * RATE_HZ)
    seq = np.arange(n + len(block), dtype=np.int64)
    places = np.concatenate((np.full(n, block.odometer_um[0]), block.odometer_um))
    raw = np.concatenate((np.repeat(block.raw[:1], n, axis=0), block.raw))
    return SampleBlock(block.stream, seq, seq * 2000, seq * 2_000_000, places, raw)


def found(block: SampleBlock, size: int = 10_000) -> tuple[list[float], list[Detection], Coverage, str]:
    """Places of alarms, detections, coverage, and everything as text."""
    device = DeviceDescription("made up", "1", "1", 1e6, (block.stream,))
    pipeline = Pipeline(device, Profile(), load_model())
    outputs = [pipeline.process(block[i : i + size]) for i in range(0, len(block), size)] + [pipeline.finish()]
    seq = np.concatenate([m.seq for o in outputs for m in o.marks])
    assert seq.tolist() == block.seq.tolist()  # each record is marked or not once, in order
    marks = np.concatenate([m.marks for o in outputs for m in o.marks])
    places = sorted(a.x_m for o in outputs for a in o.alarms)
    detections = [d for o in outputs for d in o.detections]
    text = repr([sorted(repr(a) for o in outputs for a in o.alarms), detections, marks.tolist()])
    return places, detections, pipeline.coverage()[0], text


@pytest.mark.parametrize("kind", ["pi", "cw"])
@pytest.mark.parametrize("length_m", [0.8, 1.5, 3.0])
def test_it_alarms_all_along_where_it_saturates_and_nowhere_else(kind: str, length_m: float) -> None:
    places, detections, coverage, _ = found(saturated(kind, length_m))
    for x in np.arange(0.0, length_m, 0.05):
        assert min(abs(p - x) for p in places) < 0.3, x
    assert not [p for p in places if p > length_m + 0.2]
    assert {d.decision for d in detections} <= {"unknown", "mine-like"}
    n = round(length_m / SPEED * RATE_HZ)
    assert (coverage.marked["SATURATED"], coverage.unswept, coverage.untested) == (n, n, n)


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_what_lies_behind_is_found(kind: str) -> None:
    places, _, _, _ = found(saturated(kind, 2.0, (5.0,)))
    assert [p for p in places if p > 2.2] == [pytest.approx(5.0, abs=0.1)]


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_a_short_saturation_alarms_as_the_chain_has_it(kind: str) -> None:
    places, _, coverage, _ = found(saturated(kind, 0.3))
    assert min(abs(p - 0.15) for p in places) < 0.1
    assert coverage.marked["SATURATED"] == 300
    assert coverage.untested == 0


def test_a_head_that_saturates_for_good_is_marked_and_does_not_alarm_for_ever() -> None:
    places, _, coverage, _ = found(saturated("pi", 12.0, whole_m=12.0))
    assert coverage.unswept == coverage.received
    assert 8 <= len(places) <= 12


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_a_head_that_rested_on_metal_for_long_does_not_alarm_on_the_clean_ground_behind(kind: str) -> None:
    places, _, coverage, _ = found(resting(saturated(kind, 0.1, (5.0,), 7.0), 60.0))
    assert [p for p in places if p > 0.3] == [pytest.approx(5.0, abs=0.1)]
    assert 8 <= len(places) <= 12
    assert coverage.marked["SATURATED"] == coverage.untested == 60 * RATE_HZ + round(0.1 / SPEED * RATE_HZ)


def test_no_alarm_comes_of_ground_that_was_said_to_be_settled() -> None:
    # standing, a piece of it takes 4 s: another sensor must not be judged without it
    block = resting(saturated("pi", 0.1, (), 3.0), 20.0)
    segment = MetalSegment(block.stream, Profile(), load_model().tails, {})
    settled, alarms = -1, 0
    for i in range(0, len(block), 50):
        for alarm in segment.process(block[i : i + 50]).alarms:
            alarms += 1
            assert alarm.peak_tick > settled
        settled = segment.settled_tick if segment.settled_tick is not None else -1
    assert alarms >= 4
    assert settled > block.tick[20 * round(RATE_HZ)]


@pytest.mark.parametrize("length_m", [0.3, 1.2])
def test_any_cut_gives_the_same(length_m: float) -> None:
    block = saturated("pi", length_m, (3.0,), 5.0)
    whole = found(block)[3]
    for size in (7, 1000):
        assert found(block, size)[3] == whole


def test_any_cut_of_a_long_rest_gives_the_same() -> None:
    block = resting(saturated("pi", 0.1, (1.5,), 2.5), 43.0)
    whole = found(block)[3]
    for size in (333, 20_001):
        assert found(block, size)[3] == whole
