"""A model that learns from what was dug: what labels teach, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.collected import Collected, collect, decided
from detector.continuing import dug_objects
from detector.decide.alarm import Tail
from detector.decide.classifier import Model
from detector.decide.evidence import WAVE
from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass
from detector.errors import ModelError
from detector.model_change import LOSS, Comparison, Side, compare, compare_by_heads
from detector.profile import load_profile
from detector.recording.reader import open_recording
from detector.samples import StreamKind
from detector.score.bounds import clopper_pearson
from detector.score.paired import mcnemar
from detector.score.paired_probability import Change, Probabilities
from detector.score.trial import LaneScore, score_lane

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


SIDE = Side(10, (0.7, 1.0), 2, 0, 3, 0.05, 0.8)
NO_CHANGE = Change(0.5, 0.5, -0.1, 0.1)
SAME = Comparison(
    5, 10, SIDE, SIDE, mcnemar([True], [True]), (), (), (), (), Probabilities(NO_CHANGE, NO_CHANGE), "any"
)  # fmt: skip


def test_what_speaks_against_a_model_is_told_whole() -> None:
    assert SAME.worse == ""
    assert replace(SAME, after=replace(SIDE, clutter=0, calibration_error=0.2)).worse == ""
    less_true, less_apart = Change(0.5, 0.6, 0.01, 0.19), Change(0.8, 0.7, -0.19, -0.01)
    c = replace(
        SAME,
        after=replace(SIDE, found=9),
        clutter_now=("AP in a at 1.00 m",),
        probabilities=Probabilities(less_true, less_apart),
    )
    assert "finds 9 of 10" in c.worse
    assert "calls clutter what the old one did not: AP in a" in c.worse
    assert "log loss 0.500 before, 0.600 after, change +0.100 (+0.010 to +0.190)" in c.worse
    assert "area 0.800 before, 0.700 after" in c.worse
    assert replace(SAME, probabilities=Probabilities(NO_CHANGE, less_apart)).worse
    better = Probabilities(Change(0.6, 0.5, -0.19, -0.01), Change(0.7, 0.8, 0.01, 0.19))
    assert replace(SAME, probabilities=better).worse == ""


def test_a_mine_that_comes_to_be_called_clutter_is_named_though_another_no_longer_is(
    lanes: list[Collected], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models that differ in which of two mines they call clutter: their counts are the same."""

    def lane(of: int) -> LaneScore:
        c = lanes[0]
        s = score_lane(c.lane, c.truth, decided(c, model, PROFILE), c.span_m)
        found = [i for i, o in enumerate(s.outcomes) if o.is_target and o.found]
        said = {i: "metal-clutter" if k == of else "mine-like" for k, i in enumerate(found)}
        outcomes = tuple(replace(o, decision=said.get(i, o.decision)) for i, o in enumerate(s.outcomes))
        return replace(s, outcomes=outcomes)

    answers = iter([[lane(0)], [lane(1)]])
    monkeypatch.setattr("detector.model_change.scored", lambda *_: next(answers))
    c = compare(lanes[:1], model, model, PROFILE)
    assert c.before.called_clutter == c.after.called_clutter == 1
    assert len(c.clutter_now) == 1
    assert c.clutter_now[0] in c.worse


def test_a_reference_that_could_not_show_a_loss_of_five_in_a_hundred_says_how_many_mines_it_takes() -> None:
    enough, few = (replace(SAME, before=replace(SIDE, found=n)) for n in (59, 58))
    assert enough.too_small == ""
    assert "WARNING" not in enough.to_text()
    assert "It takes 59" in few.too_small
    assert few.too_small in few.to_text()
    # none of 58 lost leaves more than 5 in 100 open, none of 59 less: one-sided 95 % is the upper end of two-sided 90 %
    assert clopper_pearson(0, 58, 0.9)[1] > LOSS > clopper_pearson(0, 59, 0.9)[1]
    assert few.unseen_loss == pytest.approx(0.95**58)
    # and of 120, six lost and none gained are the fewest that McNemar's exact test calls a difference
    assert mcnemar([True] * 6, [False] * 6).p_value < 0.05 < mcnemar([True] * 5, [False] * 5).p_value


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
