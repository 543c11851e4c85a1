"""A head over a real pseudo-terminal: every record comes whole or is counted as missing."""

from __future__ import annotations

import os
import pty
import threading
import time
import tty
from collections.abc import Callable

import numpy as np
import pytest

from detector.samples import DeviceDescription, Event, Gap, SampleBlock, Severity
from firmware_host.errors import HeadError, LinkError
from firmware_host.head import Head
from firmware_host.live_source import LiveSource
from firmware_host.virtual.head import Faults, VirtualHead
from firmware_host.wire.messages import HeadState, HeadStatus

DualHead = tuple[DeviceDescription, list[SampleBlock]]
Receive = Callable[..., tuple[list[object], Head]]


def in_time_order(blocks: list[SampleBlock], size: int = 8) -> list[SampleBlock]:
    return sorted((b[i : i + size] for b in blocks for i in range(0, len(b), size)), key=lambda b: int(b.tick[0]))


@pytest.fixture
def receive(dual_head: DualHead) -> Receive:
    device, blocks = dual_head
    played = in_time_order(blocks)

    def go(faults: Faults | None = None, speed: float = 0.0) -> tuple[list[object], Head]:
        with VirtualHead(device, lambda: played, speed, faults) as virtual, Head.open(virtual.path) as head:
            assert head.describe() == device
            head.start()
            items: list[object] = []
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                items += head.read()
                if any(isinstance(i, HeadStatus) and i.state is HeadState.FINISHED for i in items[-3:]):
                    return items + head.report(), head
            pytest.fail("the virtual head never finished")

    return go


def joined(items: list[object], stream_id: int) -> SampleBlock:
    found = [i for i in items if isinstance(i, SampleBlock) and i.stream.stream_id == stream_id]
    return SampleBlock(
        found[0].stream,
        *(np.concatenate([getattr(b, f) for b in found]) for f in ("seq", "tick", "utc_ns", "odometer_um", "raw")),
    )


def gaps(items: list[object]) -> list[Gap]:
    return [i for i in items if isinstance(i, Gap)]


def texts(items: list[object]) -> str:
    return "\n".join(i.text for i in items if isinstance(i, Event))


def test_every_record_arrives_bit_for_bit(receive: Receive, dual_head: DualHead) -> None:
    items, head = receive()
    for sent in dual_head[1]:
        got = joined(items, sent.stream.stream_id)
        for field in ("seq", "tick", "odometer_um", "raw"):
            np.testing.assert_array_equal(getattr(got, field), getattr(sent, field), err_msg=field)
    assert gaps(items) == []
    assert (head.counters.damaged, head.counters.lost, head.unknown_messages) == (0, 0, 0)
    assert texts(items) == ""


@pytest.mark.parametrize(
    ("faults", "counted"),
    [(Faults(drop_every=7), "lost"), (Faults(damage_every=7), "bad_crc")],
    ids=["dropped", "damaged"],
)
def test_what_is_lost_is_a_gap_of_exactly_its_size(
    receive: Receive, dual_head: DualHead, faults: Faults, counted: str
) -> None:
    items, head = receive(faults)
    c = head.counters
    assert c.lost > 0
    if counted == "bad_crc":
        assert c.damaged == c.lost
    for sent in dual_head[1]:
        got = joined(items, sent.stream.stream_id)
        missing = [
            s
            for g in gaps(items)
            if g.stream_id == sent.stream.stream_id
            for s in range(g.first_seq, g.first_seq + g.n_records)
        ]
        tail = list(range(int(got.seq[-1]) + 1, len(sent)))  # lost at the very end: nothing comes after to tell
        assert sorted([*got.seq.tolist(), *missing, *tail]) == sent.seq.tolist()
        np.testing.assert_array_equal(got.raw, sent.raw[got.seq])
    assert f"{c.damaged} damaged frames" in texts(items) or "lost ones" in texts(items)


def test_garbage_between_frames_costs_no_record(receive: Receive, dual_head: DualHead) -> None:
    items, head = receive(Faults(garbage_every=3))
    assert gaps(items) == []
    assert head.counters.damaged > 10
    for sent in dual_head[1]:
        np.testing.assert_array_equal(joined(items, sent.stream.stream_id).raw, sent.raw)


