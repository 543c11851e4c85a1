"""A recording as its session gave it to the pipeline: blocks, and between them what changed how they were taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from detector.recording.reader import Recording
from detector.samples import SampleBlock, Silence

Played = SampleBlock | Silence


def played(recording: Recording, max_records: int = 256) -> Iterator[Played]:
    """Blocks in time order across the streams, of at most max_records; a silence right after the record before it.

    Only the order within a stream matters to the pipeline, so the detections are those of the session, to the bit.
    """
    silences: dict[int, deque[Silence]] = {s.stream_id: deque() for s in recording.device.streams}
    for s in recording.silences():
        if s.stream_id in silences:
            silences[s.stream_id].append(s)
    for waiting in silences.values():
        while waiting and waiting[0].after_seq < 0:
            yield waiting.popleft()
    for block in recording.blocks(max_records):
        waiting = silences[block.stream.stream_id]
        start = 0
        while waiting and waiting[0].after_seq <= int(block.seq[-1]):
            stop = int(np.searchsorted(block.seq, waiting[0].after_seq, side="right"))
            if stop > start:
                yield block[start:stop]
            start = max(start, stop)
            yield waiting.popleft()
        if start < len(block):
            yield block[start:]
