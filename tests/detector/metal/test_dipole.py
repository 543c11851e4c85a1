"""A fitted dipole's depth, place and strength, and what is said of how sure they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.kernels.dipole import loop_vector, solve_positive
from detector.metal.coils import CoilSettings
from detector.metal.dipole import Dipole, fit_dipole
from detector.metal.geometry import MetalGeometry
from detector.metal.locating import locate
from detector.metal_description import MetalDescription
from detector.samples import StreamKind
from detector.simulate.metal_lane import field_at

X = np.arange(-0.5, 0.5, 0.002)
TIGHT = {"radius_share": 0.01, "height_sigma_m": 0.002}


def rows_over(
    depth_m: float,
    across_m: float = 0.0,
    along_m: float = 0.0,
    radius_m: float = 0.1,
    height_m: float = 0.05,
    coils: tuple[float, ...] = (0.0,),
    tensor: np.ndarray | None = None,
) -> np.ndarray:
    m = np.eye(3) if tensor is None else tensor
    columns = []
    for c in coils:
        h = field_at(radius_m, along_m - X, across_m - c, np.full(len(X), depth_m + height_m))
        columns.append(np.einsum("nk,kl,nl->n", h, m, h))
    return np.stack(columns, axis=1)


def noisy(rng: np.random.Generator, rows: np.ndarray, snr: float) -> tuple[np.ndarray, float]:
    sigma = float(rows.max()) / snr
    return rows + sigma * rng.normal(size=rows.shape) + sigma * (3.0 + 5.0 * X[:, None]), sigma


@given(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), st.floats(0.005, 0.6), st.floats(0.02, 0.3))
def test_the_field_is_that_of_the_simulated_loop(along: float, across: float, below: float, radius: float) -> None:
    # two implementations: elliptic integrals of a library there, arithmetic-geometric means here
    if abs(math.hypot(along, across) - radius) < 0.01 and below < 0.01:
        return
    ours = np.array(loop_vector(radius, along, across, below))
    theirs = field_at(radius, np.array([along]), across, np.array([below]))[0]
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-3 * float(np.abs(theirs).max()))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_a_positive_system_is_solved_and_another_is_refused(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, n))
    a = a @ a.T + 0.1 * np.eye(n)
    out = np.empty((n, n))
    assert solve_positive(a, np.eye(n), out)
    assert a @ out == pytest.approx(np.eye(n), abs=1e-6)
    assert not solve_positive(a - 2 * float(np.trace(a)) * np.eye(n), np.eye(n), out)


@pytest.mark.parametrize("depth", [0.0, 0.05, 0.12, 0.2])
def test_a_balls_depth_is_found_where_the_head_is_known(depth: float) -> None:
    rows, sigma = noisy(np.random.default_rng(3), rows_over(depth, along_m=0.013), 300.0)
    found = fit_dipole(X, rows, 0.0, sigma, 0, CoilSettings(radius_m=0.1, height_m=0.05, **TIGHT))
    assert found is not None
    assert found.depth_m == pytest.approx(depth, abs=0.02)
    assert found.along_m == pytest.approx(0.013, abs=0.005)
    assert math.isnan(found.across_m)


@pytest.mark.parametrize("known", [True, False])
def test_the_truth_lies_within_the_stated_uncertainty_nineteen_times_of_twenty(known: bool) -> None:
    rng = np.random.default_rng(11)
    inside, sigmas = [], []
    for _ in range(60):
        a, h, d = rng.uniform(0.06, 0.18), rng.uniform(0.015, 0.10), rng.uniform(0.0, 0.2)
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        tensor = np.eye(3) + rng.uniform(-0.3, 2.0) * np.outer(axis, axis)
        clean = rows_over(d, rng.normal(scale=0.02), rng.normal(scale=0.02), a, h, tensor=tensor)
        rows, sigma = noisy(rng, clean, float(10 ** rng.uniform(1.0, 3.0)))
        coils = CoilSettings(radius_m=a, height_m=h, **TIGHT) if known else CoilSettings()
        found = fit_dipole(X, rows, 0.0, sigma, 0, coils)
        assert found is not None
        inside.append(abs(found.depth_m - d) < 1.96 * found.depth_sigma_m)
        sigmas.append(found.depth_sigma_m)
    assert np.mean(inside) >= 0.9
    # and it is no empty statement: a head that is known tells more
    assert np.median(sigmas) < (0.02 if known else 0.08)


def test_several_coils_tell_the_place_across() -> None:
    coils = (-0.16, 0.0, 0.16)
    settings_ = CoilSettings(radius_m=0.1, height_m=0.05, across_m=coils, **TIGHT)
    rng = np.random.default_rng(5)
    for across in (-0.1, -0.03, 0.06):
        rows, sigma = noisy(rng, rows_over(0.08, across, coils=coils), 300.0)
        coil = int(np.argmax(rows.max(axis=0)))
        found = fit_dipole(X, rows, 0.0, sigma, coil, settings_)
        assert found is not None
        assert coils[coil] + found.across_m == pytest.approx(across, abs=0.02)
        assert abs(coils[coil] + found.across_m - across) < 3 * found.across_sigma_m


def test_strength_tells_the_size_whatever_the_depth() -> None:
    settings_ = CoilSettings(radius_m=0.1, height_m=0.05, **TIGHT)
    strengths = []
    for depth in (0.03, 0.15):
        rows = rows_over(depth) + 1e-3 * np.random.default_rng(1).normal(size=(len(X), 1))
        found = fit_dipole(X, rows, 0.0, 1e-3, 0, settings_)
        assert found is not None
        strengths.append(found.strength_db)
    deep_is_weaker = 20 * np.log10(rows_over(0.03).max() / rows_over(0.15).max())
    assert deep_is_weaker > 15
    assert abs(strengths[0] - strengths[1]) < 4


def test_too_little_track_is_not_fitted() -> None:
    rows = rows_over(0.05)
    assert fit_dipole(X[:8], rows[:8], float(X[0]), 1.0, 0, CoilSettings()) is None
    standing = np.zeros(len(X))
    assert fit_dipole(standing, rows, 0.0, 1.0, 0, CoilSettings()) is None
    assert fit_dipole(X, rows * np.nan, 0.0, 1.0, 0, CoilSettings()) is None


def test_without_an_odometer_nothing_is_said_of_depth() -> None:
    geometry = MetalGeometry(StreamKind.METAL_PI, 1, 3, (1e-5, 3e-5, 1e-4), 500.0, 0.002, 0.0)
    readings = rows_over(0.05) * np.array([[3.0, 2.0, 1.0]]) + np.random.default_rng(0).normal(size=(len(X), 3))
    taps = np.exp(-0.5 * (np.arange(41) / 15) ** 2)
    args = readings, len(X) // 2, 0, taps, 40
    nowhere = np.full(len(X), np.nan)
    assert locate(*args, nowhere, geometry, CoilSettings(), np.zeros((0, 3))) is None
    found = locate(*args, X, geometry, CoilSettings(), np.zeros((0, 3)))
    assert isinstance(found, Dipole)
    told = found.told(MetalDescription(snr=5.0))
    assert "cm deep (95 %)" in told.text
    assert MetalDescription.from_row(told.to_row(1)).depth_m == found.depth_m
