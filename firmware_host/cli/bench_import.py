"""Command that makes a bench recording of another instrument's table: import."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from detector import __version__
from detector.bench.registry import MEASUREMENTS
from detector.bench.steps import Entry
from detector.errors import BenchError
from detector.formats.bounded import twin
from detector.formats.description import describe
from detector.formats.logger import read_logger
from detector.recording.writer import RecordingWriter
from firmware_host.cli.opening import console


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command("import")(import_table)


def import_table(
    file: Annotated[Path, typer.Argument(help="CSV of an oscilloscope or a logger.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Bench recording to write.")],
    kind: Annotated[str, typer.Option(help="metal, metal-pi, metal-cw or radar. Default: metal.")] = "",
    time_column: Annotated[str, typer.Option(help="Heading of the time; '' = none, then --rate.")] = "",
    time_unit: Annotated[str, typer.Option(help="s, ms, us or ns.")] = "s",
    columns: Annotated[str, typer.Option(help="Headings of the values, with commas. Default: all others.")] = "",
    rate: Annotated[float | None, typer.Option(help="Records per second.", min=1e-6)] = None,
    unit: Annotated[str, typer.Option(help="Of the values, once scaled. Default: V.")] = "",
    scale: Annotated[float | None, typer.Option(help="What a number of the file is worth in that unit.")] = None,
    gate_times: Annotated[str, typer.Option(help="metal-pi: gate centres in s, with commas.")] = "",
    waveforms: Annotated[bool, typer.Option(help="Each column is one record, with time running down it.")] = False,
    model: Annotated[str, typer.Option(help="Of the detector.")] = "",
    serial: Annotated[str, typer.Option(help="Of the detector.")] = "",
    measurement: Annotated[str, typer.Option(help="Which measurement the steps are of.")] = "",
    step: Annotated[
        list[str] | None,
        typer.Option(
            "--step", metavar="ROLE:FROM:TO[:NAME=VALUE,...]", help="A step, s from the first record; repeat."
        ),
    ] = None,
) -> None:
    """Make a bench recording of another instrument's table. Steps may be named; noise and drift need none.

    A description beside it (NAME.toml or NAME.json, docs/formats.md) says what the flags do not.
    """
    said: dict[str, Any] = {"kind": "metal", "unit": "V"}
    if twin(file, ".toml", ".json") is not None:
        said |= describe(file).model_dump(exclude_unset=True)
    time_column = time_column or said.pop("time_column", "")
    said.pop("time_column", None)
    flags = {"kind": kind, "unit": unit, "scale": scale, "model": model, "serial": serial, "rate_hz": rate}
    said |= {name: value for name, value in flags.items() if value not in ("", None)}
    said |= {"gate_times_s": [float(x) for x in gate_times.split(",")]} if gate_times else {}
    said |= {"value_columns": [c.strip() for c in columns.split(",")]} if columns else {}
    made = read_logger(file, said, time_column, time_unit, waveforms)
    if step and measurement not in MEASUREMENTS:
        raise BenchError(f"--step needs --measurement, one of {', '.join(MEASUREMENTS)}.")
    entries = [_step_of(text, measurement, made.device.tick_hz) for text in step or []]
    with RecordingWriter(
        out, made.device, software=f"groundsweep {__version__}", created_utc_ns=time.time_ns(), recording_type="bench",
        note=made.note, source=file.name,
    ) as writer:  # fmt: skip
        for block in made.blocks:
            writer.write(block)
        for entry in entries:
            writer.event(entry.event())
    s = made.device.streams[0]
    n = sum(len(b) for b in made.blocks)
    console.print(
        f"{n} records of {s.width} values, {s.rate_hz:g} a second, {len(entries)} steps, to {escape(str(out))}"
    )


def _step_of(text: str, measurement: str, tick_hz: float) -> Entry:
    parts = text.split(":", 3)
    try:
        role, begin, end = parts[0], float(parts[1]), float(parts[2])
        at: dict[str, float | str] = {}
        for word in parts[3].split(",") if len(parts) > 3 else []:
            name, _, value = word.partition("=")
            at[name] = value if name == "medium" else float(value)
    except (ValueError, IndexError) as e:
        raise BenchError(f"--step {text!r} is not ROLE:FROM:TO[:NAME=VALUE,...], with times in s.") from e
    return Entry(measurement, role, at, round(begin * tick_hz), round(end * tick_hz) - 1, time.time_ns())
