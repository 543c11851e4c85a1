"""Commands of the bench: measure a head live or from a recording, report, compare, keep a notebook, import."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from detector import __version__
from detector.bench.registry import MEASUREMENTS
from detector.bench.result import Result, Verdict
from detector.bench.units import figure_texts
from detector.errors import BenchError
from detector.recording.writer import RecordingWriter
from detector.simulate.bench import BenchHead
from detector.simulate.bench_radar import BenchRadar
from firmware_host.bench.hand import Hand, TerminalHand
from firmware_host.bench.notebook import Notebook
from firmware_host.bench.report import Report, joined, measurements_in, report_of
from firmware_host.bench.session import BenchSession, Wanted
from firmware_host.cli import bench_import, bench_notebook, bench_tune
from firmware_host.cli.opening import console
from firmware_host.cli.reading import reading
from firmware_host.clock import HostClock
from firmware_host.head import Head
from firmware_host.session import Interrupt
from firmware_host.virtual.bench import VirtualBench

app = typer.Typer(help="Measure a detector by the tests of a bench; docs/bench.md.", no_args_is_help=True)

PortOption = Annotated[str | None, typer.Option("--port", help="Measure the head on this port, step by step.")]
BaudOption = Annotated[int, typer.Option(help="Baud rate; ports over USB ignore it.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the measurement; repeat.")
]
StreamOption = Annotated[str, typer.Option(help="Name of the stream; default: the first that fits.")]
ChannelOption = Annotated[int, typer.Option(help="Coil or antenna.", min=0)]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Recording to write. Default: a dated name.")]
ReportOption = Annotated[Path | None, typer.Option("--report", help="HTML file to write; JSON goes beside it.")]
NotebookOption = Annotated[Path | None, typer.Option("--notebook", help="Notebook to add the results to.")]
WhoOption = Annotated[str, typer.Option("--who", help="Who measures. Default: the user.")]
ConditionOption = Annotated[
    list[str] | None, typer.Option("--condition", metavar="NAME=TEXT", help="Temperature, place, test piece; repeat.")
]


def register(parent: typer.Typer) -> None:
    """Add this group."""
    bench_notebook.register(app)
    bench_import.register(app)
    bench_tune.register(app)
    parent.add_typer(app, name="bench")


def pairs_of(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE words of an option. BenchError if one is none."""
    out = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise BenchError(f"{option} {text!r} is not NAME=VALUE.")
        out[name.strip()] = value.strip()
    return out


def values_of(texts: Sequence[str] | None) -> dict[str, Any]:
    """Settings as typed; a list is written 0.1,0.2."""
    found = pairs_of(texts, "--set")
    return {k: [x for x in v.split(",") if x] if "," in v else v for k, v in found.items()}


def take(
    names: Sequence[str],
    settings: dict[str, dict[str, Any]],
    port: str,
    baud: int,
    out: Path,
    hand: Hand,
    *,
    stream: str = "",
    conditions: dict[str, str] | None = None,
) -> None:
    """Lead a hand through measurements on a live head, into a recording."""
    wanted = [Wanted(m, m.with_settings(settings.get(m.name, {})), stream) for m in (MEASUREMENTS[n] for n in names)]
    said = ", ".join(f"{k} {v}" for k, v in (conditions or {}).items())
    with Head.open(port, baud, HostClock()) as head, Interrupt() as interrupted:
        device = head.describe()
        out.parent.mkdir(parents=True, exist_ok=True)
        with RecordingWriter(
            out, device, software=f"groundsweep {__version__}", created_utc_ns=time.time_ns(), recording_type="bench",
            note=f"Bench: {', '.join(names)}. {said}".strip(),
        ) as writer:  # fmt: skip
            BenchSession(head, writer, wanted, hand).run(interrupted)


