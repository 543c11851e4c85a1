"""Reading a recording: block by block, in time order, memory flat."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass, TrueObject
from detector.errors import RecordingError, SampleError
from detector.recording import schema
from detector.samples import (
    ClockFit,
    DeviceDescription,
    Event,
    FixQuality,
    Gap,
    Int64Array,
    ParameterReading,
    Position,
    SampleBlock,
    Severity,
    StreamDescription,
    StreamKind,
)


def open_recording(path: Path | str) -> Recording:
    """Open a recording for reading, also one whose session was cut off or is still running.

    Raises
    ------
    RecordingError
        if there is no such file, it is not HDF5, not ours, truncated, damaged, or from later software.
    """
    path = Path(path)
    if not path.exists():
        raise RecordingError(f"There is no file {path}. Check the name.")
    if path.is_dir():
        raise RecordingError(f"{path} is a folder, not a recording.")
    try:
        readable = h5py.is_hdf5(path)
    except OSError:
        readable = False
    if not readable:
        raise RecordingError(
            f"{path} is not an HDF5 file, so not a recording of ours. If it comes from another program, "
            "give it to 'groundsweep import'."
        )
    try:
        file = _open_file(path)
    except OSError as e:
        raise RecordingError(
            f"{path} is damaged: {e}. It was cut short or overwritten; look for a copy on the machine that recorded it."
        ) from e
    try:
        return Recording(path, file)
    except RecordingError:
        file.close()
        raise
    except (KeyError, OSError, RuntimeError, ValueError, SampleError) as e:
        file.close()
        raise RecordingError(
            f"{path} calls itself a recording but is damaged ({type(e).__name__}: {e}). Look for another copy."
        ) from e


def _open_file(path: Path) -> h5py.File:
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


def _attr(attrs: Any, name: str) -> Any:
    value = attrs[name]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


class Recording:
    """An open recording. Use :func:`open_recording`. A context manager."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file
        attrs = file.attrs
        if "format" not in attrs or _attr(attrs, "format") != schema.FORMAT:
            there = ", ".join(list(attrs)[:6] + list(file)[:6]) or "nothing"
            raise RecordingError(
                f"{path} is an HDF5 file, but not a recording of ours (at its root: {there}). If it comes from "
                "another program, give it to 'groundsweep import'."
            )
        version = str(_attr(attrs, "schema_version"))
        if version.split(".")[0] != schema.SCHEMA_VERSION.split(".")[0]:
            raise RecordingError(
                f"{path} is of recording format {version}; this software reads {schema.SCHEMA_VERSION}. Update it."
            )
        self.software = str(_attr(attrs, "software"))
        self.recording_type = str(_attr(attrs, "recording_type"))
        self.created_utc_ns = int(_attr(attrs, "created_utc_ns"))
        self.profile_toml = str(_attr(attrs, "profile"))
        self.profile_hash = str(_attr(attrs, "profile_hash"))
        self.model_hash = str(_attr(attrs, "model_hash"))
        self.note = str(_attr(attrs, "note"))
        self.licence = str(_attr(attrs, "licence"))
        self.source = str(_attr(attrs, "source"))
        device = file[schema.DEVICE].attrs
        streams = [_stream(g.attrs) for g in file[schema.STREAMS].values()]
        self.device = DeviceDescription(
            str(_attr(device, "model")),
            str(_attr(device, "serial")),
            str(_attr(device, "firmware")),
            float(_attr(device, "tick_hz")),
            tuple(sorted(streams, key=lambda s: s.stream_id)),
        )
        minor = int(version.partition(".")[2] or 0)
        for name in schema.TABLES:
            if name not in file and minor >= schema.ADDED_IN.get(name, 0):
                raise RecordingError(f"{path} has no table {name!r}: it is damaged. Look for another copy.")

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether the session ended in order."""
        return bool(self._file[schema.CLOSED][()])

    def n_records(self, stream_name: str) -> int:
        """Whole records of a stream: after a cut the columns may differ in length."""
        group = self._file[f"{schema.STREAMS}/{stream_name}"]
        columns = [*schema.COLUMNS, "raw", *({schema.HEAD_TICK} & set(group))]
        return int(min(group[name].shape[0] for name in columns))

    def column(self, stream_name: str, name: str) -> Int64Array:
        """A whole column of schema.COLUMNS, without the samples beside it."""
        column: Int64Array = self._file[f"{schema.STREAMS}/{stream_name}/{name}"][: self.n_records(stream_name)]
        return column

    def block(self, stream_name: str, start: int, stop: int) -> SampleBlock:
        """Records start to stop - 1 of a stream, counted from 0 in the file."""
        stream = next(s for s in self.device.streams if s.name == stream_name)
        stop = min(stop, self.n_records(stream_name))
        group = self._file[f"{schema.STREAMS}/{stream_name}"]
        try:
            columns = [group[name][start:stop] for name in schema.COLUMNS]
            raw = group["raw"][start:stop]
            head_tick = group[schema.HEAD_TICK][start:stop] if schema.HEAD_TICK in group else None
        except (OSError, RuntimeError) as e:
            raise RecordingError(
                f"{self.path}: records {start} to {stop - 1} of {stream_name!r} cannot be read ({e}). The file is "
                "damaged there; look for another copy."
            ) from e
        seq, tick, utc_ns, odometer_um = columns
        return SampleBlock(stream, seq, tick, utc_ns, odometer_um, raw, head_tick)

    def blocks(self, max_records: int = 64) -> Iterator[SampleBlock]:
        """All records in time order across streams, in blocks of at most max_records.

        A block ends where another stream's next record is due, so a live head could have sent them so.
        """
        if max_records < 1:
            raise RecordingError("Blocks hold at least one record.")
        ahead = {s.name: _Ahead(self, s.name, max_records) for s in self.device.streams}
        while True:
            waiting = [(a.next_tick, name) for name, a in ahead.items() if a.next_tick is not None]
            if not waiting:
                return
            waiting.sort()
            until = waiting[1][0] if len(waiting) > 1 else None
            yield ahead[waiting[0][1]].take(until)

    def gaps(self) -> list[Gap]:
        return [Gap(**schema.fields_of(r)) for r in self._file["gaps"][:]]

    def events(self) -> list[Event]:
        rows = [schema.fields_of(r) for r in self._file["events"][:]]
        return [Event(**{**r, "severity": Severity(r["severity"])}) for r in rows]

    def parameters(self) -> list[ParameterReading]:
        """Parameters over time, oldest first; none in a file older than schema 1.1."""
        if "parameters" not in self._file:
            return []
        rows = [schema.fields_of(r) for r in self._file["parameters"][:]]
        flags = ("writable", "persistent")
        return [ParameterReading(**{**r, **{f: bool(r[f]) for f in flags}}) for r in rows]

    def detection_table(self) -> NDArray[Any]:
        """(n,) of DETECTION_DTYPE, as recorded, to the bit."""
        table: NDArray[Any] = self._file["detections"][:].astype(DETECTION_DTYPE, copy=False)
        return table

    def detections(self) -> list[Detection]:
        return [Detection.from_row(r) for r in self.detection_table()]

    def labels(self) -> list[Label]:
        """All of them, oldest first."""
        rows = [schema.fields_of(r) for r in self._file["labels"][:]]
        return [
            Label(**{**r, "label": LabelClass(r["label"]), "ground_truth": bool(r["ground_truth"])}) for r in rows
        ]

    def clock_fits(self) -> list[ClockFit]:
        """How the heads' ticks lay in host time; [] in files that do not say."""
        return [ClockFit(**schema.fields_of(r)) for r in self._file["clock"][:]] if "clock" in self._file else []

    def truth(self) -> list[TrueObject]:
        rows = [schema.fields_of(r) for r in self._file["truth"][:]]
        return [
            TrueObject(**{**r, "label": LabelClass(r["label"]), "contains_metal": bool(r["contains_metal"])})
            for r in rows
        ]

    def positions(self) -> list[Position]:
        """What a satellite receiver said, in the order in which it came; empty in a recording without one."""
        if "positions" not in self._file:
            return []
        rows = [schema.fields_of(r) for r in self._file["positions"][:]]
        return [Position(**{**r, "quality": FixQuality(r["quality"])}) for r in rows]


