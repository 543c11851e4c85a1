"""Soil in its own coordinates before the baseline: what metal does to a median then, and that no cut changes a bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.metal.baseline import Baseline
from detector.metal.soil_coordinates import SoilCoordinates

HALF = 60
SOIL = np.array([1.0, 0.95, 0.9, 0.03])
"""How one soil answers in four coordinates."""


def swaying(rng: np.random.Generator, n: int = 900) -> np.ndarray:
    """(n, 4) soil that swings two thousand times the noise, smooth over 30 rows."""
    smooth = np.convolve(rng.normal(size=n + 200), np.hanning(61), "same")[100:-100]
    return np.outer(2000.0 * smooth / smooth.std(), SOIL) + rng.normal(size=(n, 4))


def beside_soil(deviations: np.ndarray) -> np.ndarray:
    across = np.linalg.svd(SOIL[None])[2][1:]
    return np.linalg.norm(deviations @ across.T, axis=1)


def test_beside_metal_the_baseline_leaves_nothing_that_is_not_soil() -> None:
    left = {"plain": [], "turned": []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        metal = np.outer(np.exp(-0.5 * ((np.arange(900) - 500) / 12.0) ** 2), [300.0, -2500.0, -6000.0, 4000.0])
        rows = swaying(rng) + metal
        beside = np.r_[400:450, 550:600]
        plain = Baseline(HALF, 4)
        out = np.concatenate((plain.push(rows), plain.finish()))[:, :4]
        left["plain"].append(np.quantile(beside_soil(out)[beside], 0.9))
        turned, baseline = SoilCoordinates(2 * HALF + 1, 10, 1, 4), Baseline(HALF, 4)
        out = turned.undone(np.concatenate((baseline.push(turned.push(rows)), baseline.finish())))[:, :4]
        left["turned"].append(np.quantile(beside_soil(out)[beside], 0.9))
    assert np.median(left["turned"]) < 0.2 * np.median(left["plain"])


def test_metal_among_the_first_rows_comes_back_whole_when_the_map_is_undone() -> None:
    rng = np.random.default_rng(1)
    metal = np.outer(np.exp(-0.5 * ((np.arange(900) - 70) / 8.0) ** 2), [0.0, -200.0, -600.0, 400.0])
    turned = SoilCoordinates(2 * HALF + 1, 10, 1, 4)
    with_metal = swaying(rng) + metal
    np.testing.assert_allclose(turned.undone(turned.push(with_metal)), with_metal, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=8), n=st.integers(1, 400), seed=st.integers(0, 99))
def test_no_cut_of_the_input_changes_a_bit(cuts: list[int], n: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, 6))
    edges = sorted({0, n, *(c for c in cuts if c < n)})
    whole, pieces = SoilCoordinates(121, 10, 2, 3), SoilCoordinates(121, 10, 2, 3)
    one = np.concatenate((whole.push(rows), whole.finish()))
    many = [pieces.push(rows[a:b]) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate((*many, pieces.finish())), one)
    assert len(one) == n
