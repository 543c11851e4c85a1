"""What a hardware engineer does at the bench, as commands: ports, params, capture, decode."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.recording.reader import open_recording
from firmware_host.virtual.head import VirtualHead
from firmware_host.virtual.playback import play_recording

COMMAND = [sys.executable, "-m", "firmware_host.cli.main"]


def groundsweep(*args: str | Path, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    if cache:
        environment["XDG_CACHE_HOME"] = str(cache)
    return subprocess.run(
        [*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=120, env=environment, check=False
    )


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
    port, cache = ("--port", head.path), tmp_path / "cache"
    listed = groundsweep("params", "list", *port, cache=cache)
    assert "read from the head" in listed.stdout
    assert "* 0" in listed.stdout  # the playback speed is not its default
    assert "known from before" in groundsweep("params", "list", *port, cache=cache).stdout
    table = json.loads(groundsweep("params", "list", "--json", *port, cache=cache).stdout)
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
