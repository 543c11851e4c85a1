"""Places of two sensors are ranked by how rarely clean ground gives what they gave, not by scores as if of one kind."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.decide.classifier import load_model
from detector.decide.evidence import WAVE
from detector.detections import DETECTION_DTYPE, FEATURES, Detection, LabelClass, TrueObject
from detector.profile import load_profile
from detector.ranking import rarity_of
from detector.samples import StreamDescription, StreamKind
from detector.score.along import Trace
from detector.score.rarity import MOST, Ranking, Rarities, Rarity
from detector.score.roc import curve, pod_at, ranked
from detector.score.stored import RESULT_FORMAT, RESULT_VERSION, lanes_from_json
from detector.score.summary import trial
from detector.score.trial import LaneScore, score_lane
from detector.score.words import BY_RARITY, BY_SCORE, text_of

NAN = float("nan")
ASKED = -math.log(0.1)
"""Both sensors are asked for a false alarm in ten metres."""
FAT, THIN = Rarity(ASKED, 1.0), Rarity(ASKED, 5.0)
"""Once in ten metres clean ground gives a score of 1. A score of 3 comes e^2 times more seldom under the fat tail, of
2 e^5 times more seldom under the thin one."""
HEAD = Rarities({"metal": FAT, "radar": THIN}, 0.3)


def alarm(x: float, metal: float = NAN, radar: float = NAN, lead: float = NAN) -> Detection:
    """lead : of dense echoes, NaN where the radar alarmed by height"""
    row = np.zeros(1, DETECTION_DTYPE)[0]
    row["features"] = NAN
    row["features"][FEATURES.index("dense_lead")] = lead
    row["x_m"], row["metal_score"], row["radar_score"] = x, metal, radar
    row["score"], row["decision"] = np.nanmax([metal, radar]), b"unknown"
    row["metal_peak_seq"], row["radar_peak_seq"] = (-1 if math.isnan(s) else 1 for s in (metal, radar))
    return Detection.from_row(row)


def mine(x: float) -> TrueObject:
    return TrueObject(LabelClass.MINE, "PMN", "", x, -1, -1, 0.05, 0.1, NAN, True, "simulated")


def lane(detections: list[Detection], rarities: Rarities | None = HEAD) -> LaneScore:
    return score_lane("a", [mine(1.0)], detections, (0.0, 11.3), rarities=rarities)


def test_dense_echoes_rank_as_an_alarm_at_the_threshold_and_state_no_probability_of_the_model() -> None:
    scored = lane([alarm(1.0, radar=3.0, lead=0.6), alarm(5.0, radar=2.0)])
    assert scored.ranking == Ranking((pytest.approx(ASKED),), (pytest.approx(ASKED + 5.0),))
    assert scored.outcomes[0].found
    assert scored.outcomes[0].probability == ()


def test_metal_at_three_thresholds_with_a_fat_tail_does_not_outrank_radar_at_two_with_a_thin_one() -> None:
    # a mine that the radar saw, and metal where there is nothing; 11 m outside the halo allow no false alarm at 0.02/m
    found = [alarm(1.0, radar=2.0), alarm(5.0, metal=3.0)]
    assert lane(found).ranking == Ranking((pytest.approx(ASKED + 5.0),), (pytest.approx(ASKED + 2.0),))
    assert pod_at([ranked(lane(found))], 0.02) == 1.0
    assert pod_at([ranked(lane(found, None))], 0.02) == 0.0
    # the other way about it does
    assert pod_at([ranked(lane([alarm(1.0, metal=3.0), alarm(5.0, radar=2.0)]))], 0.02) == 0.0


def test_where_both_sensors_alarm_a_place_is_as_rare_as_both_at_once() -> None:
    # 0.1 / e^2 a metre by metal and 0.1 / e^5 by radar, within 0.3 m of each other
    assert HEAD.of(alarm(1.0, 3.0, 2.0)) == pytest.approx(-math.log(0.1 * math.exp(-2.0) * 0.1 * math.exp(-5.0) * 0.3))


score = st.floats(0.3, 1e4)


@given(metal=score, radar=score, within_m=st.floats(0.02, 4.0))
def test_a_second_sensor_never_makes_a_place_more_common(metal: float, radar: float, within_m: float) -> None:
    head = replace(HEAD, within_m=within_m)
    assert head.of(alarm(1.0, metal, radar)) >= max(head.of(alarm(1.0, metal)), head.of(alarm(1.0, radar=radar)))


@given(a=score, b=score)
def test_a_sensor_by_itself_is_ranked_as_its_scores_are(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert THIN.of(low) <= THIN.of(high)
    if high > low + 1e-6 * high:
        assert THIN.of(low) < THIN.of(high)


def test_what_is_rarer_than_any_tail_was_measured_outranks_no_two_sensors() -> None:
    monstrous = HEAD.of(alarm(1.0, metal=60.0))
    assert MOST < monstrous < MOST + 0.1
    assert monstrous < HEAD.of(alarm(1.0, 4.0, 2.0))


def test_below_the_threshold_the_rarer_stream_counts_too() -> None:
    x = np.arange(0.0, 11.3, 0.02)

    def stream(sensor: str, line: Rarity, peaks: dict[float, float]) -> Trace:
        height = np.zeros(len(x))
        for at, top in peaks.items():
            height = np.maximum(height, top - np.abs(x - at) / 0.1)
        return Trace(sensor, sensor, np.arange(len(x)), x, np.ones(len(x), bool), height, line)

    metal, radar = stream("metal", FAT, {5.0: 0.7, 8.0: 0.9}), stream("radar", THIN, {1.0: 0.9, 5.0: 0.8, 9.0: 0.15})
    quiet = score_lane("a", [mine(1.0)], [], (0.0, 11.3), traces=[metal, radar], rarities=HEAD)
    assert quiet.ranking is not None
    assert quiet.ranking.outcomes == pytest.approx((ASKED - 0.5,))
    # at 5 m metal, at 0.7, is rarer than radar at 0.8; 8 m is metal; 9 m is below what is kept
    assert quiet.ranking.outside == pytest.approx((ASKED - 0.3, ASKED - 0.1))
    assert quiet.weak_outside == pytest.approx((0.8, 0.9))
    # radar as common as metal below a fifth of its threshold would not have been told from it
    deep = stream("radar", THIN, {9.0: 0.8})
    assert score_lane("a", [], [], (0.0, 11.3), traces=[deep], rarities=HEAD).ranking == Ranking(
        (), (pytest.approx(ASKED - 1.0),)
    )
    assert score_lane("a", [], [], (0.0, 11.3), traces=[metal, deep], rarities=HEAD).ranking == Ranking(
        (), (pytest.approx(ASKED - 0.3), pytest.approx(ASKED - 0.1))
    )


def test_a_curve_of_one_sensor_is_the_same_by_rarity_and_by_score() -> None:
    rng = np.random.default_rng(4)
    lanes = [
        [alarm(1.0, metal=rng.uniform(0.2, 40.0)), *(alarm(2.0 + i, metal=rng.exponential(9.0)) for i in range(9))]
        for _ in range(20)
    ]
    by_rarity, by_score = ([ranked(lane(found, head)) for found in lanes] for head in (HEAD, None))
    assert curve(by_rarity).pod == curve(by_score).pod


@pytest.mark.parametrize("kind", [StreamKind.METAL_PI, StreamKind.METAL_CW])
def test_rarity_is_that_of_the_tail_that_sets_the_threshold(kind: StreamKind) -> None:
    model, profile = load_model(), load_profile("handheld-dual")
    axis = (1e3, 1e4) if kind is StreamKind.METAL_CW else (1e-5, 2e-5, 4e-5, 8e-5)
    stream = StreamDescription(1, "metal", kind, 1, 4, "int16", 100.0, axis=axis)
    tail = model.tails[WAVE if kind is StreamKind.METAL_CW else "metal"]
    for asked in (0.1, 0.02):
        alarms = profile.metal_alarm.model_copy(update={"false_alarms_per_m": asked})
        line = rarity_of(stream, profile.model_copy(update={"metal_alarm": alarms}), model)
        assert line.of(1.0) == pytest.approx(-math.log(asked))
        double = 2.0 * tail.threshold(asked)
        per_m = tail.rate_per_m * math.exp(-(double - tail.level) / tail.scale)
        assert line.of(2.0) == pytest.approx(-math.log(per_m))


def test_a_radar_that_looks_twice_is_ranked_by_the_tail_of_both_looks() -> None:
    model, profile = load_model(), load_profile("handheld-dual")
    assert model.second_look is not None
    stream = StreamDescription(
        2, "radar", StreamKind.RADAR, 1, 256, "int16", 100.0, sampling_interval_s=1e-10, centre_frequency_hz=1e9
    )
    once = profile.model_copy(update={"radar_second_look": profile.radar_second_look.model_copy(update={"use": "no"})})
    for p, tail in ((profile, model.second_look.tail), (once, model.tails["radar"])):
        threshold = tail.threshold(p.radar_alarm.false_alarms_per_m)
        per_m = tail.rate_per_m * math.exp(-(1.4 * threshold - tail.level) / tail.scale)
        assert rarity_of(stream, p, model).of(1.4) == pytest.approx(-math.log(per_m))


def test_a_report_says_what_it_ranks_by_and_an_older_result_is_told_apart() -> None:
    now = lane([alarm(1.0, radar=2.0), alarm(5.0, metal=3.0)])
    said = json.loads(json.dumps(trial([now], with_roc=True).to_json()))
    assert lanes_from_json(said, "now")[0].ranking == now.ranking
    for row in said["lane_scores"]:
        del row["ranking"]
    assert (said["format"], said["version"]) == (RESULT_FORMAT, RESULT_VERSION)
    before = lanes_from_json(said, "before.json")
    assert before[0].ranking is None
    text = text_of(trial([now], rival=("before.json", before), with_roc=True))
    assert BY_RARITY in text
    assert "The curve of before.json" in text
    assert "The curve of" not in text_of(trial([now], rival=("again.json", [now]), with_roc=True))
    assert BY_SCORE in text_of(trial(before, with_roc=True))
