"""The one loop: a source, the pipeline, and those who listen. Nothing else moves data.

A live run, a replay and the demo differ in their source only. The recorder is a listener like the
terminal; it stands first, so that what reached the host is on its way to disk before anyone looks.
"""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from detector.decide.alarm import Alarm
from detector.decide.classifier import Model
from detector.decide.search import Signal
from detector.detections import Detection, Label
from detector.pipeline import BlockMarks, Coverage, Output, Pipeline, Stretch
from detector.profile import Profile
from detector.recording.playing import played
from detector.recording.reader import Recording
from detector.samples import (
    ClockFit,
    DeviceDescription,
    Event,
    Gap,
    ParameterReading,
    Position,
    SampleBlock,
    Severity,
    Silence,
    Soil,
    TrackedSoil,
)
from firmware_host.errors import LinkError
from firmware_host.wire.messages import HeadStatus


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator asks of the session while it runs."""

    name: str
    """'begin', 'store' or 'skip' a start-up step, ..."""
    who: str
    text: str = ""
    """Which step, or why."""


Item = SampleBlock | Gap | Silence | Soil | Event | HeadStatus | ClockFit | ParameterReading | Position | Label | Order


class Source(Protocol):
    """Where blocks come from. `items` gives lists, empty ones while nothing comes, and then ends."""

    @property
    def device(self) -> DeviceDescription: ...
    def items(self) -> Generator[Sequence[Item]]: ...


class Chain(Protocol):
    """What a session runs samples through: a pipeline, or something that decides nothing."""

    def process(self, block: SampleBlock) -> Output: ...
    def skip(self, silence: Silence) -> Output: ...
    def learn(self, soil: Soil) -> tuple[Soil, Output]: ...
    def finish(self) -> Output: ...
    def coverage(self) -> list[Coverage]: ...


class Listener:
    """Someone who wants to know what happens in a session, in the order in which it happens."""

    def block(self, block: SampleBlock) -> None:
        """Records that came in."""

    def gap(self, gap: Gap) -> None:
        """Records that never came."""

    def silence(self, silence: Silence) -> None:
        """A stream is given up up to a tick: the others settle without it. Told anew as it lasts."""

    def soil(self, soil: Soil) -> None:
        """What was learned of the soil, and from which record on it is used."""

    def tracked(self, soil: TrackedSoil) -> None:
        """How far the soil's direction has turned by itself."""

    def event(self, event: Event) -> None:
        """Something a person should know of."""

    def status(self, status: HeadStatus) -> None:
        """What a head says of itself."""

    def clock(self, fit: ClockFit) -> None:
        """How a head's ticks lie in host time."""

    def parameter(self, reading: ParameterReading) -> None:
        """What a parameter of a head stands at."""

    def position(self, position: Position) -> None:
        """Where a satellite receiver says that it is."""

    def signal(self, signal: Signal) -> None:
        """A record that stands out at once."""

    def marks(self, marks: BlockMarks) -> None:
        """Trust of the records that came last."""

    def stretch(self, stretch: Stretch) -> None:
        """Whether records that came, some of them a while ago, were tested."""

    def label(self, label: Label) -> None:
        """What a person says of a detection."""

    def order(self, order: Order) -> None:
        """What an operator asks for."""

    def alarm(self, alarm: Alarm) -> None:
        """A place that stands out, as one sensor sees it."""

    def detection(self, detection: Detection) -> None:
        """A place settled."""

    def covered(self, coverage: Sequence[Coverage]) -> None:
        """How much of each stream was tested, at the end."""

    def tick(self) -> None:
        """Called often, also when nothing comes."""


