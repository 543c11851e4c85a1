"""The command that seals a truth before a trial: seal."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from detector.errors import TruthError
from detector.score.matching import is_target
from detector.score.seal import seal as hash_of
from detector.score.truth_file import read_truth, truth_to_json
from firmware_host.cli.opening import console


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(seal)


def seal(
    truth_file: Annotated[Path, typer.Argument(help="What lies where, as CSV or JSON: docs/trials.md.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The sealed truth; default: NAME.sealed.json beside it.")
    ] = None,
) -> None:
    """Seal the truth of a trial: prints a hash to publish before anybody sweeps.

    The sealed file holds the truth and a random salt. Keep it secret until the trial is over, then hand it out:
    'groundsweep score --sealed HASH --truth FILE' refuses any other.
    """
    truth = read_truth(truth_file)
    if truth.salt:
        raise TruthError(f"{truth_file} is sealed already; its hash is {hash_of(truth)}.")
    out = out or truth_file.with_suffix(".sealed.json")
    if out.suffix.lower() != ".json":
        raise TruthError(f"A sealed truth is a .json file, not {out}. Choose another --out.")
    sealed = replace(truth, salt=secrets.token_hex(16))
    text = json.dumps(truth_to_json(sealed), indent=1, allow_nan=False) + "\n"
    try:
        # for its owner only, and never over a truth whose hash may be published already
        with open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as f:
            f.write(text)
    except FileExistsError as e:
        raise TruthError(f"{out} exists already, and is not overwritten. Choose another --out.") from e
    except OSError as e:
        raise TruthError(f"{out} cannot be written ({e}). Choose another --out.") from e
    objects = [o for lane in truth.lanes.values() for o in lane.objects]
    console.print(
        f"{len(truth.lanes)} lanes, {sum(is_target(o) for o in objects)} mines, "
        f"{sum(not is_target(o) for o in objects)} clutter objects.",
        f"Publish this hash before the trial: {hash_of(sealed)}",
        f"Keep {out} and {truth_file} secret until it is over.",
        sep="\n", soft_wrap=True, markup=False,
    )  # fmt: skip
