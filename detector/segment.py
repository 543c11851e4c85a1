"""What the segments of radar and metal streams share: rows in time and space, marks, taps, signals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm, Peak
from detector.decide.search import Signal
from detector.delay_line import Rows
from detector.samples import NO_ODOMETER, Int64Array, SampleBlock, TrackedSoil

F8 = NDArray[np.float64]

COUNTS: Final = {"int16": True, "uint16": True, "int32": True, "float32": False}
"""Whether a sample type is counts, whose step sets a noise floor."""


@dataclass(frozen=True, slots=True)
class Tapped:
    """What a stage put out for some records of a stream."""

    stream: str
    stage: str
    seq: Int64Array
    """(n,) the records that the rows belong to, whatever the stage's latency."""
    values: NDArray[Any]
    """(n, channels, width); amplitudes in counts, for floating-point streams up to a fixed power of two."""


Watcher = Callable[[Tapped], None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of one segment, of which it is known by now whether there was ground enough round them to test them.

    Apart from their marks: a marked record is not trusted in either case. Every record of a stream lies in one
    stretch, at the latest when its segment has ended; until then its ground does not count, for a piece too short tells
    no target from its ground.
    """

    stream: str
    first_seq: int
    last_seq: int
    tested: bool

    @classmethod
    def untested(cls, block: SampleBlock) -> Stretch:
        """Of records that went into no chain."""
        return cls(block.stream.name, int(block.seq[0]), int(block.seq[-1]), tested=False)


@dataclass(slots=True)
class Given:
    """What a segment gives for the records that came in."""

    alarms: list[Alarm] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    marks: list[tuple[Int64Array, NDArray[np.uint8]]] = field(default_factory=list)
    """(n,) record numbers and (n, channels) Mark flags, piece by piece."""
    tracked: list[TrackedSoil] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    """In order."""
    absent: list[tuple[int, int]] = field(default_factory=list)
    """Ticks between which, both left out, nothing could have alarmed, told while more may still come."""

    def add(self, other: Given) -> None:
        self.alarms += other.alarms
        self.signals += other.signals
        self.marks += other.marks
        self.tracked += other.tracked
        self.stretches += other.stretches
        self.absent += other.absent


class Segment(Protocol):
    """One unbroken piece of a stream on its way through a chain."""

    def process(self, block: SampleBlock) -> Given: ...
    def finish(self) -> Given: ...
    @property
    def settled_tick(self) -> int | None: ...
    @property
    def latencies(self) -> dict[str, int]: ...
    @property
    def search_delay(self) -> float: ...
    @property
    def taps(self) -> tuple[str, ...]: ...
    @property
    def untested(self) -> int: ...
    @property
    def blind(self) -> bool:
        """Whether it has ended with too little ground to test any of its records."""
        ...


class Track:
    """Who, when and where of the records of one segment, kept while an alarm may still need them."""

    def __init__(self) -> None:
        self._rows = Rows(4, np.int64)

    @property
    def end(self) -> int:
        return self._rows.end

    @property
    def base(self) -> int:
        """The first row that is still kept."""
        return self._rows.base

    def append(self, block: SampleBlock) -> None:
        self._rows.append(np.column_stack((block.seq, block.tick, block.utc_ns, block.odometer_um)))

    def at(self, row: int) -> Int64Array:
        """seq, tick, utc_ns, odometer_um of one row."""
        found: Int64Array = self._rows.held[row - self._rows.base]
        return found

    def seq(self, first: int, n: int) -> Int64Array:
        """Record numbers of n rows."""
        return self._rows.cut(first, first + n)[:, 0].copy()

    def places_m(self, first: int, last: int) -> F8:
        """(n,) m along the track of rows first to last - 1; NaN where not known."""
        odometer = self._rows.cut(first, last)[:, 3]
        return np.where(odometer == NO_ODOMETER, np.nan, odometer * 1e-6)

    def trim(self, first: int) -> None:
        self._rows.trim(first)


class Verdicts:
    """Tells of each row of a segment once whether it had ground enough, as soon as that is known.

    Rows are kept in the track until they are told.
    """

    def __init__(self, stream: str, track: Track) -> None:
        self._stream, self._track = stream, track
        self.told = 0
        """The first row of which nothing has been said."""

    def tell(self, tested: NDArray[np.bool_]) -> list[Stretch]:
        """Say it of the next rows: (n,) whether each is tested."""
        out = []
        cuts = np.flatnonzero(np.diff(tested)) + 1
        for a, b in pairwise((0, *cuts.tolist(), len(tested))):
            if b > a:
                seq = self._track.seq(self.told + a, b - a)
                out.append(Stretch(self._stream, int(seq[0]), int(seq[-1]), bool(tested[a])))
        self.told += len(tested)
        return out

    def end(self) -> list[Stretch]:
        """The segment has ended: what had still to be known of its last rows cannot be any more."""
        return self.tell(np.zeros(self._track.end - self.told, bool))


def place_m(odometer_um: int) -> float:
    """m; NaN where the place is not known."""
    return odometer_um * 1e-6 if odometer_um != NO_ODOMETER else float("nan")


def signals_of(
    scores: F8, threshold: float, track: Track, first: int, stream: str, sensor: str, delay: float
) -> list[Signal]:
    """Signals of those rows from number `first` on, (n, groups), whose score reaches the threshold. NaN never does.

    delay : rows by which the score is late on average: the place is that of the row so far back
    """
    out = []
    back = round(delay)
    for i, c in np.argwhere(scores >= threshold):
        row = track.at(first + int(i))
        place = track.at(max(track.base, first + int(i) - back))
        out.append(
            Signal(
                stream=stream,
                sensor=sensor,
                channel=int(c),
                seq=int(row[0]),
                tick=int(row[1]),
                utc_ns=int(row[2]),
                x_m=place_m(int(place[3])),
                strength=float(scores[i, c]) / threshold,
            )
        )
    return out


def alarm_at(
    peak: Peak, track: Track, sensor: str, channel: int, step_m: float, threshold: float
) -> Callable[[F8, float, float, float], Alarm]:
    """An alarm at that peak, waiting for its description."""
    here, first, last = track.at(peak.middle), track.at(peak.first_row), track.at(peak.last_row)
    x_m = place_m(int(here[3]))
    # half the extent of the peak is two standard deviations at the most: the apex is near its middle
    extent = (peak.last_row - peak.first_row + 1) * step_m
    x_sigma = max(step_m / np.sqrt(12.0), extent / 4.0) if x_m == x_m else float("nan")

    def describe(features: F8, two_way_s: float, depth_m: float, depth_sigma_m: float) -> Alarm:
        return Alarm(
            sensor=sensor,
            channel=channel,
            first_seq=int(first[0]),
            peak_seq=int(here[0]),
            last_seq=int(last[0]),
            first_tick=int(first[1]),
            peak_tick=int(here[1]),
            last_tick=int(last[1]),
            utc_ns=int(here[2]),
            x_m=x_m,
            x_sigma_m=float(x_sigma),
            score=peak.score / threshold,
            two_way_s=two_way_s,
            depth_m=depth_m,
            depth_sigma_m=depth_sigma_m,
            features=features,
        )

    return describe
