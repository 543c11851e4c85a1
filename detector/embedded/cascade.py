"""The linear filters of a tuned chain, as one cascade of second-order sections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.errors import ProfileError
from detector.metal.geometry import MetalGeometry
from detector.metal.mains import MainsTracker
from detector.profile import Profile
from detector.radar.filters import Filters
from detector.radar.geometry import RadarGeometry
from detector.samples import StreamDescription, StreamKind

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cascade:
    """A filter that a microcontroller can run, and how it is run."""

    stream: str
    lines: int
    """Values of a record that each have a cascade of their own; A-scans of a record for a radar."""
    rate_hz: float
    """Samples per second along the filter: records for a metal detector, fast time for a radar."""
    sos: F8
    """(S, 6) as scipy.signal has them."""
    samples: int = 0
    """Radar: samples of an A-scan, filtered forward and backward. 0: a stream that goes on, filtered forward."""
    blank: int = 0
    half: int = 0
    """Radar: running mean over +-half samples is taken off first; 0 = no dewow."""
    pad: int = 0
    holds: tuple[str, ...] = ()
    """What is in it, for people."""
    left_out: tuple[str, ...] = ()
    """What the host's chain does besides, for people."""

    @property
    def zero_phase(self) -> bool:
        return self.samples > 0


def cascade_of(stream: StreamDescription, profile: Profile) -> Cascade:
    """The linear front end that the host's chain has for that stream under that profile.

    Radar: blanking, dewow and zero-phase band-pass, the same numbers as :class:`detector.radar.filters.Filters`.
    Metal: the baseline as a first-order high-pass, a notch at each harmonic of the mains that the host would
    remove, and the causal smoothing. The host's own stages adapt (a baseline that holds under a target, hum that is
    tracked); these are their fixed, linear counterparts, so a stronger target leaves a longer tail.

    Raises
    ------
    ProfileError
        for streams or profiles whose front end cannot be run sample by sample.
    """
    if stream.kind is StreamKind.RADAR_SFCW:
        raise ProfileError(
            f"{stream.name!r} is a stepped-frequency radar: its A-scans come out of a transform on the host, so it has "
            "no filter that could run on the head."
        )
    return _metal(stream, profile) if stream.kind.is_metal else _radar(stream, profile)


def _radar(stream: StreamDescription, profile: Profile) -> Cascade:
    settings = profile.radar
    front = [s for s in settings.stages[:2] if s in ("dewow", "bandpass")]
    if not front or front != list(settings.stages[: len(front)]):
        raise ProfileError(
            f"radar.stages of the profile begins with {settings.stages[:1]}: neither dewow nor bandpass stands first, "
            "so there is nothing that a head could filter before the host aligns its A-scans."
        )
    fc = settings.centre_frequency_mhz * 1e6 or stream.centre_frequency_hz
    if fc <= 0.0 or 2.0 * fc * stream.sampling_interval_s > 1.0:
        raise ProfileError(
            f"{stream.name!r} states a centre frequency of {fc / 1e6:g} MHz, which its sampling cannot hold. "
            "Set radar.centre_frequency_mhz in the profile (it is printed on the antenna)."
        )
    geometry = RadarGeometry(
        channels=stream.channels, samples=stream.values, dt_s=stream.sampling_interval_s, centre_frequency_hz=fc,
        step_m=stream.step_m or profile.nominal_speed_m_per_s / stream.rate_hz, lsb=1.0,
    )  # fmt: skip
    host = Filters(
        settings.dewow if "dewow" in front else None, settings.bandpass if "bandpass" in front else None, geometry
    )
    if 2 * host.half_window + 1 > stream.values:
        raise ProfileError(
            f"The dewow window of {2 * host.half_window + 1} samples is longer than an A-scan of {stream.values}. "
            "Shorten radar.dewow.window_periods."
        )
    ns = stream.sampling_interval_s * 1e9
    window = f"dewow: running mean over {(2 * host.half_window + 1) * ns:.3g} ns"
    band = f"band-pass {settings.bandpass.low:g} to {settings.bandpass.high:g} times {fc / 1e6:g} MHz, zero phase"
    rest = [s for s in settings.stages if s not in front]
    return Cascade(
        stream=stream.name, lines=stream.channels, rate_hz=1.0 / stream.sampling_interval_s,
        sos=host.sections.astype(np.float64), samples=stream.values, blank=host.blank, half=host.half_window,
        pad=host.pad if len(host.sections) else 0,
        holds=tuple(text for stage, text in (("dewow", window), ("bandpass", band)) if stage in front),
        left_out=tuple(rest),
    )  # fmt: skip


