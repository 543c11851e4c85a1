"""Baseline, noise and soil as the causal pass learns them."""

from __future__ import annotations

import numpy as np
import pytest

from detector.errors import ProfileError
from detector.metal.chain import MetalChain, MetalSettings
from detector.samples import Mark
from detector.simulate.pulse_induction import TARGETS, Head, soil_signal, target_signal

from .conftest import pulse_geometry

RATE = 500.0
DECAY = np.exp(-np.array(pulse_geometry().axis) / 60e-6)


def standing(amplitude: float, rise_s: float, rng: np.random.Generator, stay_s: float = 10.0) -> tuple:
    """Noise of 1, drift of 0.3 a second, and from 10 s on a target that comes, stands and goes at once."""
    n = int(RATE * (25 + stay_s))
    t = np.arange(n) / RATE
    shape = np.clip((t - 10) / rise_s, 0, 1)
    shape = shape * shape * (3 - 2 * shape)
    shape[t > 10 + rise_s + stay_s] = 0.0
    warm = 0.3 * t[:, None] * np.linspace(0.7, 1.0, 8)
    x = rng.normal(size=(n, 8)) + warm + 7.0 + amplitude * shape[:, None] * DECAY
    return x, t - 10 - rise_s


@pytest.mark.parametrize(("amplitude", "rise_s"), [(5.0, 0.3), (5.0, 1.0), (20.0, 3.0), (1000.0, 0.3)])
def test_a_target_that_stands_for_ten_seconds_keeps_nine_tenths(
    rng: np.random.Generator, amplitude: float, rise_s: float
) -> None:
    x, since = standing(amplitude, rise_s, rng)
    out = MetalChain(MetalSettings(), pulse_geometry()).process(x)
    since = since[: len(out.gates)]
    last = (since > 9.0) & (since < 9.9)
    kept = np.mean(out.gates[last] @ DECAY) / (DECAY @ DECAY) / amplitude
    assert 0.9 < kept < 1.1
    assert np.median(out.search[last]) > 10.0
    gone = since > 11.0
    assert np.mean(out.search[gone]) < 2.0


def test_the_same_target_is_eaten_by_a_plain_high_pass(rng: np.random.Generator) -> None:
    # what holding the baseline is for: memory of one second, no hold
    from scipy import signal

    x, since = standing(5.0, 0.3, rng)
    high = signal.butter(1, 0.16, "highpass", fs=RATE, output="sos")
    y = signal.sosfilt(high, x - x[0], axis=0)
    last = (since > 9.0) & (since < 9.9)
    assert np.mean(y[last] @ DECAY) / (DECAY @ DECAY) / 5.0 < 0.2


def test_a_head_that_has_changed_is_set_anew_after_the_hold(rng: np.random.Generator) -> None:
    x = rng.normal(size=(int(40 * RATE), 8))
    x[5000:] += 50.0 * DECAY
    chosen = MetalSettings.model_validate({"drift": {"hold_s": 15.0}})
    chain = MetalChain(chosen, pulse_geometry())
    out = chain.process(x)
    assert out.search[5000 + int(14.5 * RATE), 0] > 100.0
    assert np.mean(out.search[5000 + int(17.0 * RATE) :, 0]) < 3.0
    assert not chain.search.held[0]


@pytest.mark.parametrize("strength", [100.0, 3000.0])
@pytest.mark.parametrize("shape", [DECAY, 1.0 / np.array(pulse_geometry().axis) / 3e4])
def test_a_segment_that_begins_over_metal_hears_and_is_trusted_a_few_seconds_later(
    rng: np.random.Generator, strength: float, shape: np.ndarray
) -> None:
    t = np.arange(int(20 * RATE)) / RATE
    over = np.exp(-0.5 * ((t - 0.3) / 0.3) ** 2)
    later = np.exp(-0.5 * ((t - 9.0) / 0.1) ** 2)
    x = rng.normal(size=(len(t), 8)) + strength * over[:, None] * shape + 20.0 * later[:, None] * DECAY
    out = MetalChain(MetalSettings(), pulse_geometry()).process(x)
    t = t[: len(out.search)]
    assert out.search[(t > 8.5) & (t < 9.5)].max() > 20.0
    assert not (out.marks[(t > 7.0) & (t < 8.5)] & Mark.SOIL).any()
    # nothing but noise sounds afterwards
    assert np.mean(out.search[t > 15.0]) < 2.0


