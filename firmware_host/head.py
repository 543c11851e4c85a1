"""One detector head on its link: its streams, from START to the last record, over lost lines and restarts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final

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
from firmware_host.answering_head import AnsweringHead
from firmware_host.clock import HostClock
from firmware_host.damage import Damage
from firmware_host.describing import what_changed, why_stranger
from firmware_host.errors import HeadError, LinkError, WireError
from firmware_host.exchange import Exchange
from firmware_host.link import Link, SerialLink
from firmware_host.reader import Direct, Reader
from firmware_host.timeline import Timeline
from firmware_host.wire.framing import Frame, FrameCounters, warm_up
from firmware_host.wire.messages import (
    HeadStatus,
    Kind,
    Opcode,
    SamplesMessage,
    read_parameter,
    read_samples,
    read_status,
)

Item = SampleBlock | Gap | Event | HeadStatus | ClockFit | ParameterReading

_CLOCK_S: Final = 10.0
"""How often the fit of the head's clock is given out, to be recorded."""


class Head(AnsweringHead):
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
        self._wake = wake
        clock = clock or HostClock()
        super().__init__(Exchange(reader or Reader(link, clock, wake), clock), clock)
        self._streams: dict[int, StreamDescription] = {}
        self._timeline: Timeline | None = None
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
        return why_stranger(other.device, self.device, other.port)

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
    def run(self) -> int | None:
        """Number of the head's present run, another one after every START and restart; None before its first record."""
        return None if self._timeline is None else self._timeline.run

    def describe(self, timeout_s: float = 3.0) -> DeviceDescription:
        device = super().describe(timeout_s)
        self._streams = {s.stream_id: s for s in device.streams}
        self._timeline = Timeline(device)
        return device

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

    def stop(self) -> None:
        """Ask the head to stop. Sent once and not waited for: it is also said to heads that hang."""
        self._exchange.send(Opcode.STOP)

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
        text = what_changed(frame, self.device, self.port)
        if not text or self._told_otherwise:
            return []
        self._told_otherwise = True
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
