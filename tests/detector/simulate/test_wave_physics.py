"""The simulated continuous-wave head against independent physics."""

from __future__ import annotations

import numpy as np
import pytest

from detector.simulate.continuous_wave import WaveHead, sphere_polarizability, wave_signal, wave_soil_signal
from detector.simulate.pulse_induction import Head, soil_signal, sphere

HEAD = WaveHead(frequencies_hz=(1e3, 1e4, 1e5))
AT = np.zeros(1)


def test_limits_of_the_sphere_are_the_textbook_ones() -> None:
    a, mu = 0.01, 80.0
    low = sphere_polarizability(a, 5e6, np.array([1e-4]), mu)[0]
    assert low.real == pytest.approx(4 * np.pi * a**3 * (mu - 1) / (mu + 2), rel=1e-4)
    high = sphere_polarizability(a, 5e6, np.array([1e11]), 1.0)[0]
    assert high.real == pytest.approx(-2 * np.pi * a**3, rel=1e-2)
    # the series of relaxations of a non-magnetic sphere, term by term
    s = sphere(a, 3e7, 20000)
    w = 2 * np.pi * 5e3
    relaxations = -sum(A * 1j * w * t / (1 + 1j * w * t) for A, t in zip(s.amplitudes_m3, s.taus_s, strict=True))
    exact = sphere_polarizability(a, 3e7, np.array([5e3]))[0]
    assert abs(exact - relaxations) < 1e-4 * abs(exact)


def test_losses_are_positive_quadrature_and_a_conductor_opposes_the_field() -> None:
    for permeability in (1.0, 60.0):
        v = wave_signal(HEAD, sphere_polarizability(5e-3, 1e7, HEAD.frequencies_hz, permeability), AT, 0.05, AT + 0.05)
        assert np.all(v[0, 1::2] > 0.0)
    assert np.all(wave_signal(HEAD, sphere_polarizability(5e-3, 1e7, HEAD.frequencies_hz), AT, 0.05, AT)[0, 0::2] < 0)


def test_a_perfect_dipole_weighs_the_same_at_all_frequencies() -> None:
    v = wave_signal(HEAD, np.full(3, 1e-7 + 0j), AT, 0.05, AT + 0.05)[0]
    np.testing.assert_allclose(v[0::2], v[0])
    np.testing.assert_allclose(v[1::2], 0.0)


def test_viscous_soil_obeys_kramers_and_kronig_and_falls_with_height() -> None:
    viscosity, chi = 2e-5, 1e-3
    v = wave_soil_signal(HEAD, viscosity, chi, np.array([0.03, 0.06]))
    assert np.all(np.abs(v[0]) > np.abs(v[1]))
    i, q = v[0, 0::2], v[0, 1::2]
    # log-uniform relaxation: quadrature is -pi/2 times the slope of the in-phase part in ln f, at all frequencies
    slope = np.diff(i) / np.diff(np.log(HEAD.frequencies_hz))
    np.testing.assert_allclose(q, -np.pi / 2 * slope[0], rtol=1e-9)
    np.testing.assert_allclose(slope[0], slope[1], rtol=1e-9)
    assert q[0] / i[1] == pytest.approx(np.pi / 2 * viscosity / chi)


def test_soil_falls_with_height_as_it_does_under_a_pulse_head() -> None:
    height = np.array([0.03, 0.05, 0.1])
    wave = wave_soil_signal(WaveHead(radius_m=0.13), 1e-5, 1e-3, height)[:, 0]
    pulse = soil_signal(Head(radius_m=0.13), 1e-5, height)[:, 0]
    np.testing.assert_allclose(wave / wave[0], pulse / pulse[0], rtol=1e-9)
