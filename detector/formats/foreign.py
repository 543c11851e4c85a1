"""What a reader of another program's file gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detection, Label, LabelClass, TrueObject
from detector.errors import FormatError
from detector.formats.bounded import read_text
from detector.samples import NO_ODOMETER, DeviceDescription, Event, Gap, Position, SampleBlock, StreamDescription

EPOCH_NS = 1_700_000_000_000_000_000
"""Time given to records whose file does not say when they were taken; the note says so."""

LEFT_OUT = "records hold values that are not numbers and are left out"
"""In a note, after how many of how many."""

_MOST_UM = 1e15
"""A place further along its track than a million kilometres is damage."""


@dataclass(frozen=True, slots=True)
class ForeignRecording:
    """The content of another program's file, read whole. Satisfies :class:`detector.formats.readable.Readable`."""

    device: DeviceDescription
    blocks: tuple[SampleBlock, ...]
    """Time ordered in each stream."""
    objects: tuple[TrueObject, ...]
    """From a truth file beside it, if there is one."""
    note: str
    fixes: tuple[Position, ...] = ()
    """From a file of satellite fixes beside it, if there is one."""
    marks: tuple[Event, ...] = ()
    """What the operator marked."""

    @property
    def recording_type(self) -> str:
        """Other programs do not say what a file was made for."""
        return "survey"

    @property
    def counts_as_swept(self) -> bool:
        """Nothing in such a file speaks against it."""
        return True

    def n_records(self, stream_name: str) -> int:
        """Records of a stream."""
        return sum(len(b) for b in self.blocks if b.stream.name == stream_name)

    def block(self, stream_name: str, start: int, stop: int) -> SampleBlock:
        """Records start to stop - 1 of a stream, counted from 0 in the file."""
        mine = [b for b in self.blocks if b.stream.name == stream_name]
        if len(mine) == 1:
            return mine[0][start:stop]
        parts, at = [], 0
        for b in mine:
            parts.append(b[max(0, start - at) : max(0, stop - at)])
            at += len(b)
        columns = ("seq", "tick", "utc_ns", "odometer_um", "raw")
        return SampleBlock(parts[0].stream, *(np.concatenate([getattr(p, c) for p in parts]) for c in columns))

    def gaps(self) -> list[Gap]:
        """Where record numbers are left out: records whose values were not numbers."""
        out = []
        for b in self.blocks:
            for i in np.nonzero(np.diff(b.seq) > 1)[0]:
                n = int(b.seq[i + 1] - b.seq[i]) - 1
                first, ticks = int(b.seq[i]) + 1, (int(b.tick[i]), int(b.tick[i + 1]))
                out.append(Gap(b.stream.stream_id, first, n, *ticks, int(b.utc_ns[i]), "values that are not numbers"))
        return out

    def events(self) -> list[Event]:
        return list(self.marks)

    def detections(self) -> list[Detection]:
        return []

    def labels(self) -> list[Label]:
        return []

    def truth(self) -> list[TrueObject]:
        return list(self.objects)

    def positions(self) -> list[Position]:
        return list(self.fixes)


def whole_block(
    stream: StreamDescription,
    raw: NDArray[Any],
    tick_hz: float,
    x_m: NDArray[Any] | None,
    utc_ns: NDArray[np.int64] | None = None,
) -> SampleBlock:
    """All records of a file as one block; a record with a value that is not a finite number is left out of it.

    Ticks are the nominal record times. What is left out shows as a step of the record number, so that it is
    treated as ground not swept: filters would turn one NaN into silence for good.

    Parameters
    ----------
    raw : (n, channels, values)
    x_m : (n,) along-track place, m, NaN where it is not known; or None
    utc_ns : (n,) times, where the file gives them

    Raises
    ------
    FormatError
        if no record is left.
    """
    n = len(raw)
    seq = np.arange(n, dtype=np.int64)
    tick = np.round(seq * (tick_hz / stream.rate_hz)).astype(np.int64)
    place = np.full(n, NO_ODOMETER, np.int64)
    if x_m is not None:
        um = np.round(np.asarray(x_m, np.float64) * 1e6)
        known = np.abs(um) < _MOST_UM
        place[known] = um[known].astype(np.int64)
    utc = EPOCH_NS + np.round(tick * (1e9 / tick_hz)).astype(np.int64) if utc_ns is None else utc_ns
    with np.errstate(over="ignore", invalid="ignore"):
        samples = np.ascontiguousarray(raw.astype(stream.dtype, copy=False))
    if stream.dtype.kind == "f":
        sound = np.isfinite(samples).all(axis=(1, 2))
        if not sound.any():
            raise FormatError(f"Every one of the {n} records holds a value that is not a number. Export them anew.")
        if not sound.all():
            seq, tick, utc, place, samples = (c[sound] for c in (seq, tick, utc, place, samples))
    return SampleBlock(stream, seq, tick, utc, place, samples)


