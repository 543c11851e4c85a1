"""From the bytes of a satellite receiver to positions: NMEA 0183 sentences, checked and gathered by moment.

A receiver says one moment in several sentences: GGA the place and its quality, GST its accuracy, RMC and
ZDA the date. All carry the time of day, and what carries the same time is one Position. Each is given out
as soon as the sentence has come that ended the moment before, which costs no waiting, or else with the
first sentence of the next moment.
"""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from pynmeagps import NMEAMessage, NMEAMessageError, NMEATypeError
from pynmeagps.nmeahelpers import calc_checksum, get_parts

from detector.errors import SampleError
from detector.samples import NO_TIME, Event, FixQuality, Position, Severity

UERE_M: Final = 8.0
"""Range error of one satellite as a single-frequency receiver sees it, 1 sigma, m: the lower end of 15.7 to
23.1 m (95 %) for C/A code in NAVSTAR GPS User Equipment Introduction (1996), table 3-1, divided by 1.96."""

LONGEST_SENTENCE: Final = 256
"""NMEA 0183 allows 82 characters; makers' own sentences are longer. What is longer still is noise."""

_REPORT_NS: Final = 10_000_000_000
"""Damage is told at most this often, with its count; it is always counted."""

_RELEARN: Final = 10
"""After so many moments without it, the sentence that was taken for the last of a moment no longer is."""

_END: Final = re.compile(rb"[^\x20-\x23\x25-\x7e]")
"""What ends a sentence: CR or LF in good order; the '$' of the next one or a byte that is no text in bad."""
_HEADER: Final = re.compile(rb"\$([A-Z]{2}[A-Z0-9]{3}|P[A-Z0-9]{3,7}),")
_CHECKSUM: Final = re.compile(rb"\*[0-9A-Fa-f]{2}$")
_WANTED: Final = frozenset({"GGA", "GST", "RMC", "ZDA"})
_DAY_NS: Final = 86_400_000_000_000


@dataclass(slots=True)
class NmeaCounters:
    """What came from a receiver."""

    bytes: int = 0
    sentences: int = 0
    """Whole, with a good checksum, of whatever kind."""
    places: int = 0
    """GGA sentences among them."""
    broken: int = 0
    """Begun and not ended, or without a checksum."""
    bad_checksum: int = 0
    senseless: int = 0
    """Good checksum, but a field that cannot be."""

    @property
    def damaged(self) -> int:
        return self.broken + self.bad_checksum + self.senseless


class _Moment:
    """What was said of one moment so far."""

    def __init__(self, time: datetime.time | None, arrival_ns: int) -> None:
        self.time = time
        self.arrival_ns = arrival_ns
        self.sentences: dict[str, NMEAMessage] = {}
        self.last = ""
        self.station = ""
        self.given_out = False


