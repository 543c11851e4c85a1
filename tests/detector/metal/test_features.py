"""Decay and wave features against analytic answers."""

from __future__ import annotations

import numpy as np
import pytest

from detector.errors import SampleError
from detector.metal.decay import decay_features
from detector.metal.wave import wave_features
from detector.simulate.continuous_wave import WaveHead, sphere_polarizability, wave_signal, wave_soil_signal
from detector.simulate.pulse_induction import MU0

T = np.geomspace(15e-6, 400e-6, 16)
HEAD = WaveHead()
AT = np.zeros(1)


def test_a_single_exponential_is_found_with_its_time_constant() -> None:
    for tau in (20e-6, 60e-6, 300e-6):
        f = decay_features(3.0 * np.exp(-T / tau), np.full(16, 1e-3), T)
        assert f.tau_s == pytest.approx(tau, rel=0.05)
        assert f.tau_fit > 0.99
        assert f.sign_changes == 0


def test_the_late_decay_of_a_conducting_sphere_has_its_own_time_constant() -> None:
    # exact series of the sphere, step response; late time is mu0 sigma a^2 / pi^2
    radius, sigma = 0.006, 3.5e7
    k = np.arange(1, 400)
    slowest = MU0 * sigma * radius**2 / np.pi**2
    late = np.geomspace(slowest, 5 * slowest, 16)
    v = np.exp(-late[:, None] * k**2 / slowest).sum(axis=1)
    assert decay_features(v, np.full(16, 1e-6), late).tau_s == pytest.approx(slowest, rel=0.05)


def test_two_time_constants_are_told_apart_and_one_is_not_split() -> None:
    v = 5.0 * np.exp(-T / 15e-6) + 1.0 * np.exp(-T / 200e-6)
    f = decay_features(v, np.full(16, 1e-3), T)
    np.testing.assert_allclose(f.taus_s, (15e-6, 200e-6), rtol=0.15)
    np.testing.assert_allclose(f.amplitudes, (5.0, 1.0), rtol=0.25)
    rng = np.random.default_rng(1)
    alone = decay_features(np.exp(-T / 60e-6) + 0.01 * rng.normal(size=16), np.full(16, 0.01), T)
    assert alone.taus_s[0] == alone.taus_s[1]


def test_soil_has_slope_minus_one_everywhere() -> None:
    f = decay_features(1e-5 / T, np.full(16, 1e-5), T)
    np.testing.assert_allclose(f.log_slopes, -1.0, atol=1e-9)
    assert f.early_late_ratio > 1.0


def test_a_change_of_sign_is_counted_only_where_it_stands_out() -> None:
    v = np.exp(-T / 60e-6) - 0.2
    assert decay_features(v, np.full(16, 1e-3), T).sign_changes == 1
    assert decay_features(v, np.full(16, 10.0), T).sign_changes == 0
    assert np.all(np.isnan(decay_features(v, np.full(16, 10.0), T).log_slopes))


def test_nothing_gives_nan_and_nonsense_is_refused() -> None:
    f = decay_features(np.zeros(16), np.ones(16), T)
    assert f.snr == 0.0
    assert np.isnan(f.tau_s)
    with pytest.raises(SampleError, match="positive sigma"):
        decay_features(np.zeros(16), np.zeros(16), T)
    with pytest.raises(SampleError, match="more frequencies"):
        wave_features(np.ones(2), np.ones(2), (1e3,))


def signal(radius_m: float, sigma: float, permeability: float = 1.0) -> np.ndarray:
    polarizability = sphere_polarizability(radius_m, sigma, HEAD.frequencies_hz, permeability)
    return wave_signal(HEAD, polarizability, AT, 0.05, AT + 0.05)[0]


def test_phase_angles_are_those_of_the_exact_sphere() -> None:
    for args in ((3e-3, 2.2e7), (1e-2, 3.5e7), (5e-3, 4.5e6, 100.0)):
        v = signal(*args)
        f = wave_features(v, np.full(6, 1e-3 * np.abs(v).max()), HEAD.frequencies_hz)
        m = sphere_polarizability(args[0], args[1], HEAD.frequencies_hz, args[2] if len(args) > 2 else 1.0)
        np.testing.assert_allclose(f.phase_deg, -np.degrees(np.angle(m)), atol=1e-6)


@pytest.mark.parametrize(
    ("args", "ferrous"),
    [((3e-3, 2.2e7), False), ((1e-2, 3.5e7), False), ((2e-3, 4.5e6, 60.0), True), ((5e-3, 4.5e6, 100.0), True)],
)
def test_steel_is_ferrous_and_aluminium_is_not(args: tuple[float, ...], ferrous: bool) -> None:
    v = signal(*args)
    f = wave_features(v, np.full(6, 0.01 * np.abs(v).max()), HEAD.frequencies_hz)
    assert f.ferrous == ferrous
    assert f.confidence > 0.95


def test_in_soil_whose_amount_is_unknown_confidence_is_admitted_to_be_low() -> None:
    v = signal(2e-3, 4.5e6, 60.0)
    soil = wave_soil_signal(HEAD, 1e-5, 1e-3, np.array([0.05]))[0]
    f = wave_features(v + soil, np.full(6, 0.01 * np.abs(v).max()), HEAD.frequencies_hz, soil)
    assert f.confidence < 0.7
