"""Rebuilding a recording after a fault, from its journal and from what is left of the file. Neither is touched."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from detector.errors import RecordingError
from detector.recording import schema
from detector.recording.entries import (
    ATTRIBUTES,
    ENDED,
    RECORDING,
    Entry,
    entry_columns,
    read_description,
    stream_target,
)
from detector.recording.integrity import verify
from detector.recording.journal import SUFFIX, JournalReader, being_written, journal_of
from detector.recording.proof import proof_of
from detector.recording.reader import Recording, open_recording
from detector.recording.tables import TABLES, UNCHAINED
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, Event, Gap, Severity, StreamDescription

_PIECE: Final = 256
"""Rows that are read at once from a damaged file; what cannot be read is then halved down to one row."""

_MOST_SAID: Final = 20
"""Damages told one by one in the recovered file's events."""


@dataclass(slots=True)
class Recovered:
    """What could be brought back, and what could not."""

    out: Path
    records: dict[str, int] = field(default_factory=dict)
    """Of each stream, by name."""
    ended: bool = False
    """Whether the session had ended in order, so that nothing is missing at the end."""
    damage: list[str] = field(default_factory=list)
    """What was wrong with the journal or the file, for a person."""
    lost: list[str] = field(default_factory=list)
    """What is in neither of them."""


def recover(path: Path, out: Path, utc_ns: int) -> Recovered:
    """Make a whole recording of what a fault left of another. Memory stays flat.

    The journal comes first; what it lacks is taken from the file, where the chain of digests proves it. Records that
    neither has become gaps.

    Parameters
    ----------
    path : the recording, or its journal; either may be damaged or missing
    out : must not exist
    utc_ns : the time of now, ns since 1970 UTC, for the event that says so

    Raises
    ------
    RecordingError
        when nothing can be brought back, the session still runs, or `out` cannot be written.
    """
    if path.name.endswith(SUFFIX):
        path = path.with_name(path.name.removesuffix(SUFFIX))
    journal = journal_of(path)
    if out.exists():
        raise RecordingError(f"{out} exists already, and a recording is never overwritten. Choose another.")
    if not path.exists() and not journal.exists():
        raise RecordingError(f"There is neither {path} nor its journal {journal.name}. Check the name.")
    if being_written(journal):
        raise RecordingError(f"{path} is still being recorded. End that session first.")
    result = Recovered(out)
    with contextlib.ExitStack() as stack:
        reader = JournalReader(journal) if journal.exists() else None
        file: Recording | None = None
        try:
            file = stack.enter_context(open_recording(path))
            result.damage += verify(path).problems[:_MOST_SAID] if reader is None else []
        except RecordingError as e:
            result.damage.append(str(e))
        attributes, device, several = _description(reader, file, result, path)
        partial = out.with_name(out.name + ".partial")
        partial.unlink(missing_ok=True)
        try:
            writer = stack.enter_context(_writer(partial, attributes, device, several))
            merge = _Merge(writer, device, several, file, result, reader is not None)
            if reader is not None:
                merge.add_journal(reader)
            merge.add_rest()
            result.ended = result.ended or _closed(file)
            _tell(writer, result, utc_ns, path)
            writer.close()
            os.replace(partial, out)
        finally:
            partial.unlink(missing_ok=True)
    with open_recording(out) as r:
        result.records = {s.name: r.n_records(s.name) for s in r.device.streams}
    return result


def _description(
    reader: JournalReader | None, file: Recording | None, result: Recovered, path: Path
) -> tuple[dict[str, Any], DeviceDescription, bool]:
    if reader is not None:
        try:
            for entry, _ in reader:
                if entry.target == RECORDING:
                    return read_description(entry)
                break
        except RecordingError as e:
            result.damage.append(str(e))
    if file is None:
        raise RecordingError(f"Nothing of {path} can be brought back: {' '.join(result.damage)}")
    attributes, device, several = read_description(file.description())
    return {**attributes, "schema_version": schema.SCHEMA_VERSION}, device, several


def _closed(file: Recording | None) -> bool:
    try:
        return file is not None and file.closed
    except RecordingError:
        return False


def _writer(path: Path, attributes: dict[str, Any], device: DeviceDescription, several: bool) -> RecordingWriter:
    a = {k: v for k, v in attributes.items() if k in ATTRIBUTES and k not in ("format", "profile")}
    return RecordingWriter(path, device, profile_toml=attributes["profile"], several_heads=several, journal=False, **a)


def _tell(writer: RecordingWriter, result: Recovered, utc_ns: int, path: Path) -> None:
    how = "" if result.ended else " The session was cut off: what came in its last second may be missing."
    said = [(Severity.WARNING, f"Recovered from what was left of {path.name}.{how}")]
    said += [(Severity.FAULT, f"Lost: {text}.") for text in result.lost[:_MOST_SAID]]
    said += [(Severity.WARNING, f"Damage: {text}") for text in result.damage[:_MOST_SAID]]
    for severity, text in said:
        writer.event(Event(utc_ns, severity, "recovery", text))


