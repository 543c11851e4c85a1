"""A peak that does not stand hides no lower one beside it that stands by itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.decide.alarm import AlarmSettings, AlarmStage, Peak

STEP_M = 0.02
RADIUS = 6
THRESHOLD = 1.0
SETTINGS = AlarmSettings(method="own-ground", ahead_m=0.0, top=1, radius_m=RADIUS * STEP_M)


def reported(scores: np.ndarray, voted_down: set[int], cuts: list[int] | None = None) -> list[int]:
    """Rows at which an alarm stands."""
    asked: dict[int, float] = {}

    def stands(row: int, group: int, cell: int, score: float) -> bool:
        assert asked.setdefault(row, score) == score
        return row not in voted_down

    stage = AlarmStage(SETTINGS, STEP_M, 1, THRESHOLD, least=0.5, stands=stands)
    energy = np.exp(scores)[:, None]
    bounds = [0, *(cuts or []), len(scores)]
    peaks: list[Peak] = []
    for a, b in pairwise(bounds):
        peaks += stage.process(energy[a:b], np.full(1, 1e-9))
    peaks += stage.finish()
    return [p.row for p in peaks if p.row not in voted_down and p.score >= THRESHOLD]


def hump(n: int, *peaks: tuple[int, float]) -> np.ndarray:
    rows = np.arange(n)
    return np.max([h - 0.8 * np.abs(rows - at) for at, h in peaks] + [np.zeros(n)], axis=0)


def test_the_lower_of_two_near_peaks_alarms_where_the_higher_is_voted_down() -> None:
    score = hump(80, (40, 3.0), (44, 2.0))
    assert reported(score, set()) == [40]
    assert reported(score, {40}) == [44]
    assert reported(score, {40, 44}) == []


def test_of_three_the_highest_that_stands_alarms() -> None:
    score = hump(80, (36, 1.6), (40, 3.0), (44, 2.0))
    assert reported(score, {40}) == [36, 44]  # 16 cm apart: two places
    assert reported(score, {40, 44}) == [36]
    score = hump(80, (37, 2.0), (40, 3.0), (42, 2.4))
    assert reported(score, {40}) == [42]
    assert reported(score, {40, 42}) == [37]


def test_a_lower_peak_that_needed_help_to_alarm_stays_hidden() -> None:
    assert reported(hump(80, (40, 3.0), (44, 0.9)), {40}) == []


def test_the_flank_of_a_peak_that_does_not_stand_is_no_peak() -> None:
    assert reported(hump(80, (40, 3.0)), {40}) == []


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_cut_reports_the_same_and_no_standing_peak_is_lost(data: st.DataObject) -> None:
    n = data.draw(st.integers(10, 60))
    score = np.array(data.draw(st.lists(st.floats(0.0, 3.0), min_size=n, max_size=n)))
    voted_down = data.draw(st.sets(st.integers(0, n - 1), max_size=n))
    whole = reported(score, voted_down)
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=6)))
    assert reported(score, voted_down, cuts) == whole
    # energies are float32 inside
    s = np.log(np.exp(score).astype(np.float32)).astype(np.float64)
    for r in set(range(n)) - voted_down:
        near = [q for q in range(max(0, r - RADIUS), min(n, r + RADIUS + 1)) if q != r]
        if s[r] >= THRESHOLD and all(s[q] < s[r] for q in near):
            assert r in whole
    # two equal rows at the very radius may be a crest of their own or a peak's flank: then both alarm
    for a, b in pairwise(whole):
        assert b - a >= RADIUS
