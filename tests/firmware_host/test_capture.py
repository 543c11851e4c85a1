"""A capture holds the bytes of the line and decodes to what the host saw; damage ends it, and is said."""

from __future__ import annotations

import os
import pty
import tty
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.samples import DeviceDescription, Event, Gap, SampleBlock
from firmware_host.capture import (
    MAGIC,
    CaptureReader,
    CaptureSource,
    CaptureWriter,
    Piece,
    PieceKind,
    Tap,
    record_line,
)
from firmware_host.errors import CaptureError, LinkError
from firmware_host.head import Head
from firmware_host.link import SerialLink
from firmware_host.virtual.head import Faults, VirtualHead
from firmware_host.wire.framing import Frame, FrameDecoder, encode_frame
from firmware_host.wire.listing import FrameListing
from firmware_host.wire.messages import Kind, read_command

DualHead = tuple[DeviceDescription, list[SampleBlock]]

RX, TX = PieceKind.RECEIVED, PieceKind.SENT
PIECES = st.lists(st.tuples(st.sampled_from([RX, TX]), st.binary(min_size=1, max_size=300)), max_size=12)


def as_tuple(f: Frame) -> tuple[int, int, bytes]:
    return f.kind, f.sequence, bytes(f.payload)


def write(path: Path, pieces: list[tuple[PieceKind, bytes]]) -> None:
    times = iter(range(100, 10_000))
    with CaptureWriter(path, {"port": "p"}, clock=lambda: next(times)) as w:
        for kind, data in pieces:
            w.add(kind, data)


def read(path: Path) -> tuple[list[tuple[PieceKind, bytes]], str]:
    reader = CaptureReader(path)
    pieces = [(p.kind, p.data) for p in reader if p.kind is not PieceKind.ABOUT]
    return pieces, reader.ending


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


def fresh(folder: Path) -> Path:
    path = folder / "a.gsraw"
    path.unlink(missing_ok=True)
    return path


@given(pieces=PIECES)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_captured_comes_back_with_its_times(folder: Path, pieces: list[tuple[PieceKind, bytes]]) -> None:
    path = fresh(folder)
    write(path, pieces)
    assert read(path) == (pieces, "")
    reader = CaptureReader(path)
    assert reader.about == {"port": "p"}
    assert [p.utc_ns for p in reader] == list(range(100, 101 + len(pieces)))


