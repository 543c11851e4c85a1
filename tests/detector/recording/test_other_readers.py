"""Recordings in programs that are not ours: the HDF Group's own command-line tools, of an older library than h5py's."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from detector.detections import Label, LabelClass
from detector.recording import schema
from detector.recording.amending import append_labels
from detector.recording.reader import open_recording
from detector.recording.tables import TABLES
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, Event, SampleBlock, Severity

DualHead = tuple[DeviceDescription, list[SampleBlock]]

pytestmark = pytest.mark.needs_tools("h5dump", "h5ls")


def told(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower(), done.stderr
    return done.stdout


@pytest.fixture
def recorded(tmp_path: Path, dual_head: DualHead) -> RecordingWriter:
    """Not closed yet: two streams, three events."""
    device, blocks = dual_head
    w = RecordingWriter(tmp_path / "a.h5", device, software="test", created_utc_ns=5, recording_type="bench")
    for block in blocks:
        w.write(block)
    for i, text in enumerate(("begun", "battery low", "čšž")):
        w.event(Event(10 + i, Severity.WARNING, "head", text))
    w.flush()
    return w


def values(path: Path, dataset: str, dtype: str) -> np.ndarray:
    """A dataset as h5dump writes it to a raw file."""
    out = path.with_suffix(".bin")
    told("h5dump", "-d", dataset, "-b", "LE", "-o", out, path)
    return np.fromfile(out, dtype)


@pytest.mark.parametrize("state", ["closed", "labelled", "replayed to gzip"])
def test_another_library_reads_every_sample_and_time(
    recorded: RecordingWriter, dual_head: DualHead, tmp_path: Path, state: str
) -> None:
    path = recorded.path
    recorded.close()
    if state == "labelled":
        append_labels(path, [Label(1, LabelClass.MINE, "ana", 2, True)])
    elif state == "replayed to gzip":
        path = tmp_path / "b.h5"
        with (
            open_recording(recorded.path) as r,
            RecordingWriter(path, r.device, software="t", created_utc_ns=5, compress=True) as w,
        ):
            for b in r.blocks():
                w.write(b)
    for block in dual_head[1]:
        group = f"/streams/{block.stream.name}"
        assert values(path, f"{group}/raw", block.stream.sample_type).tobytes() == block.raw.tobytes()
        for column in schema.COLUMNS:
            assert values(path, f"{group}/{column}", "<i8").tobytes() == getattr(block, column).tobytes()


def test_another_library_reads_tables_with_their_units(recorded: RecordingWriter) -> None:
    recorded.close()
    listed = told("h5ls", "-r", recorded.path)
    assert "ERROR" not in listed
    for name in TABLES:
        assert re.search(rf"^/{name} +Dataset {{\d+/Inf}}", listed, re.M), name
    events = told("h5dump", "-d", "/events", recorded.path)
    assert events.count('"warning') == 3
    assert "battery low" in events
    assert "CSET H5T_CSET_UTF8" in events
    assert "CSET_ASCII" not in told("h5dump", "-H", recorded.path)
    assert 'ATTRIBUTE "column_utc_ns"' in events
    assert "ns since 1970-01-01 UTC" in events
    attributes = told("h5dump", "-A", "-g", "/streams/radar", recorded.path)
    for name in ("unit", "scale", "sampling_interval_s", "centre_frequency_hz"):
        assert f'ATTRIBUTE "{name}"' in attributes
    stored = told("h5dump", "-H", "-p", recorded.path)
    assert len(re.findall(r"FILTERS {\s+NONE", stored)) == stored.count("FILTERS {") > 10


def test_another_library_reads_what_is_shipped(recordings: Path) -> None:
    for path in sorted(recordings.glob("*.h5")):
        with open_recording(path) as r:
            for s in r.device.streams:
                n = r.n_records(s.name)
                listed = told("h5ls", f"{path}/streams/{s.name}/raw")
                assert f"{{{n}/Inf, {s.channels}, {s.values}}}" in listed, listed
