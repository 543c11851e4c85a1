"""The commands as a person runs them: what works, and what is said when it does not."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import h5py
import numpy as np
import pytest

from detector.recording.reader import open_recording
from detector.samples import FixQuality
from firmware_host.link import SerialLink
from firmware_host.virtual.gnss import Phase, VirtualGnss, Walk, told
from firmware_host.virtual.interference import Harm, Interference
from firmware_host.virtual.playback import play_recording

COMMAND = [sys.executable, "-m", "firmware_host.cli.main"]


def groundsweep(*args: str | Path, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    return subprocess.run(
        [*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=timeout, env=environment, check=False
    )


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """One paragraph on stderr, exit code 2, no traceback."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


def test_help_names_every_command() -> None:
    out = groundsweep("--help").stdout
    commands = ("demo", "live", "replay", "show", "label", "ports", "profiles", "virtual", "score", "import", "export",
                "plot", "gnss")  # fmt: skip
    for command in commands:
        assert command in out


def test_demo_detects_records_replays_and_says_identical() -> None:
    result = groundsweep("demo", "--speed", "0")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("identical to the bit") == 3
    assert "Both detection lists are identical in every recording." in result.stdout
    assert "Virtual head on /dev/pts/" in result.stdout


def test_a_live_run_is_recorded_shown_labelled_and_replayed(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep.h5"
    played = recordings / "lane_dev04.h5"
    with play_recording(played, speed=0) as head:
        result = groundsweep("live", "--port", head.path, "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "NOT READY" in result.stdout
    with open_recording(played) as a, open_recording(out) as b:
        assert b.closed
        assert b.device == a.device
        for s in a.device.streams:
            x, y = (r.block(s.name, 0, r.n_records(s.name)) for r in (a, b))
            for field in ("seq", "tick", "odometer_um", "raw"):
                np.testing.assert_array_equal(getattr(x, field), getattr(y, field))
        ids = [d.id for d in b.detections()]
    assert ids
    again = groundsweep("replay", out)
    assert again.returncode == 0
    assert "Identical to the bit" in again.stdout
    assert groundsweep("label", out, str(ids[0]), "mine", "--depth", "8", "--who", "A. Deminer").returncode == 0
    assert groundsweep("label", out, str(ids[0]), "metal-clutter", "--who", "B. Deminer").returncode == 0
    shown = groundsweep("show", out).stdout
    assert "B. Deminer" in shown
    assert "nan" not in shown
    assert "metal-clutter" in shown
    with open_recording(out) as r:
        assert [x.who for x in r.labels()] == ["A. Deminer", "B. Deminer"]  # labels append
    # with labels in it, it still replays to the same bits
    assert "Identical to the bit" in groundsweep("replay", out).stdout
    refused(groundsweep("live", "--port", "/dev/null", "--out", out), "exists already")


def test_a_lane_that_was_swept_is_shown_and_exported_with_its_gaps(recordings: Path, tmp_path: Path) -> None:
    sweep, table, drawn = (tmp_path / n for n in ("sweep.h5", "gaps.csv", "lane.geojson"))
    place = ("--lane-start", "45.8123456,15.9765432", "--lane-heading", "90")
    with play_recording(recordings / "lane_dev04.h5", speed=1.0) as head:
        live = groundsweep(
            "live", "--port", head.path, "--out", sweep, "--skip-checks", "a test of lanes", "--lane", "2.5x0.4", *place
        )
    assert "GAP 1:" in live.stdout
    assert "NOT READY" not in live.stdout  # skipped, which is said all the time
    shown = groundsweep("show", sweep, "--no-picture").stdout
    assert "2.50 by 0.40 m, at 45.8123456, 15.9765432" in shown
    assert shown.count(" GAP ") == live.stdout.count(" GAP ")
    assert groundsweep("export", sweep, table, "--what", "lane").returncode == 0
    assert len(table.read_text().splitlines()) == 1 + shown.count(" GAP ")
    assert groundsweep("export", sweep, drawn, "--what", "lane").returncode == 0
    whats = [f["properties"]["what"] for f in json.loads(drawn.read_text())["features"]]
    assert whats.count("gap") == shown.count(" GAP ")
    assert "covered" in whats


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--lane", "20"), "20x1.2"),
        (("--lane", "nowhere.geojson"), "cannot be read"),
        (("--lane-heading", "90"), "need a lane"),
        (("--lane", "20x1.2", "--lane-start", "45.8,15.9"), "Give both or none"),
        (("--kind", "training"), "groundsweep practice"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_a_port_is_opened(options: tuple[str, ...], word: str) -> None:
    refused(groundsweep("live", "--port", "/dev/ttyNOTHERE", *options), word)


def test_replay_into_a_new_recording_keeps_samples_and_truth(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.h5"
    result = groundsweep("replay", recordings / "rebar_real.h5", "-p", "concrete", "--out", out)
    assert result.returncode == 0, result.stderr
    with open_recording(recordings / "rebar_real.h5") as a, open_recording(out) as b:
        assert [t.x_m for t in b.truth()] == [t.x_m for t in a.truth()]
        assert b.n_records("radar") == a.n_records("radar")
        assert len(b.detections()) > 5


def test_score_prints_bounds_and_json(recordings: Path) -> None:
    files = sorted(recordings.glob("lane_*.h5"))
    text = groundsweep("score", *files).stdout
    assert "Clopper-Pearson" in text
    assert "/m" in text
    report = json.loads(groundsweep("score", "--json", "-", *files).stdout)
    assert report["lanes"] == 3
    low, high = report["pod_bounds"]
    assert 0.0 < low <= report["pod"] <= high <= 1.0


def test_profiles_are_listed_and_printed_as_toml() -> None:
    assert "handheld-dual" in groundsweep("profiles").stdout
    toml = groundsweep("profiles", "concrete").stdout
    assert "[radar" in toml
    assert "name = " in toml


def test_a_port_that_is_not_there() -> None:
    refused(groundsweep("live", "--port", "/dev/ttyNOWHERE"), "There is no port /dev/ttyNOWHERE", "groundsweep ports")


def test_a_busy_port() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    link = SerialLink(os.ttyname(slave))
    try:
        refused(groundsweep("live", "--port", os.ttyname(slave)), "busy", "Close that program")
    finally:
        link.close()
        os.close(master)
        os.close(slave)


def test_garbage_on_the_port_and_no_head(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    stop = threading.Event()
    os.set_blocking(master, False)

    def babble() -> None:
        rng = np.random.default_rng(1)
        while not stop.wait(0.01):
            try:
                os.write(master, rng.bytes(200))
            except BlockingIOError:
                continue

    thread = threading.Thread(target=babble)
    thread.start()
    try:
        out = tmp_path / "a.h5"
        refused(
            groundsweep("live", "--port", os.ttyname(slave), "--out", out), "damaged", "Is the baud rate right"
        )
        assert not out.exists()
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)


def test_unplugged_while_sweeping_keeps_what_was_recorded(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    head = play_recording(recordings / "lane_dev04.h5", speed=1.0)
    with head:
        process = subprocess.Popen(
            [*COMMAND, "live", "--port", head.path, "--out", str(out), "--give-up", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        wait_for_records(head, 60)
        head.unplug()
        stdout, stderr = process.communicate(timeout=60)
    refused(subprocess.CompletedProcess([], process.returncode, stdout, stderr), "stopped answering", "kept")
    with open_recording(out) as r:
        assert r.closed
        assert r.n_records("metal") > 100
        assert any("stopped answering" in e.text for e in r.events())
    assert "Identical to the bit" in groundsweep("replay", out).stdout


def test_a_pulled_cable_that_is_plugged_back_goes_on_with_a_place(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    sky = told(Walk(), (Phase(100.0, FixQuality.RTK_FIXED, 0.014),), rate_hz=5.0, start_utc_ns=time.time_ns())
    with (
        play_recording(recordings / "lane_dev04.h5", speed=0.5) as head,
        Interference(head.path, Harm()) as cable,
        VirtualGnss(sky) as satellites,
    ):
        process = subprocess.Popen(
            [*COMMAND, "live", "--port", cable.path, "--out", str(out), "--gnss", satellites.path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "160"},
        )  # fmt: skip
        wait_for_records(head, 60)
        cable.unplug_for(0.5)
        stdout, stderr = process.communicate(timeout=60)
    # a sweep with a fault in it is not a clean one
    assert process.returncode == 1, stdout + stderr
    assert "is back on" in stdout
    assert "LOST" in stdout
    with open_recording(recordings / "lane_dev04.h5") as sent, open_recording(out) as r:
        assert r.closed
        for s in sent.device.streams:
            gaps = [g for g in r.gaps() if g.stream_id == s.stream_id]
            assert r.n_records(s.name) + sum(g.n_records for g in gaps) == sent.n_records(s.name)
            assert len(gaps) == 1
            back = r.block(s.name, 0, 10**6)
            np.testing.assert_array_equal(back.raw, sent.block(s.name, 0, 10**6).raw[back.seq])
        assert len(r.positions()) > 10
        assert r.clock_fits()[-1].head == r.device.serial
    assert "Identical to the bit" in groundsweep("replay", out).stdout
    shown = groundsweep("show", "--no-picture", out).stdout
    assert "45.8" in shown


def wait_for_records(head, frames: int) -> None:
    deadline = time.monotonic() + 60
    while head._parameters["sample_frames_sent"].value < frames:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_while_sweeping_loses_at_most_two_seconds(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    with play_recording(recordings / "lane_dev04.h5", speed=1.0) as head:
        process = subprocess.Popen(
            [*COMMAND, "live", "--port", head.path, "--out", str(out)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for_records(head, 250)
        sent = head._parameters["sample_frames_sent"].value
        process.send_signal(signal.SIGKILL)
        process.wait()
    with open_recording(out) as r:
        assert not r.closed
        # 50 metal frames a second of 10 records, and 25 radar frames
        assert r.n_records("metal") > (sent / 75 - 2.0) * 500
        assert r.n_records("metal") > 0
    shown = groundsweep("show", out)
    assert shown.returncode == 0
    assert "not closed" in shown.stdout


def test_interrupted_by_the_operator_ends_cleanly(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    with play_recording(recordings / "lane_dev04.h5", speed=1.0) as head:
        process = subprocess.Popen(
            [*COMMAND, "live", "--port", head.path, "--out", str(out)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        wait_for_records(head, 60)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stdout + stderr
    assert "Recorded to" in stdout
    with open_recording(out) as r:
        assert r.closed
    assert "Identical to the bit" in groundsweep("replay", out).stdout


@pytest.mark.parametrize("command", ["show", "replay", "score"])
def test_a_truncated_recording(recordings: Path, tmp_path: Path, command: str) -> None:
    whole = (recordings / "lane_dev01.h5").read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole[: len(whole) // 2])
    refused(groundsweep(command, cut), "cut.h5")


def test_an_hdf5_file_of_somebody_else(tmp_path: Path) -> None:
    other = tmp_path / "weather.h5"
    with h5py.File(other, "w") as f:
        f["temperature"] = np.zeros(10)
    refused(groundsweep("show", other), "weather.h5", "not a recording of ours")
    refused(groundsweep("replay", other), "weather.h5")


def test_files_that_are_nothing(tmp_path: Path) -> None:
    text = tmp_path / "a.h5"
    text.write_text("hello")
    refused(groundsweep("show", text), "a.h5")
    refused(groundsweep("show", tmp_path / "none.h5"), "none.h5")
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"\xff\xd8\xff")
    refused(groundsweep("replay", picture), "a.jpg")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[radar_alarm]\nfalse_alarms_per_m = 99.0\n", ("false_alarms_per_m", "10", "99")),
        ("[radar_alarm]\nfalse_alarm_rate = 1.0\n", ("false_alarm_rate",)),
        ("[radar_alarm\n", ("line 1",)),
    ],
    ids=["out of range", "unknown key", "not TOML"],
)
def test_a_profile_that_cannot_be_used(recordings: Path, tmp_path: Path, toml: str, words: tuple[str, ...]) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(toml)
    refused(groundsweep("replay", recordings / "lane_dev01.h5", "-p", profile), "mine.toml", *words)


def test_a_profile_that_is_not_there_names_those_that_are(recordings: Path) -> None:
    refused(groundsweep("replay", recordings / "lane_dev01.h5", "-p", "beach"), "handheld-dual", "concrete")


def test_a_label_for_no_detection(recordings: Path) -> None:
    refused(groundsweep("label", recordings / "lane_dev01.h5", "9999", "mine"), "9999", "show")
