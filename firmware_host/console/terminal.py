"""The terminal view: what a session says to a person who sits at a terminal.

Three states, as in the field: *searching*, *signal*, *not valid*. None of them says that ground is clear.
"""

from __future__ import annotations

import re
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
from detector.detections import LEVELS, Detection, Label
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
from firmware_host.console.height import HeightGauge
from firmware_host.console.lane_text import gaps_text, map_text
from firmware_host.console.sweeping import Sweeping
from firmware_host.console.watch import Kind, Watch
from firmware_host.gnss import SILENCE_S, accuracy_text
from firmware_host.session import Listener, Order
from firmware_host.startup import INSTRUCTIONS, Readiness

_LOUD: Final = re.compile("RECKONING|PLACE LOST|no sure place|no lane")
"""What of the way in which places are known must not be overlooked; the page has the same."""

_RECENT_POSITIONS: Final = 2000
"""Kept to place detections as they come: the minute that times them, of a receiver that sends 20 a second."""

_STYLE: Final = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.FAULT: "bold white on red"}
_LEVEL_STYLE: Final = ("cyan", "yellow", "bold yellow", "bold red")
_LEVEL_SHAPE: Final = ("·", "o", "O", "X")
_BARS: Final = ("▂", "▂▄", "▂▄▆", "▂▄▆█")
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
    line.append(f" {d.seen_where:<11} {d.score:4.1f} x")
    if d.depth_m == d.depth_m:
        low, high = max(0.0, d.depth_m - d.depth_sigma_m), d.depth_m + d.depth_sigma_m
        line.append(f" {100 * low:.0f}-{100 * high:.0f} cm deep")
    if d.metal is not None and d.metal.hides:
        line.append(f", {d.metal.hides}")
    if place:
        line.append(f" at {place}")
    return line


def detection_table(
    detections: list[Detection], title: str = "Detections", places: list[str] | None = None
) -> Table:
    """Every detection as a row; `unknown` stands where the model will not say, and is dug.

    radar, metal: what each sensor says, the natural log of the likelihood ratio of mine against clutter.

    places : of each detection as places_text gives them; no column if none is known
    """
    placed = any(places or [])
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    figures = ("score", "depth\ncm", "P\nmine", "radar", "metal", "novel")
    columns = ("id", "level", "place", "decision", "seen by", *figures)
    for name in columns:
        left = name in ("level", "decision", "seen by")
        # on a narrow terminal words break; a figure that is cut, or a place without its unit, would be another one
        folds = name in ("decision", "seen by")
        table.add_column(name, justify="left" if left else "right", no_wrap=not folds, overflow="fold")
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
            d.seen_where,
            f"{d.score:.2f}",
            depth,
            f"{d.probability[0]:.2f}",
            *(f"{ratio:+.1f}" if ratio == ratio else "-" for ratio in (d.radar_llr, d.metal_llr)),
            f"{d.novelty:.2f}",
            *([position or "not known"] if placed else []),
        )
    return table


