"""A capture: the raw bytes of a line, both ways, each piece with its time. docs/capture-format.md in code.

The file only grows, and each piece carries a checksum over all that stands before it: a file that was cut
off or damaged is readable up to there, and what is read is what was on the line.
"""

from __future__ import annotations

import io
import json
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from detector.samples import DeviceDescription, Event, Severity, StreamDescription
from firmware_host.errors import CaptureError, WireError
from firmware_host.head import Head, Item
from firmware_host.link import Link
from firmware_host.wire.framing import FrameCounters, FrameDecoder, encode_frame
from firmware_host.wire.messages import (
    Command,
    DeviceMessage,
    HeadState,
    Kind,
    Opcode,
    pack_command,
    read_device,
    read_reply,
    read_samples_header,
    read_status,
    read_stream,
)

MAGIC: Final = b"groundsweep raw\n"
SUFFIX: Final = ".gsraw"
_HEAD: Final = struct.Struct("<BIq")
_CRC: Final = struct.Struct("<I")
_LONGEST: Final = 1 << 20
"""Most bytes of one piece: a length beyond is damage, and not a reason to ask for so much memory."""


class PieceKind(IntEnum):
    ABOUT = 0
    """JSON: the port, the baud rate, the software."""
    RECEIVED = 1
    SENT = 2
    END = 3
    """The capture ended in order; JSON: why."""


_KINDS: Final = frozenset(PieceKind)
"""A reader skips kinds that it does not know, so that some can be added."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that were read or written together."""

    kind: PieceKind
    utc_ns: int
    """When the read or the write returned, ns since 1970 UTC."""
    data: bytes


class CaptureWriter:
    """A new capture. A context manager. Every piece is with the operating system when `add` returns.

    Raises
    ------
    CaptureError
        when the file exists, cannot be made, or cannot grow.
    """

    def __init__(self, path: Path, about: dict[str, Any], clock: Callable[[], int] = time.time_ns) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._ended = False
        try:
            self._file = path.open("xb")
        except FileExistsError as e:
            raise CaptureError(f"{path} exists already, and is not overwritten. Choose another --out.") from e
        except OSError as e:
            raise CaptureError(f"{path} cannot be made ({e}). Check the folder, its rights and the disk.") from e
        self._crc = zlib.crc32(MAGIC)
        self._write(MAGIC)
        self.add(PieceKind.ABOUT, json.dumps(about).encode())

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if not isinstance(e, CaptureError):  # a file that cannot grow cannot take its end either
                self.end("" if e is None else str(e))
        finally:
            self._file.close()

    def add(self, kind: PieceKind, data: bytes) -> None:
        """Keep bytes with the time of now."""
        with self._lock:
            for at in range(0, max(1, len(data)), _LONGEST):
                part = data[at : at + _LONGEST]
                piece = _HEAD.pack(kind, len(part), self._clock()) + part
                self._crc = zlib.crc32(piece, self._crc)
                self._write(piece + _CRC.pack(self._crc))

    def end(self, why: str = "") -> None:
        """Mark the capture as ended in order."""
        if not self._ended:
            self._ended = True
            self.add(PieceKind.END, json.dumps({"why": why}).encode())

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as e:
            raise CaptureError(
                f"{self.path} cannot grow ({e}): the disk is full or gone. What is in it stays readable."
            ) from e


class Tap:
    """A link whose bytes are also written to a capture, in the order in which they passed."""

    def __init__(self, link: Link, writer: CaptureWriter) -> None:
        self._link = link
        self._writer = writer

    @property
    def port(self) -> str:
        return self._link.port

    def read(self) -> bytes:
        data = self._link.read()
        if data:
            self._writer.add(PieceKind.RECEIVED, data)
        return data

    def write(self, data: bytes) -> None:
        self._link.write(data)
        self._writer.add(PieceKind.SENT, data)

    def close(self) -> None:
        self._link.close()


def record_line(link: Link, start: bool, stop: Callable[[], bool]) -> FrameCounters:
    """Read a link until `stop` says so or the head has finished; what came, counted.

    Parameters
    ----------
    link : usually a Tap
    start : ask the head who it is and to send samples, and at the end to stop; else not a byte is sent
    stop : asked after every read
    """
    decoder = FrameDecoder()
    request, asked = 0, float("-inf")
    wanted = Opcode.DESCRIBE

    def say(opcode: Opcode) -> None:
        nonlocal request
        request += 1
        payload = pack_command(Command(request & 0xFFFF, opcode))
        link.write(b"\0" + encode_frame(Kind.COMMAND, request - 1, payload))

    running, finished = False, False
    while not (finished or stop()):
        if start and not running and time.monotonic() - asked > 0.5:
            say(wanted)
            asked = time.monotonic()
        for frame in decoder.feed(link.read()):
            try:
                if frame.kind == Kind.REPLY and read_reply(frame.payload).request == request & 0xFFFF:
                    running = wanted is Opcode.START
                    wanted, asked = Opcode.START, float("-inf")
                elif frame.kind == Kind.SAMPLES:
                    running = True
                elif frame.kind == Kind.STATUS:
                    finished = read_status(frame.payload).state is HeadState.FINISHED
            except WireError:
                continue  # it is in the capture, and 'groundsweep decode' explains it
    if start:
        say(Opcode.STOP)
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            decoder.feed(link.read())
    return decoder.counters


