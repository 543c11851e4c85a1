"""What the samples of a start-up step say of the head: passed, failed, or nothing to compare with, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

import numpy as np

from detector.errors import SampleError
from detector.metal.geometry import MetalGeometry
from detector.metal.learning import conditioned, learn_ground
from detector.profile import Profile
from detector.samples import DeviceDescription, Soil, StreamDescription
from detector.settings import Settings, quantity
from firmware_host.references import Reference, References
from firmware_host.soil_direction import not_soil
from firmware_host.startup_checks import Figure
from firmware_host.startup_measurement import Measurement, largest_response, noise_sigma, soil_residual


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
    """How a step stands."""

    OPEN = "open"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    NO_REFERENCE = "no reference"
    """Measured, but this head has nothing to compare with: look at the figures, then store them."""
    NOT_NEEDED = "not needed"


class Judge:
    """Judges one step after the other; what the noise step found, the steps after it are held against.

    Parameters
    ----------
    device : the head
    references : where this head's own measurements are kept
    settings : limits
    head_settings : hash of the head's parameters: a reference taken with others does not count
    clock : host time, ns since 1970 UTC
    profile : of the session; the ground balance then learns for its chain, else it only judges the soil

    Attributes
    ----------
    figures : of the step that is judged, in the order in which they were measured
    results : by 'noise' and 'function', then by stream name: what may be stored as this head's reference
    learned : soil that the ground balance learned, for the chain
    """

    def __init__(
        self,
        device: DeviceDescription,
        references: References,
        settings: StartupSettings,
        head_settings: str,
        clock: Callable[[], int],
        profile: Profile | None,
    ) -> None:
        self._device, self._references, self._settings = device, references, settings
        self._clock, self._profile = clock, profile
        self.head_settings = head_settings
        self.figures: list[Figure] = []
        self.results: dict[str, dict[str, list[float]]] = {}
        self.learned: list[Soil] = []

    def begin(self) -> None:
        """Another step: nothing of it was measured yet."""
        self.figures, self.learned = [], []

    @property
    def metals(self) -> list[StreamDescription]:
        """The metal detectors of this head."""
        return [s for s in self._device.streams if s.kind.is_metal]

    def self_check(self, m: Measurement, fault_bits: int, status_seen: bool) -> tuple[Outcome, str]:
        """fault_bits : what the head reports; status_seen : whether it reports anything."""
        troubles = []
        if fault_bits:
            troubles.append("the head reports a fault")
        for s in self._device.streams:
            raw = np.concatenate([b.raw for b in m.blocks[s.stream_id]])
            seconds = m.seconds(s.stream_id, self._device.tick_hz)
            rate = (len(raw) - 1) / seconds
            # an odometer triggers as fast as it is moved
            low, high = (
                (np.nan, np.nan) if s.step_m else s.rate_hz * (1.0 + np.array([-1, 1]) * self._settings.rate_tolerance)
            )
            self.figures.append(Figure(f"{s.name} rate", "1/s", rate, float(low), float(high)))
            if not self.figures[-1].passed:
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
        told = "no faults" if status_seen else "it says nothing of faults"
        return Outcome.PASSED, f"{d.model} serial {d.serial}: {names} flowing without gaps, {told}"

    def noise(self, m: Measurement) -> tuple[Outcome, str]:
        measured = {s.name: noise_sigma(m.physical(s)) for s in self._device.streams}
        self.results["noise"] = {name: [float(v) for v in sigma] for name, sigma in measured.items()}
        for s in self._device.streams:
            self.figures.append(Figure(f"{s.name} median 1 sigma", s.unit, float(np.median(measured[s.name]))))
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
            low = 1.0 / self._settings.noise_low
            self.figures.append(Figure(f"{name} least over reference", "1", float(ratio.min()), low))
            self.figures.append(
                Figure(f"{name} most over reference", "1", float(ratio.max()), high=self._settings.noise_high)
            )
            if ratio.max() > self._settings.noise_high:
                at, most = int(ratio.argmax()), self._settings.noise_high
                worst.append(f"{name} value {at} is {ratio.max():.1f} times its reference, allowed {most:g}")
            if ratio.min() < 1.0 / self._settings.noise_low:
                worst.append(f"{name} value {int(ratio.argmin())} is {1 / ratio.min():.1f} times quieter: dead?")
        if worst:
            advice = "Move away from power lines, radios and other detectors; measure again."
            return Outcome.FAILED, f"{'; '.join(worst)}. {advice}"
        return Outcome.PASSED, f"1 sigma: {figures}, as its reference of {_day(reference)}"

    def ground_balance(self, m: Measurement, who: str, noise_wanted: bool) -> tuple[Outcome, str]:
        """noise_wanted : whether it must have been measured before; who : who began the step."""
        noise = self.results.get("noise")
        if noise is None and noise_wanted:
            return Outcome.FAILED, "Measure the noise first: soil is judged against it."
        texts = []
        learned: list[Soil] = []
        for s in self.metals:
            if s.values < 2:
                continue
            x = m.physical(s).reshape(-1, s.channels, s.values)
            # pumping is slow against the records, so that their own steps tell the noise where nobody measured it
            sigma = np.asarray(noise[s.name] if noise else noise_sigma(m.physical(s))).reshape(s.channels, s.values)
            for c in range(s.channels):
                soil, left = soil_residual(x[:, c], sigma[c])
                coil = f"{s.name} coil {c}" if s.channels > 1 else s.name
                self.figures.append(Figure(f"{coil} soil", "sigma", soil))
                self.figures.append(Figure(f"{coil} left after balance", "sigma", left, high=self._settings.residual))
                if why := not_soil(s, x[:, c], sigma[c]):
                    return Outcome.FAILED, f"{coil}: {why}"
                if left > self._settings.residual:
                    return Outcome.FAILED, (
                        f"{coil}: {left:.1f} sigma are left after balance, allowed {self._settings.residual:g}. Is "
                        "there metal? Try another spot; if it stays so, this soil is beyond the ground balance."
                    )
                texts.append(f"{coil} soil {soil:.0f} sigma, {left:.1f} left after balance")
            if self._profile is not None:
                texts.append(self._learn(s, m, self._profile, learned, who))
        self.learned = learned
        return Outcome.PASSED, "; ".join(texts) or "a head with one gate has nothing to balance"

    def _learn(self, s: StreamDescription, m: Measurement, profile: Profile, learned: list[Soil], who: str) -> str:
        """Learn the soil's direction for the session's chain; says what came of it."""
        geometry = MetalGeometry.of(s, profile.nominal_speed_m_per_s)
        blocks = m.blocks[s.stream_id]
        try:
            found = learn_ground(conditioned(m.physical(s), profile.metal, geometry), geometry)
        except SampleError as e:
            return f"{s.name} keeps the balance that it had. {e}"
        per_coil = (tuple(float(v) for v in a) for a in (
            found.snr, found.share, found.residual, found.exponent, found.swing))  # fmt: skip
        learned.append(
            Soil(
                self._clock(), who, s.stream_id, int(blocks[0].seq[0]), int(blocks[-1].seq[-1]),
                found.n_records, -1, tuple(tuple(float(v) for v in d) for d in found.direction), *per_coil,
            )
        )  # fmt: skip
        fits = [f"1/t^{p:.2f}" for p in found.exponent if p == p]
        return (
            f"{s.name} learned its direction from {found.n_records} records{' (' if fits else ''}{', '.join(fits)}"
            f"{')' if fits else ''}, {100 * float(found.share.min()):.1f} % of the change, and uses it from now on"
        )

    def function_test(self, m: Measurement) -> tuple[Outcome, str]:
        noise = self.results.get("noise")
        if noise is None:
            return Outcome.FAILED, "Measure the noise first: the response is judged against it."
        measured = {s.name: largest_response(m.physical(s)) for s in self._device.streams}
        self.results.pop("function", None)
        for name, response in measured.items():
            stands_out = float(np.max(np.abs(response) / np.asarray(noise[name])))
            self.figures.append(Figure(f"{name} over noise", "sigma", stands_out, self._settings.response_noise))
            if not self.figures[-1].passed:
                return Outcome.FAILED, (
                    f"{name} did not see the test piece: {stands_out:.1f} sigma, wanted "
                    f"{self._settings.response_noise:g}. Pass it at its marked distance; if it stays so, do not sweep."
                )
        self.results["function"] = {name: [float(v) for v in r] for name, r in measured.items()}
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
            self.figures.append(Figure(f"{s.name} over reference", "1", ratio, 1.0 - limit, 1.0 + limit))
            if not self.figures[-1].passed:
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
        if found.settings != self.head_settings:
            return None, f"The reference of head {serial} was taken with other settings of the head."
        return found, ""


def _day(reference: Reference) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(reference.utc_ns / 1e9))
