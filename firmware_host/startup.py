"""The start-up sequence: what must be shown of a head before its silence may mean anything.

Self-check, noise with the head in the air, ground balance, and a function test with the test piece, the last and
the noise against the references of the same head. Everything is measured on the samples of the session itself,
so it is in its recording; every outcome is an event there, and its figures are rows of the table of checks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from detector.profile import Profile
from detector.samples import (
    DeviceDescription,
    Event,
    Gap,
    ParameterReading,
    SampleBlock,
    Severity,
    Soil,
)
from firmware_host.errors import ReferenceFileError
from firmware_host.head_settings import HeadSettings
from firmware_host.references import Reference, References
from firmware_host.session import Listener, Order
from firmware_host.startup_checks import BY_ITSELF, CheckKeeper
from firmware_host.startup_judging import Judge, Outcome, StartupSettings
from firmware_host.startup_measurement import Measurement
from firmware_host.wire.messages import HeadState, HeadStatus

STEPS: Final = ("self-check", "noise", "ground balance", "function test")

INSTRUCTIONS: Final = {
    "self-check": "Hold the head still. It checks itself.",
    "noise": "Hold the head still in the air, 60 cm or more from ground and metal, then begin.",
    "ground balance": "Over ground without signals: begin, then raise and lower the head, 2 to 20 cm, until done.",
    "function test": "Begin, then pass the test piece under the head at its marked distance, slowly, a few times.",
}


@dataclass(slots=True)
class Step:
    """One step, as it stands."""

    name: str
    outcome: Outcome = Outcome.OPEN
    text: str = ""
    """What was found, for a person."""
    progress: float = 0.0
    """0 to 1 while it runs."""

    @property
    def done(self) -> bool:
        return self.outcome in (Outcome.PASSED, Outcome.NOT_NEEDED)


class Readiness(Listener):
    """Runs the steps inside a session and says what is missing. A listener; orders come from the operator.

    Parameters
    ----------
    device : the head
    references : where this head's own measurements are kept
    publish : takes what belongs into the record: events, and the ground that the balance learned
    settings : limits
    head_settings : hash of the head's parameters: a reference taken with others does not count
    knobs : those parameters themselves: one that is changed asks for the steps again
    skip_reason : start-up was left out on purpose, and why; '' = it is demanded
    profile : of the session; the ground balance then learns for its chain, else it only judges the soil
    """

    def __init__(
        self,
        device: DeviceDescription,
        references: References,
        publish: Callable[[Event | Soil], object],
        settings: StartupSettings | None = None,
        head_settings: str = "",
        skip_reason: str = "",
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        knobs: HeadSettings | None = None,
        profile: Profile | None = None,
    ) -> None:
        self.skipped = skip_reason
        """Why the steps were left out; shown for the rest of the session."""
        self.again = ""
        """Why steps that had passed are demanded once more."""
        self.steps = tuple(Step(name) for name in STEPS)
        self._device = device
        self._references = references
        self._publish = publish
        self._settings = settings or StartupSettings()
        self._judge = Judge(device, references, self._settings, head_settings, clock, profile)
        self._clock = clock
        self.checks = CheckKeeper(clock)
        """Where the outcomes go as rows of the recording's table of checks."""
        self._who = BY_ITSELF
        self._now = monotonic
        self._measurement: Measurement | None = None
        self._running: Step | None = None
        self._heard = monotonic()
        self._state: dict[str, HeadState] = {}
        self._battery: dict[str, int] = {}
        self._status_seen = False
        self._fault_bits = 0
        self._knobs = knobs or HeadSettings()
        if skip_reason:
            self._skip(f"The start-up checks are skipped: {skip_reason}. This head was not shown to work.", BY_ITSELF)
        else:
            self._begin(self.steps[0])

    @property
    def ready(self) -> bool:
        """Whether every step has passed, and nothing has happened since that asks for them again."""
        return all(s.done for s in self.steps)

    def missing(self) -> list[str]:
        """Why the session may not call itself ready; empty if it may, or if the steps were skipped."""
        if self.skipped:
            return []
        missing = [s.name for s in self.steps if not s.done]
        why = f" ({self.again})" if self.again else ""
        return [f"not ready: {', '.join(missing)} missing{why}"] if missing else []

    @property
    def current(self) -> Step | None:
        """The step that is to be done next, or runs."""
        return next((s for s in self.steps if not s.done), None)

    def demand(self, why: str) -> None:
        """Ask for every step again."""
        if self.skipped or not any(s.done for s in self.steps):
            return
        self.again = why
        for s in self.steps:
            s.outcome, s.text, s.progress = Outcome.OPEN, "", 0.0
        self._judge.results.clear()
        self._tell(Severity.WARNING, f"Repeat the start-up steps: {why}. Ground swept until then is not valid.")
        self._begin(self.steps[0])

    def order(self, order: Order) -> None:
        match order.name:
            case "begin":
                step = next((s for s in self.steps if s.name == order.text), self.current)
                if step is not None:
                    self._begin(step, order.who)
            case "store":
                self._store(order.who)
            case "skip" if order.text.strip() and not self.skipped:
                self.skipped = f"{order.text.strip()} ({order.who})"
                self._skip(f"The start-up checks are skipped: {self.skipped}.", order.who)

    def block(self, block: SampleBlock) -> None:
        now = self._now()
        if now - self._heard > 60.0 * self._settings.pause_min:
            self.demand(f"{(now - self._heard) / 60.0:.0f} min without samples")
        self._heard = now
        if self._measurement is not None and self._running is not None:
            self._measurement.add(block)
            self._advance(self._running, self._measurement)

    def gap(self, gap: Gap) -> None:
        if self._measurement is not None:
            self._measurement.gaps += 1

    def parameter(self, reading: ParameterReading) -> None:
        if change := self._knobs.change(reading):
            self._judge.head_settings = self._knobs.hash
            self.demand(change)

    def status(self, status: HeadStatus) -> None:
        self._status_seen = True
        self._fault_bits = status.fault_bits
        before = self._state.get(status.head)
        self._state[status.head] = status.state
        if before is HeadState.STREAMING and status.state is HeadState.IDLE:
            self.demand(f"head {status.head} restarted")
        battery = self._battery.get(status.head, 0)
        if battery and status.battery_mv > battery * (1.0 + self._settings.battery_rise):
            self.demand(f"another battery: {battery / 1e3:.2f} V rose to {status.battery_mv / 1e3:.2f} V")
            battery = 0
        # the lowest seen counts: a battery falls while it is used
        if status.battery_mv:
            self._battery[status.head] = min(battery or status.battery_mv, status.battery_mv)

    def _skip(self, text: str, who: str) -> None:
        self._tell(Severity.WARNING, text)
        self.checks.step_ended("start-up", [], False, who, text)

    def _begin(self, step: Step, who: str = BY_ITSELF) -> None:
        for other in self.steps:
            if other.outcome is Outcome.RUNNING:
                other.outcome = Outcome.OPEN
        first = step is self.steps[0]
        seconds = self._settings.check_s if first else self._settings.measure_s
        step.outcome, step.text, step.progress = Outcome.RUNNING, "", 0.0
        self._running, self._measurement = step, Measurement(seconds)
        self._judge.begin()
        self._who = who

    def _advance(self, step: Step, m: Measurement) -> None:
        spans = [m.seconds(s.stream_id, self._device.tick_hz) for s in self._device.streams]
        step.progress = min(1.0, min(spans) / m.wanted_s)
        if min(spans) < m.wanted_s:
            # a stream that does not speak must not leave a person waiting
            slowest = self._device.streams[int(np.argmin(spans))]
            if max(spans) > 3.0 * m.wanted_s:
                self._conclude(step, Outcome.FAILED, f"{slowest.name} sends too few records, or none. Check the head.")
            return
        if m.gaps:
            self._conclude(step, Outcome.FAILED, f"{m.gaps} gaps in the samples. Check the cable; measure again.")
            return
        try:
            outcome, text = self._judged(step, m)
        except ReferenceFileError as e:
            outcome, text = Outcome.FAILED, str(e)
        for soil in self._judge.learned:
            self._publish(soil)
        self._conclude(step, outcome, text)

    def _judged(self, step: Step, m: Measurement) -> tuple[Outcome, str]:
        match step.name:
            case "self-check":
                return self._judge.self_check(m, self._fault_bits, self._status_seen)
            case "noise":
                return self._judge.noise(m)
            case "ground balance":
                return self._judge.ground_balance(m, self._who, noise_wanted=not self.skipped)
            case _:
                return self._judge.function_test(m)

    def _conclude(self, step: Step, outcome: Outcome, text: str) -> None:
        step.outcome, step.text, step.progress = outcome, text, 1.0
        self._running = self._measurement = None
        bad = outcome in (Outcome.FAILED, Outcome.NO_REFERENCE)
        self._tell(Severity.WARNING if bad else Severity.INFO, f"{step.name} {outcome}: {text}")
        self.checks.step_ended(step.name, self._judge.figures, not bad, self._who, text)
        self._judge.begin()
        if step is self.steps[0] and not self._judge.metals and outcome is Outcome.PASSED:
            balance = self.steps[STEPS.index("ground balance")]
            balance.outcome, balance.text = Outcome.NOT_NEEDED, "this head has no metal detector"
        if self.ready:
            self.again = ""
            self._tell(Severity.INFO, "Every start-up step has passed. Ready.")

    def _store(self, who: str) -> None:
        step = next((s for s in self.steps if s.outcome is Outcome.NO_REFERENCE), None)
        if step is None:
            return
        key = "noise" if step.name == "noise" else "function"
        reference = Reference(
            key, who, self._clock(), self._device.firmware, self._judge.head_settings, self._judge.results[key]
        )
        self._who = who
        try:
            self._references.add(self._device.serial, reference)
        except ReferenceFileError as e:
            self._conclude(step, Outcome.FAILED, str(e))
            return
        self._conclude(step, Outcome.PASSED, f"stored as the reference of {self._device.serial} by {who}; not compared")

    def _tell(self, severity: Severity, text: str) -> None:
        self._publish(Event(self._clock(), severity, "start-up", text))
