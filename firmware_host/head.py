"""One detector head: who it is, its streams, its parameters, its commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final

from detector.samples import (
    DeviceDescription,
    Event,
    Gap,
    ParameterReading,
    SampleBlock,
    Severity,
    StreamDescription,
)
from firmware_host.errors import HeadError, WireError
from firmware_host.link import Link, SerialLink
from firmware_host.timeline import Timeline
from firmware_host.wire.framing import Frame, FrameCounters, FrameDecoder, encode_frame
from firmware_host.wire.messages import (
    Command,
    DeviceMessage,
    HeadState,
    HeadStatus,
    Kind,
    Opcode,
    Parameter,
    Reply,
    Result,
    SamplesMessage,
    pack_command,
    read_device,
    read_parameter,
    read_reply,
    read_samples,
    read_status,
    read_stream,
    same_value,
)

__all__ = ["Head", "HeadState", "HeadStatus"]

Item = SampleBlock | Gap | Event | HeadStatus | ParameterReading

_REPORT_S: Final = 1.0
"""Damage on the wire is told at most this often, with its count; it is always counted."""

_UNREAD_BYTES: Final = 1 << 24
"""Most payload that is kept for `read` while a command waits for its answer: 14 s of a 12 Mbaud line."""


class Head:
    """A head on an open link. A context manager; leaving it stops the head and closes the port.

    Raises
    ------
    LinkError
        when the port cannot be opened or stops answering
    HeadError
        when what answers is not a head, or refuses a command
    """

    def __init__(self, link: Link, clock: Callable[[], int] = time.time_ns) -> None:
        self._link = link
        self._clock = clock
        self._decoder = FrameDecoder()
        self._sequence = 0
        self._request = 0
        self._device: DeviceDescription | None = None
        self._streams: dict[int, StreamDescription] = {}
        self._timeline: Timeline | None = None
        self._unread: list[Frame] = []
        self._parameter_hash = 0
        self._known: dict[str, Parameter] = {}
        # one for each parameter that this program itself set: `read` empties it
        self._changed: list[ParameterReading] = []
        self._unknown = 0
        self._senseless = 0
        self._last_senseless = ""
        self._told = FrameCounters()
        self._told_unknown = 0
        self._told_at = float("-inf")

    @classmethod
    def open(cls, port: str, baudrate: int = 921600, clock: Callable[[], int] = time.time_ns) -> Head:
        """Open a port; nothing is sent yet."""
        return cls(SerialLink(port, baudrate), clock)

    @classmethod
    def known(cls, link: Link, device: DeviceDescription, clock: Callable[[], int] = time.time_ns) -> Head:
        """A head that need not be asked who it is: its description was kept along with its bytes."""
        head = cls(link, clock)
        head._device = device
        head._streams = {s.stream_id: s for s in device.streams}
        head._timeline = Timeline(device)
        return head

    def __enter__(self) -> Head:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._link.close()

    @property
    def counters(self) -> FrameCounters:
        """A copy of what went over the wire so far."""
        return replace(self._decoder.counters)

    @property
    def unknown_messages(self) -> int:
        """Messages of types that this software does not know: skipped."""
        return self._unknown

    @property
    def parameter_hash(self) -> int:
        """Of its parameter table, as the head said when it described itself; 0 if it did not say."""
        return self._parameter_hash

    def describe(self, timeout_s: float = 3.0) -> DeviceDescription:
        """Ask the head who it is and what it streams. Asks again every half second until it answers."""
        deadline = time.monotonic() + timeout_s
        asked = float("-inf")
        device: DeviceMessage | None = None
        streams: dict[int, StreamDescription] = {}
        while time.monotonic() < deadline:
            if time.monotonic() - asked > 0.5:
                self._send(Opcode.DESCRIBE)
                asked = time.monotonic()
            for frame in self._decoder.feed(self._link.read()):
                if frame.kind == Kind.DEVICE:
                    device, streams = read_device(frame.payload), {}
                elif frame.kind == Kind.STREAM:
                    stream = read_stream(frame.payload)
                    streams[stream.stream_id] = stream
            if device is not None and len(streams) == device.n_streams:
                self._device = DeviceDescription(
                    device.model, device.serial, device.firmware, device.tick_hz, tuple(streams.values())
                )
                self._streams = streams
                self._parameter_hash = device.parameter_hash
                self._timeline = Timeline(self._device)
                return self._device
        c = self._decoder.counters
        seen = f"{c.bytes} bytes came, {c.frames} good frames and {c.damaged} damaged ones"
        advice = (
            "Nothing came at all: is the head switched on, and is this its port?"
            if c.bytes == 0
            else "Is the baud rate right, and does the firmware speak protocol version 1?"
            + (f" {c.wrong_version} frames were of another version." if c.wrong_version else "")
        )
        raise HeadError(f"No head described itself on {self._link.port} within {timeout_s:g} s: {seen}. {advice}")

    def start(self) -> None:
        """Ask for samples."""
        self._command(Opcode.START)

    def stop(self) -> None:
        """Ask the head to stop. Sent once and not waited for: it is also said to heads that hang."""
        self._send(Opcode.STOP)

    def parameters(self, timeout_s: float = 2.0) -> list[Parameter]:
        """The head's parameter table with the values of now; none if it has no parameters.

        Raises
        ------
        HeadError
            if it does not come, or not whole.
        """
        request = self._send(Opcode.LIST_PARAMETERS)
        found: dict[int, Parameter] = {}
        total: int | None = None

        def take(frame: Frame) -> bool | None:
            nonlocal total
            if frame.kind == Kind.PARAMETER:
                parameter, total = read_parameter(frame.payload)
                found[parameter.index] = parameter
                return len(found) == total
            if frame.kind == Kind.REPLY and read_reply(frame.payload).request == request:
                total = total or 0
                return True
            return None

        self._wait(take, timeout_s)
        if total is None or len(found) < total:
            wanted = "an unknown number" if total is None else str(total)
            raise HeadError(
                f"The head on {self._link.port} sent {len(found)} of {wanted} of parameters within {timeout_s:g} s. "
                "Some were lost on the way: try again, and check the cable if that does not help."
            )
        self._known = {p.name: p for p in found.values()}
        return [found[i] for i in sorted(found)]

    def get_parameter(self, name: str) -> float:
        """Value of a parameter as the head has it now."""
        return self._command(Opcode.GET, name).value

    def set_parameter(self, name: str, value: float) -> float:
        """Set a parameter and read it back; the value that the head now has.

        Raises
        ------
        HeadError
            if the head does not know it, refuses the value, in the head's own words, or says that it was
            done and yet holds another value. A head may hold numbers as f32, and then gives the nearest one.
        """
        self._command(Opcode.SET, name, value)
        got = self.get_parameter(name)
        self._note(name, got)
        if not same_value(value, got):
            raise HeadError(
                f"The head took {name} = {value:g} and then read back {got:g}. Something else sets it too, or its "
                "firmware is at fault: do not trust this setting."
            )
        return got

    def restore_defaults(self) -> None:
        """Every writable parameter back to its default; what the head keeps over a power cut stays."""
        self._command(Opcode.DEFAULTS)
        before = {name: p.value for name, p in self._known.items()}
        for p in self.parameters():
            if p.value != before.get(p.name):
                self._note(p.name, p.value)

    def save_parameters(self) -> None:
        """Have the head keep the values of its persistent parameters over a power cut."""
        self._command(Opcode.SAVE, timeout_s=10.0)  # a flash page takes its time to erase

    def _note(self, name: str, value: float) -> None:
        """For the record: a parameter now has this value."""
        nan = float("nan")
        known = self._known.get(name) or Parameter(0, name, "", "", nan, nan, nan, value)
        self._known[name] = replace(known, value=value)
        self._changed.append(self._known[name].reading(self._clock()))

    def read(self) -> list[Item]:
        """What has come in since the last call, in order; waits up to the link's timeout for it.

        A gap stands before the block that follows it; a block never spans one. Records that come
        twice are given once.
        """
        timeline = self._timeline
        if timeline is None:
            raise HeadError("Ask the head to describe itself before reading its samples.")
        data = self._link.read()
        arrival = self._clock()
        frames = self._unread + self._decoder.feed(data)
        self._unread = []
        items: list[Item] = list(self._changed)
        self._changed.clear()
        samples: list[SamplesMessage] = []
        for frame in frames:
            try:
                if frame.kind == Kind.SAMPLES:
                    samples.append(read_samples(frame.payload, self._streams))
                elif frame.kind == Kind.STATUS:
                    items += timeline.add(samples, arrival)
                    samples = []
                    items.append(read_status(frame.payload))
                elif frame.kind == Kind.PARAMETER:  # unasked: somebody turned a knob
                    parameter, _ = read_parameter(frame.payload)
                    self._known[parameter.name] = parameter
                    items.append(parameter.reading(arrival))
                elif frame.kind not in (Kind.DEVICE, Kind.STREAM, Kind.REPLY):
                    self._unknown += 1
            except WireError as e:
                self._senseless += 1
                self._last_senseless = str(e)
        items += timeline.add(samples, arrival)
        return items + self._damage(arrival)

    def report(self) -> list[Item]:
        """What of the damage on the wire has not been told yet."""
        self._told_at = float("-inf")
        return self._damage(self._clock())

    def _damage(self, arrival: int) -> list[Item]:
        now = time.monotonic()
        c, told = self._decoder.counters, self._told
        if now - self._told_at < _REPORT_S:
            return []
        self._told_at = now
        damaged, lost = c.damaged - told.damaged, c.lost - told.lost
        unknown = self._unknown - self._told_unknown
        self._told, self._told_unknown = replace(c), self._unknown
        items: list[Item] = []
        if damaged or lost:
            text = f"{damaged} damaged frames and {lost} lost ones on {self._link.port} since the last report."
            items.append(Event(arrival, Severity.WARNING, "wire", text + " Check cable and baud rate."))
        if self._senseless:
            text = f"{self._senseless} messages made no sense. {self._last_senseless}"
            items.append(Event(arrival, Severity.FAULT, "wire", text))
            self._senseless = 0
        if unknown:
            text = f"{unknown} messages of an unknown type were skipped: the firmware may be newer than this software."
            items.append(Event(arrival, Severity.INFO, "wire", text))
        return items

    def _send(self, opcode: Opcode, name: str = "", value: float = 0.0) -> int:
        self._request = (self._request + 1) & 0xFFFF
        payload = pack_command(Command(self._request, opcode, name, value))
        # the leading zero ends whatever noise the head may have taken for the start of a frame
        self._link.write(b"\0" + encode_frame(Kind.COMMAND, self._sequence, payload))
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._request

    def _command(self, opcode: Opcode, name: str = "", value: float = 0.0, timeout_s: float = 2.0) -> Reply:
        request = self._send(opcode, name, value)
        reply: Reply | None = None

        def take(frame: Frame) -> bool | None:
            nonlocal reply
            if frame.kind == Kind.REPLY:
                answer: Reply = read_reply(frame.payload)
                if answer.request == request:
                    reply = answer
                    return True
            return None

        self._wait(take, timeout_s)
        if reply is None:
            raise HeadError(
                f"The head on {self._link.port} did not answer {opcode.name} within {timeout_s:g} s. "
                "Switch it off and on, and start again."
            )
        if reply.result is not Result.OK:
            raise HeadError(f"The head refused {opcode.name} {name}: {reply.text}")
        return reply

    def _wait(self, take: Callable[[Frame], bool | None], timeout_s: float) -> None:
        """Give frames to `take` until it says True, or for that long; those that it answers with None are kept
        for `read`, in order. Samples outrank commands: before too many wait, the command fails, and none is lost.
        """
        deadline = time.monotonic() + timeout_s
        waiting = sum(len(f.payload) for f in self._unread)
        done = False
        while not done and time.monotonic() < deadline:
            if waiting > _UNREAD_BYTES:
                raise HeadError(
                    f"The head on {self._link.port} sent {waiting >> 20} MB and no answer to a command. No samples "
                    "were lost; whether the command was obeyed is not known. Stop the head, then try again."
                )
            for frame in self._decoder.feed(self._link.read()):
                try:
                    taken = None if done else take(frame)
                except WireError as e:
                    self._senseless += 1
                    self._last_senseless = str(e)
                    continue
                done = done or bool(taken)
                if taken is None:
                    self._unread.append(frame)
                    waiting += len(frame.payload)
