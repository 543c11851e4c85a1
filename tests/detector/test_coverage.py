"""Which ground counts as swept: only where every sensor passed with valid data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.coverage import F8, Bool, Coverage, CoverageSettings, Ground
from detector.errors import SampleError

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
    assert coverage.shares()[Ground.VALID] == 0.0
    assert coverage.shares()[Ground.INVALID] > 0.4
    walk(coverage, "radar", 0.2)
    assert coverage.shares()[Ground.VALID] > 0.4


def test_the_footprint_is_what_is_covered_across() -> None:
    coverage = Coverage(4.0, 1.0, ("metal",), CoverageSettings(radius_m=0.1))
    walk(coverage, "metal", 0.5)
    rows = np.flatnonzero(coverage.states()[40] >= Ground.VALID)
    assert list(rows) == [8, 9, 10, 11]  # 0.4 to 0.6 m in cells of 5 cm


def test_a_second_pass_later_is_overlap_and_the_same_pass_is_not() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1)
    assert coverage.shares()[Ground.OVERLAPPED] == 0.0
    walk(coverage, "metal", 0.1, t0=60.0)
    assert coverage.shares()[Ground.OVERLAPPED] > 0.9


def test_invalid_ground_is_a_hole_until_it_is_swept_again() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1, end=4.2, valid=lambda x: (x < 1.5) | (x > 2.5))
    (hole,) = coverage.holes(0.01)
    assert hole.reached
    assert hole.x_m == (pytest.approx(1.6, abs=0.1), pytest.approx(2.4, abs=0.1))
    walk(coverage, "metal", 0.1, 1.3, 2.7, t0=60.0)
    assert coverage.holes(0.01) == []


def test_an_invalid_pass_does_not_undo_a_valid_one() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1)
    before = coverage.states()
    walk(coverage, "metal", 0.1, t0=60.0, valid=lambda x: x < 0)
    np.testing.assert_array_equal(coverage.states(), before)


def test_records_without_a_place_or_placed_unsurely_cover_nothing() -> None:
    coverage = Coverage(4.0, 0.2, ("metal",))
    x = np.arange(0, 4, 0.02)
    y, t, valid = np.full(len(x), 0.1), x, np.ones(len(x), bool)
    coverage.add("metal", np.full(len(x), np.nan), y, t, valid)
    coverage.add("metal", x, y, t, valid, sigma_m=np.full(len(x), 0.3))
    coverage.add("metal", x, y, t, valid, sigma_m=np.full(len(x), np.nan))
    assert coverage.shares()[Ground.NOT_REACHED] == 1.0


def test_only_ground_in_the_polygon_counts() -> None:
    triangle = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]])
    coverage = Coverage(4.0, 2.0, ("metal",), inside=triangle)
    assert coverage.inside.mean() == pytest.approx(0.5, abs=0.01)
    for k, y in enumerate(np.arange(0.05, 2.0, 0.1)):
        walk(coverage, "metal", y, end=4.1, t0=10.0 * k)
    assert coverage.holes() == []
    assert sum(coverage.shares().values()) == pytest.approx(1.0)


def test_a_longer_lane_keeps_what_was_passed() -> None:
    coverage = Coverage(2.0, 0.2, ("metal",))
    walk(coverage, "metal", 0.1, end=2.0)
    before = coverage.states()
    coverage.extend(4.0)
    np.testing.assert_array_equal(coverage.states()[:40], before)
    assert (coverage.states()[40:] == Ground.NOT_REACHED).all()


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
    np.testing.assert_array_equal(whole.states(), cut.states())
