"""A satellite receiver on a port of its own: its positions as they come, and loudly when they do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Final, Protocol

import numpy as np

from detector.positions import PlacingSettings, east_north_m, too_fast
from detector.samples import NO_TIME, Event, FixQuality, Position, Severity
from firmware_host.link import SerialLink
from firmware_host.nmea import UERE_M, NmeaCounters, NmeaDecoder

DEFAULT_BAUD: Final = 9600
"""What most receivers are delivered with; ports over USB ignore it."""

SILENCE_S: Final = 3.0
"""No position for this long is a fault: three missed ones of a receiver that sends one a second."""

_TELL_S: Final = 10.0
"""Changes of quality are told at most this often: a receiver at the edge changes with every fix."""

_CLOCK_S: Final = 5.0
"""The host's clock is off the receiver's by more than any sentence is late."""

_RANK: Final = {
    FixQuality.NONE: 0,
    FixQuality.MANUAL: 1,
    FixQuality.SIMULATED: 1,
    FixQuality.ESTIMATED: 1,
    FixQuality.SINGLE: 2,
    FixQuality.DIFFERENTIAL: 3,
    FixQuality.PPS: 3,
    FixQuality.RTK_FLOAT: 4,
    FixQuality.RTK_FIXED: 5,
}


def accuracy_text(position: Position) -> str:
    """'± 0.014 m', or that it is not known."""
    if not position.sigma_m > 0:
        return "accuracy not known"
    return f"± {position.sigma_m:.3f} m" if position.sigma_m < 1 else f"± {position.sigma_m:.1f} m"


class Link(Protocol):
    """What bytes come from: a SerialLink, or whatever else has a timeout of its own."""

    @property
    def port(self) -> str: ...
    def read(self) -> bytes: ...
    def close(self) -> None: ...


class FixWatch:
    """What there is to say of positions, one after the other: a fix lost, back, better, worse, or impossible."""

    def __init__(self, max_speed_m_per_s: float = PlacingSettings().max_speed_m_per_s) -> None:
        self._max_speed = max_speed_m_per_s
        self._quality: FixQuality | None = None
        self._lost_ns = 0
        self._told_ns: int | None = None
        self._before: Position | None = None
        self._undated = 0
        self._said: set[str] = set()

    def look(self, p: Position) -> list[Event]:
        """Events of one more position."""
        out = self._fix(p) + self._step(p) + self._receiver(p)
        if p.quality.measured:
            self._before = p
        return out

    def _fix(self, p: Position) -> list[Event]:
        old, new = self._quality, p.quality
        placed = old is not None and old.measured
        if new.measured and not placed:
            self._quality, self._told_ns = new, p.utc_ns
            now = f"{new.text}, {accuracy_text(p)}, {p.satellites} satellites"
            if old is None:
                return [_event(p, Severity.INFO, f"The satellite receiver has a fix: {now}.")]
            lacked = (p.utc_ns - self._lost_ns) * 1e-9
            return [_event(p, Severity.WARNING, f"The satellite receiver has a fix after {lacked:.1f} s: {now}.")]
        if not new.measured:
            if old is not None and not placed:
                return []
            self._quality, self._lost_ns = new, p.utc_ns
            what = "has no fix yet" if old is None else f"lost its fix ({new.text})"
            return [
                _event(
                    p,
                    Severity.WARNING,
                    f"The satellite receiver {what}: samples have no place until it does. Give its antenna open sky.",
                )
            ]
        assert old is not None
        if _RANK[new] == _RANK[old]:
            return []
        if self._told_ns is not None and 0 <= p.utc_ns - self._told_ns < _TELL_S * 1e9:
            return []
        self._quality, self._told_ns = new, p.utc_ns
        worse = _RANK[new] < _RANK[old]
        text = f"Position is {'only ' if worse else ''}{new.text} now, {accuracy_text(p)}; it was {old.text}."
        return [_event(p, Severity.WARNING if worse else Severity.INFO, text)]

    def _step(self, p: Position) -> list[Event]:
        a = self._before
        if a is None or not (a.sure and p.sure):
            return []
        seconds = (p.receiver_utc_ns - a.receiver_utc_ns) * 1e-9
        if NO_TIME in (p.receiver_utc_ns, a.receiver_utc_ns):
            seconds = (p.utc_ns - a.utc_ns) * 1e-9
        if seconds <= 0:
            return []
        here, there = ((np.array([q.latitude_deg]), np.array([q.longitude_deg])) for q in (a, p))
        distance = np.hypot(*east_north_m(*here, *there))
        sigma = np.hypot([a.sigma_m], [p.sigma_m])
        if not too_fast(distance, sigma, np.array([seconds]), self._max_speed)[0]:
            return []
        text = (
            f"The position jumped {distance[0]:.1f} m in {seconds:.2f} s, with {accuracy_text(p)}: one of both is "
            "wrong. Samples between them have no place."
        )
        return [_event(p, Severity.WARNING, text)]

    def _receiver(self, p: Position) -> list[Event]:
        """What is wrong with the receiver's set-up; said once."""
        out = []
        if p.quality.measured and not p.sure and self._first("accuracy"):
            text = (
                f"The receiver does not say how accurate its {p.quality.text} position is, so samples have no place. "
                "Switch its GST sentence on."
            )
            out.append(_event(p, Severity.WARNING, text))
        self._undated += p.quality.measured and p.receiver_utc_ns == NO_TIME
        if self._undated == 10 and self._first("date"):
            text = "The receiver sends no date: its times are those of arrival. Switch its RMC or ZDA sentence on."
            out.append(_event(p, Severity.WARNING, text))
        off = (p.utc_ns - p.receiver_utc_ns) * 1e-9
        if p.quality.measured and p.receiver_utc_ns != NO_TIME and abs(off) > _CLOCK_S and self._first("clock"):
            text = (
                f"The clock of this computer is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the satellite "
                "receiver's. Places are right all the same; set the clock, so that the record's times are too."
            )
            out.append(_event(p, Severity.WARNING, text))
        return out

    def _first(self, subject: str) -> bool:
        first = subject not in self._said
        self._said.add(subject)
        return first


