"""Commands on a recording as evidence: recover, verify, sign, correct."""

from __future__ import annotations

import datetime
import getpass
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from detector.recording.amending import append_corrections
from detector.recording.integrity import verify as verify_recording
from detector.recording.reader import open_recording
from detector.recording.recovery import recover as recover_recording
from detector.recording.signing import public_key_hex, signatures
from detector.recording.signing import sign as sign_recording
from detector.recording.stored_tables import Correction
from firmware_host.cli.opening import console

_MOST_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(recover)
    app.command()(verify)
    app.command()(sign)
    app.command()(correct)


def recover(
    file: Annotated[Path, typer.Argument(help="A recording that was cut off or damaged, or its journal.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: NAME-recovered.h5 beside it.")] = None,
) -> None:
    """Rebuild a recording from its journal and from what is left of the file. Neither is touched."""
    name = file.name.removesuffix(".journal")
    out = out or file.with_name(f"{Path(name).stem}-recovered.h5")
    found = recover_recording(file, out, time.time_ns())
    for text in found.damage[:_MOST_SHOWN]:
        console.print(f"[yellow]damage[/] {escape(text)}", soft_wrap=True)
    for text in found.lost[:_MOST_SHOWN]:
        console.print(f"[bold white on red]LOST[/] {escape(text)}", soft_wrap=True)
    if len(found.lost) > _MOST_SHOWN:
        console.print(f"and {len(found.lost) - _MOST_SHOWN} more pieces")
    counts = ", ".join(f"{n} records of {name}" for name, n in found.records.items())
    end = "to its end" if found.ended else "up to where the session was cut off"
    console.print(f"{escape(counts)}, {end}. Recovered to [bold]{escape(str(out))}[/]", soft_wrap=True)
    if found.lost:
        raise typer.Exit(1)


def verify(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key, PEM: there must be a good signature by it.")
    ] = None,
) -> None:
    """Say whether a recording is as it was written, and where not; exit code 1 if not."""
    verdict = verify_recording(file)
    wanted = None if public_key is None else public_key_hex(public_key)
    if not verdict.n_digests and not verdict.problems:
        with open_recording(file) as r:
            for _ in r.blocks(4096):
                pass  # what cannot be read any more is said by the error that ends this
        console.print(
            "No digests: this file is of a format older than 1.2. All its records can be read, and nothing else can be "
            "said of it."
        )
        raise typer.Exit(1 if wanted else 0)
    for text in verdict.problems[:_MOST_SHOWN]:
        console.print(f"[bold white on red]NOT AS WRITTEN[/] {escape(text)}", soft_wrap=True)
    if len(verdict.problems) > _MOST_SHOWN:
        console.print(f"and {len(verdict.problems) - _MOST_SHOWN} more")
    found = signatures(verdict)
    for s in found:
        when = datetime.datetime.fromtimestamp(s.utc_ns / 1e9, datetime.UTC)
        worth = "[green]good[/]" if s.good else "[bold white on red]BAD[/]"
        console.print(
            f"signature {worth}: {escape(s.who)}, {when:%Y-%m-%d %H:%M} UTC, over {s.n_digests} of {verdict.n_digests} "
            f"digests, key {s.public_key}",
            soft_wrap=True,
        )
    by_key = wanted is None or any(s.good and s.public_key == wanted for s in found)
    if not by_key:
        console.print(f"[bold white on red]NOT SIGNED[/] by the key in {escape(str(public_key))}", soft_wrap=True)
    if verdict.problems or not by_key or any(not s.good for s in found):
        raise typer.Exit(1)
    end = "" if verdict.closed else " It was not closed: what came last may be missing; see 'groundsweep recover'."
    console.print(f"[bold green]As it was written[/]: {verdict.n_digests} digests.{end}", soft_wrap=True)


def sign(
    file: Annotated[Path, typer.Argument(help="A finished recording.")],
    key: Annotated[Path, typer.Option(help="Private key, PEM; 'openssl genpkey -algorithm ed25519' makes one.")],
    who: Annotated[str | None, typer.Option(help="Who signs; default: the user of this machine.")] = None,
) -> None:
    """Sign a recording as it is now, after verifying it."""
    name = who or getpass.getuser()
    verdict = sign_recording(file, key, name, time.time_ns())
    console.print(f"{escape(str(file))}: signed by {escape(name)}, over {verdict.n_digests} digests.", soft_wrap=True)


def correct(
    file: Annotated[Path, typer.Argument(help="A finished recording.")],
    what: Annotated[str, typer.Argument(help="What is wrong: 'note', 'detection 3 depth_m', ...")],
    value: Annotated[str, typer.Argument(help="What is right.")],
    why: Annotated[str, typer.Option(help="How that is known.")],
    who: Annotated[str | None, typer.Option(help="Who says so; default: the user of this machine.")] = None,
) -> None:
    """Say that something in a recording is not right. What was written stays; the correction stands beside it."""
    name = who or getpass.getuser()
    append_corrections(file, [Correction(time.time_ns(), name, what, value, why)])
    console.print(f"{escape(str(file))}: {escape(what)} is {escape(value)}, said by {escape(name)}.", soft_wrap=True)
