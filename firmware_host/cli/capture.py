"""Commands on the raw bytes of a line: capture, decode."""

from __future__ import annotations

import contextlib
import datetime
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from detector import __version__
from detector.recording.writer import RecordingWriter
from detector.samples import Event, Gap, ParameterReading, SampleBlock
from firmware_host.capture import (
    CaptureReader,
    CaptureSource,
    CaptureWriter,
    Piece,
    PieceKind,
    Tap,
    record_line,
)
from firmware_host.cli.opening import console
from firmware_host.link import SerialLink
from firmware_host.session import Interrupt
from firmware_host.wire.framing import FrameDecoder
from firmware_host.wire.listing import SHOWN_BYTES, FrameListing, Seen, Tally, type_name

_DIRECTIONS = {PieceKind.RECEIVED: "rx", PieceKind.SENT: "tx"}


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(capture)
    app.command()(decode)


def capture(
    port: Annotated[str, typer.Option("--port", help="Port of the head, see 'groundsweep ports'.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Capture to write (.gsraw).")],
    baud: Annotated[int, typer.Option(help="Baud rate; ports over USB ignore it.")] = 921600,
    duration: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1)] = None,
    start: Annotated[bool, typer.Option(help="Ask the head to describe itself and to send; else only listen.")] = True,
) -> None:
    """Keep every byte of a line, both ways, with its time. Ends with the head, after --duration or at Ctrl-C."""
    FrameDecoder().feed(b"\0")  # compiled before the port is open: a port's buffer does not wait for a compiler
    about = {"software": f"groundsweep {__version__}", "port": port, "baud": baud, "start": start}
    with (
        contextlib.closing(SerialLink(port, baud)) as link,
        CaptureWriter(out, about) as writer,
        Interrupt() as interrupted,
    ):
        until = float("inf") if duration is None else time.monotonic() + duration
        c = record_line(Tap(link, writer), start, lambda: interrupted() or time.monotonic() >= until)
    console.print(
        f"{c.bytes} bytes, {c.frames} good frames, {c.damaged} damaged, {c.lost} lost, {c.wrong_version} of another "
        f"version. Captured to [bold]{escape(str(out))}[/]",
        soft_wrap=True,
    )
    if not c.frames:
        console.print(
            f"[yellow]Not one good frame came at {baud} baud.[/] "
            + ("Is the baud rate right?" if c.bytes else "Is the head switched on, and is this its port?")
        )
        raise typer.Exit(1)


def decode(
    file: Annotated[Path, typer.Argument(help="A capture (.gsraw).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a frame, one a line.")] = False,
    errors_only: Annotated[
        bool, typer.Option("--errors-only", help="Only what is damaged, lost, senseless or of an unknown type.")
    ] = False,
    to_recording: Annotated[
        Path | None, typer.Option("--to-recording", metavar="OUT.h5", help="Write its samples as a recording instead.")
    ] = None,
) -> None:
    """Show what is in a capture: frames one by one, then a summary; or make a recording of it."""
    if to_recording is not None:
        _record(file, to_recording)
        return
    reader = CaptureReader(file)
    report = _Report()
    try:
        for line in report.lines(reader, errors_only):
            print(json.dumps(line) if as_json else _text(line, report.began_ns))
    finally:
        sys.stdout.flush()
    if as_json:
        print(json.dumps({"summary": report.summary(), "ending": reader.ending}))
        return
    _print_summary(report, reader)


class _Report:
    """Both directions of a capture, frame by frame, and what they came to."""

    def __init__(self) -> None:
        self.listings = {d: FrameListing() for d in _DIRECTIONS.values()}
        self.tallies = {d: Tally() for d in _DIRECTIONS.values()}
        self.began_ns = self.ended_ns = 0

    @property
    def seconds(self) -> float:
        return (self.ended_ns - self.began_ns) * 1e-9

    def lines(self, pieces: CaptureReader | list[Piece], errors_only: bool) -> Iterator[dict[str, Any]]:
        for piece in pieces:
            self.began_ns = self.began_ns or piece.utc_ns
            self.ended_ns = piece.utc_ns
            if (direction := _DIRECTIONS.get(piece.kind)) is None:
                continue
            for seen in self.listings[direction].feed(piece.data):
                line = self._line(seen, direction, piece.utc_ns)
                if not errors_only or {"damage", "lost", "error", "unknown"} & line.keys():
                    yield line

    def _line(self, seen: Seen, direction: str, utc_ns: int) -> dict[str, Any]:
        line: dict[str, Any] = {"utc_ns": utc_ns, "direction": direction, "size": seen.size}
        if seen.lost:
            line["lost"] = seen.lost
        if seen.frame is None:
            return {**line, "damage": seen.damage, "bytes": seen.start.hex()}
        name = type_name(seen.frame.kind)
        line |= {"type": name, "sequence": seen.frame.sequence, "length": len(seen.frame.payload)}
        if name.startswith("0x"):
            line["unknown"] = True
        fields = self.tallies[direction].add(seen.frame, seen.size)
        return {**line, "error": fields["error"]} if "error" in fields else {**line, "fields": fields}

    def summary(self) -> dict[str, Any]:
        out: dict[str, Any] = {"seconds": self.seconds}
        for direction, tally in self.tallies.items():
            c = self.listings[direction].counters
            out[direction] = {
                "bytes": c.bytes, "frames": c.frames, "bad_crc": c.bad_crc, "bad_cobs": c.bad_cobs,
                "too_short": c.too_short, "oversize": c.oversize, "wrong_version": c.wrong_version, "lost": c.lost,
                "senseless": tally.senseless, "types": dict(tally.counts),
                "streams": {
                    str(i): {"records": s.records, "missing": s.missing, "repeated": s.repeated, "restarts": s.restarts}
                    for i, s in sorted(tally.streams.items())
                },
            }  # fmt: skip
        return out


