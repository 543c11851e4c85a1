"""What a profile asks of bare ground, and what the ground at hand gave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.detections import DETECTION_DTYPE, Detection
from detector.score.asked import AskedRate, asked_rates, different_rate
from detector.score.bounds import poisson_rate
from detector.score.page import page
from detector.score.summary import trial
from detector.score.trial import LaneScore, score_lane
from detector.score.words import NOMINAL, text_of


def bare(name: str, false: int, length_m: float = 10.0) -> LaneScore:
    """A lane in which nothing lies, and so many alarms."""
    row = np.zeros(1, DETECTION_DTYPE)[0]
    row["features"] = np.nan
    row["decision"], row["score"] = b"unknown", 1.5
    alarms = []
    for i in range(false):
        row["x_m"] = 0.5 + i * length_m / max(false, 1)
        alarms.append(Detection.from_row(row))
    return score_lane(name, [], alarms, (0.0, length_m))


def radar(lanes: list[LaneScore], asked: float = 0.1) -> AskedRate:
    (rate,) = asked_rates({"radar": asked}, [{"radar": lane} for lane in lanes])
    return rate


def test_false_alarms_of_one_place_swept_three_times_do_not_narrow_the_bounds() -> None:
    s = trial([bare("a-1", 2), bare("a-2", 2), bare("a-3", 2), bare("b", 1)]).score
    assert s.far_bounds == poisson_rate(7, 40.0)
    # 7 on 40 m are 3.5 on the 20 m that are different
    assert s.different_far_bounds == poisson_rate(4, 20.0)
    told = "95 % of 20.0 m different ground: 0.054 to 0.512"
    assert told in s.to_text()
    once = trial([bare("a", 2), bare("b", 1)]).score
    assert once.different_far_bounds == once.far_bounds
    assert "different ground" not in once.to_text()


def test_ground_that_gives_more_than_was_asked_is_called_so() -> None:
    assert radar([bare("a", 6), bare("b", 5)]).verdict == "more than asked"
    # the same figures of one ground, swept twice: half as many places
    assert radar([bare("a-1", 4), bare("a-2", 4)]).verdict == "more than asked"
    assert radar([bare("a-1", 3), bare("a-2", 3)]).verdict == "as asked, within chance"
    assert radar([bare("a", 1)]).verdict == "as asked, within chance"
    assert radar([bare("a", 0, 100.0)]).verdict == "fewer than asked"


def test_each_sensor_is_counted_by_itself_on_the_ground_that_it_swept() -> None:
    both = {"metal": bare("a", 0), "radar": bare("a", 5)}
    rates = asked_rates({"metal": 0.2, "radar": 0.1}, [both, {"radar": bare("b", 1)}])
    assert [(r.sensor, r.asked_per_m, r.count, r.free_m) for r in rates] == [
        ("metal", 0.2, 0, 10.0), ("radar", 0.1, 6, 20.0)
    ]  # fmt: skip
    assert rates[1].per_m == pytest.approx(0.3)
    nowhere = replace(bare("c", 1), free_m=0.0)
    assert asked_rates({"radar": 0.1}, [{"radar": nowhere}]) == ()


def test_report_and_page_say_what_was_asked_and_that_it_is_nominal() -> None:
    lanes = [bare("a-1", 4), bare("a-2", 5)]
    t = trial(lanes, [{"radar": lane} for lane in lanes], asked={"metal": 0.1, "radar": 0.1})
    told = (
        "radar: asked 0.1/m, got 9 on 20.0 m = 0.450/m (95 % Poisson of 10.0 m of different ground 0.109 to 1.024): "
        "more than asked"
    )
    for text in (text_of(t), page("x", t)):
        assert told in text
        assert NOMINAL in text
        assert "metal: asked" not in text
    assert t.to_json()["asked"][0]["count"] == 9
    assert NOMINAL not in text_of(trial(lanes))


@given(st.integers(0, 200), st.floats(0.5, 500.0), st.floats(0.01, 1.0))
def test_less_ground_never_gives_narrower_bounds_by_more_than_rounding(count: int, free: float, share: float) -> None:
    low, high = different_rate(count, free, share * free)
    whole_low, whole_high = poisson_rate(count, free)
    # a count is whole: half an alarm on the different ground is the most that rounding moves either bound
    slack = 0.5 / (share * free)
    assert low <= whole_low + slack + 1e-9
    assert high >= whole_high - slack - 1e-9
