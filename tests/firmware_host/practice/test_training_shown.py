"""Practice is shown and sounded all the time, and no ground ever counts in it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from rich.console import Console

from detector.ground_map import Ground
from detector.recording.schema import RecordingType
from detector.samples import DeviceDescription, SampleBlock
from firmware_host.console.access import Role
from firmware_host.console.desk import Desk
from firmware_host.console.keys import Keyboard
from firmware_host.console.plan import Plan
from firmware_host.console.server import ConsoleServer
from firmware_host.console.sound import TRAINING_HZ, mix_of
from firmware_host.console.terminal import TerminalView
from firmware_host.console.watch import Watch
from firmware_host.session import Order
from tests.firmware_host.console.test_sound import STATES, loudest_hz, sounded
from tests.firmware_host.console.test_sweeping import Walk

Head = tuple[DeviceDescription, list[SampleBlock]]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_whatever_else_sounds_the_training_note_does_too(state: object) -> None:
    trained = replace(state, training=True)  # type: ignore[type-var]
    assert mix_of(trained).training > 0  # type: ignore[arg-type]
    high = sounded(trained) - sounded(state)  # type: ignore[arg-type]
    assert abs(loudest_hz(high) - TRAINING_HZ) < 2.0
    assert np.abs(high).max() > 0.03
    silent = mix_of(state).training  # type: ignore[arg-type]
    assert silent == 0.0


def test_the_terminal_says_training_in_front_of_every_state(dual_head: Head) -> None:
    for training in (True, False):
        watch = Watch(dual_head[0], training=training)
        view = TerminalView(Console(file=io.StringIO()), dual_head[0], watch)
        assert (" TRAINING, NOT A SURVEY " in view._status_line().plain) is training


def test_swept_ground_never_counts_in_practice(dual_head: Head, tmp_path: Path) -> None:
    real = Walk(dual_head, tmp_path, Plan())
    practised = Walk(dual_head, tmp_path, Plan(), counts=RecordingType.TRAINING.counts_as_swept)
    for walk in (real, practised):
        walk.sweep()
    assert real.ground.counted_m2 > 0
    assert practised.ground.counted_m2 == 0.0
    assert practised.ground.shares()[Ground.INVALID] > 0.9


def test_keys_mark_in_practice_only() -> None:
    for training, orders in ((False, []), (True, [Order("practise", "A"), Order("mark", "A")])):
        desk = Desk()
        keys = Keyboard(desk, "A", training=training)
        assert ("a begins the lane" in keys.prompt) is training
        for key in "am":
            keys.press(key)
        assert desk.take() == orders
        keys.press("h")
        assert ("TRAINING" in keys.prompt) is training


@pytest.mark.parametrize("training", [True, False])
def test_a_viewer_may_mark_in_practice_only(training: bool) -> None:
    class Told:
        def __init__(self) -> None:
            self.training = training

        def known_detections(self) -> set[int]:
            return set()

    desk, ws = Desk(), object()
    server = ConsoleServer(cast("object", Told()), desk, "127.0.0.1", 0)  # type: ignore[arg-type]
    server._operator, server._operator_name = ws, "A"  # type: ignore[assignment]
    answer = server._obey(ws, Role.OPERATOR, '{"command": "mark"}')  # type: ignore[arg-type]
    server._pages._socket.close()
    assert (answer == "") is training
    assert desk.take() == ([Order("mark", "A")] if training else [])