def renumbered(path: Path, block: SampleBlock, numbers: NDArray[Any]) -> SampleBlock:
    """Record numbers as they were counted when recorded, so that what was lost stays a gap; ticks follow.

    numbers : of every record of the file. FormatError if they do not grow.
    """
    if not (np.abs(numbers) < 2**53).all() or (np.diff(numbers) <= 0).any():
        raise FormatError(f"{path}: the record numbers do not grow. Sort the records.")
    seq = numbers.astype(np.int64)[block.seq]
    tick = np.round(seq * (1e6 / block.stream.rate_hz)).astype(np.int64)
    return SampleBlock(block.stream, seq, tick, block.utc_ns, block.odometer_um, block.raw)


def left_out(block: SampleBlock, n: int) -> str:
    """For a note: how many of a file's n records are not in its block; '' if all are."""
    return f" {n - len(block)} of {n} {LEFT_OUT}." * (len(block) < n)


def interleaved(blocks: Sequence[SampleBlock], records: int = 256) -> tuple[SampleBlock, ...]:
    """Blocks of several streams, cut so that the streams keep step as they did in the field."""
    parts = [(i, b[at : at + records]) for i, b in enumerate(blocks) for at in range(0, len(b), records)]
    return tuple(part for _, part in sorted(parts, key=lambda p: (int(p[1].tick[0]), p[0])))


def dominant_frequency(ascans: NDArray[Any], interval_s: float) -> float:
    """Power-weighted mean frequency of the mean spectrum, Hz, for files that do not state one; 0 if they are flat.

    ascans : (n, samples); markers in the first two samples and the offset are left out.
    """
    some = ascans[:: max(1, len(ascans) // 512)].astype(np.float64)
    clean = some[:, 2:] if some.shape[1] > 8 else some
    clean = np.where(np.isfinite(clean), clean, 0.0)
    clean = clean - clean.mean(axis=1, keepdims=True)
    largest = np.abs(clean).max(initial=0.0)
    if largest == 0.0:
        return 0.0
    power = (np.abs(np.fft.rfft(clean / largest, axis=1)) ** 2).mean(axis=0)
    f = np.fft.rfftfreq(clean.shape[1], interval_s)
    power[f < 2.0 / (clean.shape[1] * interval_s)] = 0.0
    return float((power * f).sum() / power.sum()) if power.sum() > 0 else 0.0


def labelled_empty(path: Path) -> bool:
    """Whether labels.json in a file's folder says that it holds no known echo; of files that it does not name it says
    nothing.

    To be asked after :func:`radar_labels`, which explains a damaged one.
    """
    beside = path.parent / "labels.json"
    entry = json.loads(read_text(beside)).get(path.name) if beside.is_file() else None
    return isinstance(entry, dict) and entry.get("targets") == []


def radar_labels(path: Path, step_m: float) -> tuple[TrueObject, ...]:
    """Known echoes of a radar file, from labels.json in its folder; () if there is none.

    Each gives an apex A-scan and a two-way time with tolerances, and says how sure it is.

    Raises
    ------
    FormatError
        if there is a labels.json that cannot be understood.
    """
    beside = path.parent / "labels.json"
    if not beside.is_file():
        return ()
    try:
        entry = json.loads(read_text(beside)).get(path.name)
        if not entry or not entry.get("targets"):
            return ()
        tolerance = int(entry.get("tol_traces", 5))
        return tuple(
            TrueObject(
                label=LabelClass.METAL_CLUTTER,
                kind="rebar" if "rebar" in path.name else "pipe",
                stream="radar",
                x_m=t["trace"] * step_m if step_m else float("nan"),
                first_seq=max(0, t["trace"] - tolerance),
                last_seq=t["trace"] + tolerance,
                half_extent_m=0.0,
                depth_m=float("nan"),
                two_way_s=t["t_ns"] * 1e-9,
                contains_metal=True,
                confidence="author" if "author" in entry["kind"] else "eye",
            )
            for t in entry["targets"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as e:
        raise FormatError(f"{beside} is not a list of labels ({type(e).__name__}: {e}). Mend it or move it.") from e
