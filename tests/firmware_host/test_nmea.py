"""Sentences of a satellite receiver: what is whole becomes a position, what is not is counted."""

from __future__ import annotations

import datetime
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.samples import NO_TIME, Event, FixQuality, Position, Severity
from firmware_host.nmea import LONGEST_SENTENCE, UERE_M, NmeaDecoder
from firmware_host.virtual.gnss import sentence

SECOND = 1_000_000_000


def ns(text: str) -> int:
    return round(datetime.datetime.fromisoformat(text + "+00:00").timestamp() * SECOND)


def decode(data: bytes, decoder: NmeaDecoder | None = None) -> list[Position]:
    decoder = decoder or NmeaDecoder()
    return [i for i in decoder.feed(data, 7) if isinstance(i, Position)] + decoder.flush()


def gga(
    clock: str = "120000.00", place: str = "4548.6000000,N,01558.8000000,E", quality: str = "4", **more: str
) -> bytes:
    talker, tail = more.get("talker", "GN"), more.get("tail", "17,0.70,120.5,M,44.1,M,1.0,0120")
    return sentence(f"{talker}GGA,{clock},{place},{quality},{tail}")


def gst(clock: str = "120000.00", north: str = "0.010", east: str = "0.010", talker: str = "GN") -> bytes:
    return sentence(f"{talker}GST,{clock},1.9,0.01,0.01,0.0,{north},{east},0.02")


def rmc(clock: str = "120000.00", date: str = "241126") -> bytes:
    return sentence(f"GNRMC,{clock},A,4548.6,N,01558.8,E,0.97,,{date},,,R,V")