def _metal(stream: StreamDescription, profile: Profile) -> Cascade:
    settings, fs = profile.metal, stream.rate_hz
    geometry = MetalGeometry(
        kind=stream.kind, channels=stream.channels, values=stream.values, axis=stream.axis, rate_hz=fs,
        step_m=stream.step_m or profile.nominal_speed_m_per_s / fs, lsb=abs(stream.scale), low=-np.inf, high=np.inf,
    )  # fmt: skip
    zeros: list[complex] = []
    poles: list[complex] = []
    gain = 1.0
    holds = []
    if settings.mode == "motion":
        slow = min(0.5, 1.0 / (settings.drift.memory_s * fs))
        zeros.append(1.0)
        poles.append(1.0 - slow)
        gain *= 1.0 - slow
        holds.append(f"baseline high-pass, {1.0 / (2.0 * np.pi * settings.drift.memory_s):.3g} Hz")
    for alias in MainsTracker(settings.mains, geometry).aliases_hz:
        # as wide as the frequency may wander, and as the host's fit answers
        width = 2.0 * settings.mains.follow_hz + 1.0 / (np.pi * settings.mains.memory_s)
        b, a = scipy.signal.iirnotch(alias, alias / width, fs)
        z, p, k = scipy.signal.tf2zpk(b, a)
        zeros += list(z)
        poles += list(p)
        gain *= float(k)
        holds.append(f"mains notch at {alias:.4g} Hz, {width:.3g} Hz wide")
    if settings.search.time_ms > 0.0:
        share = 1.0 / (1.0 + settings.search.time_ms * 1e-3 * fs)
        zeros.append(0.0)
        poles.append(1.0 - share)
        gain *= share
        holds.append(f"smoothing with a mean delay of {settings.search.time_ms:g} ms")
    sos = scipy.signal.zpk2sos(np.array(zeros), np.array(poles), gain) if poles else np.zeros((0, 6))
    return Cascade(
        stream=stream.name, lines=stream.width, rate_hz=fs, sos=np.atleast_2d(sos), holds=tuple(holds),
        left_out=(
            "impulse rejection", "tracking of the mains frequency", "baseline held under a target",
            "ground balance and whitening", "alarm stage",
        ),
    )  # fmt: skip


def reference_output(cascade: Cascade, raw: F8) -> F8:
    """What the cascade gives in double precision, by scipy.signal.

    raw : (n, lines) records of a stream that goes on, whose first row is taken to have stood for ever; or
    (n, samples) A-scans. Returns the same shape.
    """
    sos = cascade.sos
    if not cascade.zero_phase:
        if len(sos) == 0:
            return raw.copy()
        start = scipy.signal.sosfilt_zi(sos)[:, :, None] * raw[:1][None]
        return np.asarray(scipy.signal.sosfilt(sos, raw, axis=0, zi=start)[0])
    x = raw.copy()
    x[:, : cascade.blank] = x[:, cascade.blank : cascade.blank + 1]
    if cascade.half:
        m = x.shape[1]
        total = np.concatenate((np.zeros((len(x), 1)), np.cumsum(x, axis=1)), axis=1)
        first = np.maximum(0, np.arange(m) - cascade.half)
        last = np.minimum(m, np.arange(m) + cascade.half + 1)
        x = x - (total[:, last] - total[:, first]) / (last - first)
    if len(sos) == 0:
        return x
    return np.asarray(scipy.signal.sosfiltfilt(sos, x, axis=1, padtype="odd", padlen=cascade.pad))
