"""Satellite fixes that radars keep in a text file beside the samples, each under the number of a trace.

GSSI's .DZG and Sensors & Software's .GPS hold NMEA sentences, MALA's .COR a table. What they say of time
also gives the traces theirs.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pynmeagps import NMEAMessage, NMEAMessageError, NMEAParseError, NMEAReader, NMEAStreamError, NMEATypeError

from detector.formats.bounded import read_text
from detector.formats.foreign import EPOCH_NS
from detector.samples import NO_TIME, FixQuality, Int64Array, Position

_RANGE_ERROR_M: Final = 8.0
"""Range error of one satellite of a single-frequency receiver, 1 sigma, m: the lower end of 15.7 to 23.1 m (95 %)
for C/A code in NAVSTAR GPS User Equipment Introduction (1996), table 3-1, divided by 1.96."""

_TRACE: Final = re.compile(r"^\s*(?:\$GSSIS,\s*(\d{1,15})|Trace\s*#\s*(\d{1,15}))", re.IGNORECASE)
_BAD: Final = (NMEAMessageError, NMEAParseError, NMEAStreamError, NMEATypeError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class TraceFix:
    """A fix, and the number (from 0) of the trace that was taken when it came."""

    trace: int
    utc_ns: int
    """The receiver's time; NO_TIME if the file does not say the date."""
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    quality: FixQuality
    satellites: int
    hdop: float

    @property
    def sigma_m(self) -> float:
        """Horizontal accuracy from HDOP where the receiver measures code; NaN where the file does not tell."""
        code = self.quality in (FixQuality.SINGLE, FixQuality.DIFFERENTIAL, FixQuality.PPS)
        return self.hdop * _RANGE_ERROR_M if code and self.hdop > 0 else float("nan")


def read_nmea_fixes(path: Path, first_trace: int) -> list[TraceFix]:
    """Fixes of a .DZG or .GPS file; damaged sentences are passed over.

    first_trace : the number that the program gives to the first trace: 0 or 1
    """
    fixes: list[TraceFix] = []
    trace = -1
    date: datetime.date | None = None
    for line in read_text(path).splitlines():
        head = _TRACE.match(line)
        if head:
            trace = int(head.group(1) or head.group(2)) - first_trace
            continue
        start = line.find("$")
        if start < 0 or trace < 0 or len(line) - start > 256:
            continue
        try:
            message = NMEAReader.parse(line[start:].strip().encode("ascii", "replace"))
            if message is None:
                continue
            if message.msgID in ("RMC", "ZDA"):
                date = message.date if message.msgID == "RMC" else _zda(message)
            elif message.msgID == "GGA":
                fixes += _gga(message, trace, date)
        except _BAD:
            continue
    return _in_order(fixes)


def _zda(m: NMEAMessage) -> datetime.date:
    return datetime.date(int(m.year), int(m.month), int(m.day))


def _gga(m: NMEAMessage, trace: int, date: datetime.date | None) -> list[TraceFix]:
    quality = FixQuality(int(m.quality))
    if not quality.measured:
        return []
    utc_ns = NO_TIME
    if isinstance(date, datetime.date) and isinstance(m.time, datetime.time):
        utc_ns = _ns(datetime.datetime.combine(date, m.time))
    altitude = float(m.alt) if m.alt != "" else float("nan")
    hdop = float(m.HDOP) if m.HDOP != "" else float("nan")
    satellites = int(m.numSV) if m.numSV != "" else -1
    return _fix(trace, utc_ns, float(m.lat), float(m.lon), altitude, quality, satellites, hdop)


def read_cor(path: Path) -> list[TraceFix]:
    """Fixes of a MALA .COR file: trace, date, time, latitude, N or S, longitude, E or W, altitude, M, ...

    What the last column means is not documented, so the fixes have no accuracy.
    """
    fixes: list[TraceFix] = []
    for line in read_text(path).splitlines():
        part = line.split()
        try:
            number = int(part[0]) - 1
            time = datetime.datetime.fromisoformat(f"{part[1]} {part[2]}")
            latitude = float(part[3]) * {"N": 1, "S": -1}[part[4].upper()]
            longitude = float(part[5]) * {"E": 1, "W": -1}[part[6].upper()]
            altitude = float(part[7])
            fixes += _fix(number, _ns(time), latitude, longitude, altitude, FixQuality.SINGLE, -1, float("nan"))
        except (ValueError, IndexError, KeyError, OverflowError):
            continue
    return _in_order(fixes)


def _fix(
    trace: int, utc_ns: int, latitude: float, longitude: float, altitude: float, quality: FixQuality, satellites: int,
    hdop: float,
) -> list[TraceFix]:  # fmt: skip
    sound = abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= trace < 2**40 and -1 <= satellites < 2**31
    sound = sound and (utc_ns == NO_TIME or 0 < utc_ns < 2**62)
    return [TraceFix(trace, utc_ns, latitude, longitude, altitude, quality, satellites, hdop)] if sound else []


def _ns(time: datetime.datetime) -> int:
    since = time.replace(tzinfo=datetime.UTC) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def _in_order(fixes: list[TraceFix]) -> list[TraceFix]:
    """Without those whose trace number does not increase: two fixes of one trace would be a jump."""
    kept: list[TraceFix] = []
    for fix in fixes:
        if not kept or fix.trace > kept[-1].trace:
            kept.append(fix)
    return kept


def placed_in_time(fixes: list[TraceFix], n: int, rate_hz: float) -> tuple[Int64Array | None, tuple[Position, ...]]:
    """Times of n traces by their fixes, or None for the nominal ones; and the fixes as positions in those times.

    Before the first timed fix and after the last the nominal rate goes on.
    """
    fixes = [f for f in fixes if f.trace < n]
    seq = np.arange(n)
    timed: list[TraceFix] = []
    for f in fixes:
        if f.utc_ns != NO_TIME and (not timed or f.utc_ns > timed[-1].utc_ns):
            timed.append(f)
    utc_ns: Int64Array | None = None
    if len(timed) > 1:
        at = np.array([f.trace for f in timed], np.float64)
        origin = timed[0].utc_ns
        since = np.array([f.utc_ns - origin for f in timed], np.float64)
        period = 1e9 / rate_hz
        inside = np.interp(seq, at, since)
        beyond = np.minimum(seq - at[0], 0) * period + np.maximum(seq - at[-1], 0) * period
        utc_ns = origin + np.round(inside + beyond).astype(np.int64)
    times = utc_ns if utc_ns is not None else EPOCH_NS + np.round(seq * (1e9 / rate_hz)).astype(np.int64)
    positions = tuple(
        Position(
            utc_ns=int(times[f.trace]),
            receiver_utc_ns=f.utc_ns,
            latitude_deg=f.latitude_deg,
            longitude_deg=f.longitude_deg,
            altitude_m=f.altitude_m,
            quality=f.quality,
            sigma_m=f.sigma_m,
            sigma_from="hdop" if f.sigma_m > 0 else "",
            satellites=f.satellites,
            hdop=f.hdop,
            correction_age_s=float("nan"),
            station="",
        )
        for f in fixes
    )
    return utc_ns, positions
