"""Commands on the parameters of a head: list, get, set, save, load, diff, defaults, store."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from detector.samples import DeviceDescription
from firmware_host.cli.opening import console
from firmware_host.errors import HeadError, PresetError
from firmware_host.head import Head
from firmware_host.parameters import (
    Difference,
    HeadParameters,
    Preset,
    differences,
    preset_of,
    read_preset,
    write_preset,
)
from firmware_host.wire.messages import Parameter, ParameterKind, same_value

PortOption = Annotated[str, typer.Option("--port", help="Port of the head, see 'groundsweep ports'.")]
BaudOption = Annotated[int, typer.Option(help="Baud rate; ports over USB ignore it.")]
DEFAULT_BAUD = 921600

params = typer.Typer(
    name="params", help="Parameters of a head: list, get, set, save, load, compare.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(params)


@dataclass(frozen=True, slots=True)
class _Open:
    head: Head
    device: DeviceDescription
    parameters: HeadParameters


@contextlib.contextmanager
def _opened(port: str, baud: int) -> Iterator[_Open]:
    with Head.open(port, baud) as head:
        device = head.describe()
        yield _Open(head, device, HeadParameters(head))


def _value(value: float | None, unit: str = "", kind: ParameterKind = ParameterKind.NUMBER) -> str:
    if value is None:
        return "-"
    if kind is ParameterKind.SWITCH and value in (0.0, 1.0):
        return "on" if value else "off"
    # as short as it can be without being another number
    text = f"{value:g}" if float(f"{value:g}") == value else repr(value).removesuffix(".0")
    return f"{text} {unit}".rstrip()


def _table(parameters: Sequence[Parameter]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("parameter", "value", "unit", "min", "max", "default", "keeps", "meaning"):
        # a name that is cut can be given to no command, and a number that is cut is another one
        whole = name != "meaning"
        right = name in ("value", "min", "max", "default")
        table.add_column(name, justify="right" if right else "left", no_wrap=whole, overflow="fold")
    for p in parameters:
        changed = p.writable and not same_value(p.value, p.default)
        value = _value(p.value, kind=p.kind)
        table.add_row(
            escape(p.name), f"[bold yellow]* {value}[/]" if changed else value, escape(p.unit), _value(p.low),
            _value(p.high), _value(p.default, kind=p.kind) if p.writable else "",
            "read only" if not p.writable else "yes" if p.persistent else "no", f"[dim]{escape(p.description)}[/]",
        )  # fmt: skip
    return table


@params.command("list")
def list_all(
    port: PortOption,
    baud: BaudOption = DEFAULT_BAUD,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """All parameters with unit, range, default and value; * marks what differs from its default."""
    with _opened(port, baud) as o:
        found = o.parameters.read()
        if as_json:
            print(json.dumps([asdict(p) for p in found], indent=1))
            return
        if not found:
            console.print(f"{o.device.model}, serial {o.device.serial}, has no parameters.")
            return
        known = "known from before" if o.parameters.from_cache else "read from the head"
        console.print(
            f"[bold]{escape(o.device.model)}[/], serial {escape(o.device.serial)}, firmware "
            f"{escape(o.device.firmware)}; table {o.head.parameter_hash:08x}, {known}"
        )
        console.print(_table(found))
        console.print("[dim]* not its default. keeps: 'groundsweep params store' keeps it over a power cut.[/]")


@params.command()
def get(
    names: Annotated[list[str], typer.Argument(help="Parameters to read.")],
    port: PortOption,
    baud: BaudOption = DEFAULT_BAUD,
) -> None:
    """Read parameters from the head."""
    with _opened(port, baud) as o:
        for p in o.parameters.read(names):
            print(f"{p.name} = {_value(p.value, p.unit)}")


@params.command("set")
def set_values(
    assignments: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="What to set.")],
    port: PortOption,
    baud: BaudOption = DEFAULT_BAUD,
) -> None:
    """Set parameters, each read back. Nothing is set if one of them is out of range."""
    wanted = dict(_assignment(a) for a in assignments)
    with _opened(port, baud) as o:
        _apply(o, wanted)


def _assignment(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    with contextlib.suppress(ValueError):
        if equals and name.strip():
            words = {"on": 1.0, "true": 1.0, "off": 0.0, "false": 0.0}
            return name.strip(), words[value.strip()] if value.strip() in words else float(value)
    raise PresetError(f"{text!r} is not NAME=VALUE with a number, on or off. For example: status_interval=250.")


def _apply(o: _Open, wanted: dict[str, float]) -> None:
    for name, (before, now) in o.parameters.set(wanted).items():
        p = o.parameters.named(name)
        console.print(f"{escape(name)} = {_value(now, p.unit, p.kind)} (was {_value(before, kind=p.kind)})")


@params.command()
def save(
    file: Annotated[Path, typer.Argument(help="Preset to write (TOML).")],
    port: PortOption,
    baud: BaudOption = DEFAULT_BAUD,
) -> None:
    """Write the values of all writable parameters to a preset file."""
    with _opened(port, baud) as o:
        found = o.parameters.read()
        preset = preset_of(found, o.device, o.head.parameter_hash)
        write_preset(file, preset, found, datetime.datetime.now(datetime.UTC))
        console.print(f"{len(preset.values)} parameters of {escape(o.device.model)} to {file}.")


@params.command()
def load(
    file: Annotated[Path, typer.Argument(help="Preset to set (TOML).")],
    port: PortOption,
    baud: BaudOption = DEFAULT_BAUD,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Set the parameters of a preset file that differ from the head's. Nothing is set if one cannot be."""
    preset = read_preset(file)
    with _opened(port, baud) as o:
        for sentence in preset.misfits(o.device, o.head.parameter_hash):
            console.print(f"[yellow]warning[/]: {file}: {escape(sentence)}")
        o.parameters.check(preset.values)
        now = {p.name: p.value for p in o.parameters.read(list(preset.values))}
        wanted = {n: v for n, v in preset.values.items() if not same_value(v, now[n])}
        if dry_run and wanted:
            console.print(_difference_table(differences(now, preset.values), "head", file.name))
        elif not dry_run:
            _apply(o, wanted)
        verb = "would change" if dry_run else "changed"
        console.print(f"{len(wanted)} of {len(preset.values)} parameters {verb}.")


