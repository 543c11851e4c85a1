"""What a hardware engineer does at the bench, as commands: ports, params, capture, decode."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.recording.reader import open_recording
from firmware_host.cli.main import run
from firmware_host.virtual.head import Faults, VirtualHead
from firmware_host.virtual.playback import play_recording

COMMAND = [sys.executable, "-m", "firmware_host.cli.main"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def groundsweep(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in this process: a new interpreter for each would take most of the time of these tests."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as m, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        m.setenv("COLUMNS", "160")
        m.setattr(sys, "argv", ["groundsweep", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            run()
    return subprocess.CompletedProcess([], int(end.value.code or 0), out.getvalue(), err.getvalue())


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


@pytest.fixture
def head(recordings: Path) -> Iterator[VirtualHead]:
    with play_recording(recordings / "lane_dev04.h5", speed=0) as virtual:
        yield virtual


def test_parameters_are_listed_set_saved_compared_and_loaded(head: VirtualHead, tmp_path: Path) -> None:
    port = ("--port", head.path)
    listed = groundsweep("params", "list", *port)
    assert "read from the head" in listed.stdout
    assert "* 0" in listed.stdout  # the playback speed is not its default
    assert all(f"\n{name} " in listed.stdout for name in ("playback_speed", "status_interval", "sample_frames_sent"))
    assert "known from before" in groundsweep("params", "list", *port).stdout
    table = json.loads(groundsweep("params", "list", "--json", *port).stdout)
    assert [p["name"] for p in table] == ["playback_speed", "status_interval", "sample_frames_sent"]

    before, after = tmp_path / "before.toml", tmp_path / "after.toml"
    assert groundsweep("params", "save", before, *port).returncode == 0
    done = groundsweep("params", "set", "status_interval=100", "playback_speed=2.5", *port)
    assert "status_interval = 100 ms (was 250)" in done.stdout
    assert groundsweep("params", "get", "status_interval", *port).stdout == "status_interval = 100 ms\n"
    refused(
        groundsweep("params", "set", "playback_speed=1", "status_interval=1", *port),
        "status_interval = 1 is not allowed: it must be from 20 to 5000 ms", "Nothing was set",
    )  # fmt: skip
    assert groundsweep("params", "save", after, *port).returncode == 0
    different = groundsweep("params", "diff", before, after)
    assert different.returncode == 1
    assert "status_interval" in different.stdout
    assert groundsweep("params", "diff", after, head.path).returncode == 0

    dry = groundsweep("params", "load", before, *port, "--dry-run")
    assert "2 of 2 parameters would change" in dry.stdout
    assert groundsweep("params", "diff", after, head.path).returncode == 0  # it did not
    assert "2 of 2 parameters changed" in groundsweep("params", "load", before, *port).stdout
    assert groundsweep("params", "diff", before, head.path).returncode == 0

    assert "status_interval" in groundsweep("params", "store", *port).stdout
    assert "All 2 writable parameters are at their defaults" in groundsweep("params", "defaults", *port).stdout
    refused(groundsweep("params", "save", before, *port), "exists already")


def test_a_preset_of_another_head_is_loaded_with_a_warning(head: VirtualHead, tmp_path: Path) -> None:
    preset = tmp_path / "a.toml"
    preset.write_text('[head]\nserial = "X-9"\n[parameters]\nstatus_interval = 200\n')
    result = groundsweep("params", "load", preset, "--port", head.path)
    assert "saved with serial number X-9" in result.stdout
    assert "1 of 1 parameters changed" in result.stdout
    preset.write_text("[parameters]\ngain = 2\nstatus_interval = 300\n")
    refused(groundsweep("params", "load", preset, "--port", head.path), "there is no parameter gain")
    assert groundsweep("params", "get", "status_interval", "--port", head.path).stdout.strip().endswith("200 ms")


def test_a_live_run_records_the_settings_of_its_head(head: VirtualHead, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    assert groundsweep("live", "--port", head.path, "--out", out).returncode == 0
    with open_recording(out) as r:
        readings = {p.name: p for p in r.parameters()}
    assert readings["status_interval"].value == 250.0
    assert readings["status_interval"].unit == "ms"
    assert readings["playback_speed"].value == 0.0
    assert "3 parameters of the head; at the end: playback_speed = 0" in groundsweep("show", out).stdout
    assert groundsweep("replay", out, "--out", tmp_path / "b.h5").returncode == 0
    with open_recording(tmp_path / "b.h5") as r:
        assert {p.name: p for p in r.parameters()} == readings


@contextlib.contextmanager
def silent_terminal() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


def test_only_the_port_that_was_named_is_probed(head: VirtualHead) -> None:
    with silent_terminal() as (named, path), silent_terminal() as (other, _):
        listed = groundsweep("ports")
        assert listed.returncode == 0
        result = groundsweep("ports", "--probe", head.path, "--probe", path)
        assert result.returncode == 1
        assert "metal-pi" in result.stdout
        assert "Nothing came at all" in result.stdout
        assert select.select([named], [], [], 0)[0]  # it was asked
        assert not select.select([other], [], [], 0)[0]


@pytest.fixture
def faulty_capture(recordings: Path, tmp_path: Path) -> Path:
    """A whole run of a head that damages every 40th sample frame and loses every 60th, captured by the command."""
    out = tmp_path / "run.gsraw"
    with play_recording(recordings / "lane_dev04.h5", 0, Faults(damage_every=40, drop_every=60)) as virtual:
        result = groundsweep("capture", "--port", virtual.path, "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "damaged" in result.stdout
    return out


def test_a_capture_is_decoded_line_by_line_and_summed_up(faulty_capture: Path) -> None:
    shown = groundsweep("decode", faulty_capture).stdout
    assert 'tx COMMAND   seq     0 len    12  request=1 opcode="DESCRIBE"' in shown
    assert "rx DEVICE" in shown
    assert "rx SAMPLES" in shown
    assert "DAMAGED (bad_crc)" in shown
    lines = [json.loads(line) for line in groundsweep("decode", faulty_capture, "--json").stdout.splitlines()]
    summary = lines.pop()["summary"]["rx"]
    assert sum(summary["types"].values()) == summary["frames"] == sum(
        "type" in x and x["direction"] == "rx" for x in lines
    )
    assert sum(x.get("lost", 0) for x in lines) == summary["lost"] > summary["bad_crc"] > 0
    errors = groundsweep("decode", faulty_capture, "--json", "--errors-only").stdout.splitlines()[:-1]
    assert errors
    assert all({"damage", "lost"} & json.loads(line).keys() for line in errors)


def test_a_capture_becomes_a_recording_with_the_same_gaps(faulty_capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.h5"
    result = groundsweep("decode", faulty_capture, "--to-recording", out)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = groundsweep("decode", faulty_capture, "--json").stdout.splitlines()
    streams = json.loads(lines[-1])["summary"]["rx"]["streams"]
    with open_recording(out) as r:
        assert r.closed
        for s in r.device.streams:
            assert r.n_records(s.name) == streams[str(s.stream_id)]["records"]
            missing = sum(g.n_records for g in r.gaps() if g.stream_id == s.stream_id)
            assert missing == streams[str(s.stream_id)]["missing"] > 0


def test_a_capture_is_replayed_into_the_detections_of_the_recording_made_of_it(
    faulty_capture: Path, tmp_path: Path
) -> None:
    groundsweep("decode", faulty_capture, "--to-recording", tmp_path / "a.h5")
    from_capture = groundsweep("replay", faulty_capture, "--out", tmp_path / "b.h5")
    assert from_capture.returncode == 0, from_capture.stdout + from_capture.stderr
    assert groundsweep("replay", tmp_path / "a.h5", "--out", tmp_path / "c.h5").returncode == 0
    with open_recording(tmp_path / "b.h5") as b, open_recording(tmp_path / "c.h5") as c:
        assert len(b.detections()) > 0
        assert b.n_records("radar") == c.n_records("radar")
        assert {d.radar_peak_seq for d in b.detections()} == {d.radar_peak_seq for d in c.detections()}


def test_hostile_captures_end_cleanly(faulty_capture: Path, tmp_path: Path) -> None:
    whole = faulty_capture.read_bytes()
    cut, flipped, other = tmp_path / "cut.gsraw", tmp_path / "flipped.gsraw", tmp_path / "other.gsraw"
    cut.write_bytes(whole[:-1000])
    flipped.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    other.write_bytes(b"not a capture")
    for file in (cut, flipped):
        result = groundsweep("decode", file)
        assert result.returncode == 0
        assert "did not end in order" in result.stdout
        assert "Traceback" not in result.stderr
    refused(groundsweep("decode", other), "not a capture of ours")
    refused(groundsweep("decode", tmp_path / "none.gsraw"), "none.gsraw")
    refused(groundsweep("replay", other), "not a capture of ours")
    refused(groundsweep("capture", "--port", "/dev/ttyNOWHERE", "--out", tmp_path / "x.gsraw"), "There is no port")
    assert not (tmp_path / "x.gsraw").exists()


def test_a_capture_that_is_stopped_by_ctrl_c_ends_in_order(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.gsraw"
    with play_recording(recordings / "lane_dev04.h5", speed=1.0) as virtual:
        process = subprocess.Popen([*COMMAND, "capture", "--port", virtual.path, "--out", str(out)])
        deadline = time.monotonic() + 60
        while not out.exists() or out.stat().st_size < 20_000:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    lines = [json.loads(x) for x in groundsweep("decode", "--json", out).stdout.splitlines()]
    assert lines[-1]["ending"] == ""
    assert [x["fields"]["opcode"] for x in lines[:-1] if x["direction"] == "tx"][-1] == "STOP"


def test_a_line_at_the_wrong_baud_rate_is_captured_and_suspected(tmp_path: Path) -> None:
    with silent_terminal() as (master, path):


        def answer_nonsense() -> None:
            select.select([master], [], [], 30)  # until it is asked
            os.write(master, bytes(range(1, 200)) + b"\0\x7f\0")

        thread = threading.Thread(target=answer_nonsense)
        thread.start()
        result = groundsweep("capture", "--port", path, "--out", tmp_path / "a.gsraw", "--duration", "0.5")
        thread.join()
    assert result.returncode == 1
    assert "202 bytes, 0 good frames, 2 damaged" in result.stdout
    assert "Is the baud rate right?" in result.stdout
    shown = groundsweep("decode", tmp_path / "a.gsraw", "--errors-only").stdout
    assert "DAMAGED (bad_cobs) 200 bytes:" in shown
    assert "    0010  11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20" in shown