class GnssReceiver:
    """A receiver on an open port, as a source of positions and events. A context manager.

    Raises
    ------
    LinkError
        when the port cannot be opened or is lost
    """

    def __init__(
        self,
        link: Link,
        uere_m: float = UERE_M,
        silence_s: float = SILENCE_S,
        clock: Callable[[], int] = time.time_ns,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._decoder = NmeaDecoder(uere_m)
        self._watch = FixWatch()
        self._silence_s = silence_s
        self._clock = clock
        self._stopwatch = stopwatch
        self._heard: float | None = None
        self._before = NmeaCounters()
        """Counters when the last position came."""
        self._silent = False

    @classmethod
    def open(cls, port: str, baudrate: int = DEFAULT_BAUD, uere_m: float = UERE_M) -> GnssReceiver:
        """Open a port. Nothing is ever sent to the receiver."""
        return cls(SerialLink(port, baudrate), uere_m)

    def __enter__(self) -> GnssReceiver:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._link.close()

    @property
    def counters(self) -> NmeaCounters:
        """A copy of what came so far."""
        return self._decoder.counters

    def items(self) -> Generator[list[Position | Event]]:
        """Lists of what came, an empty one whenever the link's timeout passes without; never ends by itself."""
        while True:
            yield self.read()

    def read(self) -> list[Position | Event]:
        """What has come since the last call; waits no longer than the link's timeout."""
        data = self._link.read()
        arrival = self._clock()
        out: list[Position | Event] = []
        now = self._stopwatch()
        if self._heard is None:
            self._heard = now
        for item in self._decoder.feed(data, arrival):
            if isinstance(item, Position):
                if self._silent:
                    self._silent = False
                    text = f"Positions are coming again after {now - self._heard:.1f} s without."
                    out.append(Event(arrival, Severity.WARNING, "gnss", text))
                self._heard, self._before = now, self._decoder.counters
                out += self._watch.look(item)
            out.append(item)
        if not self._silent and now - self._heard > self._silence_s:
            self._silent = True
            out.append(Event(arrival, Severity.FAULT, "gnss", self._why_silent(now - self._heard)))
        return out

    def _why_silent(self, seconds: float) -> str:
        c, before = self._decoder.counters, self._before
        begin = f"No position from the satellite receiver on {self._link.port} for {seconds:.1f} s: "
        end = " Samples have no place until it comes back."
        if c.bytes == before.bytes:
            return begin + "it sends nothing. Check its cable and power." + end
        if c.sentences == before.sentences:
            got = f"{c.bytes - before.bytes} bytes came and not one good sentence. "
            return begin + got + "Check the baud rate: receivers use 4800, 9600, 38400 or 115200." + end
        if c.places == before.places:
            return begin + f"{c.sentences - before.sentences} good sentences, no GGA. Switch its GGA sentence on." + end
        return begin + "its GGA sentences make no sense." + end


def _event(p: Position, severity: Severity, text: str) -> Event:
    return Event(p.utc_ns, severity, "gnss", text)
