"""Commands of the satellite receiver: gnss, virtual-gnss."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from rich.text import Text

from detector.samples import Position, Severity
from firmware_host.cli.opening import console
from firmware_host.gnss import DEFAULT_BAUD, GnssReceiver, accuracy_text
from firmware_host.nmea import UERE_M
from firmware_host.session import Interrupt
from firmware_host.virtual.gnss import VirtualGnss, Walk, told

_STYLE = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.FAULT: "bold white on red"}


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(gnss)
    app.command("virtual-gnss")(virtual_gnss)


def gnss(
    port: Annotated[str, typer.Option("--port", help="Serial port of the receiver, see 'groundsweep ports'.")],
    baud: Annotated[
        int, typer.Option(help="Baud rate: 4800, 9600, 38400 or 115200; ports over USB ignore it.")
    ] = DEFAULT_BAUD,
    duration: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1)] = None,
    uere: Annotated[
        float,
        typer.Option(help="Range error, 1 sigma, m, for receivers that do not state accuracy (GST).", min=0.1, max=100),
    ] = UERE_M,
) -> None:
    """Show what a satellite receiver says: place, fix quality, accuracy, satellites, age of the correction."""
    n = sure = 0
    began = time.monotonic()
    with GnssReceiver.open(port, baud, uere) as receiver, Interrupt() as stop:
        for items in receiver.items():
            for item in items:
                if isinstance(item, Position):
                    n, sure = n + 1, sure + item.sure
                    console.print(_line(item), soft_wrap=True)
                else:
                    console.print(
                        Text(f" {item.severity.upper()} ", style=_STYLE[item.severity]), item.text, soft_wrap=True
                    )
            if stop() or (duration is not None and time.monotonic() - began >= duration):
                break
        c = receiver.counters
    console.print(
        f"{n} positions, {sure} with a known accuracy; {c.sentences} good sentences, {c.bad_checksum} with a wrong "
        f"checksum, {c.broken} not whole, {c.senseless} without sense",
        soft_wrap=True,
    )
    if n == 0:
        raise typer.Exit(1)


def _line(p: Position) -> str:
    place = f"{p.latitude_deg:12.7f}, {p.longitude_deg:12.7f}" if p.quality.measured else f"{'no place':>26}"
    satellites = "satellites not told" if p.satellites < 0 else f"{p.satellites:2d} satellites"
    hdop = "" if p.hdop != p.hdop else f", HDOP {p.hdop:.2f}"
    age = "" if p.correction_age_s != p.correction_age_s else f", correction {p.correction_age_s:.1f} s old"
    station = f" from {p.station}" if p.station else ""
    return f"{place}  {p.quality.text:<12} {accuracy_text(p):<18} {satellites}{hdop}{age}{station}"


def virtual_gnss(
    latitude: Annotated[float, typer.Option(help="Where the lane begins, degrees.", min=-80, max=80)] = 45.81,
    longitude: Annotated[float, typer.Option(help="Where the lane begins, degrees.", min=-180, max=180)] = 15.98,
    heading: Annotated[float, typer.Option(help="Of the lane, degrees from north over east.", min=0, max=360)] = 30.0,
    walk_speed: Annotated[float, typer.Option(help="m/s.", min=0, max=20)] = 0.5,
    lane: Annotated[float, typer.Option(help="Length walked up and down, m.", min=0.1, max=10_000)] = 25.0,
    rate: Annotated[float, typer.Option(help="Fixes per second.", min=0.1, max=20)] = 5.0,
    speed: Annotated[float, typer.Option(help="1 = real time; 0 = as fast as the port takes it.", min=0.0)] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the position errors.", min=0)] = 1,
) -> None:
    """Be a satellite receiver: a lane walked up and down, as NMEA behind a pseudo-terminal, whose path is printed."""
    walk = Walk(latitude, longitude, heading_deg=heading, speed_m_per_s=walk_speed, lane_m=lane)
    moments = told(walk, rate_hz=rate, start_utc_ns=time.time_ns(), seed=seed)
    with VirtualGnss(moments, speed) as receiver:
        print(receiver.path, flush=True)
        print("Single, float and fixed positions, and a loss of the fix, by turns. Ctrl-C ends.", file=sys.stderr)
        with Interrupt() as stop:
            while not stop():
                time.sleep(0.1)
