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
from detector.profile import Profile
from detector.runner import Coverage, Runner
from detector.samples import DeviceDescription, Int64Array, SampleBlock, Silence, Soil, StreamDescription, TrackedSoil
from detector.segment import Given, Stretch, Tapped

__all__ = ["BlockMarks", "Coverage", "Latency", "Output", "Pipeline", "Stretch"]


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
    tracked: tuple[TrackedSoil, ...] = ()
    """Turns of the soil's direction, about every ten seconds and at a segment's end, where `track_limit` allows any."""
    stretches: tuple[Stretch, ...] = ()
    """Of which records it is known by now whether they were tested; marks come with the block, this may come later."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a stage holds records back."""

    stream: str
    stage: str
    """A stage's name, 'search' (sample to signal), 'alarm' (sample to alarm) or 'detection' (sample to detection)."""
    records: int
    seconds: float
    """At the stream's nominal record rate."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A stream saw nothing between two ticks, both left out: there its sensor did not "not alarm"."""

    stream_id: int
    sensor: str
    after_tick: int
    before_tick: int


class Pipeline:
    """All chains of one head.

    Parameters
    ----------
    device : who the head is and what it streams
    profile : every tunable number
    model : classifier and alarm thresholds
    absent : told of every absence too; one with the same stream and beginning replaces the one before

    Raises
    ------
    ProfileError
        when the profile does not fit the head's streams.
    """

    def __init__(
        self,
        device: DeviceDescription,
        profile: Profile,
        model: Model,
        absent: Callable[[Absence], None] | None = None,
    ) -> None:
        self._device = device
        self._told = absent
        self._link_s = profile.fusion.link_s
        self._fusion = Fusion(
            profile.fusion,
            model,
            device.tick_hz,
            profile.nominal_speed_m_per_s,
            frozenset(_sensor(s) for s in device.streams),
            profile.hash,
        )
        self._runners = {s.stream_id: self._runner(s, profile, model) for s in device.streams}

    def _runner(self, stream: StreamDescription, profile: Profile, model: Model) -> Runner:
        sensor = _sensor(stream)

        def absent(after_tick: int, before_tick: int) -> None:
            self._fusion.absent(stream.stream_id, sensor, after_tick, before_tick)
            if self._told is not None:
                self._told(Absence(stream.stream_id, sensor, after_tick, before_tick))

        return Runner(stream, profile, model, self._device.tick_hz, self._fusion.link_pass_ticks, absent)

    def latency_s(self) -> dict[str, float]:
        """Time from a record to its alarm, s at the nominal record rate, by stream name."""
        return {e.stream: e.seconds for e in self.latencies() if e.stage == "alarm"}

    def latencies(self) -> list[Latency]:
        """What every stage of every stream holds back, then the totals.

        Two paths run side by side. *search* has no look-ahead: its signals come with the block that holds the
        record, and only the smoothing of its statistic delays it, on average by what is stated. *alarm*, the
        decision, is the sum of the stages before it; *detection* adds the wait for the other sensor, twice the
        link time; those of a metal segment's first metres wait for the ground that judges them again (5.3 m at the
        default settings). Places and times of all three are those of the record itself.
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
        return self._output(block.stream, self._runners[block.stream.stream_id].process(block))

    def skip(self, silence: Silence) -> Output:
        """Let the other streams settle without one that is silent.

        It comes after the last record before the silence and before whatever comes of that stream afterwards; where
        it stands between the other streams' blocks changes nothing.
        """
        stream = self._device.stream(silence.stream_id)
        return self._output(stream, self._runners[stream.stream_id].skip(silence))

    def learn(self, soil: Soil) -> tuple[Soil, Output]:
        """Balance a metal stream with what was learned, from the next record on, which begins a new segment.

        It comes between the same two records whenever they are replayed. Returns it with that record's number.

        Raises
        ------
        ProfileError
            when it does not fit the stream.
        """
        stream = self._device.stream(soil.stream_id)
        if not stream.kind.is_metal:
            raise ProfileError(f"{stream.name} is no metal stream and has no ground balance. Learn on a metal stream.")
        stamped, given = self._runners[stream.stream_id].learn(soil)
        return stamped, self._output(stream, given)

    def _output(self, stream: StreamDescription, given: Given) -> Output:
        marks = [BlockMarks(stream.name, seq, flags) for seq, flags in given.marks if len(seq)]
        self._fusion.add(given.alarms)
        settled = [r.settled_tick for r in self._runners.values()]
        ready = [t for t in settled if t is not None]
        found = self._fusion.settle(min(ready)) if len(ready) == len(settled) else []
        return Output(given.alarms, found, given.signals, marks, tuple(given.tracked), tuple(given.stretches))

    def finish(self) -> Output:
        """The streams have ended: what is still owed, with windows cut at the end."""
        total = Given()
        marks = []
        for s in self._device.streams:
            given = self._runners[s.stream_id].finish()
            marks += [BlockMarks(s.name, seq, flags) for seq, flags in given.marks if len(seq)]
            total.add(given)
        self._fusion.add(total.alarms)
        found = self._fusion.settle(None)
        return Output(total.alarms, found, total.signals, marks, tuple(total.tracked), tuple(total.stretches))


def _sensor(stream: StreamDescription) -> str:
    return "metal" if stream.kind.is_metal else "radar"
