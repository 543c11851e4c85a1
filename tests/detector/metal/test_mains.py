"""Mains rejection against the fixed notch it stands in for, and against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from detector.metal.mains import MainsSettings, MainsTracker

from .conftest import pulse_geometry


def hum(n: int, rate_hz: float, hz: float, harmonics: tuple[int, ...] = (1, 3, 4)) -> np.ndarray:
    t = np.arange(n) / rate_hz
    return sum(np.sin(2 * np.pi * h * hz * t + h) / h for h in harmonics)


def notched(x: np.ndarray, rate_hz: float, hz: float = 50.0, bandwidth_hz: float = 2.0) -> np.ndarray:
    """The fixed comb of second-order notches, started in the steady state of the first reading."""
    for h in range(1, 6):
        alias = abs(h * hz - round(h * hz / rate_hz) * rate_hz)
        if 15.0 < alias < 0.49 * rate_hz:
            b, a = signal.iirnotch(alias, alias / bandwidth_hz, fs=rate_hz)
            x = signal.lfilter(b, a, x, axis=0, zi=signal.lfilter_zi(b, a)[:, None] * x[0])[0]
    return x


@pytest.mark.parametrize(("nominal", "departure"), [(50.0, 0.2), (50.0, -0.5), (60.0, 0.35), (60.0, 0.9)])
def test_the_frequency_is_followed(rng: np.random.Generator, nominal: float, departure: float) -> None:
    x = rng.normal(size=(10_000, 8)) + 5.0 * hum(10_000, 500.0, nominal + departure)[:, None]
    tracker = MainsTracker(MainsSettings(frequency_hz=nominal), pulse_geometry())
    tracker.process(x)
    assert tracker.frequency_hz == pytest.approx(nominal + departure, abs=0.02)


@pytest.mark.parametrize(("departure", "gain"), [(0.0, 1.3), (0.2, 3.0), (0.5, 6.0)])
def test_less_hum_is_left_than_by_a_fixed_notch(rng: np.random.Generator, departure: float, gain: float) -> None:
    noise = rng.normal(size=(10_000, 8))
    x = noise + 4.0 * hum(10_000, 500.0, 50.0 + departure)[:, None] + 100.0
    ours = MainsTracker(MainsSettings(), pulse_geometry()).process(x) - noise
    theirs = notched(x, 500.0) - noise
    assert np.std(theirs[5000:]) > gain * np.std(ours[5000:])


def test_no_ringing_follows_a_strong_target(rng: np.random.Generator) -> None:
    n = 6000
    noise = 1e-3 * rng.normal(size=(n, 8))
    target = np.zeros(n)
    target[3000:3150] = 50.0 * np.hanning(150)
    target[3150:3160] = 20.0  # with an edge that excites everything
    clean = noise + hum(n, 500.0, 50.1)[:, None] * 0.01
    after = slice(3170, 3600)

    def rings(process: object) -> float:
        return float(np.std(process(clean + target[:, None])[after] - process(clean)[after]))  # type: ignore[operator]

    ours = rings(lambda x: MainsTracker(MainsSettings(), pulse_geometry()).process(x))
    theirs = rings(lambda x: notched(x, 500.0))
    assert ours < 0.02 * theirs
    assert ours < 1e-3


def test_a_target_passes_whole(rng: np.random.Generator) -> None:
    n = 6000
    x = rng.normal(size=(n, 8))
    target = 0.5 * np.exp(-0.5 * ((np.arange(n) - 4000) / 60.0) ** 2)
    a = MainsTracker(MainsSettings(), pulse_geometry()).process(x + target[:, None])
    b = MainsTracker(MainsSettings(), pulse_geometry()).process(x)
    np.testing.assert_allclose((a - b)[3800:4200, 0], target[3800:4200], atol=0.01)


def test_a_harmonic_is_removed_where_it_aliases_to(rng: np.random.Generator) -> None:
    # at 100 readings a second 60 Hz stands at 40 Hz, where 240 Hz would too, and 300 Hz on top of the targets
    geometry = pulse_geometry(rate_hz=100.0)
    tracker = MainsTracker(MainsSettings(frequency_hz=60.0), geometry)
    assert sorted(round(f) for f in tracker.left_alone_hz) == [0, 20, 40]
    noise = 0.1 * rng.normal(size=(4000, 8))
    left = tracker.process(noise + hum(4000, 100.0, 60.2, (1,))[:, None]) - noise
    assert np.std(left[2000:]) < 0.03  # of a hum of 0.7; most of it noise that went with it
    assert tracker.frequency_hz == pytest.approx(60.2, abs=0.02)


def test_without_mains_nothing_is_added(rng: np.random.Generator) -> None:
    x = rng.normal(size=(8000, 8))
    y = MainsTracker(MainsSettings(), pulse_geometry()).process(x)
    assert np.std((y - x)[4000:]) < 0.2
    assert np.std(y[4000:]) < 1.01 * np.std(x[4000:])


def test_left_out_it_hands_through(rng: np.random.Generator) -> None:
    x = rng.normal(size=(10, 8))
    assert MainsTracker(MainsSettings(harmonics=0), pulse_geometry()).process(x) is x


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=8))
def test_any_cut_gives_the_same_bits(sizes: list[int]) -> None:
    x = np.random.default_rng(2).normal(size=(400, 8)) + 3 * hum(400, 500.0, 50.3)[:, None]
    whole = MainsTracker(MainsSettings(), pulse_geometry()).process(x)
    stage, parts, at, i = MainsTracker(MainsSettings(), pulse_geometry()), [], 0, 0
    while at < len(x):
        parts.append(stage.process(x[at : at + sizes[i % len(sizes)]]))
        at += sizes[i % len(sizes)]
        i += 1
    assert np.concatenate(parts).tobytes() == whole.tobytes()
