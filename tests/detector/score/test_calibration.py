"""Whether probabilities mean what they say, and whether a calibration error is more than chance."""

from __future__ import annotations

import json

import numpy as np
import pytest

from detector.detections import DETECTION_DTYPE, Detection, LabelClass, TrueObject
from detector.score.calibration import Reliability, mine_reliability, reliability
from detector.score.page import page
from detector.score.summary import trial
from detector.score.trial import LaneScore, score_lane

NAN = float("nan")


def logistic(v: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-v)))


def drawn(seed: int, sure: float = 1.0, shift: float = 0.0, n: int = 150) -> Reliability:
    """True probabilities of logits ~ N(0, 1.5); stated: these logits times `sure`, plus `shift`."""
    rng = np.random.default_rng(seed)
    logit = 1.5 * rng.standard_normal(n)
    true = rng.random(n) < logistic(logit)
    return reliability(logistic(sure * logit + shift).tolist(), true.tolist())


def test_calibrated_probabilities_lie_inside_the_band_about_95_times_in_100() -> None:
    inside = [r.chance_bounds[0] <= r.ece <= r.chance_bounds[1] for r in map(drawn, range(100))]
    # binomial(100, 0.95) lies outside 89 to 99 once in about 100
    assert 89 <= sum(inside) <= 99


def test_in_bins_of_equal_width_the_band_holds_as_often() -> None:
    wide = [r.equal_width for r in map(drawn, range(100))]
    assert 89 <= sum(w.chance_bounds[0] <= w.ece <= w.chance_bounds[1] for w in wide) <= 99
    assert np.mean([w.chance_ece for w in wide]) == pytest.approx(np.mean([w.ece for w in wide]), abs=0.006)


def test_errors_that_cancel_within_a_bin_of_equal_count_show_in_those_of_equal_width() -> None:
    """200 cases called 0.25 and 200 called 0.75, all of them true half of the time."""
    r = reliability([0.25] * 200 + [0.75] * 200, [True, False] * 200, bins=1)
    assert r.ece == pytest.approx(0.0)
    assert r.equal_width.ece == pytest.approx(0.25)
    assert r.verdict == "not calibrated: over-confident by 0.250 at the mean"
    assert "0.000 in 1 bins of equal count, 0.250 in 10 of equal width" in r.errors


def test_a_bin_of_equal_width_holds_its_lower_edge_and_the_last_one_both() -> None:
    """Of 0.1 and 0.19 half are true, and of 0.95 and 1: two bins, |0.145 - 0.5| and |0.975 - 0.5|."""
    r = reliability([0.1, 0.19, 0.95, 1.0], [True, False, True, False])
    assert r.equal_width.ece == pytest.approx((0.355 + 0.475) / 2)


def test_the_mean_of_chance_is_what_calibrated_trials_show_on_average() -> None:
    trials = [drawn(s) for s in range(100)]
    assert np.mean([r.chance_ece for r in trials]) == pytest.approx(np.mean([r.ece for r in trials]), abs=0.006)
    # ten times the cases: about the square root of ten less
    assert drawn(0, n=1500).chance_ece == pytest.approx(trials[0].chance_ece / 10**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("sure", "shift", "said"),
    [
        (2.5, 0.0, "over-confident"),
        (0.3, 0.0, "under-confident"),
        (1.0, 1.5, "calls mines too likely"),
        (1.0, -1.5, "calls mines too unlikely"),
    ],
)
def test_probabilities_that_are_not_true_lie_outside_and_the_direction_is_told(
    sure: float, shift: float, said: str
) -> None:
    told = [drawn(s, sure, shift, 400) for s in range(20)]
    assert sum(r.told_from_calibrated for r in told) >= 19
    assert all(said in r.verdict for r in told if r.told_from_calibrated)


def test_the_bars_of_each_bin_hold_its_share_about_95_times_in_100() -> None:
    trials = [drawn(s) for s in range(60)]
    held = [a <= o <= b for r in trials for a, o, b in zip(r.low, r.observed, r.high, strict=True)]
    # shares are whole cases: bars hold at least what they say
    assert 0.93 <= np.mean(held) <= 0.99


def test_sweeps_of_one_object_are_one_object() -> None:
    p = np.linspace(0.05, 0.95, 30)
    y = (p > 0.5).tolist()
    once = reliability(p.tolist(), y, bins=3)
    thrice = reliability(np.tile(p, 3).tolist(), y * 3, bins=3, objects=list(range(30)) * 3)
    apart = reliability(np.tile(p, 3).tolist(), y * 3, bins=3)
    assert (thrice.objects, apart.objects) == (30, 90)
    assert thrice.chance_ece == pytest.approx(once.chance_ece, rel=0.02)
    assert apart.chance_ece < 0.7 * once.chance_ece
    assert "30 different objects" in thrice.to_text()
    assert "different objects" not in once.to_text()


def test_the_same_trial_says_the_same() -> None:
    assert drawn(3) == drawn(3)


def test_cases_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        reliability([0.5, 0.5], [True])
    with pytest.raises(ValueError, match="do not belong together"):
        reliability([0.5, 0.5], [True, False], objects=["a"])


def lane(name: str, p: float) -> LaneScore:
    """A mine at 1 m and clutter at 2 m that both alarm with that probability of a mine."""
    truth = [
        TrueObject(label, "x", "", at, -1, -1, 0.05, 0.1, NAN, True, "simulated")
        for label, at in ((LabelClass.MINE, 1.0), (LabelClass.METAL_CLUTTER, 2.0))
    ]
    row = np.zeros(2, DETECTION_DTYPE)
    row["features"] = np.nan
    row["x_m"], row["decision"], row["score"] = (1.0, 2.0), b"unknown", 1.5
    row["probability"] = (p, (1 - p) / 2, (1 - p) / 2)
    return score_lane(name, truth, [Detection.from_row(r) for r in row], (0.0, 3.0))


def test_a_report_says_what_perfect_calibration_would_show_and_counts_swept_objects_once() -> None:
    lanes = [lane(f"a-{i}", 0.9) for i in range(5)] + [lane(f"b{i}", 0.9) for i in range(20)]
    r = mine_reliability(lanes)
    assert r is not None
    assert (sum(r.count), r.objects) == (50, 42)
    t = trial(lanes)
    assert t.score.reliability == r
    said = t.score.to_text()
    assert "42 different objects" in said
    assert "not calibrated: over-confident by 0.400 at the mean" in said
    drawn_page = page("x", t)
    assert "Perfectly calibrated probabilities would show" in drawn_page
    assert "not calibrated: over-confident by 0.400" in drawn_page
    assert r.errors in said
    assert r.errors in drawn_page
    stored = json.loads(json.dumps(t.to_json(), allow_nan=False))["reliability"]
    assert stored["chance_bounds"] == list(r.chance_bounds)
    assert len(stored["low"]) == len(stored["stated"])
    assert stored["equal_width"]["ece"] == r.equal_width.ece


def test_a_page_draws_a_bar_for_each_bin() -> None:
    few, many = (page("x", trial([lane(f"b{i}", 0.3 + 0.02 * i) for i in range(n)])) for n in (5, 20))
    section = [text.split("Reliability of the stated")[1].split("</svg>")[0] for text in (few, many)]
    bars = [s.split("perfect</text>")[1].count("<line") for s in section]
    # one bin of 10 cases; four of 10
    assert bars[1] - bars[0] == 3
