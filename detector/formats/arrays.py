"""Plain arrays: .npy, .npz and .csv with a description beside them, from loggers and from analysis."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import FormatError
from detector.formats.bounded import MOST_BYTES, read_bytes, read_text, size_of
from detector.formats.description import Description, checked, describe
from detector.formats.foreign import (
    ForeignRecording,
    dominant_frequency,
    left_out,
    radar_labels,
    renumbered,
    whole_block,
)
from detector.samples import DeviceDescription, Int64Array

_MOST_EXPANSION: Final = 200
"""An .npz that expands by more is a trap or nothing but zeros."""

_NARROWEST: Final = {
    "i1": "int16", "u1": "int16", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "int32", "i8": "int32",
    "u8": "int32", "b1": "int16", "f2": "float32", "f4": "float32", "f8": "float32",
}  # fmt: skip


def read_npy(path: Path) -> ForeignRecording:
    """An array of (records, values) or (records, channels, values). FormatError if it is damaged or not described."""
    description = describe(path)
    return recording_from(path, description, _parse_npy(path, read_bytes(path)), {})


def read_npz(path: Path) -> ForeignRecording:
    """Arrays by name: the samples, and times, places and record numbers if the description names them.

    The description lies beside the file, or in it as the text `description`, as 'groundsweep export' writes it.
    FormatError if it is damaged or not described.
    """
    arrays = _parse_npz(path)
    inside = arrays.pop("description", None)
    if inside is not None and inside.dtype.kind == "U" and inside.size == 1:
        try:
            description = checked(json.loads(str(inside.reshape(-1)[0])), f"{path}, description")
        except (ValueError, RecursionError) as e:
            raise FormatError(f"{path}: its description is not JSON ({e}).") from e
    else:
        description = describe(path)
    beside = {n: arrays.pop(n) for n in (description.time_column, description.x_column, description.record_column) if n
              and n in arrays}  # fmt: skip
    name = description.samples or (next(iter(arrays)) if len(arrays) == 1 else "samples")
    if name not in arrays:
        raise FormatError(f"{path} has no array {name!r} ({', '.join(arrays) or 'none'}); name it in 'samples'.")
    return recording_from(path, description, arrays[name], beside)


def read_csv(path: Path) -> ForeignRecording:
    """A table with headings, or bare numbers, a record a line. FormatError if it is not numbers or not described."""
    description = describe(path)
    lines = [line for line in read_text(path).splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise FormatError(f"{path} is empty. Copy it again.")
    delimiter = next((d for d in ";\t" if all(d in line for line in lines)), ",")
    if delimiter == ";":
        # spreadsheets part by semicolons where the comma is the decimal sign
        if any(map(_number_with(",").search, lines[1:])) and any(map(_number_with(r"\.").search, lines[1:])):
            raise FormatError(
                f"{path} writes numbers with commas and with points: one of them parts thousands. Write them with one "
                "decimal sign and nothing between thousands."
            )
        lines[1:] = [line.replace(",", ".") for line in lines[1:]]
        lines[0] = lines[0].replace(",", ".") if all(map(_is_european, lines[0].split(";"))) else lines[0]
    names = [cell.strip().strip('"') for cell in lines[0].split(delimiter)]
    headed = not all(_is_number(cell) for cell in names)
    if len(lines) == int(headed):
        raise FormatError(f"{path} has headings and no records. Copy it again.")
    if any(_cells(line, delimiter) > len(names) for line in lines[headed:]):
        raise FormatError(
            f"{path} has lines of more cells than its first one ({len(names)}). Where the comma is the decimal sign, "
            "part the columns by semicolons."
        )
    if not headed:
        names = [str(i) for i in range(len(names))]
    if len(set(names)) != len(names):
        raise FormatError(f"{path} has two columns of one heading. Rename one.")
    special = [c for c in (description.time_column, description.x_column, description.record_column) if c]
    values = list(description.value_columns) or [c for c in names if c not in special]
    for column in [*special, *values]:
        if column not in names:
            raise FormatError(f"{path} has no column {column!r}; it has {', '.join(names[:20])}.")
    try:
        # nanoseconds since 1970 need every digit of an int64, which a float64 does not have
        exact = {c: _integers(path, lines[headed:], delimiter, names.index(c)) for c in special if c.endswith("_ns")}
        used = [names.index(c) for c in [*values, *special]]
        table = np.loadtxt(lines[headed:], delimiter=delimiter, usecols=used, ndmin=2, dtype=np.float64, comments=None)
    except (ValueError, OverflowError) as e:
        raise FormatError(f"{path} holds something else than numbers ({e}). Correct it.") from e
    beside: dict[str, NDArray[Any]] = {c: table[:, len(values) + i] for i, c in enumerate(special)}
    return recording_from(path, description, table[:, : len(values)], {**beside, **exact})


def _cells(line: str, delimiter: str) -> int:
    """How many, without empty ones at the end; of words in quotes, which may hold the delimiter, nothing is said."""
    return 0 if '"' in line else line.rstrip().rstrip(delimiter).count(delimiter) + 1


def _number_with(sign: str) -> re.Pattern[str]:
    """A whole cell between semicolons; words and dates beside the numbers may hold either sign."""
    return re.compile(rf"(?:^|;)\s*[-+]?\d*{sign}\d+(?:[eE][-+]?\d+)?\s*(?:;|$)")


def _is_european(cell: str) -> bool:
    return _is_number(cell.replace(",", "."))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _integers(path: Path, lines: list[str], delimiter: str, column: int) -> Int64Array:
    cells = [line.split(delimiter) for line in lines]
    if any(len(c) <= column for c in cells):
        raise FormatError(f"{path} has lines of differing length. Correct it.")
    return np.array([int(c[column]) for c in cells], np.int64)


def _parse_npy(path: Path, data: bytes) -> NDArray[Any]:
    """Only after the header's size was held against the bytes that are there. No pickles."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = header(stream)
    except (ValueError, KeyError, EOFError, SyntaxError, TokenError, TypeError, MemoryError, RecursionError) as e:
        raise FormatError(f"{path} is not a whole .npy array ({e}). Save it again with numpy.save.") from e
    count = int(np.prod([int(n) for n in shape], dtype=object)) if shape else 1
    if dtype.hasobject or dtype.itemsize == 0 or any(n < 0 for n in shape):
        raise FormatError(f"{path} holds {dtype}, not numbers.")
    if count * dtype.itemsize != len(data) - stream.tell():
        raise FormatError(
            f"{path} declares {shape} of {dtype} and holds {len(data) - stream.tell()} bytes: it was cut short or "
            "damaged. Copy it again."
        )
    if not count:
        raise FormatError(f"{path} holds an array without records: {shape}.")
    return np.frombuffer(data, dtype, count, stream.tell()).reshape(shape, order="F" if fortran else "C")


