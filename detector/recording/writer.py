"""Writing a recording: first into a journal that is forced to disk, then into the HDF5 file that people open.

What a fault leaves is rebuilt from whichever of the two survives: detector/recording/recovery.py, and
docs/decisions/0001-journal-beside-the-recording.md for why.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import h5py
import numpy as np

from detector.detections import Detection, Label, TrueObject
from detector.errors import RecordingError
from detector.recording import schema
from detector.recording.entries import (
    ENDED,
    Entry,
    block_entry,
    chained,
    description,
    entry_columns,
    stream_target,
)
from detector.recording.hdf5 import end_of_hdf5
from detector.recording.journal import JournalWriter, journal_of, sync_folder
from detector.recording.layout import CHUNK_BYTES, lay_out
from detector.recording.rows import row_of
from detector.recording.soil import soil_rows, tracked_rows
from detector.recording.tables import TABLES
from detector.samples import (
    Check,
    ClockFit,
    DeviceDescription,
    Event,
    Gap,
    ParameterReading,
    Position,
    SampleBlock,
    Severity,
    Silence,
    Soil,
    TrackedSoil,
)

FILE_FORMAT: Final = ("v110", "v110")
"""Of HDF5: the oldest that can be read while it is written. What is newer, many programs cannot open yet."""

_CACHE_BYTES: Final = 2 * CHUNK_BYTES
"""Of chunks that HDF5 keeps of every dataset. Rows only append, so that the last chunk is all that is ever needed; left
to itself HDF5 2.0 keeps 8 MiB of each of some 25, which a day fills up."""
_ROOM_BYTES: Final = 4 << 20
"""Set aside beyond the end of the file: the first chunk of every column and table, and what closing takes."""

RESERVE_BYTES: Final = 32 << 20
"""A recording ends in order while this much room is left on its disk: HDF5 cannot close a file without any."""

_ENTRY_BYTES: Final = 1 << 20
"""Rows held back before they are written, at most, and rows of one entry; a flush writes them all."""


class RecordingWriter:
    """A new recording. A context manager; closing marks the session as ended in order.

    Reads no clock and starts no thread: `flush` blocks until the disk has what came before it.

    Parameters
    ----------
    path : must not exist: a recording is never overwritten
    device : the head and its streams
    software : what writes this, with version
    recording_type : one of schema.RECORDING_TYPES
    created_utc_ns : ns since 1970 UTC
    compress : gzip and shuffle, for files that are shipped
    several_heads : blocks come with each head's own ticks beside the session's
    journal : keep one until the recording is closed; False only for what can be made anew from another file
    schema_version : of a recording that is rebuilt; else the present one

    Raises
    ------
    RecordingError
        when the file exists, cannot be made, or cannot grow (a full disk); what was flushed stays.
    """

    def __init__(
        self,
        path: Path,
        device: DeviceDescription,
        *,
        software: str,
        created_utc_ns: int,
        recording_type: str = "survey",
        profile_toml: str = "",
        profile_hash: str = "",
        model_hash: str = "",
        note: str = "",
        licence: str = "",
        source: str = "",
        compress: bool = False,
        several_heads: bool = False,
        journal: bool = True,
        schema_version: str = schema.SCHEMA_VERSION,
    ) -> None:
        if recording_type not in schema.RECORDING_TYPES:
            raise RecordingError(
                f"{recording_type!r} is not a type of recording; use one of {', '.join(schema.RECORDING_TYPES)}."
            )
        self.path = path
        self.device = device
        self._several_heads = several_heads
        self._streams = {s.stream_id: s for s in device.streams}
        self._names = {stream_target(s): s.name for s in device.streams}
        self._datasets: dict[str, Any] = {}
        self._pending: dict[int, list[SampleBlock]] = {s.stream_id: [] for s in device.streams}
        self._pending_rows: dict[str, list[Any]] = {name: [] for name in TABLES}
        self._pending_bytes = 0
        self._rows: dict[str, int] = {}
        self._newest_utc_ns = created_utc_ns
        self._failed: RecordingError | None = None
        self._full: RecordingError | None = None
        self._journal: JournalWriter | None = None
        if journal and journal_of(path).exists():
            raise RecordingError(
                f"{journal_of(path)} is left from a recording of that name that was cut off. Run 'groundsweep recover "
                f"{path}' first, or choose another name."
            )
        try:
            self._file = h5py.File(path, "x", libver=FILE_FORMAT, locking=False, rdcc_nbytes=_CACHE_BYTES)
        except FileExistsError as e:
            raise RecordingError(f"{path} exists already, and a recording is never overwritten. Choose another.") from e
        except OSError as e:
            raise RecordingError(f"{path} cannot be made ({e}). Check the folder, its rights and the disk.") from e
        attributes = {
            "format": schema.FORMAT,
            "schema_version": schema_version,
            "software": software,
            "recording_type": recording_type,
            "created_utc_ns": np.int64(created_utc_ns),
            "profile": profile_toml,
            "profile_hash": profile_hash,
            "model_hash": model_hash,
            "note": note,
            "licence": licence,
            "source": source,
        }
        first = description(attributes, device, several_heads)
        self._digest = chained(b"", first)
        try:
            if journal:
                self._journal = JournalWriter(journal_of(path), first)
            lay_out(self._file, attributes, device, several_heads, compress)
            self._file.swmr_mode = True
            self._note_digests([(first, self._digest)])
        except (OSError, RuntimeError) as e:
            raise RecordingError(f"{path} cannot be made ({e}). Check the folder, its rights and the disk.") from e

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self.close()
        except RecordingError:
            if e is None:
                raise  # else the first error says what happened, and this one only that it still does

    @property
    def bytes_on_disk(self) -> int:
        """What this recording takes at present, its journal included."""
        journal = self._journal.size if self._journal else 0
        try:
            return journal + self.path.stat().st_size
        except OSError:
            return journal

    def write(self, block: SampleBlock) -> None:
        """Keep a block. It is on its way to disk after the next flush, or once a megabyte waits."""
        if block.stream.stream_id not in self._streams:
            raise RecordingError(f"{self.path} has no stream {block.stream.stream_id}.")
        record = 64 + block.stream.width * block.stream.dtype.itemsize
        at_once = max(1, _ENTRY_BYTES // record)
        for start in range(0, len(block), at_once):
            part = block[start : start + at_once]
            self._pending[block.stream.stream_id].append(part)
            self._pending_bytes += record * len(part)
            self._newest_utc_ns = max(self._newest_utc_ns, int(part.utc_ns[-1]))
            if self._pending_bytes >= _ENTRY_BYTES:
                self._commit()

    def gap(self, gap: Gap) -> None:
        self._keep("gaps", gap)

    def silence(self, silence: Silence) -> None:
        self._keep("silences", silence)

    def soil(self, soil: Soil) -> None:
        for row in soil_rows(soil):
            self._keep_row("soil", row)

    def tracked(self, soil: TrackedSoil) -> None:
        for row in tracked_rows(soil):
            self._keep_row("tracked_soil", row)

    def event(self, event: Event) -> None:
        self._keep("events", event)

    def clock(self, fit: ClockFit) -> None:
        self._keep("clock", fit)

    def position(self, position: Position) -> None:
        self._keep("positions", position)

    def parameter(self, reading: ParameterReading) -> None:
        self._keep("parameters", reading)

    def check(self, check: Check) -> None:
        self._keep("checks", check)

    def detection(self, detection: Detection) -> None:
        self._keep_row("detections", detection.to_row())
        if detection.metal is not None:
            self._keep_row("metal", detection.metal.to_row(detection.id))

    def label(self, label: Label) -> None:
        self._keep("labels", label)

    def truth(self, objects: Sequence[TrueObject]) -> None:
        for item in objects:
            self._keep("truth", item)

    def coverage(self, coverage: Iterable[Any]) -> None:
        """Rows with the fields of the coverage table: detector.pipeline.Coverage has them."""
        for item in coverage:
            self._keep("coverage", item)

    def rows(self, table: str, rows: Any) -> None:
        """Whole rows of a table, as read from another recording."""
        for row in rows.astype(TABLES[table].dtype, copy=False):
            self._keep_row(table, row)

    def flush(self) -> None:
        """Force everything that was kept to the disk itself.

        Raises
        ------
        RecordingError
            when the disk is full or gone; what came before is whole, and nothing can be recorded from now on.
        """
        self._commit()
        if self._journal is None:
            return
        try:
            self._journal.sync()
        except OSError as e:
            raise self._give_up(e) from e

    def close(self) -> None:
        """Flush, mark as ended in order, close. The journal goes once the file is on the disk. Again does nothing."""
        if not self._file:
            return
        journal = self._journal
        try:
            if self._failed is None:
                self._commit(check=False)
            if self._failed is self._full:
                self._append([Entry(ENDED, 0, 0, b"")])
                self._file[schema.CLOSED][()] = 1
            self._file.close()
            if self._failed is self._full:
                with self.path.open("rb+") as f:
                    f.truncate(end_of_hdf5(f.read(36)))  # the room that was set aside
                    if journal is not None:
                        os.fsync(f.fileno())
            if journal is not None:
                sync_folder(self.path.parent)
        except (OSError, RuntimeError) as e:
            raise self._give_up(e) from e
        finally:
            if journal is not None:
                journal.close()
        if journal is not None and self._failed is self._full:
            journal.path.unlink(missing_ok=True)

    def _commit(self, check: bool = True) -> None:
        if self._failed is not None:
            raise self._failed
        if check and self._pending_bytes and shutil.disk_usage(self.path.parent).free < RESERVE_BYTES:
            text = f"The disk of {self.path} has less than {RESERVE_BYTES >> 20} MB left, so the recording was ended. "
            self.event(Event(self._newest_utc_ns, Severity.FAULT, "session", text.strip()))
            self._commit(check=False)  # the reserve is there to take this last piece
            self._failed = self._full = RecordingError(
                text + "Stop sweeping: nothing is recorded now. What came before is whole; free some space and start "
                "anew."
            )
            self.close()
            raise self._failed
        entries = []
        for stream_id, blocks in self._pending.items():
            if blocks:
                start = self._rows.get(stream_target(self._streams[stream_id]), 0)
                entries.append(block_entry(start, blocks, self._several_heads))
                blocks.clear()
        for table, rows in self._pending_rows.items():
            if rows:
                entries.append(Entry(table, self._rows.get(table, 0), len(rows), b"".join(r.tobytes() for r in rows)))
                rows.clear()
        self._pending_bytes = 0
        if entries:
            try:
                self._append(entries)
            except (OSError, RuntimeError) as e:
                raise self._give_up(e) from e

    def append(self, entry: Entry) -> None:
        """An entry as another recording or a journal holds it; its rows become the next of its target.

        Raises
        ------
        RecordingError
            when it does not fit this recording, or the disk is full.
        """
        self._commit()
        if entry.target not in self._names and entry.target not in TABLES:
            raise RecordingError(f"{self.path} has no place for {entry.target!r}.")
        if entry.target in TABLES and len(entry.payload) != entry.n * TABLES[entry.target].dtype.itemsize:
            raise RecordingError(f"{len(entry.payload)} bytes are not {entry.n} rows of {entry.target!r}.")
        try:
            self._append([Entry(entry.target, self._rows.get(entry.target, 0), entry.n, entry.payload)])
        except (OSError, RuntimeError) as e:
            raise self._give_up(e) from e

    def _append(self, entries: Sequence[Entry]) -> None:
        """Into the journal, then into the HDF5 file; OSError or RuntimeError where either cannot take it."""
        done = []
        for e in entries:
            self._digest = chained(self._digest, e)
            done.append((e, self._digest))
            self._rows[e.target] = e.first + e.n
        self._make_room(sum(len(e.payload) for e in entries))
        if self._journal is not None:
            self._journal.append(done)
        for entry in entries:
            if entry.target in self._names:
                self._append_records(entry)
            elif entry.target != ENDED:
                self._grow(entry.target, np.frombuffer(entry.payload, TABLES[entry.target].dtype))
        self._note_digests(done)

    def _make_room(self, n_bytes: int) -> None:
        """Let the file system set room aside beyond the end of the file: HDF5 must not meet a full disk itself.

        Raises OSError where there is none; the file has then lost nothing.
        """
        if not hasattr(os, "posix_fallocate"):
            return
        with self.path.open("rb+") as f:
            end = end_of_hdf5(f.read(36))
            os.posix_fallocate(f.fileno(), end, 2 * n_bytes + _ROOM_BYTES)

    def _append_records(self, entry: Entry) -> None:
        stream = next(s for s in self.device.streams if stream_target(s) == entry.target)
        # raw comes last: a reader takes the shortest column as the stream's length
        for name, values in entry_columns(entry, stream, self._several_heads).items():
            self._grow(f"{schema.STREAMS}/{stream.name}/{name}", values)

    def _note_digests(self, done: Sequence[tuple[Entry, bytes]]) -> None:
        rows = [(e.target.encode(), e.first, e.n, digest.hex().encode()) for e, digest in done]
        self._grow("digests", np.array(rows, TABLES["digests"].dtype))
        self._file.flush()

    def _grow(self, name: str, rows: Any) -> None:
        dataset = self._datasets.get(name)
        if dataset is None:  # opened once: that takes HDF5 as long as a small write
            dataset = self._datasets[name] = self._file[name]
        start = dataset.shape[0]
        dataset.resize(start + len(rows), axis=0)
        # HDF5 refuses to make ASCII, as which it sees numpy's texts, into UTF-8
        dataset[start:] = rows.view(dataset.dtype) if dataset.dtype.names else rows

    def _keep(self, table: str, item: Any) -> None:
        self._keep_row(table, row_of(TABLES[table].dtype, item))

    def _keep_row(self, table: str, row: Any) -> None:
        self._pending_rows[table].append(row)
        self._pending_bytes += row.nbytes
        if self._pending_bytes >= _ENTRY_BYTES:
            self._commit()

    def _give_up(self, e: Exception) -> RecordingError:
        self._divert()
        self._failed = RecordingError(
            f"{self.path} cannot be written any more ({e}): the disk is full or gone. Stop sweeping: nothing is "
            "recorded now. What came before is safe: free some space, run 'groundsweep recover "
            f"{self.path}', and start a new recording."
        )
        return self._failed

    def _divert(self) -> None:
        """Let HDF5 write what it still holds into nothing: it crashes the process over a file that it cannot close.

        The file on the disk stays as of the last flush that worked.
        """
        if not self._file:
            return
        with tempfile.TemporaryFile() if not hasattr(os, "memfd_create") else open(os.memfd_create("gone"), "w+b") as f:
            os.dup2(f.fileno(), self._file.id.get_vfd_handle())
