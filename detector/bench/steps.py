"""A step of a measurement: planned for a person, taken on a head, kept as an event of the recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detector.errors import BenchError
from detector.samples import DeviceDescription, Event, Int64Array, SampleBlock, Severity, StreamDescription

F8 = NDArray[np.float64]
Conditions = Mapping[str, float | str]

EVENT_KIND: Final = "bench"

_WHOLE: Final = ("bench", "background")
"""Types of recording that may be one step as a whole; files of other programs count as such."""
_AT_ONCE: Final = 16384
"""Records read at once."""
_MOST_VALUES: Final = 1 << 27
"""Values of one step, at most: 1 GB as they are computed with."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a person is asked to do."""

    role: str
    """What the samples of this step mean to the measurement: 'still', 'background', 'item', 'pass', ..."""
    instruction: str
    seconds: float
    """How long samples are taken; 0: none are, the person's answers are all."""
    at: Conditions = field(default_factory=dict)
    """Under which conditions, SI units in the names: height_m, diameter_m, ..."""
    ask: tuple[str, ...] = ()
    """Conditions that the person is asked for when the step is done."""
    settle_s: float = 0.0
    """Samples after 'begin' that are not used, s."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The samples of one step, of one stream."""

    role: str
    at: Conditions
    stream: StreamDescription
    t_s: F8
    """(n,) time by the head's ticks, s."""
    x_m: F8
    """(n,) along the track by the odometer, m; NaN where unknown."""
    values: F8
    """(n, channels * values) in the stream's unit."""
    missing: int = 0
    """Records lost within it."""

    def number(self, name: str) -> float:
        """A condition that is a number.

        Raises
        ------
        BenchError
            if it was not given.
        """
        value = self.at.get(name)
        if not isinstance(value, int | float):
            raise BenchError(f"A step {self.role!r} was taken without its {name}. Take it again and say it.")
        return float(value)

    @property
    def seconds(self) -> float:
        return float(self.t_s[-1] - self.t_s[0]) if len(self.t_s) > 1 else 0.0

    @property
    def rate_hz(self) -> float:
        """By the ticks; the stream's own statement where there are fewer than two records."""
        return (len(self.t_s) + self.missing - 1) / self.seconds if self.seconds > 0 else self.stream.rate_hz


@dataclass(frozen=True, slots=True)
class Entry:
    """A step as a recording keeps it."""

    measurement: str
    role: str
    at: Conditions
    begin: int
    """Tick of its first record, ..."""
    end: int
    """... and of its last."""
    utc_ns: int = 0
    firmware: str = ""
    """What the head said of its firmware at the end of the step; '' if it was not asked."""

    def event(self) -> Event:
        """To be written into the recording.

        Raises
        ------
        BenchError
            if its conditions are longer than an event holds.
        """
        content: dict[str, Any] = {"step": self.role, "of": self.measurement, "ticks": [self.begin, self.end]}
        if self.at:
            content["at"] = dict(self.at)
        if self.firmware:
            content["firmware"] = self.firmware
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > 400:
            raise BenchError(
                f"The conditions of step {self.role!r} are too long to be kept: {text[:80]}... Shorten them."
            )
        return Event(self.utc_ns, Severity.INFO, EVENT_KIND, text)


