"""Kernels against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from detector.kernels.background import start_background, subtract_background
from detector.kernels.biquad import sos_stream
from detector.kernels.cfar import local_peaks, log_cells
from detector.kernels.inference import logistic_probabilities, mahalanobis
from detector.kernels.patch import edge_histogram, patch_symmetry, semblance, spectral_centroid
from detector.kernels.slow_time import matched_energy, reject_impulses, whiten_and_balance


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_streamed_sections_equal_scipy(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 3))
    sos = signal.butter(4, [0.05, 0.3], "bandpass", output="sos")
    state = np.zeros((len(sos), 2, 3))
    np.testing.assert_allclose(sos_stream(x, sos, state), signal.sosfilt(sos, x, axis=0), atol=1e-12)


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


def test_log_cells_adds_its_floor() -> None:
    np.testing.assert_allclose(log_cells(np.array([[0.0, 1.0]]), np.array([2.0, 0.0])), [[np.log(2.0), 0.0]], rtol=1e-6)


def test_of_two_near_peaks_only_the_larger_alarms() -> None:
    score = np.zeros(50)
    score[[10, 14, 40]] = [3.0, 4.0, 2.0]
    assert local_peaks(score, 0, 50, 6, 1.0).tolist() == [14, 40]
    assert local_peaks(score, 0, 50, 2, 1.0).tolist() == [10, 14, 40]


def test_a_flat_top_alarms_once() -> None:
    score = np.zeros(30)
    score[10:15] = 5.0
    assert local_peaks(score, 0, 30, 6, 1.0).tolist() == [10]


def test_one_wild_reading_is_replaced_and_a_step_is_kept() -> None:
    x = np.sin(np.arange(60) / 15.0)[:, None]
    wild = x.copy()
    wild[30] += 100.0
    out = reject_impulses(wild, 0, 60, 2, 6.0)
    assert abs(out[30, 0] - x[30, 0]) < 0.1
    step = np.r_[np.zeros(20), np.ones(20)][:, None] + 1e-3 * x[:40]
    np.testing.assert_allclose(reject_impulses(step, 0, 40, 2, 6.0), step, atol=2e-3)


def test_ground_balance_removes_soil_and_keeps_what_is_not_soil(rng: np.random.Generator) -> None:
    t = np.geomspace(15e-6, 400e-6, 8)
    soil = 1 / t / np.linalg.norm(1 / t)
    target = np.exp(-t / 60e-6)
    sigma = np.full((5, 8), 0.1)
    heights = rng.uniform(1, 10, size=(5, 1))
    _, balanced, share = whiten_and_balance(heights * soil, sigma, soil)
    np.testing.assert_allclose(balanced, 0.0, atol=1e-9)
    np.testing.assert_allclose(share, 1.0)
    _, balanced, share = whiten_and_balance(heights * soil + target, sigma, soil)
    _, alone, _ = whiten_and_balance(np.broadcast_to(target, (5, 8)).copy(), sigma, soil)
    np.testing.assert_allclose(balanced, alone, atol=1e-9)
    assert np.linalg.norm(alone[0]) > 0.1 * np.linalg.norm(target / 0.1)


def test_balance_equals_the_oblique_projection_of_the_textbook(rng: np.random.Generator) -> None:
    s, x, sigma = rng.normal(size=4), rng.normal(size=4), rng.uniform(0.5, 2, size=4)
    inverse = np.diag(1 / sigma**2)
    expected = x - s * (s @ inverse @ x) / (s @ inverse @ s)
    _, balanced, _ = whiten_and_balance(x[None], sigma[None], s)
    np.testing.assert_allclose(balanced[0] * sigma, expected)


def test_matched_filter_of_white_noise_has_unit_energy(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(4000, 8))
    at = np.arange(13)
    taps = (np.exp(-0.5 * (at / 3.0) ** 2) - 0.3)[None]
    taps[0] -= (taps[0, 0] + 2 * taps[0, 1:].sum()) / 25
    ramp = matched_energy(np.arange(100.0)[:, None] + 5.0, 12, 88, taps, np.array([12]), 1)
    np.testing.assert_allclose(ramp, 0.0, atol=1e-18)
    energy = matched_energy(rows, 0, 4000, taps, np.array([12]), 2)
    assert energy.shape == (4000, 2, 1)
    assert energy.mean() == pytest.approx(1.0, rel=0.1)


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
    values = [semblance(patch, 20, float(apex), float(surface), dt, step, v, 6, 0.0) for v in speeds]
    assert speeds[int(np.argmax(values))] == pytest.approx(1e8, rel=0.06)
    assert max(values) > 0.95
