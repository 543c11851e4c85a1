"""Messages of wire protocol version 1: their bytes, and what they mean.

All numbers are little-endian. A reader ignores bytes after the fields that it knows, so fields can
be appended without a new version; it skips and counts message types that it does not know.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import SampleError
from detector.samples import (
    DeviceDescription,
    Int64Array,
    ParameterReading,
    StreamDescription,
    StreamKind,
)
from firmware_host.errors import WireError

Bytes = bytes | memoryview


class Kind(IntEnum):
    """Message types. 0x00 to 0x7F come from the head, 0x80 to 0xFF go to it."""

    DEVICE = 0x01
    STREAM = 0x02
    SAMPLES = 0x03
    STATUS = 0x04
    PARAMETER = 0x05
    REPLY = 0x06
    COMMAND = 0x80


class Opcode(IntEnum):
    DESCRIBE = 1
    START = 2
    STOP = 3
    LIST_PARAMETERS = 4
    GET = 5
    SET = 6
    STATUS = 7
    SAVE = 8
    """Keep the values of persistent parameters over a power cut."""
    DEFAULTS = 9
    """Every writable parameter back to its default; nothing is saved."""


class Result(IntEnum):
    OK = 0
    UNKNOWN_COMMAND = 1
    UNKNOWN_PARAMETER = 2
    OUT_OF_RANGE = 3
    READ_ONLY = 4
    FAILED = 5


class HeadState(IntEnum):
    IDLE = 0
    STREAMING = 1
    FINISHED = 2
    """A head that plays a recording has come to its end."""
    FAULT = 3


FAULTS: Final = (
    "ADC saturated",
    "transmitter current low",
    "battery low",
    "sensor frozen",
    "sample buffer overrun",
    "temperature out of range",
    "self-test failed",
)
"""Bit 0 first. Bits that have no name here are shown by number."""

_KIND_CODES: Final = {
    StreamKind.METAL_PI: 1,
    StreamKind.METAL_CW: 2,
    StreamKind.METAL: 3,
    StreamKind.RADAR: 4,
    StreamKind.RADAR_SFCW: 5,
}
_TYPE_CODES: Final = {"int16": 1, "uint16": 2, "int32": 3, "float32": 4}
_KINDS: Final = {v: k for k, v in _KIND_CODES.items()}
_TYPES: Final = {v: k for k, v in _TYPE_CODES.items()}

_DEVICE: Final = struct.Struct("<dIB")
_STREAM: Final = struct.Struct("<BBBBHHddddddH")
_SAMPLES: Final = struct.Struct("<BBHII")
_STATUS: Final = struct.Struct("<BIIIHh")
_PARAMETER: Final = struct.Struct("<HHBBdddd")
_REPLY: Final = struct.Struct("<HBd")
_COMMAND: Final = struct.Struct("<HB")
_HAS_ODOMETER: Final = 1
_WRITABLE: Final = 1
_PERSISTENT: Final = 2


def _text(s: str) -> bytes:
    raw = s.encode()[:255]
    return bytes([len(raw)]) + raw


def _read_text(data: Bytes, at: int) -> tuple[str, int]:
    n = data[at]
    if at + 1 + n > len(data):
        raise IndexError
    return bytes(data[at + 1 : at + 1 + n]).decode(errors="replace"), at + 1 + n


def _reader(name: str) -> Callable[[Callable[[Bytes], Any]], Callable[[Bytes], Any]]:
    """Turn whatever a short or senseless payload raises into one WireError that names the message."""

    def wrap(read: Callable[[Bytes], Any]) -> Callable[[Bytes], Any]:
        def checked(payload: Bytes) -> Any:
            try:
                return read(payload)
            except (struct.error, IndexError, KeyError, ValueError, SampleError) as e:
                raise WireError(
                    f"A {name} message of {len(payload)} bytes makes no sense ({type(e).__name__}: {e}). "
                    "The head's firmware and this software disagree on the protocol: update the older one."
                ) from e

        checked.__doc__ = read.__doc__
        return checked

    return wrap


@dataclass(frozen=True, slots=True)
class DeviceMessage:
    tick_hz: float
    parameter_hash: int
    n_streams: int
    model: str
    serial: str
    firmware: str


def pack_device(device: DeviceDescription, parameter_hash: int = 0) -> bytes:
    head = _DEVICE.pack(device.tick_hz, parameter_hash, len(device.streams))
    return head + _text(device.model) + _text(device.serial) + _text(device.firmware)


@_reader("DEVICE")
def read_device(payload: Bytes) -> DeviceMessage:
    """Who the head is; its streams follow in STREAM messages."""
    tick_hz, parameter_hash, n_streams = _DEVICE.unpack_from(payload)
    model, at = _read_text(payload, _DEVICE.size)
    serial, at = _read_text(payload, at)
    firmware, at = _read_text(payload, at)
    return DeviceMessage(tick_hz, parameter_hash, n_streams, model, serial, firmware)


def pack_stream(s: StreamDescription) -> bytes:
    head = _STREAM.pack(
        s.stream_id, _KIND_CODES[s.kind], _TYPE_CODES[s.sample_type], 0, s.channels, s.values, s.rate_hz,
        s.scale, s.offset, s.sampling_interval_s, s.centre_frequency_hz, s.step_m, len(s.axis),
    )  # fmt: skip
    return head + np.array(s.axis, "<f8").tobytes() + _text(s.name) + _text(s.unit)


@_reader("STREAM")
def read_stream(payload: Bytes) -> StreamDescription:
    """One stream of the head."""
    (id_, kind, kind_of_sample, _, channels, values, rate, scale, offset, interval, centre, step, n_axis) = (
        _STREAM.unpack_from(payload)
    )
    at = _STREAM.size
    axis = np.frombuffer(payload, "<f8", n_axis, at)
    name, at = _read_text(payload, at + 8 * n_axis)
    unit, at = _read_text(payload, at)
    return StreamDescription(
        stream_id=id_,
        name=name,
        kind=_KINDS[kind],
        channels=channels,
        values=values,
        sample_type=_TYPES[kind_of_sample],
        rate_hz=rate,
        scale=scale,
        offset=offset,
        unit=unit,
        axis=tuple(axis.tolist()),
        sampling_interval_s=interval,
        centre_frequency_hz=centre,
        step_m=step,
    )


@dataclass(frozen=True, slots=True)
class SamplesMessage:
    """Records as they lie in a frame: counters still wrapped to 32 bits."""

    stream_id: int
    run: int
    """Changes at every START and every restart of the head: its counters began anew."""
    first_seq: int
    ticks: NDArray[np.uint32]
    odometer_um: NDArray[np.int32] | None
    raw: NDArray[Any]


def records_per_frame(stream: StreamDescription, most_bytes: int, odometer: bool) -> int:
    """How many records of a stream fit in a payload of that size; at least one."""
    each = stream.width * stream.dtype.itemsize + (8 if odometer else 4)
    return max(1, (most_bytes - _SAMPLES.size) // each)


def pack_samples(
    stream: StreamDescription,
    run: int,
    first_seq: int,
    ticks: Int64Array,
    odometer_um: Int64Array | None,
    raw: NDArray[Any],
) -> bytes:
    """ticks, odometer_um : (n,), wrapped to 32 bits here; raw : (n, channels, values)."""
    flags = 0 if odometer_um is None else _HAS_ODOMETER
    out = _SAMPLES.pack(stream.stream_id, flags, len(ticks), run, first_seq & 0xFFFFFFFF)
    out += (ticks & 0xFFFFFFFF).astype("<u4").tobytes()
    if odometer_um is not None:
        out += (odometer_um & 0xFFFFFFFF).astype("<u4").tobytes()
    return out + np.ascontiguousarray(raw, stream.dtype).tobytes()


@dataclass(frozen=True, slots=True)
class SamplesHeader:
    """What a SAMPLES message says before its records: readable though its stream was not described."""

    stream_id: int
    flags: int
    n: int
    """Records."""
    run: int
    first_seq: int


@_reader("SAMPLES")
def read_samples_header(payload: Bytes) -> SamplesHeader:
    """Which records a SAMPLES message brings."""
    return SamplesHeader(*_SAMPLES.unpack_from(payload))


def read_samples(payload: Bytes, streams: dict[int, StreamDescription]) -> SamplesMessage:
    """Records of a described stream.

    Raises
    ------
    WireError
        for a stream that was not described, or a length that does not fit its description.
    """
    if len(payload) < _SAMPLES.size:
        raise WireError(f"A SAMPLES message of {len(payload)} bytes is shorter than its header of {_SAMPLES.size}.")
    stream_id, flags, n, run, first_seq = _SAMPLES.unpack_from(payload)
    stream = streams.get(stream_id)
    if stream is None:
        raise WireError(f"Samples came for stream {stream_id}, which the head did not describe. Restart the head.")
    odometer = bool(flags & _HAS_ODOMETER)
    wanted = _SAMPLES.size + n * ((8 if odometer else 4) + stream.width * stream.dtype.itemsize)
    if len(payload) < wanted:
        raise WireError(
            f"A SAMPLES message of stream {stream.name!r} with {n} records has {len(payload)} bytes, not {wanted}. "
            "The head describes its stream wrongly."
        )
    at = _SAMPLES.size
    ticks = np.frombuffer(payload, "<u4", n, at)
    at += 4 * n
    metres = None
    if odometer:
        metres = np.frombuffer(payload, "<i4", n, at)
        at += 4 * n
    raw = np.frombuffer(payload, stream.dtype, n * stream.width, at).reshape(n, stream.channels, stream.values)
    return SamplesMessage(stream_id, run, first_seq, ticks, metres, raw)


@dataclass(frozen=True, slots=True)
class HeadStatus:
    """What the head says of itself."""

    state: HeadState
    fault_bits: int
    tick: int
    dropped: int
    """Records that the head itself had to throw away since START."""
    battery_mv: int
    """0 if it has none."""
    temperature_c: float
    head: str = ""
    """Serial number of the head; not on the wire, since a head speaks for itself."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the faults that are set."""
        return tuple(
            FAULTS[b] if b < len(FAULTS) else f"fault {b}" for b in range(32) if self.fault_bits >> b & 1
        )


