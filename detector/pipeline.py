"""The pipeline: builds the chains of a head from a profile and runs them, block by block.

A live run, a replay and a batch job are this same object behind different sources. Its output
depends on the records only, not on how they were cut into blocks or how the streams' blocks
interleave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm
from detector.decide.classifier import Model
from detector.decide.fusion import Fusion
from detector.decide.search import Signal
from detector.detections import Detection
from detector.errors import ProfileError
from detector.metal_segment import MetalSegment
from detector.profile import Profile
from detector.radar_segment import RadarSegment
from detector.samples import DeviceDescription, Int64Array, Mark, SampleBlock, StreamDescription
from detector.segment import Given, Segment, Tapped, Watcher


@dataclass(frozen=True, slots=True)
class BlockMarks:
    """Which records cannot be trusted, and why. They are processed all the same."""

    stream: str
    seq: Int64Array
    """(n,) record numbers: every record of a stream comes once, in order, at the latest at its end."""
    marks: NDArray[np.uint8]
    """(n, channels) Mark flags; 0 where the record can be trusted."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a block brought about."""

    alarms: list[Alarm]
    """Places that stand out on both sides, as each sensor sees them: the decision, some way behind the head."""
    detections: list[Detection]
    """Places settled: both sensors have passed, fused and classified."""
    signals: list[Signal] = field(default_factory=list)
    """Records of this block that stand out from the ground behind: sound and show these at once."""
    marks: list[BlockMarks] = field(default_factory=list)
    """Trust of the records of this block."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a stream was really tested. What was not tested was not swept."""

    stream: str
    received: int
    """Records that came in."""
    missing: int
    """Records that the head counted and the host never got."""
    surface_lost: int
    """A-scans whose surface echo was lost, over all antennas."""
    untested: int
    """Records with too little ground round them for the alarm stage, over all channels."""
    segments: int
    """Unbroken pieces that the stream came in."""
    marked: dict[str, int] = field(default_factory=dict)
    """Name of a Mark -> records that carry it on any channel. A record may carry several."""
    unswept: int = 0
    """Records that carry any mark: the ground under them does not count as swept."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a stage holds records back."""

    stream: str
    stage: str
    """A stage's name, 'search' (sample to signal), 'alarm' (sample to alarm) or 'detection' (sample to detection)."""
    records: int
    seconds: float
    """At the stream's nominal record rate."""


class _Runner:
    """One stream: cuts it into unbroken segments and runs each through a fresh chain."""

    def __init__(self, stream: StreamDescription, profile: Profile, model: Model) -> None:
        self._stream = stream
        self._profile = profile
        self._tails = model.tails
        self._watchers: dict[str, list[Watcher]] = {}
        self._segment = self._fresh()
        self._last_seq: int | None = None
        self._last_tick = 0
        self._ended_tick: int | None = None
        self._received = 0
        self._missing = 0
        self._untested = 0
        self._lost = 0
        self._marked = dict.fromkeys(Mark, 0)
        self._unswept = 0
        self._segments = 1

    def _fresh(self) -> Segment:
        kind = MetalSegment if self._stream.kind.is_metal else RadarSegment
        return kind(self._stream, self._profile, self._tails, self._watchers)

    @property
    def latencies(self) -> dict[str, int]:
        return self._segment.latencies

    @property
    def search_delay(self) -> float:
        return self._segment.search_delay

    @property
    def taps(self) -> tuple[str, ...]:
        return self._segment.taps

    def watch(self, stage: str, fn: Watcher) -> Callable[[], None]:
        """Call fn with every output of that stage. Returns a function that ends it."""
        watching = self._watchers.setdefault(stage, [])
        watching.append(fn)

        def end() -> None:
            if fn in watching:
                watching.remove(fn)

        return end

    @property
    def settled_tick(self) -> int | None:
        """Every alarm up to this tick has been reported; None while nothing is settled."""
        return self._segment.settled_tick if self._segment.settled_tick is not None else self._ended_tick

    @property
    def coverage(self) -> Coverage:
        return Coverage(
            self._stream.name,
            self._received,
            self._missing,
            self._lost,
            self._untested + self._segment.untested,
            self._segments,
            {mark.name: n for mark, n in self._marked.items() if mark.name},
            self._unswept,
        )

    def process(self, block: SampleBlock) -> Given:
        given = Given()
        start = 0
        previous = self._last_seq
        steps = np.diff(block.seq, prepend=block.seq[0] - 1 if previous is None else previous)
        for i in np.flatnonzero(steps > 1):
            missed = int(steps[i]) - 1
            self._missing += missed
            if missed > self._profile.bridge_records:
                if i > start:
                    given.add(self._segment.process(block[start:i]))
                last_tick = int(block.tick[i - 1]) if i else self._last_tick
                given.add(self._end_segment(last_tick))
                start = int(i)
        if start < len(block):
            given.add(self._segment.process(block[start:]))
        self._last_seq = int(block.seq[-1])
        self._last_tick = int(block.tick[-1])
        self._received += len(block)
        self._count(given)
        return given

    def finish(self) -> Given:
        given = self._segment.finish()
        self._count(given)
        return given

    def _count(self, given: Given) -> None:
        for _, marks in given.marks:
            self._lost += int(np.count_nonzero(marks & np.uint8(Mark.SURFACE_LOST)))
            if not marks.any():
                continue
            record = np.bitwise_or.reduce(marks, axis=1)
            self._unswept += int(np.count_nonzero(record))
            for mark in self._marked:
                self._marked[mark] += int(np.count_nonzero(record & np.uint8(mark)))

    def _end_segment(self, last_tick: int) -> Given:
        given = self._segment.finish()
        self._untested += self._segment.untested
        self._ended_tick = last_tick
        self._segment = self._fresh()
        self._segments += 1
        return given


