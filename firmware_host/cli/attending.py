"""Everything that stands around a live sweep for its people: checks, state, page, keys, sound. Options and wiring."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rich.text import Text

from detector.lane import Lane
from detector.profile import Profile
from detector.recording.schema import RecordingType
from detector.samples import Event, Severity
from firmware_host.cli.lanes import LaneOptions, plan_of
from firmware_host.cli.opening import console
from firmware_host.console.desk import AttendedSource, Desk
from firmware_host.console.height import HeightGauge
from firmware_host.console.keys import Keyboard, KeyReader
from firmware_host.console.lane_text import gaps_text, map_text
from firmware_host.console.sound import Output, Player, Program, SoundCard
from firmware_host.console.sweeping import Sweeping
from firmware_host.console.terminal import TerminalView
from firmware_host.console.watch import Watch
from firmware_host.errors import ConsoleError
from firmware_host.head import Head
from firmware_host.head_settings import HeadSettings, ask_settings
from firmware_host.practice.marks import Unaided
from firmware_host.recorder import Recorder
from firmware_host.references import References, default_folder
from firmware_host.session import Listener, Source
from firmware_host.startup import Readiness

if TYPE_CHECKING:
    from detector.detections import Detection
    from firmware_host.console.broadcast import Broadcast

PAGE_PORT: Final = 8765


class SoundChoice(StrEnum):
    """Where the host itself sounds."""

    NONE = "none"
    CARD = "card"
    APLAY = "aplay"


@dataclass(frozen=True, slots=True)
class Attendance:
    """How people attend a sweep."""

    skip_checks: str = ""
    operator: str = ""
    page: bool = False
    page_port: int = PAGE_PORT
    bind: str = "127.0.0.1"
    sound: SoundChoice = SoundChoice.NONE
    kind: RecordingType = RecordingType.SURVEY
    lanes: LaneOptions = field(default_factory=LaneOptions)
    lane: Lane | None = None
    """The one of `lanes`, read."""
    satellites: bool = False
    nominal_m_per_s: float = 0.5
    """Speed that the profile is made for."""
    training: bool = False
    """Practice: shown and sounded all the time, and no ground counts."""
    alarms_hidden: bool = False
    """Practice without the help of alarms."""


class _KeyListener(Listener):
    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard

    def detection(self, detection: Detection) -> None:
        self._keyboard.found(detection.id)


class Attended:
    """A source with its people: `source` to run, `listeners` after the recorder. A context manager.

    Raises
    ------
    ConsoleError
        if the page or the sound was asked for and cannot be had.
    """

    def __init__(
        self,
        source: Source,
        heads: Sequence[Head],
        how: Attendance,
        clock: Callable[[], int],
        profile: Profile | None = None,
    ) -> None:
        device = source.device
        desk = Desk()
        knobs = HeadSettings() if how.skip_checks else ask_settings(heads)
        who = how.operator or _user()
        self.source = AttendedSource(source, desk)
        self._desk = desk
        self._counts = how.kind.counts_as_swept
        references = References(default_folder())
        self.readiness = Readiness(
            device,
            references,
            desk.put,
            head_settings=knobs.hash,
            skip_reason=how.skip_checks,
            clock=clock,
            profile=profile,
            knobs=knobs,
        )
        self._watch = Watch(device, self.readiness, training=how.training)
        plan = plan_of(how.lanes, how.lane, device, references, who, how.satellites, how.nominal_m_per_s)
        self.sweeping = Sweeping(
            device, self._watch, plan, self.readiness, desk.put, clock, counts=how.kind.counts_as_swept
        )
        height = HeightGauge(device, self.readiness)
        if not how.kind.counts_as_swept:
            text = f"This is a {how.kind} recording: no ground under it counts as swept."
            desk.put(Event(clock(), Severity.WARNING, "session", text))
        keyboard = Keyboard(desk, who, clock, how.training)
        self._stack = contextlib.ExitStack()
        self._view = TerminalView(
            console, device, self._watch, self.readiness, lambda: keyboard.prompt, self.sweeping, height
        )
        self._keys = KeyReader(keyboard)
        first = [self.readiness, self._watch, height, self.sweeping]
        self.listeners: list[Listener] = [*first, _KeyListener(keyboard), self._view]
        self._server = None
        self._broadcast: Broadcast | None = None
        if how.page:
            try:
                from firmware_host.console.broadcast import Broadcast
                from firmware_host.console.server import ConsoleServer
            except ImportError as e:
                raise ConsoleError(f"The page needs {e.name}. Install 'groundsweep[console]'.") from e
            self._broadcast = Broadcast(
                device, self._watch, self.readiness, self.sweeping, lambda: [h.counters for h in heads], height
            )
            self.listeners.append(self._broadcast)
            self._server = ConsoleServer(self._broadcast, desk, how.bind, how.page_port, clock)
        if how.alarms_hidden:
            self.listeners = [Unaided(listener) for listener in self.listeners]
        self.who = who
        self._player = None
        if how.sound is not SoundChoice.NONE:
            output: Output = SoundCard() if how.sound is SoundChoice.CARD else Program()

            def lost(text: str) -> None:
                desk.put(Event(clock(), Severity.FAULT, "sound", text))

            self._player = Player(self._watch.state, output, lost)

    def __enter__(self) -> Attended:
        for part in (self._server, self._player, self._keys, self._view):
            if part is not None:
                self._stack.enter_context(part)
        if self._server is not None:
            console.print(f"The operator's page is at [bold]{self._server.url}[/]")
            if not self._server.access.open_here:
                codes = self._server.access.codes
                said = ", ".join(f"{role} [bold]{code[:4]}-{code[4:]}[/]" for role, code in codes.items())
                console.print(f"Pairing codes: {said}. Give the first to the operator only.")
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        standing = self.sweeping.standing
        if standing.ground is not None and self._counts:  # else there is nothing to be swept again
            console.print(map_text(standing), gaps_text(standing), sep="")
        if missing := self.readiness.missing():
            text = f"This sweep ended {missing[0]}. Ground that was swept without them does not count."
            console.print(Text(" NOT READY ", style="bold white on red"), text)

    def publish(self, event: Event) -> bool:
        """Have the session tell everyone, at its next turn; False if it cannot. May be called from any thread."""
        return self._desk.put(event)

    def watch_disk(self, recorder: Recorder) -> None:
        """Have terminal and page say how the recorder's disk is."""
        for view in (self._view, self._broadcast):
            if view is not None:
                view.disk = lambda: recorder.disk

    def ended(self) -> None:
        """The sweep is over: the ground is kept as it stands, and whoever still looks is told."""
        self.sweeping.finish()
        self._watch.end()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user, as in a bare container
        return "not named"
