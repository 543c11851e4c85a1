"""The one loop: a source, the pipeline, and those who listen. Nothing else moves data.

A live run, a replay and the demo differ in their source only. The recorder is a listener like the
terminal; it stands first, so that what reached the host is on its way to disk before anyone looks.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from detector.decide.alarm import Alarm
from detector.decide.classifier import Model
from detector.detections import Detection
from detector.pipeline import Coverage, Pipeline
from detector.profile import Profile
from detector.recording.reader import Recording
from detector.recording.writer import RecordingWriter
from detector.samples import NO_ODOMETER, DeviceDescription, Event, Gap, SampleBlock, Severity
from firmware_host.errors import LinkError
from firmware_host.head import Head, HeadState, HeadStatus

Item = SampleBlock | Gap | Event | HeadStatus

SILENCE_S: Final = 1.0
"""A head that streams and sends nothing for this long is a fault, and says so."""

FLUSH_S: Final = 1.0
"""What a power cut may cost at most, s of recording."""


class Source(Protocol):
    """Where blocks come from. `items` gives lists, empty ones while nothing comes, and then ends."""

    @property
    def device(self) -> DeviceDescription: ...
    def items(self) -> Generator[list[Item]]: ...


class Listener(Protocol):
    """Someone who wants to know what happens in a session, in the order in which it happens."""

    def block(self, block: SampleBlock) -> None: ...
    def gap(self, gap: Gap) -> None: ...
    def event(self, event: Event) -> None: ...
    def status(self, status: HeadStatus) -> None: ...
    def alarm(self, alarm: Alarm) -> None: ...
    def detection(self, detection: Detection) -> None: ...
    def tick(self) -> None:
        """Called often, also when nothing comes."""
        ...


class LiveSource:
    """A head on a port, from START until it says that it has finished, or somebody stops it."""

    def __init__(self, head: Head, duration_s: float | None = None, silence_s: float = SILENCE_S) -> None:
        self._head = head
        self._device = head.describe()
        self._duration_s = duration_s
        self._silence_s = silence_s

    @property
    def device(self) -> DeviceDescription:
        return self._device

    def items(self) -> Generator[list[Item]]:
        self._head.start()
        began = time.monotonic()
        heard = {s.stream_id: began for s in self._device.streams}
        silent: set[int] = set()
        try:
            while self._duration_s is None or time.monotonic() - began < self._duration_s:
                got = self._head.read()
                now = time.monotonic()
                out: list[Item] = []
                for id_ in {i.stream.stream_id for i in got if isinstance(i, SampleBlock)}:
                    if id_ in silent:
                        silent.remove(id_)
                        text = (
                            f"{self._device.stream(id_).name}: samples are coming again after "
                            f"{now - heard[id_]:.1f} s of silence. The ground passed meanwhile was not swept."
                        )
                        out.append(Event(time.time_ns(), Severity.WARNING, "head", text))
                    heard[id_] = now
                for id_, last in heard.items():
                    s = self._device.stream(id_)
                    # a slow stream is not silent between two of its own records
                    if id_ not in silent and now - last > max(self._silence_s, 3.0 / s.rate_hz):
                        silent.add(id_)
                        text = (
                            f"{s.name}: no samples for {now - last:.1f} s. Stop: nothing is being swept with it. "
                            "Check the cable and the head's power."
                        )
                        out.append(Event(time.time_ns(), Severity.FAULT, "head", text))
                out.extend(got)
                yield out
                if any(isinstance(i, HeadStatus) and i.state is HeadState.FINISHED for i in got):
                    break
            yield self._head.report()
        except LinkError:
            yield self._head.report()
            raise
        finally:
            # a head that was unplugged cannot be told; the error that ended the session says so
            with contextlib.suppress(LinkError):
                self._head.stop()


class RecordingSource:
    """A recording, read back in time order across its streams."""

    def __init__(self, recording: Recording, max_records: int = 256) -> None:
        self._recording = recording
        self._max_records = max_records

    @property
    def device(self) -> DeviceDescription:
        return self._recording.device

    def items(self) -> Generator[list[Item]]:
        for block in self._recording.blocks(self._max_records):
            yield [block]


class Recorder:
    """The listener that keeps the record."""

    def __init__(self, writer: RecordingWriter, clock: Callable[[], float] = time.monotonic) -> None:
        self._writer = writer
        self._clock = clock
        self._flushed = clock()
        self.block = writer.write
        self.gap = writer.gap
        self.event = writer.event
        self.detection = writer.detection

    def status(self, status: HeadStatus) -> None:
        """Kept only where it reports a fault, as the event that the session makes of it."""

    def alarm(self, alarm: Alarm) -> None:
        """Alarms are recorded as the detections that they end in: none is dropped."""

    def tick(self) -> None:
        now = self._clock()
        if now - self._flushed >= FLUSH_S:
            self._writer.flush()
            self._flushed = now


@dataclass(slots=True)
class Summary:
    """What a session came to."""

    detections: list[Detection] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)
    records: int = 0
    gaps: int = 0
    missing: int = 0
    faults: int = 0


class Interrupt:
    """Ctrl-C or a polite kill as a wish to stop, so that nothing is cut off in the middle of a block.

    A context manager. A second Ctrl-C does not wait.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return self.wanted

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True


