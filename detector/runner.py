"""One stream of a head on its way through the pipeline: cut into unbroken segments, each through a fresh chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.classifier import Model
from detector.metal.known_ground import KnownGround
from detector.metal_segment import MetalSegment
from detector.profile import Profile
from detector.radar_segment import RadarSegment
from detector.samples import Int64Array, Mark, SampleBlock, Silence, Soil, StreamDescription
from detector.segment import Given, Segment, Stretch, Watcher

EVER: Final = 1 << 62
"""A tick later than any."""


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
    """Records with too little ground round them for the alarm stage, or that came too late, over all channels."""
    segments: int
    """Unbroken pieces that the stream came in."""
    marked: dict[str, int] = field(default_factory=dict)
    """Name of a Mark -> records that carry it on any channel. A record may carry several."""
    unswept: int = 0
    """Records that carry any mark: the ground under them does not count as swept."""
    unjudged_starts: int = 0
    """Metal: unbroken pieces long enough to be tested, too short for ground behind their start to judge it, without any
    ground known from before: metal under the whole of one would not be told from ground."""
    silent_s: float = 0.0
    """Time for which it was given up as silent while other streams went on, s."""


_SAME_LEVEL_S: Final = 10.0
"""After a longer loss the level of a metal detector may have drifted, or the head been lifted, s."""

Absent = Callable[[int, int], None]
"""Told the ticks between which, both left out, the stream saw nothing; told anew, from the same tick, as it lasts."""


class Runner:
    """One stream.

    Parameters
    ----------
    tick_hz : rate of the head's tick counter, Hz
    slack_ticks : time before the first and after the last record that does not count as absence
    absent : told when the stream saw nothing, before anything up to there is settled
    """

    def __init__(
        self,
        stream: StreamDescription,
        profile: Profile,
        model: Model,
        tick_hz: float,
        slack_ticks: int,
        absent: Absent,
    ) -> None:
        self._stream = stream
        self._profile = profile
        self._tails = model.tails
        self._look = model.second_look
        self._tick_hz = tick_hz
        # two streams of a head do not begin and end with the same tick
        self._slack = slack_ticks + round(3.0 * tick_hz / stream.rate_hz)
        self._absent = absent
        self._watchers: dict[str, list[Watcher]] = {}
        self._segment = self._fresh()
        self._open = False
        """Whether the present segment has a record."""
        self._last_seq: int | None = None
        self._begun_tick = self._last_tick = -EVER
        """Of the first record of the present segment, and of the last one that went into a chain."""
        self._ended_tick: int | None = None
        self._silent_until: int | None = None
        """Tick up to which the stream is given up; None while it is not silent."""
        self._late_until = -EVER
        self._received = 0
        self._missing = 0
        self._untested = 0
        self._lost = 0
        self._silent_ticks = 0
        self._marked = dict.fromkeys(Mark, 0)
        self._unswept = 0
        self._segments = 0
        self._unjudged_starts = 0
        self._ground: KnownGround | None = None
        """What metal segments of this session that were judged say of the ground."""

    def _fresh(self) -> Segment:
        if self._stream.kind.is_metal:
            return MetalSegment(self._stream, self._profile, self._tails, self._watchers)
        return RadarSegment(self._stream, self._profile, self._tails, self._watchers, self._look)

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
        silent = self._silent_ticks
        if self._silent_until is not None and self._last_tick > -EVER:
            silent += self._silent_until - self._last_tick
        return Coverage(
            self._stream.name,
            self._received,
            self._missing,
            self._lost,
            self._untested + self._segment.untested,
            self._segments,
            {mark.name: n for mark, n in self._marked.items() if mark.name},
            self._unswept,
            self._unjudged_starts,
            silent / self._tick_hz,
        )

    def process(self, block: SampleBlock) -> Given:
        """Records of this stream, in order, at least one."""
        given = Given()
        late = int(np.searchsorted(block.tick, self._late_until, side="right"))
        if late:
            given.marks.append(self._too_late(block[:late]))
            given.stretches.append(Stretch.untested(block[:late]))
            block = block[late:]
        if len(block):
            self._tested(block, given)
        self._count(given)
        return given

    def skip(self, silence: Silence) -> Given:
        """Wait for nothing of this stream up to a tick: what is in the chain is finished, what still comes is late.

        A silence stands between the last record before it and whatever comes after; the rest is as it was.
        """
        given = self._end_segment() if self._open else Given()
        self._late_until = max(self._late_until, silence.until_tick)
        self._silent_until = max(self._late_until, self._last_tick)
        self._ended_tick = self._silent_until
        self._absent(self._last_tick, self._silent_until)
        self._count(given)
        return given

    def learn(self, soil: Soil) -> tuple[Soil, Given]:
        """Balance with a learned direction from the next record on, in a segment of its own.

        Returns it with the number of that record, and what the segment before it still gave.
        """
        given = Given()
        if self._open:
            given = self._end_segment()
            self._ended_tick = self._last_tick
        direction = tuple(v for coil in soil.direction for v in coil)
        metal = self._profile.metal
        balance = metal.ground_balance.model_copy(update={"direction": direction})
        metal = metal.model_copy(update={"ground_balance": balance})
        self._profile = self._profile.model_copy(update={"metal": metal})
        # balanced anew because the ground is another one
        self._ground = None
        self._segment = self._fresh()
        self._count(given)
        following = 0 if self._last_seq is None else self._last_seq + 1
        return (replace(soil, from_seq=following) if soil.from_seq < 0 else soil), given

    def finish(self) -> Given:
        """The stream has ended."""
        if self._silent_until is not None or self._last_tick == -EVER:
            self._absent(self._last_tick, EVER)
        elif not self._stream.step_m:  # an odometer triggers nothing while the head stands still
            self._absent(self._last_tick + self._slack, EVER)
        given = self._finish_segment()
        self._count(given)
        return given

    def _tested(self, block: SampleBlock, given: Given) -> None:
        first = int(block.tick[0])
        if self._silent_until is not None:
            self._absent(self._last_tick, first)
            if self._last_tick > -EVER:
                self._silent_ticks += first - self._last_tick
            self._silent_until = None
        elif self._last_tick == -EVER:
            self._absent(-EVER, first - self._slack)
        start = 0
        for i, missed in self._gaps(block):
            if missed > self._profile.bridge_records:
                if i > start:
                    self._run(block[start:i], given)
                if self._open:
                    given.add(self._end_segment())
                    self._ended_tick = self._last_tick
                    self._absent(self._last_tick, int(block.tick[i]))
                start = i
        self._run(block[start:], given)

    def _run(self, block: SampleBlock, given: Given) -> None:
        if not self._open:
            self._segments += 1
            self._begun_tick = int(block.tick[0])
            if self._ground is not None and isinstance(self._segment, MetalSegment):
                away_s = (self._begun_tick - self._last_tick) / self._tick_hz
                self._segment.knows(self._ground, away_s <= _SAME_LEVEL_S)
        self._open = True
        found = self._segment.process(block)
        # at once: what another sensor heard there may be settled by these very records
        for after, before in found.absent:
            self._absent(after, before)
        given.add(found)
        self._last_tick = int(block.tick[-1])

    def _gaps(self, block: SampleBlock) -> list[tuple[int, int]]:
        """Count the block; where in it records are missing before, and how many."""
        before = int(block.seq[0]) - 1 if self._last_seq is None else self._last_seq
        steps = np.diff(block.seq, prepend=before)
        found = [(int(i), int(steps[i]) - 1) for i in np.flatnonzero(steps > 1)]
        self._missing += sum(n for _, n in found)
        self._received += len(block)
        self._last_seq = int(block.seq[-1])
        return found

    def _too_late(self, block: SampleBlock) -> tuple[Int64Array, NDArray[np.uint8]]:
        self._gaps(block)
        # as its alarm stage counts: all coils stand in one group, antennas each in their own
        self._untested += len(block) * (1 if self._stream.kind.is_metal else self._stream.channels)
        return block.seq, np.full((len(block), self._stream.channels), Mark.LATE, np.uint8)

    def _count(self, given: Given) -> None:
        for _, marks in given.marks:
            self._lost += int(np.count_nonzero(marks & np.uint8(Mark.SURFACE_LOST)))
            if not marks.any():
                continue
            record = np.bitwise_or.reduce(marks, axis=1)
            self._unswept += int(np.count_nonzero(record))
            for mark in self._marked:
                self._marked[mark] += int(np.count_nonzero(record & np.uint8(mark)))

    def _end_segment(self) -> Given:
        given = self._finish_segment()
        self._untested += self._segment.untested
        if isinstance(self._segment, MetalSegment):
            self._ground = self._segment.ground
        self._segment = self._fresh()
        self._open = False
        return given

    def _finish_segment(self) -> Given:
        given = self._segment.finish()
        for after, before in given.absent:
            self._absent(after, before)
        if self._open and self._segment.blind:
            # a sensor that could test nothing there did not "not alarm"
            self._absent(self._begun_tick - 1, self._last_tick + 1)
        elif self._open and isinstance(self._segment, MetalSegment):
            self._unjudged_starts += self._segment.start_unjudged
        return given
