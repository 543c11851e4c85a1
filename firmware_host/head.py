"""One detector head: who it is, its streams, its parameters, its commands."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Final

from detector.errors import SampleError
from detector.samples import (
    ClockFit,
    DeviceDescription,
    Event,
    Gap,
    ParameterReading,
    SampleBlock,
    Severity,
    StreamDescription,
)
from firmware_host.clock import HostClock
from firmware_host.damage import Damage
from firmware_host.errors import HeadError, LinkError, WireError
from firmware_host.exchange import Exchange
from firmware_host.link import Link, SerialLink
from firmware_host.reader import Direct, Reader
from firmware_host.timeline import Timeline
from firmware_host.wire.framing import Frame, FrameCounters, warm_up
from firmware_host.wire.messages import (
    DeviceMessage,
    HeadStatus,
    Kind,
    Opcode,
    Parameter,
    SamplesMessage,
    read_device,
    read_parameter,
    read_reply,
    read_samples,
    read_status,
    read_stream,
    same_value,
)

Item = SampleBlock | Gap | Event | HeadStatus | ClockFit | ParameterReading

_CLOCK_S: Final = 10.0
"""How often the fit of the head's clock is given out, to be recorded."""


class Head:
    """A head on an open link. A context manager; leaving it stops the head and closes the port.

    Raises
    ------
    LinkError
        when the port cannot be opened or stops answering
    HeadError
        when what answers is not a head, or refuses a command
    """

    def __init__(
        self,
        link: Link,
        clock: Callable[[], int] | None = None,
        wake: threading.Event | None = None,
        baudrate: int = 921600,
        reader: Direct | None = None,
    ) -> None:
        self._baudrate = baudrate
        self._clock = clock or HostClock()
        self._wake = wake
        self._exchange = Exchange(reader or Reader(link, self._clock, wake), self._clock)
        self._device: DeviceDescription | None = None
        self._streams: dict[int, StreamDescription] = {}
        self._timeline: Timeline | None = None
        self._parameter_hash = 0
        self._known: dict[str, Parameter] = {}
        # one for each parameter that this program itself set: `read` empties it
        self._changed: list[ParameterReading] = []
        self._unknown = 0
        self._told_otherwise = False
        self._damage = Damage()
        self._clock_told_at = time.monotonic()

    def sibling(self, port: str) -> Head:
        """Another head on that port, with this one's baud rate, clock and waker."""
        return Head.open(port, self._baudrate, self._clock, self._wake)

    @classmethod
    def open(
        cls,
        port: str,
        baudrate: int = 921600,
        clock: Callable[[], int] | None = None,
        wake: threading.Event | None = None,
    ) -> Head:
        """Open a port; nothing is sent yet."""
        warm_up()
        return cls(SerialLink(port, baudrate), clock, wake, baudrate)

    @classmethod
    def known(cls, link: Link, device: DeviceDescription, clock: Callable[[], int]) -> Head:
        """A head that need not be asked who it is: its description was kept along with its bytes, which wait."""
        head = cls(link, clock, reader=Direct(link, clock))
        head._device = device
        head._streams = {s.stream_id: s for s in device.streams}
        head._timeline = Timeline(device)
        return head

    def __enter__(self) -> Head:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the port. Leaving the context does the same."""
        self._exchange.reader.close()

    def now_ns(self) -> int:
        """Host time as this head's records are stamped with, ns since 1970 UTC."""
        return self._clock()

    @property
    def port(self) -> str:
        return self._exchange.reader.port

    @property
    def device(self) -> DeviceDescription:
        """As the head described itself; HeadError before `describe`."""
        if self._device is None:
            raise HeadError("Ask the head to describe itself first.")
        return self._device

    def reattach(self, other: Head) -> None:
        """Go on with the link of another `Head` that found the same device again.

        Record numbers, ticks and places go on where they were: what is missing becomes a gap. `other` has
        described itself and is not to be used any more.

        Raises
        ------
        HeadError
            if it is another device, or describes other streams than before.
        """
        if why_not := self.stranger(other):
            raise HeadError(why_not)
        self._exchange.go_on_with(other._exchange)

    def stranger(self, other: Head) -> str:
        """Why `other` is not this head as it described itself at first, for a person; '' if it is."""
        now, then = other.device, self.device
        if now == then:
            return ""
        text = (
            f"On {other.port} is {now.model} serial {now.serial}, firmware {now.firmware or 'not stated'}, not the "
            f"head of this sweep (serial {then.serial}, firmware {then.firmware or 'not stated'}) as it was. "
        )
        if (now.model, now.serial, now.firmware) == (then.model, then.serial, then.firmware):
            text += "It says the same name and describes its clock or its streams otherwise. "
        return text + "Plug that one in, or end this sweep and start a new one."

    def hang_up(self) -> list[Item]:
        """Close a link that was lost, so that its port can be opened anew; what had come over it and was not read."""
        self._exchange.reader.close()
        with contextlib.suppress(LinkError):
            for frame in self._exchange.frames(0.0):
                self._exchange.keep(frame)
        return self.report()

    def count_in(self, other: Head) -> None:
        """Damage on a link over which this head was sought counts as this head's, and is told."""
        self._exchange.count_in(other._exchange)

    @property
    def counters(self) -> FrameCounters:
        """A copy of what went over the wire so far."""
        return replace(self._exchange.counters)

    @property
    def most_waiting_bytes(self) -> int:
        """How many bytes ever waited to be decoded: how near the host came to losing some."""
        return self._exchange.reader.most_waiting

    @property
    def unknown_messages(self) -> int:
        """Messages of types that this software does not know: skipped."""
        return self._unknown

    @property
    def parameter_hash(self) -> int:
        """Of its parameter table, as the head said when it described itself; 0 if it did not say."""
        return self._parameter_hash

    @property
    def run(self) -> int | None:
        """Number of the head's present run, another one after every START and restart; None before its first record."""
        return None if self._timeline is None else self._timeline.run

    @property
    def settings(self) -> Mapping[str, Parameter]:
        """Its parameters by name as they last came; empty before they were asked for. Does not change by itself."""
        return self._known

    def describe(self, timeout_s: float = 3.0) -> DeviceDescription:
        """Ask the head who it is and what it streams. Asks again every half second until it answers.

        Whatever else comes meanwhile waits for `read`. A description that makes no sense is counted, told by `read`
        as any other message of that kind, and asked for again.

        Raises
        ------
        HeadError
            if it does not describe itself in time, or as something that cannot be.
        """
        deadline = time.monotonic() + timeout_s
        asked = float("-inf")
        device: DeviceMessage | None = None
        streams: dict[int, StreamDescription] = {}
        while time.monotonic() < deadline:
            if time.monotonic() - asked > 0.5:
                self._exchange.send(Opcode.DESCRIBE)
                asked = time.monotonic()
            for frame in self._exchange.frames():
                try:
                    if frame.kind == Kind.DEVICE:
                        device, streams = read_device(frame.payload), {}
                    elif frame.kind == Kind.STREAM:
                        stream = read_stream(frame.payload)
                        streams[stream.stream_id] = stream
                    elif frame.kind != Kind.REPLY:
                        self._exchange.keep(frame)
                except WireError as e:
                    self._exchange.note_senseless(e)
            if device is not None and len(streams) == device.n_streams:
                try:
                    self._device = DeviceDescription(
                        device.model, device.serial, device.firmware, device.tick_hz, tuple(streams.values())
                    )
                except SampleError as e:
                    raise HeadError(f"The head on {self.port} describes itself as something that cannot be. {e}") from e
                self._streams = streams
                self._parameter_hash = device.parameter_hash
                self._timeline = Timeline(self._device)
                return self._device
        c = self._exchange.counters
        seen = f"{c.bytes} bytes came, {c.frames} good frames and {c.damaged} damaged ones"
        advice = (
            "Nothing came at all: is the head switched on, and is this its port?"
            if c.bytes == 0
            else "Is the baud rate right, and does the firmware speak protocol version 1?"
            + (f" {c.wrong_version} frames were of another version." if c.wrong_version else "")
        )
        if self._exchange.senseless:
            seen += f"; {self._exchange.senseless} messages made no sense"
            advice = f"{self._exchange.last_senseless} {advice}"
        raise HeadError(f"No head described itself on {self.port} within {timeout_s:g} s: {seen}. {advice}")

    def start(self) -> None:
        """Ask for samples. What a head that streamed already had sent before is not of this sweep."""
        running = None if self._timeline is None else self._timeline.run
        before = self._runs() | ({running} if running is not None else set())
        for left in (2, 1, 0):
            try:
                # not sent again by itself: each START begins a new run
                self._exchange.command(Opcode.START, timeout_s=1.0, again_s=float("inf"))
                break
            except HeadError:
                if self._runs() - before:
                    break  # the reply was lost, but it plainly has started
                if not left:
                    raise
        if running is not None and self._timeline is not None:
            self._timeline.end_run()
        if running is None:
            # a status that says that the sweep before has finished would end this one; the next comes soon
            self._exchange.drop(
                lambda f: f.kind == Kind.STATUS or (f.kind == Kind.SAMPLES and self._run_of(f) in before)
            )

    def _runs(self) -> set[int]:
        """Runs of the sample frames put by."""
        runs = (self._run_of(f) for f in self._exchange.kept if f.kind == Kind.SAMPLES)
        return {run for run in runs if run is not None}

    def _run_of(self, frame: Frame) -> int | None:
        try:
            return read_samples(frame.payload, self._streams).run
        except WireError:
            return None  # it waits for `read`, which tells it

    def ask_who(self) -> None:
        """Ask the head to describe itself again; `read` tells if it is otherwise than at first."""
        self._exchange.send(Opcode.DESCRIBE)

    def ask_parameters(self) -> None:
        """Ask the head for its parameter table; each value comes with the samples."""
        self._exchange.send(Opcode.LIST_PARAMETERS)

    def ask_status(self) -> None:
        """Ask the head how it is; the answer comes with the samples."""
        self._exchange.send(Opcode.STATUS)

    def stop(self) -> None:
        """Ask the head to stop. Sent once and not waited for: it is also said to heads that hang."""
        self._exchange.send(Opcode.STOP)

    def firmware_now(self, timeout_s: float = 2.0) -> str:
        """Ask again what firmware it runs, while it streams; no sample is lost by it.

        Raises
        ------
        HeadError
            if it does not say.
        """
        said: list[str] = []

        def take(frame: Frame) -> bool | None:
            if frame.kind == Kind.DEVICE:
                said.append(read_device(frame.payload).firmware)
                return True
            return False if frame.kind == Kind.STREAM else None

        def ask() -> None:
            self._exchange.send(Opcode.DESCRIBE)

        self._exchange.wait(take, timeout_s, ask, again_s=0.5)
        if not said:
            raise HeadError(f"The head on {self.port} did not say within {timeout_s:g} s what firmware it runs.")
        return said[0]

    def parameters(self, timeout_s: float = 2.0) -> list[Parameter]:
        """The head's parameter table with the values of now; none if it has no parameters.

        Raises
        ------
        HeadError
            if it does not come, or not whole.
        """
        requests: set[int] = set()
        found: dict[int, Parameter] = {}
        total: int | None = None

        def take(frame: Frame) -> bool | None:
            nonlocal total
            if frame.kind == Kind.PARAMETER:
                parameter, total = read_parameter(frame.payload)
                found[parameter.index] = parameter
                return len(found) == total
            if frame.kind == Kind.REPLY and read_reply(frame.payload).request in requests:
                total = total or 0
                return True
            return None

        def ask() -> None:
            requests.add(self._exchange.send(Opcode.LIST_PARAMETERS))

        self._exchange.wait(take, timeout_s, ask, again_s=timeout_s)
        if total is None or len(found) < total:
            wanted = "an unknown number" if total is None else str(total)
            raise HeadError(
                f"The head on {self.port} sent {len(found)} of {wanted} of parameters within {timeout_s:g} s. "
                "Some were lost on the way: try again, and check the cable if that does not help."
            )
        self._known = {p.name: p for p in found.values()}
        return [found[i] for i in sorted(found)]

    def get_parameter(self, name: str) -> float:
        """Value of a parameter as the head has it now."""
        return self._exchange.command(Opcode.GET, name).value

    def set_parameter(self, name: str, value: float) -> float:
        """Set a parameter and read it back; the value that the head now has.

        Raises
        ------
        HeadError
            if the head does not know it, refuses the value, in the head's own words, or says that it was
            done and yet holds another value. A head may hold numbers as f32, and then gives the nearest one.
        """
        self._exchange.command(Opcode.SET, name, value)
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
        self._exchange.command(Opcode.DEFAULTS)
        before = {name: p.value for name, p in self._known.items()}
        for p in self.parameters():
            if p.value != before.get(p.name):
                self._note(p.name, p.value)

    def save_parameters(self) -> None:
        """Have the head keep the values of its persistent parameters over a power cut."""
        self._exchange.command(Opcode.SAVE, timeout_s=10.0)  # a flash page takes its time to erase

    def _note(self, name: str, value: float) -> None:
        """For the record: a parameter now has this value."""
        nan = float("nan")
        known = self._known.get(name) or Parameter(0, name, "", "", nan, nan, nan, value)
        self._known = {**self._known, name: replace(known, value=value)}
        self._changed.append(self._known[name].reading(self._clock(), self.device.serial))

    def read(self, wait_s: float = 0.02) -> list[Item]:
        """What has come in since the last call, in order; waits up to `wait_s` for it.

        A gap stands before the block that follows it; a block never spans one. Records that come
        twice are given once.
        """
        timeline = self._timeline
        if timeline is None:
            raise HeadError("Ask the head to describe itself before reading its samples.")
        new = self._exchange.frames(0.0 if self._exchange.kept else wait_s)
        items = self._items(timeline, self._exchange.take_kept() + new)
        now = time.monotonic()
        if now - self._clock_told_at >= _CLOCK_S:
            self._clock_told_at = now
            items += self.clock_fit()
        return [*items, *self._damage.news(self._exchange, self._unknown, self._exchange.arrival_ns, self._clock)]

    def _items(self, timeline: Timeline, frames: list[Frame]) -> list[Item]:
        """What these frames bring, and what this program itself has set since it was last asked."""
        arrival = self._exchange.arrival_ns
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
                    items.append(replace(read_status(frame.payload), head=self.device.serial))
                elif frame.kind == Kind.PARAMETER:  # a knob was turned, or the answer to `ask_parameters`
                    parameter, _ = read_parameter(frame.payload)
                    self._known = {**self._known, parameter.name: parameter}
                    items.append(parameter.reading(arrival, self.device.serial))
                elif frame.kind in (Kind.DEVICE, Kind.STREAM):
                    items += self._otherwise(frame)
                elif frame.kind != Kind.REPLY:
                    self._unknown += 1
            except WireError as e:
                self._exchange.note_senseless(e)
        return [*items, *timeline.add(samples, arrival)]

    def _otherwise(self, frame: Frame) -> list[Item]:
        """A fault, told once, if by this message the head describes itself otherwise than at first."""
        then = self.device
        if frame.kind == Kind.DEVICE:
            d = read_device(frame.payload)
            now = (d.model, d.serial, d.firmware, d.tick_hz, d.n_streams)
            same = now == (then.model, then.serial, then.firmware, then.tick_hz, len(then.streams))
            what = f"as {d.model} serial {d.serial}, firmware {d.firmware or 'not stated'}"
        else:
            stream = read_stream(frame.payload)
            same = stream == self._streams.get(stream.stream_id)
            what = f"with another stream {stream.name!r}"
        if same or self._told_otherwise:
            return []
        self._told_otherwise = True
        text = (
            f"The head on {self.port} now describes itself {what}; this sweep began with {then.model} serial "
            f"{then.serial}, firmware {then.firmware or 'not stated'}, and its samples are read as that one's. End "
            "this sweep and start a new one."
        )
        return [Event(self._exchange.arrival_ns, Severity.FAULT, "head", text)]

    def clock_fit(self) -> list[Item]:
        """How the head's ticks lie in host time; [] before there was a record."""
        if self._timeline is None or self._timeline.run is None:
            return []
        return [replace(self._timeline.clock.fit(), head=self.device.serial)]

    def report(self) -> list[Item]:
        """What is left: what was put by, and the damage on the wire that has not been told yet."""
        rest = [] if self._timeline is None else self._items(self._timeline, self._exchange.take_kept())
        self._damage.due()
        return [*rest, *self._damage.news(self._exchange, self._unknown, self._clock(), self._clock)]
