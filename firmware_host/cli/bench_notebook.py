"""Commands on bench reports that were kept: compare, notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from detector.bench.compare import compare as compare_reports
from firmware_host.bench.notebook import Notebook, load_report
from firmware_host.cli.opening import console


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(compare)
    app.command()(notebook)


def compare(
    first: Annotated[str, typer.Argument(help="A report's JSON file, or NOTEBOOK#ENTRY.")],
    second: Annotated[str, typer.Argument(help="The one to hold against it.")],
) -> None:
    """Two heads, settings or firmware versions side by side: which differences are real."""
    a, b = load_report(first), load_report(second)
    for what in ("model", "serial", "firmware", "settings_hash", "taken_utc", "who"):
        differs = "" if a[what] == b[what] else "  [bold](differs)[/]"
        console.print(f"{what:14} {escape(str(a[what])[:40])} | {escape(str(b[what])[:40])}{differs}", soft_wrap=True)
    found = compare_reports(a, b)
    table = Table(box=None, pad_edge=False)
    for column in ("measurement", "figure", "first", "second", "second over first", "p", "after Holm", "answer"):
        table.add_column(column, overflow="fold")
    for c in found:
        kind = "x" if c.ratio == c.ratio else f"difference, {c.unit}"
        value = (
            f"{c.ratio:.3f} ({c.low:.3f} to {c.high:.3f}) {kind}"
            if kind == "x"
            else f"{c.low:.3g} to {c.high:.3g} {kind}"
        )
        answer = "differ" if c.real else "no difference shown"
        table.add_row(
            c.measurement, c.name, f"{c.a:.4g} {c.unit}", f"{c.b:.4g} {c.unit}", value, f"{c.p:.2g}",
            f"{c.p_adjusted:.2g}", answer,
        )  # fmt: skip
    console.print(table)
    console.print(
        f"{sum(c.real for c in found)} of {len(found)} figures differ at 5 % over all of them together (Holm). "
        "'No difference shown' is not 'the same': the interval says how large a difference could still be.",
        soft_wrap=True,
    )


def notebook(
    file: Annotated[Path, typer.Argument(help="A notebook.")],
    entry: Annotated[int | None, typer.Option("--entry", help="Show this one whole.", min=1)] = None,
) -> None:
    """What a bench notebook holds: who measured what, when, on which head."""
    entries = Notebook(file).entries()
    if entry is not None:
        console.print_json(data=load_report(f"{file}#{entry}"))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("entry", "taken", "who", "head", "firmware", "settings", "measurements"):
        table.add_column(column, overflow="fold")
    for e in entries:
        said = ", ".join(f"{r['measurement']} {r['verdict']}" for r in e["results"])
        table.add_row(
            str(e["entry"]), e["taken_utc"], e["who"], f"{e['model']} {e['serial']}", e["firmware"],
            e["settings_hash"][:8], said,
        )  # fmt: skip
    console.print(table)
