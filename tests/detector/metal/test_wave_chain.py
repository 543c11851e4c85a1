"""A continuous-wave head through the whole chain, from sweep to indication."""

from __future__ import annotations

import numpy as np
import pytest

from detector.metal.chain import MetalChain, MetalOutput, MetalSettings
from detector.metal.ground_balance import GroundBalanceSettings, soil_directions
from detector.metal.learning import learn_ground, learn_offset
from detector.metal.wave import wave_features
from detector.simulate.continuous_wave import (
    WaveHead,
    metal_polarizability,
    sphere_polarizability,
    wave_signal,
    wave_soil_signal,
)
from detector.simulate.pulse_induction import TARGETS

from .conftest import wave_geometry

HEAD = WaveHead()
GEOMETRY = wave_geometry()
NOISE = 2e-5
"""V; a 10 mm steel ball 10 cm away answers with about 1e-2."""


def sweep(rng: np.random.Generator, n: int = 6000, soil: float = 1e-5, ball: tuple[float, ...] | None = None):
    """Readings at 0.5 m/s and 500 /s over viscous soil, the target at reading 4000."""
    height = 0.05 + 0.005 * np.sin(np.arange(n) / 170.0)
    x = wave_soil_signal(HEAD, soil, 100 * soil, height) + NOISE * rng.normal(size=(n, 6))
    if ball is not None:
        polarizability = sphere_polarizability(ball[0], ball[1], HEAD.frequencies_hz, ball[2])
        x = x + wave_signal(HEAD, polarizability, (np.arange(n) - 4000) * 1e-3, 0.05, height)
    return x


def through(x: np.ndarray, chosen: MetalSettings) -> tuple[MetalOutput, np.ndarray]:
    chain = MetalChain(chosen, GEOMETRY)
    out = chain.process(x)
    return out, np.concatenate((out.energy, chain.finish().energy)).max(axis=(1, 2))


@pytest.mark.parametrize("ball", [(5e-3, 4.5e6, 100.0), (5e-3, 3.5e7, 1.0)])
def test_a_ball_in_mineral_soil_stands_out_at_its_place(rng: np.random.Generator, ball: tuple[float, ...]) -> None:
    x = sweep(rng, ball=ball)
    swing = np.ptp(sweep(rng)[:, 0]) / NOISE
    assert swing > 1000.0  # the soil's own swing, in units of the noise
    pumped = learn_ground(sweep(rng, 3000), GEOMETRY)
    chosen = MetalSettings.model_validate({"ground_balance": {"direction": pumped.setting}})
    out, energy = through(x, chosen)
    assert abs(int(np.argmax(energy)) - 4000) < 30
    assert abs(int(np.argmax(out.search[1000:, 0])) + 1000 - 4000) < 60  # late by its smoothing
    assert out.search[3900:4100].max() > 20.0 * out.search[1500:3000].max()


def test_the_formula_is_the_simulated_soil() -> None:
    # loss tangent pi/2 * viscosity / susceptibility = pi/200
    direction = soil_directions(GroundBalanceSettings(loss_tangent=np.pi / 200), GEOMETRY)[0, 0]
    soil = wave_soil_signal(HEAD, 1e-5, 1e-3, np.array([0.05]))[0]
    np.testing.assert_allclose(direction / direction[0], soil / soil[0], rtol=1e-9)


def test_turning_the_reference_phase_changes_no_energy(rng: np.random.Generator) -> None:
    x = sweep(rng, ball=(5e-3, 3.5e7, 1.0))
    z = (x[:, 0::2] + 1j * x[:, 1::2]) * np.exp(1j * np.radians([20.0, -50.0, 70.0]))
    turned = np.stack((z.real, z.imag), axis=2).reshape(len(x), 6)
    plain = MetalSettings()
    rotated = MetalSettings.model_validate({"phase": {"reference_deg": [20.0, -50.0, 70.0]}})
    a, b = through(x, plain), through(turned, rotated)
    np.testing.assert_allclose(b[0].gates, a[0].gates, atol=1e-12)
    np.testing.assert_allclose(b[1], a[1], rtol=1e-4)


@pytest.mark.parametrize(("ball", "ferrous"), [((5e-3, 4.5e6, 100.0), True), ((5e-3, 3.5e7, 1.0), False)])
def test_pinpointed_in_static_mode_a_ball_says_whether_it_is_steel(
    rng: np.random.Generator, ball: tuple[float, ...], ferrous: bool
) -> None:
    # offset taken on command over the spot's clean neighbourhood, then the head held over the ball
    still = np.full(2000, 0.05)
    ground = wave_soil_signal(HEAD, 1e-5, 1e-3, still) + NOISE * rng.normal(size=(2000, 6))
    offset = learn_offset(ground, GEOMETRY)
    polarizability = sphere_polarizability(*ball[:2], HEAD.frequencies_hz, ball[2])
    held = ground + wave_signal(HEAD, polarizability, np.zeros(2000), 0.05, still)
    chosen = MetalSettings.model_validate({"mode": "static", "drift": {"offset": offset.setting}})
    gates = MetalChain(chosen, GEOMETRY).process(held).gates[1000:].mean(axis=0)
    found = wave_features(gates, np.full(6, NOISE), HEAD.frequencies_hz)
    assert found.ferrous == ferrous
    assert found.confidence > 0.95


@pytest.mark.parametrize("soil", [0.0, 1e-5])
@pytest.mark.parametrize("reading", [700, 1000, 1300])
def test_an_anti_tank_mine_within_the_first_two_metres_stands_out_of_any_clean_ground(
    rng: np.random.Generator, reading: int, soil: float
) -> None:
    # its flanks fill the ground that the first idea of the soil is taken from
    clean = through(sweep(rng, 12_000, soil), MetalSettings())[1].max()
    mine = metal_polarizability(TARGETS["AT_metal"], HEAD.frequencies_hz)
    height = 0.05 + 0.005 * np.sin(np.arange(6000) / 170.0)
    x = sweep(rng, soil=soil) + wave_signal(HEAD, mine, (np.arange(6000) - reading) * 1e-3, 0.25, height)
    assert through(x, MetalSettings())[1][reading - 150 : reading + 150].max() > 1.5 * clean


def test_all_of_a_row_of_strong_metal_40_cm_apart_stands_out(rng: np.random.Generator) -> None:
    mine = metal_polarizability(TARGETS["minimum-metal"], HEAD.frequencies_hz)
    still = np.full(9000, 0.05)
    row = sum(wave_signal(HEAD, mine, (np.arange(9000) - at) * 1e-3, 0.15, still) for at in range(3000, 7000, 400))
    row *= 300.0 * NOISE / np.abs(row).max()
    energy = through(sweep(rng, 9000, 0.0) + row, MetalSettings())[1]
    clean = through(sweep(rng, 12_000, 0.0), MetalSettings())[1].max()
    peaks = [energy[at - 100 : at + 100].max() for at in range(3000, 7000, 400)]
    assert min(peaks) > 4.0 * clean
