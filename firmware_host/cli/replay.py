"""Commands on recordings: replay, show, label."""

from __future__ import annotations

import datetime
import getpass
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from detector.detections import Label, LabelClass
from detector.detections import detection_table as as_rows
from detector.errors import RecordingError
from detector.formats.registry import read_foreign
from detector.pipeline import Pipeline
from detector.profile import DEFAULT_PROFILE, parse_profile
from detector.recording.reader import Recording, append_labels, latest_labels, open_recording
from detector.samples import Event, SampleBlock, StreamDescription
from firmware_host.capture import SUFFIX, CaptureSource
from firmware_host.cli.opening import (
    ForeignSource,
    ModelOption,
    chain,
    console,
    is_ours,
    new_writer,
)
from firmware_host.cli.placing import position_summary, track_of
from firmware_host.console.bscan import bscan_picture, profile_picture
from firmware_host.console.terminal import detection_table, places_text
from firmware_host.session import Listener, Recorder, RecordingSource, Source, run


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(replay)
    app.command()(show)
    app.command()(label)


class _Bar(Listener):
    """A listener that moves a progress bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("replaying", total=total)

    def block(self, block: SampleBlock) -> None:
        self._progress.advance(self._task, len(block))

    def event(self, event: Event) -> None:
        self._progress.console.print(f"[yellow]{event.severity}[/]: {event.text}")


def replay(
    file: Annotated[Path, typer.Argument(help="A recording, a capture (.gsraw), or a foreign file (DZT, rd3, ...).")],
    profile_name: Annotated[
        str | None, typer.Option("--profile", "-p", help="Default: the profile stored in the recording.")
    ] = None,
    model_path: ModelOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write a recording with these detections.")] = None,
) -> None:
    """Run a recording through the pipeline again and compare with the detections that it holds."""
    if file.suffix == SUFFIX:
        captured = CaptureSource(file)
        _replay(captured, captured.n_records, None, profile_name, model_path, out, file)
    elif is_ours(file):
        with open_recording(file) as recording:
            total = sum(recording.n_records(s.name) for s in recording.device.streams)
            _replay(RecordingSource(recording), total, recording, profile_name, model_path, out, file)
    else:
        foreign = read_foreign(file)
        total = sum(len(b) for b in foreign.blocks)
        _replay(ForeignSource(foreign), total, None, profile_name, model_path, out, file)


def _replay(
    source: Source,
    total: int,
    recording: Recording | None,
    profile_name: str | None,
    model_path: Path | None,
    out: Path | None,
    file: Path,
) -> None:
    profile, model = chain(profile_name or DEFAULT_PROFILE, model_path)
    if profile_name is None and recording is not None and recording.profile_toml:
        profile = parse_profile(recording.profile_toml, f"the profile stored in {file}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        listeners: list[Listener] = [_Bar(progress, total)]
        pipeline = Pipeline(source.device, profile, model)
        if out is None:
            summary = run(source, pipeline, listeners)
        else:
            if out.exists():
                raise RecordingError(f"{out} exists already, and is not overwritten. Choose another --out.")
            note = f"replay of {file.name}"
            with new_writer(out, source.device, profile, model, note=note) as writer:
                summary = run(source, pipeline, [Recorder(writer), *listeners])
                if recording is not None:
                    writer.truth(recording.truth())
                    for position in recording.positions():
                        writer.position(position)
                    for reading in recording.parameters():
                        writer.parameter(reading)
    console.print(detection_table(summary.detections))
    if recording is None or not recording.profile_hash:
        console.print("This file holds no detections of ours to compare with.")
        return
    recorded = recording.detection_table()
    if as_rows(summary.detections).tobytes() == recorded.tobytes():
        console.print(f"[bold green]Identical to the bit[/]: {len(recorded)} recorded, {len(recorded)} replayed.")
        return
    reasons = []
    if profile.hash != recording.profile_hash:
        reasons.append("another profile")
    if model.hash != recording.model_hash:
        reasons.append("another model")
    if not recording.closed:
        reasons.append("the recording ended without being closed")
    because = f" ({', '.join(reasons)})" if reasons else f" (recorded by {recording.software})"
    console.print(
        f"[bold yellow]Differs{because}[/]: {len(recorded)} recorded, {len(summary.detections)} replayed."
    )
    raise typer.Exit(1)


def _time(utc_ns: int) -> str:
    return f"{datetime.datetime.fromtimestamp(utc_ns / 1e9, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def show(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    picture: Annotated[bool, typer.Option(help="Draw the B-scan and the metal signal.")] = True,
) -> None:
    """Say what is in a recording: head, streams, gaps, events, detections, labels, truth, and a picture."""
    with open_recording(file) as r:
        lines = [
            f"{r.recording_type} recorded by {r.software}, {_time(r.created_utc_ns)}"
            + ("" if r.closed else "  [bold red]not closed: the session was cut off[/]"),
            f"head {r.device.model}, serial {r.device.serial}, firmware {r.device.firmware}",
        ]
        lines += [f"{k}: {v}" for k, v in (("note", r.note), ("licence", r.licence), ("source", r.source)) if v]
        if r.profile_hash:
            lines.append(f"profile {r.profile_hash[:12]}, model {r.model_hash[:12]}")
        console.print(Panel("\n".join(lines), title=file.name, title_align="left"))
        if settings := {p.name: p for p in r.parameters()}:
            changed = [
                f"{p.name} = {p.value:g} {p.unit}".rstrip()
                for p in settings.values()
                if p.writable and p.value != p.default
            ]
            others = ", ".join(changed) or "all at their defaults"
            console.print(f"{len(settings)} parameters of the head; at the end: {escape(others)}", soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for name in ("stream", "kind", "records", "shape", "type", "rate", "unit", "more"):
            table.add_column(name)
        for s in r.device.streams:
            table.add_row(
                s.name, s.kind, str(r.n_records(s.name)), f"{s.channels} x {s.values}", s.sample_type,
                f"{s.rate_hz:g}/s", s.unit, _more(s),
            )  # fmt: skip
        console.print(table)
        for g in r.gaps():
            name = r.device.stream(g.stream_id).name
            console.print(f"[red]gap[/] {name}: {g.n_records} records from {g.first_seq}, {g.cause}")
        for e in r.events():
            console.print(f"[dim]{_time(e.utc_ns)}[/] {e.severity} {e.kind}: {e.text}")
        for line in position_summary(r.positions()):
            console.print(line)
        if picture:
            for s in r.device.streams:
                _draw(r, s)
        if r.detections():
            places = track_of(r).places(np.array([d.utc_ns for d in r.detections()], np.int64))
            console.print(detection_table(r.detections(), places=places_text(places)))
        newest = latest_labels(r)
        for id_, found in sorted(newest.items()):
            depth = f" at {100 * found.depth_m:.0f} cm" if found.depth_m == found.depth_m else ""
            sure = "dug" if found.ground_truth else "opinion"
            console.print(f"label #{id_}: {found.label}{depth} ({sure}, {found.who}) {found.note}")
        for t in r.truth():
            place = f"{t.x_m:.2f} m" if t.x_m == t.x_m else f"records {t.first_seq}-{t.last_seq}"
            console.print(f"[dim]truth: {t.kind} ({t.label}) at {place}, {t.confidence}[/]")


def _more(s: StreamDescription) -> str:
    if s.sampling_interval_s:
        window = s.values * s.sampling_interval_s * 1e9
        step = f", step {100 * s.step_m:.1f} cm" if s.step_m else ""
        return f"{s.centre_frequency_hz / 1e6:g} MHz, window {window:.1f} ns{step}"
    if s.axis:
        return f"axis {s.axis[0]:.3g} to {s.axis[-1]:.3g}"
    return ""


def _draw(r: Recording, s: StreamDescription) -> None:
    n = r.n_records(s.name)
    if n < 4:
        return
    block = r.block(s.name, 0, min(n, 20000))
    values = block.raw[:, 0, :].astype(np.float64) * s.scale + s.offset
    width = max(40, min(console.width - 2, 120))
    if s.kind.is_metal:
        console.print(Text(f"{s.name}: first value of coil 0, {s.unit}, against time", style="bold"))
        console.print(profile_picture(values[:, 0], width))
    else:
        down = f"{s.values * s.sampling_interval_s * 1e9:.1f} ns down" if s.sampling_interval_s else "I, Q by frequency"
        console.print(Text(f"{s.name}: B-scan, mean removed, {down}", style="bold"))
        console.print(bscan_picture(values, width))


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
    console.print(f"Detection {detection} of {file}: {found}, said by {name}.")