def run(
    source: Source, pipeline: Pipeline, listeners: Sequence[Listener], stop: Callable[[], bool] = lambda: False
) -> Summary:
    """Pump a source through a pipeline until it ends or `stop` says so, asked after every list of items.

    Whatever ends it, what is still in the pipeline is settled, reported and recorded first.

    Raises
    ------
    LinkError
        when the port was lost, after everything that had come in was settled.
    """
    summary = Summary()

    def tell(out_alarms: Sequence[Alarm], detections: Sequence[Detection]) -> None:
        for alarm in out_alarms:
            for listener in listeners:
                listener.alarm(alarm)
        for detection in detections:
            summary.detections.append(detection)
            for listener in listeners:
                listener.detection(detection)

    fault_bits = 0
    lost: LinkError | None = None
    stream = source.items()
    try:
        for items in stream:
            for item in items:
                match item:
                    case SampleBlock():
                        for listener in listeners:
                            listener.block(item)
                        summary.records += len(item)
                        out = pipeline.process(item)
                        tell(out.alarms, out.detections)
                    case Gap():
                        summary.gaps += 1
                        summary.missing += item.n_records
                        for listener in listeners:
                            listener.gap(item)
                    case HeadStatus():
                        for listener in listeners:
                            listener.status(item)
                        if item.fault_bits & ~fault_bits:
                            _announce(_fault(item), listeners, summary)
                        fault_bits = item.fault_bits
                    case Event():
                        _announce(item, listeners, summary)
            for listener in listeners:
                listener.tick()
            if stop():
                break
    except LinkError as e:
        lost = e
        _announce(Event(time.time_ns(), Severity.FAULT, "link", str(e)), listeners, summary)
    finally:
        stream.close()
    out = pipeline.finish()
    tell(out.alarms, out.detections)
    summary.coverage = pipeline.coverage()
    for c in summary.coverage:
        if c.received == 0:
            text = f"{c.stream}: not one record came. Nothing was swept with it."
            _announce(Event(time.time_ns(), Severity.FAULT, "session", text), listeners, summary)
        if c.unswept:
            why = ", ".join(f"{name.lower().replace('_', ' ')} {n}" for name, n in c.marked.items() if n)
            text = (
                f"{c.stream}: {c.unswept} of {c.received} records cannot be trusted ({why}). "
                "The ground under them does not count as swept."
            )
            _announce(Event(time.time_ns(), Severity.WARNING, "session", text), listeners, summary)
        if c.untested or c.surface_lost:
            text = (
                f"{c.stream}: {c.untested} of {c.received} records had too little ground round them to be tested, "
                f"and the surface echo was lost in {c.surface_lost}. That ground does not count as swept."
            )
            _announce(Event(time.time_ns(), Severity.WARNING, "session", text), listeners, summary)
    for listener in listeners:
        listener.tick()
    if lost is not None:
        raise lost
    return summary


def _announce(event: Event, listeners: Sequence[Listener], summary: Summary) -> None:
    summary.faults += event.severity is Severity.FAULT
    for listener in listeners:
        listener.event(event)


def _fault(status: HeadStatus) -> Event:
    return Event(
        time.time_ns(),
        Severity.FAULT,
        "head",
        f"The head reports: {', '.join(status.faults)}. Do not sweep on until it is mended.",
    )


def warm_up(device: DeviceDescription, profile: Profile, model: Model) -> None:
    """Run every kernel once on made-up records of this head, so that no operator waits on a compiler."""
    pipeline = Pipeline(device, profile, model)
    rng = np.random.default_rng(0)
    for stream in device.streams:
        step = stream.step_m or profile.nominal_speed_m_per_s / stream.rate_hz
        n = min(2000, round(3.0 / step))
        noise = rng.normal(size=(n, stream.channels, stream.values))
        noise[n // 2 : n // 2 + max(1, round(0.1 / step)), :, stream.values // 2 :] += 50.0
        seq = np.arange(n, dtype=np.int64)
        raw = (noise * (100 if stream.sample_type != "float32" else 1)).astype(stream.dtype)
        tick = (seq / stream.rate_hz * device.tick_hz).astype(np.int64)
        nowhere = np.full(n, NO_ODOMETER, np.int64)
        block = SampleBlock(stream, seq, tick, np.zeros(n, np.int64), nowhere, raw)
        pipeline.process(block[: n // 2])
        pipeline.process(block[n // 2 :])
    pipeline.finish()
