"""A session that records at full rate until something ends it. Run by test_crash.py in a process of its own.

Samples are a function of their record number, so that whoever reads the file knows what was sent. What was handed to
the recorder when, and what was forced to disk, is told on standard output.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

import detector.recording.writer as writing
from detector.errors import RecordingError
from detector.recording.journal import JournalWriter
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, Event, SampleBlock, Severity, StreamDescription, StreamKind
from firmware_host.recorder import Recorder

GATES_S = tuple(1e-5 * i for i in range(1, 9))
METAL = StreamDescription(0, "metal", StreamKind.METAL_PI, 3, 8, "int32", 1000.0, axis=GATES_S)
RADAR = StreamDescription(
    1, "radar", StreamKind.RADAR, 1, 512, "int16", 800.0, sampling_interval_s=1e-10, centre_frequency_hz=1e9
)  # fmt: skip
DEVICE = DeviceDescription("test head", "T-1", "0.1", 1e6, (METAL, RADAR))


def records(stream: StreamDescription, start: int, stop: int) -> SampleBlock:
    """Records of a stream, each a function of its number alone."""
    seq = np.arange(start, stop, dtype=np.int64)
    mixed = (seq[:, None] * 2654435761 + np.arange(stream.width) * 40503) >> 7
    raw = mixed.astype(stream.dtype).reshape(-1, stream.channels, stream.values)
    tick = seq * round(1e6 / stream.rate_hz)
    return SampleBlock(stream, seq, tick, tick * 1000, tick * 2, raw)


def tell(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def main(path: Path, file_limit: int, reserve: int) -> None:
    writing.RESERVE_BYTES = reserve
    if file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    sync = JournalWriter.sync

    def told_sync(self: JournalWriter) -> None:
        size = self.size
        sync(self)
        tell("synced", size)

    JournalWriter.sync = told_sync  # type: ignore[method-assign]
    try:
        with (
            RecordingWriter(path, DEVICE, software="crash test", created_utc_ns=0) as writer,
            Recorder(writer) as recorder,
        ):
            recorder.event(Event(1, Severity.INFO, "session", "begun"))
            tell("begun")
            sent = {0: 0, 1: 0}
            start = time.monotonic()
            while True:
                time.sleep(0.01)
                for stream in (METAL, RADAR):
                    due = int((time.monotonic() - start) * stream.rate_hz)
                    if due > sent[stream.stream_id]:
                        recorder.block(records(stream, sent[stream.stream_id], due))
                        sent[stream.stream_id] = due
                recorder.tick()
                tell("sent", time.monotonic(), sent[0], sent[1])
    except RecordingError as e:
        tell("error", time.monotonic(), str(e))
        sys.exit(2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
