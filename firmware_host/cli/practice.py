"""The command for training people: practice. What it records is never a survey."""

from __future__ import annotations

import contextlib
import datetime
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from detector.decide.classifier import Model
from detector.detections import TrueObject
from detector.errors import RecordingError
from detector.pipeline import Pipeline
from detector.profile import DEFAULT_PROFILE, Profile
from detector.recording.schema import RecordingType
from detector.samples import DeviceDescription
from detector.score.matching import is_target
from detector.score.practice import PracticeScore, score_practice
from detector.simulate.hidden import METAL_SIGMAS, RADAR_SIGMAS, hidden_objects
from detector.simulate.scene import Scene, dual_scene
from firmware_host.cli.attending import PAGE_PORT, Attendance, Attended, SoundChoice
from firmware_host.cli.live import record_settings, settings_of, with_stated_pulse
from firmware_host.cli.opening import ModelOption, ProfileOption, chain, console, new_writer
from firmware_host.clock import HostClock
from firmware_host.errors import HistoryError
from firmware_host.head import Head
from firmware_host.live_source import LiveSource
from firmware_host.practice.history import History, Session
from firmware_host.practice.marks import Marks
from firmware_host.practice.mixing import MixedSource, refuse_head
from firmware_host.practice.report import history_text, score_text
from firmware_host.practice.scene_source import SceneSource
from firmware_host.practice.way import Way
from firmware_host.recorder import Recorder
from firmware_host.references import References, default_folder
from firmware_host.session import Interrupt, Listener, Source, run, warm_up

NOTE: Final = "TRAINING, NOT A SURVEY. "
"""How the note of every such recording begins."""


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(practice)


def practice(
    learner: Annotated[str, typer.Option(help="Who practises; the history is kept under this name.")] = "",
    port: Annotated[
        str | None, typer.Option("--port", help="Port of a head: objects are mixed into it. Else all is simulated.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Recording to write; default: a dated file.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of what is hidden where; default: drawn.", min=0)] = None,
    length: Annotated[float, typer.Option(help="Length of the practice lane, m.", min=2.0, max=100.0)] = 12.0,
    per_m: Annotated[float, typer.Option(help="Objects per metre.", min=0.1, max=1.5)] = 0.6,
    unaided: Annotated[bool, typer.Option("--unaided", help="Hide the alarms: signal and sound alone.")] = False,
    reckon: Annotated[
        float, typer.Option(metavar="M/S", help="A head without odometer: the speed it will go at.", min=0, max=3)
    ] = 0.0,
    speed: Annotated[float, typer.Option(help="Simulated: 1 = in real time.", min=0.1, max=100.0)] = 1.0,
    history: Annotated[str, typer.Option(metavar="NAME", help="Print what this learner did so far, and end.")] = "",
    skip_checks: Annotated[
        str, typer.Option(metavar="REASON", help="Leave out the start-up checks of the head; shown and recorded.")
    ] = "",
    baud: Annotated[int, typer.Option(help="Baud rate; ports over USB ignore it.")] = 921600,
    duration: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1)] = None,
    page: Annotated[bool, typer.Option("--page", help="Serve the operator's page.")] = False,
    page_port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.", min=0, max=65535)] = PAGE_PORT,
    bind: Annotated[str, typer.Option(help="Address to serve it on; any but this machine's own asks for a code.")] = (
        "127.0.0.1"
    ),
    sound: Annotated[SoundChoice, typer.Option(help="Sound of this computer itself.")] = SoundChoice.NONE,
    profile_name: ProfileOption = DEFAULT_PROFILE,
    model_path: ModelOption = None,
) -> None:
    """Practise on hidden targets, simulated or mixed into a head's own samples; the score comes at the end.

    Press A to begin the lane, M to mark a find. Never on ground that may hold anything real: nothing here warns.
    """
    kept = History()
    if history:
        sessions = kept.sessions(history)
        if not sessions:
            raise HistoryError(f"There is no session of {history} yet.")
        console.print(history_text(sessions))
        return
    if not learner.strip():
        raise HistoryError("Say who practises, as --learner 'A. Deminer'.")
    profile, model = chain(profile_name, model_path)
    number = secrets.randbelow(2**31) if seed is None else seed
    out = out or Path(f"training-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}.h5")
    if out.exists():
        raise RecordingError(f"{out} exists already, and a recording is never overwritten. Choose another --out.")
    how = Attendance(
        skip_checks=skip_checks.strip() if port else "training on simulated samples",
        operator=learner.strip(), page=page, page_port=page_port, bind=bind, sound=sound,
        nominal_m_per_s=profile.nominal_speed_m_per_s, training=True, alarms_hidden=unaided,
        kind=RecordingType.TRAINING,
    )  # fmt: skip
    clock = HostClock()
    with contextlib.ExitStack() as stack:
        if port is None:
            with console.status("Simulating the lane ..."):
                scene = dual_scene(number, length, per_m)
                while seed is None and not any(is_target(o) for o in scene.truth):
                    number += 1  # a lane without a mine teaches no finding; one that was asked for stays as it is
                    scene = dual_scene(number, length, per_m)
                lane = _simulated(scene, speed, clock)
        else:
            lane = _mixed(stack.enter_context(Head.open(port, baud, clock, threading.Event())), number, length, per_m,
                          reckon, duration)  # fmt: skip
        score, truth = _practise(lane, out, profile, model, how, clock, number)
    if score.swept_m <= 0:
        console.print(f"The lane was not swept, so there is no score. Recorded to {out}, type training.")
        return
    console.print(score_text(score, truth))
    kept.add(
        Session(
            time.time_ns(), learner.strip(), f"{lane.device.model} {lane.device.serial}", not unaided, number,
            str(out), score.to_json(),
        )
    )  # fmt: skip
    console.print(f"Recorded to [bold]{out}[/], type training. 'groundsweep practice --history' shows all sessions.")


