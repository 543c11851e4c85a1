"""Whether one model's probabilities of a mine are worse than another's on the same objects, beyond chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector.detections import LabelClass
from detector.score.paired_probability import Probabilities, paired_probabilities
from detector.score.roc import auc
from detector.score.trial import LaneScore, Outcome

NAN = float("nan")


def lanes(p: np.ndarray, mine: np.ndarray, each: int = 4, same_ground: bool = False) -> list[LaneScore]:
    """Objects with these probabilities of a mine (NaN: no alarm), so many a lane."""

    def outcome(i: int) -> Outcome:
        found = not math.isnan(p[i])
        label, x_m = LabelClass.MINE if mine[i] else LabelClass.METAL_CLUTTER, 0.0 if same_ground else float(i)
        said = (float(p[i]), 1 - float(p[i]), 0.0) if found else ()
        return Outcome("lane", "x", label, 0.1, "", x_m, True, found, 1.5, "metal", "unknown", 2, said)

    starts = range(0, len(p), each)
    return [LaneScore("a", "", tuple(map(outcome, range(k, min(k + each, len(p))))), (), 0, 1.0) for k in starts]


def case(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities and what was drawn by them."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1.5, 1.5, n).clip(0.02, 0.98)
    return p, rng.random(n) < p


def judged(before: np.ndarray, after: np.ndarray, mine: np.ndarray) -> Probabilities:
    return paired_probabilities(lanes(before, mine), lanes(after, mine))


def test_figures_are_those_of_the_alarms_under_both_models() -> None:
    p, mine = case(1)
    q = np.sqrt(p)
    p[:3], q[5] = NAN, NAN
    both = ~np.isnan(p) & ~np.isnan(q)
    c = judged(p, q, mine)
    for change, of in ((c.log_loss.before, p), (c.log_loss.after, q)):
        assert change == pytest.approx(-np.log(np.where(mine, of, 1 - of)[both]).mean())
    assert c.area.before == pytest.approx(auc(p[both & mine].tolist(), p[both & ~mine].tolist()))
    assert c.area.after == pytest.approx(auc(q[both & mine].tolist(), q[both & ~mine].tolist()))


def test_the_interval_is_that_of_a_bootstrap_made_the_plain_way() -> None:
    p, mine = case(2)
    q = np.clip(p + np.random.default_rng(0).normal(0, 0.2, len(p)), 0.02, 0.98)
    c = judged(p, q, mine)
    rng, moved = np.random.default_rng(9), []
    for _ in range(2000):
        at = (4 * rng.integers(30, size=30)[:, None] + np.arange(4)).ravel()
        y = mine[at]
        moved.append(
            (
                np.log(np.where(y, p[at], 1 - p[at])).mean() - np.log(np.where(y, q[at], 1 - q[at])).mean(),
                auc(q[at][y].tolist(), q[at][~y].tolist()) - auc(p[at][y].tolist(), p[at][~y].tolist()),
            )
        )
    low, high = np.quantile(moved, [0.025, 0.975], axis=0)
    np.testing.assert_allclose((c.log_loss.low, c.area.low), low, atol=0.01)
    np.testing.assert_allclose((c.log_loss.high, c.area.high), high, atol=0.01)


def test_chance_alone_is_called_worse_in_about_25_of_1000_and_answers_turned_round_always() -> None:
    """Both models are as far from the truth, by errors of their own."""
    called, turned = 0, 0
    for seed in range(60):
        p, mine = case(seed)
        rng = np.random.default_rng(1000 + seed)
        z = np.log(p / (1 - p))
        a, b = (1 / (1 + np.exp(-(z + rng.normal(0, 0.3, len(p))))) for _ in range(2))
        c = judged(a, b, mine)
        called += (c.log_loss.low > 0) + (c.area.high < 0)
        turned += bool(judged(a, 1 - a, mine).worse)
    # 120 tests at 25 of 1000: more than 9 in 2 of 1000 such runs
    assert called <= 9
    assert turned == 60


def test_a_sharper_answer_that_is_wrong_is_less_true_though_it_ranks_the_same() -> None:
    p, mine = case(3)
    z = np.log(p / (1 - p))
    c = judged(p, 1 / (1 + np.exp(-3 * z)), mine)
    assert c.area.before == c.area.after
    assert "less true beyond chance" in c.worse
    assert "tells mines" not in c.worse


def test_one_ground_or_no_alarm_under_both_judges_nothing() -> None:
    p, mine = np.array([0.9, 0.2, 0.8, 0.3] * 3), np.array([True, False, True, False] * 3)
    again = paired_probabilities(lanes(p, mine, same_ground=True), lanes(1 - p, mine, same_ground=True))
    assert math.isnan(again.log_loss.low)
    assert again.worse == ""
    nothing = judged(np.full(12, NAN), p, mine)
    assert math.isnan(nothing.log_loss.after)
    assert nothing.worse == ""
    assert "not judged" in nothing.log_loss.to_text()


def test_the_same_lanes_give_the_same_figures() -> None:
    p, mine = case(4)
    assert judged(p, p**2, mine) == judged(p, p**2, mine)
