"""Whoever does what a step asks for: a person at a terminal, or a script that moves things before a virtual head."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Mapping
from typing import Protocol, TextIO

from rich.console import Console

from detector.bench.steps import Planned
from detector.errors import BenchError


class Hand(Protocol):
    """Asked again and again while samples come in: nothing here may wait."""

    def show(self, step: Planned, number: int, total: int) -> None:
        """A step is next."""

    def ready(self, tick: int) -> int | None:
        """From which tick on the step counts, once everything is in place; None as long as it is not.

        tick : of the newest record
        """

    def answers(self, step: Planned) -> Mapping[str, float] | None:
        """What was asked for, once all of it was said."""

    def progress(self, share: float) -> None:
        """How much of the step is taken, 0 to 1."""

    def told(self, text: str) -> None:
        """Something that the person must know."""


class TerminalHand:
    """A person at a terminal: Enter begins a step, numbers are typed. Lines are read in a thread of its own."""

    def __init__(self, console: Console, source: TextIO | None = None) -> None:
        self._console = console
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=64)
        self._source = source or sys.stdin
        self._shown = -1
        self._given: dict[str, float] = {}
        threading.Thread(target=self._read, name="terminal hand", daemon=True).start()

    def _read(self) -> None:
        for line in self._source:
            self._lines.put(line.strip())
        self._lines.put(None)

    def _line(self) -> str | None:
        try:
            line = self._lines.get_nowait()
        except queue.Empty:
            return None
        if line is None:
            raise BenchError("The input ended before the last step was begun. What was taken is in the recording.")
        return line

    def show(self, step: Planned, number: int, total: int) -> None:
        self._shown = -1
        self._given = {}
        length = f" ({step.seconds:g} s)" if step.seconds else ""
        self._console.print(f"\n[bold]Step {number} of {total}[/]{length}. {step.instruction}", soft_wrap=True)
        if step.ask:
            self._ask(step)
        elif step.seconds:
            self._console.print("Press Enter when it is so.")

    def _ask(self, step: Planned) -> None:
        self._console.print(f"{step.ask[len(self._given)]}: ", end="")

    def ready(self, tick: int) -> int | None:
        return tick + 1 if self._line() is not None else None

    def answers(self, step: Planned) -> Mapping[str, float] | None:
        while (line := self._line()) is not None:
            try:
                self._given[step.ask[len(self._given)]] = float(line.replace(",", "."))
            except ValueError:
                self._console.print(f"{line!r} is not a number. Type it again.", markup=False)
            if len(self._given) == len(step.ask):
                return self._given
            self._ask(step)
        return None

    def progress(self, share: float) -> None:
        tenth = int(10 * share)
        if tenth > self._shown:
            self._shown = tenth
            self._console.print("." if tenth < 10 else " taken.\n", end="")

    def told(self, text: str) -> None:
        self._console.print(f"\n[yellow]{text}[/]", soft_wrap=True)
