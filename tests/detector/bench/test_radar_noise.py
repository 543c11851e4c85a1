"""Noise of a radar with its antenna still, and carriers that it picks up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detector.bench import noise
from detector.bench.result import Result
from detector.simulate.bench_radar import BenchRadar, RadarBench
from tests.detector.bench.known import take

SETTINGS = noise.NoiseSettings(seconds=5.0)


def measured(head: BenchRadar, seed: int) -> Result:
    return noise.measure([take(RadarBench(head, seed), p) for p in noise.plan(SETTINGS)], SETTINGS)


def test_the_noise_of_an_ascan_lies_in_its_interval() -> None:
    hits = 0
    for seed in range(20):
        figure = measured(BenchRadar(), seed).figures[0]
        hits += figure.low <= 1e-4 <= figure.high
    assert hits >= stats.binom.ppf(0.001, 20, 0.95)


def test_a_radar_without_a_carrier_shows_none() -> None:
    shown = sum(len(measured(BenchRadar(), seed).figures) > 1 for seed in range(20))
    assert shown <= stats.binom.ppf(0.999, 20, SETTINGS.false_alarm)


def test_a_carrier_is_measured_and_named_as_well_as_the_window_allows() -> None:
    result = measured(BenchRadar(tone=1e-4, tone_hz=1.80e9), 3)
    line = next(f for f in result.figures if f.name.startswith("line"))
    assert line.value == pytest.approx(1e-4 / np.sqrt(2), rel=0.05)
    assert "mobile telephone, 1800 MHz" in result.notes[0]
