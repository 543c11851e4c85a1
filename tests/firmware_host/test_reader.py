"""The reader's queue is bounded, and what does not fit is counted to the byte."""

from __future__ import annotations

import threading
import time

import pytest

from firmware_host.errors import LinkError
from firmware_host.reader import Reader


class Feed:
    """A link that gives these chunks, then waits, or fails."""

    port = "feed"

    def __init__(self, chunks: list[bytes], fails: bool = False) -> None:
        self._chunks = list(chunks)
        self._fails = fails
        self.given = threading.Event()
        self.closed = False

    def read(self) -> bytes:
        if self._chunks:
            return self._chunks.pop(0)
        self.given.set()
        if self._fails:
            raise LinkError("the cable was pulled")
        time.sleep(0.005)
        return b""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        self.closed = True


def test_bytes_come_in_order_with_the_arrival_of_the_last() -> None:
    feed = Feed([b"ab", b"c", b"def"])
    times = iter(range(100, 200))
    wake = threading.Event()
    reader = Reader(feed, lambda: next(times), wake)
    assert feed.given.wait(5)
    got = reader.read()
    assert (got.data, got.arrival_ns, got.dropped) == (b"abcdef", 102, 0)
    assert wake.is_set()
    assert reader.read(0.0).data == b""
    reader.close()
    assert feed.closed


def test_what_does_not_fit_is_dropped_and_counted_once() -> None:
    feed = Feed([b"x" * 40] * 5)
    reader = Reader(feed, lambda: 1, limit_bytes=100)
    assert feed.given.wait(5)
    got = reader.read()
    assert (len(got.data), got.dropped) == (80, 120)
    assert reader.read(0.0).dropped == 0
    assert reader.most_waiting == 80
    reader.close()


def test_a_lost_link_is_told_after_what_had_come_before() -> None:
    feed = Feed([b"last words"], fails=True)
    reader = Reader(feed, lambda: 1)
    assert feed.given.wait(5)
    assert reader.read().data == b"last words"
    with pytest.raises(LinkError, match="pulled"):
        reader.read()
    with pytest.raises(LinkError, match="pulled"):
        reader.read()
    reader.close()
