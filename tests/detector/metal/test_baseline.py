"""Baselines along the sweep: the same for any cut, and ground beside strong metal stands at one of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.metal.baseline import Baseline

F = np.ndarray


def told(rows: F, half: int, cuts: list[int]) -> tuple[F, F]:
    """Deviations from each baseline, (n, baselines, width), and the first rows less one line."""
    stage = Baseline(half, rows.shape[1])
    out = np.concatenate([*(stage.push(p) for p in np.split(rows, cuts)), stage.finish()])
    off = out.reshape(len(rows), stage.baselines, rows.shape[1])
    off[:, 1:] = off[:, :1] - off[:, 1:]
    return off, stage.first


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(0, 420),
    half=st.sampled_from([0, 1, 7, 60, 100]),
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, 420), max_size=12),
)
def test_any_cut_gives_the_same_bits(n: int, half: int, seed: int, cuts: list[int]) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, 3)).cumsum(axis=0)
    whole, first = told(rows, half, [])
    cut, cut_first = told(rows, half, sorted(min(c, n) for c in cuts))
    assert whole.tobytes() == cut.tobytes()
    assert first.tobytes() == cut_first.tobytes()


def test_no_row_waits_for_more_than_half_a_window_once_begun() -> None:
    stage, half = Baseline(100, 1), 100
    rows = np.random.default_rng(1).normal(size=(500, 1))
    given_out = np.cumsum([len(stage.push(row[None])) for row in rows])
    assert given_out[2 * half - 1] == 0
    assert list(given_out[2 * half :]) == list(range(half + 1, 500 - half + 1))


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.1])
@pytest.mark.parametrize("place", [40, 110, 300, 560])
def test_ground_beside_strong_metal_stands_at_one_of_the_baselines(slope: float, place: int) -> None:
    # noise of 1, drift of 10 a metre, metal of 10000 over 0.8 m
    at = np.arange(600)
    rng = np.random.default_rng(2)
    ground = rng.normal(size=600) + slope * at
    metal = 1e4 * np.exp(-0.5 * ((at - place) / 11.0) ** 2)
    off, _ = told((ground + metal)[:, None], 100, [])
    beside = (np.abs(at - place) > 50) & (np.abs(at - place) < 120)
    smooth = np.stack([np.convolve(off[:, k, 0], np.ones(10) / 10, "same") for k in range(3)])
    assert np.abs(smooth).min(axis=0)[beside].max() < 3.0
    assert np.abs(off[place, :, 0]).min() > 9000.0


def test_ground_stands_at_one_of_them_between_metal_over_two_thirds_of_the_window() -> None:
    at = np.arange(900)
    ground = np.random.default_rng(3).normal(size=900)
    metal = sum(1e3 * np.exp(-0.5 * ((at - p) / 14.0) ** 4) for p in (330, 380, 520, 570))
    off, _ = told((ground + metal)[:, None], 100, [])
    between = slice(425, 475)
    assert np.abs(off[between, 1, 0]).min() > 20.0  # the median alone would alarm there
    assert np.abs(off[between]).min(axis=1).max() < 5.0


def test_a_target_far_wider_than_noise_keeps_its_height_over_all_of_them() -> None:
    at = np.arange(600)
    target = 20.0 * np.exp(-0.5 * ((at - 300) / 12.0) ** 2)
    off, _ = told(np.random.default_rng(4).normal(size=(600, 1)) + target[:, None], 100, [])
    assert np.abs(off[295:306]).min(axis=1).mean() > 18.0