def test_repeats_are_given_once_and_unknown_messages_skipped(receive: Receive, dual_head: DualHead) -> None:
    items, head = receive(Faults(repeat_every=5, unknown_every=4))
    assert gaps(items) == []
    for sent in dual_head[1]:
        np.testing.assert_array_equal(joined(items, sent.stream.stream_id).raw, sent.raw)
    assert head.unknown_messages > 10
    assert "again" in texts(items)
    assert "unknown type" in texts(items)


def test_ticks_wrap(receive: Receive, dual_head: DualHead) -> None:
    items, _ = receive(Faults(first_tick=2**32 - 3_000_000))
    for sent in dual_head[1]:
        got = joined(items, sent.stream.stream_id)
        np.testing.assert_array_equal(np.diff(got.tick), np.diff(sent.tick))
        assert (np.diff(got.utc_ns) >= 0).all()


def test_the_head_reports_its_own_faults(receive: Receive) -> None:
    items, _ = receive(Faults(fault_bits=0b1000))
    seen = {f for i in items if isinstance(i, HeadStatus) for f in i.faults}
    assert seen == {"sensor frozen"}


def faults_of(source: LiveSource, silent: set[str]) -> list[str]:
    """Faults of a session up to the moment at which these streams, and no others, stand silent."""
    faults: list[str] = []
    now: set[str] = set()
    items = source.items()
    for got in items:
        for event in (i for i in got if isinstance(i, Event)):
            stream = event.text.split(":")[0]
            if event.severity is Severity.FAULT:
                faults.append(event.text)
                now.add(stream)
            elif "coming again" in event.text:
                now.discard(stream)
        if now == silent:
            break
    items.close()
    assert now == silent
    return faults


def test_a_head_that_hangs_is_a_fault_and_then_says_when_it_is_back(dual_head: DualHead) -> None:
    device, blocks = dual_head
    played = in_time_order(blocks)
    with (
        VirtualHead(device, lambda: played, 1.0, Faults(hang_after=20)) as virtual,
        Head.open(virtual.path) as head,
    ):
        faults = faults_of(LiveSource(head, duration_s=100.0, silence_s=0.5), {"metal", "radar"})
    assert all("no samples for" in t and "nothing is being swept" in t for t in faults)


def test_a_dead_stream_is_a_fault_though_the_other_goes_on(dual_head: DualHead) -> None:
    device, (metal, _) = dual_head
    played = in_time_order([metal])
    with VirtualHead(device, lambda: played, 1.0) as virtual, Head.open(virtual.path) as head:
        faults = faults_of(LiveSource(head, duration_s=100.0, silence_s=0.5), {"radar"})
    assert all("no samples for" in t for t in faults)


def test_parameters_are_read_set_and_refused(dual_head: DualHead) -> None:
    device, _ = dual_head
    with VirtualHead(device, list) as virtual, Head.open(virtual.path) as head:
        head.describe()
        table = {p.name: p for p in head.parameters()}
        assert table["status_interval"].unit == "ms"
        assert head.set_parameter("status_interval", 100.0) == 100.0
        with pytest.raises(HeadError, match="status_interval = 1 is not allowed: it must be from 20 to 5000 ms"):
            head.set_parameter("status_interval", 1.0)
        with pytest.raises(HeadError, match="sample_frames_sent can only be read"):
            head.set_parameter("sample_frames_sent", 0.0)
        with pytest.raises(HeadError, match="there is no parameter"):
            head.get_parameter("nonsense")


def test_unplugging_is_a_link_error(dual_head: DualHead) -> None:
    device, blocks = dual_head
    played = in_time_order(blocks)
    with VirtualHead(device, lambda: played, 1.0) as virtual, Head.open(virtual.path) as head:
        head.describe()
        head.start()
        threading.Timer(0.5, virtual.unplug).start()
        deadline = time.monotonic() + 10

        def read_on() -> None:
            while time.monotonic() < deadline:
                head.read()

        with pytest.raises(LinkError, match="stopped answering"):
            read_on()


@pytest.mark.parametrize(
    ("noise", "words"), [(b"", "Nothing came at all"), (b"NMEA $GPGGA,123519\r\n\0" * 20, "baud rate")]
)
def test_what_is_no_head_is_said_to_be_none(noise: bytes, words: str) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        with Head.open(os.ttyname(slave)) as head:
            os.write(master, noise)
            with pytest.raises(HeadError, match=words):
                head.describe(timeout_s=0.3)
    finally:
        os.close(master)
        os.close(slave)
