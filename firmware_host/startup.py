"""The start-up sequence: what must be shown of a head before its silence may mean anything.

Self-check, noise with the head in the air, ground balance, and a function test with the test piece, the last and
the noise against the references of the same head. Everything is measured on the samples of the session itself,
so it is in its recording; every outcome is an event there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.samples import DeviceDescription, Event, Gap, ParameterReading, SampleBlock, Severity, StreamDescription
from detector.settings import Settings, quantity
from firmware_host.errors import ReferenceFileError
from firmware_host.head import HeadState, HeadStatus
from firmware_host.head_settings import HeadSettings
from firmware_host.references import Reference, References
from firmware_host.session import Listener, Order
from firmware_host.soil_direction import not_soil

F8 = NDArray[np.float64]

STEPS: Final = ("self-check", "noise", "ground balance", "function test")

INSTRUCTIONS: Final = {
    "self-check": "Hold the head still. It checks itself.",
    "noise": "Hold the head still in the air, 60 cm or more from ground and metal, then begin.",
    "ground balance": "Over ground without signals: begin, then raise and lower the head, 2 to 20 cm, until done.",
    "function test": "Begin, then pass the test piece under the head at its marked distance, slowly, a few times.",
}

_MOST_BYTES: Final = 64 << 20
"""Samples kept for one measurement, at most: what comes later is not used."""


class StartupSettings(Settings):
    """Limits of the start-up sequence."""

    check_s: float = quantity(2.0, "s", 0.5, 60.0, "samples looked at in the self-check; assumed")
    measure_s: float = quantity(4.0, "s", 0.5, 120.0, "length of the other measurements; assumed")
    rate_tolerance: float = quantity(
        0.2, "1", 0.01, 0.9, "records per second by the head's ticks may differ this much from what it says; assumed"
    )
    noise_high: float = quantity(
        2.0, "1", 1.1, 10.0, "noise per value above its reference: twice halves the reach of a signal; assumed"
    )
    noise_low: float = quantity(
        5.0, "1", 1.1, 100.0, "noise below its reference by this factor: dead; MetalMapper's background limit"
    )
    residual: float = quantity(
        3.0, "1", 1.0, 50.0, "soil left after balance, in noise sigma; above it soil alone would alarm; assumed"
    )
    response_metal: float = quantity(
        0.2, "1", 0.01, 0.9, "function test, metal: response within this of its reference (static test of UX practice)"
    )
    response_radar: float = quantity(
        0.3, "1", 0.01, 0.9, "function test, radar: within 3 dB of its reference; assumed"
    )
    response_noise: float = quantity(
        10.0, "1", 3.0, 1000.0, "the test piece must stand out by this many noise sigma, or it was not there; assumed"
    )
    pause_min: float = quantity(10.0, "min", 0.5, 240.0, "after a longer pause the steps are repeated; assumed")
    battery_rise: float = quantity(
        0.04, "1", 0.005, 0.5, "a rise of the supply by this share is another battery: rest brings less; assumed"
    )


class Outcome(StrEnum):
    OPEN = "open"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    NO_REFERENCE = "no reference"
    """Measured, but this head has nothing to compare with: look at the figures, then store them."""
    NOT_NEEDED = "not needed"


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


@dataclass(slots=True)
class _Measurement:
    """Samples of every stream since a step began."""

    wanted_s: float
    blocks: dict[int, list[SampleBlock]] = field(default_factory=dict)
    size: int = 0
    gaps: int = 0

    def add(self, block: SampleBlock) -> None:
        self.size += block.raw.nbytes
        if self.size <= _MOST_BYTES:
            self.blocks.setdefault(block.stream.stream_id, []).append(block)

    def seconds(self, stream_id: int, tick_hz: float) -> float:
        """Time that the samples of a stream span by the head's own ticks."""
        blocks = self.blocks.get(stream_id, [])
        return (int(blocks[-1].tick[-1]) - int(blocks[0].tick[0])) / tick_hz if blocks else 0.0

    def physical(self, stream: StreamDescription) -> F8:
        """(n, channels * values) in the stream's unit."""
        raw = np.concatenate([b.raw for b in self.blocks[stream.stream_id]])
        return raw.reshape(len(raw), -1).astype(np.float64) * stream.scale + stream.offset