def pack_status(s: HeadStatus) -> bytes:
    return _STATUS.pack(
        s.state, s.fault_bits, s.tick & 0xFFFFFFFF, s.dropped, s.battery_mv, round(s.temperature_c * 100)
    )


@_reader("STATUS")
def read_status(payload: Bytes) -> HeadStatus:
    """State, faults and supply of the head."""
    state, faults, tick, dropped, battery, temperature = _STATUS.unpack_from(payload)
    return HeadStatus(HeadState(state), faults, tick, dropped, battery, temperature / 100.0)


class ParameterKind(IntEnum):
    NUMBER = 0
    WHOLE = 1
    SWITCH = 2
    """0 is off, 1 is on."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of the head's parameter table."""

    index: int
    name: str
    unit: str
    description: str
    low: float
    high: float
    default: float
    value: float
    kind: ParameterKind = ParameterKind.NUMBER
    writable: bool = True
    persistent: bool = False
    """SAVE keeps it over a power cut."""

    def refusal(self, value: float) -> str:
        """Why this value may not be set, '' if it may. The firmware refuses in the same words."""
        if not self.writable:
            return f"{self.name} can only be read"
        if not self.low <= value <= self.high:
            text = f"{self.name} = {value:g} is not allowed: it must be from {self.low:g} to {self.high:g} {self.unit}"
            return text.rstrip()
        if self.kind is not ParameterKind.NUMBER and value != round(value):
            return f"{self.name} = {value:g} is not allowed: it must be a whole number"
        return ""

    def reading(self, utc_ns: int, head: str) -> ParameterReading:
        """What it stands at, for the record. head : serial number."""
        return ParameterReading(
            utc_ns, self.name, self.unit, self.value, self.low, self.high, self.default, self.writable, self.persistent,
            head,
        )  # fmt: skip


