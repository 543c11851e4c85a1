"""Commands that stream: ports, live, virtual, demo."""

from __future__ import annotations

import contextlib
import datetime
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from detector.decide.classifier import Model
from detector.detections import detection_table as as_rows
from detector.errors import RecordingError
from detector.pipeline import Pipeline
from detector.profile import DEFAULT_PROFILE, Profile, profile_names
from detector.recording.reader import open_recording
from detector.recording.schema import RecordingType
from detector.samples import DeviceDescription, Event, Severity, StreamKind
from firmware_host.cli.attending import PAGE_PORT, Attendance, Attended, SoundChoice
from firmware_host.cli.lanes import LaneOptions, read_lane
from firmware_host.cli.opening import ModelOption, ProfileOption, chain, console, new_writer
from firmware_host.clock import HostClock
from firmware_host.console.terminal import detection_table
from firmware_host.errors import HeadError, LinkError
from firmware_host.gnss import DEFAULT_BAUD
from firmware_host.head import Head
from firmware_host.link import list_ports
from firmware_host.live_source import JoinedSource, LiveSource, PlacedSource
from firmware_host.nmea import UERE_M
from firmware_host.parameters import PULSE_PARAMETER, stated_pulse_us
from firmware_host.recorder import Recorder
from firmware_host.session import Interrupt, RecordingSource, Source, Summary, run, warm_up
from firmware_host.virtual.playback import play_recording
from firmware_host.wire.messages import Parameter

DEMO_RECORDINGS = (
    ("rebar_real.h5", "concrete"),
    ("metal_mine_real.h5", DEFAULT_PROFILE),
    ("lane_dev01.h5", DEFAULT_PROFILE),
)
"""Each with the profile that fits its ground."""


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(ports)
    app.command()(live)
    app.command()(demo)
    app.command()(virtual)
    app.command()(profiles)


def ports(
    probe: Annotated[
        list[str] | None,
        typer.Option("--probe", metavar="PORT", help="Open this port and ask who is there. Repeat for more ports."),
    ] = None,
    baud: Annotated[int, typer.Option(help="Baud rate to probe with; ports over USB ignore it.")] = 921600,
) -> None:
    """List the serial ports of this machine and what is known of each; opens only those named with --probe."""
    if probe:
        answered = [_probe(port, baud) for port in probe]
        if not all(answered):
            raise typer.Exit(1)
        return
    found = list_ports()
    if not found:
        console.print(
            "No serial port found. Plug the head in and look again; 'groundsweep virtual FILE' makes a port "
            "that plays a recording."
        )
        return
    table = Table(box=None, pad_edge=False)
    for name in ("port", "description", "maker", "VID:PID", "serial number", "group", "in use by"):
        table.add_column(name, overflow="fold")
    for p in found:
        users = ", ".join(map(str, p.users))
        texts = (p.device, p.description, p.manufacturer, p.vid_pid, p.serial_number, p.group, users)
        table.add_row(*(escape(text) or "-" for text in texts))
    console.print(table)
    for p in found:
        if p.obstacle:
            console.print(f"[yellow]{escape(p.device)}[/]: you may not open it. {escape(p.obstacle)}")
    console.print("[dim]None was opened. 'groundsweep ports --probe PORT' asks who is there.[/]")


def _probe(port: str, baud: int) -> bool:
    """Ask on a port that the user named who is there, and say it; whether a head answered."""
    try:
        with Head.open(port, baudrate=baud) as head:
            try:
                device = head.describe()
            except HeadError as e:
                c = head.counters
                # at a wrong rate bytes come, and next to none makes a frame
                hint = f" It was asked at {baud} baud: try another with --baud." if c.bytes and not c.frames else ""
                raise HeadError(f"{e}{hint}") from e
    except (LinkError, HeadError) as e:
        console.print(f"[bold red]{escape(port)}[/]: {escape(str(e))}")
        return False
    console.print(
        f"[bold]{escape(port)}[/]: {escape(device.model)}, serial {escape(device.serial)}, firmware "
        f"{escape(device.firmware) or 'not stated'}, parameter table {head.parameter_hash:08x}"
    )
    for s in device.streams:
        console.print(f"  {s.name}: {s.kind}, {s.channels} x {s.values} {s.sample_type}, {s.rate_hz:g}/s")
    return True


