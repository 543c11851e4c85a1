"""HDF5 files that nobody vouches for: opened and read so that damage or malice is an error, and nothing worse.

A file may point out of itself (external and soft links, external and virtual datasets), name a filter to be loaded
from elsewhere, or declare sizes that it does not hold. None of that is followed or believed.
"""

from __future__ import annotations

import io
import mmap
import struct
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from detector.errors import RecordingError, SampleError
from detector.recording.journal import being_written, journal_of

DAMAGE: Final = (
    KeyError, OSError, RuntimeError, ValueError, TypeError, AttributeError, MemoryError, OverflowError, SampleError,
)  # fmt: skip
"""What h5py, numpy and our own types raise over a file whose bytes make no sense."""

_OWN_FILTERS: Final = frozenset(
    {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
)
"""Filters that are part of HDF5; any other would be loaded from a plug-in."""

_LARGEST_CHUNK: Final = 64 << 20
"""Bytes; the writer's chunks have 64 KiB, or one record."""
_LARGEST_TABLE: Final = 256 << 20
"""Bytes of a table that is read whole: 300,000 detections."""
_MOST_DEFLATED: Final = 1040
"""Bytes that one byte of deflate can stand for, at most (1032, zlib's technical notes), and some slack."""


def file_at(path: Path) -> h5py.File:
    """An HDF5 file for reading, also one that is being written or was cut off in the middle of that.

    Raises
    ------
    RecordingError
        if there is no such file, or it is not a whole HDF5 file.
    """
    if not path.exists():
        raise RecordingError(f"There is no file {path}. Check the name.")
    if path.is_dir():
        raise RecordingError(f"{path} is a folder, not a recording.")
    cure = "It was cut short or overwritten; look for a copy on the machine that recorded it."
    if journal_of(path).exists():
        cure = f"Its journal is there: 'groundsweep recover {path}' rebuilds it."
    try:
        readable = h5py.is_hdf5(path)
    except OSError:
        readable = False
    if not readable:
        if journal_of(path).exists():
            raise RecordingError(f"{path} is damaged: it does not begin as HDF5 does. {cure}")
        raise RecordingError(
            f"{path} is not an HDF5 file, so not a recording of ours. If it comes from another program, "
            "give it to 'groundsweep import'."
        )
    try:
        return _open(path)
    except (OSError, RuntimeError, ValueError) as e:
        raise RecordingError(f"{path} is damaged: {e}. {cure}") from e


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as e:
        if "already open" not in str(e):
            raise
    # a session that was cut off, or still runs, leaves the file marked as being written
    if being_written(journal_of(path)):
        return h5py.File(path, "r", swmr=True, libver="latest", locking=False)
    # never as a reader beside a writer, then: over damage the library would wait for a writer that never comes
    return h5py.File(_Unmarked(path), "r")


def end_of_hdf5(start: bytes) -> int:
    """Where an HDF5 file (superblock versions 2 and 3) ends by its first 36 bytes, as of its last flush."""
    return int(struct.unpack_from("<Q", start, 28)[0])


def check_texts(path: Path, attributes: Any) -> None:
    """Whether texts of variable length, as files before format 1.2 have them, lie in sound heaps.

    HDF5 waits for ever over a global heap whose objects have no size, and no checksum covers one.

    Raises
    ------
    RecordingError
        if a heap is damaged.
    """
    if all(attributes.get_id(name).dtype.kind != "O" for name in attributes):
        return
    with path.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"GCOL")
        while at >= 0:
            _check_heap(path, data, at)
            at = data.find(b"GCOL", at + 1)