def test_steady_drift_leaves_no_lag(rng: np.random.Generator) -> None:
    t = np.arange(10_000)[:, None] / RATE
    x = rng.normal(size=(10_000, 8)) + 2.0 * t * np.linspace(1.0, -1.0, 8)
    out = MetalChain(MetalSettings(), pulse_geometry()).process(x)
    assert np.all(np.abs(out.gates[5000:].mean(axis=0)) < 0.1)  # a first-order baseline would lag by 2
    assert np.mean(out.search[5000:]) < 1.1


def test_soil_of_the_stated_direction_is_gone_to_below_the_noise(rng: np.random.Generator) -> None:
    head = Head(pulse_s=10.0)
    geometry = pulse_geometry()
    n = 6000
    height = 0.05 + 0.02 * np.sin(2 * np.pi * 0.7 * np.arange(n) / RATE)
    soil = soil_signal(Head(gates_s=geometry.axis, pulse_s=10.0), 1e-4, height)
    noise = 1e-3 * rng.normal(size=(n, 8))
    assert head.pulse_s == 10.0
    chosen = MetalSettings.model_validate({"ground_balance": {"pulse_us": 1e5}})
    bare = MetalChain(chosen, geometry).process(noise).search[3000:, 0]
    chain = MetalChain(chosen, geometry)
    with_soil = chain.process(noise + soil)
    swing = np.ptp(soil[3000:], axis=0).max() / 1e-3
    assert swing > 200.0  # in units of the noise
    assert np.all(with_soil.soil_share[3000:].mean() > 0.9)
    assert np.median(with_soil.search[3000:]) < 2.0 * np.median(bare)


def test_a_followed_direction_takes_out_soil_that_the_formula_does_not(rng: np.random.Generator) -> None:
    # the pulse is 250 us long, and the profile believes it endless: what is left is lift-off
    geometry = pulse_geometry()
    n = 30_000
    height = 0.05 + 0.01 * np.cumsum(rng.normal(size=n)) / np.sqrt(n) + 0.01 * np.sin(np.arange(n) / 130.0)
    soil = soil_signal(Head(gates_s=geometry.axis), 1e-4, np.clip(height, 0.02, 0.2))
    x = 1e-3 * rng.normal(size=(n, 8)) + soil

    def left(limit: float) -> float:
        balance = {"track_limit": limit, "pulse_us": 1e5}
        chain = MetalChain(MetalSettings.model_validate({"ground_balance": balance}), geometry)
        chain.process(x)
        return float(chain.search.state.level[0])

    assert left(0.3) < 0.5 * left(0.0)


def test_a_followed_direction_turns_no_further_than_its_limit(rng: np.random.Generator) -> None:
    geometry = pulse_geometry()
    n = 10_000
    swing = 30.0 * np.sin(np.arange(n) / 60.0)
    away = np.array(geometry.axis) ** -1.0
    away = away / away[0] + 0.3 * np.sin(np.arange(8))
    x = rng.normal(size=(n, 8)) + swing[:, None] * away
    balance = {"track_limit": 0.05, "track_s": 1.0, "pulse_us": 1e5}
    chain = MetalChain(MetalSettings.model_validate({"ground_balance": balance}), geometry)
    chain.process(x)
    state = chain.search.state
    factor = np.linalg.cholesky(state.covariance[0].T)
    a, b = np.linalg.solve(factor, state.soil[0, 0]), np.linalg.solve(factor, state.nominal[0, 0])
    angle = np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
    assert np.tan(angle) < 0.05 * 1.2


