"""Time zero does not stand on a first A-scan that is next to empty beside those that follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.decide.alarm import Alarm
from detector.decide.classifier import load_model
from detector.pipeline import Coverage, Pipeline
from detector.profile import load_profile
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, Mark, SampleBlock

EMPTY = 3


def judged(
    device: DeviceDescription, blocks: list[SampleBlock], profile: str = "handheld-dual"
) -> tuple[list[Alarm], list[int], Coverage]:
    """Alarms, marks record by record, and coverage."""
    pipeline = Pipeline(device, load_profile(profile), load_model())
    outputs = [*(pipeline.process(b) for b in blocks), pipeline.finish()]
    marks = np.concatenate([m.marks for o in outputs for m in o.marks if m.stream == "radar"])
    seq = np.concatenate([m.seq for o in outputs for m in o.marks if m.stream == "radar"])
    stretches = [s for o in outputs for s in o.stretches if s.stream == "radar"]
    assert np.all(np.diff(seq) > 0)
    assert [s.first_seq for s in stretches][1:] == [s.last_seq + 1 for s in stretches][:-1]
    return [a for o in outputs for a in o.alarms], marks[:, 0].tolist(), pipeline.coverage()[0]


@pytest.fixture
def lane(recordings: Path) -> tuple[DeviceDescription, SampleBlock]:
    with open_recording(recordings / "lane_dev01.h5") as r:
        (s,) = [s for s in r.device.streams if s.name == "radar"]
        return DeviceDescription("x", "1", "1", r.device.tick_hz, (s,)), r.block(s.name, 0, 400)


def with_empty(block: SampleBlock) -> SampleBlock:
    """The first A-scans hold noise of a hundredth of what comes."""
    raw = block.raw.copy()
    peak = np.abs(raw - np.median(raw)).max()
    noise = np.random.default_rng(1).normal(scale=0.003 * peak, size=raw[:EMPTY].shape)
    raw[:EMPTY] = (np.median(raw) + noise).astype(raw.dtype)
    return SampleBlock(block.stream, block.seq, block.tick, block.utc_ns, block.odometer_um, raw)


def cut(block: SampleBlock, size: int) -> list[SampleBlock]:
    return [block[i : i + size] for i in range(0, len(block), size)]


@pytest.mark.parametrize("size", [1, 4, 400])
def test_empty_first_records_are_marked_and_what_follows_is_as_without_them(
    lane: tuple[DeviceDescription, SampleBlock], size: int
) -> None:
    device, block = lane
    alarms, marks, coverage = judged(device, cut(with_empty(block), size))
    without, marks_without, _ = judged(device, [block[EMPTY:]])
    assert repr(alarms) == repr(without)
    assert marks == [Mark.SURFACE_LOST] * EMPTY + marks_without
    assert coverage.untested == EMPTY


def test_a_segment_that_ends_while_it_is_looked_at_is_still_marked(
    lane: tuple[DeviceDescription, SampleBlock]
) -> None:
    device, block = lane
    _, marks, coverage = judged(device, cut(with_empty(block)[:4], 1))
    assert len(marks) == coverage.received == 4
    assert coverage.untested == 4


@pytest.mark.parametrize("lives_from_s", [12.0, np.inf])
def test_a_radar_that_did_not_live_yet_did_not_keep_silent_over_metal(recordings: Path, lives_from_s: float) -> None:
    """Its silence would speak for clutter; where it lives it is heard, however small the blocks are."""

    def heard(lives_from_s: float, size: int) -> list[tuple[float, float]]:
        """Time of each detection with metal, and what the radar said of it."""
        with open_recording(recordings / "lane_dev01.h5") as r:
            pipeline = Pipeline(r.device, load_profile("handheld-dual"), load_model())
            found = []
            for b in r.blocks(size):
                if b.stream.name == "radar":
                    raw = b.raw.copy()
                    raw[b.tick < lives_from_s * r.device.tick_hz] = 7
                    b = SampleBlock(b.stream, b.seq, b.tick, b.utc_ns, b.odometer_um, raw)
                found += pipeline.process(b).detections
            found += pipeline.finish().detections
        return [(d.t_peak_s, d.radar_llr) for d in found if d.metal_peak_seq >= 0]

    before = [llr for t, llr in heard(-1.0, 256) if t < lives_from_s]
    assert before
    assert np.isfinite(before).any()
    for size in (16, 256):
        assert np.isnan([llr for t, llr in heard(lives_from_s, size) if t < lives_from_s]).all()


def test_a_real_file_that_begins_with_an_empty_record_is_judged_as_without_it(recordings: Path) -> None:
    with open_recording(recordings / "rebar_real.h5") as r:
        device, block = r.device, r.block("radar", 0, 332)
    whole, marks, _ = judged(device, [block], "concrete")
    without, marks_without, _ = judged(device, [block[1:]], "concrete")
    assert repr(whole) == repr(without)
    assert marks == [Mark.SURFACE_LOST, *marks_without]
    # 14 bars some 5 cm down; on the empty record 13 places between 0.7 and 2.6 ns were found
    bars = [a for a in whole if 1.0e-9 < a.two_way_s < 1.4e-9]
    assert len(bars) == 13