@dataclass(frozen=True, slots=True)
class _Lane:
    """What is practised on."""

    source: Source
    way: Way
    heads: tuple[Head, ...]
    note: str
    truth: list[TrueObject]
    """In places along the lane."""
    mix: Callable[[Source, Recorder, Recorder, Attended], Source] | None
    """Puts the hidden objects between the attended source and the session; None where the scene has them already."""

    @property
    def device(self) -> DeviceDescription:
        return self.source.device


def _simulated(scene: Scene, speed: float, clock: Callable[[], int]) -> _Lane:
    way = Way(scene.device.tick_hz)
    note = f"{NOTE}All samples are simulated. {scene.note}"
    return _Lane(SceneSource(scene, way, speed, clock), way, (), note, list(scene.truth), None)


def _mixed(head: Head, seed: int, length_m: float, per_m: float, reckon: float, duration: float | None) -> _Lane:
    source = LiveSource(head, duration)
    device = source.device
    refuse_head(device)
    way = Way(device.tick_hz, reckon)
    objects = hidden_objects(seed, length_m, per_m)
    stored = References(default_folder()).find(device.serial, "function")
    values = {} if stored is None else stored.values
    scale = (
        f"scaled to the test piece of {stored.who}" if stored is not None
        else f"scaled to {METAL_SIGMAS:g} times the metal detector's noise and {RADAR_SIGMAS:g} times the radar's"
    )  # fmt: skip

    def mix(attended_source: Source, recorder: Recorder, unmixed: Recorder, attended: Attended) -> Source:
        def hindrance() -> str:
            missing = attended.readiness.missing()
            return f"The lane was not begun. {missing[0]}." if missing else ""

        return MixedSource(
            attended_source, way, objects, values, unmixed.block, recorder.truth, head.now_ns, hindrance, seed
        )

    note = (
        f"{NOTE}{len(objects)} hidden objects, seed {seed}, are mixed into the samples of a real head, {scale}; they "
        "stand in the truth table with confidence 'hidden' and never lay in the ground. What the head sent itself is "
        "in the recording beside this one whose name ends in -unmixed."
    )
    truth = [replace(o.truth(), confidence="hidden") for o in objects]
    return _Lane(source, way, (head,), note, truth, mix)


def _practise(
    lane: _Lane, out: Path, profile: Profile, model: Model, how: Attendance, clock: Callable[[], int], seed: int
) -> tuple[PracticeScore, Sequence[TrueObject]]:
    tables = [settings_of(head) for head in lane.heads]
    if tables:
        profile = with_stated_pulse(profile, lane.device, tables)
    with console.status("Compiling the filters (first run only) ..."):
        warm_up(lane.device, profile, model)
    attended = Attended(lane.source, lane.heads, how, clock)
    marks = Marks(lane.device, lane.way, attended.publish, clock)
    console.print("[bold white on magenta] TRAINING, NOT A SURVEY [/] a begins the lane, m marks a find.")
    with contextlib.ExitStack() as stack:

        def recorder(path: Path, note: str) -> Recorder:
            writer = new_writer(path, lane.device, profile, model, kind="training", note=note)
            return stack.enter_context(Recorder(stack.enter_context(writer)))

        record = recorder(out, lane.note)
        for head, table in zip(lane.heads, tables, strict=True):
            record_settings(head, table, record)
        attended.watch_disk(record)
        source: Source = attended.source
        if lane.mix is None:
            record.truth(lane.truth)
        else:
            beside = out.with_name(f"{out.stem}-unmixed{out.suffix}")
            unmixed = recorder(beside, f"{NOTE}Samples of the head as it sent them while {out.name} was made.")
            source = lane.mix(attended.source, record, unmixed, attended)
        stop = stack.enter_context(Interrupt())
        stack.enter_context(attended)
        listeners: list[Listener] = [record, marks, *attended.listeners]
        try:
            run(source, Pipeline(lane.device, profile, model), listeners, stop, clock)
        finally:
            attended.ended()
    return score_practice(lane.truth, marks.found, marks.span_m, marks.seconds), lane.truth
