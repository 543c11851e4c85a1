"""A person at a terminal: Enter begins, numbers are typed, and a closed terminal does not wait for ever."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from detector.bench.steps import Planned
from detector.errors import BenchError
from firmware_host.bench.hand import TerminalHand


def hand(typed: str) -> tuple[TerminalHand, io.StringIO]:
    out = io.StringIO()
    return TerminalHand(Console(file=out, width=200), io.StringIO(typed)), out


def until(ask: Callable[[], Any]) -> Any:
    for _ in range(2000):
        if (got := ask()) is not None:
            return got
        time.sleep(0.005)
    raise AssertionError("nothing came")


def test_enter_begins_a_step_at_the_next_record() -> None:
    person, out = hand("\n")
    person.show(Planned("pass", "Pass the ball.", 3.0), 2, 56)
    assert until(lambda: person.ready(500)) == 501
    assert "Step 2 of 56 (3 s). Pass the ball." in out.getvalue()


def test_numbers_are_asked_for_until_all_are_numbers() -> None:
    person, out = hand("0,5\nfar\n-0.25\n")
    step = Planned("mark", "Mark it.", 0.0, ask=("mark_x_m", "mark_y_m"))
    person.show(step, 1, 1)
    assert until(lambda: person.answers(step)) == {"mark_x_m": 0.5, "mark_y_m": -0.25}
    assert "'far' is not a number" in out.getvalue()


def test_a_closed_terminal_ends_the_session() -> None:
    person, _ = hand("")
    person.show(Planned("pass", "Pass the ball.", 3.0), 1, 1)
    with pytest.raises(BenchError, match="input ended"):
        until(lambda: person.ready(5))
