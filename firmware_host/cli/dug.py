"""The command that sums up what was dug: dug."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from detector.errors import RecordingError
from detector.recording.reader import open_recording
from detector.score.dug import Hole, holes_of, statistics
from detector.score.trial import soil_of
from firmware_host.cli.opening import console


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(dug)


def dug(
    files: Annotated[list[Path], typer.Argument(help="Recordings with labels, see 'groundsweep label'.")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Write JSON to this .json file; - prints it.")] = None,
) -> None:
    """Sum up what was dug, by head and soil: mines called clutter, clutter rejection, and drift away from the model.

    It takes what the recordings hold; nothing is replayed. A mine that gave no alarm was not dug: these figures are no
    probability of detection. Exit code 1 if some file could not be read.
    """
    if json_out is not None and str(json_out) != "-" and json_out.suffix.lower() != ".json":
        raise RecordingError(f"JSON goes to a file that ends in .json, not to {json_out}. Name one.")
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    holes: list[Hole] = []
    failed: list[str] = []
    for file in files:
        try:
            with open_recording(file) as r:
                r.refuse_training("say what was dug")
                head = f"{r.device.model}, serial {r.device.serial}"
                holes += holes_of(file.stem, head, soil_of(r.note), r.detections(), r.labels())
        except RecordingError as e:
            failed.append(str(e))
            if len(files) > 1:
                errors.print(f"not read: {e}", markup=False)
    if len(failed) == len(files):
        raise RecordingError(failed[0] if len(files) == 1 else "None of the files could be read.")
    found = statistics(holes)
    if json_out is not None:
        data = {"groups": [s.to_json() for s in found], "not_read": failed}
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
        if str(json_out) == "-":
            print(text, end="")
        else:
            try:
                json_out.write_text(text, encoding="utf-8")
            except OSError as e:
                raise RecordingError(f"{json_out} cannot be written ({e}). Choose another file.") from e
    if str(json_out) != "-":
        for s in found:
            console.print(s.to_text(), markup=False, soft_wrap=True)
        if not found:
            console.print("Nothing in these recordings is labelled as dug.")
        console.print("Mines that gave no alarm are in none of these figures.")
    if failed:
        raise typer.Exit(1)
