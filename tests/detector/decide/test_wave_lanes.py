"""Lanes of continuous-wave heads on their way into a model."""

from __future__ import annotations

from dataclasses import replace

from detector.collected import Collected, collect, decided
from detector.decide.classifier import load_model
from detector.decide.evidence import WAVE, part_of
from detector.profile import load_profile
from detector.simulate.scene import HeadWish, dual_scene
from detector.training import tails_of


def test_a_wave_lane_is_cut_at_its_own_threshold_and_gives_its_own_features() -> None:
    profile, model = load_profile(), load_model()
    scene = dual_scene(3, length_m=8.0, objects_per_m=1.0, sensors="metal", wish=HeadWish("cw", 1))
    lane = collect("wave", scene.device, scene.blocks, scene.truth, profile, scene=True)
    assert lane is not None
    assert lane.kinds == {WAVE}
    assert lane.alarms
    assert {part_of(a.sensor, a.features) for a in lane.alarms} == {WAVE}
    tails = {k: v for k, v in model.tails.items() if not k.startswith(WAVE)}
    low, high = (replace(tails["metal"], level=level, scale=0.1, rate_per_m=0.1) for level in (0.5, 1e3))
    assert decided(lane, replace(model, tails={**tails, "metal": low}), profile)
    assert not decided(lane, replace(model, tails={**tails, "metal": low, WAVE: high}), profile)
    # few peaks make no tail of their own, many do
    pulse = dual_scene(17, length_m=6.0, objects_per_m=0.1)
    other = collect("pulse", pulse.device, pulse.blocks, pulse.truth, profile, scene=True)
    assert other is not None
    clean = [a for a in lane.alarms if lane.is_clean(a.x_m)]
    assert 0 < len(clean) < 8
    assert WAVE not in tails_of([lane, *many(other)])
    assert WAVE in tails_of([*many(lane), *many(other)])


def many(lane: Collected) -> list[Collected]:
    """The lane a dozen times, each a little louder: peaks enough for a tail."""
    return [replace(lane, alarms=tuple(replace(a, score=a.score * 1.01**i) for a in lane.alarms)) for i in range(12)]
