"""The thread that empties a port: bytes are taken and stamped as they come, however busy the rest is.

A UART has no memory: what the host does not fetch within milliseconds is gone, and nobody knows. So one
thread does nothing but fetch. Its queue is bounded, and what does not fit is counted and told.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firmware_host.errors import LinkError
from firmware_host.link import Link

QUEUE_BYTES: Final = 8 << 20
"""Bytes that may wait to be decoded: over 2 s of a 12 Mbaud line, over 80 s of a 921600 baud one."""

GATHER_BYTES: Final = 64 << 10
GATHER_S: Final = 0.002
"""Once something came, wait this long for more, unless this much is there: a fast line comes in 4 kB pieces, and
decoding each by itself would cost more than all of them."""


@dataclass(frozen=True, slots=True)
class Received:
    data: bytes
    arrival_ns: int
    """Host time at which the last of these bytes were fetched; 0 without bytes."""
    dropped: int
    """Bytes thrown away since the last call, because the queue was full."""


class Reader:
    """Reads a link in a thread of its own from construction to `close`, which also closes the link.

    Parameters
    ----------
    link : open; nobody else may read it
    clock : host time, ns
    wake : set whenever something came or the link was lost, for one who waits for several readers
    limit_bytes : most that the queue holds
    """

    def __init__(
        self,
        link: Link,
        clock: Callable[[], int],
        wake: threading.Event | None = None,
        limit_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._link = link
        self._clock = clock
        self._wake = wake
        self._limit = limit_bytes
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._arrival_ns = 0
        self._dropped = 0
        self._lost: LinkError | None = None
        self._closed = False
        self._came = threading.Condition()
        self.most_waiting = 0
        """Greatest number of bytes that ever waited: how near the host came to losing some."""
        self._thread = threading.Thread(target=self._fetch, name=f"read {link.port}", daemon=True)
        self._thread.start()

    @property
    def port(self) -> str:
        return self._link.port

    def read(self, wait_s: float = 0.02) -> Received:
        """All that has come since the last call; waits up to `wait_s` for something.

        Raises
        ------
        LinkError
            when the link was lost, once everything that had come before was given out.
        """
        with self._came:
            if not self._chunks and self._lost is None and wait_s > 0:
                self._came.wait(wait_s)
                if self._chunks and self._waiting < GATHER_BYTES and self._lost is None:
                    self._came.wait(GATHER_S)
            if not self._chunks and self._lost is not None:
                raise self._lost
            out = Received(b"".join(self._chunks), self._arrival_ns, self._dropped)
            self._chunks.clear()
            self._waiting = self._dropped = 0
            return out

    def write(self, data: bytes) -> None:
        """All of data, from the caller's thread."""
        self._link.write(data)

    def close(self) -> None:
        self._closed = True
        self._link.close()
        self._thread.join(timeout=2.0)

    def _fetch(self) -> None:
        while not self._closed:
            try:
                data = self._link.read()
            except LinkError as e:
                with self._came:
                    self._lost = e
                    self._came.notify_all()
                break
            if not data:
                continue
            arrival = self._clock()
            with self._came:
                if self._waiting + len(data) > self._limit:
                    # the newest go: what waits is the ground that was swept first
                    self._dropped += len(data)
                else:
                    self._chunks.append(data)
                    self._waiting += len(data)
                    self._arrival_ns = arrival
                    self.most_waiting = max(self.most_waiting, self._waiting)
                # in between, whoever gathers is left asleep
                if len(self._chunks) <= 1 or self._waiting >= GATHER_BYTES:
                    self._came.notify_all()
            if self._wake is not None:
                self._wake.set()
        if self._wake is not None:
            self._wake.set()


class Direct:
    """A reader without a thread, for a link whose bytes wait until they are fetched, as those of a capture do."""

    most_waiting = 0

    def __init__(self, link: Link, clock: Callable[[], int]) -> None:
        self._link = link
        self._clock = clock
        self.port = link.port

    def read(self, wait_s: float = 0.0) -> Received:
        """One piece, whatever `wait_s`; with the time that the clock gives after it."""
        data = self._link.read()
        return Received(data, self._clock() if data else 0, 0)

    def write(self, data: bytes) -> None:
        self._link.write(data)

    def close(self) -> None:
        self._link.close()
