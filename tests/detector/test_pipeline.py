"""The pipeline: exact for any cut, honest about what it did not test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.decide.classifier import Model
from detector.detections import Detection, detection_table
from detector.errors import ProfileError
from detector.pipeline import Coverage, Pipeline
from detector.profile import Profile, load_profile, parse_profile
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind

DualHead = tuple[DeviceDescription, list[SampleBlock]]


def run(device: DeviceDescription, blocks: list[SampleBlock], model: Model, profile: Profile | None = None):
    pipeline = Pipeline(device, profile or Profile(), model)
    found: list[Detection] = []
    for block in blocks:
        found += pipeline.process(block).detections
    found += pipeline.finish().detections
    return found, pipeline


def bits(detections: list[Detection]) -> bytes:
    return detection_table(detections).tobytes()


def cut(block: SampleBlock, size: int) -> list[SampleBlock]:
    return [block[i : i + size] for i in range(0, len(block), size)]


def interleave(blocks: list[SampleBlock], size: int) -> list[SampleBlock]:
    """Blocks of all streams in the order of their first record."""
    pieces = [p for b in blocks for p in cut(b, size)]
    return sorted(pieces, key=lambda p: int(p.tick[0]))


def test_two_buried_targets_are_found_by_both_sensors(dual_head: DualHead, model: Model) -> None:
    found, _ = run(*dual_head, model)
    both = [d for d in found if d.seen_by == "metal+radar"]
    np.testing.assert_allclose([d.x_m for d in both], [0.9, 1.7], atol=0.03)
    # 2.0 ns at 0.1 m/ns
    for d in both:
        assert abs(d.two_way_s - 2.0e-9) < 0.25e-9
        assert abs(d.depth_m - 0.10) < 2 * d.depth_sigma_m


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12), order=st.randoms(use_true_random=False))
def test_any_cut_and_any_interleaving_give_the_same_bits(
    dual_head: DualHead, model: Model, sizes: list[int], order
) -> None:
    device, blocks = dual_head
    whole, _ = run(device, blocks, model)
    queues = []
    for block in blocks:
        pieces, at, i = [], 0, 0
        while at < len(block):
            pieces.append(block[at : at + sizes[i % len(sizes)]])
            at += sizes[i % len(sizes)]
            i += 1
        queues.append(pieces)
    mixed = []
    while any(queues):
        mixed.append(order.choice([q for q in queues if q]).pop(0))
    again, _ = run(device, mixed, model)
    assert len(whole) >= 2
    assert bits(again) == bits(whole)


@pytest.mark.parametrize(
    ("name", "profile"),
    [("lane_dev01.h5", "handheld-dual"), ("rebar_real.h5", "concrete"), ("metal_mine_real.h5", "handheld-dual")],
)
def test_a_recording_in_blocks_of_1_7_64_and_all_gives_the_same_bits(
    recordings: Path, model: Model, name: str, profile: str
) -> None:
    chosen = load_profile(profile)
    with open_recording(recordings / name) as r:
        device = r.device
        blocks = [r.block(s.name, 0, r.n_records(s.name)) for s in device.streams]
    whole, _ = run(device, blocks, model, chosen)
    assert whole
    for size in (1, 7, 64):
        again, _ = run(device, interleave(blocks, size), model, chosen)
        assert bits(again) == bits(whole), size


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gap_at=st.integers(20, 100), gap=st.integers(1, 15), size=st.integers(1, 150))
def test_cuts_at_and_round_a_gap_change_nothing(
    dual_head: DualHead, model: Model, gap_at: int, gap: int, size: int
) -> None:
    device, (metal, radar) = dual_head
    keep = np.r_[0:gap_at, min(gap_at + gap, 120) : 120]
    holed = SampleBlock(
        radar.stream, radar.seq[keep], radar.tick[keep], radar.utc_ns[keep], radar.odometer_um[keep], radar.raw[keep]
    )
    whole, pipeline = run(device, [metal, holed], model)
    again, _ = run(device, [*cut(metal, 100), *cut(holed, size)], model)
    assert bits(again) == bits(whole)
    coverage = next(c for c in pipeline.coverage() if c.stream == "radar")
    if gap_at + gap < 120:
        assert coverage.missing == gap
        assert coverage.segments == (1 if gap <= 2 else 2)


def test_ground_after_a_gap_is_still_tested(dual_head: DualHead, model: Model) -> None:
    device, (metal, radar) = dual_head
    keep = np.r_[0:62, 72:120]
    holed = SampleBlock(
        radar.stream, radar.seq[keep], radar.tick[keep], radar.utc_ns[keep], radar.odometer_um[keep], radar.raw[keep]
    )
    found, _ = run(device, [metal, holed], model)
    assert {0.9, 1.7} <= {round(d.x_m, 1) for d in found}


def test_a_stretch_too_short_to_test_says_so(dual_head: DualHead, model: Model) -> None:
    device, (metal, radar) = dual_head
    _, pipeline = run(device, [metal, radar[:5]], model)
    coverage: Coverage = next(c for c in pipeline.coverage() if c.stream == "radar")
    assert coverage.untested == 5


def test_one_dead_stream_does_not_silence_the_other(dual_head: DualHead, model: Model) -> None:
    device, (metal, _) = dual_head
    # so short that the first alarm comes within the sweep
    quick = parse_profile("[metal.response]\nbaseline_m = 0.5", "here")
    pipeline = Pipeline(device, quick, model)
    alarms = [a for i in range(0, 1200, 100) for a in pipeline.process(metal[i : i + 100]).alarms]
    # shown as soon as the metal chain's own latency has passed, though the radar never spoke
    late = pipeline.latency_s()["metal"]
    assert [round(a.x_m, 1) for a in alarms] == [c for c in (0.9, 1.7) if c / 0.4 + late < 6.0]
    assert [d.seen_by for d in pipeline.finish().detections] == ["metal", "metal"]


def test_a_target_bigger_than_all_ground_before_is_not_lost_at_the_start(model: Model, dual_head: DualHead) -> None:
    device, (metal, radar) = dual_head
    # the first target stands 0.14 m after the start
    start = 38
    late = radar[start:]
    found, _ = run(device, [metal, late], model)
    assert any(abs(d.x_m - 0.9) < 0.05 and d.radar_peak_seq >= 0 for d in found)


def test_an_antenna_without_frequency_is_refused_with_advice(model: Model) -> None:
    stream = StreamDescription(0, "radar", StreamKind.RADAR, 1, 64, "int16", 20.0, sampling_interval_s=1e-10)
    with pytest.raises(ProfileError, match="centre_frequency_mhz"):
        Pipeline(DeviceDescription("x", "y", "z", 1e6, (stream,)), Profile(), model)


def test_memory_stays_flat_over_a_long_run(dual_head: DualHead, model: Model) -> None:
    import tracemalloc

    device, blocks = dual_head
    pipeline = Pipeline(device, Profile(), model)

    def lap(n: int) -> None:
        for b in blocks:
            size = len(b)
            shift = n * size
            ticks = n * 6_000_000
            pipeline.process(
                SampleBlock(b.stream, b.seq + shift, b.tick + ticks, b.utc_ns, b.odometer_um + n * 2_400_000, b.raw)
            )

    for n in range(5):
        lap(n)
    tracemalloc.start()
    lap(5)
    before = tracemalloc.get_traced_memory()[0]
    for n in range(6, 30):
        lap(n)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 200_000


def test_a_signal_is_placed_where_it_stands_for_and_not_where_the_smoothing_has_carried_it(
    dual_head: DualHead, model: Model
) -> None:
    device, (metal, radar) = dual_head
    pipeline = Pipeline(device, Profile(), model)
    signals = [s for b in interleave([metal, radar], 20) for s in pipeline.process(b).signals]
    # 25 ms of smoothing at 200 readings a second; 2 cm at a step of 2 cm
    for block, back in ((metal, 5), (radar, 1)):
        of = [s for s in signals if s.stream == block.stream.name]
        assert of
        np.testing.assert_allclose([s.x_m for s in of], [block.odometer_m[max(0, s.seq - back)] for s in of])
    over = [s for s in signals if s.sensor == "metal" and abs(s.x_m - 1.7) < 0.25]
    weights = [s.strength for s in over]
    assert abs(np.average([s.x_m for s in over], weights=weights) - 1.7) < 0.005
