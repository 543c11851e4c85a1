"""Many questions, several processes: order, equality, and a process that dies."""

from __future__ import annotations

import math

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
