"""What goes wrong while a link describes itself, at first and anew, is as loud as what goes wrong while it streams."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator

import numpy as np
import pytest

import firmware_host.exchange
from detector.samples import DeviceDescription, Event, Gap, SampleBlock, Severity, StreamDescription
from firmware_host.errors import LinkError
from firmware_host.head import Head, Item
from firmware_host.live_source import LiveSource
from firmware_host.virtual.head import Faults, VirtualHead
from firmware_host.virtual.interference import Harm, Interference
from firmware_host.wire.framing import FrameDecoder, encode_frame
from firmware_host.wire.messages import (
    Command,
    Kind,
    Opcode,
    Reply,
    Result,
    pack_device,
    pack_reply,
    pack_samples,
    pack_stream,
    read_command,
)
from tests.firmware_host.test_live_source import DEVICE, METAL, RADAR, account, counting, texts

GIVE_UP_S = 60.0


class Babbling(VirtualHead):
    """Sends messages that make no sense, and one of an unknown type, before it describes itself for the n-th time."""

    def __init__(self, nth: int, seconds: float = 60.0) -> None:
        self.described = 0
        self._nth = nth
        super().__init__(DEVICE, lambda: counting(DEVICE.streams, seconds, 5), 1.0)

    def _obey(self, c: Command) -> None:
        if c.opcode == Opcode.DESCRIBE:
            self.described += 1
            if self.described == self._nth:
                self._send(Kind.DEVICE, b"\x01")
                self._send(Kind.STREAM, b"\x01\x02")
                self._send(Kind.SAMPLES, b"short")
                self._send(0x7E, b"from a later version")
                self._write(b"noise, and no frame\0")
        super()._obey(c)


def pulled(head: Head, cable: Interference, times: int = 1, pull: Callable[[], None] = lambda: None) -> list[Item]:
    """What a session gives whose cable is pulled at the first records, plugged back at once, and again as soon as the
    head is back; up to the first records after the last time."""
    items: list[Item] = []
    source = LiveSource(head, give_up_s=GIVE_UP_S).items()
    for got in source:
        items += got
        records = any(isinstance(i, SampleBlock) and i.stream == METAL for i in got)
        back = len([t for t in texts(items, Severity.WARNING) if "C-1 is back" in t])
        if cable.disconnections == times:
            if records and back == times:
                break
        elif (records and not cable.disconnections) or back == cable.disconnections > 0:
            pull()
            cable.unplug_for(0.05)
    items += head.report()
    source.close()
    return items


def elsewhere(source: Generator[list[Item]], cable: Interference, other: VirtualHead, fault: str) -> list[Item]:
    """What a session gives whose cable comes to another head at the first records, up to that fault."""
    items: list[Item] = []
    for got in source:
        items += got
        if not cable.disconnections and any(isinstance(i, SampleBlock) for i in got):
            cable.unplug_for(0.05, other.path)
        if any(fault in t for t in texts(got, Severity.FAULT)):
            break
    return items


def assert_told(items: list[Item], head: Head) -> None:
    faults = [t for t in texts(items, Severity.FAULT) if "made no sense" in t]
    assert sum(int(t.split()[0]) for t in faults) == 3
    assert head.unknown_messages == 1
    assert any("unknown type" in t for t in texts(items, Severity.INFO))
    assert head.counters.damaged >= 1
    assert any("damaged frames" in t for t in texts(items, Severity.WARNING))


def test_what_made_no_sense_while_the_first_link_described_itself_is_told() -> None:
    with Babbling(1, 1.0) as virtual, Head.open(virtual.path) as head:
        items = [i for got in LiveSource(head).items() for i in got]
    assert_told(items, head)
    for s in DEVICE.streams:
        received, missing, _ = account(items, s)
        assert (received, missing) == (round(s.rate_hz), 0)


def test_what_made_no_sense_while_a_reconnected_link_described_itself_is_told() -> None:
    with (
        Babbling(2) as virtual,
        Interference(virtual.path, Harm()) as cable,
        Head.open(cable.path) as head,
    ):
        items = pulled(head, cable)
    assert_told(items, head)
    assert any("C-1 is back" in t for t in texts(items, Severity.WARNING))
    for s in DEVICE.streams:
        account(items, s)


def test_frames_dropped_while_a_reconnected_link_described_itself_are_told_and_are_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Late(VirtualHead):
        """Describes itself to the second who asks only after twenty more frames of samples."""

        asked = ()
        owed = 20

        def _obey(self, c: Command) -> None:
            if c.opcode == Opcode.DESCRIBE:
                self.asked = (*self.asked, c)
                if len(self.asked) > 1 and self.owed:
                    return
            super()._obey(c)

        def _send_samples(self, part: SampleBlock, odometer: bool, frame: int) -> None:
            super()._send_samples(part, odometer, frame)
            if len(self.asked) > 1 and self.owed:
                self.owed -= 1
                if not self.owed:
                    super()._obey(self.asked[-1])

    with (
        Late(DEVICE, lambda: counting(DEVICE.streams, 60.0, 5), 1.0) as virtual,
        Interference(virtual.path, Harm()) as cable,
        Head.open(cable.path) as head,
    ):

        def no_room() -> None:
            monkeypatch.setattr(firmware_host.exchange, "KEPT_BYTES", 1 << 10)
            monkeypatch.setattr(firmware_host.exchange, "QUEUE_BYTES", 0)

        items = pulled(head, cable, pull=no_room)
    told = [t for t in texts(items, Severity.FAULT) if "thrown away" in t]
    assert sum(int(t.split(" bytes and ")[1].split()[0]) for t in told) >= 5
    assert sum(account(items, s)[1] for s in DEVICE.streams) >= 5


class Cut:
    """A link that answers, and upon SET gives `n` frames of one record each instead of an answer, and is lost."""

    port = "cut"

    def __init__(self, n: int) -> None:
        self._n = n
        self._sequence = 0
        self._commands = FrameDecoder()
        self._out: queue.Queue[bytes | None] = queue.Queue()

    def read(self) -> bytes:
        try:
            data = self._out.get(timeout=0.02)
        except queue.Empty:
            return b""
        if data is None:
            raise LinkError("The port cut stopped answering.")
        return data

    def write(self, data: bytes) -> None:
        for frame in self._commands.feed(data):
            c = read_command(frame.payload)
            if c.opcode == Opcode.SET:
                for block in counting((METAL,), self._n / METAL.rate_hz, 1):
                    self._say(Kind.SAMPLES, pack_samples(METAL, 1, int(block.seq[0]), block.tick, None, block.raw))
                self._out.put(None)
                return
            if c.opcode == Opcode.DESCRIBE:
                self._say(Kind.DEVICE, pack_device(DEVICE, 0))
                for stream in DEVICE.streams:
                    self._say(Kind.STREAM, pack_stream(stream))
            self._say(Kind.REPLY, pack_reply(Reply(c.request, Result.OK, 0.0, "")))

    def close(self) -> None:
        pass

    def _say(self, kind: Kind, payload: bytes) -> None:
        self._out.put(encode_frame(kind, self._sequence, payload))
        self._sequence += 1


def test_what_came_before_the_line_was_lost_in_the_middle_of_a_command_is_in_the_record() -> None:
    with Head(Cut(7)) as head:
        head.describe()
        head.start()
        with pytest.raises(LinkError, match="stopped answering"):
            head.set_parameter("tx_current", 1.0)
        items = head.hang_up()
    assert account(items, METAL) == (7, 0, 7)


def test_a_line_that_is_lost_again_at_once_is_found_again() -> None:
    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 60.0, 5), 1.0) as virtual,
        Interference(virtual.path, Harm()) as cable,
        Head.open(cable.path) as head,
    ):
        items = pulled(head, cable, times=2)
    assert cable.disconnections == 2
    assert len([t for t in texts(items, Severity.WARNING) if "C-1 is back" in t]) == 2
    assert all(account(items, s)[0] > 0 for s in DEVICE.streams)
    assert account(items, METAL)[1] > 0


def test_a_head_that_describes_its_streams_otherwise_than_before_is_refused_with_what_differs() -> None:
    older = StreamDescription(0, "metal", METAL.kind, 1, 3, "int32", 500.0)
    before_update = DeviceDescription(DEVICE.model, DEVICE.serial, DEVICE.firmware, DEVICE.tick_hz, (older, RADAR))
    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 60.0, 5), 1.0) as virtual,
        VirtualHead(before_update, list) as other,
        Interference(virtual.path, Harm()) as cable,
        Head.open(cable.path) as head,
    ):
        source = LiveSource(head, give_up_s=GIVE_UP_S).items()
        items = elsewhere(source, cable, other, "streams otherwise")
        source.close()
    lost = next(k for k, i in enumerate(items) if isinstance(i, Event) and "stopped answering" in i.text)
    assert not any(isinstance(i, SampleBlock) for i in items[lost:])


def test_something_that_sends_and_never_says_who_it_is_is_told_and_counted() -> None:
    class Mute(VirtualHead):
        """Sends noise for an answer to whoever asks who it is."""

        def _obey(self, c: Command) -> None:
            if c.opcode == Opcode.DESCRIBE:
                self._write(b"noise, and no frame\0")

    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 60.0, 5), 1.0) as virtual,
        Mute(DEVICE, list) as other,
        Interference(virtual.path, Harm()) as cable,
        Head.open(cable.path) as head,
    ):
        source = LiveSource(head, give_up_s=GIVE_UP_S).items()
        items = elsewhere(source, cable, other, "has not said in time")
        items += head.report()
        source.close()
    assert head.counters.damaged >= 1
    assert any("damaged frames" in t for t in texts(items, Severity.WARNING))


def test_a_head_that_had_finished_for_a_host_that_went_away_plays_to_the_end_for_the_next() -> None:
    with VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 0.5, 5), 0.0) as virtual:
        with Head.open(virtual.path) as head:
            head.describe()
            head.start()
            while not any(isinstance(i, SampleBlock) and i.stream == RADAR for i in head.read()):
                pass
        with Head.open(virtual.path) as head:
            source = LiveSource(head)
            # what it says of the sweep before waits by now
            while not any(f.kind == Kind.STATUS for f in head._exchange.kept):
                for frame in head._exchange.frames():
                    head._exchange.keep(frame)
            items = [i for got in source.items() for i in got]
    for s in DEVICE.streams:
        seq = np.concatenate([i.seq for i in items if isinstance(i, SampleBlock) and i.stream == s])
        assert seq.tolist() == list(range(round(0.5 * s.rate_hz)))
    assert not any(isinstance(i, Gap) for i in items)


def test_a_head_that_restarted_with_other_firmware_while_it_streamed_is_told() -> None:
    with (
        VirtualHead(DEVICE, lambda: counting(DEVICE.streams, 60.0, 5), 1.0, Faults(other_firmware_after=20)) as virtual,
        Head.open(virtual.path) as head,
    ):
        told: list[str] = []
        source = LiveSource(head, silence_s=0.3).items()
        for got in source:
            told += texts(got, Severity.FAULT)
            if any("(updated)" in t for t in told):
                break
        source.close()
    assert any("stopped by itself" in t for t in told)
    assert any("now describes itself as counter serial C-1, firmware 1 (updated)" in t for t in told)
