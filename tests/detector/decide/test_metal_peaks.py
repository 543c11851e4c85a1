"""Metal beside stronger metal alarms by itself, and a flank does not."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.decide.alarm import AlarmSettings, Peak
from detector.decide.metal_peaks import MetalPeaks
from detector.metal_description import HIDES_M, MetalDescription

STEP_M = 0.005
THRESHOLD = 1.0
SETTINGS = AlarmSettings(method="own-ground", radius_m=0.15)
WIDTHS_M = (0.10, 0.17, 0.30)


def swept(
    metal: list[tuple[float, float]], length_m: float = 4.0, step_m: float = STEP_M
) -> tuple[np.ndarray, np.ndarray]:
    """Places, and (n, 1, 3) energies of small bodies (place, energy above it) that answer as 1 / distance^6 do."""
    x = np.arange(0.0, length_m, step_m)
    energy = np.empty((len(x), 1, len(WIDTHS_M)))
    for f, width in enumerate(WIDTHS_M):
        answer = sum(np.sqrt(e) / (1.0 + ((x - at) / (0.08 + width / 2)) ** 2) ** 3 for at, e in metal)
        energy[:, 0, f] = answer**2
    return x, energy


def found(x: np.ndarray, energy: np.ndarray, cuts: list[int] | None = None, step_m: float = STEP_M) -> list[Peak]:
    stage = MetalPeaks(SETTINGS, step_m, THRESHOLD)
    out = []
    for part in np.split(np.arange(len(x)), sorted(cuts or [])):
        out += stage.process(energy[part], x[part])
        # what is said to be settled stays so
        assert not out or stage.settled <= stage.decided
    out += stage.finish()
    assert stage.decided == len(x)
    return out


def test_a_second_object_alarms_though_its_neighbours_wide_flank_swallows_its_peak() -> None:
    x, energy = swept([(1.5, 1e6), (1.98, 400.0)])
    flank = np.log1p(energy.max(axis=(1, 2)))
    near = np.abs(x - 1.98) < 0.1
    assert (np.diff(flank[near]) < 0).all()  # the largest of all filters has no peak there
    places = [x[p.middle] for p in found(x, energy)]
    assert len(places) == 2
    np.testing.assert_allclose(places, [1.5, 1.98], atol=0.03)


def test_one_strong_object_alarms_once_whatever_its_filters_say() -> None:
    x, energy = swept([(1.5, 1e6)])
    energy[:, 0, 0] *= 1.0 + 0.2 * np.sin(2 * np.pi * x / 0.1)  # bumps on the narrow filter's flanks
    (peak,) = found(x, energy)
    assert abs(x[peak.middle] - 1.5) < 0.02


def test_a_narrow_peak_counts_by_what_it_rises_above_the_flank() -> None:
    x, energy = swept([(1.5, 1e6), (1.98, 400.0)])
    weaker = min(found(x, energy), key=lambda p: p.score)
    narrow = np.log1p(energy[:, 0, 0])
    assert weaker.cell == 0
    assert weaker.score < narrow[weaker.row]
    before, after = (x < x[weaker.row]) & (x > x[weaker.row] - 0.18), (x > x[weaker.row]) & (x < x[weaker.row] + 0.18)
    ground = max(narrow[before].min(), narrow[after].min())
    assert abs(weaker.score - (narrow[weaker.row] - ground)) < 0.1


def test_peaks_are_as_far_apart_on_the_ground_whatever_the_speed() -> None:
    for speed in (0.4, 1.0, 2.0):
        x, energy = swept([(1.0, 900.0), (1.25, 900.0), (3.0, 400.0)], step_m=speed * STEP_M)
        energy = energy[:, :, :1]
        narrow = np.sqrt(900.0) / (1.0 + ((x[:, None] - np.array([1.0, 1.25, 3.0])) / 0.05) ** 2) ** 3
        energy[:, 0, 0] = (narrow**2).sum(axis=1)
        places = [x[p.middle] for p in found(x, energy)]
        np.testing.assert_allclose(places, [1.0, 1.25, 3.0], atol=0.02)


def test_a_head_that_stands_still_over_metal_alarms_and_keeps_no_more_rows_than_a_slow_one() -> None:
    x, energy = swept([(1.0, 900.0)], 2.0)
    stop = int(np.argmin(np.abs(x - 1.0)))
    x = np.concatenate((x[:stop], np.full(20000, x[stop]), x[stop:]))
    energy = np.concatenate((energy[:stop], np.repeat(energy[stop : stop + 1], 20000, axis=0), energy[stop:]))
    stage = MetalPeaks(SETTINGS, STEP_M, THRESHOLD)
    out, held = [], 0
    for i in range(0, len(x), 50):
        out += stage.process(energy[i : i + 50], x[i : i + 50])
        assert stage.decided >= min(len(x), i + 50) - 4 * (stage.latency + 2)
        held = max(held, len(stage._along.held))
    assert any(abs(x[p.middle] - 1.0) < 0.01 for p in out)
    assert held < 4 * (1.5 / STEP_M) + 100


def test_what_an_alarm_hides_is_measured_on_its_own_answer() -> None:
    x, energy = swept([(1.5, 1e6)])
    (strong,) = found(x, energy)
    above = x[np.log1p(energy.max(axis=(1, 2))) >= THRESHOLD]
    # ahead no more than the decision waits for, behind all of it
    assert abs(strong.hidden_m - (1.5 - above[0])) < 0.01
    x, energy = swept([(1.5, 4.0)])
    (weak,) = found(x, energy)
    assert weak.hidden_m < HIDES_M < strong.hidden_m
    assert "weaker metal within" in MetalDescription(hidden_m=strong.hidden_m).text
    assert MetalDescription(hidden_m=weak.hidden_m).hides == ""


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 800), max_size=12),
    speed=st.sampled_from([0.0, 0.1, 1.0, 3.0]),
)
def test_peaks_do_not_depend_on_the_cut(seed: int, cuts: list[int], speed: float) -> None:
    rng = np.random.default_rng(seed)
    n = 800
    energy = np.exp(np.cumsum(rng.normal(size=(n, 2, 3)), axis=0) * 0.3)
    steps = STEP_M * speed * rng.uniform(0.0, 2.0, n)
    x = np.where(rng.random(n) < 0.02, np.nan, np.cumsum(steps))
    whole = found(x, energy)
    assert whole or energy.max() < 10.0
    assert found(x, energy, cuts) == whole
    assert found(x, energy, list(range(1, n))) == whole
