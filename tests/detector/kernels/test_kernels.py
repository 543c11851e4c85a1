"""Kernels against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from detector.kernels.cfar import local_peaks, log_cells
from detector.kernels.inference import mahalanobis, softmax
from detector.kernels.patch import edge_histogram, patch_symmetry, semblance, spectral_centroid


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


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


def test_softmax_equals_scipy(rng: np.random.Generator) -> None:
    for scale in (1.0, 30.0, 900.0):
        scores = scale * rng.normal(size=4)
        np.testing.assert_allclose(softmax(scores), special.softmax(scores), atol=1e-300)


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