def test_a_target_does_not_turn_the_direction(rng: np.random.Generator) -> None:
    geometry = pulse_geometry()
    n = 10_000
    soil = 20.0 * np.sin(np.arange(n) / 60.0)[:, None] * (np.array(geometry.axis) / geometry.axis[0]) ** -1.0
    x = rng.normal(size=(n, 8)) + soil
    dx = (np.arange(n) - 8000) * 1e-3
    strong = target_signal(Head(gates_s=geometry.axis), TARGETS["AT_metal"], dx, 0.05, np.full(n, 0.05)) / 1e-3
    balance = {"track_limit": 0.3, "track_s": 2.0, "pulse_us": 1e5}
    turned = []
    for signal in (x, x + strong):
        chain = MetalChain(MetalSettings.model_validate({"ground_balance": balance}), geometry)
        chain.process(signal)
        turned.append(chain.search.state.soil[0, 0] / chain.search.state.soil[0, 0, 0])
    np.testing.assert_allclose(turned[1], turned[0], atol=0.03)


def test_the_noise_covariance_is_learned_past_targets_and_soil(rng: np.random.Generator) -> None:
    mixing = np.linalg.cholesky(0.6 * np.eye(8) + 0.4)
    x = rng.normal(size=(20_000, 8)) @ mixing.T
    x += 300.0 * np.sin(np.arange(20_000) / 80.0)[:, None] * DECAY
    chosen = MetalSettings.model_validate({"mains": {"harmonics": 0}, "noise": {"memory_s": 10.0}})
    chain = MetalChain(chosen, pulse_geometry())
    chain.process(x)
    learned = np.triu(chain.search.state.covariance[0])
    np.testing.assert_allclose(learned, np.triu(mixing @ mixing.T), atol=0.15)


def test_noise_far_above_its_reference_is_marked_and_quiet_noise_is_not(rng: np.random.Generator) -> None:
    x = rng.normal(size=(10_000, 8))
    x[5000:] *= 5.0
    chosen = MetalSettings.model_validate({"trust": {"noise_reference": [1.0] * 8}})
    marks = MetalChain(chosen, pulse_geometry()).process(x).marks
    assert not np.any(marks[:5000] & Mark.NOISY)
    # a memory of two seconds, with steps bounded, sees five times the noise within two
    assert np.all(marks[6000:] & Mark.NOISY)


def test_soil_that_the_balance_cannot_take_out_is_marked(rng: np.random.Generator) -> None:
    geometry = pulse_geometry()
    n = 15_000
    height = 0.05 + 0.015 * np.sin(2 * np.pi * 0.9 * np.arange(n) / RATE)
    noise = 1e-3 * rng.normal(size=(n, 8))
    for viscosity, marked in ((1e-6, False), (1e-2, True)):
        soil = soil_signal(Head(gates_s=geometry.axis), viscosity, height)
        marks = MetalChain(MetalSettings(), geometry).process(noise + soil).marks[5000:]
        assert (np.mean((marks & Mark.SOIL) > 0) > 0.9) == marked, viscosity


def test_a_target_is_not_marked_as_soil(rng: np.random.Generator) -> None:
    geometry = pulse_geometry()
    n = 6000
    dx = (np.arange(n) - 3000) * 1e-3
    strong = target_signal(Head(gates_s=geometry.axis), TARGETS["AT_metal"], dx, 0.05, np.full(n, 0.05))
    marks = MetalChain(MetalSettings(), geometry).process(1e-3 * rng.normal(size=(n, 8)) + strong).marks
    assert not np.any(marks)


def test_a_reference_of_another_head_is_refused() -> None:
    with pytest.raises(ProfileError, match="Take the reference again"):
        MetalChain(MetalSettings.model_validate({"trust": {"noise_reference": [1.0]}}), pulse_geometry())


def test_the_kernels_bits_are_the_marks() -> None:
    from detector.kernels import gates, trust

    assert (trust.SATURATED, trust.FROZEN) == (Mark.SATURATED, Mark.FROZEN)
    assert (gates.NOISY, gates.SOIL) == (Mark.NOISY, Mark.SOIL)
