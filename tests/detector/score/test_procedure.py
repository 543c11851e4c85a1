"""Sweep, dig, sweep again: several sweeps of a lane as one procedure, against cases counted by hand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.detections import DETECTION_DTYPE, Detection, LabelClass, TrueObject
from detector.errors import TruthError
from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.page import page
from detector.score.procedure import as_procedures
from detector.score.report import pool
from detector.score.summary import trial
from detector.score.trial import LaneScore, score_lane
from detector.score.words import text_of

NAN = float("nan")


def thing(x: float, label: LabelClass = LabelClass.MINE, kind: str = "PMN") -> TrueObject:
    return TrueObject(label, kind, "", x, -1, -1, 0.05, 0.1, NAN, True, "surveyed")


def sweep(name: str, there: Sequence[TrueObject], alarms: Sequence[float]) -> LaneScore:
    """A sweep of 10 m on which these places alarmed; a halo is 15 cm to both sides."""
    rows = np.zeros(len(alarms), DETECTION_DTYPE)
    rows["features"] = np.nan
    rows["x_m"], rows["decision"], rows["score"] = alarms, b"unknown", 1.5
    return score_lane(name, there, [Detection.from_row(r) for r in rows], (0.0, 10.0))


LOUD, HIDDEN, CAN, LOST = thing(1.0), thing(1.5), thing(3.0, LabelClass.METAL_CLUTTER, "can"), thing(6.0)
SWEEPS = [
    # the loud mine and the can alarm, and two places where nothing lies
    sweep("A-1", [LOUD, HIDDEN, CAN, LOST], [1.05, 3.0, 4.5, 7.0]),
    # the hidden one is heard now; the hole sounds, one false place sounds again, one is new
    sweep("A-2", [HIDDEN, LOST], [1.0, 1.45, 4.6, 8.0]),
    # nothing is found any more, and the new false place sounds again
    sweep("A-3", [LOST], [8.1]),
]


def test_an_object_is_found_once_it_alarmed_and_a_place_is_false_once() -> None:
    (lane,), told = as_procedures(SWEEPS)
    score = pool([lane])
    assert (score.found, score.targets) == (2, 3)
    assert [o.lane for o in lane.targets] == ["A-1", "A-2", "A-3"]
    assert [o.x_m for o in score.missed] == [6.0]
    assert (score.clutter_alarmed, score.clutter) == (1, 1)
    assert [a.x_m for a in lane.alarms_outside] == [4.5, 7.0, 8.0]
    # 10 m less four halos of 30 cm
    assert score.free_m == pytest.approx(8.8)
    assert score.far_bounds == pytest.approx(poisson_rate(3, 8.8))
    assert [(r.lanes, r.mines, r.found, r.objects_out, r.false_alarms, r.again) for r in told.rows] == [
        (1, 3, 1, 2, 2, 0),
        (1, 2, 1, 1, 1, 2),
        (1, 1, 0, 0, 0, 1),
    ]
    assert [(s.hits, s.trials, s.low) for r in told.rows if (s := r.so_far)] == [
        (hits, 3, clopper_pearson(hits, 3)[0]) for hits in (1, 2, 2)
    ]
    assert told.swept_m == pytest.approx(8.8 + 9.4 + 9.7)
    # all that the three sweeps alarmed outside halos: each of them passed the metres anew
    assert told.per_swept_m == pytest.approx((6 / 27.9, *poisson_rate(6, 27.9)))
    assert told.undug == ()


def test_in_whatever_order_the_sweeps_are_given() -> None:
    wanted = as_procedures(SWEEPS)
    for order in itertools.permutations(SWEEPS):
        assert repr(as_procedures(order)) == repr(wanted)


def test_what_was_taken_out_without_an_alarm_is_missed() -> None:
    (lane,), told = as_procedures([sweep("A-1", [LOUD], []), sweep("A-2", [], [1.0])])
    assert not lane.targets[0].found
    assert lane.targets[0].why.startswith("taken out without an alarm: gone after sweep 1")
    assert [(r.false_alarms, r.again) for r in told.rows] == [(0, 0), (0, 1)]


def test_a_sweep_that_did_not_pass_over_a_mine_does_not_say_why_it_is_missed() -> None:
    """A second sweep of the ground round a hole alone passes over few of the others."""

    def because(lane: LaneScore, why: str) -> LaneScore:
        return replace(lane, outcomes=tuple(replace(o, why=why) for o in lane.outcomes))

    whole = because(sweep("A-1", [LOST], []), "below threshold: metal reached 0.80 of the threshold")
    short = because(sweep("A-2", [LOST], []), "not covered: no metal record in its halo")
    assert as_procedures([whole, short])[0][0].targets[0].cause == "below threshold"
    assert as_procedures([replace(short, lane="A-1"), short])[0][0].targets[0].cause == "not covered"


def test_two_alarms_of_one_sweep_are_two_holes_however_near() -> None:
    (lane,), _ = as_procedures([sweep("A", [LOUD], [4.0, 4.1])])
    assert len(lane.alarms_outside) == 2


def test_lanes_that_were_swept_less_often_keep_what_was_found_on_them() -> None:
    lanes, told = as_procedures([*SWEEPS, sweep("B", [LOUD], [1.0])])
    assert [lane.lane for lane in lanes] == ["A", "B"]
    assert [(r.lanes, r.mines, r.so_far and r.so_far.hits) for r in told.rows] == [(2, 4, 2), (1, 2, 3), (1, 1, 3)]


@given(st.lists(st.floats(0.0, 10.0, width=16), max_size=8))
def test_one_sweep_is_a_procedure_of_one(alarms: list[float]) -> None:
    one = sweep("A", [LOUD, HIDDEN, CAN, LOST], alarms)
    (lane,), told = as_procedures([one])
    assert repr((lane.outcomes, lane.alarms_outside, lane.free_m)) == repr(
        (one.outcomes, one.alarms_outside, one.free_m)
    )
    assert told.rows[0].found == sum(o.found for o in one.targets)
    assert told.rows[0].again == 0


def test_what_no_procedure_can_be_is_refused() -> None:
    with pytest.raises(TruthError, match=r"not in A-1.*two names"):
        as_procedures([sweep("A-1", [LOUD], []), sweep("A-2", [LOUD, HIDDEN], [])])
    with pytest.raises(TruthError, match="same sweep of A"):
        as_procedures([sweep("A-1", [LOUD], []), sweep("A-01", [LOUD], [])])
    with pytest.raises(TruthError, match="no place along the lane"):
        as_procedures([sweep("A-1", [thing(NAN)], []), sweep("A-2", [thing(NAN)], [])])


def test_the_report_has_a_row_for_each_sweep_in_words_json_and_page() -> None:
    lanes, told = as_procedures(SWEEPS)
    t = trial(lanes, procedure=told)
    second = ["2", "1", "1 of 2", "2/3 (0.094 to 0.992)", "1", "1", "2", "9.4 m"]
    assert told.table()[2] == second
    assert all(cell in text_of(t) for cell in (*second, told.sentence))
    assert all(f"<td>{cell}</td>" in page("x", t) for cell in second)
    assert told.sentence in page("x", t)
    stored = json.loads(json.dumps(t.to_json(), allow_nan=False))["procedure"]
    assert [row["again"] for row in stored["rows"]] == [0, 2, 1]
    assert trial(SWEEPS).to_json()["procedure"] is None


def test_sweeps_between_which_nothing_was_dug_are_told() -> None:
    lanes, told = as_procedures([sweep("A-1", [LOUD], []), sweep("A-2", [LOUD], [1.0])])
    assert told.undug == ("A",)
    assert any("chances at the same ground" in n for n in trial(lanes, procedure=told).not_tested)


def test_sweeps_that_digging_made_unlike_are_told_where_they_are_not_joined() -> None:
    def told(lanes: Sequence[LaneScore]) -> bool:
        return any("sweeps of A: by their truth" in n and "--procedure" in n for n in trial(lanes).not_tested)

    assert told(SWEEPS)
    assert not told(as_procedures(SWEEPS)[0])
    assert not told([sweep("A-1", [LOUD], []), sweep("A-2", [LOUD], []), sweep("B-1", [], [])])
    assert not told([sweep("A-1", [LOUD, CAN], []), sweep("A-2", [HIDDEN, CAN], [])])
