"""The alarm stage's rate and the tail that sets it."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.alarm import AlarmSettings, AlarmStage, Tail
from detector.decide.training import fit_tail
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
        stage = AlarmStage(AlarmSettings(top=1), 0.02, 6, 1.6)
        counts.append(len(stage.process(e, np.zeros(6)) + stage.finish()))
    assert counts[0] > 20
    assert counts[1] == pytest.approx(counts[0], rel=0.2)


def test_too_little_clean_ground_is_refused() -> None:
    with pytest.raises(ModelError, match="clean"):
        fit_tail([1.0, 2.0], 10.0)
