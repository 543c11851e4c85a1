"""Commands on recordings: replay, show, label."""

from __future__ import annotations

import contextlib
import datetime
import getpass
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from detector import __version__
from detector.decide.classifier import Model
from detector.detections import Label, LabelClass
from detector.detections import detection_table as as_rows
from detector.errors import RecordingError
from detector.formats.readable import Readable
from detector.formats.registry import read_foreign
from detector.kept_ground import kept_ground
from detector.pipeline import Pipeline
from detector.profile import DEFAULT_PROFILE, Profile, parse_profile
from detector.recording.amending import append_labels
from detector.recording.integrity import verify as verify_recording
from detector.recording.reader import Recording, Span, open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import Event, SampleBlock, StreamDescription
from firmware_host.capture import SUFFIX, CaptureSource
from firmware_host.cli.again import SaidBefore, copy_tables
from firmware_host.cli.compare import reasons, side_by_side
from firmware_host.cli.judged import unlike_known_heads, what_was_judged
from firmware_host.cli.opening import (
    ForeignSource,
    ModelOption,
    chain,
    console,
    is_ours,
    new_writer,
)
from firmware_host.cli.placing import position_summary
from firmware_host.cli.reading import places_of_detections, reading
from firmware_host.console.bscan import bscan_picture, profile_picture
from firmware_host.console.lane_text import gaps_text, map_text, standing_of
from firmware_host.console.terminal import TerminalView, detection_table, places_text
from firmware_host.console.watch import Watch
from firmware_host.pacing import KEYS, Pace, PacedSource, terminal_keys
from firmware_host.recorder import Recorder
from firmware_host.session import Listener, RecordingSource, Source, run


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
        self._progress.console.print(f"[yellow]{event.severity}[/]: {escape(event.text)}")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a replay was asked to do, beside the file."""

    profile_name: str | None
    model_path: Path | None
    out: Path | None
    speed: float = 0.0
    paused: bool = False
    span: Span | None = None
    verify: bool = False
    compare: bool = False

    @property
    def paced(self) -> bool:
        return self.speed > 0 or self.paused or self.span is not None


def replay(
    file: Annotated[Path, typer.Argument(help="A recording, a capture (.gsraw), or a foreign file (DZT, rd3, ...).")],
    profile_name: Annotated[
        str | None, typer.Option("--profile", "-p", help="Default: the profile stored in the recording.")
    ] = None,
    model_path: ModelOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write a recording with these detections.")] = None,
    speed: Annotated[
        float, typer.Option(help="1 = as fast as it was recorded; 0 = as fast as this machine.", min=0.0)
    ] = 0.0,
    paused: Annotated[bool, typer.Option("--paused", help=f"Begin paused. Keys: {KEYS}.")] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="Time from the first record: 10s, 2m. What is before passes at once.")
    ] = None,
    stop: Annotated[str | None, typer.Option("--to", help="Time at which to stop.")] = None,
    around: Annotated[int | None, typer.Option(help="The surroundings of this detection, see 'show'.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Say which detections are not the recorded ones to the bit, and why.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show recorded and replayed detections side by side.")
    ] = False,
) -> None:
    """Run a recording through the pipeline again and compare with the detections that it holds."""
    wish = _Wish(profile_name, model_path, out, speed, paused, None, verify, compare)
    part = start is not None or stop is not None or around is not None
    if part and (verify or compare or out is not None):
        raise RecordingError(
            "A part of a recording cannot be verified, compared or written. Leave out --from, --to and --around."
        )
    if is_ours(file):
        with open_recording(file) as recording:
            if around is not None:
                wish = replace(wish, span=recording.span_of_detection(around))
            elif part:
                to_s = float("inf") if stop is None else _seconds(stop)
                wish = replace(wish, span=recording.span_of_time(_seconds("0s" if start is None else start), to_s))
            total = sum(recording.n_records(s.name) for s in recording.device.streams)
            most = _PACED_RECORDS if wish.paced else 256
            _replay(RecordingSource(recording, most), total, recording, wish, file)
        return
    if part or verify or compare:
        raise RecordingError(f"{file} is no recording of ours: it holds no detections, and is replayed whole.")
    if file.suffix == SUFFIX:
        captured = CaptureSource(file)
        _replay(captured, captured.n_records, None, wish, file)
    else:
        foreign = read_foreign(file)
        total = sum(len(b) for b in foreign.blocks)
        _replay(ForeignSource(foreign), total, None, wish, file)


_PACED_RECORDS = 8
"""Records of a step, and of what comes at once, where a person watches."""


def _seconds(text: str) -> float:
    """'90', '90s', '1.5m' or '1h' in s."""
    scale = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:])
    try:
        value = float(text if scale is None else text[:-1]) * (scale or 1.0)
    except ValueError:
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise RecordingError(f"{text!r} is no time from the first record. Write it as 10s, 2m or 1h.")
    return value


def _replay(source: Source, total: int, recording: Recording | None, wish: _Wish, file: Path) -> None:
    profile, model = chain(wish.profile_name or DEFAULT_PROFILE, wish.model_path)
    if wish.profile_name is None and recording is not None and recording.profile_toml:
        profile = parse_profile(recording.profile_toml, f"the profile stored in {file}")
    pipeline = Pipeline(source.device, profile, model)
    foreign = source.recording if isinstance(source, ForeignSource) else None
    device = source.device
    with contextlib.ExitStack() as stack:
        listeners: list[Listener] = []
        if wish.out is not None:
            if wish.out.exists():
                raise RecordingError(f"{wish.out} exists already, and is not overwritten. Choose another --out.")
            writer = stack.enter_context(_copy_of(recording, source, wish.out, profile, model, file))
            recorder = stack.enter_context(Recorder(writer))
            listeners.append(recorder)
            if recording is not None:
                listeners.append(SaidBefore(recording, recorder, file.name))
        if wish.paced:
            keys = stack.enter_context(terminal_keys())
            source = PacedSource(source, Pace(wish.speed, wish.paused), *_part(wish.span, pipeline, source), keys=keys)
            console.print(f"[dim]{KEYS}[/]")
            watch = Watch(source.device)
            listeners += [watch, stack.enter_context(TerminalView(console, source.device, watch))]
        else:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            listeners.append(_Bar(stack.enter_context(Progress(*columns, console=console, transient=True)), total))
        summary = run(source, pipeline, listeners)
    found = summary.detections
    if wish.span is not None:
        hz = source.device.tick_hz
        low, high = wish.span.start / hz, wish.span.stop / hz
        console.print(detection_table([d for d in found if d.t_end_s >= low and d.t_start_s <= high]))
        return
    console.print(detection_table(found))
    for text in what_was_judged(device, summary.coverage, profile, foreign):
        console.print(text, markup=False, soft_wrap=True)
    for text in unlike_known_heads(device, profile.name):
        console.print(f"[yellow]{escape(text)}[/]", soft_wrap=True)
    if recording is None or not recording.profile_hash:
        console.print("This file holds no detections of ours to compare with.")
        if wish.verify:
            raise typer.Exit(1)
        return
    recorded, replayed = recording.detection_table(), as_rows(found)
    same = replayed.tobytes() == recorded.tobytes()
    if wish.compare or (wish.verify and not same):
        side_by_side(recorded, replayed, "recorded", "replayed")
    if same:
        console.print(f"[bold green]Identical to the bit[/]: {len(recorded)} recorded, {len(recorded)} replayed.")
        return
    why = reasons(recording, profile.to_toml(), profile.hash, model.hash, f"groundsweep {__version__}")
    if wish.verify and (problems := verify_recording(file).problems):
        why.insert(0, f"The recording itself is not as it was written ({problems[0]}): see 'groundsweep verify'.")
    for text in why or ["Profile, model and software are the recorded ones: the machine or its libraries differ."]:
        console.print(f"[yellow]{escape(text)}[/]", soft_wrap=True)
    console.print(f"[bold yellow]Differs[/]: {len(recorded)} recorded, {len(found)} replayed.")
    raise typer.Exit(1)


def _part(span: Span | None, pipeline: Pipeline, source: Source) -> tuple[int | None, int | None, int]:
    """First and last tick that are paced, and how many ticks pass after them.

    What lies at the end of a part is decided by what comes after it, as it was in the session.
    """
    if span is None:
        return None, None, 0
    ahead_s = _SETTLED_S + 2.0 * max(pipeline.latency_s().values(), default=0.0)
    return span.start, span.stop, round(ahead_s * source.device.tick_hz)


_SETTLED_S = 5.0
"""Beside twice the nominal latency: by then an object that began in the part has been passed, s."""


def _copy_of(
    recording: Recording | None, source: Source, out: Path, profile: Profile, model: Model, file: Path
) -> RecordingWriter:
    """A recording of the same samples, with all that a replay does not make anew."""
    if recording is None:
        return new_writer(out, source.device, profile, model, note=f"replay of {file.name}", journal=False)
    writer = new_writer(
        out, source.device, profile, model, kind=recording.kind, note=f"replay of {file.name}",
        several_heads=recording.several_heads, journal=False,
    )  # fmt: skip
    copy_tables(recording, writer)
    return writer


def _time(utc_ns: int) -> str:
    return f"{datetime.datetime.fromtimestamp(utc_ns / 1e9, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def show(
    file: Annotated[Path, typer.Argument(help="A recording, or a file of another program.")],
    picture: Annotated[bool, typer.Option(help="Draw the B-scan and the metal signal.")] = True,
) -> None:
    """Say what is in a recording: head, streams, gaps, events, detections, labels, truth, and a picture."""
    with reading(file) as r:
        console.print(Panel("\n".join(_head_lines(r)), title=escape(file.name), title_align="left"))
        if settings := {p.name: p for p in r.parameters()} if isinstance(r, Recording) else {}:
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
        if isinstance(r, Recording):
            _show_checks(r)
        for e in r.events():
            console.print(f"[dim]{_time(e.utc_ns)}[/] {e.severity} {escape(e.kind)}: {escape(e.text)}")
        for line in position_summary(r.positions()):
            console.print(line)
        for kept in kept_ground(r) if isinstance(r, Recording) and not r.is_training else []:
            standing = standing_of(kept)
            console.print(map_text(standing), gaps_text(standing), sep="")
        if picture:
            for s in r.device.streams:
                _draw(r, s)
        if r.detections():
            console.print(detection_table(r.detections(), places=places_text(places_of_detections(r))))
        if isinstance(r, Recording):
            _show_chain(r)
        newest = {label.detection_id: label for label in r.labels()}
        for id_, found in sorted(newest.items()):
            depth = f" at {100 * found.depth_m:.0f} cm" if found.depth_m == found.depth_m else ""
            sure = "dug" if found.ground_truth else "opinion"
            console.print(f"label #{id_}: {found.label}{depth} ({sure}, {escape(found.who)}) {escape(found.note)}")
        for t in r.truth():
            place = f"{t.x_m:.2f} m" if t.x_m == t.x_m else f"records {t.first_seq}-{t.last_seq}"
            console.print(f"[dim]truth: {escape(t.kind)} ({t.label}) at {place}, {t.confidence}[/]")


def _show_chain(r: Recording) -> None:
    """What the metal answers are like, and what the session did to the chain on its way."""
    for id_, metal in r.metal_descriptions().items():
        console.print(f"metal #{id_}: {escape(metal.text)}", soft_wrap=True)
    for soil in r.soils():
        fits = ", ".join(f"1/t^{p:.2f}" for p in soil.exponent if p == p) or "no 1/t^p"
        stream = r.device.stream(soil.stream_id).name
        console.print(
            f"soil learned {_time(soil.utc_ns)} by {escape(soil.who)} on {stream}: {fits}, "
            f"{100 * min(soil.share):.1f} % of the change, from {soil.n_records} records; used from record "
            f"{soil.from_seq} on",
            soft_wrap=True,
        )
    for name in sorted({r.device.stream(s.stream_id).name for s in r.silences()}):
        console.print(f"[red]silent[/] {name}: given up while the rest went on; that ground was not swept with it")


def _show_checks(r: Recording) -> None:
    """What was covered, checked, and corrected afterwards."""
    for c in r.coverage():
        console.print(
            f"coverage {c.stream}: {c.received} received, {c.missing} missing, {c.untested} not tested, surface "
            f"echo lost in {c.surface_lost}",
            soft_wrap=True,
        )
    for check in r.checks():
        passed = "passed" if check.passed else "[bold red]FAILED[/]"
        console.print(f"{check.kind} {escape(check.name)}: {check.value:g} {escape(check.unit)}, {passed}")
    for said in r.corrections():
        console.print(
            f"correction: {escape(said.what)} is {escape(said.value)} ({escape(said.who)}: {escape(said.why)})"
        )


def _head_lines(r: Readable) -> list[str]:
    """What made it: another program's file says less than a recording."""
    head = escape(f"head {r.device.model}, serial {r.device.serial}, firmware {r.device.firmware or 'not known'}")
    if not isinstance(r, Recording):
        return [head, f"note: {escape(r.note)}"]
    loud = "[bold white on magenta] TRAINING, NOT A SURVEY [/] " if r.is_training else ""
    lines = [
        f"{loud}{r.recording_type} recorded by {r.software}, {_time(r.created_utc_ns)}"
        + (
            ""
            if r.closed
            else "  [bold yellow]still being recorded[/]"
            if r.still_written
            else "  [bold red]not closed: the session was cut off[/]; see 'groundsweep recover'"
        ),
        head,
    ]
    if not r.counts_as_swept:
        lines.append(f"[yellow]a {escape(r.recording_type)} recording: no ground under it counts as swept[/]")
    lines += [f"{k}: {escape(v)}" for k, v in (("note", r.note), ("licence", r.licence), ("source", r.source)) if v]
    if r.profile_hash:
        lines.append(f"profile {r.profile_hash[:12]}, model {r.model_hash[:12]}")
    return lines


def _more(s: StreamDescription) -> str:
    if s.sampling_interval_s:
        window = s.values * s.sampling_interval_s * 1e9
        step = f", step {100 * s.step_m:.1f} cm" if s.step_m else ""
        return f"{s.centre_frequency_hz / 1e6:g} MHz, window {window:.1f} ns{step}"
    if s.axis:
        return f"axis {s.axis[0]:.3g} to {s.axis[-1]:.3g}"
    return ""


def _draw(r: Readable, s: StreamDescription) -> None:
    n = r.n_records(s.name)
    if n < 4:
        return
    block = r.block(s.name, 0, min(n, 20000))
    values = block.raw[:, 0, :].astype(np.float64) * s.scale + s.offset
    sound = np.isfinite(values).all(axis=1)
    if not sound.all():
        console.print(f"[red]{s.name}: {np.count_nonzero(~sound)} records hold values that are not numbers[/]")
        values = values[sound]
    if len(values) < 4:
        return
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
    console.print(f"Detection {detection} of {file}: {found}, said by {name}.", markup=False)
