"""A replay at a person's pace gives the same items, when they are due."""

from __future__ import annotations

import os
import pty
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest

from detector.recording.reader import open_recording
from firmware_host.pacing import Pace, PacedSource, terminal_keys
from firmware_host.session import RecordingSource


class Clock:
    """Time that passes only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("speed", [0.5, 1.0, 8.0])
def test_a_replay_takes_its_recorded_time_over_its_speed(recordings: Path, speed: float) -> None:
    clock = Clock()
    with open_recording(recordings / "lane_dev04.h5") as r:
        wanted = sum(len(b) for b in r.blocks())
        source = PacedSource(RecordingSource(r, 8), Pace(speed), monotonic=clock, sleep=clock.sleep)
        assert sum(len(b) for items in source.items() for b in items) == wanted
        seconds = (r.span.stop - r.span.start) / r.device.tick_hz
    assert clock.now - 100.0 == pytest.approx(seconds / speed, rel=0.01, abs=0.05)


def test_what_is_before_the_part_passes_at_once_and_nothing_comes_after_it(recordings: Path) -> None:
    clock = Clock()
    with open_recording(recordings / "lane_dev04.h5") as r:
        span = r.span_of_time(1.0, 2.0)
        whole = RecordingSource(r, 8)
        source = PacedSource(whole, Pace(1.0), span.start, span.stop, monotonic=clock, sleep=clock.sleep)
        ticks = np.concatenate([b.tick for items in source.items() for b in items])
        assert ticks.min() == r.span.start
        assert ticks.max() < span.stop
    assert clock.now - 100.0 == pytest.approx(1.0, abs=0.1)


def test_paused_it_waits_and_each_step_gives_one_block(recordings: Path) -> None:
    clock = Clock()
    typed = iter(["", "", "n", "", "n", "q"])
    with open_recording(recordings / "lane_dev04.h5") as r:
        source = PacedSource(
            RecordingSource(r, 8), Pace(1.0, paused=True), keys=lambda: next(typed), monotonic=clock, sleep=clock.sleep
        )
        assert len(list(source.items())) == 2


def test_keys_that_are_typed_together_all_count(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with os.fdopen(slave, "r") as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        with terminal_keys() as keys:
            assert keys() == ""
            os.write(master, b"nn+q")
            until = time.monotonic() + 30
            while not (typed := keys()) and time.monotonic() < until:
                time.sleep(0.01)
            assert typed == "nn+q"
            assert keys() == ""
        assert termios.tcgetattr(keyboard.fileno()) == before  # the terminal is as it was
    os.close(master)


def test_where_there_is_no_terminal_no_key_is_pressed(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with terminal_keys() as keys:
            assert keys() == ""
