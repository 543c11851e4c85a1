"""A bad cable: stands between a head's port and the host, and does to the bytes what cables do.

Everything is drawn from one seed, so a run of faults can be repeated as far as the machine's timing allows.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import tempfile
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np


@dataclass(frozen=True, slots=True)
class Harm:
    """How often what happens, in events per byte; 0 = never."""

    flip: float = 0.0
    """A bit changes."""
    drop: float = 0.0
    """1 to 64 bytes are lost."""
    insert: float = 0.0
    """1 to 64 bytes of noise appear."""
    duplicate: float = 0.0
    """1 to 512 bytes come twice."""
    stall: float = 0.0
    """Nothing comes for 50 ms, then all of it."""
    disconnect: float = 0.0
    """The port is gone for `away_s`, with what the head sends meanwhile."""
    away_s: float = 0.3


def _open(port: str) -> int:
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    return fd


class Interference:
    """A context manager; open `path` instead of the head's own port.

    Parameters
    ----------
    port : the head's port
    harm : what happens to bytes from the head; commands to it pass unharmed
    seed : of all randomness
    """

    def __init__(self, port: str, harm: Harm, seed: int = 0) -> None:
        self._harm = harm
        self._rng = np.random.default_rng(seed)
        self._head = _open(port)
        self._pull = 0.0
        self._next_port: str | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="cable-")
        self.path = str(Path(self._folder.name) / "ttyCABLE")
        """The same after every disconnection, as a udev name is."""
        self.disconnections = 0
        self._held = b""
        """Bytes put by: from the head, not yet written to the host."""
        self._stop = threading.Event()
        self._plug()
        self._thread = threading.Thread(target=self._pump, name="cable", daemon=True)

    def __enter__(self) -> Interference:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._unplug()
        os.close(self._head)
        self._folder.cleanup()

    def unplug_for(self, seconds: float, port: str | None = None) -> None:
        """Pull the cable now and plug it back later, into another head's port if one is given.

        Returns when it is back.
        """
        self._next_port = port
        self._pull = seconds
        while self._pull and not self._stop.is_set():
            time.sleep(0.01)

    def _plug(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        os.symlink(os.ttyname(self._slave), self.path)

    def _unplug(self) -> None:
        for fd in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(fd)
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def _pump(self) -> None:
        with contextlib.suppress(OSError):  # the head's port is gone: so is the cable's
            while not self._stop.is_set():
                if self._pull:
                    self._away(self._pull)
                    self._pull = 0.0
                out = [self._master] if self._held else []
                # the head waits while the host does not take what has come: a pty has no other way
                into = [self._master] if self._held else [self._master, self._head]
                readable, writable, _ = select.select(into, out, [], 0.02)
                if self._master in readable:
                    with contextlib.suppress(BlockingIOError):
                        os.write(self._head, os.read(self._master, 4096))
                if self._head in readable:
                    self._held = self._harmed(os.read(self._head, 4096))
                if self._master in writable:
                    with contextlib.suppress(BlockingIOError):
                        self._held = self._held[os.write(self._master, self._held) :]

    def _away(self, seconds: float) -> None:
        self._unplug()
        self._held = b""
        self.disconnections += 1
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop.is_set():
            ready, _, _ = select.select([self._head], [], [], 0.01)
            if ready:
                os.read(self._head, 4096)
        if self._next_port is not None:
            os.close(self._head)
            self._head = _open(self._next_port)
            self._next_port = None
        self._plug()

    def _harmed(self, data: bytes) -> bytes:
        h, rng = self._harm, self._rng
        out = bytearray(data)
        for _ in range(rng.poisson(h.flip * len(data))):
            out[rng.integers(len(out))] ^= 1 << int(rng.integers(8))
        for _ in range(rng.poisson(h.drop * len(data))):
            at = int(rng.integers(len(out) + 1))
            del out[at : at + int(rng.integers(1, 65))]
        for _ in range(rng.poisson(h.insert * len(data))):
            at = int(rng.integers(len(out) + 1))
            out[at:at] = rng.bytes(int(rng.integers(1, 65)))
        for _ in range(rng.poisson(h.duplicate * len(data))):
            at = int(rng.integers(len(out) + 1))
            out[at:at] = out[max(0, at - int(rng.integers(1, 513))) : at]
        if rng.random() < h.stall * len(data):
            time.sleep(0.05)
        if rng.random() < h.disconnect * len(data):
            self._pull = h.away_s
        return bytes(out)
