"""CSV of oscilloscopes and loggers: lines of text before the numbers, times that begin anywhere, decimal commas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import FormatError
from detector.formats.arrays import recording_from
from detector.formats.bounded import read_text
from detector.formats.description import Description, checked
from detector.formats.foreign import ForeignRecording

TIME_UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_UNEVEN: Final = 0.02
"""Share by which a step of time may differ from the usual one."""


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers of a file, with a name for each column."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    """(rows, columns)"""


def read_table(path: Path) -> Table:
    """The longest run of lines with the same number of numbers; the line before it names the columns if it can.

    Raises
    ------
    FormatError
        if there is no such run of three lines.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    rows: list[list[float] | None] = []
    delimiter = _delimiter(lines)
    for line in lines:
        rows.append(_numbers(line, delimiter))
    best, start, width = (0, 0), 0, -1
    for i, row in enumerate([*rows, None]):
        found = -1 if row is None else len(row)
        if found != width:
            if width > 0 and i - start > best[1] - best[0]:
                best = start, i
            start, width = i, found
    first, last = best
    if last - first < 3:
        raise FormatError(f"{path} holds no table of numbers of three lines or more. Export it as CSV again.")
    after = next((i for i in range(last, len(lines)) if lines[i]), None)
    if after is not None:
        raise FormatError(
            f"{path}: line {after + 1} does not go on with {len(rows[first] or [])} numbers: {lines[after][:60]!r}. "
            "Correct it: what stands after it would be left out."
        )
    values = np.array(rows[first:last], np.float64)
    return Table(_headings(lines[:first], delimiter, values.shape[1]), values)


def _headings(lines: list[str], delimiter: str, width: int) -> tuple[str, ...]:
    """Of the last line before the numbers, or the one before it where units stand between; else numbers."""
    for line in reversed(lines[-2:]):
        names = [cell.strip().strip('"') for cell in line.split(delimiter)]
        while len(names) > width and not names[-1]:
            names.pop()
        if len(names) == width and len(set(names)) == width and all(names):
            return tuple(names)
    return tuple(str(i) for i in range(width))


def _delimiter(lines: list[str]) -> str:
    late = lines[len(lines) // 2 :] or lines
    for delimiter in (";", "\t"):
        if all(delimiter in line for line in late if line):
            return delimiter
    return ","


def _numbers(line: str, delimiter: str) -> list[float] | None:
    cells = line.split(delimiter)
    while len(cells) > 1 and not cells[-1].strip():
        cells.pop()
    try:
        return [float(c.replace(",", ".") if delimiter != "," else c) for c in cells]
    except ValueError:
        return None


def read_logger(
    path: Path, description: dict[str, Any], time_column: str = "", time_unit: str = "s", waveforms: bool = False
) -> ForeignRecording:
    """A table as a recording.

    Parameters
    ----------
    description : keys of :class:`detector.formats.description.Description`; value_columns picks columns
    time_column : heading of the time; '' = none. It gives the rate, and its steps must be even.
    time_unit : 's', 'ms', 'us' or 'ns'
    waveforms : each column of values is a record, and time runs along it, as an oscilloscope writes one; False: each
        line is a record

    Raises
    ------
    FormatError
        if the file or its description does not hold together.
    """
    table = read_table(path)
    if time_unit not in TIME_UNITS:
        raise FormatError(f"{time_unit!r} is no unit of time; use one of {', '.join(TIME_UNITS)}.")
    picked = description.get("value_columns") or [n for n in table.names if n != time_column]
    for name in [*picked, *([time_column] if time_column else [])]:
        if name not in table.names:
            raise FormatError(f"{path} has no column {name!r}; it has {', '.join(table.names[:20])}.")
    values = table.values[:, [table.names.index(n) for n in picked]]
    step = _step(path, table, time_column, time_unit) if time_column else 0.0
    said = {k: v for k, v in description.items() if k != "value_columns"}
    if waveforms:
        values = values.T
        if step:
            said.setdefault("sampling_interval_s", step)
    elif step:
        said.setdefault("rate_hz", 1.0 / step)
    made: Description = checked(said, f"the description of {path}")
    if not np.isfinite(values).all():
        raise FormatError(f"{path} holds values that are not finite numbers. Export it anew.")
    return recording_from(path, made, values.astype(np.float32), {})


def _step(path: Path, table: Table, column: str, unit: str) -> float:
    t = table.values[:, table.names.index(column)] * TIME_UNITS[unit]
    steps = np.diff(t)
    usual = float((t[-1] - t[0]) / (len(t) - 1))
    # a printed time is rounded: to half of the last digit at both ends
    rounding = float(np.min(np.abs(steps[steps != 0]), initial=np.inf)) if (steps == 0).any() else 0.0
    if usual <= 0 or (np.abs(steps - usual) > _UNEVEN * usual + rounding).any():
        i = int(np.abs(steps - usual).argmax())
        raise FormatError(
            f"{path}: the times in {column!r} are not even: {steps[i]:.6g} s after line {i + 1} of the table, usually "
            f"{usual:.6g} s. Records are missing; export them anew, or cut the file there."
        )
    return usual
