"""The same messages, byte for byte, from the Python code, the C code, and the written protocol."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.samples import DeviceDescription, StreamDescription, StreamKind
from firmware_host.wire import messages as m
from firmware_host.wire.framing import Frame, FrameDecoder, encode_frame
from tests.firmware_host.device.bridge import DeviceInC

VECTORS = json.loads((Path(__file__).parent / "vectors" / "wire.json").read_text())
DOC = Path(__file__).parents[3] / "docs" / "wire-protocol.md"

in_c = pytest.mark.needs_tools("gcc")


def each(name: str) -> pytest.MarkDecorator:
    cases = VECTORS[name]
    return pytest.mark.parametrize("case", cases, ids=[str(c.get("about", i)) for i, c in enumerate(cases)])


def stream(fields: dict[str, Any]) -> StreamDescription:
    numbers = ("rate_hz", "scale", "offset", "sampling_interval_s", "centre_frequency_hz", "step_m")
    return StreamDescription(
        **{k: v for k, v in fields.items() if k not in (*numbers, "kind", "axis")},
        **{n: float.fromhex(fields[n]) for n in numbers},
        kind=StreamKind(fields["kind"]),
        axis=tuple(float.fromhex(a) for a in fields["axis"]),
    )


def parameter(fields: dict[str, Any]) -> m.Parameter:
    numbers = ("low", "high", "default", "value")
    return m.Parameter(
        **{k: v for k, v in fields.items() if k not in (*numbers, "kind")},
        **{n: float.fromhex(fields[n]) for n in numbers},
        kind=m.ParameterKind(fields["kind"]),
    )


def device(fields: dict[str, Any]) -> DeviceDescription:
    return DeviceDescription(
        fields["model"], fields["serial"], fields["firmware"], float.fromhex(fields["tick_hz"]),
        tuple(map(stream, fields["streams"])),
    )  # fmt: skip


def only(frame: str | bytes) -> Frame:
    (found,) = FrameDecoder().feed(bytes.fromhex(frame) if isinstance(frame, str) else frame)
    return found


def command(opcode: int) -> bytes:
    return encode_frame(m.Kind.COMMAND, 0, m.pack_command(m.Command(1, opcode)))


def split(data: bytes) -> list[str]:
    return [(piece + b"\0").hex() for piece in data.split(b"\0")[:-1]]


@each("samples")
def test_samples_in_python(case: dict[str, Any]) -> None:
    s = stream(case["stream"])
    got = only(case["frame"])
    assert (got.kind, got.sequence) == (m.Kind.SAMPLES, case["sequence"])
    read = m.read_samples(got.payload, {s.stream_id: s})
    assert (read.run, read.first_seq, read.ticks.tolist()) == (case["run"], case["first"], case["ticks"])
    assert (None if read.odometer_um is None else read.odometer_um.tolist()) == case["odometer_um"]
    assert read.raw.tobytes().hex() == case["raw"]
    places = None if case["odometer_um"] is None else np.array(case["odometer_um"])
    packed = m.pack_samples(s, read.run, read.first_seq, np.array(case["ticks"]), places, read.raw)
    assert encode_frame(m.Kind.SAMPLES, case["sequence"], packed).hex() == case["frame"]


@in_c
@each("samples")
def test_samples_in_c(device_in_c: DeviceInC, case: dict[str, Any]) -> None:
    s = stream(case["stream"])
    n = len(case["ticks"])
    places = case["odometer_um"]
    head = DeviceDescription("m", "s", "f", 1e6, (s,))
    assert device_in_c.define(head, capacities=[n], odometer=places is not None) == ""
    device_in_c.next(case["run"], 0)
    device_in_c.feed(command(m.Opcode.START))
    device_in_c.missed(0, case["first"])
    device_in_c.next(0, case["sequence"])
    raw = np.frombuffer(bytes.fromhex(case["raw"]), np.uint8).reshape(n, -1)
    sent = b""
    for i in range(n):
        assert sent == b""
        sent = device_in_c.record(0, case["ticks"][i], places[i] if places else 0, raw[i])
    assert sent.hex() == case["frame"]


@each("descriptions")
def test_descriptions_in_python(case: dict[str, Any]) -> None:
    head, table = device(case), [parameter(p) for p in case["parameters"]]
    first, *rest = (only(f) for f in case["frames"])
    read = m.read_device(first.payload)
    assert (read.model, read.serial, read.firmware, read.tick_hz) == (
        head.model, head.serial, head.firmware, head.tick_hz
    )  # fmt: skip
    assert read.parameter_hash == m.parameter_hash(table)
    assert tuple(m.read_stream(f.payload) for f in rest if f.kind == m.Kind.STREAM) == head.streams
    assert [m.read_parameter(f.payload) for f in rest if f.kind == m.Kind.PARAMETER] == [(p, len(table)) for p in table]
    payloads = [(1, m.pack_device(head, m.parameter_hash(table))), *((2, m.pack_stream(s)) for s in head.streams)]
    payloads += [(5, m.pack_parameter(p, len(table))) for p in table]
    assert [encode_frame(k, i, p).hex() for i, (k, p) in enumerate(payloads)] == case["frames"]


@in_c
@each("descriptions")
def test_descriptions_in_c(device_in_c: DeviceInC, case: dict[str, Any]) -> None:
    table = [parameter(p) for p in case["parameters"]]
    n = 1 + len(case["streams"])
    assert device_in_c.define(device(case), table) == ""
    sent = split(device_in_c.feed(command(m.Opcode.DESCRIBE))[1])
    assert sent[:-1] == case["frames"][:n]
    device_in_c.next(0, n)
    sent = split(device_in_c.feed(command(m.Opcode.LIST_PARAMETERS))[1])
    assert sent[:-1] == case["frames"][n:]


@each("commands")
def test_commands_in_python(case: dict[str, Any]) -> None:
    got = only(case["frame"])
    read = m.read_command(got.payload)
    assert (read.request, read.opcode, read.name) == (case["request"], case["opcode"], case["name"])
    value = float.fromhex(case["value"])
    assert read.value == value or (math.isnan(value) and math.isnan(read.value))
    assert encode_frame(got.kind, got.sequence, m.pack_command(read)).hex() == case["frame"]
    reply = m.read_reply(only(case["reply"]).payload)
    p = next((p for p in map(parameter, VECTORS["parameters"]) if p.name == case["name"]), None)
    if p is not None and case["opcode"] == m.Opcode.SET:
        assert p.refusal(value) == reply.text


@in_c
@each("commands")
def test_commands_in_c(device_in_c: DeviceInC, case: dict[str, Any]) -> None:
    table = [parameter(p) for p in VECTORS["parameters"]]
    assert device_in_c.define(DeviceDescription("m", "s", "f", 1e6, ()), table) == ""
    device_in_c.next(0, case["request"])
    assert device_in_c.feed(bytes.fromhex(case["frame"]))[1].hex() == case["reply"]


@each("status")
def test_status_in_python(case: dict[str, Any]) -> None:
    got = only(case["frame"])
    status = m.HeadStatus(
        m.HeadState(case["state"]), case["faults"], case["tick"], case["dropped"], case["battery_mv"],
        case["centidegrees"] / 100.0,
    )  # fmt: skip
    assert m.read_status(got.payload) == status
    assert encode_frame(m.Kind.STATUS, got.sequence, m.pack_status(status)).hex() == case["frame"]


@in_c
@each("status")
def test_status_in_c(device_in_c: DeviceInC, case: dict[str, Any]) -> None:
    s = stream(VECTORS["samples"][0]["stream"])
    assert device_in_c.define(DeviceDescription("m", "s", "f", 1e6, (s,)), status_ticks=2**32 - 1) == ""
    if case["state"] == m.HeadState.STREAMING:
        device_in_c.feed(command(m.Opcode.START))
        device_in_c.missed(0, case["dropped"])
        device_in_c.feed(command(m.Opcode.STATUS))  # tells of the overrun, which then is told
    device_in_c.next(0, 0xFFFF)
    device_in_c.service(case["tick"], case["faults"], case["battery_mv"], case["centidegrees"])
    device_in_c.next(0, 0x1234)
    sent = split(device_in_c.feed(command(m.Opcode.STATUS))[1])
    assert sent[0] == case["frame"]


@in_c
def test_numbers_in_c(device_in_c: DeviceInC) -> None:
    values = [float.fromhex(v) for v, _ in VECTORS["numbers"]]
    assert device_in_c.format(values) == [text for _, text in VECTORS["numbers"]]
    assert [f"{v:g}" for v in values] == [text for _, text in VECTORS["numbers"]]


def examples() -> list[str]:
    """The frames of the written protocol, in its order."""
    text = DOC.read_text().split("## Examples")[1]
    return [re.sub(r"\s", "", block) for block in re.findall(r"(?:^    [0-9a-f]+\n)+", text, re.M)]


@in_c
def test_the_examples_of_the_written_protocol_in_c(device_in_c: DeviceInC) -> None:
    head_, metal_, radar_, parameter_, two, one, status, set_, reply = examples()
    metal = StreamDescription(
        0, "metal", StreamKind.METAL_PI, 1, 4, "int32", 200.0, scale=1e-3, unit="V", axis=(2e-5, 5e-5, 1e-4, 2e-4)
    )
    radar = StreamDescription(
        1, "radar", StreamKind.RADAR, 1, 6, "int16", 20.0,
        sampling_interval_s=1e-10, centre_frequency_hz=1e9, step_m=0.02,
    )  # fmt: skip
    current = m.Parameter(0, "tx_current", "A", "transmitter current", 0.5, 2.0, 1.0, 1.5, persistent=True)
    head = DeviceDescription("demo", "D-7", "1.2", 1e6, (metal, radar))
    c = device_in_c
    assert c.define(head, [current], capacities=[2, 1], status_ticks=5000) == ""
    assert split(c.feed(command(m.Opcode.DESCRIBE))[1])[:-1] == [head_, metal_, radar_]
    c.next(7, 3)
    assert split(c.feed(command(m.Opcode.LIST_PARAMETERS))[1])[0] == parameter_
    c.feed(command(m.Opcode.START))
    c.next(0, 4)
    assert c.record(0, 0, 0, np.array([1000, 500, 250, 0], "<i4")) == b""
    assert c.record(0, 5000, 2000, np.array([1001, 499, -250, -1], "<i4")).hex() == two
    c.missed(0, 3)
    c.feed(command(m.Opcode.STATUS))  # tells that records were lost, which is told once
    assert c.service(4999) == b""
    c.next(0, 6)
    assert c.service(5000, 0b100, 7350, 2150).hex() == status
    c.next(0, 7)
    assert c.feed(bytes.fromhex(set_))[1].hex() == reply
    # the radar of the examples has no odometer
    assert c.define(head, [current], odometer=False) == ""
    c.next(7, 0)
    c.feed(command(m.Opcode.START))
    c.next(0, 5)
    assert c.record(1, 2**32 - 1, 0, np.array([0, -3, 120, -32768, 32767, 256], "<i2")).hex() == one
