"""HDF5 files that nobody vouches for: opened and read so that damage or malice is an error, and nothing worse.

A file may point out of itself (external and soft links, external and virtual datasets), name a filter to be loaded
from elsewhere, or declare sizes that it does not hold. None of that is followed or believed.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from detector.errors import RecordingError, SampleError
from detector.recording.journal import journal_of

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
        # a session that was cut off, or still runs, leaves the file marked as being written; any other
        # damage must not be opened so: the library then waits for a writer that never comes
        if "already open" not in str(e) or _shorter_than_it_says(path):
            raise
        return h5py.File(path, "r", swmr=True, libver="latest", locking=False)


def _shorter_than_it_says(path: Path) -> bool:
    """Whether the superblock's end-of-file address lies beyond the end of the file.

    HDF5 file format specification, superblock versions 2 and 3: the address is 8 bytes from byte 28.
    """
    with path.open("rb") as f:
        start = f.read(36)
    return len(start) < 36 or struct.unpack_from("<Q", start, 28)[0] > path.stat().st_size


def linked(path: Path, group: Any, name: str, kind: type) -> Any:
    """A member of a group that lies in the file itself, and is a group or a dataset as wanted.

    Raises
    ------
    RecordingError
        if it is missing, of another kind, or a link to somewhere else.
    """
    link = group.get(name, getlink=True)
    if link is None:
        raise RecordingError(f"{path} has no {group.name.rstrip('/')}/{name}: it is damaged. Look for another copy.")
    if not isinstance(link, h5py.HardLink):
        raise RecordingError(
            f"{path}: {group.name.rstrip('/')}/{name} is a link to elsewhere, which no recording has. Do not trust "
            "this file."
        )
    item = group[name]
    if not isinstance(item, kind):
        raise RecordingError(f"{path}: {item.name} is not a {kind.__name__.lower()}: the file is damaged.")
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


def rows_of(path: Path, file: Any, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(n,) of dtype: a compound table read whole; columns that we do not know are left out.

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
        if there is None or not (text or there == dtype[column]):
            raise RecordingError(f"{path}: column {column!r} of {d.name} is {there}, not {dtype[column]}: it is damaged.")
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
        out[column] = stored[column]
    return out
