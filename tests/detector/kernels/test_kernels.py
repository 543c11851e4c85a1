"""Kernels against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, signal

from detector.kernels.background import start_background, subtract_background
from detector.kernels.biquad import sos_zero_phase_rows
from detector.kernels.cfar import local_peaks, log_cells, mean_of_largest, ordered_log_ratio
from detector.kernels.fast_time import align_rows, subtract_running_mean
from detector.kernels.focus import focused_energy, hyperbola_delays
from detector.kernels.inference import logistic_probabilities, mahalanobis
from detector.kernels.patch import edge_histogram, patch_symmetry, semblance, spectral_centroid


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_zero_phase_rows_equal_scipy(rng: np.random.Generator, order: int) -> None:
    x = rng.normal(size=(5, 200))
    sos = signal.butter(order, [0.05, 0.4], "bandpass", output="sos")
    ours = sos_zero_phase_rows(x, sos, signal.sosfilt_zi(sos), 30)
    theirs = signal.sosfiltfilt(sos, x, axis=1, padtype="odd", padlen=30)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_running_mean_equals_scipy_away_from_the_ends(rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 100))
    ours = subtract_running_mean(x, 7)
    theirs = x - ndimage.uniform_filter1d(x, 15, axis=1)
    np.testing.assert_allclose(ours[:, 7:-7], theirs[:, 7:-7], atol=1e-12)


def test_alignment_recovers_a_known_fractional_shift() -> None:
    k = np.arange(200.0)

    def pulse(at: float) -> np.ndarray:
        u = (k - at) / 6.0
        return (1 - 2 * u**2) * np.exp(-(u**2))

    shifts = np.array([0.0, 0.3, -0.4, 1.7, 2.5])
    rows = np.stack([pulse(60.0 + s) for s in shifts])
    aligned, lags, lost = align_rows(rows, rows[0].copy(), (40, 80), 6, 5.0, 0.6, 50, np.zeros(3))
    np.testing.assert_allclose(lags, shifts, atol=0.03)
    assert not lost.any()
    np.testing.assert_allclose(aligned, np.broadcast_to(pulse(60.0), aligned.shape), atol=0.02)


def test_alignment_flags_an_ascan_without_a_surface(rng: np.random.Generator) -> None:
    k = np.arange(200.0)
    row = np.exp(-(((k - 60) / 5) ** 2))
    rows = np.stack([row, row, 0.01 * rng.normal(size=200), row])
    reference = row.copy()
    _, _, lost = align_rows(rows, reference, (40, 80), 4, 3.0, 0.6, 50, np.zeros(3))
    assert lost.tolist() == [0, 0, 1, 0]
    np.testing.assert_allclose(reference, row, atol=1e-12)


def test_background_removal_keeps_a_target_longer_than_its_memory(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(300, 1))
    rows[100:160] += 50.0  # three memories of 20 rows
    level, spread = start_background(rows[:50])
    bounded, _ = subtract_background(rows, 0, 300, 0, level, spread, 0.05, 2.0, 1e-9, False)
    plain = np.empty(300)
    b = rows[0, 0]
    for i, v in enumerate(rows[:, 0]):
        b += 0.05 * (v - b)
        plain[i] = v - b
    assert np.mean(plain[155:160]) < 0.1 * 50
    assert np.mean(bounded[155:160, 0]) > 0.7 * 50


def test_background_follows_a_step_that_stays(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(1000, 1))
    rows[100:] += 50.0
    level, spread = start_background(rows[:50])
    out, _ = subtract_background(rows, 0, 1000, 0, level, spread, 0.05, 2.0, 1e-9, False)
    assert abs(np.mean(out[900:])) < 1.0


def test_background_that_starts_without_noise_still_follows() -> None:
    rows = np.r_[np.zeros(50), np.linspace(0, 10, 400)][:, None]
    level, spread = start_background(rows[:20])
    out, _ = subtract_background(rows, 0, 450, 0, level, spread, 0.05, 2.0, 0.3, False)
    assert abs(out[-1, 0]) < 2.0


def test_diffraction_stack_pulls_a_hyperbola_to_its_apex(rng: np.random.Generator) -> None:
    n, m, dt, step, v, surface, apex = 61, 300, 2e-11, 0.01, 1e8, 30, 130
    rows = 0.05 * rng.normal(size=(n, m))
    k = np.arange(m)
    for i in range(n):
        t = np.hypot((apex - surface) * dt, 2 * (i - 30) * step / v) / dt + surface
        u = (k - t) / 8.0
        rows[i] += (1 - 2 * u**2) * np.exp(-(u**2))
    delays = hyperbola_delays(m, float(surface), dt, step, 15, np.array([1e8, 1.5e8]))
    bins = np.arange(50, 270, 10, dtype=np.int64)
    energy, which = focused_energy(rows, 0, n, delays, np.ones(16), bins, 20)
    row, cell = np.unravel_index(np.argmax(energy), energy.shape)
    assert abs(row - 30) <= 1
    assert abs(bins[cell] + 10 - apex) <= 10
    assert which[row, cell] == 0
    away = energy[30 + 20, cell]
    assert energy[row, cell] > 20 * away


def test_stack_of_white_noise_has_unit_energy(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(400, 200))
    # without moveout every row adds at the same sample: no interpolation, so the gain is exact
    delays = np.broadcast_to(np.arange(200.0), (1, 8, 200)).copy()
    energy, _ = focused_energy(rows, 7, 393, delays, np.hanning(19)[9:17], np.array([20, 60, 100]), 40)
    assert energy.mean() == pytest.approx(1.0, rel=0.1)


def test_order_statistic_ratio_equals_a_direct_sort(rng: np.random.Generator) -> None:
    logs = rng.normal(size=(40, 2))
    out = ordered_log_ratio(logs, 0, 40, 10, 8, 3, 0.4, 4)
    for i in (0, 5, 20, 39):
        reference = [j for j in range(max(0, i - 10), min(40, i + 9)) if abs(j - i) > 3]
        rank = int(0.4 * (len(reference) - 1) + 0.5)
        expected = logs[i] - np.sort(logs[reference], axis=0)[rank]
        np.testing.assert_allclose(out[i], expected)


def test_ground_without_reference_is_not_tested() -> None:
    out = ordered_log_ratio(np.zeros((3, 1)), 0, 3, 10, 10, 2, 0.5, 6)
    assert np.isnan(out).all()
    score, _ = mean_of_largest(out, 1)
    assert np.isnan(score).all()
    assert local_peaks(score, 0, 3, 1, -1e9).size == 0


def test_log_cells_adds_its_floor() -> None:
    np.testing.assert_allclose(log_cells(np.array([[0.0, 1.0]]), np.array([2.0, 0.0])), [[np.log(2.0), 0.0]])


def test_of_two_near_peaks_only_the_larger_alarms() -> None:
    score = np.zeros(50)
    score[[10, 14, 40]] = [3.0, 4.0, 2.0]
    assert local_peaks(score, 0, 50, 6, 1.0).tolist() == [14, 40]
    assert local_peaks(score, 0, 50, 2, 1.0).tolist() == [10, 14, 40]


def test_a_flat_top_alarms_once() -> None:
    score = np.zeros(30)
    score[10:15] = 5.0
    assert local_peaks(score, 0, 30, 6, 1.0).tolist() == [10]


def test_softmax_equals_scipy(rng: np.random.Generator) -> None:
    from scipy.special import softmax

    z, w, b = rng.normal(size=6), rng.normal(size=(3, 6)), rng.normal(size=3)
    np.testing.assert_allclose(logistic_probabilities(z, w, b, 1.7), softmax((w @ z + b) / 1.7))


def test_mahalanobis_on_the_seen_features_equals_numpy(rng: np.random.Generator) -> None:
    a = rng.normal(size=(5, 5))
    s = a @ a.T + np.eye(5)
    z, c = rng.normal(size=5), rng.normal(size=5)
    seen = np.array([True, False, True, True, False])
    d = (z - c)[seen]
    expected = np.sqrt(d @ np.linalg.solve(s[np.ix_(seen, seen)], d) / 3)
    assert mahalanobis(z, seen, c, s) == pytest.approx(expected)


def test_patch_numbers_mean_what_they_say() -> None:
    even = np.cos(np.arange(-5, 6) / 3)[:, None] * np.ones((1, 8))
    assert patch_symmetry(even, 5) == pytest.approx(1.0)
    odd = np.sin(np.arange(-5, 6) / 3)[:, None] * np.ones((1, 8))
    assert patch_symmetry(odd, 5) == pytest.approx(-1.0)
    layers = np.tile(np.sin(np.arange(20.0)), (10, 1))
    share = edge_histogram(layers)
    assert share.argmax() == 0
    assert share.sum() == pytest.approx(1.0)
    assert edge_histogram(layers.T.copy()).argmax() == 1
    assert spectral_centroid(np.sin(2 * np.pi * 1e9 * np.arange(200) * 1e-11), 0, 200, 1e-11) == pytest.approx(
        1e9, rel=0.02
    )


def test_semblance_is_greatest_at_the_true_speed() -> None:
    n, m, dt, step, surface, apex = 41, 300, 2e-11, 0.01, 30, 150
    k = np.arange(m)
    patch = np.empty((n, m))
    for i in range(n):
        t = np.hypot((apex - surface) * dt, 2 * (i - 20) * step / 1e8) / dt + surface
        u = (k - t) / 8.0
        patch[i] = (1 - 2 * u**2) * np.exp(-(u**2))
    speeds = np.linspace(0.06e9, 0.17e9, 23)
    values = [semblance(patch, 20, float(apex), float(surface), dt, step, v, 6) for v in speeds]
    assert speeds[int(np.argmax(values))] == pytest.approx(1e8, rel=0.06)
    assert max(values) > 0.95