@params.command()
def diff(
    a: Annotated[str, typer.Argument(help="A preset file (.toml) or a port.")],
    b: Annotated[str, typer.Argument(help="Likewise.")],
    baud: BaudOption = DEFAULT_BAUD,
) -> None:
    """What differs between two presets, a preset and a head, or two heads. Exit code 1 if anything does."""
    first, second = _preset_from(a, baud), _preset_from(b, baud)
    for field in ("model", "serial", "firmware", "table_hash"):
        x, y = getattr(first, field), getattr(second, field)
        if x and y and x != y:
            console.print(f"[yellow]{field.replace('_', ' ')}[/]: {escape(x)} and {escape(y)}")
    found = differences(first.values, second.values)
    if not found:
        console.print(f"All {len(first.values)} parameters are the same.")
        return
    console.print(_difference_table(found, a, b))
    raise typer.Exit(1)


def _preset_from(source: str, baud: int) -> Preset:
    if source.endswith(".toml") or Path(source).is_file():
        return read_preset(Path(source))
    with _opened(source, baud) as o:
        return preset_of(o.parameters.read(), o.device, o.head.parameter_hash)


def _difference_table(found: Sequence[Difference], a: str, b: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("parameter", overflow="fold")
    table.add_column(escape(a), justify="right", overflow="fold")
    table.add_column(escape(b), justify="right", overflow="fold")
    for d in found:
        table.add_row(escape(d.name), _value(d.a), _value(d.b))
    return table


@params.command()
def defaults(port: PortOption, baud: BaudOption = DEFAULT_BAUD) -> None:
    """Set every writable parameter to its default. What is stored in the head stays until 'store'."""
    with _opened(port, baud) as o:
        before = {p.name: p.value for p in o.parameters.read() if p.writable}
        o.head.restore_defaults()
        now = [p for p in o.parameters.read() if p.writable]
        for p in now:
            if p.value != before[p.name]:
                console.print(f"{escape(p.name)} = {_value(p.value, p.unit, p.kind)} (was {_value(before[p.name])})")
        if wrong := ", ".join(p.name for p in now if not same_value(p.value, p.default)):
            raise HeadError(f"The head did not go back to its defaults in: {wrong}. Its firmware is at fault.")
        console.print(f"All {len(now)} writable parameters are at their defaults.")


@params.command()
def store(port: PortOption, baud: BaudOption = DEFAULT_BAUD) -> None:
    """Have the head keep the values of its persistent parameters over a power cut."""
    with _opened(port, baud) as o:
        kept = [p.name for p in o.parameters.table().values() if p.persistent]
        if not kept:
            raise HeadError("The head has no parameter that it can keep over a power cut. Save a preset file instead.")
        o.head.save_parameters()
        console.print(f"Kept over a power cut: {', '.join(map(escape, kept))}.")