class RecordingSource:
    """A recording, read back in time order across its streams, with what the session did to its pipeline."""

    def __init__(self, recording: Recording, max_records: int = 256) -> None:
        self._recording = recording
        self._max_records = max_records

    @property
    def device(self) -> DeviceDescription:
        return self._recording.device

    def items(self) -> Generator[list[Item]]:
        for item in played(self._recording, self._max_records):
            yield [item]


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
    source: Source,
    pipeline: Chain,
    listeners: Sequence[Listener],
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], int] = time.time_ns,
) -> Summary:
    """Pump a source through a pipeline until it ends or `stop` says so, asked after every list of items.

    Events of the session's own are stamped by `clock`, ns since 1970 UTC.

    Whatever ends it, what is still in the pipeline is settled, reported and recorded first.

    Raises
    ------
    LinkError
        when the port was lost, after everything that had come in was settled.
    """
    summary = Summary()

    def tell(out: Output) -> None:
        for found in out.signals:
            for listener in listeners:
                listener.signal(found)
        for marks in out.marks:
            for listener in listeners:
                listener.marks(marks)
        for stretch in out.stretches:
            for listener in listeners:
                listener.stretch(stretch)
        for tracked in out.tracked:
            for listener in listeners:
                listener.tracked(tracked)
        for alarm in out.alarms:
            for listener in listeners:
                listener.alarm(alarm)
        for detection in out.detections:
            summary.detections.append(detection)
            for listener in listeners:
                listener.detection(detection)

    fault_bits: dict[str, int] = {}
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
                        tell(pipeline.process(item))
                    case Gap():
                        summary.gaps += 1
                        summary.missing += item.n_records
                        for listener in listeners:
                            listener.gap(item)
                    case Silence():
                        for listener in listeners:
                            listener.silence(item)
                        tell(pipeline.skip(item))
                    case Soil():
                        used, out = pipeline.learn(item)
                        for listener in listeners:
                            listener.soil(used)
                        tell(out)
                    case HeadStatus():
                        for listener in listeners:
                            listener.status(item)
                        if item.fault_bits & ~fault_bits.get(item.head, 0):
                            _announce(_fault(item, clock()), listeners, summary)
                        fault_bits[item.head] = item.fault_bits
                    case ClockFit():
                        for listener in listeners:
                            listener.clock(item)
                    case Position():
                        for listener in listeners:
                            listener.position(item)
                    case ParameterReading():
                        for listener in listeners:
                            listener.parameter(item)
                    case Label():
                        for listener in listeners:
                            listener.label(item)
                    case Order():
                        for listener in listeners:
                            listener.order(item)
                    case Event():
                        _announce(item, listeners, summary)
            for listener in listeners:
                listener.tick()
            if stop():
                break
    except LinkError as e:
        lost = e
        _announce(Event(clock(), Severity.FAULT, "link", str(e)), listeners, summary)
    finally:
        stream.close()
    tell(pipeline.finish())
    summary.coverage = pipeline.coverage()
    for listener in listeners:
        listener.covered(summary.coverage)
    for c in summary.coverage:
        if c.received == 0:
            text = f"{c.stream}: not one record came. Nothing was swept with it."
            _announce(Event(clock(), Severity.FAULT, "session", text), listeners, summary)
        if c.silent_s:
            text = (
                f"{c.stream}: silent for {c.silent_s:.1f} s while the rest went on. What was found there was judged "
                "without it, and that ground does not count as swept."
            )
            _announce(Event(clock(), Severity.WARNING, "session", text), listeners, summary)
        if c.unswept:
            why = ", ".join(f"{name.lower().replace('_', ' ')} {n}" for name, n in c.marked.items() if n)
            text = (
                f"{c.stream}: {c.unswept} of {c.received} records cannot be trusted ({why}). "
                "The ground under them does not count as swept."
            )
            _announce(Event(clock(), Severity.WARNING, "session", text), listeners, summary)
        if c.untested:
            text = (
                f"{c.stream}: {c.untested} of {c.received} records had too little ground round them to be tested. "
                "That ground does not count as swept."
            )
            _announce(Event(clock(), Severity.WARNING, "session", text), listeners, summary)
    for listener in listeners:
        listener.tick()
    if lost is not None:
        raise lost
    return summary


def _announce(event: Event, listeners: Sequence[Listener], summary: Summary) -> None:
    summary.faults += event.severity is Severity.FAULT
    for listener in listeners:
        listener.event(event)


def _fault(status: HeadStatus, utc_ns: int) -> Event:
    return Event(
        utc_ns,
        Severity.FAULT,
        "head",
        f"The head {status.head} reports: {', '.join(status.faults)}. Do not sweep on until it is mended.",
    )


_WARMING_M: Final = 4.0
"""Of made-up ground: longer than what any stage of the shipped profiles looks round at."""

_MOST_WARMING: Final = 4_000_000
"""Values of it at most, of a head that samples very densely: 32 MB."""


def warm_up(device: DeviceDescription, profile: Profile, model: Model) -> None:
    """Run every kernel once on made-up records of this head, so that no operator waits on a compiler.

    Nor on the garbage collector: what stands in memory by now stays, and is not looked through again. A full look held
    up the samples for a tenth of a second.
    """
    pipeline = Pipeline(device, profile, model)
    rng = np.random.default_rng(0)
    for stream in device.streams:
        step = stream.step_m or profile.nominal_speed_m_per_s / stream.rate_hz
        n = min(max(1, _MOST_WARMING // (stream.channels * stream.values)), round(_WARMING_M / step))
        noise = rng.normal(size=(n, stream.channels, stream.values))
        noise[n // 2 : n // 2 + max(1, round(0.1 / step)), :, stream.values // 2 :] += 50.0
        seq = np.arange(n, dtype=np.int64)
        raw = (noise * (100 if stream.sample_type != "float32" else 1)).astype(stream.dtype)
        tick = (seq / stream.rate_hz * device.tick_hz).astype(np.int64)
        # with places: a metal target is fitted only where they are known
        places = np.round(1e6 * step * seq).astype(np.int64)
        block = SampleBlock(stream, seq, tick, np.zeros(n, np.int64), places, raw)
        pipeline.process(block[: n // 2])
        pipeline.process(block[n // 2 :])
    pipeline.finish()
    gc.collect()
    gc.freeze()
