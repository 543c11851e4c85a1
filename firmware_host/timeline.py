"""From a head's counters to one timeline that never goes back: gaps, repeats and restarts made plain.

A head counts records and ticks in 32 bits, from zero at every START and every restart. Here they
become 64-bit numbers that only grow. What is missing between two blocks is a Gap before the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detector.samples import (
    NO_ODOMETER,
    DeviceDescription,
    Event,
    Gap,
    Int64Array,
    SampleBlock,
    Severity,
    StreamDescription,
)
from firmware_host.clock import TickClock
from firmware_host.wire.counters import unwrap, unwrap_all
from firmware_host.wire.messages import SamplesMessage

Item = SampleBlock | Gap | Event

LOST: Final = "lost between head and host"


class _Stream:
    """Where one stream stands."""

    def __init__(self, description: StreamDescription) -> None:
        self.description = description
        self.next_seq: int | None = None
        """None until its first record has come."""
        self.last_tick = 0
        self.last_odometer = 0
        self.arrival_ns = 0
        self.seq_offset = 0
        """Added to the head's own count."""
        self.run: int | None = None
        self.placed = True
        """Whether its odometer still counts from where it began: not after a restart."""


class Timeline:
    """Turns sample messages of one head into blocks and gaps, in the order in which they came."""

    def __init__(self, device: DeviceDescription) -> None:
        self._device = device
        self._streams = {s.stream_id: _Stream(s) for s in device.streams}
        self._clock = TickClock(device.tick_hz)
        self._run: int | None = None
        self._over = False
        self._tick_offset = 0

    def end_run(self) -> None:
        """What comes next is of a new run, also from a head that gives it the number of the one before."""
        self._over = self._run is not None
        for stream in self._streams.values():
            stream.run = None

    @property
    def clock(self) -> TickClock:
        """The head's ticks in host time."""
        return self._clock

    @property
    def run(self) -> int | None:
        """The head's present run; None before its first record."""
        return self._run

    def add(self, messages: Sequence[SamplesMessage], arrival_ns: int) -> list[Item]:
        """Blocks of these messages, which arrived together; a block never spans a gap."""
        items: list[Item] = []
        start = 0
        for i in range(1, len(messages) + 1):
            if i == len(messages) or not _follows(messages[i - 1], messages[i]):
                items += self._unbroken(messages[start:i], arrival_ns)
                start = i
        return items

    def _unbroken(self, messages: Sequence[SamplesMessage], arrival_ns: int) -> list[Item]:
        """Messages that follow each other, as one block, with what is to be said before it."""
        ticks32 = np.concatenate([m.ticks for m in messages])
        if len(ticks32) == 0:
            return []
        head = messages[0]
        stream = self._streams[head.stream_id]
        items: list[Item] = []
        cause = LOST
        if head.run != self._run or self._over:
            self._over = False
            self._begin_run(head.run, int(ticks32[0]), len(ticks32), stream, arrival_ns)
        if head.run != stream.run:
            if stream.next_seq is not None:
                cause = "while the head restarted; its length is taken from the host's clock"
                lost = max(1, self._records_since(stream, arrival_ns) - len(ticks32))
                stream.seq_offset = stream.next_seq + lost - head.first_seq
                stream.placed = False
            stream.run = head.run
        known = stream.next_seq
        first = head.first_seq if known is None else unwrap(head.first_seq + stream.seq_offset, known)
        shifted = ((ticks32.astype(np.int64) + self._tick_offset) & 0xFFFFFFFF).astype(np.uint32)
        # against the newest of all: the counter may have gone round while this stream was silent
        tick = unwrap_all(shifted, self._newest_tick(int(shifted[0])))
        seq = first + np.arange(len(tick), dtype=np.int64)
        odometer = self._odometer(stream, messages, len(tick))
        raw = np.concatenate([m.raw for m in messages])
        if known is None:
            if first > 0:
                items.append(
                    Gap(head.stream_id, 0, first, int(tick[0]), int(tick[0]), arrival_ns, "before the host began")
                )
        elif first > known:
            items.append(
                Gap(head.stream_id, known, first - known, stream.last_tick, int(tick[0]), arrival_ns, cause)
            )
        elif first < known:
            again = min(known - first, len(seq))
            text = (
                f"{stream.description.name}: the head sent {again} records again, from {first}; they were left out."
            )
            items.append(Event(arrival_ns, Severity.WARNING, "wire", text))
            seq, tick, odometer, raw = seq[again:], tick[again:], odometer[again:], raw[again:]
            if len(seq) == 0:
                return items
        utc = self._clock.to_utc(head.stream_id, tick, arrival_ns)
        items.append(SampleBlock(stream.description, seq, tick, utc, odometer, raw))
        stream.next_seq = int(seq[-1]) + 1
        stream.last_tick = int(tick[-1])
        stream.arrival_ns = arrival_ns
        return items

    def _odometer(self, stream: _Stream, messages: Sequence[SamplesMessage], n: int) -> Int64Array:
        readings = [m.odometer_um for m in messages if m.odometer_um is not None]
        # an odometer that began anew counts from a place that nobody knows
        if not readings or not stream.placed:
            return np.full(n, NO_ODOMETER, np.int64)
        odometer = unwrap_all(np.concatenate(readings), stream.last_odometer)
        stream.last_odometer = int(odometer[-1])
        return odometer

    def _begin_run(self, run: int, tick32: int, n: int, stream: _Stream, arrival_ns: int) -> None:
        """The head counts anew: lay its new ticks behind the old, as far as the host's clock says."""
        if self._run is not None:
            self._clock.begin_again()
            passed_s = max(1, self._records_since(stream, arrival_ns) - n + 1) / stream.description.rate_hz
            self._tick_offset = self._newest_tick(0) + max(1, round(passed_s * self._device.tick_hz)) - tick32
        self._run = run

    @staticmethod
    def _records_since(stream: _Stream, arrival_ns: int) -> int:
        """How many records a stream made since its last came, by the host's clock."""
        if stream.next_seq is None:
            return 0
        return round(max(0, arrival_ns - stream.arrival_ns) * 1e-9 * stream.description.rate_hz)

    def _newest_tick(self, otherwise: int) -> int:
        """The latest tick of any stream: all share one counter."""
        return max((s.last_tick for s in self._streams.values() if s.next_seq is not None), default=otherwise)


def _follows(a: SamplesMessage, b: SamplesMessage) -> bool:
    same = (a.stream_id, a.run) == (b.stream_id, b.run) and (a.odometer_um is None) == (b.odometer_um is None)
    return same and (a.first_seq + len(a.ticks)) & 0xFFFFFFFF == b.first_seq
