"""Frames: what was sent comes back whole, whatever the cut; what was damaged is counted and never used."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_host.errors import WireError
from firmware_host.wire.framing import MAX_DECODED, MAX_PAYLOAD, Frame, FrameDecoder, encode_frame

# payloads that touch the edges of the stuffing: runs of 254, many zeros, none
PAYLOADS = st.one_of(
    st.binary(max_size=600),
    st.integers(250, 520).map(lambda n: b"\x01" * n),
    st.integers(250, 520).map(lambda n: b"\x00" * n),
    st.integers(245, 260).map(lambda n: b"\x05" * n + b"\x00" + b"\x06" * n),
)


def cobs_by_the_paper(data: bytes) -> bytes:
    """Figure 3 of Cheshire and Baker 1999, byte by byte."""
    out, block = bytearray(), bytearray()
    for byte in data:
        if byte == 0:
            out += bytes([len(block) + 1]) + block
            block.clear()
        else:
            block.append(byte)
            if len(block) == 254:
                out += b"\xff" + block
                block.clear()
                continue
    # a full block at the very end stands for no zero, so nothing need follow it
    if block or not data or data[-1] == 0 or len(out) == 0:
        out += bytes([len(block) + 1]) + block
    return bytes(out)


def as_tuples(frames: list[Frame]) -> list[tuple[int, int, bytes]]:
    return [(f.kind, f.sequence, bytes(f.payload)) for f in frames]


@given(kind=st.integers(0, 255), sequence=st.integers(0, 65535), payload=PAYLOADS)
def test_a_frame_is_cobs_and_crc32_of_its_content(kind: int, sequence: int, payload: bytes) -> None:
    body = bytes([1, kind]) + sequence.to_bytes(2, "little") + payload
    body += zlib.crc32(body).to_bytes(4, "little")
    frame = encode_frame(kind, sequence, payload)
    assert frame == cobs_by_the_paper(body) + b"\0"
    assert frame.count(0) == 1


@settings(deadline=None)
@given(messages=st.lists(st.tuples(st.integers(0, 255), PAYLOADS), max_size=8), cuts=st.lists(st.integers(1, 300)))
def test_any_cut_of_the_bytes_gives_the_same_frames(messages: list[tuple[int, bytes]], cuts: list[int]) -> None:
    sent = [(kind, i, payload) for i, (kind, payload) in enumerate(messages)]
    line = b"".join(encode_frame(*m) for m in sent)
    decoder = FrameDecoder()
    got, at = [], 0
    for n in [*cuts, len(line)]:
        got += as_tuples(decoder.feed(line[at : at + n]))
        at += n
    assert got == sent
    c = decoder.counters
    assert (c.frames, c.damaged, c.lost, c.bytes) == (len(sent), 0, 0, len(line))


@settings(deadline=None)
@given(data=st.data())
def test_a_changed_byte_never_gives_a_wrong_message(data: st.DataObject) -> None:
    payloads = [data.draw(PAYLOADS) for _ in range(3)]
    sent = [(3, i, p) for i, p in enumerate(payloads)]
    line = bytearray(b"".join(encode_frame(*m) for m in sent))
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    decoder = FrameDecoder()
    got = as_tuples(decoder.feed(bytes(line) + b"\0"))
    assert set(got) <= set(sent)
    # at most the two frames on either side of a broken delimiter are lost, and the loss is counted
    assert len(got) >= 1
    assert len(got) + decoder.counters.damaged >= 2
    if len(got) < 3:
        assert decoder.counters.damaged > 0


@settings(deadline=None)
@given(noise=st.lists(st.binary(max_size=3000), max_size=5))
def test_noise_is_never_a_message_and_every_byte_is_counted(noise: list[bytes]) -> None:
    decoder = FrameDecoder()
    for piece in noise:
        # a random piece passes CRC-32 once in 4e9
        assert decoder.feed(piece) == []
    good = encode_frame(9, 0, b"still here")
    assert as_tuples(decoder.feed(b"\0" + good)) == [(9, 0, b"still here")]
    assert decoder.counters.bytes == sum(map(len, noise)) + len(good) + 1


def test_a_line_without_zeros_is_thrown_away_with_bounded_memory() -> None:
    decoder = FrameDecoder()
    for _ in range(100):
        assert decoder.feed(b"\x55" * 10_000) == []
        assert len(decoder._carry) <= MAX_DECODED + MAX_DECODED // 254 + 2
    assert decoder.counters.oversize >= 1
    assert len(decoder.feed(b"\0" + encode_frame(1, 5, b"x"))) == 1


def test_lost_frames_are_counted_across_the_wrap_of_the_sequence() -> None:
    decoder = FrameDecoder()
    for sequence in (65534, 65535, 3):
        decoder.feed(encode_frame(3, sequence, b"abc"))
    assert decoder.counters.lost == 3


def test_frames_that_come_twice_are_not_taken_for_lost_ones() -> None:
    decoder = FrameDecoder()
    for sequence in (7, 8, 9, 8, 9, 10):
        decoder.feed(encode_frame(3, sequence, b"abc"))
    assert (decoder.counters.lost, decoder.counters.frames) == (0, 6)


@pytest.mark.parametrize("cut", [1 << 20, 70_000, 4096, 999])
def test_what_is_longer_than_any_frame_is_counted_as_such_however_it_is_cut(cut: int) -> None:
    line = b"\x55" * 300_000 + b"\0" + encode_frame(1, 5, b"x") + b"\x55" * 100_000 + b"\0"
    decoder = FrameDecoder()
    got = [f for i in range(0, len(line), cut) for f in as_tuples(decoder.feed(line[i : i + cut]))]
    c = decoder.counters
    assert got == [(1, 5, b"x")]
    assert (c.oversize, c.bad_cobs, c.bad_crc, c.too_short) == (2, 0, 0, 0)


def test_a_frame_of_another_version_is_counted_and_skipped() -> None:
    body = bytes([2, 3, 0, 0]) + b"from the future"
    body += zlib.crc32(body).to_bytes(4, "little")
    decoder = FrameDecoder()
    assert decoder.feed(cobs_by_the_paper(body) + b"\0") == []
    assert decoder.counters.wrong_version == 1


@pytest.mark.parametrize("size", [MAX_PAYLOAD, MAX_PAYLOAD - 1])
def test_the_longest_message_passes(size: int) -> None:
    payload = bytes(i * 7 % 256 for i in range(size))
    assert as_tuples(FrameDecoder().feed(encode_frame(3, 1, payload))) == [(3, 1, payload)]


def test_a_message_too_long_for_a_frame_is_refused() -> None:
    with pytest.raises(WireError, match="too long"):
        encode_frame(3, 0, bytes(MAX_PAYLOAD + 1))