class NmeaDecoder:
    """Bytes in, positions out; any cut of the bytes gives the same positions.

    Parameters
    ----------
    uere_m : range error of one satellite, 1 sigma, m; used where the receiver states no accuracy of its own
        and measures code, not carrier phase (single, differential and PPS fixes)
    """

    def __init__(self, uere_m: float = UERE_M) -> None:
        if not (math.isfinite(uere_m) and uere_m > 0):
            raise SampleError(f"The user equivalent range error is more than 0 m, not {uere_m}.")
        self._uere_m = uere_m
        self._buffer = bytearray()
        self._moment: _Moment | None = None
        self._last_of_moment = ""
        self._missed = 0
        self._newest_ns: int | None = None
        self._counters = NmeaCounters()
        self._told = NmeaCounters()
        self._told_ns: int | None = None
        self._complaint = ""

    @property
    def counters(self) -> NmeaCounters:
        """A copy of what came so far."""
        return replace(self._counters)

    def feed(self, data: bytes, arrival_ns: int) -> list[Position | Event]:
        """Positions that these bytes complete, and what is to be said of damage.

        Parameters
        ----------
        data : the next bytes, cut anywhere; may be empty
        arrival_ns : host time at which they came, ns since 1970 UTC
        """
        self._counters.bytes += len(data)
        self._buffer += data
        out: list[Position | Event] = []
        for sentence in self._sentences():
            out += self._take(sentence, arrival_ns)
        return out + self._damage(arrival_ns)

    def flush(self) -> list[Position]:
        """The moment that is still open: at the end of a stream."""
        return self._close()

    def _sentences(self) -> list[bytes]:
        """Whole sentences with a good checksum, taken out of the buffer; the rest of it stays bounded."""
        found: list[bytes] = []
        buffer = self._buffer
        while (start := buffer.find(b"$")) >= 0:
            end = _END.search(buffer, start + 1, start + LONGEST_SENTENCE)
            if end is None and len(buffer) - start < LONGEST_SENTENCE:
                del buffer[:start]
                return found
            stop = end.start() if end else start + LONGEST_SENTENCE
            sentence, terminator = bytes(buffer[start:stop]), bytes(buffer[stop : stop + 1])
            del buffer[:stop]
            if not _HEADER.match(sentence):
                continue  # a '$' among other bytes, as in the makers' binary messages
            if end is None or terminator not in b"\r\n" or not _CHECKSUM.search(sentence):
                self._counters.broken += 1
            elif calc_checksum(sentence[1:-3].decode("ascii")) != sentence[-2:].decode("ascii").upper():
                self._counters.bad_checksum += 1
            else:
                self._counters.sentences += 1
                found.append(sentence)
        buffer.clear()
        return found

    def _take(self, sentence: bytes, arrival_ns: int) -> list[Position]:
        _, talker, kind, fields, checksum = get_parts(sentence)
        if kind not in _WANTED:
            return []
        self._counters.places += kind == "GGA"
        station = ""
        if kind == "GGA" and len(fields) > 13:
            # the library takes it for a number, and some correction services send letters
            station, fields[13] = fields[13].strip(), ""
        try:
            message = NMEAMessage(talker, kind, 0, payload=fields, checksum=checksum)
            _check(message)
        except (NMEAMessageError, NMEATypeError, SampleError) as e:
            self._counters.senseless += 1
            self._complaint = f"{sentence.decode('ascii')}: {e}"
            return []
        return self._add(kind, message, station, arrival_ns)

    def _add(self, kind: str, message: NMEAMessage, station: str, arrival_ns: int) -> list[Position]:
        out: list[Position] = []
        time: datetime.time | None = getattr(message, "time", None) or None
        moment = self._moment
        timeless_again = moment is not None and time is None and kind == "GGA" and "GGA" in moment.sentences
        if moment is None or time != moment.time or timeless_again:
            out = self._close()
            moment = self._moment = _Moment(time, arrival_ns)
        name = message.talker + kind
        moment.last = name
        known = moment.sentences.get(kind)
        # several systems may speak for one moment; GN is the solution of all together, else the first counts
        if known is None or (message.talker == "GN" and known.talker != "GN"):
            moment.sentences[kind] = message
            if kind == "GGA":
                moment.station = station
        if moment.given_out:
            self._last_of_moment, self._missed = name, 0
        elif name == self._last_of_moment and "GGA" in moment.sentences:
            moment.given_out, self._missed = True, 0
            out += self._position(moment)
        return out

    def _close(self) -> list[Position]:
        """The position of the open moment, unless it is out already."""
        moment, self._moment = self._moment, None
        if moment is None or moment.given_out or "GGA" not in moment.sentences:
            return []
        self._missed += 1
        if not self._last_of_moment or self._missed >= _RELEARN:
            self._last_of_moment, self._missed = moment.last, 0
        return self._position(moment)

    def _position(self, moment: _Moment) -> list[Position]:
        gga = moment.sentences["GGA"]
        quality = FixQuality(gga.quality)
        fixed = quality is not FixQuality.NONE
        sigma_m, sigma_from = self._accuracy(quality, _number(gga, "HDOP"), moment.sentences.get("GST"))
        position = Position(
            utc_ns=moment.arrival_ns,
            receiver_utc_ns=self._receiver_time(moment),
            latitude_deg=_number(gga, "lat") if fixed else math.nan,
            longitude_deg=_number(gga, "lon") if fixed else math.nan,
            altitude_m=_number(gga, "alt") if fixed else math.nan,
            quality=quality,
            sigma_m=sigma_m,
            sigma_from=sigma_from,
            satellites=int(_number(gga, "numSV", -1)),
            hdop=_number(gga, "HDOP"),
            correction_age_s=_number(gga, "diffAge"),
            station=moment.station,
        )
        return [position]

    def _accuracy(self, quality: FixQuality, hdop: float, gst: NMEAMessage | None) -> tuple[float, str]:
        if quality is FixQuality.NONE:
            return math.nan, ""
        if gst is not None:
            stated = math.hypot(_number(gst, "stdLat"), _number(gst, "stdLong"))
            if stated > 0:  # a receiver that sends zeros does not know
                return stated, "gst"
        if quality in (FixQuality.SINGLE, FixQuality.DIFFERENTIAL, FixQuality.PPS) and hdop > 0:
            return hdop * self._uere_m, "hdop"
        return math.nan, ""

    def _receiver_time(self, moment: _Moment) -> int:
        """The date is the moment's own, else the one nearest to the newest time: midnight may lie between."""
        if moment.time is None:
            return NO_TIME
        t = moment.time
        of_day = ((t.hour * 60 + t.minute) * 60 + t.second) * 1_000_000_000 + t.microsecond * 1000
        date = _date(moment.sentences)
        if date is not None:
            self._newest_ns = (date - datetime.date(1970, 1, 1)).days * _DAY_NS + of_day
        elif self._newest_ns is not None:
            days = round((self._newest_ns - of_day) / _DAY_NS)
            self._newest_ns = days * _DAY_NS + of_day
        return NO_TIME if self._newest_ns is None else self._newest_ns

    def _damage(self, arrival_ns: int) -> list[Event]:
        c, told = self._counters, self._told
        if c.damaged == told.damaged or (self._told_ns is not None and 0 <= arrival_ns - self._told_ns < _REPORT_NS):
            return []
        self._told, self._told_ns = replace(c), arrival_ns
        text = (
            f"{c.damaged - told.damaged} sentences of the satellite receiver were damaged and left out "
            f"({c.bad_checksum - told.bad_checksum} wrong checksum, {c.broken - told.broken} not whole, "
            f"{c.senseless - told.senseless} without sense), {c.sentences - told.sentences} were good."
        )
        if c.senseless > told.senseless:
            text += f" The last one without sense: {self._complaint}"
        return [Event(arrival_ns, Severity.WARNING, "gnss", text + " Check its cable and baud rate.")]