class Pipeline:
    """All chains of one head.

    Parameters
    ----------
    device : who the head is and what it streams
    profile : every tunable number
    model : classifier and alarm thresholds

    Raises
    ------
    ProfileError
        when the profile does not fit the head's streams.
    """

    def __init__(self, device: DeviceDescription, profile: Profile, model: Model) -> None:
        self._device = device
        self._link_s = profile.fusion.link_s
        self._runners = {s.stream_id: _Runner(s, profile, model) for s in device.streams}
        self._fusion = Fusion(
            profile.fusion,
            model,
            device.tick_hz,
            profile.nominal_speed_m_per_s,
            frozenset("metal" if s.kind.is_metal else "radar" for s in device.streams),
            profile.hash,
        )

    def latency_s(self) -> dict[str, float]:
        """Time from a record to its alarm, s at the nominal record rate, by stream name."""
        return {e.stream: e.seconds for e in self.latencies() if e.stage == "alarm"}

    def latencies(self) -> list[Latency]:
        """What every stage of every stream holds back, then the totals.

        Two paths run side by side. *search* has no look-ahead: its signals come with the block that holds the
        record, and only the smoothing of its statistic delays it, on average by what is stated. *alarm*, the
        decision, is the sum of the stages before it; *detection* adds the wait for the other sensor, twice the
        link time. Places and times of all three are those of the record itself.
        """
        out = []
        for s in self._device.streams:
            stages = self._runners[s.stream_id].latencies
            total = sum(stages.values())
            delay = self._runners[s.stream_id].search_delay
            rows = {**stages, "alarm": total}
            out += [Latency(s.name, stage, n, n / s.rate_hz) for stage, n in rows.items()]
            out.append(Latency(s.name, "search", round(delay), delay / s.rate_hz))
            wait = 2.0 * self._link_s
            out.append(Latency(s.name, "detection", total + round(wait * s.rate_hz), total / s.rate_hz + wait))
        return out

    def taps(self) -> list[str]:
        """Names of everything that can be watched: stream, dot, stage."""
        return [f"{s.name}.{stage}" for s in self._device.streams for stage in self._runners[s.stream_id].taps]

    def tap(self, name: str, fn: Callable[[Tapped], None]) -> Callable[[], None]:
        """Call fn with every output of a stage from now on, in order; a stage that nobody watches costs nothing.

        name : one of :meth:`taps`. fn gets its own copy and may keep it. Returns a function that ends it.

        Raises
        ------
        ProfileError
            if there is no such stage.
        """
        stream, _, stage = name.partition(".")
        for s in self._device.streams:
            if s.name == stream and stage in self._runners[s.stream_id].taps:
                return self._runners[s.stream_id].watch(stage, fn)
        raise ProfileError(f"There is no stage {name!r} to watch. There are: {', '.join(self.taps())}.")

    def coverage(self) -> list[Coverage]:
        """What was and was not tested so far, stream by stream."""
        return [self._runners[s.stream_id].coverage for s in self._device.streams]

    def process(self, block: SampleBlock) -> Output:
        """Run one block of one stream; blocks of a stream come in order."""
        if len(block) == 0:
            return Output([], [])
        given = self._runners[block.stream.stream_id].process(block)
        marks = [BlockMarks(block.stream.name, seq, flags) for seq, flags in given.marks if len(seq)]
        self._fusion.add(given.alarms)
        settled = [r.settled_tick for r in self._runners.values()]
        ready = [t for t in settled if t is not None]
        found = self._fusion.settle(min(ready)) if len(ready) == len(settled) else []
        return Output(given.alarms, found, given.signals, marks)

    def finish(self) -> Output:
        """The streams have ended: what is still owed, with windows cut at the end."""
        total = Given()
        marks = []
        for s in self._device.streams:
            given = self._runners[s.stream_id].finish()
            marks += [BlockMarks(s.name, seq, flags) for seq, flags in given.marks if len(seq)]
            total.add(given)
        self._fusion.add(total.alarms)
        return Output(total.alarms, self._fusion.settle(None), total.signals, marks)
