"""What a replay did not judge, and whether the head is one of those that the shipped numbers were made on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from detector.formats.foreign import ForeignRecording
from detector.formats.gprmax_lane import SIMULATED
from detector.pipeline import Coverage
from detector.profile import Profile
from detector.samples import NO_ODOMETER, DeviceDescription, StreamDescription, StreamKind

BAND_HZ: Final = (0.4e9, 3.0e9)
"""Centre frequencies of the heads that thresholds and classifier know, docs/performance.md."""
STEPS_M: Final = (0.005, 0.05)
"""Their distances between A-scans."""


NO_STEP_M: Final = 0.5
"""No radar that looks for anything is read so seldom: more likely the unit is another one."""
LEAST_HZ: Final = 5e6
"""Ground-penetrating radars begin at 10 MHz."""
LOST: Final = 0.1
"""Share of the records without a surface from which on the file, and not the ground, is asked about."""

SLAB: Final = (0.8e9, 0.012, 15e-9)
"""Antennas that are rolled over concrete: from this centre frequency on, with at most this step (m), where there is
one, and this time window (s)."""


def unlike_known_heads(device: DeviceDescription, profile_name: str, foreign: bool = False) -> list[str]:
    """Sentences on radars that the shipped thresholds and classifier do not know, with the profile to take.

    foreign : whether a file of another program described them; its radar may be no mine detector's
    """
    out = []
    for s in device.streams:
        if s.kind.is_metal:
            continue
        if s.centre_frequency_hz and not BAND_HZ[0] <= s.centre_frequency_hz <= BAND_HZ[1]:
            out.append(
                f"{s.name}: {s.centre_frequency_hz / 1e6:.0f} MHz. The shipped thresholds and classifier were made on "
                f"{BAND_HZ[0] / 1e9:g} to {BAND_HZ[1] / 1e9:g} GHz: rates and classes of this radar are not known."
                + " No ground-penetrating radar is so slow: is the interval between samples in another unit?"
                * (s.centre_frequency_hz < LEAST_HZ)
            )
        if s.step_m and not 0.9 * STEPS_M[0] <= s.step_m <= 1.1 * STEPS_M[1]:
            out.append(
                f"{s.name}: a record every {_length(s.step_m)}. The shipped numbers were made on "
                f"{100 * STEPS_M[0]:g} to {100 * STEPS_M[1]:g} cm: small objects may lie between the records."
                + " Is the step in another unit than the file says?" * (s.step_m > NO_STEP_M)
            )
        if profile_name != "handheld-dual":
            continue
        if foreign and _rolls_over_slabs(device, s):
            steps = f", a record every {1000 * s.step_m:.2g} mm" if s.step_m else ""
            window_ns = s.values * s.sampling_interval_s * 1e9
            out.append(
                f"{s.name}: {s.centre_frequency_hz / 1e9:.2g} GHz{steps}, {window_ns:.2g} ns: over a slab of concrete? "
                f"Profile {profile_name} looks for mines; bars and pipes in a slab are --profile concrete's."
            )
        elif 0 < s.centre_frequency_hz <= 0.9e9:
            out.append(
                f"{s.name}: profile {profile_name} looks for mines. Where pipes and cables are sought, take "
                "--profile utility-gpr."
            )
    return out


def _rolls_over_slabs(device: DeviceDescription, s: StreamDescription) -> bool:
    """Simulators draw mine lanes with such antennas too; only instruments' files speak of slabs."""
    least_hz, most_m, most_s = SLAB
    return (
        s.kind is StreamKind.RADAR
        and not (device.model.startswith("gprMax") or device.firmware == SIMULATED)
        and s.centre_frequency_hz >= least_hz
        and s.step_m <= most_m
        and s.values * s.sampling_interval_s <= most_s
    )


