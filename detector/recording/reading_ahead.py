"""One stream of a recording on its way out of the file: what a reader in time order takes turns between."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from detector.samples import SampleBlock


class Blocks(Protocol):
    """Whence the records come."""

    def block(self, stream_name: str, start: int, stop: int) -> SampleBlock: ...


class Ahead:
    """One stream on its way out of a file, a chunk at a time."""

    def __init__(self, recording: Blocks, name: str, max_records: int, start: int, stop: int) -> None:
        self._recording = recording
        self._name = name
        self._max = max_records
        self._n = stop
        self._read = start
        self._block: SampleBlock | None = None
        self._at = 0
        self._fill()

    def _fill(self) -> None:
        self._block, self._at = None, 0
        if self._read < self._n:
            step = max(self._max, 256)
            self._block = self._recording.block(self._name, self._read, min(self._n, self._read + step))
            self._read += len(self._block)

    @property
    def next_tick(self) -> int | None:
        return None if self._block is None else int(self._block.tick[self._at])

    def take(self, until: int | None) -> SampleBlock:
        """The next records, at least one, up to the first after tick `until`."""
        assert self._block is not None
        block = self._block
        stop = min(len(block), self._at + self._max)
        if until is not None:
            stop = min(stop, max(self._at + 1, int(np.searchsorted(block.tick, until, side="right"))))
        out = block[self._at : stop]
        self._at = stop
        if stop == len(block):
            self._fill()
        return out
