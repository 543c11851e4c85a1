"""The terminal view: what a session says to a person who sits at a terminal.

Three states, as in the field: *searching*, *signal*, *not valid*. None of them says that ground is clear.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from detector.decide.alarm import Alarm
from detector.detections import LEVELS, Detection
from detector.positions import Places, Track
from detector.samples import (
    DeviceDescription,
    Event,
    FixQuality,
    Gap,
    ParameterReading,
    Position,
    SampleBlock,
    Severity,
)
from firmware_host.gnss import SILENCE_S, accuracy_text
from firmware_host.head import HeadStatus
from firmware_host.recorder import Recorder
from firmware_host.session import Listener

SIGNAL_S: Final = 1.5
"""How long the state shows a signal after an alarm, s."""

NOT_VALID_S: Final = 2.0
"""How long the state stays not valid after samples were lost, s; a silent head stays so until it speaks."""

LITTLE_ROOM_H: Final = 1.0
"""Hours of disk left below which the status line says so in red."""

_RECENT_POSITIONS: Final = 2000
"""Kept to place detections as they come: the minute that times them, of a receiver that sends 20 a second."""

_STYLE: Final = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.FAULT: "bold white on red"}
_LEVEL_STYLE: Final = ("cyan", "yellow", "bold yellow", "bold red")
_LEVEL_SHAPE: Final = ("·", "o", "O", "X")
"""Shapes as well as colours: some operators cannot tell red from green."""


def where(x_m: float, t_s: float) -> str:
    """Place of an alarm if the head knows it, else its time."""
    return f"{x_m:7.2f} m" if x_m == x_m else f"{t_s:7.2f} s"


def places_text(places: Places) -> list[str]:
    """'latitude, longitude ± m' of each; '' where the place is not known."""
    rows = zip(places.latitude_deg, places.longitude_deg, places.sigma_m, places.known, strict=True)
    return [f"{lat:.7f}, {lon:.7f} ± {sigma:.2f} m" if known else "" for lat, lon, sigma, known in rows]


def detection_line(d: Detection, place: str = "") -> Text:
    """One detection on one line, units included; place as places_text gives it."""
    line = Text()
    line.append(f" {_LEVEL_SHAPE[d.level]} {LEVELS[d.level]:<8}", style=_LEVEL_STYLE[d.level])
    line.append(f" #{d.id:<4}{where(d.x_m, d.t_peak_s)}  {d.decision:<17}")
    line.append(f" {d.seen_by:<11} {d.score:4.1f} x")
    if d.depth_m == d.depth_m:
        low, high = max(0.0, d.depth_m - d.depth_sigma_m), d.depth_m + d.depth_sigma_m
        line.append(f" {100 * low:.0f}-{100 * high:.0f} cm deep")
    if place:
        line.append(f" at {place}")
    return line


def detection_table(
    detections: list[Detection], title: str = "Detections", places: list[str] | None = None
) -> Table:
    """Every detection as a row; `unknown` stands where the model will not say, and is dug.

    places : of each detection as places_text gives them; no column if none is known
    """
    placed = any(places or [])
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("id", "level", "place", "decision", "seen by", "score", "depth cm", "P(mine)", "novel"):
        left = name in ("level", "decision", "seen by")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    if placed:
        table.add_column("latitude, longitude", no_wrap=True)
    for d, position in zip(detections, places or [""] * len(detections), strict=True):
        known = d.depth_m == d.depth_m
        depth = f"{100 * d.depth_m:.0f} ± {100 * d.depth_sigma_m:.0f}" if known else "-"
        table.add_row(
            str(d.id),
            Text(f"{_LEVEL_SHAPE[d.level]} {LEVELS[d.level]}", style=_LEVEL_STYLE[d.level]),
            where(d.x_m, d.t_peak_s).strip(),
            d.decision,
            d.seen_by,
            f"{d.score:.2f}",
            depth,
            f"{d.probability[0]:.2f}",
            f"{d.novelty:.2f}",
            *([position or "not known"] if placed else []),
        )
    return table


def disk_text(recorder: Recorder) -> Text:
    """What the status line says of the disk: how long it lasts, or that it does not take what comes."""
    if stalled := recorder.stalled_s:
        return Text(f"  DISK STALLED {stalled:.0f} s, NOTHING IS SAFE ", style="bold white on red")
    room = recorder.room
    if room is None:
        return Text()
    return Text(f"  {room.text}", style="bold white on red" if room.hours_left < LITTLE_ROOM_H else "")


class TerminalView(Listener):
    """Alarms and events as they come, and a status line under them. A context manager."""

    def __init__(
        self,
        console: Console,
        device: DeviceDescription,
        total_records: int | None = None,
        disk: Callable[[], Text] | None = None,
    ) -> None:
        self._console = console
        self._device = device
        self._total = total_records
        self._disk = disk
        self._records: dict[int, int] = {s.stream_id: 0 for s in device.streams}
        self._alarms = self._detections = self._missing = 0
        self._began = time.monotonic()
        self._last_alarm = self._last_loss = float("-inf")
        self._faulty = False
        self._positions: deque[Position] = deque(maxlen=_RECENT_POSITIONS)
        self._positioned = 0.0
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._status_line)

    def __enter__(self) -> TerminalView:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.__exit__(None, None, None)

    def block(self, block: SampleBlock) -> None:
        self._records[block.stream.stream_id] += len(block)

    def gap(self, gap: Gap) -> None:
        self._missing += gap.n_records
        self._last_loss = time.monotonic()
        name = self._device.stream(gap.stream_id).name
        seconds = (gap.tick_after - gap.tick_before) / self._device.tick_hz
        self._console.print(
            f"[bold white on red] LOST [/] {gap.n_records} records of {name} ({seconds:.3f} s) {escape(gap.cause)}. "
            "That ground was not swept."
        )

    def event(self, event: Event) -> None:
        if event.severity is Severity.FAULT and event.kind != "gnss":  # ground without a place is swept all the same
            self._faulty = True
            self._last_loss = time.monotonic()
        elif event.kind == "head":
            self._faulty = False
        self._console.print(Text(f" {event.severity.upper()} ", style=_STYLE[event.severity]), event.text)

    def status(self, status: HeadStatus) -> None:
        self._faulty = self._faulty and bool(status.fault_bits)

    def position(self, position: Position) -> None:
        self._positions.append(position)
        self._positioned = time.monotonic()

    def parameter(self, reading: ParameterReading) -> None:
        unit = f" {reading.unit}" if reading.unit else ""
        self._console.print(f"[dim]{escape(reading.name)} is now {reading.value:g}{escape(unit)}[/]")

    def alarm(self, alarm: Alarm) -> None:
        self._alarms += 1
        self._last_alarm = time.monotonic()
        place = where(alarm.x_m, alarm.peak_tick / self._device.tick_hz)
        strength = f"{alarm.sensor:<5} signal {alarm.score:4.1f} x threshold"
        self._console.print(f"[dim]   alarm          {place}  {strength}[/]")

    def detection(self, detection: Detection) -> None:
        self._detections += 1
        place = places_text(Track(self._positions).places(np.array([detection.utc_ns])))[0]
        self._console.print(detection_line(detection, place))

    def _status_line(self) -> Text:
        now = time.monotonic()
        line = Text()
        if self._faulty or now - self._last_loss < NOT_VALID_S:
            line.append(" NOT VALID ", style="bold white on red")
        elif now - self._last_alarm < SIGNAL_S:
            line.append(" SIGNAL ", style="bold black on yellow")
        else:
            line.append(" searching ", style="black on cyan")
        seconds = max(1e-3, now - self._began)
        for s in self._device.streams:
            n = self._records[s.stream_id]
            line.append(f"  {s.name} {n} ({n / seconds:.0f}/s)")
        if self._total:
            line.append(f"  {100 * min(1.0, sum(self._records.values()) / self._total):3.0f} %")
        line.append(f"  lost {self._missing}  alarms {self._alarms}  detections {self._detections}")
        if self._disk is not None:
            line.append_text(self._disk())
        if self._positions:
            line.append_text(self._position_text(now))
        return line

    def _position_text(self, now: float) -> Text:
        p = self._positions[-1]
        if now - self._positioned > SILENCE_S or not p.quality.measured:
            return Text("  NO POSITION ", style="bold white on red")
        style = "green" if p.quality is FixQuality.RTK_FIXED else "yellow"
        return Text(f"  {p.quality.text} {accuracy_text(p)}, {p.satellites} satellites", style=style)
