"""A bench session on a live head: step after step is asked for, taken, and kept in one recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from detector.bench.registry import Measurement
from detector.bench.steps import Entry, Planned, stream_of
from detector.recording.writer import RecordingWriter
from detector.samples import (
    ClockFit,
    Event,
    Gap,
    ParameterReading,
    SampleBlock,
    Severity,
    StreamDescription,
)
from detector.settings import Settings
from firmware_host.bench.hand import Hand
from firmware_host.errors import HeadError
from firmware_host.head import Head
from firmware_host.live_source import LiveSource
from firmware_host.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Wanted:
    """A measurement to be taken."""

    measurement: Measurement
    settings: Settings
    stream: str = ""


@dataclass(slots=True)
class _Step:
    """The step that is being taken."""

    of: str
    planned: Planned
    stream: StreamDescription
    begin: int | None = None
    answered: Mapping[str, float] | None = None


def recorded(recorder: Recorder, item: object) -> str:
    """Put what a head sent on record; the fault that it tells of, or ''."""
    match item:
        case SampleBlock():
            recorder.block(item)
        case Gap():
            recorder.gap(item)
        case ClockFit():
            recorder.clock(item)
        case ParameterReading():
            recorder.parameter(item)
        case Event():
            recorder.event(item)
            if item.severity is Severity.FAULT:
                return item.text
    return ""


class BenchSession:
    """Leads a hand through the plans of some measurements.

    Everything that comes from the head is recorded, also between steps; a step is a stretch of it. A step during which
    the head or its line failed is asked for again.

    Parameters
    ----------
    head : open and described
    writer : of the recording that everything goes into

    Raises
    ------
    BenchError
        if the head has no stream that a measurement looks at.
    """

    def __init__(self, head: Head, writer: RecordingWriter, wanted: Sequence[Wanted], hand: Hand) -> None:
        self._head = head
        self._writer = writer
        self._hand = hand
        self._device = head.device
        self._steps = [
            _Step(w.measurement.name, p, stream_of(self._device, w.stream, w.measurement.radar))
            for w in wanted
            for p in w.measurement.plan(w.settings)
        ]
        self._ticks: dict[int, int] = {}
        self.entries: list[Entry] = []

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Take every step, or as many as come before `stop` says so.

        Raises
        ------
        LinkError
            when the port was lost for good; what was taken is recorded.
        RecordingError
            when the disk is full or gone.
        """
        source = LiveSource(self._head, give_up_s=30.0)
        with Recorder(self._writer) as recorder:
            self._parameters(recorder)
            items = source.items()
            try:
                number = 0
                self._ask(number)
                for got in items:
                    failed = ""
                    for item in got:
                        failed = self._keep(recorder, item) or failed
                    recorder.tick()
                    if failed and self._steps[number].begin is not None:
                        self._hand.told(f"This step is asked for again: {failed}")
                        self._steps[number].begin = None
                        self._ask(number)
                    elif self._advance(recorder, self._steps[number]):
                        number += 1
                        if number == len(self._steps):
                            break
                        self._ask(number)
                    if stop():
                        break
            finally:
                items.close()

    def _ask(self, number: int) -> None:
        self._hand.show(self._steps[number].planned, number + 1, len(self._steps))

    def _parameters(self, recorder: Recorder) -> None:
        try:
            for p in self._head.parameters():
                recorder.parameter(p.reading(self._head.now_ns(), self._device.serial))
        except HeadError as e:
            recorder.event(
                Event(self._head.now_ns(), Severity.WARNING, "head", f"Its parameters could not be read. {e}")
            )

    def _keep(self, recorder: Recorder, item: object) -> str:
        """Record an item; what it says against the step that runs, if it does."""
        if isinstance(item, SampleBlock):
            self._ticks[item.stream.stream_id] = int(item.tick[-1])
        return recorded(recorder, item)

    def _advance(self, recorder: Recorder, step: _Step) -> bool:
        """Whether the step is done."""
        if step.planned.role == "answers":
            self._time_answers(recorder, step)
            return True
        if step.planned.ask and step.answered is None:
            step.answered = self._hand.answers(step.planned)
            if step.answered is None:
                return False
        if step.planned.seconds == 0:
            self._done(recorder, step, 0, -1)
            return True
        tick = self._ticks.get(step.stream.stream_id)
        if tick is None:
            return False
        if step.begin is None:
            ready = self._hand.ready(tick)
            if ready is None:
                return False
            step.begin = ready + round(step.planned.settle_s * self._device.tick_hz)
        wanted = round(step.planned.seconds * self._device.tick_hz)
        self._hand.progress(min(1.0, max(0.0, (tick - step.begin) / wanted)))
        if tick < step.begin + wanted:
            return False
        self._done(recorder, step, step.begin, step.begin + wanted)
        return True

    def _done(self, recorder: Recorder, step: _Step, begin: int, end: int) -> None:
        at = {**step.planned.at, **(step.answered or {})}
        firmware = self._firmware(recorder)
        entry = Entry(step.of, step.planned.role, at, begin, end, self._head.now_ns(), firmware)
        self.entries.append(entry)
        recorder.event(entry.event())

    def _firmware(self, recorder: Recorder) -> str:
        try:
            return self._head.firmware_now()
        except HeadError as e:
            recorder.event(Event(self._head.now_ns(), Severity.WARNING, "head", str(e)))
            return ""

    def _time_answers(self, recorder: Recorder, step: _Step) -> None:
        """Round trips of one command while the head streams; samples that come meanwhile are not lost."""
        try:
            names = [p.name for p in self._head.parameters()]
            if not names:
                raise HeadError("The head has no parameter that could be asked for: no round trip can be timed.")
            for _ in range(int(step.planned.at.get("wanted", 100))):
                began = time.perf_counter()
                self._head.get_parameter(names[0])
                taken = time.perf_counter() - began
                entry = Entry(step.of, "answer", {"seconds": round(taken, 7)}, 0, -1, self._head.now_ns())
                self.entries.append(entry)
                recorder.event(entry.event())
        except HeadError as e:
            recorder.event(Event(self._head.now_ns(), Severity.WARNING, "head", str(e)))
            self._hand.told(str(e))
