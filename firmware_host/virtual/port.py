"""The port of a device that is not there: a pseudo-terminal, and a thread that speaks on it until it is unplugged."""

from __future__ import annotations

import contextlib
import os
import pty
import threading
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Self


class VirtualPort:
    """A context manager; `path` is the port to open. `serve` runs in a thread until `_stop` is set."""

    def __init__(self, serve: Callable[[], None], name: str) -> None:
        self._stop = threading.Event()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        """Open this with pyserial."""
        self._thread = threading.Thread(target=serve, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Pull the cable: the port vanishes for whoever has it open."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        for fd in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(fd)
