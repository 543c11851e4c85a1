"""Messages: the bytes of the written protocol, and what they mean."""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.samples import DeviceDescription, StreamDescription, StreamKind
from firmware_host.errors import WireError
from firmware_host.wire import messages as m
from firmware_host.wire.counters import unwrap_all
from firmware_host.wire.framing import FrameDecoder, encode_frame

DOC = Path(__file__).parents[3] / "docs" / "wire-protocol.md"

METAL = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, 4, "int32", 200.0, scale=1e-3, unit="V", axis=(2e-5, 5e-5, 1e-4, 2e-4)
)
RADAR = StreamDescription(
    1, "radar", StreamKind.RADAR, 1, 6, "int16", 20.0,
    sampling_interval_s=1e-10, centre_frequency_hz=1e9, step_m=0.02,
)  # fmt: skip
DEVICE = DeviceDescription("demo", "D-7", "1.2", 1e6, (METAL, RADAR))
CURRENT = m.Parameter(0, "tx_current", "A", "transmitter current", 0.5, 2.0, 1.0, 1.5, persistent=True)
STATUS = m.HeadStatus(m.HeadState.STREAMING, 0b100, 5000, 3, 7350, 21.5)
REFUSED = m.Reply(1, m.Result.OUT_OF_RANGE, 1.5, "tx_current = 9 is not allowed: it must be from 0.5 to 2 A")
SET = m.Command(1, m.Opcode.SET, "tx_current", 9.0)
TWO = np.array([[[1000, 500, 250, 0]], [[1001, 499, -250, -1]]], "<i4")
ONE = np.array([[[0, -3, 120, -32768, 32767, 256]]], "<i2")


def examples() -> list[bytes]:
    """The frames of the written protocol, in its order."""
    text = DOC.read_text().split("## Examples")[1]
    return [bytes.fromhex(re.sub(r"\s", "", block)) for block in re.findall(r"(?:^    [0-9a-f]+\n)+", text, re.M)]


def test_the_written_examples_are_what_is_sent() -> None:
    sent = [
        (1, 0, m.pack_device(DEVICE, m.parameter_hash([CURRENT]))),
        (2, 1, m.pack_stream(METAL)),
        (2, 2, m.pack_stream(RADAR)),
        (5, 3, m.pack_parameter(CURRENT, 1)),
        (3, 4, m.pack_samples(METAL, 7, 0, np.array([0, 5000]), np.array([0, 2000]), TWO)),
        (3, 5, m.pack_samples(RADAR, 7, 0, np.array([2**32 - 1]), None, ONE)),
        (4, 6, m.pack_status(STATUS)),
        (0x80, 0, m.pack_command(SET)),
        (6, 7, m.pack_reply(REFUSED)),
    ]
    assert [encode_frame(*s) for s in sent] == examples()


def test_a_stepped_frequency_stream_travels_as_kind_5_with_its_frequencies() -> None:
    sfcw = StreamDescription(
        2, "sfcw", StreamKind.RADAR_SFCW, 2, 6, "int32", 25.0, scale=1e-6, unit="V", axis=(5e8, 6e8, 7e8), step_m=0.05
    )
    payload = m.pack_stream(sfcw)
    assert payload[1] == 5
    assert m.read_stream(payload) == sfcw


def test_the_written_examples_are_what_they_say() -> None:
    device, metal, radar, parameter, two, one, status, command, reply = (
        f.payload for line in examples() for f in FrameDecoder().feed(line)
    )
    read = m.read_device(device)
    assert (read.model, read.serial, read.firmware, read.tick_hz, read.n_streams) == ("demo", "D-7", "1.2", 1e6, 2)
    assert m.read_stream(metal) == METAL
    assert m.read_stream(radar) == RADAR
    assert m.read_parameter(parameter) == (CURRENT, 1)
    streams = {0: METAL, 1: RADAR}
    samples = m.read_samples(two, streams)
    assert samples.odometer_um is not None
    assert (samples.run, samples.first_seq, samples.ticks.tolist()) == (7, 0, [0, 5000])
    assert samples.odometer_um.tolist() == [0, 2000]
    np.testing.assert_array_equal(samples.raw, TWO)
    samples = m.read_samples(one, streams)
    assert samples.odometer_um is None
    assert samples.ticks.tolist() == [2**32 - 1]
    np.testing.assert_array_equal(samples.raw, ONE)
    assert m.read_status(status) == STATUS
    assert STATUS.faults == ("battery low",)
    assert m.read_command(command) == SET
    assert m.read_reply(reply) == REFUSED
    assert CURRENT.refusal(9.0) == REFUSED.text


READERS = [m.read_device, m.read_stream, m.read_status, m.read_parameter, m.read_reply, m.read_command]


@given(payload=st.binary(max_size=200), reader=st.sampled_from(READERS))
def test_nonsense_is_one_kind_of_error_that_says_what_to_do(payload: bytes, reader) -> None:
    with contextlib.suppress(WireError):
        reader(payload)
    with pytest.raises(WireError, match="update the older one"):
        reader(payload[:1])


@given(payload=st.binary(max_size=200))
def test_samples_that_do_not_fit_their_stream_are_refused(payload: bytes) -> None:
    try:
        got = m.read_samples(payload, {0: METAL, 1: RADAR})
    except WireError:
        return
    assert len(got.raw) == len(got.ticks)


def test_fields_of_a_later_version_are_ignored() -> None:
    for pack, read, value in (
        (m.pack_stream, m.read_stream, RADAR),
        (m.pack_status, m.read_status, STATUS),
        (m.pack_reply, m.read_reply, REFUSED),
    ):
        assert read(pack(value) + b"more") == value


@given(start=st.integers(0, 2**40), steps=st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=20))
def test_counters_unwrap_to_what_they_were(start: int, steps: list[int]) -> None:
    true = start + np.cumsum([0, *steps])
    wrapped = (true & 0xFFFFFFFF).astype(np.uint32)
    np.testing.assert_array_equal(unwrap_all(wrapped, start), true)
    signed = wrapped.view(np.int32)
    np.testing.assert_array_equal(unwrap_all(signed, start), true)


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        (CURRENT, 2.0, ""),
        (CURRENT, math.nan, "tx_current = nan is not allowed: it must be from 0.5 to 2 A"),
        (
            m.Parameter(0, "gates", "", "", 1, 64, 8, 8, m.ParameterKind.WHOLE),
            2.5,
            "gates = 2.5 is not allowed: it must be a whole number",
        ),
        (m.Parameter(0, "uptime", "s", "", 0, 1e9, 0, 0, writable=False), 1.0, "uptime can only be read"),
    ],
)
def test_a_refusal_says_what_is_allowed(parameter: m.Parameter, value: float, words: str) -> None:
    assert parameter.refusal(value) == words
