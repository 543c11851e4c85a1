"""A whole trial: repeated sweeps, each sensor alone, a rival, stored results, and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from detector.detections import DETECTION_DTYPE, Detection, LabelClass, TrueObject
from detector.errors import TruthError
from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.page import page
from detector.score.paired import false_alarm_difference
from detector.score.searching import SearchLane
from detector.score.stored import lanes_from_json, lanes_to_json
from detector.score.summary import trial
from detector.score.trial import LaneScore, score_lane
from detector.score.words import text_of

NAN = float("nan")
HOSTILE = "<script>alert(1)</script> & \"'"


def thing(x: float, label: LabelClass = LabelClass.MINE, kind: str = "PMN") -> TrueObject:
    return TrueObject(label, kind, "", x, -1, -1, 0.05, 0.1, NAN, True, "simulated")


def alarm(x: float, decision: str = "unknown", p: float = 0.5) -> Detection:
    row = np.zeros(1, DETECTION_DTYPE)[0]
    row["features"] = np.nan
    row["x_m"], row["decision"], row["score"] = x, decision.encode(), 1.5
    row["probability"] = (p, (1 - p) / 2, (1 - p) / 2)
    return Detection.from_row(row)


def lane(name: str, found: bool = True, false: int = 0, decision: str = "unknown", kind: str = "PMN") -> LaneScore:
    """A mine at 1 m, clutter at 2 m that always alarms, and false alarms from 5 m on."""
    truth = [thing(1.0, kind=kind), thing(2.0, LabelClass.METAL_CLUTTER, "can")]
    alarms = [alarm(2.0, decision, 0.2), *([alarm(1.0, decision, 0.9)] if found else [])]
    alarms += [alarm(5.0 + i) for i in range(false)]
    scored = score_lane(name, truth, alarms, (0.0, 10.0), width_m=0.5)
    return replace(scored, search=SearchLane((found, True), false + 1))


def test_sweeps_of_one_mine_do_not_narrow_the_bounds() -> None:
    t = trial([lane("a-1"), lane("a-2"), lane("a-3"), lane("b")])
    assert t.score.targets == 4
    assert t.score.different == 2
    assert t.score.places == 2
    assert t.score.different_bounds == clopper_pearson(2, 2)
    assert t.score.different_m == pytest.approx(2 * (10 - 0.6))
    assert "2 different mines" in text_of(t)
    # other things in the ground: another lane, whatever its name
    assert trial([lane("a-1"), lane("a-2", kind="VS-50")]).score.different == 2


def test_a_truth_of_which_nothing_lies_on_the_lane_is_asked_after() -> None:
    asked = "not one of its objects lies where records are"
    far = score_lane("far", [thing(101.0), thing(102.0)], [alarm(1.0)], (0.0, 10.0))
    assert f"The truth of far: {asked}" in text_of(trial([lane("a"), far]))
    partly = score_lane("partly", [thing(9.0), thing(102.0)], [], (0.0, 10.0))
    assert asked not in text_of(trial([lane("a"), partly, score_lane("b", [], [], (0.0, 10.0))]))


def test_false_alarms_are_given_per_area_where_the_width_is_known() -> None:
    s = trial([lane("a", false=2), replace(lane("b", false=5), width_m=NAN)]).score
    assert s.free_m2 == pytest.approx(0.5 * 9.4)
    assert s.far_m2_bounds == pytest.approx(poisson_rate(2, 0.5 * 9.4))
    assert s.false_alarms == 7
    assert trial([replace(lane("a"), width_m=NAN)]).score.far_per_m2 is None


def test_search_and_discrimination_are_scored_apart() -> None:
    t = trial([lane("a", found=False, false=1), lane("b")])
    assert t.search is not None
    assert (t.search.signalled, t.search.targets, t.search.outside) == (1, 2, 3)
    assert t.score.false_alarms == 1


def test_each_sensor_alone_and_the_mines_that_the_second_rejected() -> None:
    both = [lane("a", decision="metal-clutter"), lane("b")]
    alone = [
        {"metal": lane("a", false=3), "radar": lane("a", found=False)},
        {"metal": lane("b", false=1), "radar": lane("b")},
    ]
    s = trial(both, alone).second
    assert s is not None
    assert (s.found_metal, s.found_radar, s.found_dual) == (2, 1, 2)
    assert (s.false_metal, s.false_dual) == (4, 0)
    assert [o.lane for o in s.rejected] == ["a"]
    assert (s.clutter_metal, s.clutter_recognised) == (2, 1)
    assert s.rejection == clopper_pearson(1, 2)
    assert "rejected (called clutter; they still alarm and are dug): 1" in text_of(trial(both, alone))


def test_a_rival_is_compared_on_the_lanes_that_both_know() -> None:
    ours = [lane("a", false=2), lane("b", false=1), lane("c")]
    theirs = [lane("b", found=False), lane("a"), lane("c", kind="another mine lies there")]
    a = trial(ours, rival=("theirs", theirs)).against
    assert a is not None
    assert a.lanes == 2
    assert (a.paired.both, a.paired.only_a, a.paired.only_b) == (1, 1, 0)
    assert a.difference is not None
    assert (a.difference.a, a.difference.b) == (3, 0)
    assert a.difference.per_m == pytest.approx(3 / (2 * 9.4))


def test_a_difference_of_false_alarms_has_an_interval_by_ground() -> None:
    ours, theirs = [lane(n, false=i) for i, n in enumerate("abcdefgh")], [lane(n) for n in "abcdefgh"]
    d = false_alarm_difference(ours, theirs)
    assert d is not None
    assert 0 < d.low < d.per_m < d.high
    assert d == false_alarm_difference(ours, theirs)
    one = false_alarm_difference([lane("a-1", false=1)], [lane("a-1")])
    assert one is not None
    assert one.low != one.low


def test_a_stored_result_comes_back_whole() -> None:
    lanes = [lane("a", found=False, false=2), score_lane("nowhere", [thing(NAN)], [], None)]
    data = json.loads(json.dumps(trial(lanes, with_roc=True).to_json(), allow_nan=False))
    assert repr(lanes_from_json(data, "x")) == repr(lanes)
    for one in data["lane_scores"][0]["outcomes"]:
        one.pop("radar_db")  # as versions before wrote it
    assert repr(lanes_from_json(data, "x")) == repr(lanes)
    data["lane_scores"][0].pop("outcomes")
    with pytest.raises(TruthError, match="Score those lanes again"):
        lanes_from_json(data, "x")
    assert lanes_to_json([]) == []


class Page(HTMLParser):
    """Collects what a page would load, run or leave open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "action")]
        if tag not in ("meta", "line", "rect", "circle", "polyline", "polygon", "path") or tag == "path":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_stands_by_itself_and_holds_every_part() -> None:
    both = [lane(f"lane{i}", found=i > 0, false=i) for i in range(4)]
    t = trial(both, [{"metal": x, "radar": x} for x in both], ("other", both), with_roc=True)
    text = page("a trial", t)
    found = Page(text)
    assert "script" not in found.tags
    assert found.links == []
    assert "url(" not in text
    assert found.tags.count("figure") == 4
    for part in (
        "Detection against false alarms",
        "Reliability",
        "POD by stratum",
        "Missed mines: 1 of 4",
        "Not tested",
        "Search mode",
        "Each sensor alone",
        "Against other",
        "prefers-color-scheme:dark",
    ):
        assert part in text, part


def test_names_from_a_truth_file_cannot_break_the_page() -> None:
    t = trial([lane(HOSTILE, kind=HOSTILE), lane("b", found=False, kind=HOSTILE)], rival=(HOSTILE, []))
    text = page(HOSTILE, replace(t, provenance=(("files", HOSTILE),), not_tested=(HOSTILE,)))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_trial_without_places_or_mines_has_a_page_too() -> None:
    t = trial([score_lane("nowhere", [], [alarm(NAN)], None)], with_roc=True)
    assert "No mines" in page("x", t)
    assert "not tested" in text_of(t)
