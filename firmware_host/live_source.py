"""Heads on ports as the source of a session: silence is told, a lost head is found again, several become one."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from detector.samples import (
    DeviceDescription,
    Event,
    Gap,
    Int64Array,
    Position,
    SampleBlock,
    Severity,
    Silence,
    StreamDescription,
)
from firmware_host.errors import HeadError, LinkError
from firmware_host.gnss import GnssReceiver
from firmware_host.head import Head
from firmware_host.head import Item as HeadItem
from firmware_host.head_search import HeadSearch
from firmware_host.link import SerialLink, list_ports
from firmware_host.reader import Reader
from firmware_host.restarted_settings import RestartedSettings
from firmware_host.silence import SILENCE_S, SilenceWatch
from firmware_host.wire.messages import HeadState, HeadStatus

Item = HeadItem | Silence

RETRY_S: Final = 0.5
"""Pause between two attempts to find a lost head again."""

REMIND_S: Final = 10.0
"""How often a head that is still lost is told anew."""

START_S: Final = 0.5
"""A head that says it is idle longer than this after START was answered has stopped by itself."""


class LiveSource:
    """A head on a port, from START until it says that it has finished, or somebody stops it.

    When the port is lost, the same device (by its serial number) is looked for until it is found: on the
    port where it was, and on any USB port whose adapter has the serial number that the first one had. A head
    that kept its power goes on with its counters, so what is missing is counted to the record; one that
    restarted is started again, and the gap has the length that the host's clock says.

    Parameters
    ----------
    head : open
    duration_s : stop after this long; None = until it ends or is stopped
    silence_s : without records for this long, a stream is told to be silent, and the others settle without it
    give_up_s : a head that stays lost for this long ends the session with its LinkError; None = never
    """

    def __init__(
        self,
        head: Head,
        duration_s: float | None = None,
        silence_s: float = SILENCE_S,
        give_up_s: float | None = None,
    ) -> None:
        self._head = head
        self._device = head.describe()
        self._duration_s = duration_s
        self._silence_s = silence_s
        self._give_up_s = give_up_s
        self._started_at = 0.0
        self._settings = RestartedSettings(head)
        self._adapter = next((p.serial_number for p in list_ports() if p.device == head.port), "")
        self.wait_s = 0.02
        """How long a call for items may wait for them."""

    @property
    def device(self) -> DeviceDescription:
        return self._device

    def items(self) -> Generator[list[Item]]:
        self._head.start()
        began = self._started_at = time.monotonic()
        watch = SilenceWatch(self._device, self._silence_s, self._head.now_ns)
        asked_at = began
        try:
            while self._duration_s is None or time.monotonic() - began < self._duration_s:
                try:
                    got = self._head.read(self.wait_s)
                    # before anything is sent: a line that is lost by then must not take along what came
                    yield [*watch.told(got), *got, *self._settings.news(got)]
                    states = [i.state for i in got if isinstance(i, HeadStatus)]
                    if HeadState.FINISHED in states:
                        break
                    if states[-1:] == [HeadState.IDLE] and time.monotonic() - self._started_at > START_S:
                        yield self._restart()
                    elif watch.all_silent and time.monotonic() - asked_at > self._silence_s:
                        asked_at = time.monotonic()
                        self._head.ask_status()
                except LinkError as e:
                    rest = self._head.hang_up()
                    yield [*watch.told(rest), *rest, *self._settings.news(rest)]
                    yield [self._event(Severity.FAULT, "link", str(e))]
                    yield from self._find_again(e)
            rest = self._head.report()
            yield [*rest, *self._settings.news(rest), *self._settings.open(), *self._head.clock_fit(), self._summary()]
        finally:
            # a head that was unplugged cannot be told; the error that ended the session says so
            with contextlib.suppress(LinkError):
                self._head.stop()

    def _restart(self) -> list[Item]:
        """Start a head that streamed, fell silent and now says that it is idle: it lost its power."""
        text = f"{self._device.serial}: the head had stopped by itself, as after a loss of power. It is started again."
        self._head.ask_who()  # it may have other firmware now, or be another head on the same adapter
        try:
            self._head.start()
        except HeadError as e:
            text += f" It does not start: {e}"
        self._started_at = time.monotonic()
        self._settings.ask("since it restarted")  # after START: no sample waits for it
        return [self._event(Severity.FAULT, "head", text)]

    def _event(self, severity: Severity, kind: str, text: str) -> Event:
        return Event(self._head.now_ns(), severity, kind, text)

    def _find_again(self, lost: LinkError) -> Generator[list[Item]]:
        since = told = time.monotonic()
        search: HeadSearch | None = None
        refused = ""
        while True:
            now = time.monotonic()
            if search is None:
                search = HeadSearch(self._ports(), self._head)
            elif search.done:
                for nameless in search.take_nameless():
                    self._head.count_in(nameless)
                if search.found is not None:
                    self._head.reattach(search.found)
                    break
                if search.refusal and search.refusal != refused:
                    refused = search.refusal
                    yield [self._event(Severity.FAULT, "link", refused)]
                if now - search.began > RETRY_S:
                    search = None
            out: list[Item] = []
            if now - told > REMIND_S:
                told = now
                text = f"{self._device.serial} is still not there, {now - since:.0f} s now. {refused or lost}"
                out.append(self._event(Severity.FAULT, "link", text))
            yield out
            if self._give_up_s is not None and now - since > self._give_up_s:
                if search is not None:
                    search.abandon()
                raise lost
            time.sleep(self.wait_s or 0.001)
        text = (
            f"{self._device.serial} is back on {self._head.port} after {time.monotonic() - since:.1f} s. "
            "The ground passed meanwhile was not swept."
        )
        yield [self._event(Severity.WARNING, "link", text)]
        with contextlib.suppress(LinkError):  # lost again already: `read` finds that out, and it is sought anew
            self._head.ask_status()  # one that lost its power is idle now
            self._settings.ask("since its line was lost")  # a knob may have been turned, even if it kept its power

    def _ports(self) -> list[str]:
        """Where the head may be: its old port first, then wherever its USB adapter is now."""
        elsewhere = [p.device for p in list_ports() if self._adapter and p.serial_number == self._adapter]
        return [self._head.port, *(d for d in elsewhere if d != self._head.port)]

    def _summary(self) -> Event:
        c = self._head.counters
        text = (
            f"{self._device.serial}: {c.bytes} bytes, {c.frames} good frames, {c.damaged} damaged, {c.lost} lost, "
            f"{c.wrong_version} of another version, {self._head.unknown_messages} of unknown types."
        )
        return self._event(Severity.INFO, "wire", text)


class JoinedSource:
    """Several heads in one session, as one device with all their streams.

    Their counters have nothing in common, so `tick` becomes microseconds of host time since the
    session began, as each head's own clock fit says; each head's own counter stays beside it as `head_tick`.
    Streams keep their numbers and names where these do not clash.

    Parameters
    ----------
    sources : one a head
    wake : set by the heads' readers whenever something came
    clock : the host time in which they all stamp, ns
    silence_s : without records of a stream for this long, the others settle without it; the heads' own sources tell it
    """

    TICK_HZ: Final = 1e6

    def __init__(
        self,
        sources: Sequence[LiveSource],
        wake: threading.Event,
        clock: Callable[[], int],
        silence_s: float = SILENCE_S,
    ) -> None:
        self._silence_s = silence_s
        self._clock = clock
        self._sources = sources
        self._wake = wake
        self._began_ns = clock()
        self._streams: list[dict[int, StreamDescription]] = []
        taken_ids: set[int] = set()
        taken_names: set[str] = set()
        for source in sources:
            mapped = {}
            for s in source.device.streams:
                id_ = s.stream_id
                while id_ in taken_ids:
                    id_ = (id_ + 1) % 256
                name, k = s.name, 1
                while name in taken_names:
                    k += 1
                    name = f"{s.name}-{k}"
                taken_ids.add(id_)
                taken_names.add(name)
                mapped[s.stream_id] = replace(s, stream_id=id_, name=name)
            self._streams.append(mapped)
            source.wait_s = 0.0
        devices = [s.device for s in sources]
        self._device = DeviceDescription(
            " + ".join(d.model for d in devices),
            " + ".join(d.serial for d in devices),
            " + ".join(d.firmware or "not stated" for d in devices),
            self.TICK_HZ,
            tuple(sorted((s for m in self._streams for s in m.values()), key=lambda s: s.stream_id)),
        )
        self._last_tick = {s.stream_id: 0 for s in self._device.streams}

    @property
    def device(self) -> DeviceDescription:
        return self._device

    def items(self) -> Generator[list[Item]]:
        running = {k: source.items() for k, source in enumerate(self._sources)}
        watch = SilenceWatch(self._device, self._silence_s, self._clock, events=False)
        try:
            while running:
                self._wake.wait(0.02)
                self._wake.clear()
                for k in list(running):
                    try:
                        got = next(running[k])
                    except StopIteration:
                        del running[k]
                        continue
                    joined = self._join(k, got)
                    yield [*watch.told(joined), *joined]
        finally:
            for stream in running.values():
                stream.close()

    def _join(self, k: int, items: Sequence[Item]) -> list[Item]:
        out: list[Item] = []
        gaps: list[Gap] = []
        for item in items:
            match item:
                case Gap():
                    gaps.append(item)
                case SampleBlock():
                    block = self._common(self._streams[k][item.stream.stream_id], item)
                    id_ = block.stream.stream_id
                    first = int(block.tick[0])
                    out += [
                        replace(g, stream_id=id_, tick_before=min(self._last_tick[id_], first), tick_after=first)
                        for g in gaps
                    ]
                    gaps = []
                    self._last_tick[id_] = int(block.tick[-1])
                    out.append(block)
                case Silence():
                    pass  # in its own head's ticks, and without the other heads
                case _:
                    out.append(item)
        return out

    def _common(self, stream: StreamDescription, block: SampleBlock) -> SampleBlock:
        tick: Int64Array = (block.utc_ns - self._began_ns) // 1000
        # the record before the session's own zero may be one that waited in the line
        tick = np.maximum(tick, self._last_tick[stream.stream_id])
        return SampleBlock(stream, block.seq, tick, block.utc_ns, block.odometer_um, block.raw, block.tick)


class PlacedSource:
    """A source, and a satellite receiver on another port whose positions come in between.

    A receiver that is lost does not end the sweep: the ground is swept all the same, though without a place. It is
    told, and looked for on its port until it is back.
    """

    def __init__(
        self,
        source: LiveSource | JoinedSource,
        port: str,
        baudrate: int,
        uere_m: float,
        clock: Callable[[], int],
        wake: threading.Event,
    ) -> None:
        self._source = source
        self._port = port
        self._baudrate = baudrate
        self._uere_m = uere_m
        self._clock = clock
        self._wake = wake
        self._receiver: GnssReceiver | None = self._open()
        self._tried_at = time.monotonic()

    @property
    def device(self) -> DeviceDescription:
        return self._source.device

    def items(self) -> Generator[list[Item | Position]]:
        heads = self._source.items()
        try:
            for got in heads:
                yield [*got, *self._positions()]
        finally:
            heads.close()
            if self._receiver is not None:
                self._receiver.close()

    def _open(self) -> GnssReceiver:
        reader = Reader(SerialLink(self._port, self._baudrate), self._clock, self._wake)
        return GnssReceiver(_Unhurried(reader), self._uere_m, clock=self._clock)

    def _positions(self) -> list[Position | Event]:
        if self._receiver is not None:
            try:
                return self._receiver.read()
            except LinkError:
                self._receiver.close()
                self._receiver = None
                text = f"The satellite receiver on {self._port} is gone. Samples have no place until it is back."
                return [Event(self._clock(), Severity.FAULT, "gnss", text)]
        if time.monotonic() - self._tried_at > 1.0:
            self._tried_at = time.monotonic()
            with contextlib.suppress(LinkError):
                self._receiver = self._open()
                text = f"The satellite receiver on {self._port} is back."
                return [Event(self._clock(), Severity.WARNING, "gnss", text)]
        return []


class _Unhurried:
    """A reader as a link that never waits: what it has read, or nothing."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.port = reader.port

    def read(self) -> bytes:
        return self._reader.read(0.0).data

    def close(self) -> None:
        self._reader.close()