def _number(message: NMEAMessage, name: str, unknown: float = math.nan) -> float:
    """A field; `unknown` where it is empty or not sent."""
    value: Any = getattr(message, name, "")
    return unknown if value == "" else float(value)


def _check(message: NMEAMessage) -> None:
    """Refuse values that a parser lets pass and that cannot be."""
    for name in ("lat", "lon", "HDOP", "alt", "diffAge", "stdLat", "stdLong", "numSV"):
        value = _number(message, name)
        if math.isinf(value) or (math.isnan(value) and getattr(message, name, "") != ""):
            raise SampleError(f"{name} is not a finite number.")
    for name in ("HDOP", "diffAge", "stdLat", "stdLong", "numSV"):
        if _number(message, name, 0) < 0:
            raise SampleError(f"{name} is negative.")
    if message.msgID != "GGA":
        return
    quality = getattr(message, "quality", "")
    if quality not in list(FixQuality):
        raise SampleError(f"the fix quality {quality!r} is none of 0 to 8.")
    if quality == FixQuality.NONE:
        return
    if not (abs(_number(message, "lat")) <= 90 and abs(_number(message, "lon")) <= 180):
        raise SampleError("a fix without a place on Earth.")
    if getattr(message, "NS", "") not in ("N", "S") or getattr(message, "EW", "") not in ("E", "W"):
        raise SampleError("a fix without its hemispheres.")


def _date(sentences: dict[str, NMEAMessage]) -> datetime.date | None:
    if "ZDA" in sentences:
        zda = sentences["ZDA"]
        try:
            return datetime.date(zda.year, zda.month, zda.day)
        except (TypeError, ValueError, AttributeError):
            pass  # a receiver without satellites sends an empty date
    date: datetime.date | None = getattr(sentences.get("RMC"), "date", None) or None
    return date
