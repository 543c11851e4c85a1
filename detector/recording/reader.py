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

from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass, TrueObject
from detector.errors import RecordingError
from detector.metal_description import MetalDescription
from detector.recording import schema
from detector.recording.entries import ATTRIBUTES, ENDED, RECORDING, Entry, columns_of, description, stream_target
from detector.recording.hdf5 import DAMAGE, check_storage, check_texts, file_at, linked, rows_of, sound_dataset
from detector.recording.journal import being_written, journal_of
from detector.recording.soil import soils_of
from detector.samples import (
    Check,
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
    Silence,
    Soil,
    StreamDescription,
    StreamKind,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a recording, in ticks of its head: from `start` up to before `stop`."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of anything in a recording, afterwards. Nothing is overwritten by it."""

    utc_ns: int
    who: str
    what: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class StoredCoverage:
    """How much of a stream was really tested, as the session said at its end; see detector.pipeline.Coverage."""

    stream: str
    received: int
    missing: int
    untested: int
    surface_lost: int
    segments: int


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


class Recording:
    """An open recording. Use :func:`open_recording`. A context manager.

    Every method raises RecordingError where the file is damaged, and says where.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file
        attrs = file.attrs
        check_texts(path, attrs)
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
        for name in schema.TABLES:
            if name not in file and minor >= schema.ADDED_IN.get(name, 0):
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
        if target in schema.TABLES:
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
        if target not in schema.TABLES:
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

    def _damaged(self, what: str, e: Exception) -> RecordingError:
        return RecordingError(
            f"{self.path}: {what} cannot be read ({e}). The file is damaged there; look for another copy, or take what "
            f"is left with 'groundsweep recover {self.path}'."
        )

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
            for name in (schema.CLOSED, *schema.TABLES):
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
        ahead = {name: _Ahead(self, name, max_records, *self._records_of(name, span)) for name in names}
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

    def table(self, name: str) -> NDArray[Any]:
        """(n,) rows of a table of schema.TABLES with its columns; none where the file is older than the table."""
        dtype = schema.TABLES[name][0]
        if name not in self._file:
            return np.zeros(0, dtype)
        return rows_of(self.path, self._file, name, dtype, schema.NEWER_COLUMNS.get(name, ()))

    def _items(self, name: str, make: Callable[[dict[str, Any]], Any]) -> list[Any]:
        try:
            return [make(schema.fields_of(row)) for row in self.table(name)]
        except DAMAGE as e:
            raise self._damaged(f"table {name!r}", e) from e

    def gaps(self) -> list[Gap]:
        return self._items("gaps", lambda r: Gap(**r))

    def silences(self) -> list[Silence]:
        """Streams given up while others went on, in the order in which it was done."""
        return self._items("silences", lambda r: Silence(**r))

    def soils(self) -> list[Soil]:
        """What was learned of the soil on command, in the order in which it was learned."""
        try:
            return soils_of(self.table("soil"))
        except DAMAGE as e:
            raise self._damaged("table 'soil'", e) from e

    def events(self) -> list[Event]:
        return self._items("events", lambda r: Event(**{**r, "severity": Severity(r["severity"])}))

    def parameters(self) -> list[ParameterReading]:
        """Parameters over time, oldest first; none in a file older than schema 1.1."""
        flags = ("writable", "persistent")
        return self._items("parameters", lambda r: ParameterReading(**{**r, **{f: bool(r[f]) for f in flags}}))

    def checks(self) -> list[Check]:
        """Calibrations and function checks of the head."""
        return self._items("checks", lambda r: Check(**{**r, "passed": bool(r["passed"])}))

    def coverage(self) -> list[StoredCoverage]:
        """How much of each stream was tested; [] where the session did not get to say it."""
        return self._items("coverage", lambda r: StoredCoverage(**r))

    def corrections(self) -> list[Correction]:
        """What people said afterwards, oldest first."""
        return self._items("corrections", lambda r: Correction(**r))

    def detection_table(self) -> NDArray[Any]:
        """(n,) of DETECTION_DTYPE, as recorded, to the bit."""
        return self.table("detections").astype(DETECTION_DTYPE, copy=False)

    def detections(self) -> list[Detection]:
        try:
            return [Detection.from_row(r) for r in self.detection_table()]
        except DAMAGE as e:
            raise self._damaged("table 'detections'", e) from e

    def metal_descriptions(self) -> dict[int, MetalDescription]:
        """What the metal answers of detections are like, by the detection's number; {} in files before 1.3."""
        try:
            return {int(row["detection_id"]): MetalDescription.from_row(row) for row in self.table("metal")}
        except DAMAGE as e:
            raise self._damaged("table 'metal'", e) from e

    def labels(self) -> list[Label]:
        """All of them, oldest first."""
        return self._items(
            "labels",
            lambda r: Label(**{**r, "label": LabelClass(r["label"]), "ground_truth": bool(r["ground_truth"])}),
        )

    def clock_fits(self) -> list[ClockFit]:
        """How the heads' ticks lay in host time; [] in files that do not say."""
        return self._items("clock", lambda r: ClockFit(**r))

    def truth(self) -> list[TrueObject]:
        return self._items(
            "truth",
            lambda r: TrueObject(
                **{**r, "label": LabelClass(r["label"]), "contains_metal": bool(r["contains_metal"])}
            ),
        )

    def positions(self) -> list[Position]:
        """What a satellite receiver said, in the order in which it came; empty in a recording without one."""
        return self._items("positions", lambda r: Position(**{**r, "quality": FixQuality(r["quality"])}))


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


class _Ahead:
    """One stream on its way out of a file, a chunk at a time."""

    def __init__(self, recording: Recording, name: str, max_records: int, start: int, stop: int) -> None:
        self._recording = recording
        self._name = name
        self._max = max_records
        self._n = stop
        self._read = start
        self._block: SampleBlock | None = None
        self._at = 0
        self._fill()

    def _fill(self) -> None:
        self._block, self._at = None, 0
        if self._read < self._n:
            step = max(self._max, 256)
            self._block = self._recording.block(self._name, self._read, min(self._n, self._read + step))
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


def latest_labels(recording: Recording) -> dict[int, Label]:
    """The label that counts for each labelled detection."""
    return {label.detection_id: label for label in recording.labels()}
