"""The recording: what goes in comes out, and what is damaged says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass, TrueObject, detection_table
from detector.errors import RecordingError
from detector.recording.amending import append_labels
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, Event, Gap, ParameterReading, SampleBlock, Severity

DualHead = tuple[DeviceDescription, list[SampleBlock]]


def make(path: Path, device: DeviceDescription, **more) -> RecordingWriter:
    return RecordingWriter(path, device, software="test", created_utc_ns=5, **more)


def a_detection(seed: int = 0) -> Detection:
    rng = np.random.default_rng(seed)
    row = np.zeros((), DETECTION_DTYPE)
    for name in DETECTION_DTYPE.names:
        if DETECTION_DTYPE[name].base.kind == "f":
            row[name] = rng.normal(size=row[name].shape)
    row["id"], row["decision"], row["level"], row["depth_m"] = seed + 1, b"unknown", 3, np.nan
    return Detection.from_row(row)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 500), min_size=1, max_size=6), most=st.integers(1, 300))
def test_records_come_back_to_the_bit_and_in_time_order(
    tmp_path_factory: pytest.TempPathFactory, dual_head: DualHead, sizes: list[int], most: int
) -> None:
    device, blocks = dual_head
    path = tmp_path_factory.mktemp("r") / "a.h5"
    with make(path, device) as w:
        for block in blocks:
            at = 0
            for i in range(10_000):
                if at >= len(block):
                    break
                w.write(block[at : at + sizes[i % len(sizes)]])
                at += sizes[i % len(sizes)]
    with open_recording(path) as r:
        assert r.closed
        assert r.device == device
        back = list(r.blocks(most))
    assert max(len(b) for b in back) <= most
    firsts = [int(b.tick[0]) for b in back]
    assert all(b >= a - 50_000 for a, b in pairwise(firsts))
    for block in blocks:
        mine = [b for b in back if b.stream == block.stream]
        for column in ("seq", "tick", "utc_ns", "odometer_um", "raw"):
            joined = np.concatenate([getattr(b, column) for b in mine])
            assert joined.tobytes() == getattr(block, column).tobytes()


def test_tables_come_back(tmp_path: Path, dual_head: DualHead) -> None:
    device, _ = dual_head
    path = tmp_path / "a.h5"
    gap = Gap(1, 5, 3, 100, 200, 7, "lost between head and host")
    event = Event(9, Severity.FAULT, "head", "battery low")
    truth = TrueObject(LabelClass.MINE, "PMN", "", 1.0, -1, -1, 0.05, 0.1, float("nan"), True, "simulated")
    detections = [a_detection(i) for i in range(3)]
    with make(path, device) as w:
        w.gap(gap)
        w.event(event)
        w.truth([truth])
        for d in detections:
            w.detection(d)
    with open_recording(path) as r:
        assert r.gaps() == [gap]
        assert r.events() == [event]
        assert repr(r.truth()) == repr([truth])
        assert r.detection_table().tobytes() == detection_table(detections).tobytes()
        assert detection_table(r.detections()).tobytes() == detection_table(detections).tobytes()


def test_labels_append_and_the_newest_counts(tmp_path: Path, dual_head: DualHead) -> None:
    path = tmp_path / "a.h5"
    with make(path, dual_head[0]) as w:
        w.detection(a_detection())
    first = Label(1, LabelClass.METAL_CLUTTER, "ana", 1, True, 0.05, "nail")
    second = Label(1, LabelClass.MINE, "ben", 2, True, 0.12)
    append_labels(path, [first])
    append_labels(path, [second])
    with open_recording(path) as r:
        assert [x.who for x in r.labels()] == ["ana", "ben"]
        assert r.detection_table()["id"].tolist() == [1]


def test_a_recording_is_never_overwritten(tmp_path: Path, dual_head: DualHead) -> None:
    path = tmp_path / "a.h5"
    make(path, dual_head[0]).close()
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="never overwritten"):
        make(path, dual_head[0])
    assert path.read_bytes() == before


def test_a_killed_session_leaves_what_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    code = f"""
import sys, time
import numpy as np
from pathlib import Path
from detector.recording.writer import RecordingWriter
from detector.samples import *
s = StreamDescription(0, "metal", StreamKind.METAL, 1, 4, "int32", 100.0)
w = RecordingWriter(Path({str(path)!r}), DeviceDescription("m", "s", "f", 1e6, (s,)), software="t", created_utc_ns=1)
i = np.arange(500, dtype=np.int64)
w.write(SampleBlock(s, i, i, i, i, np.arange(2000, dtype="<i4").reshape(500, 1, 4)))
w.flush()
w.write(SampleBlock(s, i + 500, i + 500, i, i, np.zeros((500, 1, 4), "<i4")))
print("ready", flush=True)
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with open_recording(path) as running:  # an external monitor may look while it is written
        assert running.n_records("metal") >= 500
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with open_recording(path) as r:
        assert not r.closed
        assert r.n_records("metal") >= 500
        assert r.block("metal", 0, 500).raw.ravel().tolist() == list(range(2000))
    with pytest.raises(RecordingError, match="cut off"):
        append_labels(path, [Label(1, LabelClass.MINE, "x", 1, True)])