def profiles(
    name: Annotated[str | None, typer.Argument(help="Print this profile whole, with units and ranges.")] = None,
) -> None:
    """List the shipped profiles, or print one as TOML to copy and change."""
    if name is None:
        for n in profile_names():
            console.print(n + ("  (default)" if n == DEFAULT_PROFILE else ""))
        return
    profile, _ = chain(name, None)
    print(profile.to_toml(), end="")


def live(
    port: Annotated[
        list[str],
        typer.Option("--port", help="Serial port of the head, see 'groundsweep ports'. Twice for two heads at once."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Recording to write; default: a dated file in this folder.")
    ] = None,
    baud: Annotated[int, typer.Option(help="Baud rate; ports over USB ignore it.")] = 921600,
    duration: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1)] = None,
    give_up: Annotated[
        float | None,
        typer.Option(help="End when a lost head stays away this long, s; default: look for it until Ctrl-C.", min=0.0),
    ] = None,
    gnss: Annotated[
        str | None, typer.Option("--gnss", help="Port of a satellite receiver (NMEA): samples get a place.")
    ] = None,
    gnss_baud: Annotated[int, typer.Option(help="Its baud rate.")] = DEFAULT_BAUD,
    uere: Annotated[
        float, typer.Option(help="Its range error, 1 sigma, m, if it does not state accuracy.", min=0.1, max=100)
    ] = UERE_M,
    kind: Annotated[
        RecordingType, typer.Option(help="What the recording is for. Only under a survey does ground count as swept.")
    ] = RecordingType.SURVEY,
    skip_checks: Annotated[
        str, typer.Option(metavar="REASON", help="Leave out the start-up checks: the reason is recorded and shown.")
    ] = "",
    operator: Annotated[str, typer.Option(help="Who labels by key; default: the user of this machine.")] = "",
    lane: Annotated[
        str, typer.Option(metavar="LxW|FILE", help="Ground to sweep: length x width in m (20x1.2), or a GeoJSON file.")
    ] = "",
    lane_start: Annotated[
        str, typer.Option(metavar="LAT,LON", help="Near left corner of a typed lane, decimal degrees (WGS-84).")
    ] = "",
    lane_heading: Annotated[
        str, typer.Option(metavar="DEG", help="Its direction, clockwise from true north.")
    ] = "",
    footprint: Annotated[
        list[str] | None,
        typer.Option(metavar="[STREAM=]CM", help="Width that a sensor surely sees; kept with this head's references."),
    ] = None,
    overlap: Annotated[bool, typer.Option("--overlap", help="Ask for two valid passes everywhere.")] = False,
    reckon: Annotated[
        float, typer.Option(metavar="M/S", help="Without odometer and satellites: say at which speed.", min=0, max=3)
    ] = 0.0,
    count_reckoned: Annotated[
        bool, typer.Option("--count-reckoned", help="Let ground count on dead reckoning, of unknown accuracy.")
    ] = False,
    page: Annotated[bool, typer.Option("--page", help="Serve the operator's page.")] = False,
    page_port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.", min=0, max=65535)] = PAGE_PORT,
    bind: Annotated[str, typer.Option(help="Address to serve it on; any but this machine's own asks for a code.")] = (
        "127.0.0.1"
    ),
    sound: Annotated[SoundChoice, typer.Option(help="Sound of this computer itself.")] = SoundChoice.NONE,
    profile_name: ProfileOption = DEFAULT_PROFILE,
    model_path: ModelOption = None,
) -> None:
    """Run a head: filter, alarm, classify and record until it ends or Ctrl-C stops it."""
    if kind is RecordingType.TRAINING:
        raise RecordingError(
            "A training recording is one with hidden targets mixed in, and no survey figure takes it. "
            "'groundsweep practice --port PORT' makes one; for a trial on a test lane record --kind trial."
        )
    profile, model = chain(profile_name, model_path)
    if out is None:
        out = Path(f"sweep-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}.h5")
    receiver = None if gnss is None else _Receiver(gnss, gnss_baud, uere)
    wanted = LaneOptions(lane, lane_start, lane_heading, footprint or (), overlap, reckon, count_reckoned)
    how = Attendance(
        skip_checks.strip(), operator, page, page_port, bind, sound, kind, wanted, read_lane(wanted),
        satellites=receiver is not None, nominal_m_per_s=profile.nominal_speed_m_per_s,
    )  # fmt: skip
    summary = _live(port, baud, out, profile, model, how, duration, give_up, receiver)
    console.print(detection_table(summary.detections))
    _report(summary, out)
    if summary.faults:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Receiver:
    port: str
    baud: int
    uere_m: float


