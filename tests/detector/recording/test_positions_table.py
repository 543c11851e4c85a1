"""Positions in a recording: kept whole, and older files open as before."""

from __future__ import annotations

import math
from pathlib import Path

import h5py

from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import NO_TIME, DeviceDescription, FixQuality, Position, SampleBlock

DualHead = tuple[DeviceDescription, list[SampleBlock]]

POSITIONS = [
    Position(
        5, 4, -33.7110300001, 151.2, 27.125, FixQuality.RTK_FIXED, 0.0141, "gst", 19, 0.6, 1.5, "RTX1"
    ),
    Position(
        9, NO_TIME, math.nan, math.nan, math.nan, FixQuality.NONE, math.nan, "", -1, math.nan, math.nan, ""
    ),
]  # fmt: skip


def record(path: Path, device: DeviceDescription) -> None:
    with RecordingWriter(path, device, software="test", created_utc_ns=5) as w:
        for p in POSITIONS:
            w.position(p)


def test_positions_come_back_to_the_bit(tmp_path: Path, dual_head: DualHead) -> None:
    path = tmp_path / "a.h5"
    record(path, dual_head[0])
    with open_recording(path) as r:
        # NaN is not equal to itself; its text is, and repr gives every bit of a float
        assert repr(r.positions()) == repr(POSITIONS)


def test_a_recording_of_format_1_0_opens_and_has_no_positions(tmp_path: Path, dual_head: DualHead) -> None:
    path = tmp_path / "a.h5"
    record(path, dual_head[0])
    with h5py.File(path, "r+") as f:
        del f["positions"]
        f.attrs["schema_version"] = "1.0"
    with open_recording(path) as r:
        assert r.positions() == []
        assert r.closed


def test_shipped_recordings_open_and_have_no_positions(recordings: Path) -> None:
    with open_recording(recordings / "lane_dev01.h5") as r:
        assert r.positions() == []


def test_a_column_is_read_whole(tmp_path: Path, dual_head: DualHead) -> None:
    device, blocks = dual_head
    path = tmp_path / "a.h5"
    with RecordingWriter(path, device, software="test", created_utc_ns=5) as w:
        for block in blocks:
            w.write(block)
    with open_recording(path) as r:
        assert r.column("metal", "odometer_um").tobytes() == blocks[0].odometer_um.tobytes()