def _check_heap(path: Path, data: mmap.mmap, at: int) -> None:
    """HDF5 file format specification, III.E: a 16-byte header, then objects of 16 bytes and their data in eights."""
    if len(data) < at + 16 or data[at + 4 : at + 8] != b"\1\0\0\0":
        return
    end = at + int(struct.unpack_from("<Q", data, at + 8)[0])
    place = at + 16
    while place + 16 <= min(end, len(data)):
        index, size = struct.unpack_from("<H6xQ", data, place)
        if size > end - place or (index == 0 and size < 16):
            raise RecordingError(f"{path} is damaged: the texts at byte {at} make no sense. Look for another copy.")
        place += size if index == 0 else 16 + -(-size // 8) * 8
    if end > len(data):
        raise RecordingError(f"{path} is damaged: the texts at byte {at} are cut short. Look for another copy.")


class _Unmarked(io.RawIOBase):
    """An HDF5 file for reading, whose superblock (versions 2 and 3) does not say that someone writes it.

    HDF5 file format specification: byte 11 holds the consistency flags, 8 bytes from 28 the end-of-file address,
    4 bytes from 44 the checksum. The address in the file may be one flush behind.
    """

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb", buffering=0)
        start = bytearray(self._raw.read(48))
        if len(start) == 48 and start[8] in (2, 3):
            start[11] = 0
            end = max(struct.unpack_from("<Q", start, 28)[0], self._raw.seek(0, 2))
            struct.pack_into("<Q", start, 28, end)
            struct.pack_into("<I", start, 44, _lookup3(bytes(start[:44])))
        self._start = bytes(start)
        self._raw.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._raw.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        at = self._raw.tell()
        n = self._raw.readinto(buffer) or 0
        if at < len(self._start) and n:
            patch = self._start[at : at + n]
            memoryview(buffer).cast("B")[: len(patch)] = patch
        return n

    def close(self) -> None:
        self._raw.close()
        super().close()


def _lookup3(data: bytes) -> int:
    """Bob Jenkins's hashlittle with an initial value of 0: the checksum of HDF5's metadata (public domain)."""
    mask = 0xFFFFFFFF

    def rot(x: int, k: int) -> int:
        return (x << k | x >> (32 - k)) & mask

    a = b = c = (0xDEADBEEF + len(data)) & mask
    words = struct.unpack(f"<{(len(data) + 11) // 12 * 3}I", data + bytes(-len(data) % 12))
    for i in range(0, len(words), 3):
        a, b, c = (a + words[i]) & mask, (b + words[i + 1]) & mask, (c + words[i + 2]) & mask
        if i + 3 < len(words):
            a = (a - c) & mask ^ rot(c, 4)
            c = (c + b) & mask
            b = (b - a) & mask ^ rot(a, 6)
            a = (a + c) & mask
            c = (c - b) & mask ^ rot(b, 8)
            b = (b + a) & mask
            a = (a - c) & mask ^ rot(c, 16)
            c = (c + b) & mask
            b = (b - a) & mask ^ rot(a, 19)
            a = (a + c) & mask
            c = (c - b) & mask ^ rot(b, 4)
            b = (b + a) & mask
    for x, k in ((0, 14), (1, 11), (2, 25), (0, 16), (1, 4), (2, 14), (0, 24)):
        if x == 0:
            c = ((c ^ b) - rot(b, k)) & mask
        elif x == 1:
            a = ((a ^ c) - rot(c, k)) & mask
        else:
            b = ((b ^ a) - rot(a, k)) & mask
    return c


def linked(path: Path, group: Any, name: str, kind: type) -> Any:
    """A member of a group that lies in the file itself, and is a group or a dataset as wanted.

    Raises
    ------
    RecordingError
        if it is missing, of another kind, or a link to somewhere else.
    """
    try:
        link = group.get(name, getlink=True)
        item = group[name] if isinstance(link, h5py.HardLink) else None
    except DAMAGE as e:
        raise RecordingError(
            f"{path}: {name!r} cannot be opened ({e}). The file is damaged there; look for another copy, or take "
            f"what is left with 'groundsweep recover {path}'."
        ) from e
    if link is None:
        raise RecordingError(f"{path} has no {group.name.rstrip('/')}/{name}: it is damaged. Look for another copy.")
    if not isinstance(link, h5py.HardLink):
        raise RecordingError(
            f"{path}: {group.name.rstrip('/')}/{name} is a link to elsewhere, which no recording has. Do not trust "
            "this file."
        )
    if not isinstance(item, kind):
        raise RecordingError(f"{path}: {name!r} is not a {kind.__name__.lower()}: the file is damaged.")
    return item


def sound_dataset(path: Path, group: Any, name: str, dtype: np.dtype[Any], record: tuple[int, ...]) -> Any:
    """A growing dataset of a recording, (n, *record) of dtype, that holds what it declares.

    Raises
    ------
    RecordingError
        if it is anything else.
    """
    d = linked(path, group, name, h5py.Dataset)
    if d.dtype != dtype or d.shape is None or d.shape[1:] != record or len(d.shape) != 1 + len(record):
        raise RecordingError(
            f"{path}: {d.name} holds {d.shape} of {d.dtype}, not (n, {', '.join(map(str, record))}) of {dtype}: the "
            "file is damaged."
        )
    check_storage(path, d)
    return d


def check_storage(path: Path, d: Any) -> None:
    """Raises RecordingError where a dataset lies in another file, needs a plug-in, or declares more than it holds."""
    try:
        _check_storage(path, d)
    except DAMAGE as e:
        raise RecordingError(f"{path}: {d.name} cannot be read ({e}): the file is damaged. Look for another.") from e


def _check_storage(path: Path, d: Any) -> None:
    if d.is_virtual or d.external is not None:
        raise RecordingError(f"{path}: {d.name} keeps its values in another file. Do not trust this file.")
    properties = d.id.get_create_plist()
    filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
    if filters - _OWN_FILTERS:
        raise RecordingError(f"{path}: {d.name} needs a filter that HDF5 itself does not have. Do not trust this file.")
    itemsize = d.dtype.itemsize
    row = itemsize * int(np.prod(d.shape[1:], dtype=object))
    chunk = itemsize * int(np.prod(d.chunks, dtype=object)) if d.chunks else 0
    if chunk > max(_LARGEST_CHUNK, row):
        raise RecordingError(f"{path}: {d.name} has chunks of {chunk} bytes, which no recording has: it is damaged.")
    most = d.id.get_storage_size() * (_MOST_DEFLATED if filters else 1)
    if row * d.shape[0] > most:
        raise RecordingError(
            f"{path}: {d.name} declares {d.shape[0]} rows, more than its {d.id.get_storage_size()} stored bytes can "
            "hold: the file is damaged."
        )


def _is_shorter(there: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Whether a column holds the same kind of number as wanted, fewer of them a row."""
    return there.base == wanted.base and len(there.shape) == len(wanted.shape) == 1 and there.shape < wanted.shape


def rows_of(
    path: Path, file: Any, name: str, dtype: np.dtype[Any], newer: tuple[str, ...] = ()
) -> NDArray[Any]:
    """(n,) of dtype: a compound table read whole; columns that we do not know are left out.

    newer : columns of numbers that an older file may lack, or hold fewer of a row; what it lacks is NaN, or -1.

    Raises
    ------
    RecordingError
        if it is not such a table, too large, or cannot be read.
    """
    d = linked(path, file, name, h5py.Dataset)
    if d.shape is None or len(d.shape) != 1 or d.dtype.names is None:
        raise RecordingError(f"{path}: {d.name} is not a table: the file is damaged.")
    for column in dtype.names or ():
        there = d.dtype[column] if column in d.dtype.names else None
        text = there is not None and there.kind == "S" == dtype[column].kind
        if column in newer and (there is None or _is_shorter(there, dtype[column])):
            continue
        if there is None or not (text or there == dtype[column]):
            raise RecordingError(f"{path}: column {column!r} of {d.name} is {there}, not {dtype[column]}: damaged.")
    check_storage(path, d)
    if d.shape[0] * d.dtype.itemsize > _LARGEST_TABLE:
        raise RecordingError(f"{path}: {d.name} has {d.shape[0]} rows, more than can be read at once.")
    try:
        stored = d[:]
    except DAMAGE as e:
        raise RecordingError(
            f"{path}: {d.name} cannot be read ({e}). The file is damaged there; look for another copy, or take what is "
            f"left with 'groundsweep recover {path}'."
        ) from e
    out = np.zeros(len(stored), dtype)
    for column in dtype.names or ():
        if column in newer and (column not in stored.dtype.names or stored.dtype[column] != dtype[column]):
            out[column] = np.nan if dtype[column].base.kind == "f" else -1
            if column in stored.dtype.names:
                out[column][:, : stored[column].shape[1]] = stored[column]
        else:
            out[column] = stored[column]
    return out