def _live(
    ports: Sequence[str],
    baud: int,
    out: Path,
    profile: Profile,
    model: Model,
    how: Attendance,
    duration: float | None = None,
    give_up: float | None = None,
    receiver: _Receiver | None = None,
    note: str = "",
) -> Summary:
    if out.exists():
        raise RecordingError(f"{out} exists already, and a recording is never overwritten. Choose another --out.")
    clock, wake = HostClock(), threading.Event()
    with contextlib.ExitStack() as stack:
        heads = [stack.enter_context(Head.open(p, baud, clock, wake)) for p in ports]
        sources = [LiveSource(head, duration, give_up_s=give_up) for head in heads]
        for device in (s.device for s in sources):
            streams = (f"{s.name} ({s.channels} x {s.values} {s.sample_type}, {s.rate_hz:g}/s)" for s in device.streams)
            who = f"[bold]{device.model}[/] serial {device.serial}, firmware {device.firmware or 'not stated'}"
            console.print(f"{who}: {', '.join(streams)}")
        joined = sources[0] if len(sources) == 1 else JoinedSource(sources, wake, clock)
        device = joined.device
        source: Source = joined
        if receiver is not None:
            source = PlacedSource(joined, receiver.port, receiver.baud, receiver.uere_m, clock, wake)
        tables = [settings_of(head) for head in heads]
        profile = with_stated_pulse(profile, device, tables)
        with console.status("Compiling the filters (first run only) ..."):
            warm_up(device, profile, model)
        pipeline = Pipeline(device, profile, model)
        for name, seconds in pipeline.latency_s().items():
            console.print(f"[dim]{name}: alarms come {seconds:.2f} s after the head has passed, at the nominal rate[/]")
        attended = Attended(source, heads, how, clock, profile)
        with (
            new_writer(out, device, profile, model, kind=how.kind, note=note, several_heads=len(heads) > 1) as writer,
            Recorder(writer, publish=attended.publish, clock=clock) as recorder,
            attended,
            Interrupt() as stop,
        ):
            attended.watch_disk(recorder)
            attended.readiness.checks.record(recorder.check)
            attended.sweeping.record(recorder.rows)
            for head, table in zip(heads, tables, strict=True):
                record_settings(head, table, recorder)
            try:
                return run(attended.source, pipeline, [recorder, *attended.listeners], stop, clock)
            finally:
                attended.ended()


def settings_of(head: Head) -> list[Parameter] | HeadError:
    """The head's parameters, as the sweep begins. A head that does not tell them is swept with all the same."""
    try:
        return head.parameters()
    except HeadError as e:
        return e


def with_stated_pulse(
    profile: Profile, device: DeviceDescription, tables: Sequence[list[Parameter] | HeadError]
) -> Profile:
    """The profile with the pulse length that the head states, for its soil; says where that is not known."""
    told = profile.with_pulse(stated_pulse_us([t for t in tables if not isinstance(t, HeadError)]))
    balance = told.metal.ground_balance
    if told is not profile:
        console.print(f"[dim]The head states a pulse of {balance.pulse_us:g} us: the ground balance knows its soil.[/]")
    elif any(s.kind is StreamKind.METAL_PI for s in device.streams) and not (balance.pulse_us or balance.direction):
        console.print(
            "[yellow]The length of the head's pulse is not known: weak metal in strong soil may be lost.[/] Let the "
            f"head state {PULSE_PARAMETER!r}, set metal.ground_balance.pulse_us, or learn the ground (key g)."
        )
    return told


