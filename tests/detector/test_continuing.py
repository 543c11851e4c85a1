"""A model that learns from what was dug: what labels teach, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.collected import Collected, collect
from detector.continuing import dug_objects
from detector.decide.alarm import Tail
from detector.decide.classifier import Model
from detector.decide.evidence import WAVE
from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass
from detector.errors import ModelError
from detector.model_change import Comparison, Side, compare, compare_by_heads
from detector.profile import load_profile
from detector.recording.reader import open_recording
from detector.samples import StreamKind
from detector.score.paired import mcnemar

PROFILE = load_profile("handheld-dual")


@pytest.fixture(scope="module")
def lanes(recordings: Path) -> list[Collected]:
    out = []
    for name in ("lane_dev01", "lane_dev04"):
        with open_recording(recordings / f"{name}.h5") as r:
            lane = collect(name, r.device, list(r.blocks(4096)), r.truth(), PROFILE)
        assert lane is not None
        out.append(lane)
    return out


def deafer(model: Model, factor: float) -> Model:
    """The same model with a radar threshold that is higher by that factor."""

    def raised(tail: Tail) -> Tail:
        return replace(tail, level=tail.level + (factor - 1) * tail.threshold(0.1))

    look = model.second_look and replace(model.second_look, tail=raised(model.second_look.tail))
    return replace(model, tails={**model.tails, "radar": raised(model.tails["radar"])}, second_look=look)


def test_a_model_against_itself_changes_nothing(lanes: list[Collected], model: Model) -> None:
    c = compare(lanes, model, model, PROFILE)
    assert c.targets == 4
    assert c.before == c.after
    assert c.worse == ""
    assert c.changed == ()
    assert c.mcnemar.p_value == 1.0


def test_a_model_that_finds_fewer_mines_is_worse_and_says_which(lanes: list[Collected], model: Model) -> None:
    c = compare(lanes, model, deafer(model, 2.5), PROFILE)
    assert c.after.found < c.before.found
    assert "finds" in c.worse
    assert len(c.lost) == c.before.found - c.after.found
    assert all("lane_dev0" in w for w in c.lost)
    assert c.lost[0] in c.to_text()
    # and the other way round it is no loss
    assert compare(lanes, deafer(model, 2.5), model, PROFILE).worse == ""


def test_a_model_that_calls_more_mines_clutter_is_worse() -> None:
    side = Side(10, (0.7, 1.0), 2, 0, 3, 0.05, 0.8)
    c = Comparison(5, 10, side, replace(side, called_clutter=1), mcnemar([True], [True]), (), (), ())
    assert "calls 1 of 10 mines clutter" in c.worse
    assert replace(c, after=replace(side, clutter=0, calibration_error=0.2)).worse == ""


def test_reference_lanes_without_mines_judge_nothing(lanes: list[Collected], model: Model) -> None:
    with pytest.raises(ModelError, match="no mine"):
        compare([replace(lanes[0], truth=())], model, model, PROFILE)


def test_labels_teach_what_was_dug_and_nothing_else() -> None:
    def detection(id_: int, x_m: float) -> Detection:
        row = np.zeros(1, DETECTION_DTYPE)[0]
        row["id"], row["x_m"] = id_, x_m
        return Detection.from_row(row)

    def label(id_: int, what: LabelClass, truth: bool = True, depth: float = 0.1) -> Label:
        return Label(id_, what, "A. Deminer", 0, truth, depth)

    found = [detection(i, float(i)) for i in range(1, 7)] + [detection(7, float("nan"))]
    dug = dug_objects(
        found,
        [
            label(1, LabelClass.METAL_CLUTTER),
            label(1, LabelClass.MINE),  # the newest counts
            label(2, LabelClass.NONMETAL_CLUTTER),
            label(3, LabelClass.NOTHING),
            label(4, LabelClass.MINE, truth=False),
            label(5, LabelClass.NOT_INVESTIGATED),
            label(7, LabelClass.ERW),
            label(99, LabelClass.MINE),  # of no detection
        ],
    )
    assert [(o.label, o.x_m) for o in dug.objects] == [(LabelClass.MINE, 1.0), (LabelClass.NONMETAL_CLUTTER, 2.0)]
    assert (dug.nothing, dug.opinions, dug.without_place) == (1, 1, 1)
    assert all(o.confidence == "dug" for o in dug.objects)


def test_a_loss_under_one_kind_of_head_is_not_made_good_under_the_other(lanes: list[Collected], model: Model) -> None:
    """The second lane taken for one of continuous waves, on which the new model is deaf."""
    metal = next(s for s in lanes[1].device.streams if s.kind.is_metal)
    wave = replace(metal, kind=StreamKind.METAL_CW, values=2, axis=(10e3,), name="wave")  # of it only the kind is read
    other = replace(
        lanes[1],
        device=replace(lanes[1].device, streams=(wave,)),
        alarms=tuple(a for a in lanes[1].alarms if a.sensor == "metal"),
    )
    deaf = replace(model, tails={**model.tails, WAVE: Tail(1e3, 0.1, 0.1)})
    hears = replace(model, tails={**model.tails, WAVE: model.tails["metal"]})
    pulses, waves = compare_by_heads([lanes[0], other], hears, deaf, PROFILE)
    assert waves.before.found > waves.after.found
    assert waves.worse
    assert "continuous waves" in waves.to_text()
    assert not pulses.worse
    assert len(compare_by_heads(lanes, model, model, PROFILE)) == 1
    with pytest.raises(ModelError, match="no reference lanes"):
        compare_by_heads([], model, model, PROFILE)