def noise_sigma(x: F8) -> F8:
    """1 sigma of white noise per column of (n, width), robust against drift and outliers.

    Median absolute step from record to record over 0.6745 * sqrt(2).
    """
    out: F8 = np.median(np.abs(np.diff(x, axis=0)), axis=0) / (0.674489750196 * np.sqrt(2.0))
    # steps of counts: the median of few levels is coarse, so their mean stands in where it says 0
    rough: F8 = np.sqrt(np.mean(np.diff(x, axis=0) ** 2, axis=0) / 2.0)
    return np.where(out > 0, out, rough)


def largest_response(x: F8) -> F8:
    """(width,) deviation from the median record, at the record that deviates most in sum."""
    deviation = x - np.median(x, axis=0)
    out: F8 = deviation[int(np.argmax(np.sum(np.abs(deviation), axis=1)))]
    return out


def soil_residual(x: F8, sigma: F8) -> tuple[float, float]:
    """What soil does to gates while the head is raised and lowered.

    x : (n, gates); sigma : (gates,) noise in the same unit

    Returns
    -------
    soil : rms along the strongest direction of the whitened gates, in sigma
    left : rms per gate once that direction is taken out, in sigma: 1 is noise alone
    """
    white = (x - np.median(x, axis=0)) / sigma
    strengths = np.linalg.svd(white, compute_uv=False)
    n, gates = white.shape
    left = float(np.sqrt(np.sum(strengths[1:] ** 2) / (n * max(1, gates - 1))))
    return float(strengths[0] / np.sqrt(n)), left


