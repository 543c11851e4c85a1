"""The command that says what is in a recording, or in a file of another program."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from detector.formats.readable import Readable
from detector.kept_ground import kept_ground
from detector.recording.reader import Recording
from detector.recording.schema import RecordingType
from detector.samples import StreamDescription
from firmware_host.cli.opening import console
from firmware_host.cli.placing import position_summary
from firmware_host.cli.reading import places_of_detections, reading
from firmware_host.console.bscan import bscan_picture, profile_picture
from firmware_host.console.lane_text import gaps_text, map_text, standing_of
from firmware_host.console.terminal import detection_table, places_text


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(show)


def _time(utc_ns: int) -> str:
    return f"{datetime.datetime.fromtimestamp(utc_ns / 1e9, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def show(
    file: Annotated[Path, typer.Argument(help="A recording, or a file of another program.")],
    picture: Annotated[bool, typer.Option(help="Draw the B-scan and the metal signal.")] = True,
) -> None:
    """Say what is in a recording: head, streams, gaps, events, detections, labels, truth, and a picture."""
    with reading(file) as r:
        training = r.recording_type == RecordingType.TRAINING
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
            table.add_column(name, overflow="fold")
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
        for kept in kept_ground(r) if isinstance(r, Recording) and not training else []:
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
    tracked = r.tracked_soils()
    for s in r.device.streams:
        turns = [(t.from_seq, max(t.tangent)) for t in tracked if t.stream_id == s.stream_id]
        if turns:
            (first, at_first), (last, at_last) = turns[0], turns[-1]
            console.print(
                f"soil tracked on {s.name}: turned by a tangent of {at_first:.3f} from record {first} on, "
                f"{at_last:.3f} from record {last} on, at most {max(t for _, t in turns):.3f}; "
                f"{len(turns)} directions told",
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
        # a step as a whole has no figure of its own
        figure = f"{check.value:g} {escape(check.unit)}, " if check.value == check.value else ""
        console.print(f"{check.kind} {escape(check.name)}: {figure}{passed}")
    for said in r.corrections():
        console.print(
            f"correction: {escape(said.what)} is {escape(said.value)} ({escape(said.who)}: {escape(said.why)})"
        )


def _head_lines(r: Readable) -> list[str]:
    """What made it: another program's file says less than a recording."""
    head = escape(f"head {r.device.model}, serial {r.device.serial}, firmware {r.device.firmware or 'not known'}")
    if not isinstance(r, Recording):
        return [head, f"note: {escape(r.note)}"]
    loud = "[bold white on magenta] TRAINING, NOT A SURVEY [/] " if r.recording_type == RecordingType.TRAINING else ""
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
