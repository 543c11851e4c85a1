"""Many questions, several processes: order, equality, and a process that dies."""

from __future__ import annotations

import math
import os

import pytest

from detector.cores import THREADS, cores
from firmware_host.cli.batch import in_order


def died(item: str) -> str:
    return f"died of {item[:6]}"


def test_answers_come_in_the_order_of_the_questions() -> None:
    items = [float(i) for i in range(40)]
    assert list(in_order(math.sqrt, items, 2, abs)) == list(in_order(math.sqrt, items, 1, abs)) == [
        math.sqrt(i) for i in items
    ]


def test_a_process_that_dies_costs_one_answer_and_no_other() -> None:
    kill = "__import__('os')._exit(3)"
    items = ["1 + 1", kill, "2 + 2", "3 + 3", kill, "4 + 4"]
    assert list(in_order(eval, items, 2, died)) == [2, "died of __impo", 4, 6, "died of __impo", 8]


def test_processes_share_the_cores_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(THREADS, raising=False)
    assert list(in_order(os.getenv, 2 * [THREADS], 2, died)) == 2 * [str(max(1, cores() // 2))]
    # in this very process nothing is set
    assert list(in_order(os.getenv, [THREADS], 1, died)) == [None]
    monkeypatch.setenv(THREADS, "3")
    assert list(in_order(os.getenv, 2 * [THREADS], 2, died)) == ["3", "3"]