def _parse_npz(path: Path) -> dict[str, NDArray[Any]]:
    size = size_of(path)
    out: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(e.file_size for e in entries) > min(MOST_BYTES, _MOST_EXPANSION * size + (1 << 20)):
                raise FormatError(f"{path} says that it expands to far more than it can hold: not read.")
            for entry in entries:
                with archive.open(entry) as member:
                    content = member.read(entry.file_size)
                out[entry.filename.removesuffix(".npy")] = _parse_npy(path, content)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError,
            OverflowError) as e:  # fmt: skip
        raise FormatError(f"{path} is not a whole .npz archive ({e}). Save it again with numpy.savez.") from e
    return out


def recording_from(
    path: Path, description: Description, samples: NDArray[Any], beside: dict[str, NDArray[Any]]
) -> ForeignRecording:
    """A recording of an array as its description says.

    samples : (records, values) or (records, channels, values); beside : columns (records,) by the description's names.
    FormatError if they contradict each other.
    """
    kind = samples.dtype.str[1:]
    if kind not in _NARROWEST:
        raise FormatError(f"{path} holds {samples.dtype}, not plain numbers.")
    if samples.ndim == 1:
        samples = samples[:, None]
    width = int(np.prod(samples.shape[1:]))
    if samples.ndim > 3 or width % description.channels or (
        samples.ndim == 3 and samples.shape[1] != description.channels
    ):  # fmt: skip
        raise FormatError(
            f"{path} has the shape {samples.shape}; wanted is (records, values) or (records, channels, values) with "
            f"channels = {description.channels}, as the description says."
        )
    n = len(samples)
    raw = samples.reshape(n, description.channels, width // description.channels)
    guessed = 0.0
    if not description.kind.is_metal and description.sampling_interval_s > 0 and not description.centre_frequency_hz:
        guessed = dominant_frequency(raw[:, 0], description.sampling_interval_s)
    try:
        stream = description.stream(raw.shape[2], _NARROWEST[kind], guessed)
    except FormatError as e:
        raise FormatError(f"{path}: {e}") from e
    _check_range(path, raw, stream.dtype)
    for column, values in beside.items():
        if values.shape != (n,) or values.dtype.kind not in "iuf":
            raise FormatError(f"{path}: {column!r} has the shape {values.shape}, the samples {n} records.")
    utc_ns = None
    if description.time_column:
        utc_ns = _times(path, description.time_column, beside.get(description.time_column))
    x_m = None
    if description.x_column:
        x_m = beside.get(description.x_column)
    elif description.step_m:
        x_m = np.arange(n) * description.step_m
    block = whole_block(stream, raw, 1e6, x_m, utc_ns)
    if description.record_column in beside:
        block = renumbered(path, block, beside[description.record_column])
    times = "" if utc_ns is not None else " Times are nominal."
    spectrum = f" The centre frequency is the spectrum's, {guessed / 1e6:.0f} MHz." if guessed else ""
    said = f"{description.note} " if description.note else ""
    note = f"{said}Plain array {path.name}.{times}{spectrum}{left_out(block, n)}"
    device = DeviceDescription(description.model, description.serial or path.stem, "", 1e6, (stream,))
    return ForeignRecording(device, (block,), radar_labels(path, stream.step_m), note)


def _check_range(path: Path, raw: NDArray[Any], to: np.dtype[Any]) -> None:
    """Counts that do not fit would wrap round, and part of a count be cut off: a false signal."""
    if to.kind == "f":
        return
    limits = np.iinfo(to)
    sound = bool(((raw >= limits.min) & (raw <= limits.max)).all())
    if raw.dtype.kind == "f":
        sound = sound and bool((raw == np.round(raw)).all())
    if not sound:
        raise FormatError(f"{path} holds values that are no {to}. Say sample_type = \"float32\" in its description.")


def _times(path: Path, column: str, values: NDArray[Any] | None) -> Int64Array:
    if values is None:
        raise FormatError(f"{path} has no {column!r}, which its description names as the time.")
    if column.endswith("_ns"):
        ns = values.astype(np.int64) if values.dtype.kind in "iu" else None
    else:
        seconds = values.astype(np.float64)
        ns = np.round(seconds * 1e9).astype(np.int64) if (np.abs(seconds) < 9e9).all() else None
    if ns is None or (np.diff(ns) < 0).any():
        raise FormatError(f"{path}: the times in {column!r} are not numbers that grow. Sort the records by time.")
    return ns