def what_was_judged(
    device: DeviceDescription, coverage: Sequence[Coverage], profile: Profile, foreign: ForeignRecording | None
) -> list[str]:
    """A line a stream on its records, and sentences on what no sensor could tell.

    foreign : the file, where it is another program's: what its reader assumed is told too.
    """
    out = [] if foreign is None else [foreign.note]
    for c in coverage:
        s = next(s for s in device.streams if s.name == c.stream)
        not_judged = f"{c.missing} missing, {c.untested} not tested, {c.unswept} not to be trusted"
        out.append(f"{c.stream}: {c.received} records came, {not_judged}.")
        if c.unjudged_starts:
            out.append(whole_start(c.stream, c.unjudged_starts))
        n = c.received * s.channels
        if s.kind is StreamKind.RADAR and c.surface_lost > LOST * n:
            out.append(_no_surface(s, c.surface_lost, n, profile, foreign))
        if s.kind is not StreamKind.RADAR_SFCW and not s.step_m:
            out += _nominal(s, profile, foreign)
    out += not_so_deep(device, profile)
    if device.streams and not any(s.kind.is_metal for s in device.streams):
        out.append("No metal detector took part: what radar does not show was not looked for.")
    if device.streams and all(s.kind.is_metal for s in device.streams):
        out.append("No radar took part: what holds no metal was not looked for.")
    return out


def whole_start(stream: str, pieces: int) -> str:
    """What short pieces of a metal stream cannot tell, with no ground known before them."""
    these = "one piece" if pieces == 1 else f"{pieces} pieces"
    return (
        f"{stream}: {these} too short to be judged by the ground behind: metal under the whole of one would not be "
        "told from ground. Begin beside the ground in question, and go on past it."
    )


def _length(m: float) -> str:
    return f"{m:.3g} m" if m >= 1.0 else f"{100 * m:.3g} cm"


def _no_surface(s: StreamDescription, lost: int, n: int, profile: Profile, foreign: ForeignRecording | None) -> str:
    zero = profile.radar.time_zero
    fc = s.centre_frequency_hz or 1e6 * profile.radar.centre_frequency_mhz
    most_ns = 1e9 * zero.search_periods / fc
    told = (
        f"{s.name}: {lost} of {n} A-scans have no steady surface: depths there are guesses, and the ground does not "
        f"count as swept. It is sought up to {most_ns:.3g} ns (search_periods of the profile's radar.time_zero); "
    )
    at_ns = 0.0 if foreign is None else _strongest_ns(foreign, s)
    if at_ns > most_ns:
        told += (
            f"the strongest echo lies at {at_ns:.3g} ns. If that is the direct wave, and no reflector, replay with "
            f"search_periods = {math.ceil(1e-9 * at_ns * fc) + 1}. "
        )
    else:
        told += "raise that where it comes later. "
    return told + "Files whose direct wave was muted, or whose background was taken out, have none: export them raw."


def _strongest_ns(foreign: ForeignRecording, s: StreamDescription) -> float:
    """Where most A-scans of a stream are strongest, ns from the first sample."""
    found = [
        np.argmax(np.abs(raw - raw.mean(axis=2, keepdims=True)), axis=2).ravel()
        for raw in (b.raw.astype(np.float64) for b in foreign.blocks if b.stream is s)
    ]
    return float(np.median(np.concatenate(found))) * s.sampling_interval_s * 1e9 if found else 0.0


def not_so_deep(device: DeviceDescription, profile: Profile) -> list[str]:
    """Sentences on radars whose A-scans are longer than the profile searches."""
    most_ns = profile.radar.prescreener.max_depth_ns
    return [
        f"{s.name}: A-scans of {s.values * s.sampling_interval_s * 1e9:.3g} ns, searched to {most_ns:g} ns below the "
        "surface. What lies deeper was not looked for (max_depth_ns of the profile's radar.prescreener)."
        for s in device.streams
        if s.kind is StreamKind.RADAR and 0 < most_ns < 0.9e9 * s.values * s.sampling_interval_s
    ]


def _nominal(s: StreamDescription, profile: Profile, foreign: ForeignRecording | None) -> list[str]:
    """Of a stream without a step in a file without places: lengths along the track are guesses then."""
    if foreign is None or any((b.odometer_um != NO_ODOMETER).any() for b in foreign.blocks if b.stream is s):
        return []
    step = profile.nominal_speed_m_per_s / s.rate_hz
    return [
        f"{s.name}: the file gives no places. Lengths along the track are those of {profile.nominal_speed_m_per_s:g} "
        f"m/s at {s.rate_hz:g} records/s, {100 * step:.3g} cm a record (nominal_speed_m_per_s of the profile)."
    ]
