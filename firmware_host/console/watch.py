"""The state of a sweep for those who look and listen: searching, signal, or not valid. None says that ground is clear.

Page, terminal and sound all ask this one object, so that no two of them can disagree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from detector.decide.alarm import Alarm
from detector.decide.search import Signal
from detector.detections import LEVELS, Detection
from detector.pipeline import BlockMarks
from detector.samples import DeviceDescription, Event, Gap, Mark, SampleBlock, Severity
from firmware_host.session import Listener
from firmware_host.startup import Readiness
from firmware_host.wire.messages import HeadStatus

SIGNAL_S: Final = 1.5
"""How long the state shows a signal after an alarm, s: alarms come once a place."""

SOUNDING_S: Final = 0.3
"""How long a signal of the search path sounds, s: they come record by record."""

LOSS_S: Final = 2.0
"""How long the state stays not valid after records were lost, s: time to stop and go back."""

SILENCE_S: Final = 0.4
"""A stream without records for this long is not valid, s: sound must tell within half a second."""

STAGES: Final = (1.0, 2.0, 4.0, 8.0)
"""Strengths, in thresholds, at which the stages of LEVELS begin for a signal that nobody has classified yet."""

_MARK_TEXT: Final = {
    Mark.SATURATED: "sensor saturated",
    Mark.FROZEN: "sensor frozen: it repeats itself",
    Mark.NOISY: "far too noisy",
    Mark.SOIL: "soil beyond the ground balance",
    Mark.SURFACE_LOST: "radar lost the ground surface",
    Mark.LATE: "records come too late to be tested",
}


class Kind(StrEnum):
    SEARCHING = "searching"
    SIGNAL = "signal"
    NOT_VALID = "not valid"


@dataclass(frozen=True, slots=True)
class State:
    """What is true now."""

    kind: Kind
    reasons: tuple[str, ...] = ()
    """Why it is not valid, worst first."""
    fault: bool = False
    """Not valid for another reason than start-up steps that are still to be done."""
    metal: float = 0.0
    """Strength of the metal signal in thresholds; 0 = none."""
    radar: float = 0.0
    depth_m: float = float("nan")
    """Depth that the radar last gave for it, m; NaN = not known."""
    stage: int = 0
    """Index into LEVELS of what sounds."""
    training: bool = False
    """Samples are simulated or mixed with hidden objects: shown and sounded all the time."""


def stage_of(strength: float) -> int:
    """Index into LEVELS of a strength in thresholds."""
    return max(0, sum(strength >= s for s in STAGES) - 1)


class Watch(Listener):
    """Keeps what the state follows from. Put it before the listeners that show it."""

    def __init__(
        self,
        device: DeviceDescription,
        readiness: Readiness | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        training: bool = False,
    ) -> None:
        self.training = training
        self._device = device
        self._readiness = readiness
        self._now = monotonic
        self._heard: dict[int, float] = {}
        self._troubles: dict[str, float] = {}
        """Reason to the moment until which it holds."""
        self._head_faults: dict[str, tuple[str, ...]] = {}
        self._strength = {"metal": (0.0, 0.0), "radar": (0.0, 0.0)}
        """Sensor to strength and the moment until which it sounds."""
        self._depth = (float("nan"), 0.0)
        self._link = ""
        """What is wrong with the link since it was last well."""
        self._ended = False
        self._turned = monotonic()

    def tick(self) -> None:
        self._turned = self._now()

    def block(self, block: SampleBlock) -> None:
        self._heard[block.stream.stream_id] = self._now()

    def gap(self, gap: Gap) -> None:
        name = self._device.stream(gap.stream_id).name
        self._trouble(f"{name}: records lost", LOSS_S)

    def event(self, event: Event) -> None:
        if event.severity is Severity.FAULT and event.kind != "gnss":  # ground without a place is swept all the same
            self._trouble(event.text, LOSS_S)
        if event.kind == "link":
            self._link = event.text if event.severity is Severity.FAULT else ""

    def status(self, status: HeadStatus) -> None:
        self._head_faults = {**self._head_faults, status.head: status.faults}

    def marks(self, marks: BlockMarks) -> None:
        bits = int(np.bitwise_or.reduce(marks.marks, axis=None)) if marks.marks.size else 0
        for mark, text in _MARK_TEXT.items():
            if bits & mark:
                self._trouble(f"{marks.stream}: {text}", SILENCE_S)

    def signal(self, signal: Signal) -> None:
        self._hear(signal.sensor, signal.strength, SOUNDING_S)

    def alarm(self, alarm: Alarm) -> None:
        self._hear(alarm.sensor, alarm.score, SIGNAL_S)
        if alarm.depth_m == alarm.depth_m:
            self._depth = (alarm.depth_m, self._now() + SIGNAL_S)

    def detection(self, detection: Detection) -> None:
        if detection.depth_m == detection.depth_m:
            self._depth = (detection.depth_m, self._now() + SIGNAL_S)

    def end(self) -> None:
        """The session is over: nothing is being swept any more."""
        self._ended = True

    def state(self) -> State:
        """As of now, worst reason first. May be asked from any thread."""
        now = self._now()
        reasons = ["the sweep has ended"] if self._ended else []
        if not self._ended and now - self._turned > SILENCE_S:
            reasons.append(f"this computer has stood still for {now - self._turned:.1f} s")
        silent = []
        for s in self._device.streams:
            heard = self._heard.get(s.stream_id)
            if heard is None:
                silent.append(f"{s.name}: no samples yet")
            elif now - heard > max(SILENCE_S, 5.0 / s.rate_hz):
                silent.append(f"{s.name}: no samples for {now - heard:.1f} s")
        if silent and self._link:  # why stands before what follows from it, as long as it lasts
            reasons.append(self._link)
        reasons += [f"{head or 'head'}: {fault}" for head, faults in self._head_faults.items() for fault in faults]
        reasons += silent
        reasons += [text for text, until in self._troubles.items() if now < until and text not in reasons]
        fault = bool(reasons)
        if self._readiness is not None:
            reasons += self._readiness.missing()
        metal, radar = (strength if now < until else 0.0 for strength, until in self._strength.values())
        depth = self._depth[0] if now < self._depth[1] else float("nan")
        kind = Kind.NOT_VALID if reasons else Kind.SIGNAL if metal or radar else Kind.SEARCHING
        stage = stage_of(max(metal, radar))
        return State(kind, tuple(reasons), fault, metal, radar, depth, stage, self.training)

    def _trouble(self, text: str, seconds: float) -> None:
        now = self._now()
        # a new table each time: other threads read it
        kept = {t: until for t, until in self._troubles.items() if now < until}
        self._troubles = {**kept, text: max(now + seconds, kept.get(text, 0.0))}

    def _hear(self, sensor: str, strength: float, seconds: float) -> None:
        now = self._now()
        louder = strength >= self._strength[sensor][0] or now >= self._strength[sensor][1]
        if louder or seconds == SOUNDING_S:
            self._strength[sensor] = (strength, now + seconds)


assert len(STAGES) == len(LEVELS)
