"""Replay at a person's pace: any speed, paused, stepped, from one time to another, through the same session loop."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from detector.samples import DeviceDescription, SampleBlock
from firmware_host.session import Item, Source

SLICE_S = 0.05
"""Longest wait before a key is looked for, s."""

KEYS = "space: pause or go on, n: next step, + and -: faster and slower, q: stop"


@dataclass(slots=True)
class Pace:
    """How a replay goes at present; keys change it."""

    speed: float = 0.0
    """1 = as fast as it was recorded; 0 = as fast as the machine."""
    paused: bool = False
    steps: int = 0
    """Items that may pass though it is paused."""
    ended: bool = False

    def press(self, key: str) -> None:
        """What a key does; any other does nothing."""
        match key:
            case " ":
                self.paused = not self.paused
            case "n":
                self.paused, self.steps = True, self.steps + 1
            case "+":
                self.speed = 2 * self.speed
            case "-":
                self.speed = self.speed / 2 if self.speed else 1.0
            case "q":
                self.ended = True


class PacedSource:
    """Another source's items, each when it is due.

    What comes before `start_tick` passes at once: the filters need it to stand as they stood for the operator.

    Parameters
    ----------
    source : blocks in time order
    pace : changed by whoever listens to keys
    start_tick, stop_tick : part that is paced
    after_ticks : so much more passes at once, since what is at the end is decided by what follows; then nothing
    keys : keys pressed since it was asked last
    monotonic, sleep : s
    """

    def __init__(
        self,
        source: Source,
        pace: Pace,
        start_tick: int | None = None,
        stop_tick: int | None = None,
        after_ticks: int = 0,
        keys: Callable[[], str] = lambda: "",
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._pace = pace
        self._start, self._stop, self._after = start_tick, stop_tick, after_ticks
        self._keys = keys
        self._monotonic = monotonic
        self._sleep = sleep

    @property
    def device(self) -> DeviceDescription:
        return self._source.device

    def items(self) -> Generator[Sequence[Item]]:
        hz = self.device.tick_hz
        before: tuple[int, float] | None = None
        """Tick up to which all was given, and when that was due."""
        stream = self._source.items()
        for items in stream:
            for item in items:
                if not isinstance(item, SampleBlock):
                    yield [item]
                    continue
                block = item if self._stop is None else item[: int((item.tick < self._stop + self._after).sum())]
                if not len(block):
                    continue
                tick = int(block.tick[-1])
                if (self._start is None or tick >= self._start) and (self._stop is None or tick < self._stop):
                    if before is None:
                        before = (int(block.tick[0]), self._monotonic())
                    before = (max(tick, before[0]), self._wait((max(0, tick - before[0])) / hz, before[1]))
                    if self._pace.ended:
                        stream.close()
                        return
                yield [block]

    def _wait(self, seconds: float, since: float) -> float:
        """Until so much recorded time has passed; when that was."""
        pace = self._pace
        for key in self._keys():
            pace.press(key)
        while not pace.ended:
            now = self._monotonic()
            if pace.paused:
                if pace.steps:
                    pace.steps -= 1
                    return now
                since = now - (seconds / pace.speed if pace.speed else 0.0)  # a pause does not count
                self._sleep(SLICE_S)
            else:
                due = since + (seconds / pace.speed if pace.speed else 0.0)
                if now >= due:
                    return due if pace.speed else now
                self._sleep(min(SLICE_S, due - now))
            for key in self._keys():
                pace.press(key)
        return since


@contextlib.contextmanager
def terminal_keys() -> Iterator[Callable[[], str]]:
    """Gives what was typed since the last call, key by key; nothing where there is no terminal to type at."""
    try:
        import termios
        import tty

        stdin = sys.stdin.fileno()
        before = termios.tcgetattr(stdin)
    except (ImportError, OSError, ValueError, termios.error):
        yield lambda: ""
        return

    def pressed() -> str:
        # not through sys.stdin, which would take all that was typed and give one of it
        return os.read(stdin, 64).decode(errors="ignore") if select.select([stdin], [], [], 0)[0] else ""

    tty.setcbreak(stdin)
    try:
        yield pressed
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
