"""Reading a recording: block by block, in time order, memory flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from detector.errors import RecordingError
from detector.recording import schema
from detector.recording.entries import ATTRIBUTES, ENDED, RECORDING, Entry, columns_of, description, stream_target
from detector.recording.hdf5 import DAMAGE, check_storage, check_texts, file_at, linked, sound_dataset
from detector.recording.journal import being_written, journal_of
from detector.recording.reading_ahead import Ahead
from detector.recording.stored_tables import StoredTables
from detector.recording.tables import TABLES
from detector.samples import (
    DeviceDescription,
    Int64Array,
    SampleBlock,
    StreamDescription,
    StreamKind,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a recording, in ticks of its head: from `start` up to before `stop`."""

    start: int
    stop: int


def open_recording(path: Path | str) -> Recording:
    """Open a recording for reading, also one whose session was cut off or is still running.

    Nothing but its description is read. Links out of the file are refused.

    Raises
    ------
    RecordingError
        if there is no such file, it is not HDF5, not ours, truncated, damaged, or from later software.
    """
    path = Path(path)
    file = file_at(path)
    try:
        return Recording(path, file)
    except RecordingError:
        file.close()
        raise
    except DAMAGE as e:
        file.close()
        raise RecordingError(
            f"{path} calls itself a recording but is damaged ({type(e).__name__}: {e}). Look for another copy, or try "
            f"'groundsweep recover {path}'."
        ) from e


def _attr(attrs: Any, name: str) -> Any:
    value = attrs[name]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


