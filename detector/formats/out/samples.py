"""Samples of one stream as a table or as numpy arrays, a block at a time; both read back with the same values.

Both carry a description in the terms of :mod:`detector.formats.description`: the table in a JSON file beside
it, the arrays in a text among them.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from detector.errors import FormatError
from detector.formats.out.creating import creating
from detector.formats.readable import Readable
from detector.samples import NO_ODOMETER, SampleBlock, StreamDescription, StreamKind

BLOCK_BYTES: Final = 4 << 20
"""Samples held at once, at most (or one record)."""

Progress = Callable[[int], None]
"""Called with the number of records that were done since the last call."""


def silent(records: int) -> None:
    """No progress is shown."""


def stream_of(recording: Readable, name: str = "") -> StreamDescription:
    """The stream of that name, or the only one. FormatError names those that there are."""
    streams = recording.device.streams
    names = ", ".join(s.name for s in streams)
    found = [s for s in streams if s.name == name] if name else list(streams)
    if len(found) != 1:
        raise FormatError(f"Say which stream: the recording has {names}." if not name else
                          f"The recording has no stream {name!r}; it has {names}.")  # fmt: skip
    return found[0]


def blocks_of(recording: Readable, stream: StreamDescription) -> Iterator[SampleBlock]:
    """A stream in blocks of at most BLOCK_BYTES."""
    step = max(1, BLOCK_BYTES // (stream.width * stream.dtype.itemsize))
    for start in range(0, recording.n_records(stream.name), step):
        yield recording.block(stream.name, start, start + step)


def _description(recording: Readable, s: StreamDescription) -> dict[str, Any]:
    out: dict[str, Any] = {
        "kind": str(s.kind), "name": s.name, "channels": s.channels, "sample_type": s.sample_type,
        "rate_hz": s.rate_hz, "scale": s.scale, "offset": s.offset, "unit": s.unit,
        "sampling_interval_s": s.sampling_interval_s, "centre_frequency_hz": s.centre_frequency_hz, "step_m": s.step_m,
        "model": recording.device.model[:200], "serial": recording.device.serial[:200], "note": recording.note[:2000],
        "time_column": "utc_ns", "record_column": "seq",
    }  # fmt: skip
    axis = {StreamKind.METAL_PI: "gate_times_s", StreamKind.METAL_CW: "frequencies_hz"}.get(s.kind)
    return out | ({axis: list(s.axis)} if axis else {})


def write_sample_table(path: Path, recording: Readable, name: str = "", progress: Progress = silent) -> None:
    """A line a record: seq, tick, utc_ns, odometer_m, then raw counts by channel and value. NAME.json describes it.

    FormatError if the stream is not there or a file cannot be written.
    """
    s = stream_of(recording, name)
    beside = path.with_suffix(".json")
    columns = [f"c{c}v{v}" for c in range(s.channels) for v in range(s.values)]
    description = _description(recording, s) | {"x_column": "odometer_m", "value_columns": columns}
    with creating(path, beside), path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow(["seq", "tick", "utc_ns", "odometer_m", *columns])
        for b in blocks_of(recording, s):
            places = ["nan" if um == NO_ODOMETER else f"{um * 1e-6:.6f}" for um in b.odometer_um.tolist()]
            # a float32's shortest digits, not those of the float64 beside it
            rows = b.raw.reshape(len(b), -1)
            values = rows.astype(str).tolist() if s.dtype.kind == "f" else rows.tolist()
            for head in zip(b.seq.tolist(), b.tick.tolist(), b.utc_ns.tolist(), places, values, strict=True):
                table.writerow([*head[:4], *head[4]])
            progress(len(b))
        beside.write_text(json.dumps(description, indent=1), encoding="utf-8")


def write_sample_arrays(path: Path, recording: Readable, name: str = "", progress: Progress = silent) -> None:
    """An .npz of samples (n, channels, values), seq, tick, utc_ns, x_m and the text `description`.

    FormatError if the stream is not there or the file cannot be written.
    """
    s = stream_of(recording, name)
    n = recording.n_records(s.name)
    description = _description(recording, s) | {"x_column": "x_m", "samples": "samples"}
    columns: dict[str, list[np.ndarray[Any, Any]]] = {"seq": [], "tick": [], "utc_ns": [], "x_m": []}
    with creating(path), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("samples.npy", "w", force_zip64=True) as member:
            header = {"descr": s.dtype.str, "fortran_order": False, "shape": (n, s.channels, s.values)}
            np.lib.format.write_array_header_1_0(member, header)
            for b in blocks_of(recording, s):
                member.write(np.ascontiguousarray(b.raw).tobytes())
                for column, values in zip(columns, (b.seq, b.tick, b.utc_ns, b.odometer_m), strict=True):
                    columns[column].append(values)
                progress(len(b))
        empty = [np.zeros(0, np.int64)]
        arrays = {c: np.concatenate(parts or empty) for c, parts in columns.items()}
        for c, values in (arrays | {"description": np.array(json.dumps(description))}).items():
            with archive.open(f"{c}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
