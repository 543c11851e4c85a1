"""Writing a recording: everything is made first, then the file goes into single-writer mode and grows.

In that mode (HDF5 SWMR) a killed process leaves a file that opens and holds what was flushed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import h5py
import numpy as np

from detector.detections import Detection, Label, TrueObject
from detector.errors import RecordingError
from detector.recording import schema
from detector.samples import (
    NO_ODOMETER,
    ClockFit,
    DeviceDescription,
    Event,
    Gap,
    ParameterReading,
    Position,
    SampleBlock,
    StreamDescription,
)

_CHUNK_BYTES: Final = 1 << 16
_RESERVE_BYTES: Final = 32 << 20
"""A recording ends in order while this much room is left on its disk: HDF5 cannot close a file without any."""

_PENDING_BYTES: Final = 1 << 20
"""Records held back before they are written, at most; a flush writes them all."""


class RecordingWriter:
    """A new recording. A context manager; closing marks the session as ended in order.

    Parameters
    ----------
    path : must not exist: a recording is never overwritten
    device : the head and its streams
    software : what writes this, with version
    recording_type : one of schema.RECORDING_TYPES
    created_utc_ns : ns since 1970 UTC
    compress : gzip and shuffle, for files that are shipped
    several_heads : blocks come with each head's own ticks beside the session's

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
    ) -> None:
        if recording_type not in schema.RECORDING_TYPES:
            raise RecordingError(
                f"{recording_type!r} is not a type of recording; use one of {', '.join(schema.RECORDING_TYPES)}."
            )
        self.path = path
        self._streams = {s.stream_id: s for s in device.streams}
        self._pending: dict[int, list[SampleBlock]] = {s.stream_id: [] for s in device.streams}
        self._pending_bytes = 0
        self._failed: RecordingError | None = None
        try:
            self._file = h5py.File(path, "x", libver="latest", locking=False)
        except FileExistsError as e:
            raise RecordingError(f"{path} exists already, and a recording is never overwritten. Choose another.") from e
        except OSError as e:
            raise RecordingError(f"{path} cannot be made ({e}). Check the folder, its rights and the disk.") from e
        attributes = {
            "format": schema.FORMAT,
            "schema_version": schema.SCHEMA_VERSION,
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
        self._file.attrs.update(attributes)
        group = self._file.create_group(schema.DEVICE)
        group.attrs.update(
            {"model": device.model, "serial": device.serial, "firmware": device.firmware, "tick_hz": device.tick_hz}
        )
        filters: dict[str, Any] = {"compression": "gzip", "shuffle": True} if compress else {}
        for stream in device.streams:
            self._make_stream(stream, filters, several_heads)
        for name, (dtype, description) in schema.TABLES.items():
            table = self._file.create_dataset(
                name, (0,), dtype, maxshape=(None,), chunks=(max(1, 8192 // dtype.itemsize),), **filters
            )
            table.attrs.update({"description": description, **schema.TABLE_NOTES.get(name, {})})
        self._file.create_dataset(schema.CLOSED, data=np.uint8(0)).attrs["description"] = (
            "1 once the session ended in order"
        )
        self._file.swmr_mode = True

    def _make_stream(self, s: StreamDescription, filters: dict[str, Any], head_tick: bool) -> None:
        group = self._file.create_group(f"{schema.STREAMS}/{s.name}")
        for field in fields(s):
            value = getattr(s, field.name)
            if field.name == "axis":
                value = np.array(value, "<f8")
            elif isinstance(value, str):
                value = str(value)  # h5py does not take a StrEnum for text
            group.attrs[field.name] = value
        rows = max(1, min(4096, _CHUNK_BYTES // (s.width * s.dtype.itemsize)))
        raw = group.create_dataset(
            "raw", (0, s.channels, s.values), s.dtype, maxshape=(None, s.channels, s.values),
            chunks=(rows, s.channels, s.values), **filters,
        )  # fmt: skip
        raw.attrs.update(
            {"unit": "count", "description": f"samples as received; raw * {s.scale!r} + {s.offset!r} in {s.unit}"}
        )
        for name, description in schema.COLUMNS.items():
            fill = NO_ODOMETER if name == "odometer_um" else 0
            column = group.create_dataset(
                name, (0,), "<i8", maxshape=(None,), chunks=(4096,), fillvalue=fill, **filters
            )
            column.attrs.update({"unit": schema.COLUMN_UNITS[name], "description": description})
        if head_tick:
            column = group.create_dataset(schema.HEAD_TICK, (0,), "<i8", maxshape=(None,), chunks=(4096,), **filters)
            column.attrs.update({"unit": "tick", "description": "tick counter of this stream's own head, unwrapped"})

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def write(self, block: SampleBlock) -> None:
        """Keep a block. It is on its way to disk after the next flush, or once a megabyte waits."""
        if block.stream.stream_id not in self._streams:
            raise RecordingError(f"{self.path} has no stream {block.stream.stream_id}.")
        self._pending[block.stream.stream_id].append(block)
        self._pending_bytes += block.raw.nbytes + 32 * len(block)
        if self._pending_bytes >= _PENDING_BYTES:
            self._write_pending()

    def gap(self, gap: Gap) -> None:
        self._append("gaps", gap)

    def event(self, event: Event) -> None:
        self._append("events", event)

    def clock(self, fit: ClockFit) -> None:
        self._append("clock", fit)

    def position(self, position: Position) -> None:
        self._append("positions", position)

    def parameter(self, reading: ParameterReading) -> None:
        self._append("parameters", reading)

    def detection(self, detection: Detection) -> None:
        self._append_rows("detections", detection.to_row()[None])

    def label(self, label: Label) -> None:
        self._append("labels", label)

    def truth(self, objects: Sequence[TrueObject]) -> None:
        for item in objects:
            self._append("truth", item)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._write_pending()
        try:
            self._file.flush()
        except (OSError, RuntimeError) as e:
            raise self._cannot_grow(e) from e

    def close(self) -> None:
        """Flush, mark as ended in order, close. Closing again does nothing."""
        if not self._file:
            return
        try:
            if self._failed is None:
                self._write_pending(check=False)
            self._file[schema.CLOSED][()] = 1
            self._file.close()
        except (OSError, RuntimeError) as e:
            raise self._cannot_grow(e) from e

    def _write_pending(self, check: bool = True) -> None:
        if self._failed is not None:
            raise self._failed
        if check and self._pending_bytes and shutil.disk_usage(self.path.parent).free < _RESERVE_BYTES:
            self._write_pending(check=False)  # the reserve is there to take this last piece
            self._failed = RecordingError(
                f"The disk of {self.path} has less than {_RESERVE_BYTES >> 20} MB left, so the recording was ended. "
                "Stop sweeping: nothing is recorded now. What came before is whole; free some space and start anew."
            )
            self.close()
            raise self._failed
        try:
            for stream_id, blocks in self._pending.items():
                if not blocks:
                    continue
                group = self._file[f"{schema.STREAMS}/{self._streams[stream_id].name}"]
                n = sum(len(b) for b in blocks)
                start = group["raw"].shape[0]
                # raw last: a reader takes the shortest column as the stream's length
                for name in [*schema.COLUMNS, *({schema.HEAD_TICK} & set(group))]:
                    group[name].resize(start + n, axis=0)
                    group[name][start:] = np.concatenate([getattr(b, name) for b in blocks])
                group["raw"].resize(start + n, axis=0)
                group["raw"][start:] = np.concatenate([b.raw for b in blocks])
                blocks.clear()
            self._pending_bytes = 0
        except (OSError, RuntimeError) as e:
            raise self._cannot_grow(e) from e

    def _append(self, table: str, item: Any) -> None:
        self._append_rows(table, schema.row_of(schema.TABLES[table][0], item)[None])

    def _append_rows(self, table: str, rows: Any) -> None:
        try:
            dataset = self._file[table]
            start = dataset.shape[0]
            dataset.resize(start + len(rows), axis=0)
            dataset[start:] = rows
        except (OSError, RuntimeError) as e:
            raise self._cannot_grow(e) from e

    def _cannot_grow(self, e: Exception) -> RecordingError:
        return RecordingError(
            f"{self.path} cannot be written any more ({e}): the disk is full or gone. Stop sweeping: nothing is "
            "recorded now. Keep the file as it is, free some space and start a new recording."
        )
