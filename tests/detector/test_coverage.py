"""Which ground counts as swept: only where every sensor passed with valid data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.coverage import F8, Coverage, CoverageSettings
from detector.errors import SampleError
from detector.ground_map import OUTSIDE, Bool, Ground, map_of

SENSORS = ("metal", "radar")


def walk(
    coverage: Coverage,
    sensor: str,
    y: float,
    start: float = 0.0,
    end: float = 4.0,
    t0: float = 0.0,
    valid: Callable[[F8], Bool] = lambda x: x > -1,
) -> None:
    """Pass along the lane at that distance from its side, at 1 m/s, with a record every 2 cm."""
    x = np.arange(start, end, 0.02)
    coverage.add(sensor, x, np.full(len(x), y), t0 + x, valid(x))


def test_ground_that_one_sensor_missed_was_not_swept() -> None:
    coverage = Coverage(4.0, 0.4, SENSORS)
    walk(coverage, "metal", 0.2)
    assert coverage.map().shares()[Ground.VALID] == 0.0
    assert coverage.map().shares()[Ground.INVALID] > 0.4
    walk(coverage, "radar", 0.2)
    assert coverage.map().shares()[Ground.VALID] > 0.4


def test_the_footprint_is_what_is_covered_across() -> None:
    coverage = Coverage(4.0, 1.0, ("metal",), CoverageSettings(radius_m=0.1))
    walk(coverage, "metal", 0.5)
    rows = np.flatnonzero(coverage.map().states[40] >= Ground.VALID)
    assert list(rows) == [8, 9, 10, 11]  # 0.4 to 0.6 m in cells of 5 cm


def test_a_second_pass_later_is_overlap_and_the_same_pass_is_not() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1)
    assert coverage.map().shares()[Ground.OVERLAPPED] == 0.0
    walk(coverage, "metal", 0.1, t0=60.0)
    assert coverage.map().shares()[Ground.OVERLAPPED] > 0.9


def test_invalid_ground_is_a_hole_until_it_is_swept_again() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1, end=4.2, valid=lambda x: (x < 1.5) | (x > 2.5))
    (hole,) = [h for h in coverage.map().holes() if h.area_m2 >= 0.01]
    assert hole.state is Ground.INVALID
    assert hole.x_m == (pytest.approx(1.6, abs=0.1), pytest.approx(2.4, abs=0.1))
    walk(coverage, "metal", 0.1, 1.3, 2.7, t0=60.0)
    assert [h for h in coverage.map().holes() if h.area_m2 >= 0.01] == []


def test_an_invalid_pass_does_not_undo_a_valid_one() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1)
    before = coverage.map().states
    walk(coverage, "metal", 0.1, t0=60.0, valid=lambda x: x < 0)
    np.testing.assert_array_equal(coverage.map().states, before)


def test_records_without_a_place_or_placed_unsurely_cover_nothing() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    x = np.arange(0, 4, 0.02)
    y, t, valid = np.full(len(x), 0.1), x, np.ones(len(x), bool)
    coverage.add("metal", np.full(len(x), np.nan), y, t, valid)
    coverage.add("metal", x, y, t, valid, sigma_m=np.full(len(x), 0.3))
    coverage.add("metal", x, y, t, valid, sigma_m=np.full(len(x), np.nan))
    assert coverage.map().shares()[Ground.NOT_REACHED] == 1.0


def test_only_ground_in_the_polygon_counts() -> None:
    triangle = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]])
    coverage = Coverage(4.0, 2.0, ("metal",), inside=[triangle])
    assert coverage.inside.mean() == pytest.approx(0.5, abs=0.01)
    for k, y in enumerate(np.arange(0.05, 2.0, 0.1)):
        walk(coverage, "metal", y, end=4.1, t0=10.0 * k)
    assert coverage.map().holes() == []
    assert sum(coverage.map().shares().values()) == pytest.approx(1.0)


def test_a_longer_lane_keeps_what_was_passed() -> None:
    coverage = Coverage(2.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1, end=2.0)
    before = coverage.map().states
    coverage.extend(4.0)
    np.testing.assert_array_equal(coverage.map().states[:40], before)
    assert (coverage.map().states[40:] == Ground.NOT_REACHED).all()


@pytest.mark.parametrize("size", [(0.0, 1.0), (float("nan"), 1.0), (1e5, 1e3)])
def test_a_lane_that_cannot_be_is_refused(size: tuple[float, float]) -> None:
    with pytest.raises(SampleError, match="lane"):
        Coverage(*size, SENSORS)


@given(st.data())
def test_any_cut_of_the_records_gives_the_same_ground(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    n = 200
    x, y, t = np.cumsum(rng.normal(0.02, 0.05, n)), rng.uniform(0, 0.5, n), np.arange(n) * 0.1
    valid = rng.random(n) < 0.7
    whole, cut = (Coverage(4.0, 0.5, ("metal",)) for _ in range(2))
    whole.add("metal", x, y, t, valid)
    at = 0
    while at < n:
        k = data.draw(st.integers(1, n - at))
        cut.add("metal", x[at : at + k], y[at : at + k], t[at : at + k], valid[at : at + k])
        at += k
    np.testing.assert_array_equal(whole.map().states, cut.map().states)


def test_the_footprint_shrinks_by_the_accuracy_of_the_place() -> None:
    coverage = Coverage(4.0, 1.0, ("metal",), CoverageSettings(radius_m=0.2))
    x = np.arange(0, 4, 0.02)
    coverage.add("metal", x, np.full(len(x), 0.5), x, x > -1, np.full(len(x), 0.1))
    states = coverage.map().states[40]
    assert list(np.flatnonzero(states >= Ground.VALID)) == [8, 9, 10, 11]  # 0.1 m to each side
    assert list(np.flatnonzero(states >= Ground.INVALID)) == list(range(6, 14))  # it was there, though


@pytest.mark.parametrize("sigma", [0.1, 0.2, 5.0, float("inf"), float("nan")])
def test_a_place_less_sure_than_the_footprint_counts_nowhere(sigma: float) -> None:
    coverage = Coverage(4.0, 0.2, ("metal",), CoverageSettings(radius_m=0.1))
    x = np.arange(0, 4, 0.02)
    coverage.add("metal", x, np.full(len(x), 0.1), x, x > -1, np.full(len(x), sigma))
    assert coverage.map().counted_m2 == 0.0


def test_each_sensor_has_its_own_footprint_and_the_smaller_one_counts() -> None:
    coverage = Coverage(4.0, 1.0, SENSORS, radii_m={"metal": 0.3, "radar": 0.1})
    for sensor in SENSORS:
        walk(coverage, sensor, 0.5)
    assert list(np.flatnonzero(coverage.map().counts[40])) == [8, 9, 10, 11]


@pytest.mark.parametrize("place", [1e300, -1e300, 1e18, float("inf")])
def test_a_place_from_another_world_marks_nothing(place: float) -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    one = np.ones(1)
    for x, y in ((place, 0.1), (0.1, place)):
        coverage.add("metal", x * one, y * one, one, one > 0)
    assert coverage.map().shares()[Ground.NOT_REACHED] == 1.0


def test_where_two_passes_are_asked_for_one_leaves_a_gap() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",), CoverageSettings(passes=2))
    walk(coverage, "metal", 0.1, end=4.2)
    (hole,) = coverage.map().holes()
    assert hole.state is Ground.VALID
    walk(coverage, "metal", 0.1, end=4.2, t0=60.0)
    assert coverage.map().holes() == []
    assert coverage.map().percent == 100.0


def test_a_failed_function_test_puts_all_ground_since_the_last_passed_one_in_doubt() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1, end=1.0)
    coverage.confirm()
    walk(coverage, "metal", 0.1, 1.0, 4.2, t0=60.0)
    assert coverage.map().percent == 100.0
    lost = coverage.doubt()
    assert lost == pytest.approx(0.2 * 2.9, abs=0.03)  # the footprint reached 0.1 m ahead
    (hole,) = coverage.map().holes()
    assert hole.doubted
    assert "function test" in hole.why
    assert hole.x_m == (pytest.approx(1.1, abs=0.06), 4.0)
    assert coverage.doubt() == 0.0  # nothing is lost twice
    walk(coverage, "metal", 0.1, 0.9, 4.2, t0=120.0)
    assert coverage.map().holes() == []


def test_a_pass_that_only_overlapped_is_forgotten_with_a_failed_test_and_the_first_one_stays() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1, end=4.2)
    coverage.confirm()
    walk(coverage, "metal", 0.1, end=4.2, t0=60.0)
    assert coverage.map().shares()[Ground.OVERLAPPED] == 1.0
    coverage.doubt()
    assert coverage.map().shares()[Ground.VALID] == 1.0
    assert not coverage.map().doubted.any()


def test_ground_not_reached_and_ground_not_valid_are_gaps_of_their_own() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1, end=2.0, valid=lambda x: x < 1.0)
    first, second = coverage.map().holes()
    assert (first.state, second.state) == (Ground.INVALID, Ground.NOT_REACHED)
    assert first.area_m2 + second.area_m2 == pytest.approx(coverage.map().area_m2 - coverage.map().counted_m2)
    assert int(coverage.map().cells_of(second).sum()) * 0.05**2 == pytest.approx(second.area_m2)


def test_a_smaller_picture_never_hides_a_gap() -> None:
    coverage = Coverage(10.0, 1.0, ("metal",))
    for k, y in enumerate(np.arange(0.05, 1.0, 0.1)):
        walk(coverage, "metal", y, end=10.2, t0=20.0 * k)
    ground = coverage.map()
    ground.states[77, 3] = Ground.INVALID
    shown, step = ground.coarse(100)
    assert shown.size <= 100
    assert shown[77 // step, 3 // step] == Ground.INVALID
    assert np.count_nonzero(shown == Ground.INVALID) == 1
    assert not np.any(shown == OUTSIDE)


@given(st.data())
def test_a_map_kept_as_runs_comes_back_the_same(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.5]])
    coverage = Coverage(1.0, 0.5, ("metal",), inside=[triangle])
    n = 30
    x, y, t = rng.uniform(-0.2, 1.2, n), rng.uniform(-0.2, 0.7, n), np.arange(n) * 1.0
    coverage.add("metal", x, y, t, rng.random(n) < 0.6)
    coverage.doubt() if data.draw(st.booleans()) else coverage.confirm()
    before = coverage.map()
    after = map_of(before.runs(1, 5), before.inside, before.cell_m)
    np.testing.assert_array_equal(before.states, after.states)
    np.testing.assert_array_equal(before.doubted & before.inside, after.doubted)
    assert before.holes() == after.holes()


def test_the_ragged_edge_of_a_strip_is_part_of_the_gap_beside_it_and_nothing_is_lost() -> None:
    coverage = Coverage(4.0, 0.6, SENSORS, radii_m={"metal": 0.1, "radar": 0.1})
    coverage.add("metal", *(np.arange(0, 4.1, 0.001), np.full(4100, 0.08), np.arange(4100) * 1e-3, np.ones(4100, bool)))
    x = np.arange(0, 4.1, 0.15)
    coverage.add("radar", x, np.full(len(x), 0.08), x, x > -1)
    ground = coverage.map()
    (hole,) = ground.holes()
    assert hole.area_m2 == pytest.approx(ground.area_m2 - ground.counted_m2)
    assert int(ground.cells_of(hole).sum()) == int((ground.inside & ~ground.counts).sum())
