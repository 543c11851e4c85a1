"""Places of samples: near the truth within what they claim, and none where nobody knows."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import SampleError
from detector.positions import FLATTENING, SEMI_MAJOR_M, PlacingSettings, Track, east_north_m, metres_per_degree
from detector.samples import NO_TIME, FixQuality, Position
from firmware_host.nmea import NmeaDecoder
from firmware_host.virtual.gnss import Phase, Walk, told

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
EXACT = PlacingSettings(latency_s=0.0, time_sigma_s=0.0)
LAT, LON = 45.81, 15.98
PER_LON, PER_LAT = (float(m[0]) for m in metres_per_degree(np.array([LAT])))


def fix(t_s: float, east_m: float = 0.0, north_m: float = 0.0, **more) -> Position:
    time = T0 + round(t_s * SECOND)
    values = {
        "utc_ns": time,
        "receiver_utc_ns": time,
        "latitude_deg": LAT + north_m / PER_LAT,
        "longitude_deg": LON + east_m / PER_LON,
        "altitude_m": 100.0,
        "quality": FixQuality.RTK_FIXED,
        "sigma_m": 0.014,
        "sigma_from": "gst",
        "satellites": 17,
        "hdop": 0.7,
        "correction_age_s": 1.0,
        "station": "0120",
    }
    return Position(**{**values, **more})


def no_fix(t_s: float) -> Position:
    nothing = dict.fromkeys(("latitude_deg", "longitude_deg", "altitude_m", "sigma_m"), math.nan)
    return fix(t_s, quality=FixQuality.NONE, **nothing)


def at(*t_s: float) -> np.ndarray:
    return np.array([T0 + round(t * SECOND) for t in t_s], np.int64)


def metres(places) -> tuple[np.ndarray, np.ndarray]:
    n = len(places)
    return east_north_m(np.full(n, LAT), np.full(n, LON), places.latitude_deg, places.longitude_deg)


def ecef(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Points on the ellipsoid in Earth-centred axes: the textbook's closed form, which the code does not use."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    e2 = FLATTENING * (2 - FLATTENING)
    n = SEMI_MAJOR_M / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    return np.array([n * np.cos(phi) * np.cos(lam), n * np.cos(phi) * np.sin(lam), n * (1 - e2) * np.sin(phi)])


@pytest.mark.parametrize(("radius", "most"), [(10.0, 1e-4), (100.0, 6e-3)])
@pytest.mark.parametrize("latitude", [-80.0, -33.0, 0.0, 45.0, 60.0, 80.0])
def test_the_plane_errs_by_no_more_than_it_says(latitude: float, radius: float, most: float) -> None:
    angle = np.radians(np.arange(0, 360, 5))
    east, north = radius * np.sin(angle), radius * np.cos(angle)
    per_lon, per_lat = metres_per_degree(np.array([latitude]))
    lat, lon = latitude + north / per_lat, 10.0 + east / per_lon
    d = ecef(lat, lon) - ecef(np.array([latitude]), np.array([10.0]))
    phi, lam = np.radians(latitude), np.radians(10.0)
    true_east = -np.sin(lam) * d[0] + np.cos(lam) * d[1]
    true_north = -np.sin(phi) * (np.cos(lam) * d[0] + np.sin(lam) * d[1]) + np.cos(phi) * d[2]
    assert np.hypot(true_east - east, true_north - north).max() < most


def test_degrees_have_their_published_lengths() -> None:
    # lengths of a degree on WGS-84, National Geospatial-Intelligence Agency: at 0, 45 and 60 degrees of latitude
    longitude, latitude = metres_per_degree(np.array([0.0, 45.0, 60.0]))
    np.testing.assert_allclose(longitude, [111_320, 78_847, 55_800], atol=1.0)
    np.testing.assert_allclose(latitude, [110_574, 111_132, 111_412], atol=1.0)


def test_a_sample_between_two_fixes_lies_between_them_and_is_least_sure_in_the_middle() -> None:
    track = Track([fix(0), fix(1, east_m=1.0, north_m=-2.0)], EXACT)
    places = track.places(at(0, 0.25, 0.5, 1))
    east, north = metres(places)
    np.testing.assert_allclose(east, [0, 0.25, 0.5, 1.0], atol=1e-6)
    np.testing.assert_allclose(north, [0, -0.5, -1.0, -2.0], atol=1e-6)
    # 1 m/s2 over one second: at most 1/8 m beside the straight line
    np.testing.assert_allclose(places.sigma_m, [0.014, math.hypot(0.014, 3 / 32), math.hypot(0.014, 1 / 8), 0.014])


def test_accuracy_follows_that_of_the_nearer_fix() -> None:
    places = Track([fix(0), fix(0.1, sigma_m=2.0)], EXACT).places(at(0.0, 0.05, 0.1))
    np.testing.assert_allclose(places.sigma_m, [0.014, 1.007, 2.0], rtol=1e-5)


def test_accuracy_falls_with_speed_where_times_are_not_sure() -> None:
    settings_ = PlacingSettings(latency_s=0.0, time_sigma_s=0.1)
    slow, fast = (Track([fix(0), fix(1, east_m=v)], settings_).places(at(0.0)).sigma_m[0] for v in (0.0, 2.0))
    assert (slow, fast) == (pytest.approx(0.014), pytest.approx(math.hypot(0.014, 0.2)))


@pytest.mark.parametrize(
    "positions",
    [
        [],
        [fix(0)],
        [fix(0), fix(3.1)],
        [fix(0), fix(1, east_m=3.2)],
        [fix(0), fix(0.1, east_m=2.0)],
        [fix(0), no_fix(0.5), fix(1)],
        [fix(0), fix(1, sigma_m=math.nan)],
        [fix(0, sigma_m=math.nan), fix(1)],
        [fix(0), fix(1, quality=FixQuality.ESTIMATED)],
        [fix(0), fix(1, quality=FixQuality.SIMULATED)],
        [fix(0, quality=FixQuality.MANUAL), fix(1)],
        [fix(5), fix(6)],
        [fix(-2), fix(-1)],
    ],
    ids=[
        "no fix at all", "one fix", "too long", "too far", "too fast", "no fix between", "accuracy of one not known",
        "accuracy of the other not known", "dead reckoning", "simulated", "typed in", "before the first",
        "after the last",
    ],
)  # fmt: skip
def test_there_is_no_place_where_nobody_knows(positions: list[Position]) -> None:
    places = Track(positions, EXACT).places(at(0.5))
    assert not places.known.any()
    assert np.isnan(places.latitude_deg).all()
    assert np.isnan(places.longitude_deg).all()


def test_a_jump_within_what_single_fixes_err_by_is_no_error() -> None:
    pair = [fix(0, sigma_m=8.0), fix(0.1, east_m=2.0, sigma_m=8.0)]
    assert Track(pair, EXACT).places(at(0.05)).known.all()


def test_a_loss_of_the_fix_closes_its_neighbours_only() -> None:
    track = Track([fix(0), fix(1), no_fix(2), fix(3), fix(4)], EXACT)
    assert track.places(at(0.5, 1.5, 2.5, 3.5)).known.tolist() == [True, False, False, True]


def test_where_two_say_different_things_of_one_moment_the_worse_counts() -> None:
    track = Track([fix(0), fix(1), no_fix(1), fix(2), fix(3)], EXACT)
    assert track.places(at(0.5, 1.5, 2.5)).known.tolist() == [False, False, True]


def test_the_antimeridian_is_no_border() -> None:
    for south in (1, -1):
        a = fix(0, latitude_deg=south * 17.0, longitude_deg=179.999995)
        b = fix(1, latitude_deg=south * 17.0, longitude_deg=-179.999995)
        places = Track([a, b], EXACT).places(at(0.25, 0.75))
        assert places.known.all()
        np.testing.assert_allclose(places.longitude_deg, [179.9999975, -179.9999975], atol=1e-9)


def test_late_sentences_do_not_move_a_place() -> None:
    rng = np.random.default_rng(3)
    late = np.concatenate(([0.05], rng.uniform(0.05, 0.9, 29)))
    walk = [fix(t, east_m=t, utc_ns=int(at(t + d)[0])) for t, d in enumerate(late)]
    east, _ = metres(Track(walk, PlacingSettings(latency_s=0.05)).places(at(3.5, 17.25)))
    np.testing.assert_allclose(east, [3.5, 17.25], atol=1e-6)


def test_a_host_clock_that_is_off_by_years_places_all_the_same() -> None:
    off = 5 * 365 * 86400 * SECOND
    walk = [fix(t, east_m=t, receiver_utc_ns=T0 + t * SECOND - off) for t in range(10)]
    east, _ = metres(Track(walk, EXACT).places(at(4.5)))
    assert east[0] == pytest.approx(4.5, abs=1e-6)


@pytest.mark.parametrize("leap_s", [-2.5, 2.5])
def test_a_receiver_clock_that_is_set_gives_no_wrong_place(leap_s: float) -> None:
    walk = [
        fix(t, east_m=t, receiver_utc_ns=T0 + t * SECOND + (round(leap_s * SECOND) if t >= 100 else 0))
        for t in range(200)
    ]
    asked = at(*np.arange(0.5, 199))
    places = Track(walk, EXACT).places(asked)
    east, _ = metres(places)
    wrong = np.abs(east - np.arange(0.5, 199)) > 0.001
    assert not (wrong & places.known).any()
    assert places.known[:30].all()
    assert places.known[-30:].all()
    assert not places.known.all()


def test_fixes_without_a_date_are_placed_by_their_arrival() -> None:
    walk = [fix(t, east_m=t, receiver_utc_ns=NO_TIME) for t in range(5)]
    east, _ = metres(Track(walk, EXACT).places(at(2.5)))
    assert east[0] == pytest.approx(2.5, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=10), order=st.randoms(use_true_random=False))
def test_every_sample_is_placed_by_itself(cuts: list[int], order) -> None:
    rng = np.random.default_rng(1)
    walk = [no_fix(t) if t in (7, 12) else fix(t, *rng.normal(size=2)) for t in range(20)]
    asked = at(*np.linspace(-1, 21, 400))
    odometer = (at(*np.arange(0, 20, 0.05)), np.arange(0, 20, 0.05) * 0.6)
    track = Track(walk, EXACT, odometer)
    whole = track.places(asked)
    edges = [0, *sorted(cuts), 400]
    parts = [track.places(asked[a:b]) for a, b in pairwise(edges)]
    for name in ("latitude_deg", "longitude_deg", "sigma_m"):
        assert np.concatenate([getattr(p, name) for p in parts]).tobytes() == getattr(whole, name).tobytes()
    shuffled = list(range(400))
    order.shuffle(shuffled)
    assert track.places(asked[shuffled]).sigma_m.tobytes() == whole.sigma_m[shuffled].tobytes()


def stop_and_go(t: np.ndarray) -> np.ndarray:
    """Way along the lane, m: half a second of walking at 1 m/s, half a second of standing."""
    return np.floor(t) * 0.5 + np.minimum(t % 1.0, 0.5)


def test_an_odometer_knows_where_a_stop_was() -> None:
    walk = [fix(t, east_m=float(stop_and_go(np.array(t)))) for t in range(11)]
    t = np.arange(0.0, 10.0, 0.02)
    without = Track(walk, EXACT).places(at(*t))
    with_ = Track(walk, EXACT, (at(*t, 10.0), np.append(stop_and_go(t), 5.0))).places(at(*t))
    truth = stop_and_go(t)
    error_without, error_with = (np.abs(metres(p)[0] - truth) for p in (without, with_))
    assert error_without.max() > 0.2
    assert error_with.max() < 1e-4
    assert (with_.sigma_m <= without.sigma_m + 1e-12).all()
    assert with_.sigma_m.max() < 0.02


def test_on_a_bent_way_the_odometer_claims_no_more_than_is_true() -> None:
    # half a circle of 0.6 m between two fixes: as bent as a way can be that still goes somewhere
    u = np.linspace(0, 1, 101)
    east, north = 0.6 - 0.6 * np.cos(np.pi * u), 0.6 * np.sin(np.pi * u)
    walk = [fix(0), fix(3, east_m=1.2)]
    generous = PlacingSettings(latency_s=0, time_sigma_s=0, acceleration_m_per_s2=50.0)
    places = Track(walk, generous, (at(*(3 * u)), 0.6 * np.pi * u)).places(at(*(3 * u)))
    x, y = metres(places)
    assert (np.hypot(x - east, y - north) <= places.sigma_m).all()
    assert places.sigma_m.max() < 0.8


@pytest.mark.parametrize(
    "distance",
    [np.full(61, 1.0), np.linspace(0, 0.3, 61), np.abs(np.linspace(-1, 1, 61)), np.full(61, np.nan)],
    ids=["stands still", "slips", "turns back", "is not known"],
)
def test_an_odometer_that_cannot_be_right_is_not_used(distance: np.ndarray) -> None:
    walk = [fix(0), fix(3, east_m=1.2)]
    t = np.linspace(0, 3, 61)
    with_ = Track(walk, EXACT, (at(*t), distance)).places(at(*t))
    without = Track(walk, EXACT).places(at(*t))
    assert with_.sigma_m.tobytes() == without.sigma_m.tobytes()


def test_an_odometer_with_a_gap_is_not_used_across_it() -> None:
    walk = [fix(0), fix(3, east_m=1.2)]
    t = np.delete(np.linspace(0, 3, 61), np.s_[20:40])
    with_ = Track(walk, EXACT, (at(*t), t * 0.4)).places(at(1.5))
    assert with_.sigma_m == Track(walk, EXACT).places(at(1.5)).sigma_m


def test_odometers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SampleError, match="do not increase"):
        Track([], EXACT, (at(0, 0), np.zeros(2)))
    with pytest.raises(SampleError, match="2 odometer times came with 3"):
        Track([], EXACT, (at(0, 1), np.zeros(3)))


def test_positions_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SampleError, match="latitude"):
        fix(0, latitude_deg=90.1)
    with pytest.raises(SampleError, match="longitude"):
        fix(0, longitude_deg=math.nan)
    with pytest.raises(SampleError, match="more than 0 m"):
        fix(0, sigma_m=0.0)


def test_claimed_accuracy_holds_on_walks_with_known_truth() -> None:
    """Errors over claimed sigma: their mean square is at most 1 by the meaning of sigma_m, and not far below."""
    walk = Walk(speed_m_per_s=0.7)
    phases = (
        Phase(20, FixQuality.SINGLE, 1.8),
        Phase(20, FixQuality.RTK_FLOAT, 0.25),
        Phase(40, FixQuality.RTK_FIXED, 0.014),
    )
    ratios = []
    for seed in range(20):
        decoder, positions = NmeaDecoder(), []
        for t, data in islice(told(walk, phases, rate_hz=1.0, start_utc_ns=T0, seed=seed), 400):
            positions += [i for i in decoder.feed(data, T0 + round(t * SECOND)) if isinstance(i, Position)]
        track = Track(positions, PlacingSettings(latency_s=0.0))
        t = np.arange(1.0, 398.0, 0.37)
        places = track.places(at(*t))
        assert places.known.mean() > 0.7
        true = np.array([walk.place(x) for x in t]).T
        east, north = east_north_m(true[0], true[1], places.latitude_deg, places.longitude_deg)
        ratios.append((np.hypot(east, north) / places.sigma_m)[places.known])
    mean_square = float(np.mean(np.concatenate(ratios) ** 2))
    assert 0.2 < mean_square < 1.1


def test_a_position_tells_whether_it_can_place() -> None:
    assert fix(0).sure
    assert not replace(fix(0), sigma_m=math.nan).sure
    assert not no_fix(0).sure
