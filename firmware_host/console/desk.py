"""Where people's wishes wait until the session's own loop takes them: labels, orders, notes.

Keys and browsers live in other threads than the recording. What they want goes through one bounded queue and
comes out between two lists of the source, as an item like any other.
"""

from __future__ import annotations

import queue
from collections.abc import Generator
from typing import Final

from detector.samples import DeviceDescription
from firmware_host.session import Item, Source

WAITING: Final = 256
"""Most that may wait: far more than people touch between two turns of the loop."""


class Desk:
    """Takes items from any thread."""

    def __init__(self, limit: int = WAITING) -> None:
        self._waiting: queue.Queue[Item] = queue.Queue(limit)

    def put(self, item: Item) -> bool:
        """Leave an item; False if there is no room, and then it was not taken: tell the person."""
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            return False
        return True

    def take(self) -> list[Item]:
        """All that waits, in order."""
        out: list[Item] = []
        while len(out) < WAITING:
            try:
                out.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return out


class AttendedSource:
    """A source, with what people want in between."""

    def __init__(self, source: Source, desk: Desk) -> None:
        self._source = source
        self._desk = desk

    @property
    def device(self) -> DeviceDescription:
        return self._source.device

    def items(self) -> Generator[list[Item]]:
        stream = self._source.items()
        try:
            for got in stream:
                yield [*self._desk.take(), *got]
            yield self._desk.take()
        finally:
            stream.close()
