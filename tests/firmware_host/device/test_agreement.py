"""What the C head says, Python reads, and the other way round; for any head, any records, any numbers."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.samples import DeviceDescription, StreamDescription, StreamKind
from firmware_host.wire import messages as m
from firmware_host.wire.framing import Frame, FrameDecoder, encode_frame
from tests.firmware_host.device.bridge import DeviceInC

pytestmark = pytest.mark.needs_tools("gcc")

FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
# up to the 255 bytes that fit; zeros and controls included, as a careless firmware might send them
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
NAME = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_", min_size=1, max_size=40)


@st.composite
def streams(draw: st.DrawFn, stream_id: int) -> StreamDescription:
    kind = draw(st.sampled_from(list(StreamKind)))
    values = draw(st.integers(1, 40))
    if kind is StreamKind.RADAR_SFCW:
        values *= 2
    iq = (StreamKind.METAL_CW, StreamKind.RADAR_SFCW)
    n_axis = values if kind is StreamKind.METAL_PI else values // 2 if kind in iq else 0
    return StreamDescription(
        stream_id, draw(NAME) + f"-{stream_id}", kind, draw(st.integers(1, 3)), values,
        draw(st.sampled_from(["int16", "uint16", "int32", "float32"])), draw(POSITIVE),
        draw(FINITE.filter(bool)), draw(FINITE), draw(TEXT),
        tuple(draw(st.lists(POSITIVE, min_size=n_axis, max_size=n_axis))),
        draw(POSITIVE) if kind is StreamKind.RADAR else 0.0, draw(FINITE), draw(FINITE),
    )  # fmt: skip


@st.composite
def parameters(draw: st.DrawFn, index: int) -> m.Parameter:
    kind = draw(st.sampled_from(list(m.ParameterKind)))
    if kind is m.ParameterKind.NUMBER:
        low, default, high = sorted(draw(st.lists(FINITE, min_size=3, max_size=3)))
    else:
        whole = st.integers(-(2**53), 2**53) if kind is m.ParameterKind.WHOLE else st.integers(0, 1)
        low, default, high = sorted(map(float, draw(st.lists(whole, min_size=3, max_size=3))))
    return m.Parameter(
        index, f"{draw(NAME)}_{index}", draw(TEXT.map(str.strip)), draw(TEXT), low, high, default, default, kind,
        draw(st.booleans()), draw(st.booleans()),
    )  # fmt: skip


@st.composite
def heads(draw: st.DrawFn) -> tuple[DeviceDescription, list[m.Parameter]]:
    n_streams, n_parameters = draw(st.integers(0, 3)), draw(st.integers(0, 5))
    device = DeviceDescription(
        draw(TEXT), draw(TEXT), draw(TEXT), draw(POSITIVE), tuple(draw(streams(i)) for i in range(n_streams))
    )
    return device, [draw(parameters(i)) for i in range(n_parameters)]


def frames(data: bytes) -> list[Frame]:
    """All of them whole, in sequence."""
    decoder = FrameDecoder()
    found = decoder.feed(data)
    c = decoder.counters
    assert (c.damaged, c.lost, c.wrong_version, c.bytes) == (0, 0, 0, len(data))
    assert not decoder._carry
    return found


def command(request: int, opcode: int, name: str = "", value: float = 0.0, sequence: int = 0) -> bytes:
    return b"\0" + encode_frame(m.Kind.COMMAND, sequence, m.pack_command(m.Command(request, opcode, name, value)))


def same(a: float, b: float) -> bool:
    return struct.pack("<d", a) == struct.pack("<d", b)


@settings(deadline=None, max_examples=150)
@given(head=heads(), request=st.integers(0, 65535))
def test_a_head_describes_itself_as_it_is(device_in_c: DeviceInC, head, request: int) -> None:
    device, table = head
    assert device_in_c.define(device, table) == ""
    first, *rest, last = frames(device_in_c.feed(command(request, m.Opcode.DESCRIBE))[1])
    assert bytes(first.payload) == m.pack_device(device, m.parameter_hash(table))
    assert tuple(m.read_stream(f.payload) for f in rest) == device.streams
    assert m.read_reply(last.payload) == m.Reply(request, m.Result.OK, 0.0, "")
    *listed, last = frames(device_in_c.feed(command(request, m.Opcode.LIST_PARAMETERS))[1])
    assert [m.read_parameter(f.payload) for f in listed] == [(p, len(table)) for p in table]
    assert m.read_reply(last.payload).result is m.Result.OK


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_records_arrive_as_they_were_made(device_in_c: DeviceInC, data: st.DataObject) -> None:
    stream = data.draw(streams(3))
    capacity = data.draw(st.integers(1, 8))
    odometer = data.draw(st.booleans())
    run = data.draw(st.integers(0, 2**32 - 1))
    n = data.draw(st.integers(0, 20))
    ticks = data.draw(st.lists(st.integers(0, 2**32 - 1), min_size=n, max_size=n))
    places = data.draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=n, max_size=n))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    raw = rng.integers(0, 256, (n, stream.width * stream.dtype.itemsize), np.uint8)
    raw[rng.random(raw.shape) < data.draw(st.sampled_from([0.0, 0.02, 0.5, 1.0]))] = 0
    device = DeviceDescription("m", "s", "f", 1e6, (stream,))
    assert device_in_c.define(device, capacities=[capacity], odometer=odometer) == ""
    device_in_c.next(run, 65530)  # the sequence wraps on the way
    sent = device_in_c.feed(command(1, m.Opcode.START))[1]
    for tick, place, record in zip(ticks, places, raw, strict=True):
        sent += device_in_c.record(0, tick, place, record)
    sent += device_in_c.feed(command(2, m.Opcode.STOP))[1]
    samples = [m.read_samples(f.payload, {3: stream}) for f in frames(sent) if f.kind == m.Kind.SAMPLES]
    assert all(s.run == run for s in samples)
    assert [s.first_seq for s in samples] == list(range(0, n, capacity))
    assert [t for s in samples for t in s.ticks.tolist()] == ticks
    if odometer:
        assert [o for s in samples for o in s.odometer_um.tolist()] == places
    else:
        assert all(s.odometer_um is None for s in samples)
    assert b"".join(s.raw.tobytes() for s in samples) == raw.tobytes()


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_value_is_taken_or_refused_as_on_the_host(device_in_c: DeviceInC, data: st.DataObject) -> None:
    p = data.draw(parameters(0))
    ends = [p.low, p.high, p.default, math.nextafter(p.low, -math.inf), math.nextafter(p.high, math.inf)]
    near = st.sampled_from(ends)
    value = data.draw(st.one_of(near, st.floats(), st.integers(-3, 3).map(float), st.sampled_from([0.5, 1.5, -0.0])))
    assert device_in_c.define(DeviceDescription("m", "s", "f", 1e6, ()), [p]) == ""
    (frame,) = frames(device_in_c.feed(command(7, m.Opcode.SET, p.name, value))[1])
    reply = m.read_reply(frame.payload)
    words = p.refusal(value)
    assert reply.text.encode() == words.encode()[:255]
    wanted = m.Result.OK if not words else m.Result.OUT_OF_RANGE if p.writable else m.Result.READ_ONLY
    assert reply.result is wanted
    now = p.default if words else value
    assert same(reply.value, now)
    (frame,) = frames(device_in_c.feed(command(8, m.Opcode.GET, p.name))[1])
    reply = m.read_reply(frame.payload)
    assert (reply.request, reply.result) == (8, m.Result.OK)
    assert same(reply.value, now)


@settings(deadline=None)
@given(status=st.builds(
    m.HeadStatus, st.just(m.HeadState.IDLE), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.just(0),
    st.integers(0, 65535), st.integers(-(2**15), 2**15 - 1).map(lambda c: c / 100.0),
))  # fmt: skip
def test_status_is_told_as_it_is(device_in_c: DeviceInC, status: m.HeadStatus) -> None:
    device_in_c.define(DeviceDescription("m", "s", "f", 1e6, ()))
    temperature = round(status.temperature_c * 100)
    assert device_in_c.service(status.tick, status.fault_bits, status.battery_mv, temperature) == b""
    told, reply = frames(device_in_c.feed(command(1, m.Opcode.STATUS))[1])
    assert m.read_status(told.payload) == status
    assert m.read_reply(reply.payload).result is m.Result.OK


@settings(deadline=None)
@given(values=st.lists(st.floats(), min_size=1, max_size=200))
def test_numbers_are_written_as_c_and_python_write_them(device_in_c: DeviceInC, values: list[float]) -> None:
    assert device_in_c.format(values) == [f"{v:g}" for v in values]


def test_numbers_near_a_tie_and_at_the_ends_are_written_as_c_and_python_write_them(device_in_c: DeviceInC) -> None:
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**64, 100_000, np.uint64).view(np.float64)
    short = np.round(rng.uniform(-1, 1, 50_000), 5) * 10.0 ** rng.integers(-8, 9, 50_000)
    ties = (rng.integers(100_000, 1_000_000, 20_000) + 0.5) * 2.0 ** rng.integers(-20, 1, 20_000)
    decimal = np.array([float(f"{d}.5e{e}") for d in range(123450, 123460) for e in range(-320, 303, 7)])
    around = np.concatenate([np.nextafter(decimal, 0), decimal, np.nextafter(decimal, np.inf)])
    ends = np.array(
        [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, np.inf, -np.inf, np.nan, -np.nan,
         999999.5, 9999995.0, 0.00001, 0.0001, 99999.95, 1e5, 1e6, 123456.5, 0.00012345650]
    )  # fmt: skip
    values = np.concatenate([bits, short, ties, around, ends])
    written = device_in_c.format(values.tolist())
    expected = [f"{v:g}" for v in values.tolist()]
    assert written == expected


@settings(deadline=None)
@given(data=st.data())
def test_commands_are_understood_however_they_are_cut(device_in_c: DeviceInC, data: st.DataObject) -> None:
    p = m.Parameter(0, "gain", "dB", "", -1e300, 1e300, 0.0, 0.0)
    values = data.draw(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6))
    line = b"".join(command(i, m.Opcode.SET, "gain", v, sequence=i) for i, v in enumerate(values))
    device_in_c.define(DeviceDescription("m", "s", "f", 1e6, ()), [p])
    taken, sent = device_in_c.feed(line, piece=data.draw(st.integers(1, len(line))))
    assert taken == len(line)
    replies = [m.read_reply(f.payload) for f in frames(sent)]
    assert [(r.request, r.result) for r in replies] == [(i, m.Result.OK) for i in range(len(values))]
    assert all(same(r.value, v) for r, v in zip(replies, values, strict=True))


def test_a_command_of_a_later_version_of_any_length_is_understood(device_in_c: DeviceInC) -> None:
    p = m.Parameter(0, "gain", "dB", "", 0.0, 10.0, 0.0, 0.0)
    for extra in (1, 200, 254, 255, 600, 60_000):
        device_in_c.define(DeviceDescription("m", "s", "f", 1e6, ()), [p])
        payload = m.pack_command(m.Command(1, m.Opcode.SET, "gain", 3.0)) + bytes(i % 251 for i in range(extra))
        (frame,) = frames(device_in_c.feed(encode_frame(m.Kind.COMMAND, 0, payload))[1])
        assert m.read_reply(frame.payload) == m.Reply(1, m.Result.OK, 3.0, "")
        assert device_in_c.values() == [3.0]