class TerminalView(Listener):
    """Alarms and events as they come, and a status line under them. A context manager."""

    def __init__(
        self,
        console: Console,
        device: DeviceDescription,
        watch: Watch,
        readiness: Readiness | None = None,
        prompt: Callable[[], str] = lambda: "",
        sweeping: Sweeping | None = None,
        height: HeightGauge | None = None,
    ) -> None:
        self._console = console
        self._device = device
        self._watch = watch
        self._readiness = readiness
        self._prompt = prompt
        self._sweeping, self._height = sweeping, height
        self.disk: Callable[[], tuple[str, bool]] | None = None
        """What to say of the disk, and whether it is bad, once there is a recording."""
        self._records: dict[int, int] = {s.stream_id: 0 for s in device.streams}
        self._alarms = self._detections = self._missing = 0
        self._began = time.monotonic()
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
        name = self._device.stream(gap.stream_id).name
        seconds = (gap.tick_after - gap.tick_before) / self._device.tick_hz
        self._console.print(
            f"[bold white on red] LOST [/] {gap.n_records} records of {name} ({seconds:.3f} s) {escape(gap.cause)}. "
            "That ground was not swept."
        )

    def order(self, order: Order) -> None:
        if order.name == "gaps" and self._sweeping is not None:
            self._console.print(map_text(self._sweeping.standing), gaps_text(self._sweeping.standing))

    def event(self, event: Event) -> None:
        self._console.print(Text(f" {event.severity.upper()} ", style=_STYLE[event.severity]), event.text)

    def position(self, position: Position) -> None:
        self._positions.append(position)
        self._positioned = time.monotonic()

    def parameter(self, reading: ParameterReading) -> None:
        unit = f" {reading.unit}" if reading.unit else ""
        self._console.print(f"[dim]{escape(reading.name)} is now {reading.value:g}{escape(unit)}[/]")

    def alarm(self, alarm: Alarm) -> None:
        self._alarms += 1
        place = where(alarm.x_m, alarm.peak_tick / self._device.tick_hz)
        strength = f"{alarm.sensor:<5} signal {alarm.score:4.1f} x threshold"
        self._console.print(f"[dim]   alarm          {place}  {strength}[/]")

    def detection(self, detection: Detection) -> None:
        self._detections += 1
        place = places_text(Track(self._positions).places(np.array([detection.utc_ns])))[0]
        self._console.print(detection_line(detection, place))

    def label(self, label: Label) -> None:
        deep = f" at {100 * label.depth_m:.0f} cm" if label.depth_m == label.depth_m else ""
        text = f"#{label.detection_id}: {label.label}{deep}, {label.who}. {label.note}"
        self._console.print(f"[bold]   label[/] {escape(text)}")

    def _status_line(self) -> Text:
        now = time.monotonic()
        line = Text()
        state = self._watch.state()
        if state.training:
            line.append(" TRAINING, NOT A SURVEY ", style="bold white on magenta")
        match state.kind:
            case Kind.NOT_VALID:
                line.append(f" ✖ NOT VALID: {state.reasons[0]} ", style="bold white on red")
            case Kind.SIGNAL:
                strengths = f"metal {state.metal:.1f} x  radar {state.radar:.1f} x"
                line.append(f" ▲ SIGNAL {_BARS[state.stage]} {strengths} ", style="bold black on yellow")
            case Kind.SEARCHING:
                line.append(" ◯ searching ", style="black on cyan")
        if self._readiness is not None:
            line.append_text(self._startup_text(self._readiness))
        seconds = max(1e-3, now - self._began)
        for s in self._device.streams:
            n = self._records[s.stream_id]
            line.append(f"  {s.name} {n} ({n / seconds:.0f}/s)")
        line.append(f"  lost {self._missing}  alarms {self._alarms}  detections {self._detections}")
        if self.disk is not None:
            text, bad = self.disk()
            line.append(f"  {text}", style="bold white on red" if bad else "")
        if self._positions:
            line.append_text(self._position_text(now))
        if self._sweeping is not None:
            line.append_text(self._lane_text(self._sweeping))
        if prompt := self._prompt():
            line.append(f"\n {prompt}", style="bold")
        return line

    def _startup_text(self, readiness: Readiness) -> Text:
        if readiness.skipped:
            return Text(f" CHECKS SKIPPED: {readiness.skipped} ", style="bold black on yellow")
        step = readiness.current
        if step is None:
            return Text()
        progress = f" {100 * step.progress:.0f} %" if step.outcome == "running" else ""
        found = f" {step.text}" if step.text else ""
        by_outcome = {"no reference": " r stores it as reference, b measures again.", "running": ""}
        keys = by_outcome.get(step.outcome, " b begins.")
        line = f"\n {step.name}: {step.outcome}{progress}.{found} {INSTRUCTIONS[step.name]}{keys}\n"
        return Text(line, style="bold")

    def _lane_text(self, sweeping: Sweeping) -> Text:
        standing = sweeping.standing
        line = Text(f"\n lane: {standing.text}", style="bold" if standing.holes else "")
        line.append(f"; {sweeping.how}", style="bold black on yellow" if _LOUD.search(sweeping.how) else "dim")
        speed = sweeping.speed_m_per_s
        if speed == speed:
            fast = speed > sweeping.fastest_m_per_s
            line.append(f"; {speed:.2f} m/s{': slower' if fast else ''}", style="bold red" if fast else "")
        if self._height is not None and "cm" in self._height.text:
            line.append(f"; head at {self._height.text}", style="bold red" if "lower" in self._height.text else "")
        return line

    def _position_text(self, now: float) -> Text:
        p = self._positions[-1]
        if now - self._positioned > SILENCE_S or not p.quality.measured:
            return Text("  NO POSITION ", style="bold white on red")
        style = "green" if p.quality is FixQuality.RTK_FIXED else "yellow"
        return Text(f"  {p.quality.text} {accuracy_text(p)}, {p.satellites} satellites", style=style)
