"""Every frame of a line, one by one, with what was damaged and what is missing: for people who debug firmware."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from firmware_host.errors import WireError
from firmware_host.wire.counters import unwrap
from firmware_host.wire.framing import Frame, FrameCounters, FrameDecoder
from firmware_host.wire.messages import (
    Kind,
    Opcode,
    SamplesHeader,
    read_command,
    read_device,
    read_parameter,
    read_reply,
    read_samples_header,
    read_status,
    read_stream,
)

SHOWN_BYTES: Final = 256
"""Most bytes of a damaged piece that are kept to be shown."""

_DAMAGE: Final = ("bad_crc", "bad_cobs", "too_short", "oversize", "wrong_version")


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame, or one piece between two zero bytes that is none."""

    frame: Frame | None
    damage: str
    """'' for a good frame; else the counter of FrameCounters that it went to."""
    size: int
    """Bytes on the line, the zero byte included."""
    start: bytes
    """Of a damaged piece: its first bytes, as on the line."""
    lost: int
    """Frames that are missing just before this one, by the sender's count."""


class FrameListing:
    """One direction of a line. Gives exactly the frames that a FrameDecoder gives, whatever the cut."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()
        self._start = b""
        self._size = 0
        self._told = FrameCounters()

    @property
    def counters(self) -> FrameCounters:
        return self._decoder.counters

    def feed(self, data: bytes) -> Iterator[Seen]:
        """What these bytes complete, in order."""
        at = 0
        while at < len(data):
            zero = data.find(b"\0", at)
            stop = len(data) if zero < 0 else zero + 1
            part = data[at:stop]
            at = stop
            self._start = (self._start + part)[:SHOWN_BYTES]
            self._size += len(part)
            # one piece at a time, so that whatever the decoder counts is of this piece
            frames = self._decoder.feed(part)
            c, told = self._decoder.counters, self._told
            damage = next((d for d in _DAMAGE if getattr(c, d) > getattr(told, d)), "")
            if frames or damage:
                frame = frames[0] if frames else None
                yield Seen(frame, damage, self._size, self._start if damage else b"", c.lost - told.lost)
                self._told = replace(c)
            if zero >= 0:
                self._start, self._size = b"", 0


@dataclass(slots=True)
class StreamTally:
    """Records of one stream, as its sample messages count them."""

    records: int = 0
    missing: int = 0
    repeated: int = 0
    restarts: int = 0
    run: int | None = None
    next_seq: int = 0

    def add(self, h: SamplesHeader) -> None:
        if h.run != self.run:
            self.restarts += self.run is not None
            self.run, self.next_seq = h.run, h.first_seq
        first = unwrap(h.first_seq, self.next_seq)
        self.missing += max(0, first - self.next_seq)
        self.repeated += min(h.n, max(0, self.next_seq - first))
        self.records += h.n
        self.next_seq = max(self.next_seq, first + h.n)


@dataclass(slots=True)
class Tally:
    """What one direction of a line came to."""

    counts: Counter[str] = field(default_factory=Counter)
    """Good frames by the name of their type."""
    bytes_of: Counter[str] = field(default_factory=Counter)
    senseless: int = 0
    """Good frames whose message makes no sense."""
    streams: dict[int, StreamTally] = field(default_factory=dict)

    def add(self, frame: Frame, size: int) -> dict[str, Any]:
        """Count a good frame; its fields, or 'error' with what is wrong."""
        name = type_name(frame.kind)
        self.counts[name] += 1
        self.bytes_of[name] += size
        try:
            if frame.kind == Kind.SAMPLES:
                h: SamplesHeader = read_samples_header(frame.payload)
                self.streams.setdefault(h.stream_id, StreamTally()).add(h)
            return fields_of(frame)
        except WireError as e:
            self.senseless += 1
            return {"error": str(e)}


def type_name(kind: int) -> str:
    """The name of a message type, or its number where it has none."""
    return Kind(kind).name if kind in list(Kind) else f"0x{kind:02X}"


def fields_of(frame: Frame) -> dict[str, Any]:
    """What a message says, by field.

    Raises
    ------
    WireError
        if it makes no sense.
    """
    payload = frame.payload
    match frame.kind:
        case Kind.DEVICE:
            d = read_device(payload)
            return {
                "model": d.model, "serial": d.serial, "firmware": d.firmware, "tick_hz": d.tick_hz,
                "streams": d.n_streams, "parameter_hash": f"{d.parameter_hash:08x}",
            }  # fmt: skip
        case Kind.STREAM:
            s = read_stream(payload)
            return {
                "stream": s.stream_id, "name": s.name, "kind": str(s.kind), "channels": s.channels,
                "values": s.values, "type": s.sample_type, "rate_hz": s.rate_hz, "unit": s.unit,
            }  # fmt: skip
        case Kind.SAMPLES:
            h = read_samples_header(payload)
            return {
                "stream": h.stream_id, "run": h.run, "first": h.first_seq, "n": h.n, "odometer": bool(h.flags & 1)
            }  # fmt: skip
        case Kind.STATUS:
            t = read_status(payload)
            return {
                "state": t.state.name.lower(), "faults": list(t.faults), "tick": t.tick, "dropped": t.dropped,
                "battery_mv": t.battery_mv, "temperature_c": t.temperature_c,
            }  # fmt: skip
        case Kind.PARAMETER:
            p, total = read_parameter(payload)
            return {"index": p.index, "of": total, "name": p.name, "value": p.value, "unit": p.unit}
        case Kind.REPLY:
            r = read_reply(payload)
            return {"request": r.request, "result": r.result.name, "value": r.value, "text": r.text}
        case Kind.COMMAND:
            c = read_command(payload)
            opcode = Opcode(c.opcode).name if c.opcode in list(Opcode) else str(c.opcode)
            return {"request": c.request, "opcode": opcode, "name": c.name, "value": c.value}
    return {"payload": bytes(payload[:16]).hex(" ")}
