"""Labels and start-up steps by key, as over SSH."""

from __future__ import annotations

import contextlib
import io
import math
import os
import termios
import time
from collections.abc import Iterator

import pytest

from detector.detections import Label, LabelClass
from firmware_host.console.desk import Desk
from firmware_host.console.keys import LABEL_KEYS, Keyboard, KeyReader
from firmware_host.session import Order


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def keys(desk: Desk) -> Keyboard:
    keys = Keyboard(desk, "A. Deminer", clock=lambda: 7)
    keys.found(1)
    keys.found(2)
    return keys


def press(keys: Keyboard, text: str) -> None:
    for key in text:
        keys.press(key)


@pytest.mark.parametrize("key", [k for k, v in LABEL_KEYS.items() if v is not LabelClass.NOT_INVESTIGATED])
def test_two_touches_label_the_newest_place(keys: Keyboard, desk: Desk, key: str) -> None:
    press(keys, key + "\n")
    (label,) = desk.take()
    assert isinstance(label, Label)
    assert (label.detection_id, label.label, label.who, label.utc_ns) == (2, LABEL_KEYS[key], "A. Deminer", 7)
    assert label.ground_truth
    assert math.isnan(label.depth_m)


@pytest.mark.parametrize("typed", ["12 rusty can", "12cm rusty can", "12 cm rusty can"])
def test_depth_and_note_stand_between(keys: Keyboard, desk: Desk, typed: str) -> None:
    press(keys, f"3{typed}x\x7f\n")
    (label,) = desk.take()
    assert isinstance(label, Label)
    assert (label.depth_m, label.note) == (pytest.approx(0.12), "rusty can")


def test_not_investigated_needs_a_reason(keys: Keyboard, desk: Desk) -> None:
    press(keys, "6\n")
    assert desk.take() == []
    assert "why?" in keys.prompt
    press(keys, "under water\n")
    (label,) = desk.take()
    assert isinstance(label, Label)
    assert (label.label, label.note, label.ground_truth) == (LabelClass.NOT_INVESTIGATED, "under water", False)


def test_a_depth_that_cannot_be_is_refused(keys: Keyboard, desk: Desk) -> None:
    press(keys, "1900\n")
    assert desk.take() == []


def test_a_new_place_does_not_change_the_one_under_the_hand(keys: Keyboard, desk: Desk) -> None:
    press(keys, "k1")
    keys.found(3)
    press(keys, "\n")
    (label,) = desk.take()
    assert isinstance(label, Label)
    assert label.detection_id == 1
    assert keys.chosen == 3


def test_escape_takes_a_label_back(keys: Keyboard, desk: Desk) -> None:
    press(keys, "1\x1b\n")
    assert desk.take() == []


def test_steps_are_begun_and_stored_by_key(keys: Keyboard, desk: Desk) -> None:
    press(keys, "br")
    assert desk.take() == [Order("begin", "A. Deminer"), Order("store", "A. Deminer")]


def test_every_other_command_has_a_key(keys: Keyboard, desk: Desk) -> None:
    press(keys, "fgwsp")
    assert desk.take() == [
        Order("begin", "A. Deminer", "function test"),
        Order("begin", "A. Deminer", "ground balance"),
        *(Order(name, "A. Deminer") for name in ("gaps", "strip", "hold")),
    ]
    press(keys, "h")
    for key in "bfrgwspjk123456":
        assert f"{key} " in keys.prompt


def test_a_full_desk_is_said(desk: Desk) -> None:
    desk = Desk(limit=1)
    keys = Keyboard(desk, "A. Deminer")
    press(keys, "bb")
    assert "NOT kept" in keys.prompt


class Terminal:
    """A real pseudo-terminal as this process's input, and the far end of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.far, self._near = os.openpty()
        self._file = os.fdopen(self._near, "r", closefd=False)
        monkeypatch.setattr("sys.stdin", self._file)
        self.keyboard = Keyboard(Desk(), "A. Deminer", clock=lambda: 7)
        self.came: list[str] = []
        press = self.keyboard.press

        def note(key: str) -> None:
            self.came.append(key)
            press(key)

        self.keyboard.press = note  # type: ignore[method-assign]

    def type(self, data: bytes, until: str) -> str:
        """What has come of it once a key is there: the last one typed."""
        os.write(self.far, data)
        for _ in range(600):
            if until in self.came:
                break
            time.sleep(0.05)
        return "".join(self.came)

    @property
    def modes(self) -> list[object]:
        return termios.tcgetattr(self._near)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    terminal = Terminal(monkeypatch)
    yield terminal
    for fd in (terminal.far, terminal._near):
        with contextlib.suppress(OSError):
            os.close(fd)


def test_keys_of_a_real_terminal_come_without_enter_and_the_terminal_is_left_as_it_was(terminal: Terminal) -> None:
    before = terminal.modes
    with KeyReader(terminal.keyboard):
        assert terminal.modes != before  # no line buffer, no echo
        assert terminal.type(b"bf", until="f") == "bf"
        assert terminal.keyboard._desk.take() == [
            Order("begin", "A. Deminer"),
            Order("begin", "A. Deminer", "function test"),
        ]
    assert terminal.modes == before


def test_arrows_and_broken_letters_of_a_real_terminal_are_no_keys(terminal: Terminal) -> None:
    terminal.keyboard.found(1)
    with KeyReader(terminal.keyboard):
        terminal.type(b"3", until="3")
        os.write(terminal.far, b"\x1b[A")
        time.sleep(0.3)  # an arrow comes by itself, as from a hand
        assert terminal.type(b"\xff\xfe!", until="!") == "3!"
        terminal.type(b"\n", until="\n")
    (label,) = terminal.keyboard._desk.take()
    assert isinstance(label, Label)
    assert label.note == "!"


def test_a_terminal_that_hangs_up_ends_the_reader_and_nothing_else(terminal: Terminal) -> None:
    with KeyReader(terminal.keyboard) as reader:
        terminal.type(b"b", until="b")
        os.close(terminal.far)
        assert reader._thread is not None
        reader._thread.join(timeout=30.0)
        assert not reader._thread.is_alive()


def test_input_that_is_no_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch, keys: Keyboard) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("bbb"))
    with KeyReader(keys) as reader:
        assert reader._thread is None
