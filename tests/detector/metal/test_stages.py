"""Impulse, trust, phase, response and ground-balance stages by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import ProfileError
from detector.metal.answers import target_basis
from detector.metal.ground_balance import GroundBalanceSettings, loss_factor, soil_directions
from detector.metal.impulse import ImpulseRejection, ImpulseSettings
from detector.metal.phase import PhaseRotation, PhaseSettings
from detector.metal.response import Response, ResponseSettings
from detector.metal.trust import RawTrust, TrustSettings
from detector.samples import Mark
from detector.simulate.continuous_wave import sphere_polarizability
from detector.simulate.pulse_induction import TARGETS, Head, soil_signal, sphere, target_signal

from .conftest import pulse_geometry, wave_geometry

EYE = np.eye(8)[None]
NO_SOIL = np.zeros((1, 0, 8))

LOSSES = (0.19, 0.23, 0.26)
"""Share of amplitude left of a minimum-metal mine, a 20 mm aluminium ball and a steel mine, computed once."""


def in_pieces(stage: Any, x: np.ndarray, sizes: list[int], push: Callable, end: Callable | None) -> np.ndarray:
    parts, at, i = [], 0, 0
    while at < len(x):
        parts.append(push(stage, x[at : at + sizes[i % len(sizes)]]))
        at += sizes[i % len(sizes)]
        i += 1
    if end is not None:
        parts.append(end(stage))
    return np.concatenate(parts)


STAGES: dict[str, tuple[Callable, Callable, Callable | None]] = {
    "impulse": (
        lambda: ImpulseRejection(ImpulseSettings(), pulse_geometry()), lambda s, x: s.process(x), lambda s: s.finish()
    ),
    "trust": (lambda: RawTrust(TrustSettings(), pulse_geometry(lsb=0.5)), lambda s, x: s.process(x), None),
    "response": (
        lambda: Response(ResponseSettings(baseline_m=0.3), pulse_geometry(), NO_SOIL, True),
        lambda s, x: s.process(x, EYE),
        lambda s: s.finish(EYE),
    ),
    "phase": (
        lambda: PhaseRotation(PhaseSettings(reference_deg=(30.0,)), wave_geometry()),
        lambda s, x: s.process(np.ascontiguousarray(x[:, :6])),
        None,
    ),
}  # fmt: skip


def moved(stage: Response, x: np.ndarray) -> np.ndarray:
    """With places, which the last value of a row stands for."""
    return stage.process(x, EYE, np.where(x[:, 0] > 5.0, np.nan, x[:, 7]))


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 250), min_size=1, max_size=8), n=st.integers(1, 900), speed=st.floats(0.0, 2.0))
def test_any_cut_gives_the_same_bits_at_any_speed(sizes: list[int], n: int, speed: float) -> None:
    make, _, end = STAGES["response"]
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(900, 8)) * 3)[:n] * 0.5
    x[:, 7] = np.cumsum(rng.uniform(-0.1, 1.0, n) * speed * 2e-3)
    once = in_pieces(make(), x, [250], moved, end)
    assert len(once) == n
    assert once.tobytes() == in_pieces(make(), x, sizes, moved, end).tobytes()


@pytest.mark.parametrize("speed", [0.3, 1.0, 2.5])
def test_a_response_has_its_width_at_any_speed_that_the_places_tell(speed: float) -> None:
    # the same metres at another speed: the energy over noise grows with the readings, and with nothing else
    geometry = pulse_geometry()
    x_m = np.arange(round(5.0 / (speed * geometry.step_m))) * speed * geometry.step_m
    signal = 3.0 * np.exp(-0.5 * ((x_m - 2.5) / (0.12 / 2.3548)) ** 2)[:, None] * np.ones(8)
    one = ResponseSettings(narrow_m=0.12, wide_m=0.12, count=1)
    told = Response(one, geometry, NO_SOIL, True)
    energy = np.concatenate((told.process(signal, EYE, x_m), told.finish(EYE)))[:, 0, 0]
    assert abs(x_m[energy.argmax()] - 2.5) <= 0.0101  # a cell
    half = x_m[energy > 0.25 * energy.max()]
    blind = Response(one, geometry, NO_SOIL, True)
    unsure = np.concatenate((blind.process(signal, EYE), blind.finish(EYE)))[:, 0, 0]
    assert half[-1] - half[0] == pytest.approx(0.12 * np.sqrt(2.0), rel=0.15)
    assert energy.max() > unsure.max() or speed == 1.0


def test_a_drift_does_not_look_like_metal_where_the_sweep_begins_and_ends(rng: np.random.Generator) -> None:
    geometry = pulse_geometry()
    n = 6000
    x = rng.normal(size=(n, 8)) + 2.0 * np.outer(np.arange(n) * geometry.step_m, np.ones(8))  # 2 sigma a metre
    x[:, :] += 4.0 * np.exp(-0.5 * ((np.arange(n) * geometry.step_m - 0.3) / 0.06) ** 2)[:, None]
    stage = Response(ResponseSettings(), geometry, NO_SOIL, True)
    energy = in_pieces(stage, x, [250], *STAGES["response"][1:]).max(axis=(1, 2))
    at = np.arange(n) * geometry.step_m
    # the widest filter still hears the target half a metre away
    ends = (at < 1.0) & (np.abs(at - 0.3) > 0.5) | (at > at[-1] - 1.0)
    middle = (at > 1.2) & (at < at[-1] - 1.2)
    assert energy[ends].max() < 2.0 * energy[middle].max()
    assert energy[np.abs(at - 0.3) < 0.05].max() > 3.0 * energy[middle].max()


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 250), min_size=1, max_size=8), n=st.integers(1, 900))
def test_any_cut_gives_the_same_bits(name: str, sizes: list[int], n: int) -> None:
    make, push, end = STAGES[name]
    x = np.round(np.random.default_rng(1).normal(size=(900, 8)) * 3)[:n] * 0.5
    x[n // 2 : n // 2 + 20] = 1.0
    once = in_pieces(make(), x, [250], push, end)
    assert len(once) == n
    assert once.tobytes() == in_pieces(make(), x, sizes, push, end).tobytes()


def test_clean_noise_loses_no_reading_to_impulse_rejection(rng: np.random.Generator) -> None:
    stage = ImpulseRejection(ImpulseSettings(), pulse_geometry())
    x = rng.normal(size=(50_000, 8))
    y = np.concatenate((stage.process(x), stage.finish()))
    assert np.mean(y != x) < 1e-5


def test_the_impulse_window_stays_shorter_than_a_target() -> None:
    assert ImpulseRejection(ImpulseSettings(), pulse_geometry(rate_hz=50.0)).latency == 0
    assert ImpulseRejection(ImpulseSettings(), pulse_geometry(rate_hz=1000.0)).latency == 2


def test_both_ends_of_the_range_are_saturated_and_floating_point_has_none() -> None:
    lsb = 0.25
    x = np.zeros((4, 8))
    x[1, 3], x[2, 7] = -32768 * lsb, 32767 * lsb
    assert RawTrust(TrustSettings(), pulse_geometry(lsb=lsb)).process(x).tolist() == [0, 1, 1, 0]
    assert not np.any(RawTrust(TrustSettings(), pulse_geometry()).process(x * 1e30) & Mark.SATURATED)


def test_a_coarse_quiet_sensor_is_not_called_frozen_and_a_dead_one_is(rng: np.random.Generator) -> None:
    geometry = pulse_geometry(lsb=1.0)
    quiet = np.round(rng.normal(scale=0.25, size=(3000, 8)))  # many readings repeat
    assert np.mean(np.all(np.diff(quiet, axis=0) == 0, axis=1)) > 0.3
    assert not np.any(RawTrust(TrustSettings(), geometry).process(quiet) & Mark.FROZEN)
    dead = np.zeros((1000, 8))
    marks = RawTrust(TrustSettings(), geometry).process(dead)
    assert np.flatnonzero(marks & Mark.FROZEN)[0] == 500  # one second, whatever the noise
    assert np.all(marks[500:] & Mark.FROZEN)


def test_one_frozen_coil_of_three_is_enough(rng: np.random.Generator) -> None:
    geometry = pulse_geometry(coils=3, lsb=1.0)
    x = np.round(rng.normal(scale=10.0, size=(400, 24)))
    x[200:, 8:16] = x[200, 8:16]
    marks = RawTrust(TrustSettings(), geometry).process(x)
    assert np.flatnonzero(marks & Mark.FROZEN)[0] == 210
    assert np.all(marks[210:] & Mark.FROZEN)


@pytest.mark.parametrize("gate", [0, 3, 7])
@pytest.mark.parametrize("lsb", [1.0, 0.0])
def test_a_gate_that_stands_still_between_live_ones_is_frozen_after_a_second_until_it_moves(
    rng: np.random.Generator, gate: int, lsb: float
) -> None:
    x = rng.normal(scale=10.0, size=(2000, 16))
    x = np.round(x) if lsb else x
    x[300:1500, 8 + gate] = x[300, 8 + gate]
    marks = RawTrust(TrustSettings(), pulse_geometry(coils=2, lsb=lsb)).process(x) & Mark.FROZEN
    first, last = np.flatnonzero(marks)[[0, -1]]
    assert 800 <= first <= 805  # one second
    assert 1495 <= last < 1500
    assert marks[first : last + 1].all()
    x[:, 8 + gate] = 0.0
    never = RawTrust(TrustSettings(), pulse_geometry(coils=2, lsb=lsb)).process(x) & Mark.FROZEN
    assert not never[:499].any()
    assert never[505:].all()
    x[:, 8:] = 0.0  # the whole coil
    assert (RawTrust(TrustSettings(), pulse_geometry(coils=2, lsb=lsb)).process(x)[505:] & Mark.FROZEN).all()


@pytest.mark.parametrize("fall", [0.9, 0.7, 0.5, 0.4])
def test_late_gates_whose_noise_is_below_a_count_are_not_called_frozen(rng: np.random.Generator, fall: float) -> None:
    noise = 4.0 * fall ** np.arange(8)
    x = rng.normal(size=(20_000, 8)) * noise
    x += 300.0 * np.sin(np.arange(20_000) / 200.0)[:, None] * fall ** np.arange(8) * (np.arange(20_000) > 5000)[:, None]
    x = np.round(x)
    assert not np.any(RawTrust(TrustSettings(), pulse_geometry(lsb=1.0)).process(x) & Mark.FROZEN)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_any_cut_marks_a_stuck_gate_alike(sizes: list[int], seed: int) -> None:
    draw = np.random.default_rng(seed)
    x = np.round(draw.normal(scale=5.0, size=(1500, 16)))
    for start, gate in zip(draw.integers(0, 900, 3), draw.integers(0, 16, 3), strict=True):
        x[start : start + draw.integers(400, 700), gate] = 7.0
    geometry = pulse_geometry(coils=2, lsb=1.0)
    whole = RawTrust(TrustSettings(), geometry).process(x)
    push = RawTrust.process
    np.testing.assert_array_equal(in_pieces(RawTrust(TrustSettings(), geometry), x, sizes, push, None), whole)


def test_phases_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ProfileError, match="3 frequencies"):
        PhaseRotation(PhaseSettings(reference_deg=(1.0, 2.0)), wave_geometry())


@pytest.mark.parametrize("speed", [0.5, 0.7, 1.4])
def test_a_target_at_half_to_one_and_a_half_times_the_speed_keeps_most_of_its_score(speed: float) -> None:
    # the bank against the one filter that fits exactly: how much energy the steps between widths cost
    geometry = pulse_geometry()
    bank = Response(ResponseSettings(), geometry, NO_SOIL, False)
    one = Response(ResponseSettings(narrow_m=0.18 / speed, wide_m=0.18 / speed, count=1), geometry, NO_SOIL, False)
    shape = np.exp(-0.5 * ((np.arange(4000) - 2000) * 1e-3 * speed / (0.18 / 2.3548)) ** 2)
    x = shape[:, None] * np.ones(8)
    ours = in_pieces(bank, x, [250], STAGES["response"][1], STAGES["response"][2])
    best = in_pieces(one, x, [250], STAGES["response"][1], STAGES["response"][2])
    assert ours.max() > 0.75 * best.max()
    assert abs(int(np.argmax(ours.max(axis=(1, 2)))) - 2000) <= 10


def test_decimated_bank_equals_the_full_rate_filters(rng: np.random.Generator) -> None:
    from scipy import ndimage

    geometry = pulse_geometry()
    bank = Response(ResponseSettings(ranks=8), geometry, NO_SOIL, False)
    x = rng.normal(size=(4000, 8))
    x[1800:2200] += 3.0 * np.hanning(400)[:, None]
    ours = in_pieces(bank, x, [250], STAGES["response"][1], STAGES["response"][2])
    for f, width in enumerate(bank.widths_m):
        sigma = width / 2.3548 / geometry.step_m
        y = ndimage.gaussian_filter1d(x, sigma, axis=0, truncate=3.0)
        impulse = ndimage.gaussian_filter1d(np.eye(1, 4001, 2000)[0], sigma, truncate=3.0)
        theirs = np.mean(y**2, axis=1) / (impulse @ impulse)
        np.testing.assert_allclose(ours[1970:2030, 0, f], theirs[1970:2030], rtol=0.05)


def test_a_strong_target_does_not_hide_a_weak_one_ahead_of_it() -> None:
    # 40 dB apart and 0.7 m away: a filter of zero sum throws the strong one's side lobe on the weak one
    rng = np.random.default_rng(7)
    geometry = pulse_geometry()
    at = np.arange(6000) * geometry.step_m
    decay = np.exp(-np.array(geometry.axis) / 60e-6)
    x = rng.normal(size=(6000, 8))
    x += 300.0 * np.outer(np.exp(-0.5 * ((at - 2.5) / 0.06) ** 2), decay)
    x += 3.0 * np.outer(np.exp(-0.5 * ((at - 1.8) / 0.06) ** 2), decay)
    energy = in_pieces(Response(ResponseSettings(), geometry, NO_SOIL, True), x, [250], *STAGES["response"][1:])
    score = np.log(energy.max(axis=(1, 2)))
    weak = score[np.abs(at - 1.8) < 0.05].max()
    ground = score[(np.abs(at - 2.5) > 0.5) & (np.abs(at - 1.8) > 0.3) & (at < 5.0)].max()
    assert weak > ground + 1.0


def test_decays_of_metal_lie_in_the_coordinates_that_are_kept() -> None:
    geometry = pulse_geometry()
    basis = target_basis(geometry, 5)
    assert basis.shape == (8, 5)
    sigma = np.sqrt(geometry.axis[0] / np.array(geometry.axis))
    axes = np.linalg.qr(basis * sigma[:, None])[0]
    for kind in ("minimum-metal", "shell_fragment", "tin_can"):
        white = target_signal(Head(gates_s=geometry.axis), TARGETS[kind], np.zeros(1), 0.05, np.zeros(1))[0] / sigma
        assert np.linalg.norm(axes.T @ white) > 0.99 * np.linalg.norm(white)


@pytest.mark.parametrize("frequencies", [(2e3, 8e3, 32e3), (1e3, 3e3, 10e3, 30e3, 90e3)])
@pytest.mark.parametrize(
    ("radius_m", "conductivity", "permeability"), [(2e-3, 3.5e7, 1.0), (0.02, 3.5e7, 1.0), (5e-3, 5e6, 100.0)]
)
def test_a_waves_coordinates_hold_exact_spheres(
    frequencies: tuple[float, ...], radius_m: float, conductivity: float, permeability: float
) -> None:
    axes = np.linalg.qr(target_basis(wave_geometry(frequencies=frequencies), 5))[0]
    moment = np.conj(sphere_polarizability(radius_m, conductivity, frequencies, permeability))
    answer = np.ravel([moment.real, moment.imag], order="F")
    assert np.linalg.norm(axes.T @ answer) > 0.98 * np.linalg.norm(answer)


def test_static_filters_keep_a_constant() -> None:
    bank = Response(ResponseSettings(), pulse_geometry(), NO_SOIL, False)
    out = in_pieces(bank, np.full((3000, 8), 2.0), [250], STAGES["response"][1], STAGES["response"][2])
    assert out.min() > 100.0  # two sigma a reading, over some hundred readings


def test_soil_formula_equals_the_simulated_soil() -> None:
    geometry = pulse_geometry()
    head = Head(gates_s=geometry.axis, pulse_s=250e-6)
    soil = soil_signal(head, 1e-5, np.array([0.05]))[0]
    direction = soil_directions(GroundBalanceSettings(pulse_us=250.0), geometry)
    assert direction.shape == (1, 1, 8)
    np.testing.assert_allclose(direction[0, 0], soil / soil.max(), rtol=1e-9)
    # with the pulse unknown, the two directions given span all but a fiftieth of it
    pair = soil_directions(GroundBalanceSettings(), geometry)[0]
    fitted = pair.T @ np.linalg.lstsq(pair.T, soil, rcond=None)[0]
    assert np.linalg.norm(soil - fitted) < 0.02 * np.linalg.norm(soil)


def test_heads_that_do_not_say_their_method_are_not_balanced() -> None:
    from detector.metal.geometry import MetalGeometry
    from detector.samples import StreamKind

    plain = MetalGeometry(StreamKind.METAL, 2, 3, (), 50.0, 0.01, 1.0)
    assert soil_directions(GroundBalanceSettings(), plain).shape == (2, 0, 3)
    learned = GroundBalanceSettings(direction=(3.0, 2.0, 1.0))
    assert soil_directions(learned, plain).shape == (2, 1, 3)
    with pytest.raises(ProfileError, match="Balance again"):
        soil_directions(GroundBalanceSettings(direction=(1.0, 2.0)), plain)


def test_conductive_ground_is_a_further_direction() -> None:
    pulse = soil_directions(GroundBalanceSettings(pulse_us=250.0, conductive=True), pulse_geometry())
    t = np.array(pulse_geometry().axis)
    np.testing.assert_allclose(pulse[0, 1], (t / t[0]) ** -2.5)
    wave = soil_directions(GroundBalanceSettings(conductive=True), wave_geometry())
    np.testing.assert_allclose(wave[0, 1, 1::2], np.array([2e3, 8e3, 32e3]) / 32e3)
    np.testing.assert_allclose(wave[0, 1, 0::2], 0.0)


def test_the_loss_factor_says_what_the_balance_costs() -> None:
    geometry = pulse_geometry()
    noise = np.diag((geometry.axis[0] / np.array(geometry.axis)) * 1e-6)
    head = Head(gates_s=geometry.axis)
    soil = soil_directions(GroundBalanceSettings(pulse_us=250.0), geometry)[0]
    assert loss_factor(soil[0], soil, noise) == pytest.approx(0.0, abs=1e-6)
    assert loss_factor(soil[0], soil[:0], noise) == 1.0
    at = np.zeros(1)
    left = [
        loss_factor(target_signal(head, metal, at, 0.05, at + 0.05)[0], soil, noise)
        for metal in (TARGETS["minimum-metal"], sphere(0.01, 3.5e7), TARGETS["AT_metal"])
    ]
    # a small fast target resembles soil most, a slow one least
    np.testing.assert_allclose(left, LOSSES, atol=0.02)
