"""The command that runs a recording through the pipeline again."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from detector import __version__
from detector.decide.classifier import Model
from detector.detections import detection_table as as_rows
from detector.errors import RecordingError
from detector.formats.registry import read_foreign
from detector.pipeline import Pipeline
from detector.profile import DEFAULT_PROFILE, Profile, parse_profile
from detector.recording.integrity import verify as verify_recording
from detector.recording.reader import Recording, Span, open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import Event, SampleBlock, TrackedSoil
from firmware_host.capture import SUFFIX, CaptureSource
from firmware_host.cli.again import SaidBefore, copy_tables
from firmware_host.cli.alarm_rates import AlarmRates
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
from firmware_host.console.terminal import TerminalView, detection_table
from firmware_host.console.watch import Watch
from firmware_host.pacing import KEYS, Pace, PacedSource, terminal_keys
from firmware_host.parameters import stated_pulse_us
from firmware_host.recorder import Recorder
from firmware_host.session import Listener, RecordingSource, Source, run


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(replay)


class _Bar(Listener):
    """A listener that moves a progress bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("replaying", total=total)

    def block(self, block: SampleBlock) -> None:
        self._progress.advance(self._task, len(block))

    def event(self, event: Event) -> None:
        self._progress.console.print(f"[yellow]{event.severity}[/]: {escape(event.text)}")


class _Turns(Listener):
    """What the streams tracked of the soil."""

    def __init__(self) -> None:
        self.found: list[TrackedSoil] = []

    def tracked(self, soil: TrackedSoil) -> None:
        self.found.append(soil)

    def unlike(self, recording: Recording) -> str:
        """What differs from what was recorded, as a sentence; '' if nothing does, or its version does not tell."""
        if not recording.has("tracked_soil"):
            return ""
        recorded = {(t.stream_id, t.from_seq): t for t in recording.tracked_soils()}
        replayed = {(t.stream_id, t.from_seq): t for t in self.found}
        keys = recorded.keys() | replayed.keys() if recording.closed else recorded.keys()
        # as text, in which what is not a number equals itself
        odd = sorted(k for k in keys if repr(recorded.get(k)) != repr(replayed.get(k)))
        if not odd:
            return ""
        return (
            f"The soil was tracked otherwise: {len(odd)} of {len(keys)} directions differ, the first from record "
            f"{odd[0][1]} of {recording.device.stream(odd[0][0]).name} on."
        )


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
    elif recording is not None:
        # as a session with that profile would have known it of this head
        profile = profile.with_pulse(stated_pulse_us([recording.parameters()]))
    pipeline = Pipeline(source.device, profile, model)
    foreign = source.recording if isinstance(source, ForeignSource) else None
    device = source.device
    with contextlib.ExitStack() as stack:
        turns = _Turns()
        rates = AlarmRates(device)
        listeners: list[Listener] = [turns, rates]
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
    for text in rates.told(profile):
        console.print(text, markup=False, soft_wrap=True)
    for text in unlike_known_heads(device, profile.name, foreign is not None):
        console.print(f"[yellow]{escape(text)}[/]", soft_wrap=True)
    if recording is None or not recording.profile_hash:
        console.print("This file holds no detections of ours to compare with.")
        if wish.verify:
            raise typer.Exit(1)
        return
    recorded, replayed = recording.detection_table(), as_rows(found)
    turned = turns.unlike(recording)
    same = replayed.tobytes() == recorded.tobytes() and not turned
    if wish.compare or (wish.verify and not same):
        side_by_side(recorded, replayed, "recorded", "replayed")
    if same:
        also = f" So is the soil tracked: {len(turns.found)} directions." if turns.found else ""
        console.print(f"[bold green]Identical to the bit[/]: {len(recorded)} recorded, {len(recorded)} replayed.{also}")
        return
    why = reasons(recording, profile.to_toml(), profile.hash, model.hash, f"groundsweep {__version__}")
    if wish.verify and (problems := verify_recording(file).problems):
        why.insert(0, f"The recording itself is not as it was written ({problems[0]}): see 'groundsweep verify'.")
    if turned:
        console.print(f"[yellow]{escape(turned)}[/]", soft_wrap=True)
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
