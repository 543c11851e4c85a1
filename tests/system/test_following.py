"""A running recording is read by another process while it is written: everything, once, in order, as it was sent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

import detector.recording
from detector.errors import RecordingError
from detector.recording.integrity import verify
from detector.recording.reader import Recording, Span

sys.path.insert(0, str(Path(__file__).parent))
from crash_child import DEVICE, METAL, RADAR, records

STEPS = 150
"""Of 20 ms: 3000 metal records and 2400 A-scans in 3 s."""


@contextmanager
def recording_process(path: Path, steps: int = STEPS) -> Iterator[subprocess.Popen[str]]:
    """Another process that records; it has begun when this is entered."""
    command = [sys.executable, str(Path(__file__).with_name("recording_child.py")), str(path), str(steps)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
    finally:
        process.kill()
        process.wait()


def look_until(recording: Recording, records_wanted: int) -> None:
    until = time.monotonic() + 60
    while recording.n_records("metal") < records_wanted:
        assert time.monotonic() < until
        time.sleep(0.05)
        recording.refresh()


def test_a_follower_gets_every_record_once_and_ends_with_the_session(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    waited = 0

    def wait() -> bool:
        nonlocal waited
        waited += 1
        time.sleep(0.02)
        return process.poll() is None or waited < 10_000

    at = {"metal": 0, "radar": 0}
    with recording_process(path) as process, detector.recording.open(path) as r:
        assert r.device == DEVICE
        assert r.still_written
        assert not r.closed
        for block in r.follow(wait, max_records=100):
            start = at[block.stream.name]
            wanted = records(block.stream, start, start + len(block))
            for column in ("seq", "tick", "utc_ns", "odometer_um", "raw"):
                assert getattr(block, column).tobytes() == getattr(wanted, column).tobytes()
            assert len(block) <= 100
            at[block.stream.name] += len(block)
        assert waited > 3  # it did run beside the writer
        assert process.wait(60) == 0
    assert at == {"metal": 3000, "radar": 2400}


def test_a_follower_that_does_not_want_to_wait_any_more_stops(tmp_path: Path) -> None:
    with recording_process(tmp_path / "a.h5", 100_000), detector.recording.open(tmp_path / "a.h5") as r:
        look_until(r, 200)
        seen = sum(len(b) for b in r.follow(lambda: False) if b.stream == METAL)
        assert seen >= 200


def test_a_reader_sees_what_is_new_when_it_looks_again(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with recording_process(path) as process, detector.recording.open(path) as r:
        look_until(r, 100)
        before, events = r.n_records("metal"), len(r.events())
        span = r.span
        time.sleep(0.3)
        assert r.n_records("metal") == before  # nothing moves under the feet of who does not look again
        look_until(r, before + 500)
        assert len(r.events()) > events
        assert r.span.start == span.start == 0
        assert r.span.stop > span.stop
        part = list(r.blocks(64, r.span_of_time(0.1, 0.2)))
        ticks = np.concatenate([b.tick for b in part if b.stream == METAL])
        assert ticks.tolist() == list(range(100_000, 200_000, 1000))
        assert process.wait(60) == 0
        r.refresh()
        assert r.closed
        assert [e.text for e in r.events()] == [f"step {i}" for i in range(STEPS)]
    assert verify(path).sound


def test_plain_h5py_reads_it_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with recording_process(path), h5py.File(path, "r", swmr=True, libver="latest", locking=False) as f:
        raw = f["streams/radar/raw"]
        until = time.monotonic() + 60
        while len(raw) < 500 and time.monotonic() < until:
            time.sleep(0.05)
            raw.refresh()
        assert f["closed"][()] == 0
        np.testing.assert_array_equal(raw[:500], records(RADAR, 0, 500).raw)


@pytest.fixture
def there_and_back(tmp_path: Path) -> Path:
    """4 s at 1 m/s out to 2 m and back, the place not known for a tenth of a second."""
    from detector.recording.writer import RecordingWriter
    from detector.samples import NO_ODOMETER, SampleBlock

    path = tmp_path / "a.h5"
    n = np.arange(4000)
    x = np.where(n < 2000, n, 4000 - n) * 1000
    x[500:600] = NO_ODOMETER
    block = records(METAL, 0, 4000)
    with RecordingWriter(path, DEVICE, software="test", created_utc_ns=0) as w:
        w.write(SampleBlock(METAL, block.seq, block.tick, block.utc_ns, x, block.raw))
        w.write(records(RADAR, 0, 10))
    return path


def test_a_place_is_found_each_time_that_it_was_passed(there_and_back: Path) -> None:
    with detector.recording.open(there_and_back) as r:
        spans = r.spans_of_place(1.0, 1.25)
        assert spans == [Span(1_000_000, 1_250_001), Span(2_750_000, 3_000_001)]
        for span in spans:
            (seen,) = [b for b in r.blocks(1000, span) if b.stream == METAL]
            assert 1.0 <= seen.odometer_m.min() <= seen.odometer_m.max() <= 1.25
        # a stretch whose place is not known is in no place, and parts the one that it lies in
        assert r.spans_of_place(0.45, 0.65) == [
            Span(450_000, 499_001), Span(600_000, 650_001), Span(3_350_000, 3_550_001)
        ]  # fmt: skip
        assert r.spans_of_place(5.0, 6.0) == []


def test_spans_of_time_and_of_a_detection(recordings: Path, there_and_back: Path) -> None:
    with detector.recording.open(there_and_back) as r:
        assert r.span_of_time(1.0, 2.0) == Span(1_000_000, 2_000_000)
        assert r.span_of_time(3.9) == Span(3_900_000, 3_999_001)
        assert sum(len(b) for b in r.blocks(7, r.span_of_time(1.0, 2.0))) == 1000
        assert list(r.blocks(7, Span(5_000_000, 6_000_000))) == []
        with pytest.raises(RecordingError, match="no detection 3; it has none"):
            r.span_of_detection(3)