class Recording(StoredTables):
    """An open recording. Use :func:`open_recording`. A context manager.

    Every method raises RecordingError where the file is damaged, and says where.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        super().__init__(path, file)
        attrs = file.attrs
        check_texts(path, attrs)
        if "format" not in attrs or _attr(attrs, "format") != schema.FORMAT:
            there = ", ".join(list(attrs)[:6] + list(file)[:6]) or "nothing"
            raise RecordingError(
                f"{path} is an HDF5 file, but not a recording of ours (at its root: {there}), nor a lane with "
                "'ascans' or a file of gprMax. Of other HDF5 files only these are read; save others as .npz or .csv "
                "with a description beside it, docs/formats.md."
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
        self.schema_version = version
        device = linked(path, file, schema.DEVICE, h5py.Group).attrs
        check_texts(path, device)
        groups = linked(path, file, schema.STREAMS, h5py.Group)
        streams = [_stream(path, linked(path, groups, name, h5py.Group).attrs) for name in groups]
        self.device = DeviceDescription(
            str(_attr(device, "model")),
            str(_attr(device, "serial")),
            str(_attr(device, "firmware")),
            float(_attr(device, "tick_hz")),
            tuple(sorted(streams, key=lambda s: s.stream_id)),
        )
        if set(groups) != {s.name for s in streams}:
            raise RecordingError(f"{path}: a stream and its group have different names: it is damaged.")
        self._columns: dict[tuple[str, str], Any] = {}
        for s in self.device.streams:
            group = groups[s.name]
            for name in columns_of(schema.HEAD_TICK in group):
                self._columns[s.name, name] = sound_dataset(path, group, name, np.dtype("<i8"), ())
            self._columns[s.name, "raw"] = sound_dataset(path, group, "raw", s.dtype, (s.channels, s.values))
        linked(path, file, schema.CLOSED, h5py.Dataset)
        minor = int(version.partition(".")[2] or 0)
        for name, table in TABLES.items():
            if name not in file and minor >= table.since:
                raise RecordingError(f"{path} has no table {name!r}: it is damaged. Look for another copy.")

    @property
    def kind(self) -> schema.RecordingType:
        """What it was made for.

        Raises
        ------
        RecordingError
            where its type is none that this software knows: such ground does not count as swept either.
        """
        try:
            return schema.RecordingType(self.recording_type)
        except ValueError:
            raise RecordingError(
                f"{self.path} is a recording of type {self.recording_type!r}, which this software does not know: use "
                f"one of {', '.join(schema.RECORDING_TYPES)}, or update it."
            ) from None

    @property
    def counts_as_swept(self) -> bool:
        """Whether ground under it may be called swept; not where its type is unknown."""
        return self.recording_type == schema.RecordingType.SURVEY

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether the session ended in order."""
        try:
            return bool(self._file[schema.CLOSED][()] == 1)
        except DAMAGE as e:
            raise self._damaged("whether the session ended in order", e) from e

    @property
    def still_written(self) -> bool:
        """Whether a live process of this machine is writing it."""
        return being_written(journal_of(self.path))

    def refuse_training(self, what: str) -> None:
        """Keep practice out of what is said of real ground.

        what : what would be done, as in 'be scored'

        Raises
        ------
        RecordingError
            if this is a recording of type training.
        """
        if self.recording_type == schema.RecordingType.TRAINING:
            raise RecordingError(
                f"{self.path} is a recording of type training: objects that never lay in the ground are mixed into its "
                f"samples. It cannot {what}."
            )

    @property
    def several_heads(self) -> bool:
        """Whether records carry their own head's ticks beside the session's."""
        return any(name == schema.HEAD_TICK for _, name in self._columns)

    def description(self) -> Entry:
        """The first entry of the chain of digests, as the attributes tell it now."""
        attributes = {name: _attr(self._file.attrs, name) for name in ATTRIBUTES}
        return description(attributes, self.device, self.several_heads)

    def n_rows(self, target: str) -> int:
        """Rows of a table, or whole records of a 'stream:ID'; 0 where there is none."""
        if target in TABLES:
            return int(linked(self.path, self._file, target, h5py.Dataset).shape[0]) if target in self._file else 0
        return self.n_records(self._stream_of(target).name)

    def _stream_of(self, target: str) -> StreamDescription:
        for s in self.device.streams:
            if stream_target(s) == target:
                return s
        raise RecordingError(f"{self.path} has no {target!r}, which its chain of digests names.")

    def entry(self, target: str, first: int, n: int) -> Entry:
        """Rows of a target as they went into the chain of digests, from what the file holds now."""
        if target in (RECORDING, ENDED):
            return self.description() if target == RECORDING else Entry(ENDED, first, n, b"")
        if not 0 <= first <= first + n <= self.n_rows(target):
            raise RecordingError(f"{self.path}: rows {first} to {first + n - 1} of {target!r} are not there.")
        if target not in TABLES:
            s = self._stream_of(target)
            names = (*columns_of((s.name, schema.HEAD_TICK) in self._columns), "raw")
            width = 8 * (len(names) - 1) + s.width * s.dtype.itemsize
            _check_size(self.path, target, n, width)
            return Entry(target, first, n, b"".join(self._read(s.name, c, first, first + n).tobytes() for c in names))
        d = self._file[target]
        check_storage(self.path, d)
        _check_size(self.path, target, n, d.dtype.itemsize)
        try:
            return Entry(target, first, n, d[first : first + n].tobytes())
        except DAMAGE as e:
            raise self._damaged(f"rows {first} to {first + n - 1} of table {target!r}", e) from e

    def n_records(self, stream_name: str) -> int:
        """Whole records of a stream: after a cut the columns may differ in length."""
        return int(min(d.shape[0] for (stream, _), d in self._columns.items() if stream == stream_name))

    def column(self, stream_name: str, name: str) -> Int64Array:
        """A whole column of schema.COLUMNS, without the samples beside it."""
        return self._read(stream_name, name, 0, self.n_records(stream_name))

    def _read(self, stream_name: str, name: str, start: int, stop: int) -> NDArray[Any]:
        try:
            values: NDArray[Any] = self._columns[stream_name, name][start:stop]
        except DAMAGE as e:
            raise self._damaged(f"records {start} to {stop - 1} of {stream_name!r}", e) from e
        return values

    def block(self, stream_name: str, start: int, stop: int) -> SampleBlock:
        """Records start to stop - 1 of a stream, counted from 0 in the file."""
        stream = next(s for s in self.device.streams if s.name == stream_name)
        stop = min(stop, self.n_records(stream_name))
        columns = [self._read(stream_name, name, start, stop) for name in schema.COLUMNS]
        many = (stream_name, schema.HEAD_TICK) in self._columns
        head_tick = self._read(stream_name, schema.HEAD_TICK, start, stop) if many else None
        seq, tick, utc_ns, odometer_um = columns
        return SampleBlock(
            stream, seq, tick, utc_ns, odometer_um, self._read(stream_name, "raw", start, stop), head_tick
        )

    def refresh(self) -> None:
        """Look again at how much a running session has written."""
        try:
            # whether it has ended comes first: once that is seen, all that came before it is there to be seen
            for name in (schema.CLOSED, *TABLES):
                if name in self._file:
                    self._file[name].refresh()
            for dataset in self._columns.values():
                dataset.refresh()  # not of its id alone: h5py keeps the length that it had
        except DAMAGE as e:
            raise self._damaged("what was added", e) from e

    def follow(self, wait: Callable[[], bool], max_records: int = 256) -> Iterator[SampleBlock]:
        """Records of a running session as they come, from the first on; ends once it has ended in order.

        Streams take turns; within one, no record is left out or given twice.

        Parameters
        ----------
        wait : called when there is nothing new: waits a moment, and says whether to look again
        """
        at = {s.name: 0 for s in self.device.streams}
        while True:
            ended = self.closed  # looked at first: what came before it was marked is there
            fresh = False
            for name, start in at.items():
                if (stop := min(self.n_records(name), start + max_records)) > start:
                    yield self.block(name, start, stop)
                    at[name], fresh = stop, True
            if not fresh:
                if ended or not wait():
                    return
                self.refresh()

    @property
    def span(self) -> Span:
        """From the first record to after the last, over all streams; empty if there is none."""
        ends = [
            int(self._read(s.name, "tick", i, i + 1)[0])
            for s in self.device.streams
            if (n := self.n_records(s.name))
            for i in (0, n - 1)
        ]
        return Span(min(ends), max(ends) + 1) if ends else Span(0, 0)

    def span_of_time(self, from_s: float = 0.0, to_s: float = float("inf")) -> Span:
        """Part between two times, s since the first record."""
        whole, hz = self.span, self.device.tick_hz
        stop = whole.stop if to_s == float("inf") else min(whole.stop, whole.start + round(to_s * hz))
        return Span(whole.start + round(from_s * hz), stop)

    def span_of_detection(self, detection_id: int, margin_s: float = 1.0) -> Span:
        """Part in which a recorded detection lies, and a margin before and after it, s.

        Raises
        ------
        RecordingError
            if there is no such detection.
        """
        for d in self.detections():
            if d.id == detection_id:
                hz = self.device.tick_hz
                return Span(round((d.t_start_s - margin_s) * hz), round((d.t_end_s + margin_s) * hz) + 1)
        known = ", ".join(str(d.id) for d in self.detections()[:20]) or "none"
        raise RecordingError(f"{self.path} has no detection {detection_id}; it has {known}.")

    def spans_of_place(self, from_m: float, to_m: float) -> list[Span]:
        """Each time that the odometer was between two places, m along the track."""
        spans: list[Span] = []
        low, high = from_m * 1e6, to_m * 1e6
        for s in self.device.streams:
            open_since: int | None = None
            tick = 0
            n = self.n_records(s.name)
            for start in range(0, n, 4096):
                places = self._read(s.name, "odometer_um", start, min(n, start + 4096))
                ticks = self._read(s.name, "tick", start, min(n, start + 4096))
                inside = (places >= low) & (places <= high)  # an unknown place is the smallest int64
                for i in [0, *(np.flatnonzero(np.diff(inside)) + 1)]:
                    if inside[i] and open_since is None:
                        open_since = int(ticks[i])
                    elif not inside[i] and open_since is not None:
                        spans.append(Span(open_since, int(ticks[i - 1] if i else tick) + 1))
                        open_since = None
                tick = int(ticks[-1])
            if open_since is not None:
                spans.append(Span(open_since, tick + 1))
        return _joined(spans)

    def _first_at(self, stream_name: str, tick: int) -> int:
        """The first record at or after a tick, by bisection."""
        low, high = 0, self.n_records(stream_name)
        while low < high:
            middle = (low + high) // 2
            if int(self._read(stream_name, "tick", middle, middle + 1)[0]) < tick:
                low = middle + 1
            else:
                high = middle
        return low

    def blocks(self, max_records: int = 64, span: Span | None = None) -> Iterator[SampleBlock]:
        """All records, or those of a span, in time order across streams, in blocks of at most max_records.

        Holds a few blocks in memory, however large the file. A block ends where another stream's next record is due,
        so a live head could have sent them so.
        """
        if max_records < 1:
            raise RecordingError("Blocks hold at least one record.")
        names = [s.name for s in self.device.streams]
        ahead = {name: Ahead(self, name, max_records, *self._records_of(name, span)) for name in names}
        while True:
            waiting = [(a.next_tick, name) for name, a in ahead.items() if a.next_tick is not None]
            if not waiting:
                return
            waiting.sort()
            until = waiting[1][0] if len(waiting) > 1 else None
            yield ahead[waiting[0][1]].take(until)

    def _records_of(self, stream_name: str, span: Span | None) -> tuple[int, int]:
        if span is None:
            return 0, self.n_records(stream_name)
        return self._first_at(stream_name, span.start), self._first_at(stream_name, span.stop)


def _check_size(path: Path, target: str, n: int, width: int) -> None:
    if n > 1 and n * width > 64 << 20:
        raise RecordingError(f"{path}: {n} rows of {target!r} at once are more than any writer puts into one entry.")


def _joined(spans: list[Span]) -> list[Span]:
    """Overlapping spans as one, in order."""
    out: list[Span] = []
    for s in sorted(spans, key=lambda s: s.start):
        if out and s.start <= out[-1].stop:
            out[-1] = Span(out[-1].start, max(out[-1].stop, s.stop))
        else:
            out.append(s)
    return out


def _stream(path: Path, attrs: Any) -> StreamDescription:
    check_texts(path, attrs)
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
