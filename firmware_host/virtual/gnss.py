"""A satellite receiver without sky, behind a real pseudo-terminal: a walk, told in NMEA 0183 sentences.

It sends what a u-blox or Septentrio receiver does: RMC, GGA, GSA, GST, once per moment, with errors that wander
slowly as real ones do, times without a fix, and changes between RTK fixed, float and single positions.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detector.positions import metres_per_degree
from detector.samples import FixQuality
from firmware_host.virtual.port import VirtualPort

ERROR_TIME_S = 60.0
"""Time constant of the wandering error, s: a first-order Gauss-Markov process."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Some time in which the receiver's fix is of one kind."""

    duration_s: float
    quality: FixQuality
    sigma_m: float = math.nan
    """Horizontal accuracy, 1 sigma as in Position; NaN without a fix."""
    hdop: float = 0.7
    satellites: int = 17
    correction_age_s: float = math.nan
    station: str = ""


LANE_PHASES = (
    Phase(5.0, FixQuality.SINGLE, 1.8, 1.1, 9),
    Phase(5.0, FixQuality.RTK_FLOAT, 0.25, 0.7, 17, 1.0, "0120"),
    Phase(30.0, FixQuality.RTK_FIXED, 0.014, 0.6, 19, 1.0, "0120"),
    Phase(4.0, FixQuality.NONE),
    Phase(6.0, FixQuality.RTK_FLOAT, 0.25, 0.7, 15, 2.0, "0120"),
    Phase(30.0, FixQuality.RTK_FIXED, 0.014, 0.6, 18, 1.0, "0120"),
)
"""A receiver that is switched on, converges, passes under a tree once, and converges again. Repeats."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A lane walked up and down at a steady pace."""

    latitude_deg: float = 45.81
    longitude_deg: float = 15.98
    altitude_m: float = 120.0
    heading_deg: float = 30.0
    """Of the lane, from north over east."""
    speed_m_per_s: float = 0.5
    lane_m: float = 25.0

    def place(self, t_s: float) -> tuple[float, float]:
        """True latitude and longitude at time t_s since the start, degrees."""
        d = self.speed_m_per_s * t_s % (2 * self.lane_m)
        d = min(d, 2 * self.lane_m - d)
        heading = math.radians(self.heading_deg)
        return self.moved(d * math.sin(heading), d * math.cos(heading))

    def moved(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Latitude and longitude of a point near the start, degrees."""
        per_longitude, per_latitude = (float(m[0]) for m in metres_per_degree(np.array([self.latitude_deg])))
        longitude = self.longitude_deg + east_m / per_longitude
        return self.latitude_deg + north_m / per_latitude, (longitude + 180.0) % 360.0 - 180.0


def sentence(body: str) -> bytes:
    """A body with its dollar sign, checksum and line end."""
    checksum = 0
    for c in body.encode("ascii"):
        checksum ^= c
    return f"${body}*{checksum:02X}\r\n".encode("ascii")


def moment(utc_ns: int, latitude_deg: float, longitude_deg: float, altitude_m: float, phase: Phase) -> bytes:
    """Everything that the receiver says of one moment."""
    when = datetime.datetime.fromtimestamp(utc_ns // 10_000_000 / 100, datetime.UTC)
    clock = f"{when:%H%M%S}.{when.microsecond // 10_000:02d}"
    if phase.quality is FixQuality.NONE:
        bodies = (
            f"GNRMC,{clock},V,,,,,,,{when:%d%m%y},,,N,V",
            f"GNGGA,{clock},,,,,0,00,99.99,,,,,,",
            "GNGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99,1",
            f"GNGST,{clock},,,,,,,",
        )
        return b"".join(map(sentence, bodies))
    north, east = "NS"[latitude_deg < 0], "EW"[longitude_deg < 0]
    place = f"{_degrees(latitude_deg, 2)},{north},{_degrees(longitude_deg, 3)},{east}"
    age = "" if math.isnan(phase.correction_age_s) else f"{phase.correction_age_s:.1f}"
    each = phase.sigma_m / math.sqrt(2)
    mode = {FixQuality.RTK_FIXED: "R", FixQuality.RTK_FLOAT: "F", FixQuality.DIFFERENTIAL: "D"}.get(phase.quality, "A")
    bodies = (
        f"GNRMC,{clock},A,{place},0.97,,{when:%d%m%y},,,{mode},V",
        f"GNGGA,{clock},{place},{phase.quality:d},{phase.satellites:02d},{phase.hdop:.2f},"
        f"{altitude_m:.3f},M,44.1,M,{age},{phase.station}",
        f"GNGSA,A,3,02,05,07,13,15,18,20,30,,,,,1.21,{phase.hdop:.2f},0.99,1",
        f"GNGST,{clock},{1.9 * each:.3f},{each:.3f},{each:.3f},0.0,{each:.4f},{each:.4f},{1.6 * each:.4f}",
    )
    return b"".join(map(sentence, bodies))


def _degrees(value: float, digits: int) -> str:
    """Degrees and minutes as NMEA writes them, to 1e-7 minutes, which is 0.2 mm."""
    units = round(abs(value) * 60 * 10_000_000)
    degrees, minutes = divmod(units, 60 * 10_000_000)
    return f"{degrees:0{digits}d}{minutes // 10_000_000:02d}.{minutes % 10_000_000:07d}"


def told(
    walk: Walk,
    phases: tuple[Phase, ...] = LANE_PHASES,
    rate_hz: float = 5.0,
    start_utc_ns: int = 0,
    seed: int = 1,
) -> Iterator[tuple[float, bytes]]:
    """The walk as sentences, for ever: seconds since the start, and what is sent at that moment.

    Parameters
    ----------
    walk : where the antenna truly is
    phases : what the receiver makes of it, one after the other, again and again
    rate_hz : moments per second
    start_utc_ns : receiver time of the first moment, ns since 1970 UTC
    seed : of the errors
    """
    rng = np.random.default_rng(seed)
    keep = math.exp(-1 / (rate_hz * ERROR_TIME_S))
    error = rng.normal(size=2)
    cycle = sum(p.duration_s for p in phases)
    n = 0
    while True:
        t = n / rate_hz
        rest = t % cycle
        for phase in phases:
            if rest < phase.duration_s:
                break
            rest -= phase.duration_s
        latitude, longitude = walk.place(t)
        if phase.quality is not FixQuality.NONE:
            east, north = (float(e) for e in error * phase.sigma_m / math.sqrt(2))
            off_latitude, off_longitude = walk.moved(east, north)
            latitude += off_latitude - walk.latitude_deg
            longitude += off_longitude - walk.moved(0.0, 0.0)[1]
        longitude = (longitude + 180.0) % 360.0 - 180.0
        yield t, moment(start_utc_ns + round(t * 1e9), latitude, longitude, walk.altitude_m, phase)
        error = keep * error + math.sqrt(1 - keep**2) * rng.normal(size=2)
        n += 1


class VirtualGnss(VirtualPort):
    """Plays sentences at their times. A context manager; `path` is the port to open.

    Parameters
    ----------
    moments : seconds since the start and bytes, as `told` gives them
    speed : 1 = real time, 0 = as fast as the terminal takes them
    """

    def __init__(self, moments: Iterator[tuple[float, bytes]], speed: float = 1.0) -> None:
        self._moments = moments
        self._speed = speed
        self._speaks = threading.Event()
        self._speaks.set()
        super().__init__(self._play, "virtual-gnss")

    def mute(self, silent: bool) -> None:
        """Say nothing, without closing the port; time passes all the same."""
        if silent:
            self._speaks.clear()
        else:
            self._speaks.set()

    def _play(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(OSError):  # the port was closed under us: unplugged
            for t_s, data in self._moments:
                while self._speed > 0 and (wait := began + t_s / self._speed - time.monotonic()) > 0:
                    if self._stop.wait(min(wait, 0.05)):
                        return
                if self._stop.is_set():
                    return
                if self._speaks.is_set():
                    self._write(data)

    def _write(self, data: bytes) -> None:
        """Send; what nobody reads is lost, as on a real line, where a live receiver does not wait for its reader."""
        view = memoryview(data)
        while view and not self._stop.is_set():
            _, ready, _ = select.select([], [self._master], [], 0.05)
            if ready:
                with contextlib.suppress(BlockingIOError):
                    view = view[os.write(self._master, view) :]
            elif self._speed > 0:
                return
