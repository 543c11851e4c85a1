"""The recorder: a slow disk never holds up the session, and a lost one is never silent."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import firmware_host.recorder as module
from detector.errors import RecordingError
from detector.recording.journal import JournalWriter
from detector.recording.reader import open_recording
from detector.recording.writer import RESERVE_BYTES, RecordingWriter
from detector.samples import DeviceDescription, Event, SampleBlock, Severity
from firmware_host.disk_room import Room, RoomWatch, shown
from firmware_host.recorder import Recorder

DualHead = tuple[DeviceDescription, list[SampleBlock]]


def writer_at(path: Path, head: DualHead) -> RecordingWriter:
    return RecordingWriter(path, head[0], software="test", created_utc_ns=5)


def test_a_disk_that_stalls_does_not_stop_the_session(
    tmp_path: Path, dual_head: DualHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (metal, _) = dual_head
    stalled, go_on = threading.Event(), threading.Event()

    def slow(_: JournalWriter) -> None:
        stalled.set()
        assert go_on.wait(60)

    with writer_at(tmp_path / "a.h5", dual_head) as w, Recorder(w) as recorder:
        monkeypatch.setattr(JournalWriter, "sync", slow)
        recorder.block(metal[:10])
        assert stalled.wait(60)
        for at in range(10, len(metal)):  # would never return if a call waited for the disk
            recorder.block(metal[at : at + 1])
            recorder.tick()
        go_on.set()
    with open_recording(tmp_path / "a.h5") as r:
        assert r.block("metal", 0, 1200).raw.tobytes() == metal.raw.tobytes()


def test_more_than_can_wait_ends_the_session_loudly(
    tmp_path: Path, dual_head: DualHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(module, "_QUEUE_BYTES", 1 << 18)
    with writer_at(tmp_path / "a.h5", dual_head) as w:
        monkeypatch.setattr(JournalWriter, "sync", lambda _: go_on.wait(60))

        def fill(recorder: Recorder) -> None:
            try:
                for _ in range(1000):
                    recorder.block(dual_head[1][0])
                    time.sleep(0.001)
            finally:
                go_on.set()

        with pytest.raises(RecordingError, match="has taken nothing"), Recorder(w) as recorder:
            fill(recorder)


def test_an_error_of_the_disk_reaches_the_session(
    tmp_path: Path, dual_head: DualHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: JournalWriter) -> None:
        raise OSError(5, "Input/output error")

    w = writer_at(tmp_path / "a.h5", dual_head)
    monkeypatch.setattr(JournalWriter, "sync", gone)
    recorder = Recorder(w)

    def wait_for_it() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            recorder.block(dual_head[1][0][:1])
            recorder.tick()
            time.sleep(0.01)

    with pytest.raises(RecordingError, match="nothing is recorded now"), recorder:
        wait_for_it()
    w.close()
    assert os.path.exists(tmp_path / "a.h5.journal")


def test_hours_left_follow_from_the_rate() -> None:
    assert Room(7_200_000_000, 1e6).hours_left == 2.0
    assert Room(7_200_000_000, 1e6).text == "disk lasts 2.0 h"
    assert Room(1_800_000_000, 1e6).text == "disk lasts 30 min"
    assert Room(7_200_000_000, 0.0).hours_left == float("inf")


def test_a_disk_that_runs_low_is_told_once_at_each_threshold() -> None:
    watch = RoomWatch()

    def look(hours: float) -> bool:
        return watch.look(Room(round(hours * 3.6e9), 1e6)) is not None

    assert [look(h) for h in (100, 4.1, 3.9, 4.1, 3.9, 1.1)] == [False, False, True, False, False, False]
    assert [look(h) for h in (0.9, 1.2, 0.9, 0.2, 0.2, 0.0)] == [True, False, False, True, False, False]
    assert [look(h) for h in (0.3, 0.2)] == [False, False]  # it wavers: nothing new
    assert [look(h) for h in (6.0, 3.9)] == [False, True]  # room was made, and is used up again
    # one that is nearly full from the start is told once, with what is left
    assert "disk lasts 6 min" in str(RoomWatch().look(Room(360_000_000, 1e6)))


def test_a_disk_that_takes_nothing_or_lasts_less_than_an_hour_is_shown_as_bad() -> None:
    assert shown(None, 0.0) == ("disk not measured yet", False)
    assert shown(Room(7_200_000_000, 1e6), 0.0) == ("disk lasts 2.0 h", False)
    assert shown(Room(1_800_000_000, 1e6), 0.0) == ("disk lasts 30 min", True)
    assert shown(Room(7_200_000_000, 1e6), 3.2) == ("DISK STALLED 3 s, NOTHING IS SAFE", True)


def test_no_rate_is_no_alarm() -> None:
    assert RoomWatch().look(Room(1000, 0.0)) is None


@pytest.mark.parametrize("taken", [True, False])
def test_a_disk_that_runs_low_is_an_event_of_the_session_and_in_the_record(
    tmp_path: Path, dual_head: DualHead, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """10 MB of room beyond the reserve, and 60 s of the recorder's clock pass between two flushes."""
    _, (metal, _) = dual_head
    free = RESERVE_BYTES + 10_000_000
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    now = [0.0]
    told: list[Event] = []

    def session(event: Event) -> bool:
        told.append(event)
        return taken

    with (
        writer_at(tmp_path / "a.h5", dual_head) as w,
        Recorder(w, lambda: now[0], publish=session, clock=lambda: 77) as recorder,
    ):
        until = time.monotonic() + 60
        for at in range(0, 1200, 10):
            recorder.block(metal[at : at + 10])
            now[0] += 1.0
            waited = recorder.room
            while recorder.room is waited and time.monotonic() < until:
                time.sleep(0.001)
            if told:
                break
    assert [(e.kind, e.severity, e.utc_ns) for e in told] == [("disk", Severity.WARNING, 77)]
    assert "The disk runs low: disk lasts" in told[0].text
    with open_recording(tmp_path / "a.h5") as r:
        assert ("disk" in [e.kind for e in r.events()]) is not taken  # where the session cannot take it, it is kept
