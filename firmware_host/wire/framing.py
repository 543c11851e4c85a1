"""Frames on the wire: COBS between zero bytes, a header, a payload, a CRC-32. Decoder in numba.

    00 COBS( version u8 | type u8 | sequence u16 | payload ... | crc32 u32 ) 00

Consistent overhead byte stuffing: Cheshire and Baker 1999. CRC-32 as IEEE 802.3 and zlib.
All numbers little-endian. Specified in docs/wire-protocol.md.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from firmware_host.errors import WireError

PROTOCOL_VERSION: Final = 1
HEADER: Final = struct.Struct("<BBH")
MAX_DECODED: Final = 65535
"""Longest frame before stuffing, header and CRC included, bytes."""
OVERHEAD: Final = HEADER.size + 4
MAX_PAYLOAD: Final = MAX_DECODED - OVERHEAD
_MAX_STUFFED: Final = MAX_DECODED + MAX_DECODED // 254 + 1
"""Longest frame on the line without its zero: stuffing adds one byte, and one in 254."""

U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]

_GOOD, _BAD_COBS, _BAD_CRC, _TOO_SHORT, _OVERSIZE = 0, 1, 2, 3, 4


def _crc_tables() -> U4:
    """Slice-by-8 tables of the reflected polynomial 0xEDB88320: (8, 256)."""
    tables = np.zeros((8, 256), np.uint32)
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ (0xEDB88320 if c & 1 else 0)
        tables[0, i] = c
    for t in range(1, 8):
        for i in range(256):
            c = int(tables[t - 1, i])
            tables[t, i] = (c >> 8) ^ int(tables[0, c & 255])
    return tables


_TABLES: Final = _crc_tables()


@njit(cache=True, nogil=True)
def crc32(data: U1, first: int | np.int64, last: int | np.int64, tables: U4) -> int:
    """CRC-32 of data[first:last], eight bytes a step."""
    c = np.uint32(0xFFFFFFFF)
    i = first
    while i + 8 <= last:
        low = c ^ (
            np.uint32(data[i])
            | np.uint32(data[i + 1]) << np.uint32(8)
            | np.uint32(data[i + 2]) << np.uint32(16)
            | np.uint32(data[i + 3]) << np.uint32(24)
        )
        c = (
            tables[7, low & np.uint32(255)]
            ^ tables[6, (low >> np.uint32(8)) & np.uint32(255)]
            ^ tables[5, (low >> np.uint32(16)) & np.uint32(255)]
            ^ tables[4, low >> np.uint32(24)]
            ^ tables[3, data[i + 4]]
            ^ tables[2, data[i + 5]]
            ^ tables[1, data[i + 6]]
            ^ tables[0, data[i + 7]]
        )
        i += 8
    while i < last:
        c = tables[0, (c ^ np.uint32(data[i])) & np.uint32(255)] ^ (c >> np.uint32(8))
        i += 1
    return int(c ^ np.uint32(0xFFFFFFFF))


@njit(cache=True, nogil=True)
def decode_frames(data: U1, zeros: I8, tables: U4) -> tuple[U1, I8]:
    """Decode every whole frame in data.

    zeros : (n,) where the zero bytes are. Returns the decoded bytes of all frames one after another, and
    a row for each frame, (k, 6): start and end in them, a code (0 good, 1 bad COBS, 2 bad CRC, 3 too
    short, 4 too long), version, type, sequence.

    Indices are unsigned: a signed one would be tested for counting from the end at every byte.
    """
    one = np.uintp(1)
    n = zeros.size
    used = zeros[n - 1] + 1 if n else 0
    out = np.empty(used, np.uint8)
    rows = np.zeros((n, 6), np.int64)
    k = 0
    write = np.uintp(0)
    i = np.uintp(0)
    for f in range(n):
        j = np.uintp(zeros[f])
        if j == i:  # nothing between two zeros: a sender may flush the line with them
            i = j + one
            continue
        begin = write
        code = 0 if j - i <= np.uintp(_MAX_STUFFED) else 4
        p = i if code == 0 else j
        while p < j:
            run = np.uintp(data[p])
            p += one
            length = run - one
            if p + length > j:
                code = 1
                break
            for q in range(length):
                out[write + np.uintp(q)] = data[p + np.uintp(q)]
            write += length
            p += length
            if run < np.uintp(255) and p < j:
                out[write] = 0
                write += one
        first, last = np.int64(begin), np.int64(write)
        if code == 0:
            if last - first < 8:
                code = 3
            else:
                sent = (
                    np.int64(out[last - 4])
                    | np.int64(out[last - 3]) << 8
                    | np.int64(out[last - 2]) << 16
                    | np.int64(out[last - 1]) << 24
                )
                if crc32(out, first, last - 4, tables) != sent:
                    code = 2
                rows[k, 3] = out[first]
                rows[k, 4] = out[first + 1]
                rows[k, 5] = np.int64(out[first + 2]) | np.int64(out[first + 3]) << 8
        rows[k, 0] = first
        rows[k, 1] = last
        rows[k, 2] = code
        k += 1
        i = j + one
    return out, rows[:k]


def encode_frame(kind: int, sequence: int, payload: bytes) -> bytes:
    """One frame, closed by its zero byte. A leading zero is not needed: the frame before gave it.

    Raises
    ------
    WireError
        if the payload is longer than MAX_PAYLOAD.
    """
    if len(payload) > MAX_PAYLOAD:
        raise WireError(f"A message of {len(payload)} bytes is too long: a frame carries at most {MAX_PAYLOAD}.")
    body = HEADER.pack(PROTOCOL_VERSION, kind, sequence & 0xFFFF) + payload
    body += struct.pack("<I", zlib.crc32(body))
    out = bytearray()
    for i, piece in enumerate(pieces := body.split(b"\0")):
        last = i == len(pieces) - 1
        while len(piece) >= 254:
            out.append(255)
            out += piece[:254]
            piece = piece[254:]
            if not piece and last:
                break
        else:
            out.append(len(piece) + 1)
            out += piece
    out.append(0)
    return bytes(out)


@dataclass(slots=True)
class FrameCounters:
    """What went over the wire; every byte is in one of these."""

    bytes: int = 0
    frames: int = 0
    """Good ones."""
    bad_crc: int = 0
    bad_cobs: int = 0
    too_short: int = 0
    oversize: int = 0
    """Pieces without a zero byte for longer than any frame: thrown away up to the next zero."""
    wrong_version: int = 0
    lost: int = 0
    """Frames that the sequence numbers say were sent and that did not arrive whole."""

    @property
    def damaged(self) -> int:
        return self.bad_crc + self.bad_cobs + self.too_short + self.oversize


class Frame(NamedTuple):
    kind: int
    sequence: int
    payload: memoryview


class FrameDecoder:
    """Bytes in, frames out, whatever the cut. Holds at most one frame's worth of bytes.

    The start of a stream may be the middle of a frame: what comes before the first zero byte is
    judged like any other piece, and counted if it is damaged.
    """

    def __init__(self) -> None:
        self.counters = FrameCounters()
        self._carry = b""
        self._skipping = False
        self._next_sequence: int | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Frames that these bytes complete, in order."""
        c = self.counters
        c.bytes += len(data)
        if self._skipping:
            zero = data.find(b"\0")
            if zero < 0:
                return []
            data = data[zero + 1 :]
            self._skipping = False
        joined = self._carry + data
        octets = np.frombuffer(joined, np.uint8)
        zeros = np.flatnonzero(octets == 0)
        if len(zeros):
            self._carry = joined[int(zeros[-1]) + 1 :]
        else:
            self._carry = joined
        if len(self._carry) > _MAX_STUFFED:
            self._carry = b""
            self._skipping = True
            c.oversize += 1
        if len(zeros) == 0:
            return []
        out, rows = decode_frames(octets, zeros, _TABLES)
        frames: list[Frame] = []
        body = out.data
        for start, end, code, version, kind, sequence in rows.tolist():
            if code == _BAD_COBS:
                c.bad_cobs += 1
            elif code == _BAD_CRC:
                c.bad_crc += 1
            elif code == _TOO_SHORT:
                c.too_short += 1
            elif code == _OVERSIZE:
                c.oversize += 1
            elif version != PROTOCOL_VERSION:
                c.wrong_version += 1
            else:
                if self._next_sequence is not None:
                    ahead = (sequence - self._next_sequence) & 0xFFFF
                    # half the circle or more is a step back: a frame that came twice, or a sender that began anew
                    c.lost += ahead if ahead < 0x8000 else 0
                self._next_sequence = (sequence + 1) & 0xFFFF
                c.frames += 1
                frames.append(Frame(kind, sequence, body[start + HEADER.size : end - 4]))
        return frames


def warm_up() -> None:
    """Load or compile the decoder now, and not while a head waits for an answer."""
    FrameDecoder().feed(encode_frame(0, 0, b"warm"))