def same_value(a: float, b: float) -> bool:
    """Whether a head that holds numbers as f32 would hold the one where it was given the other."""
    with np.errstate(over="ignore"):
        return a == b or float(np.float32(a)) == b or float(np.float32(b)) == a


def pack_parameter(p: Parameter, total: int) -> bytes:
    flags = p.writable * _WRITABLE | p.persistent * _PERSISTENT
    head = _PARAMETER.pack(p.index, total, p.kind, flags, p.low, p.high, p.default, p.value)
    return head + _text(p.name) + _text(p.unit) + _text(p.description)


def parameter_hash(table: Sequence[Parameter]) -> int:
    """CRC-32 of the table without its values: the same table has the same hash, whatever is set."""
    c = 0
    for p in table:
        c = zlib.crc32(pack_parameter(replace(p, value=0.0), len(table)), c)
    return c


@_reader("PARAMETER")
def read_parameter(payload: Bytes) -> tuple[Parameter, int]:
    """A parameter, and how many the table has."""
    index, total, kind, flags, low, high, default, value = _PARAMETER.unpack_from(payload)
    name, at = _read_text(payload, _PARAMETER.size)
    unit, at = _read_text(payload, at)
    description, at = _read_text(payload, at)
    known = ParameterKind(kind) if kind in _PARAMETER_KINDS else ParameterKind.NUMBER
    p = Parameter(
        index, name, unit, description, low, high, default, value, known,
        bool(flags & _WRITABLE), bool(flags & _PERSISTENT),
    )  # fmt: skip
    return p, total


_PARAMETER_KINDS: Final = frozenset(ParameterKind)


@dataclass(frozen=True, slots=True)
class Reply:
    request: int
    result: Result
    value: float
    text: str


def pack_reply(r: Reply) -> bytes:
    return _REPLY.pack(r.request, r.result, r.value) + _text(r.text)


@_reader("REPLY")
def read_reply(payload: Bytes) -> Reply:
    """Answer to one command."""
    request, result, value = _REPLY.unpack_from(payload)
    text, _ = _read_text(payload, _REPLY.size)
    return Reply(request, Result(result), value, text)


@dataclass(frozen=True, slots=True)
class Command:
    request: int
    opcode: int
    name: str = ""
    """Parameter for GET and SET."""
    value: float = 0.0


def pack_command(c: Command) -> bytes:
    return _COMMAND.pack(c.request, c.opcode) + _text(c.name) + struct.pack("<d", c.value)


@_reader("COMMAND")
def read_command(payload: Bytes) -> Command:
    """What the host wants."""
    request, opcode = _COMMAND.unpack_from(payload)
    name, at = _read_text(payload, _COMMAND.size)
    (value,) = struct.unpack_from("<d", payload, at)
    return Command(request, opcode, name, value)
