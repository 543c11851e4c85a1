"""Soil and metal told apart by their decay, on the simulator's own physics and on what was measured of soils."""

from __future__ import annotations

import numpy as np
import pytest

from detector.samples import StreamDescription, StreamKind
from detector.simulate.pulse_induction import TARGETS, Head, Metal, soil_signal, sphere, target_signal
from firmware_host.soil_direction import MOST_OFF, not_soil, off_soil

GATES = [
    (2e-5, 5e-5, 1e-4, 2e-4),
    Head().gates_s,
    tuple(np.geomspace(1e-5, 3e-4, 12)),
    tuple(np.geomspace(2e-5, 1e-3, 16)),
]
ABOVE = np.array([0.05])


@pytest.mark.parametrize("gates", GATES, ids=len)
@pytest.mark.parametrize("pulse_s", [1e-4, 2.5e-4, 1e-3])
def test_simulated_soil_is_soil_whatever_the_pulse(gates: tuple[float, ...], pulse_s: float) -> None:
    soil = soil_signal(Head(gates_s=gates, pulse_s=pulse_s), 1e-5, ABOVE)[0]
    assert off_soil(soil, np.array(gates)) < MOST_OFF
    assert off_soil(-soil, np.array(gates)) < MOST_OFF


@pytest.mark.parametrize("exponent", [0.9, 1.0, 1.15, 1.3])
def test_the_exponents_that_were_measured_of_soils_are_soil(exponent: float) -> None:
    for gates in GATES:
        assert off_soil(np.array(gates) ** -exponent, np.array(gates)) < 1e-9


@pytest.mark.parametrize("gates", GATES, ids=len)
@pytest.mark.parametrize("pulse_s", [5e-5, 2.5e-4, 1e-3])
@pytest.mark.parametrize("metal", [TARGETS["minimum-metal"], sphere(0.002, 3e7), sphere(0.003, 3e7)])
def test_the_fast_decay_of_a_mines_little_metal_is_far_from_soil(
    gates: tuple[float, ...], pulse_s: float, metal: Metal
) -> None:
    head = Head(gates_s=gates, pulse_s=pulse_s)
    assert off_soil(target_signal(head, metal, np.zeros(1), 0.05, ABOVE)[0], np.array(gates)) > 10 * MOST_OFF


@pytest.mark.parametrize("tau_s", [1e-5, 4e-5, 8e-5, 1.5e-4, 3e-4, 1e-3])
def test_one_time_constant_is_not_soil(tau_s: float) -> None:
    for gates in GATES:
        assert off_soil(np.exp(-np.array(gates) / tau_s), np.array(gates)) > 2 * MOST_OFF


def swing(direction: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Gates while the head is raised and lowered, with noise of 1 in each, and that noise."""
    rng = np.random.default_rng(2)
    up_and_down = strength * (0.5 + 0.5 * np.sin(np.linspace(0, 20, 2000)))
    x = up_and_down[:, None] * direction / np.linalg.norm(direction) + rng.normal(size=(2000, len(direction)))
    return x, np.ones(len(direction))


def stream(kind: StreamKind, values: int, axis: tuple[float, ...]) -> StreamDescription:
    return StreamDescription(0, "metal", kind, 1, values, "float32", 200.0, axis=axis)


def test_only_a_response_that_has_a_shape_is_judged() -> None:
    gates = GATES[0]
    metal = stream(StreamKind.METAL_PI, 4, gates)
    can = np.exp(-np.array(gates) / 8e-5)
    assert "not soil" in not_soil(metal, *swing(can, 1000.0))
    assert not_soil(metal, *swing(can, 10.0)) == ""  # hardly there
    assert not_soil(metal, *swing(1 / np.array(gates), 1000.0)) == ""
    assert "changes its sign" in not_soil(metal, *swing(np.array([1.0, 0.5, -0.3, -0.5]), 1000.0))
    assert not_soil(stream(StreamKind.METAL_CW, 4, (1e3, 1e4)), *swing(can, 1000.0)) == ""
    assert not_soil(stream(StreamKind.METAL_PI, 2, gates[:2]), *swing(can[:2], 1000.0)) == ""
