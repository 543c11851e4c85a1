"""The receiver on its port: positions as they come, and words when they do not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from detector.errors import SampleError
from detector.samples import Event, FixQuality, Position, Severity
from firmware_host.gnss import FixWatch, GnssReceiver
from firmware_host.nmea import NmeaDecoder
from firmware_host.virtual.gnss import Phase, Walk, moment, sentence, told

SECOND = 1_000_000_000
T0 = 1_795_000_000 * SECOND
FIXED = Phase(1.0, FixQuality.RTK_FIXED, 0.014, station="0120", correction_age_s=1.0)


class Line:
    """A port on which a list of reads lies ready, each a tenth of a second after the one before."""

    port = "/dev/ttyTEST"

    def __init__(self, reads: Iterable[bytes]) -> None:
        self.reads = iter(reads)
        self.seconds = 0.0
        self.closed = False

    def read(self) -> bytes:
        self.seconds += 0.1
        return next(self.reads)

    def close(self) -> None:
        self.closed = True


def listen(reads: list[bytes]) -> list[Position | Event]:
    line = Line(reads)
    receiver = GnssReceiver(line, clock=lambda: T0 + round(line.seconds * SECOND), stopwatch=lambda: line.seconds)
    return [item for _ in reads for item in receiver.read()]


def events(items: Iterable[Position | Event]) -> list[Event]:
    return [i for i in items if isinstance(i, Event)]


def second(n: int, quality: FixQuality = FixQuality.RTK_FIXED, sigma_m: float = 0.014, east_m: float = 0.0) -> bytes:
    latitude, longitude = Walk().moved(east_m, 0.0)
    return moment(T0 + n * SECOND, latitude, longitude, 100.0, Phase(1.0, quality, sigma_m))


def spread(seconds: Iterable[bytes]) -> list[bytes]:
    """One moment, then nothing for the rest of its second."""
    return [part for s in seconds for part in (s, *[b""] * 9)]


def watch(*seconds: bytes) -> list[Event]:
    decoder, watcher, out = NmeaDecoder(), FixWatch(), []
    for n, data in enumerate(seconds):
        for p in decoder.feed(data, T0 + n * SECOND):
            out += watcher.look(p) if isinstance(p, Position) else []
    for p in decoder.flush():
        out += watcher.look(p)
    return out


def test_positions_come_through_and_the_first_fix_is_told_once() -> None:
    items = listen(spread(second(n) for n in range(4)))
    assert sum(isinstance(i, Position) for i in items) == 4
    assert [(e.severity, e.kind) for e in events(items)] == [(Severity.INFO, "gnss")]
    assert "RTK fixed, ± 0.014 m" in events(items)[0].text


def test_a_silent_receiver_is_a_fault_once_and_its_return_is_told() -> None:
    items = listen([*spread(second(n) for n in range(3)), *[b""] * 60, *spread([second(9), second(10)])])
    loud = [e for e in events(items) if e.severity is not Severity.INFO]
    assert [e.severity for e in loud] == [Severity.FAULT, Severity.WARNING]
    assert "/dev/ttyTEST for 3.1 s: it sends nothing" in loud[0].text
    assert "coming again after 7.0 s" in loud[1].text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it sends nothing. Check its cable and power"),
        (bytes(range(128, 168)), "not one good sentence. Check the baud rate"),
        (sentence("GNRMC,120000.00,A,4548.6,N,01558.8,E,0.97,,241126,,,R,V"), "no GGA. Switch its GGA sentence on"),
        (sentence("GNGGA,120000.00,9948.6,N,01558.8,E,4,17,0.7,1,M,1,M,,"), "make no sense"),
    ],
    ids=["nothing", "wrong baud rate", "no GGA", "nonsense"],
)
def test_a_receiver_that_never_gives_a_position_is_a_fault_that_says_why(data: bytes, words: str) -> None:
    faults = [e for e in events(listen([data] * 50)) if e.severity is Severity.FAULT]
    assert len(faults) == 1
    assert words in faults[0].text


def test_a_lost_fix_and_its_return_are_loud() -> None:
    none = FixQuality.NONE
    out = watch(second(0), second(1), second(2, none), second(3, none), second(4, none), second(5), second(6))
    assert [e.severity for e in out] == [Severity.INFO, Severity.WARNING, Severity.WARNING]
    assert "lost its fix" in out[1].text
    assert "a fix after 3.0 s" in out[2].text


def test_a_receiver_that_begins_without_a_fix_says_so() -> None:
    out = watch(second(0, FixQuality.NONE), second(1, FixQuality.NONE), second(2))
    assert [e.severity for e in out] == [Severity.WARNING, Severity.WARNING]
    assert "has no fix yet" in out[0].text


def test_dead_reckoning_is_a_lost_fix() -> None:
    out = watch(second(0), second(1, FixQuality.ESTIMATED, 3.0), second(2))
    assert "lost its fix (dead reckoning)" in out[1].text


def test_worse_and_better_fixes_are_told_but_not_with_every_flicker() -> None:
    out = watch(*[second(n, FixQuality.RTK_FIXED if n < 12 else FixQuality.RTK_FLOAT, 0.014) for n in range(14)])
    assert [e.severity for e in out] == [Severity.INFO, Severity.WARNING]
    assert "only RTK float now" in out[1].text
    flicker = watch(*[second(n, (FixQuality.RTK_FIXED, FixQuality.RTK_FLOAT)[n % 2], 0.014) for n in range(60)])
    assert 3 <= len(flicker) <= 7


def test_an_impossible_jump_is_flagged_and_a_slow_or_unsure_one_is_not() -> None:
    jump = watch(second(0), second(1), second(2, east_m=30.0), second(3, east_m=30.0))
    assert [e.severity for e in jump] == [Severity.INFO, Severity.WARNING]
    assert "jumped 30.0 m in 1.00 s" in jump[1].text
    assert len(watch(second(0), second(1, east_m=9.0))) == 1
    single = FixQuality.SINGLE
    assert len(watch(second(0, single, 8.0), second(1, single, 8.0, east_m=30.0))) == 1


def test_what_is_missing_in_the_set_up_of_a_receiver_is_told_once() -> None:
    bare = [sentence(f"GNGGA,1200{s:02d}.00,4548.6,N,01558.8,E,4,17,0.7,1.0,M,1,M,1.0,0120") for s in range(30)]
    texts = [e.text for e in watch(*bare) if e.severity is Severity.WARNING]
    assert len(texts) == 2
    assert "Switch its GST sentence on" in texts[0]
    assert "sends no date" in texts[1]


def test_a_computer_whose_clock_is_off_is_told_once() -> None:
    out = watch(*[second(n + 3600) for n in range(5)])
    assert ["3600 s behind" in e.text for e in out if e.severity is Severity.WARNING] == [True]


def test_items_never_wait_longer_than_the_port_and_closing_closes_it() -> None:
    line = Line([b"", second(0), second(1), b""])
    with GnssReceiver(line, clock=lambda: T0, stopwatch=lambda: line.seconds) as receiver:
        lists = [items for _, items in zip(range(4), receiver.items(), strict=False)]
    assert [sum(isinstance(i, Position) for i in items) for items in lists] == [0, 0, 2, 0]
    assert line.closed


def test_a_range_error_of_nothing_is_refused() -> None:
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(SampleError, match="range error"):
            NmeaDecoder(bad)


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(45.81, 15.98), (-33.7, 151.2), (-17.0, -179.99999), (8.5, 179.99999)]
)
def test_the_virtual_receiver_is_read_as_what_it_plays(latitude: float, longitude: float) -> None:
    walk = Walk(latitude, longitude, lane_m=5.0)
    phases = (Phase(3.0, FixQuality.RTK_FIXED, 1e-4, station="0120"), Phase(2.0, FixQuality.NONE))
    decoder, found = NmeaDecoder(), []
    for n, (t, data) in enumerate(told(walk, phases, rate_hz=2.0, start_utc_ns=T0)):
        if n == 40:
            break
        found += [i for i in decoder.feed(data, T0 + round(t * SECOND)) if isinstance(i, Position)]
    found += decoder.flush()
    assert len(found) == 40
    assert decoder.counters.damaged == 0
    for n, p in enumerate(found):
        assert p.receiver_utc_ns == T0 + n * SECOND // 2
        assert p.quality.measured == (n % 10 < 6)
        if p.quality.measured:
            true = walk.place(n / 2)
            assert p.latitude_deg == pytest.approx(true[0], abs=5e-9)
            assert (p.longitude_deg - true[1] + 180) % 360 - 180 == pytest.approx(0.0, abs=5e-9)