class Readiness(Listener):
    """Runs the steps inside a session and says what is missing. A listener; orders come from the operator.

    Parameters
    ----------
    device : the head
    references : where this head's own measurements are kept
    publish : takes events that belong into the record
    settings : limits
    head_settings : hash of the head's parameters: a reference taken with others does not count
    knobs : those parameters themselves: one that is changed asks for the steps again
    skip_reason : start-up was left out on purpose, and why; '' = it is demanded
    """

    def __init__(
        self,
        device: DeviceDescription,
        references: References,
        publish: Callable[[Event], object],
        settings: StartupSettings | None = None,
        head_settings: str = "",
        skip_reason: str = "",
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        knobs: HeadSettings | None = None,
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
        self._head_settings = head_settings
        self._clock = clock
        self._now = monotonic
        self._measurement: _Measurement | None = None
        self._running: Step | None = None
        self._results: dict[str, dict[str, list[float]]] = {}
        self._heard = monotonic()
        self._state: dict[str, HeadState] = {}
        self._battery: dict[str, int] = {}
        self._status_seen = False
        self._fault_bits = 0
        self._knobs = knobs or HeadSettings()
        if skip_reason:
            self._tell(
                Severity.WARNING, f"The start-up checks are skipped: {skip_reason}. This head was not shown to work."
            )
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
        self._results.clear()
        self._tell(Severity.WARNING, f"Repeat the start-up steps: {why}. Ground swept until then is not valid.")
        self._begin(self.steps[0])

    def order(self, order: Order) -> None:
        match order.name:
            case "begin":
                step = next((s for s in self.steps if s.name == order.text), self.current)
                if step is not None:
                    self._begin(step)
            case "store":
                self._store(order.who)
            case "skip" if order.text.strip() and not self.skipped:
                self.skipped = f"{order.text.strip()} ({order.who})"
                self._tell(Severity.WARNING, f"The start-up checks are skipped: {self.skipped}.")

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
            self._head_settings = self._knobs.hash
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

    def _begin(self, step: Step) -> None:
        for other in self.steps:
            if other.outcome is Outcome.RUNNING:
                other.outcome = Outcome.OPEN
        first = step is self.steps[0]
        seconds = self._settings.check_s if first else self._settings.measure_s
        step.outcome, step.text, step.progress = Outcome.RUNNING, "", 0.0
        self._running, self._measurement = step, _Measurement(seconds)

    def _advance(self, step: Step, m: _Measurement) -> None:
        spans = [m.seconds(s.stream_id, self._device.tick_hz) for s in self._device.streams]
        step.progress = min(1.0, min(spans) / m.wanted_s)
        if min(spans) < m.wanted_s:
            # a stream that does not speak must not leave a person waiting
            slowest = self._device.streams[int(np.argmin(spans))]
            if max(spans) > 3.0 * m.wanted_s:
                self._conclude(step, Outcome.FAILED, f"{slowest.name} sends too few records, or none. Check the head.")
            return
        measure = {
            "self-check": self._self_check,
            "noise": self._noise,
            "ground balance": self._ground_balance,
            "function test": self._function_test,
        }[step.name]
        if m.gaps:
            self._conclude(step, Outcome.FAILED, f"{m.gaps} gaps in the samples. Check the cable; measure again.")
        else:
            try:
                self._conclude(step, *measure(m))
            except ReferenceFileError as e:
                self._conclude(step, Outcome.FAILED, str(e))

    def _conclude(self, step: Step, outcome: Outcome, text: str) -> None:
        step.outcome, step.text, step.progress = outcome, text, 1.0
        self._running = self._measurement = None
        bad = outcome in (Outcome.FAILED, Outcome.NO_REFERENCE)
        self._tell(Severity.WARNING if bad else Severity.INFO, f"{step.name} {outcome}: {text}")
        if step is self.steps[0] and not self._metals and outcome is Outcome.PASSED:
            balance = self.steps[STEPS.index("ground balance")]
            balance.outcome, balance.text = Outcome.NOT_NEEDED, "this head has no metal detector"
        if self.ready:
            self.again = ""
            self._tell(Severity.INFO, "Every start-up step has passed. Ready.")

    @property
    def _metals(self) -> list[StreamDescription]:
        return [s for s in self._device.streams if s.kind.is_metal]

    def _self_check(self, m: _Measurement) -> tuple[Outcome, str]:
        troubles = []
        if self._fault_bits:
            troubles.append("the head reports a fault")
        for s in self._device.streams:
            raw = np.concatenate([b.raw for b in m.blocks[s.stream_id]])
            seconds = m.seconds(s.stream_id, self._device.tick_hz)
            rate = (len(raw) - 1) / seconds
            # an odometer triggers as fast as it is moved
            if not s.step_m and abs(rate / s.rate_hz - 1.0) > self._settings.rate_tolerance:
                troubles.append(f"{s.name} sends {rate:.0f} records/s, not {s.rate_hz:.0f}")
            if len(raw) > 3 and not np.any(np.diff(raw, axis=0)):
                troubles.append(f"{s.name} is frozen: every record is the same")
            if s.dtype.kind in "iu":
                ends = np.iinfo(s.dtype)
                full = float(np.mean(np.any((raw == ends.max) | (raw == ends.min), axis=(1, 2))))
                if full > 0.01 and s.dtype.itemsize == 2:
                    troubles.append(f"{s.name} stands at the end of its range in {100 * full:.0f} % of records")
        if troubles:
            return Outcome.FAILED, f"{'; '.join(troubles)}. Do not sweep with it."
        d = self._device
        names = ", ".join(s.name for s in d.streams)
        told = "no faults" if self._status_seen else "it says nothing of faults"
        return Outcome.PASSED, f"{d.model} serial {d.serial}: {names} flowing without gaps, {told}"

    def _noise(self, m: _Measurement) -> tuple[Outcome, str]:
        measured = {s.name: noise_sigma(m.physical(s)) for s in self._device.streams}
        self._results["noise"] = {name: [float(v) for v in sigma] for name, sigma in measured.items()}
        dead = [name for name, sigma in measured.items() if not np.all(sigma > 0)]
        if dead:
            return Outcome.FAILED, f"{', '.join(dead)}: a value without any noise is dead. Do not sweep with it."
        figures = ", ".join(f"{n} median {np.median(sigma):.3g}" for n, sigma in measured.items())
        reference, why = self._reference("noise")
        if reference is None:
            return Outcome.NO_REFERENCE, f"{why} Measured 1 sigma: {figures}. Store it if the head is known to be well."
        worst: list[str] = []
        for name, sigma in measured.items():
            ratio = sigma / np.asarray(reference.values[name])
            if ratio.max() > self._settings.noise_high:
                at, most = int(ratio.argmax()), self._settings.noise_high
                worst.append(f"{name} value {at} is {ratio.max():.1f} times its reference, allowed {most:g}")
            if ratio.min() < 1.0 / self._settings.noise_low:
                worst.append(f"{name} value {int(ratio.argmin())} is {1 / ratio.min():.1f} times quieter: dead?")
        if worst:
            advice = "Move away from power lines, radios and other detectors; measure again."
            return Outcome.FAILED, f"{'; '.join(worst)}. {advice}"
        return Outcome.PASSED, f"1 sigma: {figures}, as its reference of {_day(reference)}"

    def _ground_balance(self, m: _Measurement) -> tuple[Outcome, str]:
        noise = self._results.get("noise")
        if noise is None:
            return Outcome.FAILED, "Measure the noise first: soil is judged against it."
        texts = []
        for s in self._metals:
            if s.values < 2:
                continue
            x = m.physical(s).reshape(-1, s.channels, s.values)
            sigma = np.asarray(noise[s.name]).reshape(s.channels, s.values)
            for c in range(s.channels):
                soil, left = soil_residual(x[:, c], sigma[c])
                coil = f"{s.name} coil {c}" if s.channels > 1 else s.name
                if why := not_soil(s, x[:, c], sigma[c]):
                    return Outcome.FAILED, f"{coil}: {why}"
                if left > self._settings.residual:
                    return Outcome.FAILED, (
                        f"{coil}: {left:.1f} sigma are left after balance, allowed {self._settings.residual:g}. Is "
                        "there metal? Try another spot; if it stays so, this soil is beyond the ground balance."
                    )
                texts.append(f"{coil} soil {soil:.0f} sigma, {left:.1f} left after balance")
        return Outcome.PASSED, "; ".join(texts) or "a head with one gate has nothing to balance"

    def _function_test(self, m: _Measurement) -> tuple[Outcome, str]:
        noise = self._results.get("noise")
        if noise is None:
            return Outcome.FAILED, "Measure the noise first: the response is judged against it."
        measured = {s.name: largest_response(m.physical(s)) for s in self._device.streams}
        self._results.pop("function", None)
        for name, response in measured.items():
            stands_out = float(np.max(np.abs(response) / np.asarray(noise[name])))
            if stands_out < self._settings.response_noise:
                return Outcome.FAILED, (
                    f"{name} did not see the test piece: {stands_out:.1f} sigma, wanted "
                    f"{self._settings.response_noise:g}. Pass it at its marked distance; if it stays so, do not sweep."
                )
        self._results["function"] = {name: [float(v) for v in r] for name, r in measured.items()}
        reference, why = self._reference("function")
        if reference is None:
            return Outcome.NO_REFERENCE, f"{why} The test piece was seen. Store it if the head is known to be well."
        texts = []
        for s in self._device.streams:
            stored = np.asarray(reference.values[s.name])
            # along the reference's own pattern: another shape of decay is another response
            ratio = float(measured[s.name] @ stored / (stored @ stored))
            limit = self._settings.response_metal if s.kind.is_metal else self._settings.response_radar
            texts.append(f"{s.name} {100 * ratio:.0f} % of its reference")
            if abs(ratio - 1.0) > limit:
                return Outcome.FAILED, (
                    f"{texts[-1]}, allowed {100 * (1 - limit):.0f} to {100 * (1 + limit):.0f} %. Check distance "
                    "and test piece, measure again. If it stays so: all since the last passed test is in doubt."
                )
        return Outcome.PASSED, f"{', '.join(texts)} of {_day(reference)}"

    def _reference(self, step: str) -> tuple[Reference | None, str]:
        """The reference to compare with, or why there is none."""
        serial = self._device.serial
        found = self._references.find(serial, step)
        if found is None:
            return None, f"Head {serial} has no reference yet."
        widths = {s.name: s.width for s in self._device.streams}
        if {name: len(v) for name, v in found.values.items()} != widths:
            return None, f"The reference of head {serial} is of other streams."
        if found.settings != self._head_settings:
            return None, f"The reference of head {serial} was taken with other settings of the head."
        return found, ""

    def _store(self, who: str) -> None:
        step = next((s for s in self.steps if s.outcome is Outcome.NO_REFERENCE), None)
        if step is None:
            return
        key = "noise" if step.name == "noise" else "function"
        reference = Reference(
            key, who, self._clock(), self._device.firmware, self._head_settings, self._results[key]
        )
        try:
            self._references.add(self._device.serial, reference)
        except ReferenceFileError as e:
            self._conclude(step, Outcome.FAILED, str(e))
            return
        self._conclude(step, Outcome.PASSED, f"stored as the reference of {self._device.serial} by {who}; not compared")

    def _tell(self, severity: Severity, text: str) -> None:
        self._publish(Event(self._clock(), severity, "start-up", text))


def _day(reference: Reference) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(reference.utc_ns / 1e9))
