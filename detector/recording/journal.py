"""The journal: what a running session writes first, and what its recording is rebuilt from after a fault.

An append-only file beside the recording, docs/recording-format.md. It is forced to the disk once a second, and is
readable up to any cut and beyond any damage, since every entry carries the digest of the chain so far.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from detector.errors import RecordingError
from detector.recording.entries import DIGEST_BYTES, HEADER, MARKER, RECORDING, Entry, chained

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be deleted or renamed there, which says as much
    fcntl = None  # type: ignore[assignment]

MAGIC: Final = b"groundsweep jrn\n"
SUFFIX: Final = ".journal"

_LARGEST: Final = 1 << 30
"""Bytes of an entry beyond which its length is damage: the writer cuts at a megabyte, or at one record."""
_LOOK: Final = 1 << 20
"""Bytes looked through at a time for the next entry after damage."""


def journal_of(path: Path) -> Path:
    """The journal of a recording: NAME.h5.journal."""
    return path.with_name(path.name + SUFFIX)


def sync_folder(path: Path) -> None:
    """Force a folder's list of names to disk, where the system can."""
    if os.name == "posix":
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def hold(file: IO[bytes]) -> bool:
    """Lock an open file while this process lives; False if another one holds it. Does nothing where it cannot."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def being_written(journal: Path) -> bool:
    """Whether a live process holds the journal."""
    try:
        with journal.open("rb") as f:
            return not hold(f)
    except OSError:
        return False


class JournalWriter:
    """A new journal, locked while this process lives. Every method raises OSError as the disk gives it."""

    def __init__(self, path: Path, first: Entry) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("xb", buffering=0)
        hold(self._file)
        self.size = 0
        self._put(MAGIC)
        self.append([(first, chained(b"", first))])
        self.sync()
        sync_folder(path.parent)

    def append(self, entries: Sequence[tuple[Entry, bytes]]) -> None:
        """Add entries with their digests. What does not fit whole is taken back."""
        self._put(b"".join(part for e, digest in entries for part in (e.header, e.payload, digest)))

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError:
            os.ftruncate(self._file.fileno(), self.size)
            raise
        self.size += len(data)

    def sync(self) -> None:
        """Force everything to the disk itself; returns when it is there."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class JournalReader:
    """A journal as an iterable of its sound entries with their digests. `damage` then says what was not sound."""

    path: Path
    damage: list[str] = field(default_factory=list)
    bad_bytes: int = 0

    def __iter__(self) -> Iterator[tuple[Entry, bytes]]:
        """Raises RecordingError if the file is no journal or cannot be read."""
        self.damage.clear()
        self.bad_bytes = 0
        try:
            with self.path.open("rb") as f:
                size = os.fstat(f.fileno()).st_size
                if f.read(len(MAGIC)) != MAGIC:
                    raise RecordingError(f"{self.path} does not begin as a journal does.")
                yield from self._entries(f, size)
        except OSError as e:
            raise RecordingError(f"{self.path} cannot be read ({e}).") from e

    def _entries(self, f: IO[bytes], size: int) -> Iterator[tuple[Entry, bytes]]:
        at, before = len(MAGIC), b""
        while at < size:
            found = _read_at(f, at, size)
            if found is not None and chained(before, found[0]) == found[1]:
                yield found
                before = found[1]
                at = f.tell()
                continue
            begins, at, found = at, *_next_sound(f, at + 1, size)
            lost = (at if found else size) - begins
            self.bad_bytes += lost
            self.damage.append(f"{lost} bytes from byte {begins} on" + ("" if found else ", up to its end"))
            if found is None:
                return
            f.seek(at - DIGEST_BYTES)
            before = f.read(DIGEST_BYTES)


def _read_at(f: IO[bytes], at: int, size: int) -> tuple[Entry, bytes] | None:
    """The entry at a place, if one is whole there; its digest is not checked."""
    f.seek(at)
    head = f.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    marker, target, first, n, length = HEADER.unpack(head)
    if marker != MARKER or length > _LARGEST or f.tell() + length + DIGEST_BYTES > size or min(first, n) < 0:
        return None
    payload = f.read(length)
    digest = f.read(DIGEST_BYTES)
    try:
        return Entry(target.rstrip(b"\0").decode(), first, n, payload), digest
    except UnicodeDecodeError:
        return None


def _next_sound(f: IO[bytes], at: int, size: int) -> tuple[int, Any]:
    """Where the next entry is that fits the 32 bytes before it as the digest before, and that entry."""
    while at < size:
        f.seek(at)
        piece = f.read(_LOOK + len(MARKER) - 1)
        i = piece.find(MARKER)
        while i >= 0:
            place = at + i
            found = _read_at(f, place, size)
            if found is not None and place >= DIGEST_BYTES:
                f.seek(place - DIGEST_BYTES)
                before = b"" if found[0].target == RECORDING else f.read(DIGEST_BYTES)
                if chained(before, found[0]) == found[1]:
                    return place, found
            i = piece.find(MARKER, i + 1)
        at += _LOOK
    return size, None
