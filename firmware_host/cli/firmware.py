"""Commands about a head's firmware: firmware build, firmware run, firmware export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from firmware_host.cli.firmware_export import export
from firmware_host.cli.opening import console
from firmware_host.device.build import BOARDS, DEFAULT_BOARD, build_firmware
from firmware_host.virtual.emulated import EmulatedHead

BoardOption = Annotated[str, typer.Option(help=f"Emulated board: {', '.join(BOARDS)}.")]

group = typer.Typer(
    help="Build the reference firmware, run it on an emulated board, export tuned filters to C.", no_args_is_help=True
)
group.command()(export)


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.add_typer(group, name="firmware")


@group.command()
def build(
    board: BoardOption = DEFAULT_BOARD,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Image to write; default: named for the board.")
    ] = None,
) -> None:
    """Cross-compile the reference firmware to an ELF image."""
    out = out or Path(f"groundsweep-{board}.elf")
    build_firmware(board, out)
    console.print(f"Firmware for {board} in {out}.")


@group.command()
def run(
    board: BoardOption = DEFAULT_BOARD,
    image: Annotated[
        Path | None, typer.Option(help="ELF image to run; default: the reference firmware, built now.")
    ] = None,
) -> None:
    """Run a firmware on an emulated board until Ctrl-C; its serial line becomes a port of this machine."""
    with EmulatedHead(board, image) as head:
        console.print(f"Emulated head on {head.path} ({board}). In another terminal:")
        console.print(f"  groundsweep live --port {head.path}")
        console.print("Ctrl-C switches it off.")
        head.wait()
