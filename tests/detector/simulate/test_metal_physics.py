"""The simulated metal detector against independent physics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import special

from detector.simulate.lane import dual_sensor_lane
from detector.simulate.noise import mains, quantise, sferics
from detector.simulate.pulse_induction import (
    MU0,
    Head,
    conducting_soil_signal,
    loop_field,
    soil_signal,
    sphere,
    target_signal,
)
from detector.simulate.scene import dual_scene


def test_loop_field_on_the_axis_is_the_textbook_one() -> None:
    z = np.array([-0.3, 0.0, 0.05, 0.4])
    a = 0.13
    h_rho, h_z = loop_field(a, np.zeros(4), z)
    np.testing.assert_allclose(h_z, a**2 / (2 * (a**2 + z**2) ** 1.5), rtol=1e-6)
    np.testing.assert_allclose(h_rho, 0.0)


def test_loop_field_off_the_axis_equals_a_sum_over_the_wire() -> None:
    a, rho, z = 0.13, 0.09, 0.07
    phi = np.linspace(0, 2 * np.pi, 20001)[:-1]
    wire = a * np.c_[np.cos(phi), np.sin(phi), 0 * phi]
    dl = a * np.c_[-np.sin(phi), np.cos(phi), 0 * phi] * (phi[1] - phi[0])
    r = np.array([rho, 0.0, z]) - wire
    h = (np.cross(dl, r) / np.linalg.norm(r, axis=1)[:, None] ** 3).sum(axis=0) / (4 * np.pi)
    h_rho, h_z = loop_field(a, np.array([rho]), np.array([z]))
    np.testing.assert_allclose([h_rho[0], h_z[0]], [h[0], h[2]], rtol=1e-6)


def test_loop_field_is_free_of_divergence() -> None:
    e = 1e-5
    rho, z = np.array([0.07]), np.array([0.11])
    up, down = loop_field(0.13, rho, z + e)[1], loop_field(0.13, rho, z - e)[1]
    out, into = loop_field(0.13, rho + e, z)[0], loop_field(0.13, rho - e, z)[0]
    divergence = ((rho + e) * out - (rho - e) * into) / (2 * e * rho) + (up - down) / (2 * e)
    assert abs(divergence[0]) < 1e-4 * abs(up[0]) / e * e / 0.1


def test_a_sphere_is_a_perfect_conductor_at_once_and_decays_with_its_own_time_constant() -> None:
    a, sigma = 0.005, 3.5e7
    s = sphere(a, sigma, 4000)
    assert sum(s.amplitudes_m3) == pytest.approx(2 * np.pi * a**3, rel=1e-3)
    assert s.taus_s[0] == pytest.approx(MU0 * sigma * a**2 / np.pi**2)


def test_far_away_a_target_falls_with_the_sixth_power_of_distance() -> None:
    head = Head()
    metal = sphere(0.01, 3e7)
    near, far = (target_signal(head, metal, np.zeros(1), d, np.zeros(1))[0, 2] for d in (4.0, 8.0))
    assert near / far == pytest.approx(64, rel=0.02)


def test_soil_decays_as_one_over_t_before_the_pulse_length() -> None:
    head = Head(pulse_s=1.0)
    v = soil_signal(head, 1e-5, np.array([0.05]))[0]
    slope = np.polyfit(np.log(head.gates_s), np.log(v), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.01)


def test_soil_answers_less_the_higher_the_head() -> None:
    v = soil_signal(Head(), 1e-5, np.array([0.03, 0.05, 0.10]))[:, 0]
    assert v[0] > v[1] > v[2] > 0


def test_quantisation_saturates_instead_of_wrapping() -> None:
    assert quantise(np.array([-1e9, 0.4, 0.6, 1e9]), 1.0, np.dtype("<i2")).tolist() == [-32768, 0, 1, 32767]


def test_noise_of_one_seed_is_the_same_noise() -> None:
    t = np.arange(500) / 500.0
    for make in (lambda r: mains(r, t, 1.0), lambda r: sferics(r, 500, 0.1, 1.0)):
        a, b, c = (make(np.random.default_rng(s)) for s in (1, 1, 2))
        assert a.tobytes() == b.tobytes()
        assert a.tobytes() != c.tobytes()


def test_a_dual_lane_is_repeatable_and_whole(shared_data: Path) -> None:
    lane = shared_data / "radar" / "simulated" / "dev04.h5"
    device, blocks, truth, note = dual_sensor_lane(lane, 3)
    _, again, _, _ = dual_sensor_lane(lane, 3)
    _, other, _, _ = dual_sensor_lane(lane, 4)
    assert [b.raw.tobytes() for b in blocks] == [b.raw.tobytes() for b in again]
    assert blocks[0].raw.tobytes() != other[0].raw.tobytes()
    assert [s.name for s in device.streams] == ["metal", "radar"]
    assert len(truth) == 3
    assert "viscosity" in note
    assert np.abs(blocks[1].raw).max() < 32767  # the direct wave does not saturate the converter


def test_conducting_ground_answers_as_the_exact_field_in_the_middle_of_a_loop_on_it() -> None:
    # Ward and Hohmann 1988, eq. 4.97: a loop on a half space, switched off at once
    head = Head(radius_m=0.13, turns=1, current_a=1.0, pulse_s=1e6, gates_s=(1e-5, 2e-5, 1e-4), gain=1.0)
    for sigma in (0.3, 1.0, 4.0):
        theta = np.sqrt(MU0 * sigma / (4.0 * np.array(head.gates_s))) * head.radius_m
        bracket = 3.0 * special.erf(theta) - 2.0 / np.sqrt(np.pi) * theta * (3.0 + 2.0 * theta**2) * np.exp(-(theta**2))
        exact = bracket / (sigma * head.radius_m**3) * np.pi * head.radius_m**2
        np.testing.assert_allclose(conducting_soil_signal(head, sigma), exact, rtol=5e-3)


def test_salty_ground_is_heard_when_asked_for_and_moves_no_object() -> None:
    plain, salty = (dual_scene(3, 4.0, 0.6, "metal", salinity_s_per_m=s) for s in (None, 4.0))
    assert [(o.kind, o.x_m, o.depth_m) for o in plain.truth] == [(o.kind, o.x_m, o.depth_m) for o in salty.truth]
    a, b = (scene.blocks[0].raw * scene.blocks[0].stream.scale for scene in (plain, salty))
    heard = (b - a).mean(axis=(0, 1))
    gates = np.array(plain.blocks[0].stream.axis)
    assert heard[0] > 0.0
    slope = np.polyfit(np.log(gates[:3]), np.log(heard[:3]), 1)[0]
    assert -3.5 < slope < -2.2, "falls as t^-5/2, a little faster under a finite pulse"
