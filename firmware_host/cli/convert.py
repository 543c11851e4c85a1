"""Commands that change formats: import, export."""

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
    file: Annotated[
        Path,
        typer.Argument(
            help="DZT, DT1/HD, rd3/rd7/rad, SEG-Y, gprMax .out, .npy/.npz/.csv with a description beside it, "
            "a simulated lane (.h5), or a folder of HRATC grids."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Recording to write.")],
    licence: Annotated[str, typer.Option(help="Licence of the data.")] = "",
    source: Annotated[str, typer.Option(help="Where the data come from.")] = "",
) -> None:
    """Make a recording from a file of another program: same samples, truth and positions beside it included."""
    foreign = read_foreign(file)
    first_utc_ns = min((int(b.utc_ns[0]) for b in foreign.blocks), default=EPOCH_NS)
    with RecordingWriter(
        out,
        foreign.device,
        software=f"groundsweep {__version__}",
        created_utc_ns=first_utc_ns,
        note=foreign.note,
        licence=licence,
        source=source,
        compress=True,
    ) as writer:
        for block in foreign.blocks:
            for start in range(0, len(block), 1024):
                writer.write(block[start : start + 1024])
        for gap in foreign.gaps():
            writer.gap(gap)
        for position in foreign.positions():
            writer.position(position)
        for event in foreign.events():
            writer.event(event)
        writer.truth(foreign.truth())
    what = [f"{sum(len(b) for b in foreign.blocks)} records", f"{len(foreign.truth())} known objects"]
    what += [f"{len(foreign.positions())} positions"] if foreign.positions() else []
    console.print(f"{', '.join(what)} to {out}.")
