"""The alarm stage's rate and the tail that sets it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.decide.alarm import AlarmSettings, AlarmStage, Tail
from detector.decide.search import SearchSettings, SearchStage, Signal
from detector.decide.training import fit_tail, signal_peaks
from detector.errors import ModelError


def peaks(rng: np.random.Generator, metres: float, threshold: float) -> list[float]:
    """Scores on correlated noise: what the prescreener gives on ground without targets."""
    step = 0.02
    n = round(metres / step)
    x = rng.normal(size=(n + 10, 12))
    x = sum(x[i : n + i] for i in range(10)) / np.sqrt(10)
    energy = np.exp(0.5 * x)
    stage = AlarmStage(AlarmSettings(), step, 12, threshold)
    found = stage.process(energy, np.zeros(12)) + stage.finish()
    return [p.score for p in found]


@pytest.mark.parametrize("wanted", [0.03, 0.1, 0.3])
def test_the_threshold_gives_the_false_alarm_rate_that_was_asked_for(wanted: float) -> None:
    rng = np.random.default_rng(3)
    tail = fit_tail(peaks(rng, 400.0, 0.01), 400.0)
    metres = 2000.0
    count = len(peaks(rng, metres, tail.threshold(wanted)))
    assert 0.3 * wanted < count / metres < 1.5 * wanted


@pytest.mark.parametrize("wanted", [0.02, 0.1])
def test_one_lane_far_out_of_all_others_does_not_make_the_others_deaf(wanted: float) -> None:
    rng = np.random.default_rng(4)
    usual = rng.exponential(0.3, 1000).tolist()
    alone, with_it = fit_tail(usual, 1000.0), fit_tail([*usual, *[30.0] * 15], 1015.0)
    assert with_it.threshold(wanted) < 1.15 * alone.threshold(wanted)
    assert np.mean(np.array(usual) > alone.threshold(wanted)) == pytest.approx(wanted, rel=0.4)


def test_a_rarer_false_alarm_needs_a_higher_threshold() -> None:
    tail = Tail(level=2.0, scale=0.5, rate_per_m=1.0)
    assert tail.threshold(1.0) == 2.0
    assert tail.threshold(0.1) == pytest.approx(2.0 + 0.5 * np.log(10))


def test_the_rate_does_not_change_when_the_ground_gets_louder() -> None:
    rng = np.random.default_rng(5)
    n = 20000
    energy = np.exp(0.5 * rng.normal(size=(n, 6)))
    loud = energy * np.linspace(1.0, 1000.0, n)[:, None]
    counts = []
    for e in (energy, loud):
        stage = AlarmStage(AlarmSettings(top=1), 0.02, 6, 1.4)
        counts.append(len(stage.process(e, np.zeros(6)) + stage.finish()))
    assert counts[0] > 20
    assert counts[1] == pytest.approx(counts[0], rel=0.2)


def slope(rng: np.random.Generator, rows: int, cells: int) -> np.ndarray:
    """Energy of a layer that climbs one cell in 25 rows, and of speckle around it."""
    at = cells - 1 - np.arange(rows)[:, None] / 25.0
    return np.exp(0.3 * rng.normal(size=(rows, cells))) * (1.0 + 200.0 * np.exp(-((np.arange(cells) - at) ** 2)))


def test_a_layer_that_slopes_is_ground_and_what_lies_in_it_is_not() -> None:
    energy = slope(np.random.default_rng(6), 400, 18)
    buried = energy.copy()
    buried[200:204, 2:5] += 300.0

    def places(settings: AlarmSettings, e: np.ndarray) -> list[int]:
        stage = AlarmStage(settings, 0.02, 18, 1.8)
        return [p.row for p in stage.process(e, np.zeros(18)) + stage.finish()]

    level = AlarmSettings(slope_cells=0)
    assert len(places(level, energy)) > 5
    assert places(AlarmSettings(), energy) == []
    assert [r for r in places(AlarmSettings(), buried) if 195 <= r <= 210]


def test_too_little_clean_ground_is_refused() -> None:
    with pytest.raises(ModelError, match="clean"):
        fit_tail([1.0, 2.0], 10.0)


@pytest.mark.parametrize("method", ["order-statistic", "cell-average"])
@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_any_cut_gives_the_same_peaks(method: str, sizes: list[int], seed: int) -> None:
    energy = np.exp(0.7 * np.random.default_rng(seed).normal(size=(240, 10)))
    energy[100:104, 3:5] *= 30.0
    chosen = AlarmSettings(method=method, reference_m=0.8, ahead_m=0.6)

    def run(cut: list[int]) -> list[object]:
        stage = AlarmStage(chosen, 0.02, 10, 0.8, 2)
        found, at, i = [], 0, 0
        while at < len(energy):
            found += stage.process(energy[at : at + cut[i % len(cut)]], np.full(10, 1e-3))
            at += cut[i % len(cut)]
            i += 1
        return sorted(found + stage.finish(), key=lambda p: (p.row, p.group))

    whole = run([240])
    assert any(abs(p.row - 101) <= 3 and p.group == 0 for p in whole)
    assert run(sizes) == whole


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_any_cut_gives_the_same_search_scores_and_none_needs_a_later_record(sizes: list[int], seed: int) -> None:
    energy = np.exp(np.random.default_rng(seed).normal(size=(200, 12)))
    floor = np.full(12, 1e-3)
    whole = SearchStage(SearchSettings(), 0.02, 12, 3).process(energy, floor)
    stage, parts, at, i = SearchStage(SearchSettings(), 0.02, 12, 3), [], 0, 0
    while at < 200:
        parts.append(stage.process(energy[at : at + sizes[i % len(sizes)]], floor))
        at += sizes[i % len(sizes)]
        i += 1
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert np.isnan(whole[:15]).all()
    assert np.isfinite(whole[15:]).all()


@pytest.mark.parametrize("measure", ["deviations", "log-ratio"])
def test_a_search_score_is_that_of_its_formula(measure: str) -> None:
    rng = np.random.default_rng(2)
    energy = np.exp(rng.normal(size=(120, 4)))
    s = SearchSettings(measure=measure, reference_m=0.5, guard_m=0.06, warm_m=0.3, clip=20.0, top=2, smooth_m=0.02)
    scores = SearchStage(s, 0.02, 4, 1).process(energy, np.full(4, 0.1))[:, 0]
    smooth = energy.copy()
    for i in range(1, 120):
        smooth[i] = smooth[i - 1] + 0.5 * (energy[i] - smooth[i - 1])
    logs = np.log(smooth + 0.1)
    middle, spread = np.zeros(4), np.zeros(4)
    for i in range(120):
        if i > 3:
            pace = max(0.04, 1.0 / (i - 3))
            d = logs[i - 4] - middle
            middle = middle + pace * d
            spread = spread + pace * (np.abs(d) - spread)
        if i >= 15:
            z = np.sort((logs[i] - middle) / (np.maximum(spread, 0.23) if measure == "deviations" else 1.0))
            assert scores[i] == pytest.approx(z[-2:].mean(), rel=1e-9)


def test_soundings_of_one_spot_count_once() -> None:
    def signal(x: float, strength: float, channel: int = 0) -> Signal:
        return Signal("radar", "radar", channel, 0, 0, 0, x, strength)

    spot = [signal(1.0 + 0.02 * i, 2.0 - 0.1 * abs(i)) for i in range(-5, 6)]
    found = signal_peaks([*spot, signal(2.0, 1.1), signal(1.0, 1.5, channel=1)], 0.15)
    assert sorted(found) == [(1.0, 1.5), (1.0, 2.0), (2.0, 1.1)]
