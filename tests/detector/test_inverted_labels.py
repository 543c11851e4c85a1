"""Labels turned round, mines for clutter, make a model that is refused; true labels make one that is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from detector.collected import Collected, collect
from detector.continuing import continued, lessons
from detector.decide.classifier import Model, model_from
from detector.detections import LabelClass
from detector.model_change import Comparison, compare_by_heads
from detector.profile import load_profile
from detector.simulate.scene import Sensors, dual_scene

PROFILE = load_profile("handheld-dual")

TURNED = {
    LabelClass.MINE: LabelClass.METAL_CLUTTER,
    LabelClass.ERW: LabelClass.METAL_CLUTTER,
    LabelClass.METAL_CLUTTER: LabelClass.MINE,
    LabelClass.NONMETAL_CLUTTER: LabelClass.MINE,
}


def lane(seed: int, sensors: Sensors = "metal", scene: bool = False) -> Collected:
    """Eight metres with objects close together: a metal detector alone costs a fifth of both."""
    s = dual_scene(seed, 8.0, 1.5, sensors=sensors)
    c = collect(f"ground{seed}", s.device, s.blocks, s.truth, PROFILE, s.soil.name, scene=scene)
    assert c is not None
    return c


def turned(c: Collected) -> Collected:
    return replace(c, truth=tuple(replace(o, label=TURNED[o.label]) for o in c.truth))


def taught(before: Model, base: Sequence[Collected], labelled: Sequence[Collected]) -> Model:
    return model_from(continued("next", before, lessons(before, base, labelled, PROFILE), PROFILE, {}), "next")


@pytest.mark.slow
def test_labels_turned_round_are_refused_and_true_ones_are_not(model: Model) -> None:
    base = [lane(s, "dual", scene=True) for s in range(6000, 6005)]
    labelled = [lane(s) for s in range(5000, 5022)]
    reference = [lane(s) for s in range(5022, 5046)]
    before = taught(model, base, labelled[:16])

    def judged(lessons_given: Sequence[Collected]) -> Comparison:
        (one,) = compare_by_heads(reference, before, taught(before, base, lessons_given), PROFILE)
        return one

    good, bad = judged(labelled), judged([turned(c) for c in labelled])
    assert good.worse == "", good.to_text()
    # thresholds stay, so what is found does not give it away
    assert bad.after.found == bad.before.found == good.after.found
    assert bad.probabilities.log_loss.after > bad.probabilities.log_loss.before
    assert "tells mines from clutter less well beyond chance" in bad.worse, bad.to_text()
