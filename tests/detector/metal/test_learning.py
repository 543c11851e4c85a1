"""What is learned on command."""

from __future__ import annotations

import numpy as np
import pytest

from detector.errors import SampleError
from detector.metal.chain import MetalChain, MetalSettings
from detector.metal.learning import learn_ground, learn_noise, learn_offset
from detector.simulate.continuous_wave import WaveHead, wave_soil_signal
from detector.simulate.pulse_induction import Head, soil_signal

from .conftest import pulse_geometry, wave_geometry

PUMP = 0.06 + 0.03 * np.sin(2 * np.pi * 0.5 * np.arange(2000) / 500.0)


def test_pumping_the_head_teaches_the_soils_direction(rng: np.random.Generator) -> None:
    geometry = pulse_geometry()
    soil = soil_signal(Head(gates_s=geometry.axis), 3e-5, PUMP)
    found = learn_ground(soil + 1e-3 * rng.normal(size=soil.shape) + 0.3, geometry)
    true = soil[0] / np.linalg.norm(soil[0])
    np.testing.assert_allclose(found.direction[0], true, atol=0.003)
    assert found.share[0] > 0.99
    assert found.residual[0] == pytest.approx(1.0, abs=0.25)
    assert 1.0 < found.exponent[0] < 1.4  # the finite pulse makes 1/t steeper
    assert found.swing[0] == pytest.approx(np.ptp(np.linalg.norm(soil, axis=1)), rel=0.05)
    assert found.n_records == 2000


def test_the_learned_direction_balances_what_the_formula_does_not(rng: np.random.Generator) -> None:
    geometry = pulse_geometry()
    soil = soil_signal(Head(gates_s=geometry.axis), 1e-3, PUMP)
    noise = 1e-3 * rng.normal(size=soil.shape)
    learned = learn_ground(soil + noise, geometry)

    def level(balance: dict[str, object]) -> float:
        chain = MetalChain(MetalSettings.model_validate({"ground_balance": balance}), geometry)
        chain.process(np.tile(soil, (5, 1)) + 1e-3 * rng.normal(size=(10_000, 8)))
        return float(chain.search.state.level[0])

    assert level({"direction": learned.setting}) < 3.0
    assert level({"pulse_us": 1e5}) > 30.0


def test_each_coil_learns_its_own_direction(rng: np.random.Generator) -> None:
    geometry = pulse_geometry(coils=2)
    first, second = rng.uniform(0.5, 1.0, 8), rng.uniform(0.5, 1.0, 8)
    swing = 50.0 * np.sin(np.arange(1000) / 40.0)[:, None]
    found = learn_ground(np.c_[swing * first, swing * second] + rng.normal(size=(1000, 16)), geometry)
    np.testing.assert_allclose(found.direction[1], second / np.linalg.norm(second), atol=0.01)
    assert len(found.setting) == 16
    MetalChain(MetalSettings.model_validate({"ground_balance": {"direction": found.setting}}), geometry)


def test_a_wave_head_learns_its_soils_phase(rng: np.random.Generator) -> None:
    geometry = wave_geometry()
    soil = wave_soil_signal(WaveHead(), 1e-5, 1e-3, PUMP)
    found = learn_ground(soil + 1e-5 * rng.normal(size=soil.shape), geometry)
    i, q = found.direction[0, 0::2], found.direction[0, 1::2]
    np.testing.assert_allclose(q / i, np.pi / 2 * 1e-5 / 1e-3, rtol=0.05)
    assert np.isnan(found.exponent[0])


def test_ground_that_does_not_answer_is_refused_with_advice(rng: np.random.Generator) -> None:
    with pytest.raises(SampleError, match="Raise and lower the head"):
        learn_ground(rng.normal(size=(1000, 8)), pulse_geometry())
    with pytest.raises(SampleError, match="Take them for longer"):
        learn_ground(rng.normal(size=(20, 8)), pulse_geometry())
    with pytest.raises(SampleError, match="must be"):
        learn_offset(rng.normal(size=(100, 7)), pulse_geometry())


def test_noise_is_learned_beside_a_slope(rng: np.random.Generator) -> None:
    sigma = np.geomspace(3.0, 0.5, 8)
    x = rng.normal(size=(5000, 8)) * sigma + 0.2 * np.arange(5000)[:, None]
    np.testing.assert_allclose(learn_noise(x, pulse_geometry()).sigma, sigma, rtol=0.06)


def test_an_offset_says_whether_it_wandered(rng: np.random.Generator) -> None:
    still = rng.normal(size=(1000, 8)) + 40.0
    found = learn_offset(still, pulse_geometry())
    np.testing.assert_allclose(found.offset, 40.0, atol=0.15)
    assert np.max(found.wander) < 4.0
    assert np.min(learn_offset(still + 1e-3 * np.arange(1000)[:, None], pulse_geometry()).wander) > 4.0
