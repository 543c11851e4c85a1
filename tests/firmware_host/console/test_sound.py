"""What the host sounds: never silence, no two states alike, and the same samples however they are cut."""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from firmware_host.console.sound import (
    CONFIDENCE_HZ,
    FAULT_HZ,
    METAL_HZ,
    RADAR_HZ,
    RATE,
    Player,
    Program,
    Synthesiser,
    mix_of,
)
from firmware_host.console.watch import Kind, State
from firmware_host.errors import ConsoleError

SEARCHING = State(Kind.SEARCHING)
FAULT = State(Kind.NOT_VALID, ("metal: no samples for 0.5 s",), fault=True)
WAITING = State(Kind.NOT_VALID, ("not ready: noise missing",))


def signal(metal: float = 0.0, radar: float = 0.0, depth_m: float = 0.1, stage: int = 0) -> State:
    return State(Kind.SIGNAL, metal=metal, radar=radar, depth_m=depth_m, stage=stage)


STATES = (SEARCHING, FAULT, WAITING, signal(2.0), signal(radar=3.0, stage=2), signal(16.0, 4.0, 0.3, 3))


def sounded(state: State, seconds: float = 2.0) -> NDArray[np.float64]:
    """Samples once the loudness has settled, 1 = full scale."""
    synthesiser = Synthesiser()
    synthesiser.set(mix_of(state))
    synthesiser.render(RATE // 5)
    return synthesiser.render(round(seconds * RATE)).astype(float) / 32767


def loudest_hz(x: NDArray[np.float64], low: float = 0.0) -> float:
    power = np.abs(np.fft.rfft(x * np.hanning(len(x))))
    hz = np.fft.rfftfreq(len(x), 1 / RATE)
    return float(hz[np.argmax(np.where(hz >= low, power, 0.0))])


@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.integers(1, 3000)), min_size=1, max_size=6),
    st.lists(st.integers(1, 900), min_size=1, max_size=5),
)
def test_any_cut_gives_the_same_samples(plan: list[tuple[State, int]], sizes: list[int]) -> None:
    whole, cut = Synthesiser(), Synthesiser()
    for state, n in plan:
        whole.set(mix_of(state))
        cut.set(mix_of(state))
        expected = whole.render(n)
        parts, left = [], n
        for size in itertools.cycle([*sizes, 500]):
            if not left:
                break
            k = min(left, size)
            cut.set(mix_of(state))
            parts.append(cut.render(k))
            left -= k
        np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize("state", STATES, ids=str)
def test_no_state_is_silent(state: State) -> None:
    # in every second, for the waiting sound pulses once a second
    for second in np.split(sounded(state, 3.0), 3):
        assert np.sqrt(np.mean(second**2)) > 0.01


def test_valid_data_sound_the_steady_confidence_tone() -> None:
    x = sounded(SEARCHING)
    assert loudest_hz(x) == pytest.approx(CONFIDENCE_HZ, abs=1.0)
    levels = [np.sqrt(np.mean(p**2)) for p in np.split(x, 20)]
    assert max(levels) / min(levels) < 1.1


def test_the_fault_has_none_of_the_confidence_tone_and_is_far_louder() -> None:
    fault, confidence = sounded(FAULT), sounded(SEARCHING)
    assert np.sqrt(np.mean(fault**2)) > 5 * np.sqrt(np.mean(confidence**2))
    halves = fault[: RATE // 10], fault[RATE // 10 : RATE // 5]
    assert {round(loudest_hz(h), -1) for h in halves} == {round(f, -1) for f in FAULT_HZ}


def test_the_fault_is_heard_within_fifty_milliseconds() -> None:
    synthesiser = Synthesiser()
    synthesiser.set(mix_of(SEARCHING))
    synthesiser.render(RATE)
    synthesiser.set(mix_of(FAULT))
    x = synthesiser.render(RATE // 20).astype(float) / 32767
    assert np.abs(x[RATE // 40 :]).max() > 0.3


def test_metal_rises_in_pitch_and_loudness_with_strength() -> None:
    weak, strong = sounded(signal(1.0)), sounded(signal(16.0))
    assert loudest_hz(weak, 250.0) == pytest.approx(METAL_HZ[0], abs=2.0)
    assert loudest_hz(strong, 250.0) == pytest.approx(METAL_HZ[1], abs=2.0)
    assert np.std(strong) > 1.5 * np.std(weak)


def test_radar_is_high_when_shallow_and_low_when_deep_and_never_like_metal() -> None:
    shallow, deep = (loudest_hz(sounded(signal(radar=2.0, depth_m=d)), 250.0) for d in (0.0, 0.5))
    assert shallow == pytest.approx(RADAR_HZ[0], abs=20.0)
    assert deep == pytest.approx(RADAR_HZ[1], abs=20.0)
    assert deep > METAL_HZ[1]


def test_stages_differ_in_their_pulses() -> None:
    rates = []
    for stage in range(4):
        power = sounded(signal(radar=2.0, stage=stage), 4.0) ** 2
        slow = np.abs(np.fft.rfft(power - power.mean()))[: 4 * 40]  # up to 40 Hz, in steps of 1/4 Hz
        rates.append(np.argmax(slow) / 4.0)
    assert rates == [2, 4, 8, 16]


def test_samples_never_clip_nor_click() -> None:
    synthesiser = Synthesiser()
    pieces = []
    for state in (SEARCHING, signal(2.0), signal(16.0), SEARCHING):
        synthesiser.set(mix_of(state))
        pieces.append(synthesiser.render(RATE // 3))
    x = np.concatenate(pieces).astype(float) / 32767
    assert np.abs(x).max() < 1.0
    # a triangle of 1 kHz at full loudness moves by 4 * 1000 / RATE * 0.3 a sample, and the tones add
    assert np.abs(np.diff(x)).max() < 0.08


class Ear:
    def __init__(self) -> None:
        self.heard: list[NDArray[np.int16]] = []

    def write(self, samples: NDArray[np.int16]) -> None:
        self.heard.append(samples)
        time.sleep(0.001)

    def close(self) -> None:
        self.closed = True


def test_the_player_asks_for_the_state_before_every_stretch() -> None:
    now = [SEARCHING]
    ear = Ear()
    with Player(lambda: now[0], ear, lambda text: None):
        while len(ear.heard) < 5:
            time.sleep(0.001)
        now[0] = FAULT
        n = len(ear.heard)
        while len(ear.heard) < n + 5:
            time.sleep(0.001)
    assert np.abs(ear.heard[1]).max() < 0.1 * 32767
    assert np.abs(ear.heard[n + 4]).max() > 0.3 * 32767
    assert ear.closed


def test_a_player_program_that_ends_is_told_and_not_taken_for_silence() -> None:
    told: list[str] = []
    with Player(lambda: SEARCHING, Program([sys.executable, "-c", "pass"]), told.append):
        until = time.monotonic() + 20
        while not told and time.monotonic() < until:
            time.sleep(0.01)
    assert "NO SOUND" in told[0]


def test_a_program_that_is_not_there_is_explained() -> None:
    with pytest.raises(ConsoleError, match="cannot be started"):
        Program(["no-such-player"])


def test_a_mix_follows_from_the_state_alone() -> None:
    assert mix_of(signal(3.0)) == mix_of(replace(signal(3.0)))