class _Ahead:
    """One stream on its way out of a file, a chunk at a time."""

    def __init__(self, recording: Recording, name: str, max_records: int) -> None:
        self._recording = recording
        self._name = name
        self._max = max_records
        self._n = recording.n_records(name)
        self._read = 0
        self._block: SampleBlock | None = None
        self._at = 0
        self._fill()

    def _fill(self) -> None:
        self._block, self._at = None, 0
        if self._read < self._n:
            step = max(self._max, 256)
            self._block = self._recording.block(self._name, self._read, self._read + step)
            self._read += len(self._block)

    @property
    def next_tick(self) -> int | None:
        return None if self._block is None else int(self._block.tick[self._at])

    def take(self, until: int | None) -> SampleBlock:
        """The next records, at least one, up to the first after tick `until`."""
        assert self._block is not None
        block = self._block
        stop = min(len(block), self._at + self._max)
        if until is not None:
            stop = min(stop, max(self._at + 1, int(np.searchsorted(block.tick, until, side="right"))))
        out = block[self._at : stop]
        self._at = stop
        if stop == len(block):
            self._fill()
        return out


def _stream(attrs: Any) -> StreamDescription:
    text = {name: str(_attr(attrs, name)) for name in ("name", "sample_type", "unit")}
    return StreamDescription(
        stream_id=int(_attr(attrs, "stream_id")),
        kind=StreamKind(str(_attr(attrs, "kind"))),
        channels=int(_attr(attrs, "channels")),
        values=int(_attr(attrs, "values")),
        rate_hz=float(_attr(attrs, "rate_hz")),
        scale=float(_attr(attrs, "scale")),
        offset=float(_attr(attrs, "offset")),
        axis=tuple(float(a) for a in attrs["axis"]),
        sampling_interval_s=float(_attr(attrs, "sampling_interval_s")),
        centre_frequency_hz=float(_attr(attrs, "centre_frequency_hz")),
        step_m=float(_attr(attrs, "step_m")),
        **text,
    )


def append_labels(path: Path, labels: Sequence[Label]) -> None:
    """Add labels to a recording; what is there stays as it is.

    Raises
    ------
    RecordingError
        if the file is not ours, still being recorded, or cannot be written.
    """
    with open_recording(path) as r:
        if not r.closed:
            raise RecordingError(
                f"{path} is still being recorded, or its session was cut off. Label it after the session; if the "
                f"session is over, make a whole copy with 'groundsweep replay {path} --out NEW.h5' and label that."
            )
    try:
        with h5py.File(path, "r+", locking=False) as file:
            table = file["labels"]
            start = table.shape[0]
            table.resize(start + len(labels), axis=0)
            for i, label in enumerate(labels):
                table[start + i] = schema.row_of(schema.LABEL_DTYPE, label)
    except OSError as e:
        raise RecordingError(f"{path} cannot be written ({e}). Check its rights, and who has it open.") from e


def latest_labels(recording: Recording) -> dict[int, Label]:
    """The label that counts for each labelled detection."""
    return {label.detection_id: label for label in recording.labels()}