def _measure(
    name: str,
    file: Path | None,
    port: str | None,
    baud: int,
    changes: list[str] | None,
    stream: str,
    channel: int,
    out: Path | None,
    report: Path | None,
    notebook: Path | None,
    who: str,
    condition: list[str] | None,
) -> None:
    if (file is None) == (port is None):
        raise BenchError(f"Give a recording, or a --port to measure on: groundsweep bench {name} FILE | --port PORT.")
    settings = {name: values_of(changes)}
    conditions = pairs_of(condition, "--condition")
    MEASUREMENTS[name].with_settings(settings[name])  # refused before anything is taken
    if port is not None:
        file = out or Path(time.strftime(f"bench-{name}-%Y%m%dT%H%M%SZ.h5", time.gmtime()))
        take([name], settings, port, baud, file, TerminalHand(console), stream=stream, conditions=conditions)
        console.print(f"Recorded to [bold]{escape(str(file))}[/]")
    assert file is not None
    with reading(file) as recording:
        made = report_of(
            recording, file, [name], settings, stream=stream, channel=channel, who=who or getpass.getuser(),
            conditions=conditions,
        )  # fmt: skip
    conclude(made, report, notebook)


def conclude(report: Report, html: Path | None, notebook: Path | None) -> None:
    """Print, write and keep a report; exit code 1 if something failed or gives no figure."""
    for r in report.results:
        print_result(r)
    if html is not None:
        report.write(html)
        console.print(f"Report: [bold]{escape(str(html))}[/] and {html.with_suffix('.json').name}")
    if notebook is not None:
        entry = Notebook(notebook).add(report)
        console.print(f"Kept as entry {entry} of [bold]{escape(str(notebook))}[/]")
    if any(r.verdict in (Verdict.FAIL, Verdict.REFUSED) for r in report.results):
        raise typer.Exit(1)


def print_result(r: Result) -> None:
    """One result in the terminal."""
    console.print(f"\n[bold]{escape(r.title)}[/]: {r.verdict}")
    if r.refusal:
        console.print(f"No figure is given. {escape(r.refusal)}", soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("figure", "value", "95 % interval", "limit", "verdict"):
        table.add_column(column, overflow="fold")
    for f in r.figures:
        value, interval, limit = figure_texts(f)
        table.add_row(f.name, value, interval, limit, str(f.verdict))
    console.print(table)
    for note in r.notes:
        console.print(escape(note), soft_wrap=True)


def _command(name: str) -> Callable[..., None]:
    def command(
        file: Annotated[Path | None, typer.Argument(help="A recording of such a measurement.")] = None,
        port: PortOption = None,
        baud: BaudOption = 921600,
        changes: SetOption = None,
        stream: StreamOption = "",
        channel: ChannelOption = 0,
        out: OutOption = None,
        report: ReportOption = None,
        notebook: NotebookOption = None,
        who: WhoOption = "",
        condition: ConditionOption = None,
    ) -> None:
        _measure(name, file, port, baud, changes, stream, channel, out, report, notebook, who, condition)

    m = MEASUREMENTS[name]
    fields = m.settings.model_fields.items()
    described = "\n\n".join(f"{k}: {f.description} (default {_default(f.default)})" for k, f in fields)
    command.__doc__ = f"{m.title}.\n\n{m.source}.\n\nSettings for --set:\n\n{described}"
    return command


def _default(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value if value != () else "as planned")


for _name in MEASUREMENTS:
    app.command(_name, short_help=MEASUREMENTS[_name].title)(_command(_name))


@app.command("list")
def list_measurements() -> None:
    """What can be measured, and how many steps and minutes each takes as planned."""
    table = Table(box=None, pad_edge=False)
    for column in ("name", "measurement", "steps", "minutes of samples"):
        table.add_column(column, overflow="fold")
    for m in MEASUREMENTS.values():
        steps = m.plan(m.settings())
        minutes = sum(s.seconds + s.settle_s for s in steps) / 60
        table.add_row(m.name, m.title, str(len(steps)), f"{minutes:.1f}")
    console.print(table)


@app.command()
def session(
    names: Annotated[list[str], typer.Argument(help="Measurements, in the order in which they are taken.")],
    port: Annotated[str, typer.Option("--port", help="The head's port.")],
    baud: BaudOption = 921600,
    stream: StreamOption = "",
    out: OutOption = None,
    report: ReportOption = None,
    notebook: NotebookOption = None,
    who: WhoOption = "",
    condition: ConditionOption = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="MEASUREMENT.NAME=VALUE", help="A setting; repeat.")
    ] = None,
) -> None:
    """Take several measurements into one recording, and report them together."""
    settings = _grouped(changes)
    _known([*names, *settings])
    file = out or Path(time.strftime("bench-%Y%m%dT%H%M%SZ.h5", time.gmtime()))
    conditions = pairs_of(condition, "--condition")
    take(names, settings, port, baud, file, TerminalHand(console), stream=stream, conditions=conditions)
    console.print(f"Recorded to [bold]{escape(str(file))}[/]")
    with reading(file) as recording:
        made = report_of(
            recording, file, names, settings, stream=stream, who=who or getpass.getuser(), conditions=conditions
        )
    conclude(made, report, notebook)


