"""Migration, robust components and display gain on whole B-scans."""

from __future__ import annotations

import numpy as np
import pytest

from detector.errors import SampleError
from detector.kernels.focus import two_way_time
from detector.radar.gain import automatic_gain
from detector.radar.low_rank import robust_pca
from detector.radar.migration import kirchhoff, stolt

DT, STEP, SPEED = 1e-10, 0.02, 1e8


def point(apex: int, row: int, antenna_m: float = 0.0, n: int = 101, m: int = 256) -> np.ndarray:
    """A point diffractor seen from rows of a B-scan whose surface is at sample 0."""
    k = np.arange(m)
    out = np.empty((n, m))
    for i in range(n):
        u = (k - two_way_time(apex * DT, abs(i - row) * STEP, SPEED, antenna_m) / DT) / 4.0
        out[i] = (1 - 2 * u**2) * np.exp(-(u**2))
    return out


def width_at_half(line: np.ndarray) -> int:
    return int(np.count_nonzero(line > 0.5 * line.max()))


@pytest.mark.parametrize("apex", [60, 100])
def test_stolt_pulls_a_point_to_its_apex(apex: int) -> None:
    b = point(apex, 50)
    out = stolt(b, DT, STEP, SPEED)
    row, sample = np.unravel_index(np.argmax(np.abs(out)), out.shape)
    assert abs(row - 50) <= 1
    assert abs(sample - apex) <= 2
    energy = np.sum(out**2, axis=1)
    before = np.sum(b**2, axis=1)
    assert energy[45:56].sum() / energy.sum() > 0.8
    assert before[45:56].sum() / before.sum() < 0.2


@pytest.mark.parametrize("antenna_m", [0.0, 0.15])
def test_kirchhoff_pulls_a_point_to_its_apex_with_and_without_height(antenna_m: float) -> None:
    out = kirchhoff(point(100, 50, antenna_m), DT, STEP, SPEED, aperture_m=0.6, antenna_m=antenna_m)
    row, sample = np.unravel_index(np.argmax(np.abs(out)), out.shape)
    assert (row, sample) == (50, 100)
    away = np.abs(out[30:40, 60:200]).max()
    assert np.abs(out).max() > 4 * away


def test_a_wrong_height_focuses_less() -> None:
    b = point(60, 50, 0.3)
    right = kirchhoff(b, DT, STEP, SPEED, aperture_m=0.8, antenna_m=0.3)
    wrong = kirchhoff(b, DT, STEP, SPEED, aperture_m=0.8, antenna_m=0.0)
    assert np.abs(right).max() > 1.5 * np.abs(wrong).max()


def test_a_wrong_speed_focuses_less() -> None:
    b = point(100, 50)
    best = max((1.0, 0.7, 1.4), key=lambda f: np.abs(stolt(b, DT, STEP, f * SPEED)).max())
    assert best == 1.0


def test_migration_of_something_else_is_refused() -> None:
    with pytest.raises(SampleError, match="A-scans, samples"):
        stolt(np.zeros(5), DT, STEP, SPEED)
    with pytest.raises(SampleError, match="odometer"):
        kirchhoff(np.zeros((5, 9)), DT, 0.0, SPEED)


def test_robust_components_put_layers_and_targets_apart() -> None:
    rng = np.random.default_rng(2)
    layers = np.outer(1 + 0.2 * np.sin(np.arange(120) / 9.0), np.sin(np.arange(90) / 5.0))
    targets = np.zeros_like(layers)
    at = rng.random(layers.shape) < 0.03
    targets[at] = rng.choice([-2.0, 2.0], size=int(at.sum()))
    low, sparse = robust_pca(layers + targets)
    np.testing.assert_allclose(low, layers, atol=1e-3)
    np.testing.assert_allclose(sparse, targets, atol=1e-3)
    zero, none = robust_pca(np.zeros((4, 5)))
    assert not zero.any()
    assert not none.any()


def test_display_gain_makes_every_depth_equally_loud() -> None:
    rng = np.random.default_rng(3)
    b = rng.normal(size=(20, 600)) * np.exp(-np.arange(600) / 60.0)
    out = automatic_gain(b, 40)
    loud = np.sqrt(np.mean(out.reshape(20, 12, 50) ** 2, axis=(0, 2)))
    assert loud.min() > 0.8
    assert loud.max() < 1.3
    assert not automatic_gain(np.zeros((2, 9)), 2).any()
