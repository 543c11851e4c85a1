"""The reference set: which heads it has, and that nobody learns from its ground."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detector.decide.classifier import Model
from detector.decide.evidence import WAVE
from detector.reference_set import OWN_SEEDS, REFERENCE_SEEDS, head_like, reference_scenes
from detector.simulate.scene import PLAIN, HeadWish, Sensors, dual_scene
from detector.simulate.teaching import WAVE_SEEDS, teaching_seeds

HEADS: tuple[tuple[Sensors, HeadWish], ...] = (
    ("dual", PLAIN),
    ("metal", HeadWish("cw", 3)),
    ("radar", HeadWish(radar="stepped", antennas=2)),
    ("metal", HeadWish(coils=2)),
)


def test_a_pulsed_head_of_three_coils_is_among_the_plain_ones() -> None:
    three = next(
        s.device for s in (dual_scene(k, 2.0, sensors="metal") for k in range(30)) if s.blocks[0].raw.shape[1] == 3
    )
    assert head_like(three) == ("metal", PLAIN)


@pytest.mark.parametrize(("sensors", "wish"), HEADS)
def test_a_head_is_made_again_of_the_kind_that_it_is(sensors: Sensors, wish: HeadWish) -> None:
    assert head_like(dual_scene(5, 2.0, sensors=sensors, wish=wish).device) == (sensors, wish)


def test_a_model_that_knows_continuous_waves_is_judged_on_them(model: Model) -> None:
    plain = dual_scene(5, 2.0).device
    scenes = reference_scenes(model, [plain], 3)
    assert [s.seed for s in scenes] == [*REFERENCE_SEEDS[:3], *(WAVE_SEEDS + s for s in REFERENCE_SEEDS[:3])]
    without = replace(model, sensors={k: v for k, v in model.sensors.items() if k != WAVE})
    assert [s.seed for s in reference_scenes(without, [plain], 3)] == list(REFERENCE_SEEDS[:3])


def test_the_kind_of_head_that_the_labels_come_from_is_judged_too_and_once(model: Model) -> None:
    wave = dual_scene(5, 2.0, sensors="metal", wish=HeadWish("cw", 3)).device
    without = replace(model, sensors={k: v for k, v in model.sensors.items() if k != WAVE})
    scenes = reference_scenes(without, [wave, wave], 2)
    assert len(scenes) == 6
    own = [s for s in scenes if s.own]
    assert [s.seed for s in own] == list(OWN_SEEDS[:2])
    assert {(s.sensors, s.wish) for s in own} == {("metal", HeadWish("cw", 3))}
    assert len({s.name for s in scenes}) == 6


def test_nobody_trains_on_the_reference_scenes(model: Model) -> None:
    learned = model.provenance["scenes"]
    taught = set(teaching_seeds(learned["first"], learned["count"], learned["waves"]))
    heads = [dual_scene(5, 2.0, sensors=s, wish=w).device for s, w in HEADS]
    assert not taught & {s.seed for s in reference_scenes(model, heads, 24)}