def record_settings(head: Head, table: list[Parameter] | HeadError, recorder: Recorder) -> None:
    if isinstance(table, HeadError):
        console.print(f"[yellow]The head's settings are not in this recording.[/] {table}")
        text = f"The head's parameters could not be read. {table}"
        recorder.event(Event(head.now_ns(), Severity.WARNING, "head", text))
        return
    for p in table:
        recorder.parameter(p.reading(head.now_ns(), head.device.serial))


def _report(summary: Summary, out: Path) -> None:
    for c in summary.coverage:
        console.print(
            f"{c.stream}: {c.received} records received, {c.missing} missing, {c.untested} not tested, "
            f"{c.unswept} not to be trusted, {c.segments} unbroken piece(s)"
        )
    console.print(f"Recorded to [bold]{out}[/]")


def virtual(
    file: Annotated[Path, typer.Argument(help="Recording to play.")],
    speed: Annotated[float, typer.Option(help="1 = real time; 0 = as fast as the port takes it.", min=0.0)] = 1.0,
) -> None:
    """Be a detector head: play a recording behind a pseudo-terminal, whose path is printed first."""
    with play_recording(file, speed=speed) as head:
        print(head.path, flush=True)
        print("Playing starts when a host opens this port and says so. Ctrl-C ends.", file=sys.stderr, flush=True)
        while True:
            time.sleep(0.2)


@contextlib.contextmanager
def _virtual_process(file: Path, speed: float) -> Iterator[str]:
    """A virtual head in a process of its own; gives its port."""
    command = [sys.executable, "-m", "firmware_host.cli.entry", "virtual", str(file), "--speed", str(speed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise RecordingError(f"The virtual head could not play {file}. Try 'groundsweep show {file}'.")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def demo(
    speed: Annotated[float, typer.Option(help="1 = real time; 0 = as fast as the port takes it.", min=0.0)] = 4.0,
    keep: Annotated[Path | None, typer.Option(help="Keep the recordings in this folder.")] = None,
    files: Annotated[list[Path] | None, typer.Argument(help="Recordings to play instead of the shipped ones.")] = None,
    profile_name: Annotated[
        str, typer.Option("--profile", "-p", help="Profile for the recordings that you name.")
    ] = DEFAULT_PROFILE,
) -> None:
    """The main job without hardware: a virtual head on a pseudo-terminal, live alarms, a recording, its replay.

    Plays real radar over rebar, a real metal-detector map of a mine, and a simulated dual-sensor lane.
    """
    shipped = Path(__file__).parents[2] / "recordings"
    chosen = [(f, profile_name) for f in files or []] or [(shipped / name, fits) for name, fits in DEMO_RECORDINGS]
    alike = True
    with tempfile.TemporaryDirectory(prefix="groundsweep-demo-") as scratch:
        folder = keep or Path(scratch)
        for file, its_profile in chosen:
            profile, model = chain(its_profile, None)
            with open_recording(file) as played:
                console.rule(f"{file.name}: {played.note.split('.')[0] or 'no note'}")
            console.print(f"Profile {its_profile}")
            out = folder / f"demo-{file.stem}.h5"
            if keep and out.exists():
                raise RecordingError(f"{out} exists already. Choose another folder for --keep.")
            with _virtual_process(file, speed) as port:
                console.print(f"Virtual head on [bold]{port}[/]")
                how = Attendance(skip_checks="demo: a virtual head plays a recording")
                summary = _live([port], 921600, out, profile, model, how, note=f"demo of {file.name}")
            console.print(detection_table(summary.detections))
            _report(summary, out)
            with open_recording(out) as recording:
                replayed = run(RecordingSource(recording), Pipeline(recording.device, profile, model), [])
                recorded = recording.detection_table()
            same = as_rows(replayed.detections).tobytes() == recorded.tobytes()
            alike &= same and len(recorded) == len(summary.detections)
            if same:
                console.print(f"[bold green]Replay: {len(recorded)} detections, identical to the bit.[/]")
            else:
                counts = f"{len(recorded)} recorded, {len(replayed.detections)} replayed"
                console.print(f"[bold white on red]Replay differs[/]: {counts}")
    if not alike:
        raise typer.Exit(1)
    console.print("[bold green]Both detection lists are identical in every recording.[/]")