def _text(line: dict[str, Any], began_ns: int) -> str:
    at = f"{(line['utc_ns'] - began_ns) * 1e-9:12.6f} {line['direction']}"
    lost = f"{at} LOST {line['lost']} frames before this one\n" if "lost" in line else ""
    if "damage" in line:
        data = bytes.fromhex(line["bytes"])
        cut = f", its first {SHOWN_BYTES}" if line["size"] > len(data) else ""
        return f"{lost}{at} DAMAGED ({line['damage']}) {line['size']} bytes{cut}:\n{_hex_dump(data)}"
    text = f"{lost}{at} {line['type']:<9} seq {line['sequence']:5d} len {line['length']:5d}"
    if "error" in line:
        return f"{text}  SENSELESS: {line['error']}"
    return f"{text}  {' '.join(f'{k}={_short(v)}' for k, v in line['fields'].items() if v not in ('', []))}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | list | bool) else str(value)


def _hex_dump(data: bytes) -> str:
    rows = []
    for i in range(0, len(data), 16):
        part = data[i : i + 16]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in part)
        rows.append(f"    {i:04x}  {part.hex(' '):<47}  {text}")
    return "\n".join(rows)


def _print_summary(report: _Report, reader: CaptureReader) -> None:
    port, baud = reader.about.get("port", "an unknown port"), reader.about.get("baud", "?")
    began = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(microseconds=report.began_ns // 1000)
    console.print(
        f"{report.seconds:.3f} s from {began:%Y-%m-%d %H:%M:%S} UTC, {escape(str(port))} at {escape(str(baud))} baud",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for name in ("", "type", "frames", "frames/s", "bytes", "bytes/s"):
        table.add_column(name, justify="left" if name in ("", "type") else "right")
    seconds = max(report.seconds, 1e-9)
    for direction, tally in report.tallies.items():
        for name, n in tally.counts.most_common():
            size = tally.bytes_of[name]
            table.add_row(direction, name, str(n), f"{n / seconds:.1f}", str(size), f"{size / seconds:.0f}")
    console.print(table)
    for direction, listing in report.listings.items():
        c = listing.counters
        if c.bytes:
            console.print(
                f"{direction}: {c.bytes} bytes, {c.frames} good frames; damaged: {c.bad_crc} CRC, {c.bad_cobs} COBS, "
                f"{c.too_short} too short, {c.oversize} too long; {c.wrong_version} of another version, "
                f"{report.tallies[direction].senseless} senseless, {c.lost} lost",
                soft_wrap=True,
            )
        for i, s in sorted(report.tallies[direction].streams.items()):
            console.print(
                f"{direction}: stream {i}: {s.records} records ({s.records / seconds:.1f}/s), {s.missing} missing, "
                f"{s.repeated} repeated, {s.restarts} restarts",
                soft_wrap=True,
            )
    if reader.ending:
        console.print(f"[yellow]The capture did not end in order.[/] {escape(reader.ending)}", soft_wrap=True)


def _record(file: Path, out: Path) -> None:
    source = CaptureSource(file)
    records = missing = 0
    with RecordingWriter(
        out,
        source.device,
        software=f"groundsweep {__version__}",
        created_utc_ns=source.created_utc_ns,
        recording_type="bench",
        note=f"decoded from the capture {file.name}",
    ) as writer:
        for items in source.items():
            for item in items:
                match item:
                    case SampleBlock():
                        writer.write(item)
                        records += len(item)
                    case Gap():
                        writer.gap(item)
                        missing += item.n_records
                    case Event():
                        writer.event(item)
                        console.print(f"[yellow]{item.severity}[/]: {escape(item.text)}", soft_wrap=True)
                    case ParameterReading():
                        writer.parameter(item)
    console.print(f"{records} records received, {missing} missing. Recorded to [bold]{escape(str(out))}[/]")


