"""When a stream is given up as silent, and what a live session and its replay make of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from detector.decide.classifier import Model
from detector.detections import detection_table
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import (
    NO_ODOMETER,
    DeviceDescription,
    Event,
    SampleBlock,
    Severity,
    Silence,
    StreamDescription,
    StreamKind,
)
from firmware_host.head import Head
from firmware_host.live_source import LiveSource
from firmware_host.recorder import Recorder
from firmware_host.session import Listener, RecordingSource, run
from firmware_host.silence import SilenceWatch
from firmware_host.virtual.head import VirtualHead

DualHead = tuple[DeviceDescription, list[SampleBlock]]

METAL = StreamDescription(0, "metal", StreamKind.METAL, 1, 4, "int32", 500.0)
RADAR = StreamDescription(1, "radar", StreamKind.RADAR, 1, 16, "int16", 50.0, sampling_interval_s=1e-10)
WHEEL = StreamDescription(2, "wheel", StreamKind.RADAR, 1, 16, "int16", 50.0, sampling_interval_s=1e-10, step_m=0.02)


class Bench:
    """A watch on made-up streams, at a time that the test sets."""

    def __init__(self, *streams: StreamDescription) -> None:
        self.now = 0.0
        self.watch = SilenceWatch(
            DeviceDescription("x", "y", "z", 1e6, streams), 1.0, lambda: 0, monotonic=lambda: self.now
        )
        self.seq = dict.fromkeys((s.stream_id for s in streams), -1)

    def hear(self, *streams: StreamDescription, odometer_um: int = NO_ODOMETER) -> list[Event | Silence]:
        blocks = []
        for s in streams:
            self.seq[s.stream_id] += 1
            one = (np.array([v], np.int64) for v in (self.seq[s.stream_id], self.now * 1e6, 0, odometer_um))
            blocks.append(SampleBlock(s, *one, np.zeros((1, 1, s.values), s.dtype)))
        return self.watch.told(blocks)

    def until(self, end: float, *streams: StreamDescription, speed_um: float = 0.0) -> list[Event | Silence]:
        out: list[Event | Silence] = []
        while self.now < end:
            self.now += 0.05
            out += self.hear(*streams, odometer_um=round(self.now * speed_um) if speed_um else NO_ODOMETER)
        return out


def test_a_stream_that_dies_is_given_up_within_the_bound_while_another_goes_on() -> None:
    bench = Bench(METAL, RADAR)
    assert bench.until(2.0, METAL, RADAR) == []
    said = bench.until(5.0, METAL)
    silences = [s for s in said if isinstance(s, Silence)]
    assert {s.stream_id for s in silences} == {1}
    assert {s.after_seq for s in silences} == {bench.seq[1]}
    assert all(a.until_tick < b.until_tick for a, b in pairwise(silences))
    # what waits for it waits for no longer than the bound and one extension
    assert silences[-1].until_tick >= (5.0 - 1.0 - 0.3) * 1e6
    (fault,) = [e for e in said if isinstance(e, Event)]
    assert fault.severity is Severity.FAULT
    assert "judged without it" in fault.text
    assert not [s for s in bench.until(8.0, METAL, RADAR) if isinstance(s, Silence)]


def test_nothing_is_given_up_where_the_whole_head_is_silent() -> None:
    bench = Bench(METAL, RADAR)
    bench.until(2.0, METAL, RADAR)
    said = bench.until(6.0)
    assert len([e for e in said if isinstance(e, Event)]) == 2
    assert not [s for s in said if isinstance(s, Silence)]


def test_a_stream_that_never_spoke_is_given_up_too() -> None:
    bench = Bench(METAL, RADAR)
    silences = [s for s in bench.until(4.0, METAL) if isinstance(s, Silence)]
    assert silences
    assert all(s.after_seq == -1 for s in silences)


def test_a_radar_on_a_wheel_is_not_given_up_where_the_head_stands_still() -> None:
    bench = Bench(METAL, WHEEL)
    bench.until(2.0, METAL, WHEEL, speed_um=0.4e6)
    standing = [s for _ in range(60) for s in standing_still(bench)]
    assert not [s for s in standing if isinstance(s, Silence)]
    moving = bench.until(bench.now + 3.0, METAL, speed_um=0.4e6)
    assert [s for s in moving if isinstance(s, Silence)]


def standing_still(bench: Bench) -> list[Event | Silence]:
    bench.now += 0.05
    return bench.hear(METAL, odometer_um=800_000)


class Heard(Listener):
    def __init__(self) -> None:
        self.silences: list[Silence] = []
        self.events: list[Event] = []

    def silence(self, silence: Silence) -> None:
        self.silences.append(silence)

    def event(self, event: Event) -> None:
        self.events.append(event)


def test_a_live_session_in_which_a_stream_dies_and_comes_back_replays_to_the_bit(
    dual_head: DualHead, model: Model, tmp_path: Path
) -> None:
    device, (metal, radar) = dual_head
    pieces = [metal[i : i + 8] for i in range(0, len(metal), 8)]
    pieces += [radar[i : i + 2] for i in range(0, len(radar), 2) if not 1.5e6 < radar.tick[i] < 4.5e6]
    pieces.sort(key=lambda b: int(b.tick[0]))
    out, heard = tmp_path / "dies.h5", Heard()
    with VirtualHead(device, lambda: pieces, 1.0) as virtual, Head.open(virtual.path) as head:
        source = LiveSource(head, silence_s=0.4)
        pipeline = Pipeline(source.device, Profile(), model)
        with (
            RecordingWriter(out, source.device, software="t", created_utc_ns=1) as writer,
            Recorder(writer) as recorder,
        ):
            live = run(source, pipeline, [recorder, heard])
    assert heard.silences
    assert any(e.severity is Severity.FAULT and "radar: no samples" in e.text for e in heard.events)
    assert any("radar: silent for" in e.text and "not count as swept" in e.text for e in heard.events)
    with open_recording(out) as r:
        assert r.silences() == heard.silences
        again = run(RecordingSource(r), Pipeline(r.device, Profile(), model), [])
        stored = r.detection_table().tobytes()
    assert len(live.detections) >= 2
    assert detection_table(again.detections).tobytes() == detection_table(live.detections).tobytes() == stored
    assert again.coverage == live.coverage
    silent = next(c.silent_s for c in live.coverage if c.stream == "radar")
    assert 2.5 < silent < 3.5