def test_a_recording_ends_whole_before_the_disk_is_full(
    tmp_path: Path, dual_head: DualHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, (metal, _) = dual_head
    path = tmp_path / "a.h5"
    w = make(path, device)
    w.write(metal[:400])
    w.flush()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    w.write(metal[400:500])
    with pytest.raises(RecordingError, match=r"disk .* less than"):
        w.flush()
    w.write(metal[500:])
    with pytest.raises(RecordingError, match="nothing is recorded now"):
        w.flush()
    w.close()
    with open_recording(path) as r:
        assert r.closed
        assert r.n_records("metal") == 500


def write_truncated(path: Path, device: DeviceDescription) -> None:
    with make(path, device) as w:
        w.detection(a_detection())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def write_foreign(path: Path, device: DeviceDescription) -> None:
    with h5py.File(path, "w") as f:
        f["x"] = np.arange(5)


def write_later(path: Path, device: DeviceDescription) -> None:
    make(path, device).close()
    with h5py.File(path, "r+") as f:
        f.attrs["schema_version"] = "9.0"


def write_holed(path: Path, device: DeviceDescription) -> None:
    make(path, device).close()
    with h5py.File(path, "r+") as f:
        del f["labels"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p, d: None, "There is no file"),
        (lambda p, d: p.mkdir(), "is a folder"),
        (lambda p, d: p.write_text("hello"), "not an HDF5 file"),
        (lambda p, d: p.write_bytes(b""), "not an HDF5 file"),
        (lambda p, d: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 9), "damaged"),
        (write_truncated, "damaged"),
        # 'import' reads no other HDF5 either, so it is not what is advised
        (write_foreign, r"not a recording of ours .* save others as \.npz or"),
        (write_later, "format 9.0"),
        (write_holed, "no table 'labels'"),
    ],
)
def test_what_cannot_be_read_is_explained(tmp_path: Path, dual_head: DualHead, spoil, said: str) -> None:
    path = tmp_path / "a.h5"
    spoil(path, dual_head[0])
    with pytest.raises(RecordingError, match=said):
        open_recording(path)


def test_h5py_alone_can_read_it(recordings: Path) -> None:
    with h5py.File(recordings / "lane_dev01.h5", "r") as f:
        raw = f["streams/radar/raw"]
        assert raw.attrs["unit"] == "count"
        assert f["streams/radar"].attrs["unit"] == "V/m"
        assert raw.shape == (126, 1, 566)
        assert f["truth"]["kind"][2] == b"AP_VS50_like"


def test_writing_a_megabyte_does_not_wait_for_a_flush(tmp_path: Path, dual_head: DualHead) -> None:
    device, (metal, _) = dual_head
    w = make(tmp_path / "a.h5", device)
    for _ in range(60):
        w.write(metal)
    with open_recording(tmp_path / "a.h5") as r:
        assert r.n_records("metal") > 0
    w.close()


def test_parameters_over_time_come_back(tmp_path: Path, dual_head: DualHead) -> None:
    readings = [
        ParameterReading(5 + i, "tx_current", "A", 0.5 + i, 0.0, 9.0, 1.0, True, i % 2 == 0) for i in range(3)
    ]
    with make(tmp_path / "a.h5", dual_head[0]) as w:
        for reading in readings:
            w.parameter(reading)
    with open_recording(tmp_path / "a.h5") as r:
        assert r.parameters() == readings


def test_a_recording_of_schema_1_0_opens_and_has_no_parameters(recordings: Path) -> None:
    with h5py.File(recordings / "lane_dev01.h5", "r") as f:
        assert f.attrs["schema_version"] == "1.0"
        assert "parameters" not in f
    with open_recording(recordings / "lane_dev01.h5") as r:
        assert r.parameters() == []
        assert len(r.truth()) > 0


def test_a_recording_of_schema_1_1_without_its_parameters_is_damaged(tmp_path: Path, dual_head: DualHead) -> None:
    make(tmp_path / "a.h5", dual_head[0]).close()
    with h5py.File(tmp_path / "a.h5", "r+") as f:
        del f["parameters"]
    with pytest.raises(RecordingError, match="no table 'parameters'"):
        open_recording(tmp_path / "a.h5")


def test_a_type_that_this_software_does_not_know_is_read_and_counts_as_nothing(
    tmp_path: Path, dual_head: DualHead
) -> None:
    make(tmp_path / "a.h5", dual_head[0]).close()
    with h5py.File(tmp_path / "a.h5", "r+") as f:
        f.attrs["recording_type"] = "rehearsal"
    with open_recording(tmp_path / "a.h5") as r:
        assert r.recording_type == "rehearsal"
        assert not r.counts_as_swept
        with pytest.raises(RecordingError, match="type 'rehearsal', which this software does not know"):
            _ = r.kind
    with pytest.raises(RecordingError, match="'rehearsal' is not a type of recording"):
        make(tmp_path / "b.h5", dual_head[0], recording_type="rehearsal")
