"""Below the threshold: why a mine was missed, and peaks that a curve goes on with."""

from __future__ import annotations

import numpy as np
import pytest

from detector.detections import DETECTION_DTYPE, Detection, LabelClass, TrueObject
from detector.score.along import Trace, peaks_along, weak_peaks
from detector.score.roc import pod_at, ranked
from detector.score.searching import score_search
from detector.score.trial import place_of, score_lane

NAN = float("nan")
SPAN = (0.0, 4.0)


def mine(x: float, kind: str = "PMN") -> TrueObject:
    return TrueObject(LabelClass.MINE, kind, "", x, -1, -1, 0.05, 0.1, NAN, True, "simulated")


def alarm(x: float) -> Detection:
    row = np.zeros(1, DETECTION_DTYPE)[0]
    row["features"] = np.nan
    row["x_m"], row["decision"], row["score"] = x, b"unknown", 1.5
    return Detection.from_row(row)


def trace(peaks: dict[float, float], lost: tuple[float, float] = (9, 9), silent: tuple[float, float] = (9, 9)) -> Trace:
    """A radar stream every 2 cm with triangular peaks of 10 cm half width."""
    x = np.arange(0.0, 4.0, 0.02)
    score = np.full(len(x), -0.5)
    for at, height in peaks.items():
        score = np.maximum(score, height - np.abs(x - at) / 0.1)
    score[(x >= silent[0]) & (x <= silent[1])] = np.nan
    swept = ~((x >= lost[0]) & (x <= lost[1]))
    return Trace("radar", "radar", np.arange(len(x)), x, swept, score)


def why(traces: list[Trace], detections: list[Detection] | None = None) -> str:
    return score_lane("a", [mine(1.0)], detections or [], SPAN, traces=traces).outcomes[0].why


def test_a_mine_below_the_threshold_says_how_far_below() -> None:
    said = why([trace({1.0: 0.83})])
    assert said.startswith("below threshold:")
    assert "radar reached 0.83 of the threshold" in said


def test_a_mine_that_nobody_swept_is_not_covered() -> None:
    assert why([trace({}, lost=(0.8, 1.2))]).startswith("not covered:")
    assert why([trace({}, silent=(0.8, 1.2))]).startswith("not covered:")
    x = np.empty(0)
    nothing = Trace("radar", "radar", np.empty(0, np.int64), x, np.empty(0, bool), x)
    assert why([nothing]) == "not covered: no radar record in its halo"


def test_without_places_a_truth_in_metres_cannot_be_laid_beside_the_alarms() -> None:
    t = trace({1.0: 2.0})
    assert why([Trace(t.stream, t.sensor, t.seq, np.full(len(t.seq), NAN), t.swept, t.score)]).startswith("not placed:")


@pytest.mark.parametrize(
    ("t", "free_m"),
    [
        (trace({}), 4.0 - 0.3),
        (trace({}, lost=(2.0, 3.0)), 3.0 - 0.3),
        (trace({}, silent=(2.0, 3.0)), 3.0 - 0.3),
        (trace({}, lost=(2.0, 2.1)), 4.0 - 0.3),  # alarms reach over it
        (trace({}, silent=(3.0, 9.0)), 3.0 - 0.3),
        (trace({}, lost=(0.5, 1.5)), 3.0),  # the whole halo
        (trace({}, silent=(0.0, 9.0)), 0.0),
    ],
)
def test_ground_that_nobody_tested_is_in_no_rate(t: Trace, free_m: float) -> None:
    """The halo of the mine at 1 m is 0.3 m long."""
    assert score_lane("a", [mine(1.0)], [], SPAN, traces=[t]).free_m == pytest.approx(free_m, abs=0.05)
    metal = Trace("metal", "metal", t.seq, t.x_m, np.ones(len(t.seq), bool), np.zeros(len(t.seq)))
    assert score_lane("a", [mine(1.0)], [], SPAN, traces=[t, metal]).free_m == pytest.approx(3.7)


def test_ground_that_is_lost_in_part_is_told_beside_the_score() -> None:
    said = why([trace({1.0: 0.5}, lost=(1.05, 1.2))])
    assert said.startswith("below threshold:")
    assert "cannot be trusted" in said


def test_two_mines_in_one_alarm_are_one_found_and_one_merged() -> None:
    lane = score_lane("a", [mine(1.0, "A"), mine(1.2, "B")], [alarm(1.12)], SPAN, traces=[trace({1.1: 2.0})])
    assert [o.found for o in lane.outcomes] == [False, True]
    assert lane.outcomes[0].why == "merged: the alarm at 1.12 m in its halo counts for the B beside it"
    assert lane.outcomes[0].cause == "merged"


def test_a_mine_on_the_flank_of_something_larger_is_merged_with_it() -> None:
    said = why([trace({0.88: 3.0})], [alarm(0.7)])
    assert said.startswith("merged:")
    assert "30 cm from it" in said


def test_without_traces_nobody_knows_why() -> None:
    assert why([]) == "not known"


def test_a_curve_goes_on_below_the_threshold_that_was_run() -> None:
    # a mine at 0.8 and one peak of clean ground at 0.6: POD 1 costs nothing, as neither alarmed
    lane = score_lane("a", [mine(1.0)], [], SPAN, traces=[trace({1.0: 0.8, 3.0: 0.6})])
    assert not lane.outcomes[0].found
    assert lane.weak_outside == pytest.approx((0.6,))
    assert pod_at([ranked(lane)], 0.01) == 1.0
    lane = score_lane("a", [mine(1.0)], [], SPAN, traces=[trace({1.0: 0.5, 3.0: 0.6})])
    assert pod_at([ranked(lane)], 0.01) == 0.0
    assert pod_at([ranked(lane)], 1.0) == 1.0


def test_the_flank_of_a_mine_or_of_an_alarm_is_no_peak() -> None:
    assert weak_peaks([mine(1.0)], [alarm(2.0)], [trace({1.0: 0.9, 2.0: 0.9})]) == ()
    # a mine that alarms keeps its slopes to itself
    assert weak_peaks([], [alarm(2.0)], [trace({2.0: 5.0})]) == ()


def test_peaks_of_two_streams_at_one_place_are_one() -> None:
    x, v = peaks_along(np.array([1.0, 1.1, 2.0, NAN, 3.0]), np.array([0.5, 0.7, 0.3, 9.0, NAN]))
    assert x.tolist() == [1.1, 2.0]
    assert v.tolist() == [0.7, 0.3]


def test_search_counts_places_that_sound_and_not_records() -> None:
    x = np.array([0.95, 0.97, 0.99, 3.0, 3.02, 3.04])
    sounds = Trace("radar", "radar", np.arange(6), x, np.ones(6, bool), np.full(6, 2.0))
    s = score_search([mine(1.0), mine(2.0)], [sounds])
    assert s.signalled == (True, False)
    assert s.outside == 1


def test_sweeps_of_one_ground_share_a_place_and_dated_recordings_do_not() -> None:
    assert place_of("dev04-1") == place_of("dev04-103") == "dev04"
    assert place_of("sweep-20260101T080000Z") != place_of("sweep-20260102T080000Z")
