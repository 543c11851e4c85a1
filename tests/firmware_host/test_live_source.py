"""Staying up: bad cables, pulled cables, heads that restart, two heads at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

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
    Gap,
    SampleBlock,
    Severity,
    StreamDescription,
    StreamKind,
)
from firmware_host.clock import HostClock
from firmware_host.errors import LinkError
from firmware_host.head import Head, Item
from firmware_host.live_source import JoinedSource, LiveSource
from firmware_host.recorder import Recorder
from firmware_host.session import RecordingSource, run
from firmware_host.virtual.head import Faults, VirtualHead
from firmware_host.virtual.interference import Harm, Interference
from firmware_host.wire.messages import HeadState, HeadStatus

DualHead = tuple[DeviceDescription, list[SampleBlock]]

METAL = StreamDescription(0, "metal", StreamKind.METAL, 1, 4, "int32", 500.0)
RADAR = StreamDescription(1, "radar", StreamKind.RADAR, 1, 16, "int16", 50.0, sampling_interval_s=1e-10)
DEVICE = DeviceDescription("counter", "C-1", "1", 1e6, (METAL, RADAR))


def value(stream: StreamDescription, seq: np.ndarray) -> np.ndarray:
    """Raw samples that tell which record they are of: (n, channels, values)."""
    k = np.arange(stream.values)
    return ((seq[:, None] * 7919 + k * 31) % 30011).astype(stream.dtype)[:, None, :]


def counting(streams: Sequence[StreamDescription], seconds: float, records: int) -> Iterator[SampleBlock]:
    """Records whose samples follow from their number, in time order."""
    pieces = []
    for s in streams:
        n = round(seconds * s.rate_hz)
        for first in range(0, n, records):
            seq = np.arange(first, min(first + records, n), dtype=np.int64)
            tick = np.round(seq * (1e6 / s.rate_hz)).astype(np.int64)
            nowhere = np.full(len(seq), NO_ODOMETER, np.int64)
            pieces.append(SampleBlock(s, seq, tick, np.zeros(len(seq), np.int64), nowhere, value(s, seq)))
    yield from sorted(pieces, key=lambda b: int(b.tick[0]))


def account(items: Sequence[Item], stream: StreamDescription) -> tuple[int, int, int]:
    """Records received, records missing, and the first record not accounted for; checks every sample."""
    received = missing = 0
    following = 0
    for i in items:
        if isinstance(i, Gap) and i.stream_id == stream.stream_id:
            assert i.first_seq == following
            missing += i.n_records
            following = i.first_seq + i.n_records
        elif isinstance(i, SampleBlock) and i.stream.stream_id == stream.stream_id:
            assert int(i.seq[0]) == following
            np.testing.assert_array_equal(i.raw, value(stream, i.seq))
            received += len(i)
            following = int(i.seq[-1]) + 1
    assert received + missing == following
    return received, missing, following


def texts(items: Sequence[Item], severity: Severity) -> list[str]:
    return [i.text for i in items if isinstance(i, Event) and i.severity is severity]


@pytest.mark.parametrize(
    "harm",
    [Harm(flip=1e-3), Harm(drop=1e-3), Harm(insert=1e-3), Harm(duplicate=1e-3), Harm(3e-4, 3e-4, 3e-4, 3e-4)],
    ids=["bits flipped", "bytes dropped", "noise inserted", "bytes twice", "all of it"],
)
def test_whatever_a_cable_does_every_record_is_right_or_counted_as_missing(harm: Harm) -> None:
    seconds = 10.0
    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, seconds, 5), 0.0) as virtual,
        Interference(virtual.path, harm, seed=5) as cable,
        Head.open(cable.path) as head,
    ):
        items = [i for got in LiveSource(head).items() for i in got]
        counters = head.counters
    missing = 0
    for s in DEVICE.streams:
        received, lost, following = account(items, s)
        # of the very last records nobody can tell: nothing comes after them
        assert round(seconds * s.rate_hz) - following < 400
        assert received > 0
        missing += lost
    if harm.insert == 0 and harm.duplicate == 0:
        assert missing > 0
    assert counters.damaged > 0
    assert any("damaged frames" in t for t in texts(items, Severity.WARNING))


def test_a_cable_pulled_and_plugged_back_is_a_gap_counted_to_the_record() -> None:
    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 60.0, 5), 1.0) as virtual,
        Interference(virtual.path, Harm()) as cable,
        Head.open(cable.path) as head,
    ):
        items: list[Item] = []
        source = LiveSource(head).items()
        for got in source:
            items += got
            if not cable.disconnections and any(isinstance(i, SampleBlock) for i in got):
                cable.unplug_for(0.8)
            gaps = [i for i in items if isinstance(i, Gap)]
            if {g.stream_id for g in gaps} == {0, 1}:
                break
        source.close()
        assert cable.disconnections == 1
    for s in DEVICE.streams:
        received, missing, _ = account(items, s)
        assert received > 0
        assert missing > 0
    # the head kept its power and its counters: the gap is exact, not an estimate
    for gap, s in ((g, DEVICE.stream(g.stream_id)) for g in gaps):
        if gap.first_seq:  # a stream of which nothing had come before has no tick before its gap
            assert gap.tick_after - gap.tick_before == (gap.n_records + 1) * 1_000_000 / s.rate_hz
    assert any("stopped answering" in t for t in texts(items, Severity.FAULT))
    assert any("C-1 is back" in t and "not swept" in t for t in texts(items, Severity.WARNING))


@pytest.mark.parametrize("forgets", [False, True], ids=["it counts its runs", "it begins with run 1 again"])
def test_a_head_that_restarted_is_started_again_and_the_gap_has_the_hosts_length(forgets: bool) -> None:
    class Brownout(VirtualHead):
        """Loses its power once, 0.6 s after START."""

        lost_power = False

        def _send_samples(self, part: SampleBlock, odometer: bool, frame: int) -> None:
            super()._send_samples(part, odometer, frame)
            if not self.lost_power and part.tick[-1] > 600_000:
                self.lost_power = True
                self._state = HeadState.IDLE
                self._run = 0 if forgets else self._run

    with (
        Brownout(DEVICE, lambda: counting(DEVICE.streams, 1.5, 5), 1.0) as virtual,
        Head.open(virtual.path) as head,
    ):
        began_ns = head.now_ns()
        items = [i for got in LiveSource(head, silence_s=0.3).items() for i in got]
        took_s = (head.now_ns() - began_ns) * 1e-9
    assert any("stopped by itself" in t and "started again" in t for t in texts(items, Severity.FAULT))
    blocks = [i for i in items if isinstance(i, SampleBlock) and i.stream.stream_id == 0]
    (gap,) = [i for i in items if isinstance(i, Gap) and i.stream_id == 0]
    assert "restarted" in gap.cause
    # it is not started again before it was silent for that long, and the gap is a part of the session
    assert 0.2 * 500 < gap.n_records < took_s * 500
    seq = np.concatenate([b.seq for b in blocks])
    tick = np.concatenate([b.tick for b in blocks])
    assert (np.diff(seq) >= 1).all()
    assert (np.diff(tick) > 0).all()
    assert len(seq) > 1.9 * 500


def test_another_head_on_the_same_port_is_not_taken_for_the_first() -> None:
    stranger = DeviceDescription("counter", "C-2", "1", 1e6, (METAL, RADAR))
    items: list[Item] = []
    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 9.0, 5), 1.0) as virtual,
        VirtualHead(stranger, lambda: counting(DEVICE.streams, 9.0, 5), 1.0) as other,
        Interference(virtual.path, Harm()) as cable,
        Head.open(cable.path) as head,
    ):
        threading.Timer(0.5, cable.unplug_for, (0.2, other.path)).start()
        source = LiveSource(head, give_up_s=60.0)

        def sweep() -> None:
            for got in source.items():
                items.extend(got)
                if any("serial C-2" in t for t in texts(got, Severity.FAULT)):
                    source._give_up_s = 0.0

        with pytest.raises(LinkError, match="stopped answering"):
            sweep()
    assert any("serial C-2" in t and "not the head of this sweep" in t for t in texts(items, Severity.FAULT))


def test_a_head_that_stops_without_closing_is_asked_and_told_until_it_is_back() -> None:
    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 9.0, 5), 1.0, Faults(hang_after=60)) as virtual,
        Head.open(virtual.path) as head,
    ):
        items: list[Item] = []
        silent: set[str] = set()
        source = LiveSource(head, duration_s=100.0, silence_s=0.5).items()
        for got in source:
            items += got
            answered = any(isinstance(i, HeadStatus) and i.state is HeadState.STREAMING for i in got)
            if len(silent) == 2 and answered:
                break
            silent |= {t.split(":")[0] for t in texts(got, Severity.FAULT) if "no samples for" in t}
        source.close()
    assert silent == {"metal", "radar"}
    # it answers that it streams, so it is not started anew: its own word is in the record
    assert answered
    assert not any("started again" in t for t in texts(items, Severity.FAULT))


def test_two_heads_are_one_session_whose_record_replays_to_the_bit(dual_head: DualHead, model: Model, tmp_path) -> None:
    device, (metal, radar) = dual_head
    md = DeviceDescription("md", "M-1", "1", device.tick_hz, (metal.stream,))
    gpr = DeviceDescription("gpr", "G-1", "2", device.tick_hz, (radar.stream,))
    pieces = {
        "md": [metal[i : i + 8] for i in range(0, len(metal), 8)],
        "gpr": [radar[i : i + 2] for i in range(0, len(radar), 2)],
    }
    wake, clock = threading.Event(), HostClock()
    out = tmp_path / "two.h5"
    with (
        VirtualHead(md, lambda: pieces["md"], 2.0) as one,
        VirtualHead(gpr, lambda: pieces["gpr"], 2.0) as two,
        Head.open(one.path, clock=clock, wake=wake) as first,
        Head.open(two.path, clock=clock, wake=wake) as second,
    ):
        sources = [LiveSource(first), LiveSource(second)]
        before_ns = clock()
        source = JoinedSource(sources, wake, clock)
        after_ns = clock()
        joined = source.device
        assert [s.name for s in joined.streams] == [s.name for s in device.streams]
        pipeline = Pipeline(joined, Profile(), model)
        with (
            RecordingWriter(out, joined, software="t", created_utc_ns=clock(), several_heads=True) as writer,
            Recorder(writer) as recorder,
        ):
            summary = run(source, pipeline, [recorder])
    assert summary.records == len(metal) + len(radar)
    assert summary.gaps == 0
    zeros = []
    with open_recording(out) as r:
        for sent in (metal, radar):
            back = r.block(sent.stream.name, 0, 10**6)
            np.testing.assert_array_equal(back.raw, sent.raw)
            np.testing.assert_array_equal(back.head_tick, sent.tick)
            # the session's clock is the host's, with one zero for both heads
            zero_ns = back.utc_ns - 1000 * back.tick
            assert before_ns <= zero_ns.min()
            assert zero_ns.max() < after_ns + 1000
            zeros.append(zero_ns)
        assert np.ptp(np.concatenate(zeros)) < 1000  # a tick is a microsecond
        again = run(RecordingSource(r), Pipeline(r.device, Profile(), model), [])
        assert {f.head for f in r.clock_fits()} == {"M-1", "G-1"}
        assert detection_table(again.detections).tobytes() == r.detection_table().tobytes()
    assert {round(d.x_m, 1) for d in summary.detections} >= {0.9, 1.7}


def test_streams_of_two_like_heads_keep_apart() -> None:
    wake, clock = threading.Event(), HostClock()
    other = DeviceDescription("counter", "C-2", "1", 1e6, (METAL, RADAR))
    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 1.0, 5), 1.0) as one,
        VirtualHead(other, lambda: counting(DEVICE.streams, 1.0, 5), 1.0) as two,
        Head.open(one.path, clock=clock, wake=wake) as first,
        Head.open(two.path, clock=clock, wake=wake) as second,
    ):
        source = JoinedSource([LiveSource(first), LiveSource(second)], wake, clock)
        items = [i for got in source.items() for i in got]
    assert [(s.stream_id, s.name) for s in source.device.streams] == [
        (0, "metal"), (1, "radar"), (2, "metal-2"), (3, "radar-2"),
    ]  # fmt: skip
    for s in source.device.streams:
        like = METAL if s.kind.is_metal else RADAR
        seq = np.concatenate([i.seq for i in items if isinstance(i, SampleBlock) and i.stream == s])
        assert seq.tolist() == list(range(round(like.rate_hz)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_frames_over_a_bad_cable() -> None:
    """Flips, drops, noise, repeats, stalls and disconnections: no wrong sample is ever delivered as good."""
    stream = StreamDescription(0, "metal", StreamKind.METAL, 1, 4, "int32", 50.0)
    device = DeviceDescription("counter", "C-3", "1", 1e6, (stream,))
    n = 1_020_000
    harm = Harm(flip=2e-5, drop=2e-5, insert=2e-5, duplicate=2e-5, stall=2e-7, disconnect=2e-7)
    received = missing = following = 0
    with (
        VirtualHead(device, lambda: counting((stream,), n / 50.0, 1), 0.0) as virtual,
        Interference(virtual.path, harm, seed=11) as cable,
        Head.open(cable.path) as head,
    ):
        began = time.monotonic()
        for got in LiveSource(head).items():
            for i in got:
                if isinstance(i, Gap):
                    assert i.first_seq == following
                    missing += i.n_records
                    following += i.n_records
                elif isinstance(i, SampleBlock):
                    assert int(i.seq[0]) == following
                    assert (i.raw == value(stream, i.seq)).all()
                    received += len(i)
                    following += len(i)
        c = head.counters
        took = time.monotonic() - began
    assert received + missing == following
    assert n - following < 1000
    assert cable.disconnections > 0
    print(
        f"{n} frames of one record in {took:.0f} s: {received} received, {missing} missing, "
        f"{n - following} after the last; {c.damaged} damaged frames, "
        f"{cable.disconnections} disconnections; no wrong sample"
    )
