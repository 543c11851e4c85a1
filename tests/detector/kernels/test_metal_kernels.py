"""Kernels of the metal chain against independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy import ndimage

from detector.kernels.baseline import block_medians, less_middles, robust_lines
from detector.kernels.cells import add_cells, draw_cells
from detector.kernels.ground import ground_energy, reduce_rows, start_soil
from detector.kernels.impulse import middle_rows, reject_impulses
from detector.kernels.order import middle_of_lanes, quantile
from detector.kernels.phase import rotate_pairs
from detector.kernels.sweep import filter_at
from detector.kernels.vector import WIDE, store
from detector.kernels.white import add_to_covariance, second_difference, set_whitener, sum_of_squares, whiten


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(23)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_sorting_networks_give_the_median(rng: np.random.Generator, n: int) -> None:
    rows = rng.integers(0, 4, size=(n, 500)).astype(float)  # ties too
    out = np.empty(500)
    middle_rows(rows, 0, n - 1, out)
    np.testing.assert_array_equal(out, np.median(rows, axis=0))


def test_what_is_replaced_becomes_scipys_median_and_the_rest_stays(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 6))
    x[[50, 200, 390], [0, 3, 5]] += 60.0
    spread = np.zeros(6)
    out = reject_impulses(x, 0, 400, 2, 8.0, 1 / 128, 1e-9, spread, 0)
    changed = out != x
    assert sorted(zip(*map(list, np.nonzero(changed)), strict=True)) == [(50, 0), (200, 3), (390, 5)]
    np.testing.assert_array_equal(out[changed], ndimage.median_filter(x, size=(5, 1))[changed])


def test_a_step_and_a_steep_slope_are_no_impulses(rng: np.random.Generator) -> None:
    noise = 0.1 * rng.normal(size=(400, 1))
    for shape in (np.r_[np.zeros(200), np.full(200, 50.0)], np.r_[np.zeros(100), np.arange(300) * 3.0]):
        x = shape[:, None] + noise
        out = reject_impulses(x, 0, 400, 2, 8.0, 1 / 128, 1e-9, np.zeros(1), 0)
        np.testing.assert_allclose(out[:-2], x[:-2], atol=1.0)  # at the very end a slope and a spike look alike
        assert np.mean(out != x) < 0.02


def covariance_of(rng: np.random.Generator, g: int) -> np.ndarray:
    a = rng.normal(size=(g, 2 * g))
    return a @ a.T / (2 * g)


@pytest.mark.parametrize(("g", "k"), [(1, 0), (4, 1), (7, 2), (32, 3)])
def test_whitener_gives_the_oblique_projection_of_the_textbook(rng: np.random.Generator, g: int, k: int) -> None:
    c, s, x = covariance_of(rng, g), rng.normal(size=(k, g)), rng.normal(size=g)
    whitener, factor = np.empty((g, g)), np.empty((g, g))
    set_whitener(c, 0.0, 0.0, s, whitener, factor)
    np.testing.assert_allclose(factor, np.linalg.cholesky(c), atol=1e-12)
    t = np.empty(g)
    whiten(x, whitener[None], 0, t)
    inverse = np.linalg.inv(c)
    assert sum_of_squares(t, 0) == pytest.approx(x @ inverse @ x, rel=1e-9)
    left = x - s.T @ np.linalg.solve(s @ inverse @ s.T, s @ inverse @ x) if k else x
    assert sum_of_squares(t, k) == pytest.approx(left @ inverse @ left, rel=1e-9)
    for d in range(k):
        whiten(s[d], whitener[None], 0, t)
        np.testing.assert_allclose(t[k:], 0.0, atol=1e-9)


def test_whitener_of_gates_that_repeat_each_other_is_finite() -> None:
    whitener, factor = np.empty((3, 3)), np.empty((3, 3))
    set_whitener(np.ones((3, 3)), 0.0, 0.0, np.ones((1, 3)), whitener, factor)
    assert np.all(np.isfinite(whitener))


def test_covariance_of_second_differences_is_that_of_the_noise(rng: np.random.Generator) -> None:
    true = covariance_of(rng, 5)
    x = rng.normal(size=(60_000, 5)) @ np.linalg.cholesky(true).T + np.arange(60_000)[:, None]
    c, e = np.zeros((1, 5, 5)), np.empty(5)
    for i in range(2, len(x), 3):
        second_difference(x, i, np.zeros((2, 5)), 0, e)
        add_to_covariance(e, c, 0, 3.0 / (i + 1.0), 0.0)
    np.testing.assert_allclose(np.triu(c[0]), np.triu(true), atol=0.05 * true.max())


def test_one_symmetric_filter_equals_numpy(rng: np.random.Generator) -> None:
    rows, taps = rng.normal(size=(80, 3)), rng.normal(size=8)
    kernel = np.r_[taps[:0:-1], taps]
    out = np.array([np.convolve(rows[:, c], kernel, "same")[40] for c in range(3)])
    np.testing.assert_allclose(filter_at(rows, 40, taps, 7), out / np.abs(kernel).sum())


def plain_filter(sigma: float = 3.0, half: int = 9) -> np.ndarray:
    return np.exp(-0.5 * (np.arange(half + 1) / sigma) ** 2)[None]


NO_DECAYS = np.zeros((0, 3))


def energies(
    rows: np.ndarray, noise: np.ndarray, taught: np.ndarray, soil: np.ndarray, decays: np.ndarray = NO_DECAYS,
    doubts: tuple[float, ...] = (),
) -> np.ndarray:  # fmt: skip
    """Of rows that are means of ten readings; each of further baselines leaves so much less of a deviation."""
    r = noise.shape[1]
    late, at = np.zeros((20, 1, 1, r + 1)), np.zeros(1, np.int64)
    rows = np.hstack((rows, *(d * rows for d in doubts), np.full((len(rows), 1), 0.1)))
    return ground_energy(
        rows, 0, len(rows), 0, plain_filter(), np.array([9]), np.stack((noise, noise)), decays, 0.01, taught, 0.005,
        2.0, 10.0, 0.005, np.zeros((1, 1)), soil, late, at,
    )[:, 0, 0]  # fmt: skip


def test_energy_of_white_noise_is_one_where_no_ground_answers(rng: np.random.Generator) -> None:
    root = np.array([[2.0, 0.0, 0.0], [1.0, 1.5, 0.0], [0.5, -0.4, 0.3]])
    rows = rng.normal(size=(20_000, 3)) @ root.T / np.sqrt(10.0)  # means of ten readings
    energy = energies(rows, (root @ root.T)[None], np.zeros((3, 3)), np.zeros((1, 1, 3, 3)))
    assert energy.mean() == pytest.approx(1.0, rel=0.05)


def test_ground_that_comes_and_goes_counts_as_much_as_noise(rng: np.random.Generator) -> None:
    # soil of thirty times the noise along one direction that nobody told the detector
    direction = np.array([0.6, 0.8, 0.0])
    swing = ndimage.gaussian_filter1d(rng.normal(size=6000), 15.0)
    rows = rng.normal(size=(6000, 3)) / np.sqrt(10.0) + np.outer(30 * swing / swing.std(), direction)
    rows[4000:4020] += 3.0 * np.array([0.8, -0.6, 0.0]) * np.hanning(20)[:, None]
    energy = energies(rows, np.eye(3)[None], np.eye(3), np.zeros((1, 1, 3, 3)))
    blind = energies(rows, np.eye(3)[None], np.zeros((3, 3)), np.zeros((1, 1, 3, 3)))
    assert np.median(energy[2000:4000]) < 0.01 * np.median(blind[2000:4000])
    ground = np.delete(np.arange(2000, 6000), np.arange(1980, 2240))
    assert energy[4010] > 3.0 * np.quantile(energy[ground], 0.999)


def test_one_strong_target_hardly_teaches_the_ground(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(1200, 2)) / np.sqrt(10.0)
    rows[600:615] += 1e4 * np.array([1.0, 0.5])
    soil = np.zeros((1, 1, 2, 2))
    energies(rows, np.eye(2)[None], np.eye(2), soil)
    assert np.trace(soil[0, 0]) < 1.0  # noise of one reading in two values: 2


def test_the_first_idea_of_the_ground_is_that_of_its_filters(rng: np.random.Generator) -> None:
    rows = np.outer(rng.normal(size=400), [1.0, 2.0])
    soil = np.zeros((1, 2, 2, 2))
    start_soil(rows, np.eye(2), 20, 10.0, 0, soil)
    assert soil[0, 1] == pytest.approx(soil[0, 0])
    assert soil[0, 0, 0, 1] == pytest.approx(2.0 * soil[0, 0, 0, 0])
    # a row beyond the quiet ones counts as one of them: less than the mean square
    assert 0.05 < soil[0, 0, 0, 0] < 1.0


def test_strong_metal_in_the_first_ground_is_not_taken_for_ground(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(200, 3)) * [5.0, 1.0, 1.0]
    clean, taught = np.zeros((1, 1, 3, 3)), np.zeros((1, 1, 3, 3))
    start_soil(rows, np.eye(3), 25, 10.0, 3, clean)
    rows[40:110] += 300.0 * np.outer(np.exp(-0.5 * ((np.arange(70) - 35) / 15) ** 2), [1.0, 1.0, 0.5])
    start_soil(rows, np.eye(3), 25, 10.0, 3, taught)
    across = np.array([0.0, 1.0, 0.0])
    assert across @ taught[0, 0] @ across < 3.0 * (across @ clean[0, 0] @ across)


def densest(window: np.ndarray) -> float:
    ordered = np.sort(window)
    many = int(0.35 * len(window))
    first = int(np.argmin(ordered[many - 1 :] - ordered[: len(window) - many + 1]))
    return float(ordered[first : first + many].mean())


@pytest.mark.parametrize("cut", [[], [1], [40, 41, 90], [13, 26]])
def test_rows_less_the_middles_of_their_windows_equal_numpy(rng: np.random.Generator, cut: list[int]) -> None:
    from detector.delay_line import DelayLine

    x, half = np.round(rng.normal(size=(120, 2)), 1), 12  # ties too
    line, ordered, window = DelayLine(half + 1, half, 2), np.zeros((2, 2 * half + 3)), np.zeros(3, np.int64)
    out = [less_middles(*line.push(part), half, ordered, window) for part in np.split(x, cut)]
    out.append(less_middles(*line.finish(), half, ordered, window))
    windows = [x[max(0, i - half) : i + half + 1] for i in range(120)]
    theirs = [[*(x[i] - np.median(w, axis=0)), *(x[i] - [densest(c) for c in w.T])] for i, w in enumerate(windows)]
    np.testing.assert_allclose(np.concatenate(out), theirs, atol=1e-12)


def test_a_line_through_the_quieter_half_is_not_bent_by_metal_over_a_third(rng: np.random.Generator) -> None:
    x = np.arange(49)
    ground = 3.0 - 0.2 * x
    points = ground + rng.normal(scale=0.01, size=49)
    points[30:46] += 50.0 * np.hanning(16)
    level, slope = robust_lines(points[:, None], 24.0)
    assert level[0] == pytest.approx(ground[24], abs=0.02)
    assert slope[0] == pytest.approx(-0.2, abs=0.002)


@njit
def middle_into(values: np.ndarray, n: int, out: np.ndarray) -> None:
    store(out, 0, middle_of_lanes(values, n))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 62, 64, 131])
def test_the_middle_of_eight_columns_at_once_is_that_of_each(rng: np.random.Generator, n: int) -> None:
    values, out = np.round(rng.normal(size=(n, WIDE)), 1), np.empty(WIDE)
    middle_into(values.ravel().copy(), n, out)
    np.testing.assert_array_equal(out, np.sort(values, axis=0)[n // 2])


@pytest.mark.parametrize("g", [1, 3, 8, 11, 32, 45])
def test_whitening_equals_a_matrix_product_for_any_number_of_gates(rng: np.random.Generator, g: int) -> None:
    x, whitener, out = rng.normal(size=g), rng.normal(size=(2, g, g)), np.empty(g)
    whiten(x, whitener, 1, out)
    np.testing.assert_allclose(out, x @ whitener[1], atol=1e-12)


def test_a_line_through_each_column_is_that_of_the_column_alone(rng: np.random.Generator) -> None:
    points = rng.normal(size=(62, 19)) + np.arange(62)[:, None] * rng.normal(size=19)
    alone = [robust_lines(np.ascontiguousarray(points[:, [k]]), 31.0) for k in range(19)]
    assert robust_lines(points, 31.0).tobytes() == np.concatenate(alone, axis=1).tobytes()


def test_blocks_are_told_by_their_medians(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(23, 2))
    out = np.empty((4, 2))
    assert block_medians(rows, np.empty((2, 5)), 0, out) == len(rows) - 20
    np.testing.assert_allclose(out, np.median(rows[:20].reshape(4, 5, 2), axis=1))


def test_coordinates_equal_a_matrix_product(rng: np.random.Generator) -> None:
    rows, basis = rng.normal(size=(9, 8)), rng.normal(size=(4, 3))
    np.testing.assert_allclose(reduce_rows(rows, basis, 2), np.hstack((rows[:, :4] @ basis, rows[:, 4:] @ basis)))


def in_cells(
    rows: np.ndarray, travel: np.ndarray, cuts: list[int], cell: float, most: int, longest: int = 200
) -> list[np.ndarray]:
    """Means, readings and middles of all cells that ended."""
    part, gone, held = np.zeros(rows.shape[1]), np.zeros(3), np.zeros(2, np.int64)
    found = []
    for piece, along in zip(np.split(rows, cuts), np.split(travel, cuts), strict=True):
        out = np.empty((len(piece) + 1, rows.shape[1]))
        count, middle = np.empty(len(out)), np.empty(len(out))
        n = add_cells(piece, along, cell, most, longest, part, gone, held, out, count, middle)
        found.append((out[:n], count[:n], middle[:n]))
    return [np.concatenate([f[k] for f in found]) for k in range(3)]


def test_cells_at_the_nominal_speed_are_means_of_as_many_readings(rng: np.random.Generator) -> None:
    x = rng.normal(size=(95, 3))
    means, count, middle = in_cells(x, np.ones(95), [], 10.0, 40)
    np.testing.assert_allclose(means, x[:90].reshape(9, 10, 3).mean(axis=1))
    assert set(count) == {10.0}
    assert list(middle) == [4.5 + 10 * k for k in range(9)]


@pytest.mark.parametrize("cuts", [[1, 2, 30, 31, 77], list(range(1, 95))])
def test_cells_do_not_depend_on_the_cut(rng: np.random.Generator, cuts: list[int]) -> None:
    x, travel = rng.normal(size=(95, 3)), rng.uniform(0.0, 3.0, size=95)
    travel[20:70] = 0.0
    for whole, pieces in zip(in_cells(x, travel, [], 10.0, 8, 30), in_cells(x, travel, cuts, 10.0, 8, 30), strict=True):
        assert whole.tobytes() == pieces.tobytes()


def test_a_cell_is_as_long_at_any_speed_and_standing_still_gives_cells_too(rng: np.random.Generator) -> None:
    slow, fast, stop = np.full(400, 0.4), np.full(300, 2.1), np.zeros(500)
    travel = np.concatenate((slow, fast, stop))
    _, count, middle = in_cells(np.zeros((1200, 1)), travel, [], 10.0, 40)
    assert set(count[:15]) == {25.0}  # 0.4 a reading
    moving = middle < 690
    at = np.interp(middle[moving], np.arange(1200), np.cumsum(travel))
    assert np.abs(np.diff(at) - 10.0).max() < 2.2
    assert list(count[middle > 710]) == [200.0, 200.0]


def test_a_rest_ends_its_cell_where_the_head_goes_on_and_an_odometer_that_never_moved_is_no_rest() -> None:
    x = np.arange(400.0)[:, None]
    travel = np.concatenate((np.ones(50), np.zeros(130), np.ones(220)))
    means, count, middle = in_cells(x, travel, [], 10.0, 40)
    assert list(count) == [10.0] * 5 + [130.0] + [10.0] * 22
    np.testing.assert_allclose(means[:, 0], middle)
    assert set(in_cells(x, np.zeros(400), [], 10.0, 40)[1]) == {40.0}


def test_lines_between_middles_of_cells_equal_numpy(rng: np.random.Generator) -> None:
    values = rng.normal(size=(7, 2))
    middle = np.array([1.5, 4.0, 9.5, 10.5, 20.0, 21.0, 30.0])
    theirs = np.column_stack([np.interp(np.arange(5, 36), middle, values[:, c]) for c in range(2)])
    np.testing.assert_allclose(draw_cells(values, middle, 5, 31), theirs)


def test_an_answer_along_a_decay_counts_in_full_and_one_against_it_hardly(rng: np.random.Generator) -> None:
    decays = np.array([[1.0, 0.5, 0.2], [0.2, 0.5, 1.0]])
    rows = np.zeros((60, 3))
    rows[30] = 5.0 * decays[1]
    nothing = np.zeros((1, 1, 3, 3))
    noise, quiet = np.eye(3)[None], np.zeros((3, 3))
    plain = energies(rows, noise, quiet, nothing.copy())
    along = energies(rows, noise, quiet, nothing.copy(), decays)
    against = energies(-rows, noise, quiet, nothing.copy(), decays)
    np.testing.assert_allclose(along, plain, rtol=1e-9)
    np.testing.assert_allclose(against, 0.01 * plain, rtol=1e-9)
    rows[30] = [5.0, -5.0, 5.0]  # no metal decays like this
    assert energies(rows, noise, quiet, nothing.copy(), decays)[30] < 0.5 * energies(rows, noise, quiet, nothing)[30]


def test_what_baselines_disagree_on_is_no_answer() -> None:
    rows = np.zeros((60, 3))
    rows[30] = 100.0
    one, agreed, *doubtful = (
        energies(rows, np.eye(3)[None], np.zeros((3, 3)), np.zeros((1, 1, 3, 3)), doubts=d)
        for d in ((), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    )
    np.testing.assert_array_equal(agreed, one)
    assert one[30] > 100.0
    assert all(d[30] < 0.34 for d in doubtful)


def test_rotation_equals_complex_multiplication(rng: np.random.Generator) -> None:
    z = rng.normal(size=(9, 3)) + 1j * rng.normal(size=(9, 3))
    phase = np.array([0.1, -2.0, 3.0])
    rows = np.stack((z.real, z.imag), axis=2).reshape(9, 6)
    out = rotate_pairs(rows, np.stack((np.cos(phase), np.sin(phase))))
    expected = z * np.exp(-1j * phase)
    np.testing.assert_allclose(out[:, 0::2] + 1j * out[:, 1::2], expected)


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 1.0, 2.0, 1e30]) | st.floats(0.0, 1e30), min_size=1, max_size=60),
    share=st.floats(0.01, 0.99),
)
def test_a_quantile_is_numpys_in_whatever_order_the_values_stand(values: list[float], share: float) -> None:
    before = np.array(values)
    left = before.copy()
    # the rank that each computes differs by rounding, and then the value by as much of the way to the next one
    step = 1e-13 * len(values) * max(values)
    assert quantile(left, share) == pytest.approx(np.quantile(before, share), rel=1e-9, abs=step)
    assert np.array_equal(left, before)


def test_a_quantile_of_what_is_no_number_is_none() -> None:
    assert math.isnan(quantile(np.array([1.0, np.nan, 2.0]), 0.25))
    assert math.isnan(quantile(np.array([np.inf]), 0.25))
