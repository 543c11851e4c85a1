"""What a learner's marks are worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector.detections import LabelClass, TrueObject
from detector.score.bounds import clopper_pearson
from detector.score.practice import PlaceMark, score_practice


def hidden(x: float, label: LabelClass = LabelClass.MINE, kind: str = "AP_small", depth: float = 0.07) -> TrueObject:
    return TrueObject(label, kind, "", x, -1, -1, 0.04, depth, math.nan, True, "hidden")


def mark(x: float) -> PlaceMark:
    return PlaceMark(x, 0, "A", "mark")


TRUTH = [
    hidden(2.0),
    hidden(4.0, kind="AT_metal", depth=0.22),
    hidden(6.0, LabelClass.METAL_CLUTTER, "nail"),
    hidden(9.0),
]


def test_hits_false_marks_clutter_and_what_was_never_reached_stand_apart() -> None:
    marks = [mark(2.03), mark(2.05), mark(3.0), mark(6.02), mark(7.5)]
    score = score_practice(TRUTH, marks, (0.0, 8.0), 40.0)
    assert (score.hits, len(score.targets), score.not_reached) == (1, 2, 1)
    assert (score.clutter_marked, score.clutter, score.false_marks) == (1, 1, 2)
    assert score.pod == (0.5, *clopper_pearson(1, 2))
    # three halos of 2 * (4 cm + 10 cm) on 8 m
    assert score.free_m == pytest.approx(8.0 - 3 * 0.28)
    assert score.false_per_m[0] == pytest.approx(2 / score.free_m)
    assert score.m_per_min == pytest.approx(12.0)


def test_targets_are_counted_by_kind_and_by_depth() -> None:
    score = score_practice(TRUTH, [mark(2.0)], (0.0, 8.0), 40.0)
    assert score.by("kind") == {"AP_small": (1, 1), "AT_metal": (0, 1)}
    assert score.by("stratum") == {"5 to 10 cm": (1, 1), "over 20 cm": (0, 1)}


def test_pinpoint_error_has_bias_median_and_a_95_percent_radius() -> None:
    truth = [hidden(1.0 + k) for k in range(20)]
    errors = np.linspace(-0.03, 0.07, 20)
    score = score_practice(truth, [mark(o.x_m + e) for o, e in zip(truth, errors, strict=True)], (0.0, 22.0), 60.0)
    assert score.bias_m == pytest.approx(0.02)
    assert score.median_m == pytest.approx(float(np.median(np.abs(errors))))
    assert score.radius95_m == pytest.approx(float(np.quantile(np.abs(errors), 0.95)))


def test_one_mark_finds_one_target_only() -> None:
    truth = [hidden(1.0), hidden(1.1)]
    assert score_practice(truth, [mark(1.05)], (0.0, 2.0), 10.0).hits == 1


def test_nothing_swept_is_nothing_found_and_no_figure_is_made_up() -> None:
    score = score_practice(TRUTH, [], None, 0.0)
    assert score.pod[1:] == (0.0, 1.0)
    assert all(math.isnan(v) for v in (score.pod[0], score.bias_m, score.m_per_min, score.false_per_m[0]))