@given(pieces=PIECES, data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_file_gives_its_first_pieces_and_says_that_it_is_cut(
    folder: Path, pieces: list[tuple[PieceKind, bytes]], data: st.DataObject
) -> None:
    path = fresh(folder)
    write(path, pieces)
    whole = path.read_bytes()
    cut = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    path.write_bytes(whole[:cut])
    got, ending = read(path)
    assert got == pieces[: len(got)]
    assert "cut off" in ending
    # every piece that lies whole before the cut is there
    sizes = [13 + len('{"port": "p"}') + 4, *(13 + len(d) + 4 for _, d in pieces)]
    inside = sum(np.cumsum(sizes) + len(MAGIC) <= cut)
    assert len(got) == max(0, inside - 1)


@given(pieces=PIECES, data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_never_gives_a_changed_piece(
    folder: Path, pieces: list[tuple[PieceKind, bytes]], data: st.DataObject
) -> None:
    path = fresh(folder)
    write(path, pieces)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    got, ending = read(path)
    assert got == pieces[: len(got)]
    assert ending


@given(rubbish=st.binary(max_size=500), magic=st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rubbish_is_no_capture_or_ends_at_once(folder: Path, rubbish: bytes, magic: bool) -> None:
    path = fresh(folder)
    path.write_bytes(MAGIC + rubbish if magic else rubbish)
    if magic:
        pieces, ending = read(path)
        assert (pieces, bool(ending)) == ([], True)
    elif not rubbish.startswith(MAGIC):
        with pytest.raises(CaptureError, match="not a capture"):
            read(path)


def test_a_piece_that_was_taken_out_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.gsraw"
    write(path, [(RX, b"one"), (RX, b"two"), (RX, b"three")])
    data = path.read_bytes()
    at = data.index(b"two") - 13
    path.write_bytes(data[:at] + data[at + 13 + 3 + 4 :])
    assert read(path)[0] == [(RX, b"one")]


def test_kinds_of_a_later_version_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.gsraw"
    with CaptureWriter(path, {}) as w:
        w.add(77, b"from the future")  # type: ignore[arg-type]
        w.add(RX, b"x")
    assert read(path) == ([(RX, b"x")], "")


def test_a_capture_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "a.gsraw", [])
    with pytest.raises(CaptureError, match="exists already"):
        CaptureWriter(tmp_path / "a.gsraw", {})
    with pytest.raises(CaptureError, match="cannot be made"):
        CaptureWriter(tmp_path / "none" / "a.gsraw", {})
    with pytest.raises(CaptureError, match="cannot be read"):
        CaptureReader(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
def test_a_full_disk_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    full = Path("/dev/full").open("wb")  # noqa: SIM115 - the writer closes it
    monkeypatch.setattr(Path, "open", lambda self, mode: full)
    with pytest.raises(CaptureError, match="cannot grow"):
        CaptureWriter(tmp_path / "a.gsraw", {})


LINES = st.lists(
    st.one_of(
        st.builds(encode_frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=300)),
        st.binary(max_size=60),
        st.just(b"\x07" * 70_000),
    ),
    max_size=8,
).map(b"".join)


@given(line=LINES, cuts=st.lists(st.integers(1, 40_000), max_size=6))
@settings(deadline=None, max_examples=60)
def test_a_listing_gives_exactly_the_frames_and_counts_of_the_live_decoder(line: bytes, cuts: list[int]) -> None:
    live, listing = FrameDecoder(), FrameListing()
    frames: list[tuple[int, int, bytes]] = []
    seen = []
    at = 0
    for n in [*cuts, max(1, len(line))]:
        frames += [as_tuple(f) for f in live.feed(line[at : at + n])]
        seen += list(listing.feed(line[at : at + n]))
        at += n
    assert [as_tuple(s.frame) for s in seen if s.frame] == frames
    assert listing.counters == live.counters
    assert sum(bool(s.damage) for s in seen) == live.counters.damaged + live.counters.wrong_version
    assert sum(s.lost for s in seen) == live.counters.lost


class Noting:
    """A link that keeps the frames that a host decoding it live would see."""

    def __init__(self, link: SerialLink) -> None:
        self._link = link
        self.decoder = FrameDecoder()
        self.frames: list[tuple[int, int, bytes]] = []
        self.port = link.port
        self.write = link.write
        self.close = link.close

    def read(self) -> bytes:
        data = self._link.read()
        self.frames += [as_tuple(f) for f in self.decoder.feed(data)]
        return data


FAULTS = Faults(drop_every=11, damage_every=7, garbage_every=5, unknown_every=9, repeat_every=13)


def captured(dual_head: DualHead, path: Path, faults: Faults | None = None) -> Noting:
    device, blocks = dual_head
    played = sorted((b[i : i + 8] for b in blocks for i in range(0, len(b), 8)), key=lambda b: int(b.tick[0]))
    with VirtualHead(device, lambda: played, 0.0, faults) as virtual, CaptureWriter(path, {}) as writer:
        link = Noting(SerialLink(virtual.path))
        record_line(Tap(link, writer), start=True, stop=lambda: False)
        link.close()
    return link


def test_a_capture_decodes_to_the_frames_that_came_live(dual_head: DualHead, tmp_path: Path) -> None:
    live = captured(dual_head, tmp_path / "a.gsraw", FAULTS)
    decoder, frames = FrameDecoder(), []
    commands = FrameDecoder()
    sent = []
    for piece in CaptureReader(tmp_path / "a.gsraw"):
        if piece.kind is RX:
            frames += [as_tuple(f) for f in decoder.feed(piece.data)]
        elif piece.kind is TX:
            sent += [read_command(f.payload).opcode for f in commands.feed(piece.data)]
    assert len(frames) > 100
    assert frames == live.frames
    assert decoder.counters == live.decoder.counters
    assert decoder.counters.damaged > 0
    assert sent[0] == 1  # DESCRIBE
    assert sent[-1] == 3  # STOP


def test_a_capture_replays_into_the_records_and_gaps_of_its_head(dual_head: DualHead, tmp_path: Path) -> None:
    captured(dual_head, tmp_path / "a.gsraw", FAULTS)
    source = CaptureSource(tmp_path / "a.gsraw")
    assert source.device == dual_head[0]
    items = [i for got in source.items() for i in got]
    for sent in dual_head[1]:
        blocks = [i for i in items if isinstance(i, SampleBlock) and i.stream == sent.stream]
        seq = np.concatenate([b.seq for b in blocks])
        np.testing.assert_array_equal(np.concatenate([b.raw for b in blocks]), sent.raw[seq])
        missing = sum(i.n_records for i in items if isinstance(i, Gap) and i.stream_id == sent.stream.stream_id)
        assert missing > 0
        assert len(seq) + missing == seq[-1] + 1
    texts = [i.text for i in items if isinstance(i, Event)]
    assert any("damaged frames" in t for t in texts)
    assert any("unknown type" in t for t in texts)


def test_a_capture_that_was_cut_replays_up_to_there_and_says_so(dual_head: DualHead, tmp_path: Path) -> None:
    path = tmp_path / "a.gsraw"
    captured(dual_head, path)
    path.write_bytes(path.read_bytes()[:-20_000])
    items = [i for got in CaptureSource(path).items() for i in got]
    assert sum(len(i) for i in items if isinstance(i, SampleBlock)) > 100
    assert "cut off" in [i.text for i in items if isinstance(i, Event)][-1]


def test_a_description_that_comes_after_the_samples_serves_for_all_of_them(
    dual_head: DualHead, tmp_path: Path
) -> None:
    captured(dual_head, tmp_path / "a.gsraw")
    pieces = list(CaptureReader(tmp_path / "a.gsraw"))
    line = b"".join(p.data for p in pieces if p.kind is RX)
    frames = line.split(b"\0")[:-1]
    # DEVICE, two STREAMs and the REPLY to DESCRIBE, put last
    write(tmp_path / "b.gsraw", [(RX, b"\0".join([*frames[4:], *frames[:4]]) + b"\0")])
    items = [i for got in CaptureSource(tmp_path / "b.gsraw").items() for i in got]
    assert sum(len(i) for i in items if isinstance(i, SampleBlock)) == sum(len(b) for b in dual_head[1])


def test_a_capture_without_a_description_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.gsraw", [(RX, encode_frame(Kind.REPLY, 0, b""))])
    with pytest.raises(CaptureError, match="No head describes itself"):
        CaptureSource(tmp_path / "a.gsraw")


def test_listening_sends_not_a_byte(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    with CaptureWriter(tmp_path / "a.gsraw", {}) as writer:
        link = SerialLink(os.ttyname(slave))
        os.write(master, b"hello")
        turns = iter([False] * 5)
        counters = record_line(Tap(link, writer), start=False, stop=lambda: next(turns, True))
        link.close()
    assert counters.bytes == 5
    with pytest.raises(BlockingIOError):
        os.read(master, 1)
    assert read(tmp_path / "a.gsraw") == ([(RX, b"hello")], "")
    os.close(master)
    os.close(slave)


def test_a_line_that_is_lost_is_told_in_the_capture(dual_head: DualHead, tmp_path: Path) -> None:
    def capture_it() -> None:
        with VirtualHead(dual_head[0], list) as virtual, CaptureWriter(tmp_path / "a.gsraw", {}) as writer:
            link = SerialLink(virtual.path)
            Head(Tap(link, writer)).describe()
            virtual.unplug()
            try:
                record_line(Tap(link, writer), start=False, stop=lambda: False)
            finally:
                link.close()

    with pytest.raises(LinkError, match="stopped answering"):
        capture_it()
    pieces, ending = read(tmp_path / "a.gsraw")
    assert pieces
    assert "stopped answering" in ending


def test_the_format_is_as_its_page_says(tmp_path: Path) -> None:
    times = iter([1, 2, 3])
    with CaptureWriter(tmp_path / "a.gsraw", {}, clock=lambda: next(times)) as w:
        w.add(RX, b"\x05\x00")
    piece = b"\x01\x02\0\0\0" + (2).to_bytes(8, "little") + b"\x05\x00"
    about = b"\x00\x02\0\0\0" + (1).to_bytes(8, "little") + b"{}"
    before = MAGIC + about
    crc = zlib.crc32(before)
    expected = before + crc.to_bytes(4, "little") + piece + zlib.crc32(piece, crc).to_bytes(4, "little")
    assert (tmp_path / "a.gsraw").read_bytes().startswith(expected)
    assert list(CaptureReader(tmp_path / "a.gsraw"))[1] == Piece(RX, 2, b"\x05\x00")
