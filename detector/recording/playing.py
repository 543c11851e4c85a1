"""A recording as its session gave it to the pipeline: blocks, and between them what changed how they were taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from detector.recording.reader import Recording
from detector.samples import SampleBlock, Silence, Soil

Played = SampleBlock | Silence | Soil


def played(recording: Recording, max_records: int = 256) -> Iterator[Played]:
    """Blocks in time order across the streams, of at most max_records, and between the same two records of a stream
    as in its session what gave the stream up or changed its balance.

    Only the order within a stream matters to the pipeline, so the detections are those of the session, to the bit.
    """
    between: dict[int, deque[tuple[int, Silence | Soil]]] = {s.stream_id: deque() for s in recording.device.streams}
    found: list[tuple[int, Silence | Soil]] = [(s.after_seq, s) for s in recording.silences()]
    found += [(g.from_seq - 1, g) for g in recording.soils()]
    for after, item in sorted(found, key=lambda f: f[0]):
        if item.stream_id in between:
            between[item.stream_id].append((after, item))
    for waiting in between.values():
        while waiting and waiting[0][0] < 0:
            yield waiting.popleft()[1]
    for block in recording.blocks(max_records):
        waiting = between[block.stream.stream_id]
        start = 0
        while waiting and waiting[0][0] < int(block.seq[-1]):
            after, item = waiting.popleft()
            stop = int(np.searchsorted(block.seq, after, side="right"))
            if stop > start:
                yield block[start:stop]
            start = max(start, stop)
            yield item
        yield block[start:]
    for waiting in between.values():
        yield from (item for _, item in waiting)
