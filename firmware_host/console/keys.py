"""Keys of a terminal without waiting for Enter, in a thread: works over SSH. Everything is put on the desk."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable
from typing import Any, Final

from detector.detections import Label, LabelClass
from firmware_host.console.desk import Desk
from firmware_host.session import Order

LABEL_KEYS: Final = {
    "1": LabelClass.MINE,
    "2": LabelClass.ERW,
    "3": LabelClass.METAL_CLUTTER,
    "4": LabelClass.NONMETAL_CLUTTER,
    "5": LabelClass.NOTHING,
    "6": LabelClass.NOT_INVESTIGATED,
}
"""The same keys as on the page."""

_ORDERS: Final = {
    "f": ("begin", "function test"), "g": ("begin", "ground balance"), "w": ("gaps", ""), "s": ("strip", ""),
    "p": ("hold", ""),
}  # fmt: skip
_TRAINING_ORDERS: Final = {"a": ("practise", ""), "m": ("mark", "")}
"""Key to an order's name and text."""

HELP: Final = (
    "b begin step  f function test  g learn ground  r store reference  w map and gaps  s next strip  "
    "p stand still or go on\n"
    " j k choose  1 mine 2 ERW 3 metal 4 other 5 nothing 6 not investigated"
)


class Keyboard:
    """What keys mean: pure, one character at a time. `prompt` is what the status line shows.

    Two touches label a place: a digit, and Enter. Between them may be typed a depth in cm and a note: '12 rusty can'.
    """

    def __init__(
        self, desk: Desk, who: str, clock: Callable[[], int] = time.time_ns, training: bool = False
    ) -> None:
        self._desk, self._who, self._clock = desk, who, clock
        self._orders = {**_ORDERS, **_TRAINING_ORDERS} if training else _ORDERS
        self._help = f"{HELP}\n TRAINING: a begin the lane  m mark a find here" if training else HELP
        self._idle = "a begins the lane, m marks a find  h help" if training else "h help"
        self._ids: list[int] = []
        self._labelled: set[int] = set()
        self.chosen: int | None = None
        self._choice: LabelClass | None = None
        self._typed = ""
        self._said = ""

    def found(self, detection_id: int) -> None:
        """There is a new place; it is chosen unless another is just being labelled."""
        self._ids.append(detection_id)
        if self._choice is None:
            self.chosen = detection_id

    @property
    def prompt(self) -> str:
        """What is being typed, or can be."""
        if self._choice is not None:
            hint = "why? " if self._choice is LabelClass.NOT_INVESTIGATED else "depth in cm and note, or only Enter: "
            return f"#{self.chosen} {self._choice}: {hint}{self._typed}_"
        if self._said:
            return self._said
        return f"#{self.chosen}? 1-6, Enter" if self.chosen is not None else self._idle

    def press(self, key: str) -> None:
        """One character."""
        self._said = ""
        if self._choice is not None:
            self._type(key)
        elif key in LABEL_KEYS and self.chosen is not None:
            self._choice, self._typed = LABEL_KEYS[key], ""
        elif key == "b":
            self._put(Order("begin", self._who))
        elif key == "r":
            self._put(Order("store", self._who))
        elif key in self._orders:
            name, text = self._orders[key]
            self._put(Order(name, self._who, text))
        elif key in "jk" and self.chosen is not None:
            at = self._ids.index(self.chosen) + (1 if key == "j" else -1)
            self.chosen = self._ids[min(max(at, 0), len(self._ids) - 1)]
        elif key in "h?":
            self._said = self._help

    def _type(self, key: str) -> None:
        if key == "\x1b":
            self._choice = None
        elif key in "\r\n":
            self._save()
        elif key in "\x7f\b":
            self._typed = self._typed[:-1]
        elif key.isprintable() and len(self._typed) < 400:
            self._typed += key

    def _save(self) -> None:
        assert self._choice is not None
        assert self.chosen is not None
        first, _, rest = self._typed.strip().partition(" ")
        depth_m, note = float("nan"), self._typed.strip()
        with contextlib.suppress(ValueError):
            depth_m, note = float(first.removesuffix("cm")) / 100.0, rest.removeprefix("cm").strip()
        if not (depth_m != depth_m or 0.0 <= depth_m <= 5.0):
            self._typed, self._said = "", "a depth is 0 to 500 cm"
            return
        dug = self._choice is not LabelClass.NOT_INVESTIGATED
        if not dug and not note:
            return  # the reason is asked for until it is given, or Esc
        self._put(Label(self.chosen, self._choice, self._who, self._clock(), dug, depth_m, note))
        self._choice = None
        self.chosen = self._ids[-1]

    def _put(self, item: Any) -> None:
        if not self._desk.put(item):
            self._said = "too much is waiting: this was NOT kept, try again"


class KeyReader:
    """Feeds a keyboard from this terminal; does nothing where input is no terminal. A context manager."""

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._before: list[Any] = []

    def __enter__(self) -> KeyReader:
        if sys.stdin.isatty():
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)  # Ctrl-C still interrupts
            self._thread = threading.Thread(target=self._read, name="keys", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
            with contextlib.suppress(termios.error):  # a terminal that has hung up has no modes any more
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        fd = sys.stdin.fileno()
        while not self._stop.is_set():
            ready, _, _ = select.select([fd], [], [], 0.1)
            if not ready:
                continue
            try:
                data = os.read(fd, 64)
            except OSError:
                return  # the terminal has hung up
            if not data:
                return
            text = data.decode(errors="ignore")
            if text.startswith("\x1b["):
                continue  # arrows and the like: not Esc
            for key in text:
                self._keyboard.press(key)
