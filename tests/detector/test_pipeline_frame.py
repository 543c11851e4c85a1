"""Round the chains: the search path, taps, marks, latencies and places of the pipeline."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.decide.alarm import Tail
from detector.decide.classifier import Model
from detector.detections import detection_table
from detector.errors import ProfileError
from detector.pipeline import Output, Pipeline
from detector.profile import Profile, load_profile, profile_names
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, Mark, SampleBlock, StreamDescription, StreamKind
from detector.segment import Tapped

DualHead = tuple[DeviceDescription, list[SampleBlock]]
FIXTURE = [HealthCheck.function_scoped_fixture]


@pytest.fixture(scope="session")
def searching(model: Model) -> Model:
    """The shipped model with search tails of which we know that the made-up targets pass them."""
    tails = {**model.tails, "radar-search": Tail(2.0, 0.5, 1.0), "metal-search": Tail(2.5, 0.5, 1.0)}
    return dataclasses.replace(model, tails=tails)


def pieces(block: SampleBlock, sizes: list[int]) -> list[SampleBlock]:
    out, at, i = [], 0, 0
    while at < len(block):
        out.append(block[at : at + sizes[i % len(sizes)]])
        at += sizes[i % len(sizes)]
        i += 1
    return out


def run(pipeline: Pipeline, blocks: list[SampleBlock]) -> Output:
    outputs = [pipeline.process(b) for b in blocks]
    outputs.append(pipeline.finish())
    return Output(
        [a for o in outputs for a in o.alarms],
        [d for o in outputs for d in o.detections],
        [s for o in outputs for s in o.signals],
        [m for o in outputs for m in o.marks],
    )


def test_the_head_sounds_over_both_targets_and_on_little_else(dual_head: DualHead, searching: Model) -> None:
    device, blocks = dual_head
    signals = run(Pipeline(device, Profile(), searching), blocks).signals
    for sensor in ("metal", "radar"):
        x = np.array([s.x_m for s in signals if s.sensor == sensor])
        for target in (0.9, 1.7):
            assert np.any(np.abs(x - target) < 0.06), (sensor, target)
        assert np.mean(np.minimum(np.abs(x - 0.9), np.abs(x - 1.7)) < 0.3) > 0.7


def test_a_signal_comes_with_the_record_it_is_about(dual_head: DualHead, searching: Model) -> None:
    device, (_, radar) = dual_head
    pipeline = Pipeline(device, Profile(), searching)
    heard = 0
    for i in range(len(radar)):
        for s in pipeline.process(radar[i : i + 1]).signals:
            # counted in samples: the newest record that came in is the one that sounds
            assert s.seq == radar.seq[i]
            # and its place is that of the one before: the smoothing's mean delay of 2 cm at a step of 2 cm
            assert s.x_m == radar.odometer_m[max(0, i - 1)]
            heard += 1
    assert heard > 2


@pytest.mark.parametrize("name", ["handheld-dual", "handheld-pi", "handheld-cw"])
def test_from_sample_to_sound_takes_at_most_50_ms_on_a_handheld_head(
    dual_head: DualHead, model: Model, name: str
) -> None:
    late = [e for e in Pipeline(dual_head[0], load_profile(name), model).latencies() if e.stage == "search"]
    assert {e.stream for e in late} == {"metal", "radar"}
    assert all(e.seconds <= 0.050 for e in late)


def test_latencies_add_up_and_are_those_that_samples_show(dual_head: DualHead, model: Model) -> None:
    device, (_, radar) = dual_head
    near = Profile().radar_alarm.model_copy(update={"ahead_m": 0.3})
    pipeline = Pipeline(device, Profile(radar_alarm=near), model)
    stages = {e.stage: e.records for e in pipeline.latencies() if e.stream == "radar"}
    total = stages.pop("alarm")
    assert stages.pop("detection") > total
    assert stages.pop("search") == 1  # smoothing over 2 cm at a step of 2 cm
    assert sum(stages.values()) == total
    shown = None
    for i in range(len(radar)):
        for alarm in pipeline.process(radar[i : i + 1]).alarms:
            shown = int(radar.seq[i]) - alarm.peak_seq
            assert shown == total
    assert shown is not None


@settings(max_examples=10, deadline=None, suppress_health_check=FIXTURE)
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_signals_and_marks_do_not_depend_on_the_cut(
    dual_head: DualHead, searching: Model, sizes: list[int]
) -> None:
    device, blocks = dual_head
    whole = run(Pipeline(device, Profile(), searching), blocks)
    again = run(Pipeline(device, Profile(), searching), [p for b in blocks for p in pieces(b, sizes)])
    assert again.signals == whole.signals
    for stream in ("metal", "radar"):
        for a, b in (
            (np.concatenate([getattr(m, part) for m in out.marks if m.stream == stream]) for out in (whole, again))
            for part in ("seq", "marks")
        ):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", profile_names())
@settings(max_examples=4, deadline=None, suppress_health_check=FIXTURE)
@given(sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4))
def test_any_cut_gives_the_same_detections_with_every_shipped_profile(
    dual_head: DualHead, model: Model, name: str, sizes: list[int]
) -> None:
    device, blocks = dual_head
    profile = load_profile(name)
    whole = run(Pipeline(device, profile, model), blocks)
    again = run(Pipeline(device, profile, model), [p for b in blocks for p in pieces(b, sizes)])
    assert detection_table(again.detections).tobytes() == detection_table(whole.detections).tobytes()
    assert again.signals == whole.signals


def test_the_search_path_takes_no_detection_away(dual_head: DualHead, model: Model, searching: Model) -> None:
    device, blocks = dual_head
    quiet = Profile()
    loud = quiet.model_copy(
        update={s: getattr(quiet, s).model_copy(update={"false_alarms_per_m": 100.0}) for s in ("radar_search",)}
    )
    a = run(Pipeline(device, quiet, model), blocks).detections
    b = run(Pipeline(device, loud, searching), blocks).detections
    assert [(d.radar_peak_seq, d.metal_peak_seq) for d in a] == [(d.radar_peak_seq, d.metal_peak_seq) for d in b]


def test_a_model_without_search_tails_still_searches(dual_head: DualHead, model: Model) -> None:
    bare = dataclasses.replace(model, tails={s: model.tails[s] for s in ("radar", "metal")})
    device, blocks = dual_head
    out = run(Pipeline(device, Profile(), bare), blocks)
    assert any(s.sensor == "radar" for s in out.signals)
    assert len(out.detections) >= 2


def test_ground_after_a_gap_is_seen_as_by_a_new_chain(dual_head: DualHead, searching: Model) -> None:
    _, (_, radar) = dual_head
    only = DeviceDescription("x", "y", "z", 1e6, (radar.stream,))
    first, second = radar[:40], radar[60:]
    one = run(Pipeline(only, Profile(), searching), [first, second])
    apart = [run(Pipeline(only, Profile(), searching), [b]) for b in (first, second)]
    assert one.signals == apart[0].signals + apart[1].signals
    assert [a.peak_seq for a in one.alarms] == [a.peak_seq for o in apart for a in o.alarms]
    for a, b in zip(one.alarms, apart[0].alarms + apart[1].alarms, strict=True):
        np.testing.assert_array_equal(a.features, b.features)


def test_two_opposite_passes_put_a_target_at_the_same_place(dual_head: DualHead, searching: Model) -> None:
    device, blocks = dual_head

    def backward(b: SampleBlock) -> SampleBlock:
        return dataclasses.replace(b, odometer_um=b.odometer_um[::-1].copy(), raw=b.raw[::-1].copy())

    there = run(Pipeline(device, Profile(), searching), blocks)
    back = run(Pipeline(device, Profile(), searching), [backward(b) for b in blocks])
    for sensor, step in (("radar", 0.02), ("metal", 0.002)):
        a = sorted(x.x_m for x in there.alarms if x.sensor == sensor and min(abs(x.x_m - 0.9), abs(x.x_m - 1.7)) < 0.1)
        b = sorted(x.x_m for x in back.alarms if x.sensor == sensor and min(abs(x.x_m - 0.9), abs(x.x_m - 1.7)) < 0.1)
        assert len(a) == len(b) == 2
        # no latency in it: the two passes differ by noise, which a metal peak of 12 cm width feels
        np.testing.assert_allclose(a, b, atol=max(2 * step, 0.02))

    # what knows only the ground behind sounds on the flank that comes first, and still over the target
    for target in (0.9, 1.7):
        for signals in (there.signals, back.signals):
            assert any(s.sensor == "radar" and abs(s.x_m - target) <= 0.1 + 1e-9 for s in signals)


def test_marked_ground_is_counted_by_reason_and_its_targets_still_come_out(
    dual_head: DualHead, model: Model
) -> None:
    device, (metal, radar) = dual_head
    raw = radar.raw.copy()
    raw[44:47, :, 60:75] = 32767
    raw[100:105] = raw[99]
    holed = dataclasses.replace(radar, raw=raw)
    pipeline = Pipeline(device, Profile(), model)
    out = run(pipeline, [metal, *pieces(holed, [7])])
    coverage = next(c for c in pipeline.coverage() if c.stream == "radar")
    assert coverage.marked["SATURATED"] == 3
    # five repeats of a record: the first of them may still be chance
    assert coverage.marked["FROZEN"] == 4
    assert 7 <= coverage.unswept <= coverage.received
    assert coverage.surface_lost == coverage.marked["SURFACE_LOST"]
    seq = np.concatenate([m.seq for m in out.marks if m.stream == "radar"])
    flags = np.concatenate([m.marks for m in out.marks if m.stream == "radar"])
    np.testing.assert_array_equal(seq, radar.seq)
    assert (flags[44:47, 0] & Mark.SATURATED).all()
    assert any(abs(d.x_m - 0.9) < 0.05 for d in out.detections)


@pytest.mark.parametrize("size", [1, 7, 200])
def test_a_head_that_starts_dead_is_marked_until_it_lives_and_then_finds_what_is_there(
    dual_head: DualHead, model: Model, size: int
) -> None:
    device, (metal, radar) = dual_head
    raw = radar.raw.copy()
    raw[:12] = 0
    late = dataclasses.replace(radar, raw=raw)
    pipeline = Pipeline(device, Profile(), model)
    out = run(pipeline, [metal, *pieces(late, [size])])
    seq = np.concatenate([m.seq for m in out.marks if m.stream == "radar"])
    flags = np.concatenate([m.marks for m in out.marks if m.stream == "radar"])
    np.testing.assert_array_equal(seq, radar.seq)
    assert (flags[:12] == Mark.FROZEN | Mark.SURFACE_LOST).all()
    assert not flags[12:].any()
    found = [d for d in out.detections if d.radar_peak_seq >= 0]
    for target in (0.9, 1.7):
        near = [d for d in found if abs(d.x_m - target) < 0.05]
        assert near
        assert abs(near[0].two_way_s - 2.0e-9) < 0.25e-9
    coverage = next(c for c in pipeline.coverage() if c.stream == "radar")
    assert (coverage.unswept, coverage.untested) == (12, 12)


def test_a_clean_lane_is_not_marked(recordings: Path, model: Model) -> None:
    with open_recording(recordings / "lane_dev01.h5") as r:
        blocks = list(r.blocks(4096))
        pipeline = Pipeline(r.device, Profile(), model)
    run(pipeline, blocks)
    for c in pipeline.coverage():
        assert c.unswept < 0.02 * c.received, c


def test_what_a_tap_shows_is_whole_in_order_and_the_same_for_any_cut(dual_head: DualHead, model: Model) -> None:
    device, blocks = dual_head
    names = Pipeline(device, Profile(), model).taps()
    assert {"radar.background", "radar.energy", "radar.score", "radar.search", "metal.gates"} <= set(names)

    def watched(cut: list[SampleBlock]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        pipeline = Pipeline(device, Profile(), model)
        seen: dict[str, list[Tapped]] = {n: [] for n in names}
        for n in names:
            pipeline.tap(n, seen[n].append)
        run(pipeline, cut)
        return {
            n: (np.concatenate([t.seq for t in ts]), np.concatenate([t.values for t in ts])) for n, ts in seen.items()
        }

    whole, again = watched(blocks), watched([p for b in blocks for p in pieces(b, [1, 33, 5])])
    for n in names:
        stream = next(b for b in blocks if n.startswith(b.stream.name))
        np.testing.assert_array_equal(whole[n][0], stream.seq, err_msg=n)
        np.testing.assert_array_equal(again[n][0], whole[n][0], err_msg=n)
        np.testing.assert_array_equal(again[n][1], whole[n][1], err_msg=n)


def test_watching_changes_nothing_and_ends_when_told(dual_head: DualHead, searching: Model) -> None:
    device, blocks = dual_head
    plain = run(Pipeline(device, Profile(), searching), blocks)
    pipeline = Pipeline(device, Profile(), searching)
    shown: list[Tapped] = []

    def spoil(t: Tapped) -> None:
        shown.append(t)
        t.values[:] = 0

    ends = [pipeline.tap(n, spoil) for n in pipeline.taps()]
    out = run(pipeline, blocks)
    assert detection_table(out.detections).tobytes() == detection_table(plain.detections).tobytes()
    assert out.signals == plain.signals
    count = len(shown)
    assert count > len(ends)
    pipeline = Pipeline(device, Profile(), searching)
    for n in pipeline.taps():
        pipeline.tap(n, spoil)()
    run(pipeline, blocks)
    assert len(shown) == count


def test_a_tap_that_does_not_exist_names_those_that_do(dual_head: DualHead, model: Model) -> None:
    with pytest.raises(ProfileError, match=r"radar\.background"):
        Pipeline(dual_head[0], Profile(), model).tap("radar.wow", print)


def test_a_stepped_frequency_head_finds_a_target(model: Model) -> None:
    rng = np.random.default_rng(5)
    f = np.arange(101) * 2e7 + 5e8
    n = 150
    x = np.arange(n) * 0.02
    stream = StreamDescription(
        0, "sfcw", StreamKind.RADAR_SFCW, 1, 2 * len(f), "int16", 25.0, unit="count", axis=tuple(f), step_m=0.02
    )
    s = 4000 * np.exp(-2j * np.pi * f * 1e-9) * np.ones((n, 1))
    for c in (1.0, 2.0):
        s = s + 300 * np.exp(-2j * np.pi * f * (1e-9 + np.hypot(2.5e-9, 2 * (x - c) / 1e8))[:, None])
    raw = np.empty((n, 1, 2 * len(f)))
    raw[:, 0, 0::2], raw[:, 0, 1::2] = s.real, s.imag
    raw = np.round(raw + rng.normal(scale=20.0, size=raw.shape)).astype("<i2")
    tick = np.arange(n) * 40_000
    block = SampleBlock(stream, np.arange(n), tick, tick * 1000, np.round(x * 1e6).astype(np.int64), raw)
    pipeline = Pipeline(DeviceDescription("x", "y", "z", 1e6, (stream,)), Profile(), model)
    assert "sfcw.ascans" in pipeline.taps()
    shown: list[Tapped] = []
    pipeline.tap("sfcw.ascans", shown.append)
    out = run(pipeline, pieces(block, [17]))
    assert {1.0, 2.0} <= {round(d.x_m, 1) for d in out.detections}
    found = min(out.detections, key=lambda d: abs(d.x_m - 1.0))
    assert found.two_way_s == pytest.approx(2.5e-9, abs=0.4e-9)
    assert sum(len(t.seq) for t in shown) == n
