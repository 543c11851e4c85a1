"""Labels and start-up steps by key, as over SSH."""

from __future__ import annotations

import math

import pytest

from detector.detections import Label, LabelClass
from firmware_host.console.desk import Desk
from firmware_host.console.keys import LABEL_KEYS, Keyboard
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


def test_a_full_desk_is_said(desk: Desk) -> None:
    desk = Desk(limit=1)
    keys = Keyboard(desk, "A. Deminer")
    press(keys, "bb")
    assert "NOT kept" in keys.prompt