class _Merge:
    """Rows of both sources, in order, into one recording."""

    def __init__(
        self,
        writer: RecordingWriter,
        device: DeviceDescription,
        several_heads: bool,
        file: Recording | None,
        result: Recovered,
        journal: bool,
    ) -> None:
        self._writer = writer
        self._several = several_heads
        self._file = file
        self._result = result
        self._streams = {stream_target(s): s for s in device.streams}
        self._tables = [t for t in TABLES if t not in UNCHAINED]
        self._next: dict[str, int] = defaultdict(int)
        """Row of the broken recording that comes next."""
        self._last: dict[str, tuple[int, int]] = {}
        """Record number and tick of a stream's last record so far."""
        self._torn: set[str] = set()
        self._proof = None if file is None else proof_of(file, journal, result.damage)

    def add_journal(self, reader: JournalReader) -> None:
        try:
            for entry, _ in reader:
                if entry.target == ENDED:
                    self._result.ended = True
                elif entry.target != RECORDING and entry.first >= self._next[entry.target]:
                    self._fill(entry.target, entry.first)
                    self._add(entry)
                    self._next[entry.target] = entry.first + entry.n
        except RecordingError as e:
            if str(e) not in self._result.damage:
                self._result.damage.append(str(e))
        self._result.damage += [f"the journal has damage: {d}" for d in reader.damage]

    def add_rest(self) -> None:
        """What only the file has."""
        if self._file is not None:
            for target in (*self._streams, *self._tables):
                self._fill(target, self._in_file(target))

    def _in_file(self, target: str) -> int:
        """Rows that the file says it has; 0 where it is so damaged that it does not say."""
        if self._file is None:
            return 0
        try:
            return self._file.n_rows(target)
        except RecordingError as e:
            if str(e) not in self._result.damage:
                self._result.damage.append(str(e))
            return 0

    def _fill(self, target: str, stop: int) -> None:
        start = self._next[target]
        there = min(stop, self._in_file(target))
        for first, end, sound in self._parts(target, start, max(start, there)):
            if not sound:
                self._lose(target, first, end)
                continue
            for at in range(first, end, _PIECE):
                for entry in self._readable(target, at, min(end, at + _PIECE)):
                    self._add(entry)
        if max(start, there) < stop:
            self._lose(target, max(start, there), stop)
        self._next[target] = max(self._next[target], stop)

    def _parts(self, target: str, start: int, stop: int) -> Iterator[tuple[int, int, bool]]:
        """Rows of the file, and whether they may be believed: samples that damage made up are worse than a gap."""
        if self._proof is None:
            yield start, stop, True
        else:
            yield from self._proof.parts(target, start, stop)

    def _readable(self, target: str, start: int, stop: int) -> Iterator[Entry]:
        assert self._file is not None
        try:
            entry = self._file.entry(target, start, stop - start)
            if target in TABLES and len(entry.payload) != entry.n * TABLES[target].dtype.itemsize:
                rows = self._file.table(target)[start:stop]  # columns of another version
                entry = Entry(target, start, stop - start, rows.tobytes())
            yield entry
        except RecordingError:
            if stop - start == 1:
                self._lose(target, start, stop)
                return
            middle = (start + stop) // 2
            yield from self._readable(target, start, middle)
            yield from self._readable(target, middle, stop)

    def _lose(self, target: str, start: int, stop: int) -> None:
        s = self._streams.get(target)
        name = f"records of {s.name!r}" if s else f"rows of table {target!r}"
        self._result.lost.append(f"{name}, {start} to {stop - 1}")
        self._torn.add(target)

    def _add(self, entry: Entry) -> None:
        stream = self._streams.get(entry.target)
        if stream is not None:
            self._note_gap(entry, stream)
        self._writer.append(entry)

    def _note_gap(self, entry: Entry, stream: StreamDescription) -> None:
        columns = entry_columns(entry, stream, self._several)
        seq, tick = int(columns["seq"][0]), int(columns["tick"][0])
        if entry.target in self._torn and entry.target in self._last:
            last_seq, last_tick = self._last[entry.target]
            if seq - last_seq > 1:
                utc_ns = int(columns["utc_ns"][0])
                missing = seq - last_seq - 1
                self._writer.gap(
                    Gap(stream.stream_id, last_seq + 1, missing, last_tick, tick, utc_ns, "lost with the recording")
                )
        self._torn.discard(entry.target)
        self._last[entry.target] = int(columns["seq"][-1]), int(columns["tick"][-1])
