"""Back-pressure: a record that could not be sent counts as made and as dropped, and no frame goes out in part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.samples import DeviceDescription, StreamDescription, StreamKind
from firmware_host.wire import messages as m
from firmware_host.wire.framing import Frame, FrameDecoder, encode_frame
from tests.firmware_host.device.bridge import UNLIMITED, DeviceInC

pytestmark = pytest.mark.needs_tools("gcc")

METAL = StreamDescription(0, "metal", StreamKind.METAL_PI, 1, 2, "int32", 200.0, unit="V", axis=(2e-5, 5e-5))
RADAR = StreamDescription(
    9, "radar", StreamKind.RADAR, 1, 150, "int16", 20.0, sampling_interval_s=1e-10, centre_frequency_hz=1e9
)
DEVICE = DeviceDescription("m", "s", "f", 1e6, (METAL, RADAR))
STREAMS = {0: METAL, 9: RADAR}
GAIN = m.Parameter(0, "gain", "dB", "of the input", -20.0, 60.0, 0.0, 0.0, persistent=True)
COUNT = m.Parameter(1, "count", "", "", 1, 64, 8, 8, m.ParameterKind.WHOLE)
UPTIME = m.Parameter(2, "uptime", "s", "", 0, 1e9, 0, 0, writable=False)
TABLE = [GAIN, COUNT, UPTIME]


def command(request: int, opcode: int, name: str = "", value: float = 0.0) -> bytes:
    return b"\0" + encode_frame(m.Kind.COMMAND, request, m.pack_command(m.Command(request, opcode, name, value)))


def frames(data: bytes) -> list[Frame]:
    decoder = FrameDecoder()
    found = decoder.feed(data)
    c = decoder.counters
    assert (c.damaged, c.lost, c.wrong_version, decoder._carry) == (0, 0, 0, b"")
    return found


def replies(data: bytes) -> list[m.Reply]:
    return [m.read_reply(f.payload) for f in frames(data) if f.kind == m.Kind.REPLY]


def record(device: DeviceInC, stream: int, number: int) -> bytes:
    """Each record says its own number."""
    s = DEVICE.streams[stream]
    return device.record(stream, number, 0, np.full(s.width, number % 30_000, s.dtype))


STEP = st.one_of(
    st.tuples(st.just("record"), st.integers(0, 1), st.integers(1, 12)),
    st.tuples(st.just("missed"), st.integers(0, 1), st.integers(0, 5)),
    st.tuples(st.just("room"), st.just(0), st.integers(0, 2500)),
    st.tuples(st.just("service"), st.just(0), st.integers(0, 400_000)),
    st.tuples(st.just("flush"), st.just(0), st.just(0)),
    st.tuples(st.just("ask"), st.just(0), st.integers(0, 2)),
)


@settings(deadline=None, max_examples=300)
@given(steps=st.lists(STEP, max_size=60), capacities=st.tuples(st.integers(1, 9), st.integers(1, 3)))
def test_received_and_dropped_are_what_was_made(device_in_c: DeviceInC, steps, capacities) -> None:
    device = device_in_c
    assert device.define(DEVICE, TABLE, capacities, odometer=False) == ""
    sent = device.feed(command(0, m.Opcode.START))[1]
    device.room(0)
    made, room, tick, asked = [0, 0], 0, 0, 0
    waiting = b""

    def room_again(n: int) -> None:
        nonlocal room
        room = n
        device.room(n)

    for what, stream, n in steps:
        if what == "record":
            for _ in range(n):
                sent += record(device, stream, made[stream])
                made[stream] += 1
        elif what == "missed":
            sent += device.missed(stream, n)
            made[stream] += n
        elif what == "room":
            room_again(n)
        elif what == "service":
            tick += n
            sent += device.service(tick)
        elif what == "flush":
            sent += device.flush()
        else:
            asked += 1
            waiting += command(asked, (m.Opcode.LIST_PARAMETERS, m.Opcode.GET, m.Opcode.STATUS)[n], "gain")
        taken, out = device.feed(waiting)
        waiting, sent = waiting[taken:], sent + out
    device.room(UNLIMITED)
    taken, out = device.feed(waiting + command(asked + 1, m.Opcode.STOP))
    sent += out + device.service(tick)
    assert [r.request for r in replies(sent)] == list(range(asked + 2))
    got: list[list[int]] = [[], []]
    for f in frames(sent):
        if f.kind == m.Kind.SAMPLES:
            s = m.read_samples(f.payload, STREAMS)
            numbers = list(range(s.first_seq, s.first_seq + len(s.ticks)))
            assert s.ticks.tolist() == numbers  # what it says it is, it is
            assert (s.raw == (s.ticks % 30_000)[:, None, None]).all()
            got[0 if s.stream_id == 0 else 1] += numbers
    assert all(g == sorted(set(g)) for g in got)
    assert sum(map(len, got)) + device.counts().dropped == sum(made)


def test_a_line_that_stands_still_costs_records_that_status_tells(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE, (4, 1), odometer=False)
    device.feed(command(0, m.Opcode.START))
    device.room(0)
    for i in range(20):
        assert record(device, 0, i) == b""
    assert device.counts().dropped == 16
    device.room(UNLIMITED)
    sent = device.service(250_000, faults=1)
    samples, status = frames(sent)
    assert m.read_samples(samples.payload, STREAMS).first_seq == 16
    told = m.read_status(status.payload)
    assert (told.dropped, told.faults) == (16, ("ADC saturated", "sample buffer overrun"))
    (status,) = frames(device.service(500_000))
    told = m.read_status(status.payload)
    assert (told.dropped, told.faults) == (16, ())


def test_a_frame_waits_for_room_for_the_whole_of_it(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE, (1, 1), odometer=False)
    device.feed(command(0, m.Opcode.START))
    device.room(200)
    assert record(device, 1, 0) == b""  # an A-scan of 324 bytes
    assert len(frames(record(device, 0, 0))) == 1
    device.room(400)
    assert len(frames(device.service(1))) == 1


def test_a_frame_never_needs_more_room_than_it_asked_for(device_in_c: DeviceInC) -> None:
    device = device_in_c
    for width in (100, 117, 118, 119, 120, 245, 372):  # around one, two and three whole COBS blocks
        scan = StreamDescription(1, "radar", StreamKind.RADAR, 1, width, "int16", 20.0, sampling_interval_s=1e-10)
        raw = np.full(width, 0x0101, "<i2")
        sizes = []
        for room in range(2 * width, 2 * width + 60):
            device.define(DeviceDescription("m", "s", "f", 1e6, (scan,)), odometer=False)
            device.next(0x01010101, 0)
            device.feed(command(0, m.Opcode.START))
            device.missed(0, 0x01010101)
            device.next(0, 0x0101)
            device.room(room)
            sizes.append(len(device.record(0, 0x01010101, 0, raw)))  # writing beyond the room would abort
        size = max(sizes)
        first = 2 * width + next(i for i, n in enumerate(sizes) if n)
        assert set(sizes) == {0, size}
        assert size <= first <= size + 2  # and it asks for no more than the worst that stuffing can do


def test_a_second_start_waits_until_the_records_of_the_first_are_out(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE, (3, 1), odometer=False)
    device.next(7, 0)
    sent = device.feed(command(0, m.Opcode.START))[1] + record(device, 0, 0)
    device.room(0)
    line = command(1, m.Opcode.START)
    assert device.feed(line) == (len(line), b"")
    for tick in range(3):
        assert device.service(tick) == b""
    device.room(UNLIMITED)
    sent += device.service(9) + record(device, 0, 0) + device.flush()
    got = [m.read_samples(f.payload, STREAMS) for f in frames(sent) if f.kind == m.Kind.SAMPLES]
    assert [(s.run, s.first_seq, len(s.ticks)) for s in got] == [(7, 0, 1), (8, 0, 1)]
    assert device.counts().dropped == 0


def test_while_an_answer_waits_no_further_command_is_taken(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE)
    line = command(1, m.Opcode.LIST_PARAMETERS) + command(2, m.Opcode.GET, "gain")
    device.room(0)
    taken, sent = device.feed(line)
    assert (taken, sent) == (len(command(1, m.Opcode.LIST_PARAMETERS)), b"")
    line = line[taken:]
    for _ in range(len(TABLE)):
        device.room(75)  # one PARAMETER at a time, and not the reply too
        taken, out = device.feed(line)
        assert taken == 0
        assert len(frames_any_sequence(out)) == 1
    device.room(UNLIMITED)
    taken, out = device.feed(line)
    assert taken == len(line)
    assert [r.request for r in replies(out)] == [1, 2]


def frames_any_sequence(data: bytes) -> list[Frame]:
    return FrameDecoder().feed(data)


def test_every_start_is_another_run_and_counts_from_nought(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE, (3, 1), odometer=False)
    device.next(41, 0)
    sent = device.feed(command(0, m.Opcode.START))[1] + record(device, 0, 0)
    sent += device.feed(command(1, m.Opcode.START))[1] + record(device, 0, 0) + device.flush()
    got = [m.read_samples(f.payload, STREAMS) for f in frames(sent) if f.kind == m.Kind.SAMPLES]
    # the record of the first run was sent before the second began
    assert [(s.run, s.first_seq, len(s.ticks)) for s in got] == [(41, 0, 1), (42, 0, 1)]


def test_nothing_is_recorded_before_start_and_after_stop(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE, (1, 1))
    assert record(device, 0, 0) == b""
    device.feed(command(0, m.Opcode.START))
    assert record(device, 0, 0) != b""
    device.feed(command(1, m.Opcode.STOP))
    assert record(device, 0, 0) == b""
    assert device.service(10_000_000) == b""


def test_the_last_records_may_be_handed_over_while_it_stops(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE, (3, 1), odometer=False)
    device.feed(command(0, m.Opcode.START))
    device.last_records(4)
    *samples, reply = frames(device.feed(command(1, m.Opcode.STOP))[1])
    got = [m.read_samples(f.payload, STREAMS) for f in samples]
    assert [(s.first_seq, len(s.ticks)) for s in got] == [(0, 3), (3, 1)]
    assert m.read_reply(reply.payload).request == 1


def test_a_head_that_ends_says_so_again_and_again(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE, (5, 1))
    device.feed(command(0, m.Opcode.START))
    record(device, 0, 0)
    (samples,) = frames(device.end(m.HeadState.FINISHED))
    assert samples.kind == m.Kind.SAMPLES
    for tick in (250_000, 500_000):
        (status,) = frames(device.service(tick))
        assert m.read_status(status.payload).state is m.HeadState.FINISHED


def test_what_the_board_refuses_is_failed_with_its_words_and_changes_nothing(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE)
    device.refuse("the coil is not connected", "the amplifier does not answer", "the flash is worn out")
    wanted = [
        (command(1, m.Opcode.START), 0.0, "the coil is not connected"),
        (command(2, m.Opcode.SET, "gain", 6.0), 0.0, "the amplifier does not answer"),
        (command(3, m.Opcode.SAVE), 0.0, "the flash is worn out"),
        (command(4, m.Opcode.DEFAULTS), 0.0, "the amplifier does not answer"),
    ]
    for line, value, words in wanted:
        (reply,) = replies(device.feed(line)[1])
        assert (reply.result, reply.value, reply.text) == (m.Result.FAILED, value, words)
    assert device.counts().state == m.HeadState.IDLE
    device.refuse()
    (reply,) = replies(device.feed(command(5, m.Opcode.SET, "gain", 6.0))[1])
    assert (reply.result, reply.value) == (m.Result.OK, 6.0)


def test_defaults_sets_back_what_can_be_written(device_in_c: DeviceInC) -> None:
    device = device_in_c
    device.define(DEVICE, TABLE)
    device.feed(command(1, m.Opcode.SET, "gain", 6.0) + command(2, m.Opcode.SET, "count", 3.0))
    assert device.values() == [6.0, 3.0, 0.0]
    device.feed(command(3, m.Opcode.DEFAULTS))
    assert device.values() == [0.0, 8.0, 0.0]


@pytest.mark.parametrize(
    ("opcode", "name", "result", "words"),
    [
        (77, "", m.Result.UNKNOWN_COMMAND, "command 77 is not known"),
        (m.Opcode.GET, "nonsense", m.Result.UNKNOWN_PARAMETER, "there is no parameter nonsense"),
        (m.Opcode.SET, "gai", m.Result.UNKNOWN_PARAMETER, "there is no parameter gai"),
        (m.Opcode.SET, "x" * 255, m.Result.UNKNOWN_PARAMETER, ("there is no parameter " + "x" * 255)[:255]),
    ],
)
def test_what_is_not_there_is_said_to_be_none(device_in_c: DeviceInC, opcode, name, result, words) -> None:
    device_in_c.define(DEVICE, TABLE)
    (reply,) = replies(device_in_c.feed(command(1, opcode, name))[1])
    assert (reply.result, reply.text) == (result, words)


@pytest.mark.parametrize(
    ("capacities", "table", "status_ticks", "words"),
    [
        ((0, 1), TABLE, 1, "a stream has no buffer"),
        ((4000, 1000), TABLE, 1, "a buffer holds more than one frame can"),
        ((1, 1), [GAIN, GAIN], 1, "two parameters have one name"),
        ((1, 1), [m.Parameter(0, "a b", "", "", 0, 1, 0, 0)], 1, "the name of a parameter"),
        ((1, 1), [m.Parameter(0, "a", "", "", 0, 1, 2, 0)], 1, "between its low and its high"),
        ((1, 1), [m.Parameter(0, "a", "", "", 0, 1.5, 0, 0, m.ParameterKind.WHOLE)], 1, "has a fraction"),
        ((1, 1), [m.Parameter(0, "a", "", "", 0, 2, 0, 0, m.ParameterKind.SWITCH)], 1, "a switch goes from 0 to 1"),
        ((1, 1), TABLE, 0, "status_ticks is 0"),
    ],
)
def test_a_mistake_in_the_tables_is_said(device_in_c: DeviceInC, capacities, table, status_ticks, words) -> None:
    assert words in device_in_c.define(DEVICE, table, capacities, status_ticks=status_ticks)
