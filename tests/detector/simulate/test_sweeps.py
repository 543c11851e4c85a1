"""A simulated lane swept again: the same ground, another path, other noise, and what was dug does not answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.detections import LabelClass
from detector.errors import SampleError
from detector.simulate.buried import Buried, draw_mine
from detector.simulate.metal_lane import draw_head, metal_lane
from detector.simulate.radar_lane import RadarHead, radar_lane
from detector.simulate.scene import HeadWish, Scene, dual_scene
from detector.simulate.soil import Soil
from detector.simulate.sweeps import Sweep

SEED = 2003
"""Five objects: mines at 5.75, 8.83 and 9.82 m, a stone, a can at 10.82 m."""
CAN = 4
CW = HeadWish(metal="cw", coils=2)


def metal(sweep: Sweep, wish: HeadWish | None = None) -> Scene:
    return dual_scene(SEED, sensors="metal", sweep=sweep, **({} if wish is None else {"wish": wish}))


@pytest.mark.parametrize("wish", [HeadWish(), CW], ids=["pulse induction", "continuous waves"])
def test_what_was_dug_answers_no_more_and_all_else_stays(wish: HeadWish) -> None:
    with_can, without = metal(Sweep(2), wish), metal(Sweep(2, frozenset([CAN])), wish)
    assert repr(without.truth) == repr(with_can.truth[:CAN])
    assert without.visibility == with_can.visibility[:CAN]
    one, other = with_can.blocks[0], without.blocks[0]
    change = np.abs(one.raw.astype(np.int64) - other.raw).max(axis=(1, 2))
    near = np.abs(one.odometer_m - with_can.truth[CAN].x_m)
    assert change[near < 0.1].max() > 1000
    # a coil hears it from afar, and less than a thousandth of it
    assert change[near > 3.0].max() < 1e-3 * change[near < 0.1].max()


def test_ground_and_head_are_the_same_and_path_and_noise_are_not() -> None:
    first, second, other = metal(Sweep()), metal(Sweep(2)), dual_scene(SEED + 1, sensors="metal")
    assert repr(first.truth) == repr(second.truth)
    assert first.device == second.device != other.device
    assert "sweep 2" in second.note
    a, b = (s.blocks[0].raw[:, 0].astype(np.float64) for s in (first, second))
    assert not np.array_equal(a, b)
    assert not np.array_equal(np.diff(a[:, -1]), np.diff(b[:, -1]))
    x, head = np.arange(0.0, 4.0, 0.005), draw_head(np.random.default_rng(5))
    mine = draw_mine(np.random.default_rng(3), 2.0)
    lanes = [
        metal_lane(
            np.random.default_rng(1), head, 1e-5, [mine], x, np.full(len(x), 0.05), own=np.random.default_rng(own)
        )
        for own in (2, 3)
    ]
    assert np.array_equal(lanes[0][0], lanes[1][0])
    assert not np.array_equal(lanes[0][1], lanes[1][1])


def test_a_dug_body_sends_no_echo_and_leaves_a_hole_in_the_soil_alone() -> None:
    soil = Soil("loam", 0.42, 0.18, 1.40, 0.12, 0.02, 1e-6)
    head = RadarHead(1.5e9, 20e-12, 400, 0.02, 0.05, 0.05)
    plate = Buried(LabelClass.METAL_CLUTTER, "plate", 1.0, 0.05, 0.10, 0.02, 0.1, "box", 0.0)
    other = replace(plate, x_m=2.6)
    x = np.arange(0.0, 3.01, 0.04)

    def lane(left: list[int]) -> tuple[np.ndarray, np.ndarray]:
        rng, own = np.random.default_rng(1), np.random.default_rng(2)
        return radar_lane(rng, soil, head, [plate, other], x, 0.003, np.full(len(x), 0.05), own=own, left=left)

    (ground, echoes), (dug, left) = lane([0, 1]), lane([1])
    far, near = np.abs(x - 1.0) > 0.65, np.abs(x - 1.0) < 0.1
    assert np.array_equal(ground[far], dug[far])
    assert not np.array_equal(ground[near], dug[near])
    assert np.abs(left[near]).max() < 1e-9 < 1e-3 * np.abs(echoes[near]).max()
    assert np.abs(left[np.abs(x - 2.6) < 0.1]).max() == pytest.approx(np.abs(echoes[np.abs(x - 2.6) < 0.1]).max())


def test_sweeps_that_cannot_be_are_refused() -> None:
    with pytest.raises(SampleError, match="before the first nothing is dug"):
        Sweep(1, frozenset([0]))
    with pytest.raises(SampleError, match="count from 1"):
        Sweep(0)
    with pytest.raises(SampleError, match=r"\[9\] were dug"):
        metal(Sweep(2, frozenset([1, 9])))