class CaptureReader:
    """A capture as an iterable of its pieces. Damage ends it: `ending` then says where and what.

    Raises
    ------
    CaptureError
        when the file cannot be read, or is no capture.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ending = ""
        """After the last piece: why there are no more; '' if the capture ended in order."""
        self.about: dict[str, Any] = {}
        try:
            with path.open("rb") as f:
                if f.read(len(MAGIC)) != MAGIC:
                    raise CaptureError(f"{path} is not a capture of ours: it does not begin with {MAGIC[:-1]!r}.")
        except OSError as e:
            raise CaptureError(f"{path} cannot be read ({e.strerror}). Check the name and its rights.") from e
        for piece in self:
            if piece.kind is PieceKind.ABOUT:
                self.about = _json(piece.data)
            break

    def __iter__(self) -> Iterator[Piece]:
        """Pieces of the kinds that this software knows, up to the end or the first damage."""
        self.ending = ""
        try:
            with self.path.open("rb") as f:
                yield from self._pieces(f, os.fstat(f.fileno()).st_size)
        except OSError as e:
            raise CaptureError(f"{self.path} cannot be read any further ({e.strerror}).") from e

    def _pieces(self, f: io.BufferedReader, size: int) -> Iterator[Piece]:
        crc = zlib.crc32(MAGIC)
        at = f.seek(len(MAGIC))
        while True:
            head = f.read(_HEAD.size)
            if len(head) < _HEAD.size:
                self.ending = f"It ends at byte {at} without being closed: it was cut off, or is still being written."
                return
            kind, n, utc_ns = _HEAD.unpack(head)
            body = f.read(n + _CRC.size) if n <= _LONGEST else b""
            crc = zlib.crc32(body[:n], zlib.crc32(head, crc))
            if len(body) < n + _CRC.size or _CRC.unpack_from(body, n)[0] != crc:
                self.ending = (
                    f"The piece at byte {at} is cut off or damaged: the {size - at} bytes from there are not read."
                )
                return
            at = f.tell()
            if kind == PieceKind.END:
                self.ending = str(_json(body[:n]).get("why", ""))
                if size > at:
                    self.ending = f"{size - at} bytes follow its end, and are not read."
                return
            if kind in _KINDS:
                yield Piece(PieceKind(kind), utc_ns, body[:n])


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class CaptureLink:
    """The received bytes of a capture, as if they came from the line; what is written goes nowhere.

    Its clock stands at the time of the last piece that was read.
    """

    def __init__(self, reader: CaptureReader) -> None:
        self._pieces = (p for p in reader if p.kind is PieceKind.RECEIVED)
        self._now = 0
        self.port = str(reader.path)
        self.ended = False

    def clock(self) -> int:
        return self._now

    def read(self) -> bytes:
        piece = next(self._pieces, None)
        if piece is None:
            self.ended = True
            return b""
        self._now = piece.utc_ns
        return piece.data

    def write(self, data: bytes) -> None:
        """A capture cannot be told anything."""

    def close(self) -> None:
        self._pieces.close()


class CaptureSource:
    """A capture as a source for a session: its bytes through the same head code, at the times they came.

    Raises
    ------
    CaptureError
        when it cannot be read, or the head did not describe itself in it.
    """

    def __init__(self, path: Path) -> None:
        self._reader = CaptureReader(path)
        self._device, self.created_utc_ns, self.n_records = _survey(self._reader)
        """`n_records` counts what its sample messages claim, for a progress bar."""

    @property
    def device(self) -> DeviceDescription:
        return self._device

    def items(self) -> Generator[list[Item]]:
        link = CaptureLink(self._reader)
        head = Head.known(link, self._device, link.clock)
        while not link.ended:
            yield head.read()
        end = head.report()
        if self._reader.ending:
            end.append(Event(link.clock(), Severity.WARNING, "link", f"The capture: {self._reader.ending}"))
        yield end


def _survey(reader: CaptureReader) -> tuple[DeviceDescription, int, int]:
    """The first whole description of a head in a capture, wherever it stands; its time; how many records."""
    decoder = FrameDecoder()
    device: DeviceMessage | None = None
    streams: dict[int, StreamDescription] = {}
    found: DeviceDescription | None = None
    began, n = 0, 0
    for piece in reader:
        began = began or piece.utc_ns
        if piece.kind is not PieceKind.RECEIVED:
            continue
        for frame in decoder.feed(piece.data):
            try:
                if frame.kind == Kind.SAMPLES:
                    n += read_samples_header(frame.payload).n
                elif found is None and frame.kind == Kind.DEVICE:
                    device, streams = read_device(frame.payload), {}
                elif found is None and frame.kind == Kind.STREAM:
                    stream = read_stream(frame.payload)
                    streams[stream.stream_id] = stream
                if found is None and device is not None and len(streams) == device.n_streams:
                    found = DeviceDescription(
                        device.model, device.serial, device.firmware, device.tick_hz, tuple(streams.values())
                    )
            except WireError:
                continue  # told when the capture is replayed
    if found is None:
        raise CaptureError(
            f"No head describes itself in {reader.path} ({decoder.counters.frames} good frames, "
            f"{decoder.counters.damaged} damaged), so its samples mean nothing. Capture again with --start; "
            "'groundsweep decode' shows what there is."
        )
    return found, began, n
