"""A satellite receiver behind a real pseudo-terminal, from its sentences to the place of a detection."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.recording.reader import Recording, open_recording
from detector.samples import DeviceDescription, Event, FixQuality, Position, Severity
from firmware_host.cli.opening import new_writer
from firmware_host.console.terminal import TerminalView
from firmware_host.console.watch import Watch
from firmware_host.errors import LinkError
from firmware_host.gnss import GnssReceiver
from firmware_host.nmea import NmeaDecoder
from firmware_host.recorder import Recorder
from firmware_host.session import RecordingSource, run
from firmware_host.virtual.gnss import Phase, VirtualGnss, Walk, told

COMMAND = [sys.executable, "-m", "firmware_host.cli.main"]
ENVIRONMENT = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
FIXED = (Phase(100.0, FixQuality.RTK_FIXED, 0.014, station="0120", correction_age_s=1.0),)


def groundsweep(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False
    )


def gather(receiver: GnssReceiver, wanted: int, most_s: float = 30.0) -> list[Position | Event]:
    out: list[Position | Event] = []
    deadline = time.monotonic() + most_s
    for items in receiver.items():
        out += items
        if sum(isinstance(i, Position) for i in out) >= wanted or time.monotonic() > deadline:
            return out
    raise AssertionError


def test_every_position_that_is_sent_through_a_terminal_arrives() -> None:
    walk, start = Walk(), 1_795_000_000_000_000_000
    moments = islice(told(walk, rate_hz=5.0, start_utc_ns=start), 500)
    with VirtualGnss(moments, speed=0) as virtual, GnssReceiver.open(virtual.path) as receiver:
        got = gather(receiver, 400)
        counters = receiver.counters
    direct, decoder = [], NmeaDecoder()
    for _, data in islice(told(walk, rate_hz=5.0, start_utc_ns=start), 500):
        direct += decoder.feed(data, 0)
    found = [i for i in got if isinstance(i, Position)]
    # opening a port throws away what waits in it, so the first ones may be missing; none after them is
    assert len(found) >= 400
    assert counters.damaged <= 1
    times = [p.receiver_utc_ns for p in direct]
    began = times.index(found[0].receiver_utc_ns)

    def told_alike(positions: list[Position]) -> list[tuple[int, str, str, FixQuality]]:
        return [(p.receiver_utc_ns, repr(p.latitude_deg), repr(p.sigma_m), p.quality) for p in positions]

    assert told_alike(found) == told_alike(direct[began : began + len(found)])


def test_a_receiver_that_falls_silent_and_comes_back_says_both() -> None:
    moments = told(Walk(), FIXED, rate_hz=10.0, start_utc_ns=time.time_ns())
    with VirtualGnss(moments) as virtual, GnssReceiver.open(virtual.path) as receiver:
        receiver._silence_s = 1.0
        assert any(isinstance(i, Position) for i in gather(receiver, 3))
        virtual.mute(True)
        silent = [i for i in gather(receiver, 1000, most_s=3.0) if isinstance(i, Event)]
        virtual.mute(False)
        back = [i for i in gather(receiver, 3) if isinstance(i, Event)]
    assert [e.severity for e in silent] == [Severity.FAULT]
    assert "sends nothing" in silent[0].text
    assert "coming again" in back[0].text


def test_a_pulled_cable_is_a_link_error() -> None:
    moments = told(Walk(), FIXED, rate_hz=10.0, start_utc_ns=time.time_ns())
    with VirtualGnss(moments) as virtual, GnssReceiver.open(virtual.path) as receiver:
        gather(receiver, 2)
        virtual.unplug()
        with pytest.raises(LinkError):
            gather(receiver, 1000, most_s=5.0)


def test_the_commands_play_and_show_a_receiver() -> None:
    virtual = subprocess.Popen(
        [*COMMAND, "virtual-gnss", "--latitude", "-33.7", "--longitude", "-70.5", "--rate", "10"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        assert virtual.stdout is not None
        port = virtual.stdout.readline().strip()
        shown = groundsweep("gnss", "--port", port, "--duration", "8")
    finally:
        virtual.send_signal(signal.SIGTERM)
        virtual.wait(timeout=10)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert virtual.returncode == 0
    line = next(line for line in shown.stdout.splitlines() if " RTK f" in line and "correction" in line)
    for word in ("-33.69", "-70.4", "± 0.", " satellites, HDOP 0.", "correction 1.0 s old from 0120"):
        assert word in line
    assert "0 with a wrong checksum" in shown.stdout


def test_no_receiver_is_said_with_exit_code_1_and_no_port_with_2(tmp_path: Path) -> None:
    with VirtualGnss(iter(())) as virtual:
        mute = groundsweep("gnss", "--port", virtual.path, "--duration", "4")
    assert mute.returncode == 1
    assert "it sends nothing. Check its cable and power" in mute.stdout
    missing = groundsweep("gnss", "--port", tmp_path / "nothing")
    assert missing.returncode == 2
    assert "There is no port" in missing.stderr


class WithReceiver:
    """A recording, played with a satellite receiver beside it."""

    def __init__(self, recording: Recording, positions: list[Position]) -> None:
        self._source = RecordingSource(recording)
        self._positions = positions

    @property
    def device(self) -> DeviceDescription:
        return self._source.device

    def items(self) -> Generator[list[Any]]:
        waiting = iter(self._positions)
        following = next(waiting, None)
        for items in self._source.items():
            yield items
            beside: list[Position] = []
            while following is not None and following.utc_ns <= int(items[0].utc_ns[-1]):
                beside.append(following)
                following = next(waiting, None)
            yield beside


def test_a_session_records_positions_and_places_its_detections(recordings: Path, tmp_path: Path, model: Any) -> None:
    profile = load_profile()
    out = tmp_path / "sweep.h5"
    screen = Console(file=io.StringIO(), width=160)
    with open_recording(recordings / "lane_dev04.h5") as played:
        utc = played.column(played.device.streams[0].name, "utc_ns")
        speed = 0.5
        walk, decoder, positions = Walk(speed_m_per_s=speed, lane_m=1000.0), NmeaDecoder(), []
        for t, data in told(walk, FIXED, rate_hz=5.0, start_utc_ns=int(utc[0])):
            arrival = int(utc[0]) + round(t * 1e9)
            if arrival > int(utc[-1]):
                break
            positions += [i for i in decoder.feed(data, arrival) if isinstance(i, Position)]
        source = WithReceiver(played, positions)
        watch = Watch(source.device)
        view = TerminalView(screen, source.device, watch)
        with new_writer(out, source.device, profile, model) as writer, Recorder(writer) as recorder, view:
            summary = run(source, Pipeline(source.device, profile, model), [recorder, watch, view])
    with open_recording(out) as r:
        assert repr(r.positions()) == repr(positions)
    assert summary.detections
    live = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "± 0." in live
    placed = [d for d in summary.detections if int(utc[0]) + 1e9 < d.utc_ns < int(utc[-1]) - 1e9]
    assert placed

    shown = groundsweep("show", out, "--no-picture").stdout
    assert f"positions: {len(positions)}, RTK fixed 100 %" in shown
    assert "between latitude 45.81" in shown
    for d in placed:
        true = walk.place((d.utc_ns - int(utc[0])) / 1e9)
        row = next(line for line in shown.splitlines() if line.split()[:1] == [str(d.id)])
        latitude = float(row.split("45.")[1].split(",")[0]) / 1e7 + 45.0
        assert latitude == pytest.approx(true[0], abs=3e-6)
        assert "±" in row

    again = tmp_path / "again.h5"
    assert groundsweep("replay", out, "--out", again).returncode == 0
    with open_recording(again) as r:
        assert repr(r.positions()) == repr(positions)
