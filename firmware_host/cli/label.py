"""The command that says what was found at a detection of a recording."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer

from detector.detections import Label, LabelClass
from detector.errors import RecordingError
from detector.recording.amending import append_labels
from detector.recording.reader import open_recording
from firmware_host.cli.opening import console


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(label)


def label(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    detection: Annotated[int, typer.Argument(help="Number of the detection, see 'groundsweep show'.")],
    found: Annotated[LabelClass, typer.Argument(help="What was found there.")],
    depth: Annotated[float | None, typer.Option(help="Depth at which it was found, cm.", min=0.0, max=500.0)] = None,
    note: Annotated[str, typer.Option(help="Anything else.")] = "",
    who: Annotated[str | None, typer.Option(help="Who says so; default: the user of this machine.")] = None,
    opinion: Annotated[bool, typer.Option("--opinion", help="Not dug: an opinion only.")] = False,
) -> None:
    """Say what was found at a detection. Labels append; nothing is overwritten."""
    with open_recording(file) as r:
        ids = {d.id for d in r.detections()}
    if detection not in ids:
        known = f"1 to {max(ids)}" if ids else "none"
        raise RecordingError(f"{file} has no detection {detection}; it has {known}. See 'groundsweep show {file}'.")
    name = who or getpass.getuser()
    depth_m = float("nan") if depth is None else depth / 100.0
    append_labels(file, [Label(detection, found, name, time.time_ns(), not opinion, depth_m, note)])
    console.print(f"Detection {detection} of {file}: {found}, said by {name}.", markup=False)