def _grouped(changes: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for name, value in values_of(changes).items():
        measurement, dot, key = name.partition(".")
        if not dot:
            raise BenchError(f"--set {name} does not say of which measurement: write MEASUREMENT.{name}=VALUE.")
        out.setdefault(measurement, {})[key] = value
    return out


@app.command()
def virtual(
    names: Annotated[list[str], typer.Argument(help="Measurements, in the order in which they are taken.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated noise and of the operator's marks.")] = 1,
    out: OutOption = None,
    report: ReportOption = None,
    notebook: NotebookOption = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="MEASUREMENT.NAME=VALUE", help="A setting; repeat.")
    ] = None,
) -> None:
    """The same on a simulated metal detector or radar on a pseudo-terminal, with a script for a hand."""
    settings = _grouped(changes)
    _known([*names, *settings])
    file = out or Path(time.strftime("bench-virtual-%Y%m%dT%H%M%SZ.h5", time.gmtime()))
    radar = {MEASUREMENTS[n].radar for n in names}
    if len(radar) > 1:
        raise BenchError("The virtual bench has a metal detector or a radar, one at a time: leave the others out.")
    metal = BenchHead(rate_hz=100.0, mains_v=4e-4, mains_hz=49.8, drift_v_per_s=1e-7, lag_s=0.02)
    head = BenchRadar(placing_m=0.001) if True in radar else metal
    with VirtualBench(head, seed, speed=200.0) as bench:
        take(names, settings, bench.path, 921600, file, bench)
    console.print(f"Recorded to [bold]{escape(str(file))}[/]")
    with reading(file) as recording:
        made = report_of(recording, file, names, settings, who="a script")
    conclude(made, report, notebook)


def _known(names: Sequence[str]) -> None:
    for name in names:
        if name not in MEASUREMENTS:
            raise BenchError(f"There is no measurement {name!r}; there are {', '.join(MEASUREMENTS)}.")


@app.command()
def report(
    files: Annotated[list[Path], typer.Argument(help="Bench recordings of one head, firmware and settings.")],
    html: Annotated[Path, typer.Option("--report", help="HTML file to write; JSON goes beside it.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="MEASUREMENT.NAME=VALUE", help="A setting; repeat.")
    ] = None,
    notebook: NotebookOption = None,
    who: WhoOption = "",
    condition: ConditionOption = None,
) -> None:
    """Every measurement that some recordings hold, in one report."""
    settings = _grouped(changes)
    conditions = pairs_of(condition, "--condition")
    made = []
    for file in files:
        with reading(file) as recording:
            names = measurements_in(recording)
            if not names:
                raise BenchError(f"{file} holds no steps of a bench measurement.")
            made.append(
                report_of(recording, file, names, settings, who=who or getpass.getuser(), conditions=conditions)
            )
    conclude(joined(made), html, notebook)