PUBLISHED = (
    # the example of the u-blox 8/M8 protocol specification, with its own checksum
    (b"$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n", 47.2852331667, 8.5652650),
    # pynmea2's example, in the southern hemisphere
    (b"$GPGGA,184353.07,1929.045,S,02410.506,E,1,04,2.6,100.00,M,-33.9,M,,0000*6D\r\n", -19.4840833333, 24.1751),
    # Wikipedia's example of NMEA 0183
    (b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n", 48.1173, 11.5166666667),
)


@pytest.mark.parametrize(("data", "latitude", "longitude"), PUBLISHED)
def test_published_sentences_are_read_as_published(data: bytes, latitude: float, longitude: float) -> None:
    (p,) = decode(data)
    assert p.latitude_deg == pytest.approx(latitude, abs=1e-9)
    assert p.longitude_deg == pytest.approx(longitude, abs=1e-9)
    assert p.quality is FixQuality.SINGLE
    assert p.receiver_utc_ns == NO_TIME  # the time of day alone is no time
    assert math.isnan(p.correction_age_s)


def test_one_moment_in_several_sentences_is_one_position() -> None:
    (p,) = decode(rmc() + gga() + gst(north="0.003", east="0.004"))
    assert p.receiver_utc_ns == ns("2026-11-24T12:00:00")
    assert (p.latitude_deg, p.longitude_deg) == (45.81, 15.98)
    assert (p.sigma_m, p.sigma_from) == (pytest.approx(0.005), "gst")
    assert (p.satellites, p.hdop, p.altitude_m) == (17, 0.7, 120.5)
    assert (p.correction_age_s, p.station) == (1.0, "0120")
    assert p.sure


def test_all_four_quarters_of_the_earth_have_their_signs() -> None:
    for north, east in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        place = f"3342.6618,{'N' if north > 0 else 'S'},11751.3858,{'E' if east > 0 else 'W'}"
        (p,) = decode(gga(place=place))
        assert (p.latitude_deg, p.longitude_deg) == (pytest.approx(north * 33.71103), pytest.approx(east * 117.85643))


def test_accuracy_is_stated_or_computed_from_a_code_range_error_or_not_known() -> None:
    (single,) = decode(gga(quality="1", tail="08,1.50,10,M,44,M,,"))
    assert (single.sigma_m, single.sigma_from) == (1.5 * UERE_M, "hdop")
    (own,) = decode(gga(quality="1", tail="08,1.50,10,M,44,M,,"), NmeaDecoder(uere_m=3.0))
    assert own.sigma_m == 4.5
    for quality in ("4", "5", "6", "7", "8"):  # carrier phase, or nothing measured: HDOP says nothing
        (p,) = decode(gga(quality=quality))
        assert math.isnan(p.sigma_m)
        assert p.sigma_from == ""
        assert not p.sure
    (zero,) = decode(gga() + gst(north="0.0", east="0.0"))
    assert math.isnan(zero.sigma_m)
    (empty,) = decode(gga() + gst(north="", east=""))
    assert math.isnan(empty.sigma_m)


def test_without_a_fix_there_is_no_place_even_if_the_receiver_repeats_its_last() -> None:
    for body in (",,,,", "4548.6000000,N,01558.8000000,E"):
        place = body if body.count(",") == 3 else ",,,"
        (p,) = decode(gga(place=place, quality="0", tail="00,99.99,,,,,,"))
        assert p.quality is FixQuality.NONE
        assert math.isnan(p.latitude_deg)
        assert math.isnan(p.longitude_deg)
        assert math.isnan(p.sigma_m)


def test_a_receiver_that_was_just_switched_on_says_moments_without_time() -> None:
    cold = sentence("GNRMC,,V,,,,,,,,,,N,V") + sentence("GNGGA,,,,,,0,00,99.99,,,,,,") + sentence("GNGST,,,,,,,,")
    decoder = NmeaDecoder()
    found = decode(cold * 3, decoder)
    assert [p.quality for p in found] == [FixQuality.NONE] * 3
    assert {p.receiver_utc_ns for p in found} == {NO_TIME}
    assert decoder.counters.damaged == 0


def test_midnight_begins_the_next_day_whichever_sentence_comes_first() -> None:
    a, b, c = "235959.80", "000000.00", "000000.20"
    data = rmc(a) + gga(a) + gga(b) + rmc(b, "251126") + gga(c) + rmc(c, "251126")
    times = [p.receiver_utc_ns for p in decode(data)]
    assert times == [ns("2026-11-24T23:59:59.800"), ns("2026-11-25T00:00:00"), ns("2026-11-25T00:00:00.200")]
    undated = rmc(a) + gga(a) + gga(b) + gga(c)
    assert [p.receiver_utc_ns for p in decode(undated)] == times


def test_new_years_eve_of_a_leap_year_and_the_leap_day() -> None:
    assert decode(sentence("GNZDA,120000.00,29,02,2028,00,00") + gga())[0].receiver_utc_ns == ns("2028-02-29T12:00:00")
    data = rmc("235959.00", "311228") + gga("235959.00") + gga("000000.00")
    assert [p.receiver_utc_ns for p in decode(data)] == [ns("2028-12-31T23:59:59"), ns("2029-01-01T00:00:00")]


def test_a_leap_second_has_a_place_and_no_time() -> None:
    found = decode(rmc("235959.00") + gga("235959.00") + gga("235960.00") + gga("000000.00"))
    assert [p.receiver_utc_ns == NO_TIME for p in found] == [False, True, False]
    assert all(p.quality is FixQuality.RTK_FIXED for p in found)


def test_the_solution_of_all_systems_counts_before_that_of_one() -> None:
    one, all_ = gst(north="3.0", east="4.0", talker="GL"), gst(north="0.3", east="0.4")
    other = gga(place="0000.0,N,00000.0,E", quality="1", talker="GP")
    for data in (other + gga() + one + all_, gga() + other + all_ + one):
        (p,) = decode(data)
        assert (p.latitude_deg, p.sigma_m) == (45.81, 0.5)


def test_the_solution_of_all_systems_counts_in_every_moment_not_only_the_first() -> None:
    decoder, found = NmeaDecoder(), []
    for s in range(5):
        clock = f"12000{s}.00"
        data = gga(clock) + gst(clock, "3.0", "4.0", "GP") + gst(clock, "6.0", "8.0", "GL") + gst(clock, "0.3", "0.4")
        found += [i for i in decoder.feed(data, 7) if isinstance(i, Position)]
    assert [p.sigma_m for p in found + decoder.flush()] == [0.5] * 5


def test_a_position_comes_with_the_last_sentence_of_its_moment_once_that_is_known() -> None:
    decoder = NmeaDecoder()
    clocks = [f"12000{s}.00" for s in range(4)]
    assert decoder.feed(rmc(clocks[0]) + gga(clocks[0]) + gst(clocks[0]), 7) == []
    assert len(decoder.feed(rmc(clocks[1]), 8)) == 1
    for clock in clocks[1:]:
        assert decoder.feed(rmc(clock) * (clock != clocks[1]) + gga(clock), 8) == []
        (p,) = decoder.feed(gst(clock), 9)
        assert isinstance(p, Position)
        assert p.utc_ns == 8  # when its first sentence came, not its last


def test_accuracy_that_is_sent_now_and_then_is_not_lost() -> None:
    decoder, found = NmeaDecoder(), []
    for s in range(40):
        clock = f"1200{s:02d}.00"
        data = gga(clock) + (gst(clock) if s % 5 == 4 else b"")
        found += [i for i in decoder.feed(data, s) if isinstance(i, Position)]
    found += decoder.flush()
    assert len(found) == 40
    told = [i for i, p in enumerate(found) if p.sigma_from == "gst"]
    # the first comes as a surprise after its moment is out; from then on it is waited for
    assert told == [9, 14, 19, 24, 29, 34, 39]


def test_a_receiver_that_changes_its_sentences_is_followed() -> None:
    decoder = NmeaDecoder()
    for s in range(5):
        clock = f"12000{s}.00"
        decoder.feed(gga(clock) + gst(clock), s)
    late = []
    for s in range(30):
        out = decoder.feed(gga(f"1201{s:02d}.00"), 100 + s)
        late.append([i.utc_ns for i in out if isinstance(i, Position)] != [100 + s])
    assert all(late[:9])
    assert not any(late[12:])


def test_damaged_sentences_are_left_out_counted_and_told() -> None:
    decoder = NmeaDecoder()
    good = gga()
    wrong = bytearray(gga("120001.00"))
    wrong[20] ^= 1
    data = good + bytes(wrong) + gga("120002.00")[:30] + gga("120003.00") + b"$GNGGA,no checksum\r\n"
    data += sentence("GNGGA,120004.00,9548.6,N,01558.8,E,4,17,0.7,1,M,1,M,,") + gga("120005.00", quality="9")
    out = decoder.feed(data, 7)
    assert [i.kind for i in out if isinstance(i, Event)] == ["gnss"]
    (event,) = (i for i in out if isinstance(i, Event))
    assert event.severity is Severity.WARNING
    assert "5 sentences" in event.text
    assert "1 wrong checksum, 2 not whole, 2 without sense" in event.text
    assert "quality 9" in event.text
    c = decoder.counters
    assert (c.sentences, c.bad_checksum, c.broken, c.senseless) == (4, 1, 2, 2)
    assert [p.latitude_deg for p in [i for i in out if isinstance(i, Position)] + decoder.flush()] == [45.81] * 2


def test_every_single_bit_error_is_noticed() -> None:
    data = gga()
    for at in range(len(data) - 2):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            found = decode(bytes(damaged))
            if found:  # the letters of a checksum may be small
                assert bytes(damaged).upper() == data
                assert at >= len(data) - 4


@pytest.mark.parametrize("field", ["nan", "inf", "-1.0", "1e999"])
def test_numbers_that_cannot_be_are_refused(field: str) -> None:
    decoder = NmeaDecoder()
    (p,) = decode(gga() + gst(north=field), decoder)
    assert math.isnan(p.sigma_m)
    assert decoder.counters.senseless == 1


def test_stations_with_letters_are_kept() -> None:
    (p,) = decode(gga(tail="17,0.70,120.5,M,44.1,M,1.0,RTX1"))
    assert p.station == "RTX1"


def test_binary_messages_between_sentences_do_no_harm() -> None:
    ubx = bytes.fromhex("b56201071c00") + bytes(range(92)) + b"$GN$$,*\x00$" + bytes.fromhex("0a0d24")
    decoder = NmeaDecoder()
    found = decode(b"".join(ubx + gga(f"12000{s}.00") + ubx for s in range(5)), decoder)
    assert len(found) == 5
    assert decoder.counters.damaged == 0


def test_what_a_wrong_baud_rate_makes_of_sentences_gives_nothing_and_stays_small() -> None:
    decoder = NmeaDecoder()
    garbage = bytes((b * 37 + i) % 256 for i, b in enumerate(gga() * 5000))
    assert decode(garbage, decoder) == []
    decoder.feed(b"$GNGGA," + b"1" * 100_000, 7)
    decoder.feed(b"x" * 100_000, 7)
    assert len(decoder._buffer) <= LONGEST_SENTENCE
    assert len(decode(gga() + gga("120001.00"), decoder)) == 2


def stream() -> bytes:
    parts = []
    for s in range(12):
        clock = f"2359{48 + s:02d}.00" if s < 8 else f"0000{s - 8:02d}.00"
        parts += [rmc(clock, "241126" if s < 8 else "251126"), gga(clock, quality="045"[s % 3] if s else "1")]
        parts += [gst(clock)] if s % 4 else [bytes.fromhex("b5620135") + b"$GNGGA,1" + bytes(range(40))]
        parts += [gga(clock)[:25]] if s == 5 else []
    data = bytearray(b"".join(parts))
    data[len(rmc()) + 40] ^= 4
    return bytes(data)


@settings(max_examples=200, deadline=None)
@given(cuts=st.lists(st.integers(0, len(stream())), max_size=30))
def test_any_cut_of_the_bytes_gives_the_same_positions(cuts: list[int]) -> None:
    data = stream()
    whole = NmeaDecoder()
    expected = decode(data, whole)
    assert len(expected) == 11
    decoder, found = NmeaDecoder(), []
    edges = [0, *sorted(cuts), len(data)]
    for a, b in pairwise(edges):
        found += [i for i in decoder.feed(data[a:b], 7) if isinstance(i, Position)]
    found += decoder.flush()
    assert repr(found) == repr(expected)  # NaN is not equal to itself; its text is
    assert decoder.counters == whole.counters


def test_byte_by_byte_gives_the_same_positions() -> None:
    data, decoder, found = stream(), NmeaDecoder(), []
    for i in range(len(data)):
        found += [i for i in decoder.feed(data[i : i + 1], 7) if isinstance(i, Position)]
    assert repr(found + decoder.flush()) == repr(decode(data))


@settings(max_examples=300, deadline=None)
@given(
    data=st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([gga(), gst(), rmc(), b"$", b"*", b"\r\n", b"$GNGGA,"]))
    )
)
def test_no_bytes_bring_the_decoder_down(data: list[bytes]) -> None:
    decoder = NmeaDecoder()
    for part in data:
        decoder.feed(part, 7)
        assert len(decoder._buffer) <= LONGEST_SENTENCE
    decoder.flush()


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["GGA", "GST", "RMC", "ZDA"]),
    fields=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$*,"), max_size=8)),
)
def test_sentences_with_a_good_checksum_and_any_content_are_read_or_refused(kind: str, fields: list[str]) -> None:
    decoder = NmeaDecoder()
    for p in decode(sentence(f"GN{kind},{','.join(fields)}"), decoder):
        assert not p.quality.measured or abs(p.latitude_deg) <= 90
    assert decoder.counters.sentences + decoder.counters.broken <= 1
