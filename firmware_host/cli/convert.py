"""Commands that change formats: import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detector import __version__
from detector.formats.foreign import EPOCH_NS
from detector.formats.registry import read_foreign
from detector.recording.writer import RecordingWriter
from firmware_host.cli.opening import console


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("import")(import_file)


def import_file(
    file: Annotated[Path, typer.Argument(help="DZT, rd3/rad, a gprMax lane (.h5), or a folder of HRATC grids.")],
    out: Annotated[Path, typer.Argument(help="Recording to write.")],
    licence: Annotated[str, typer.Option(help="Licence of the data.")] = "",
    source: Annotated[str, typer.Option(help="Where the data come from.")] = "",
) -> None:
    """Make a recording from a file of another program: same samples, truth beside it included."""
    foreign = read_foreign(file)
    with RecordingWriter(
        out,
        foreign.device,
        software=f"groundsweep {__version__}",
        created_utc_ns=EPOCH_NS,
        note=foreign.note,
        licence=licence,
        source=source,
        compress=True,
    ) as writer:
        for block in foreign.blocks:
            writer.write(block)
        writer.truth(foreign.truth)
    console.print(f"{sum(len(b) for b in foreign.blocks)} records and {len(foreign.truth)} known objects to {out}.")