def entry_of(event: Event) -> Entry | None:
    """The step that an event keeps; None if it keeps none."""
    if event.kind != EVENT_KIND:
        return None
    try:
        content = json.loads(event.text)
        begin, end = content["ticks"]
        return Entry(
            str(content["of"]), str(content["step"]), dict(content.get("at", {})), int(begin), int(end), event.utc_ns,
            str(content.get("firmware", "")),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        return None


class Source(Protocol):
    """What is needed of a recording."""

    @property
    def device(self) -> DeviceDescription: ...
    def n_records(self, stream_name: str) -> int: ...
    def block(self, stream_name: str, start: int, stop: int) -> SampleBlock: ...
    def events(self) -> list[Event]: ...


def stream_of(device: DeviceDescription, name: str, radar: bool) -> StreamDescription:
    """The stream of that name, or the first of the kind that a measurement looks at.

    Raises
    ------
    BenchError
        if there is none.
    """
    for s in device.streams:
        if (s.name == name) if name else (s.kind.is_metal != radar):
            return s
    there = ", ".join(s.name for s in device.streams) or "none"
    wanted = repr(name) if name else ("radar" if radar else "metal-detector")
    raise BenchError(f"The head has no {wanted} stream; it has {there}.")


def steps_of(
    source: Source, measurement: str, stream: StreamDescription, whole_as: str = "", entries: Sequence[Entry] = ()
) -> list[Taken]:
    """The steps of a measurement, in the order in which they were taken.

    Parameters
    ----------
    whole_as : role of the whole recording where it holds no steps at all and was taken on a bench; '' = it is refused
    entries : steps that are told from outside, instead of the recording's own

    Raises
    ------
    BenchError
        if there are none, or the head's firmware changed between two of them.
    """
    kept = list(entries) or [e for e in map(entry_of, source.events()) if e is not None]
    mine = [e for e in kept if e.measurement == measurement]
    ticks = _ticks(source, stream)
    # a sweep is not a still head: only what was taken on a bench may stand for a step as a whole
    whole = getattr(source, "recording_type", "bench") in _WHOLE
    if not mine and whole_as and whole and not kept and len(ticks):
        mine = [Entry(measurement, whole_as, {}, int(ticks[0]), int(ticks[-1]))]
    if not mine:
        there = ", ".join(sorted({e.measurement for e in kept})) or "none"
        raise BenchError(f"The recording holds no steps of {measurement!r}; it has steps of: {there}.")
    check_firmware(source.device, mine)
    return [_taken(source, stream, ticks, e) for e in mine]


def check_firmware(device: DeviceDescription, entries: Sequence[Entry]) -> None:
    """BenchError if the head's firmware changed on the way: two firmwares give no figure of one head."""
    versions = list(dict.fromkeys([device.firmware, *(e.firmware for e in entries if e.firmware)]))
    if len(versions) > 1:
        said = " then ".join(v or "not stated" for v in versions)
        raise BenchError(
            f"The head {device.serial} changed its firmware on the way: {said}. "
            "The steps are not of one detector. Take all of them again with one firmware."
        )


def _ticks(source: Source, stream: StreamDescription) -> Int64Array:
    """(n,) the head's own tick of every record, without keeping the samples."""
    n = source.n_records(stream.name)
    parts = [_own_ticks(source.block(stream.name, at, min(n, at + _AT_ONCE))) for at in range(0, n, _AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _own_ticks(block: SampleBlock) -> Int64Array:
    return block.tick if block.head_tick is None else block.head_tick


def _taken(source: Source, stream: StreamDescription, ticks: Int64Array, e: Entry) -> Taken:
    first, stop = (int(i) for i in np.searchsorted(ticks, (e.begin, e.end + 1)))
    if (stop - first) * stream.width > _MOST_VALUES:
        raise BenchError(
            f"Step {e.role!r} holds {stop - first} records of {stream.width} values, more than can be held at once. "
            "Take a shorter one, or a lower record rate."
        )
    return taken_of(source.block(stream.name, first, max(first, stop)), source.device.tick_hz, e.role, e.at)


def taken_of(block: SampleBlock, tick_hz: float, role: str, at: Conditions) -> Taken:
    """A step from its records."""
    tick = _own_ticks(block)
    values = (
        block.raw.reshape(len(block), block.stream.width).astype(np.float64) * block.stream.scale + block.stream.offset
    )
    missing = int(block.seq[-1] - block.seq[0]) + 1 - len(block) if len(block) else 0
    return Taken(role, dict(at), block.stream, tick / tick_hz, block.odometer_m, values, missing)


def channel_of(steps: Sequence[Taken], channel: int) -> list[Taken]:
    """The steps as one coil or antenna saw them.

    Raises
    ------
    BenchError
        if there is no such channel.
    """
    out = []
    for s in steps:
        if not 0 <= channel < s.stream.channels:
            raise BenchError(f"{s.stream.name!r} has channels 0 to {s.stream.channels - 1}, not {channel}.")
        n = s.stream.values
        out.append(replace(s, values=s.values[:, channel * n : (channel + 1) * n]))
    return out


def in_role(steps: Sequence[Taken], *roles: str) -> list[Taken]:
    """Steps of these roles, in order."""
    return [s for s in steps if s.role in roles]
