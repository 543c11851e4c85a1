"""A live sweep's recording holds everything with its unit and meaning, for who has plain h5py and nothing of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from detector.samples import FixQuality
from firmware_host.virtual.gnss import Phase, VirtualGnss, Walk, told
from firmware_host.virtual.playback import play_recording

COMMAND = [sys.executable, "-m", "firmware_host.cli.main"]
FIXED = (Phase(100.0, FixQuality.RTK_FIXED, 0.014, station="0120", correction_age_s=1.0),)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> tuple[Path, dict[str, int]]:
    """A trial sweep with a satellite receiver, start-up checks not skipped; and rows seen while it still ran."""
    folder = tmp_path_factory.mktemp("live")
    path = folder / "a.h5"
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", "GROUNDSWEEP_DATA": str(folder / "data")}
    moments = told(Walk(), FIXED, rate_hz=5.0, start_utc_ns=time.time_ns())
    with VirtualGnss(moments) as receiver, play_recording(recordings / "lane_dev04.h5") as head:
        process = subprocess.Popen(
            [*COMMAND, "live", "--port", head.path, "--gnss", receiver.path, "--out", path, "--kind", "trial"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        )  # fmt: skip
        try:
            seen = look_while_it_runs(path, process)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert "This is a trial recording: no ground under it counts as swept." in out.replace("\n", " ")
    return path, seen


def look_while_it_runs(path: Path, process: subprocess.Popen[str]) -> dict[str, int]:
    until = time.monotonic() + 120
    while not path.with_name("a.h5.journal").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)
    with running(path, until) as f:
        wanted = ("streams/radar/raw", "positions", "checks", "clock", "parameters")
        while time.monotonic() < until:
            for name in wanted:
                f[name].refresh()
            rows = {name: len(f[name]) for name in wanted}
            if all(rows.values()) and "self-check" in names(f["checks"]):
                return rows
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
    raise AssertionError(rows)


def running(path: Path, until: float) -> h5py.File:
    """The file while it is written; the journal is there a moment before it can be read."""
    while True:
        try:
            return h5py.File(path, "r", swmr=True, libver="latest", locking=False)
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)


def names(table: h5py.Dataset) -> list[str]:
    return [row["name"].decode() for row in table[:]]


def test_a_running_sweep_already_shows_samples_places_checks_and_settings(swept: tuple[Path, dict[str, int]]) -> None:
    _, seen = swept
    assert min(seen.values()) > 0


def test_everything_is_in_a_finished_sweep(swept: tuple[Path, dict[str, int]]) -> None:
    with h5py.File(swept[0]) as f:
        assert f["closed"][()] == 1
        assert f.attrs["recording_type"] == b"trial"
        for name in ("software", "profile", "profile_hash", "model_hash"):
            assert len(f.attrs[name]) > 3, name
        assert {"model", "serial", "firmware", "tick_hz"} <= set(f["device"].attrs)
        for stream in f["streams"].values():
            s = stream.attrs
            raw = stream["raw"]
            assert raw.shape == (len(stream["seq"]), s["channels"], s["values"])
            physical = raw[:4] * s["scale"] + s["offset"]
            assert np.isfinite(physical).all()
            assert s["unit"]
            assert np.all(np.diff(stream["utc_ns"][:]) >= 0)
        fixes = f["positions"][:]
        assert np.isfinite(fixes["latitude_deg"]).any()
        assert fixes["quality"].max() == int(FixQuality.RTK_FIXED)
        checks = {row["name"].decode(): row for row in f["checks"][:]}
        assert {"self-check", "self-check: metal rate", "self-check: radar rate"} <= set(checks)
        rate = checks["self-check: metal rate"]
        assert rate["unit"] == b"1/s"
        assert rate["passed"] == (rate["low"] <= rate["value"] <= rate["high"] or np.isnan(rate["low"]))
        assert {row["stream"] for row in f["coverage"][:]} == {b"metal", b"radar"}
        assert all(row["received"] > 0 for row in f["coverage"][:])
        assert len(f["parameters"]) == len(set(names(f["parameters"]))) > 0
        assert f["clock"][0]["head"] == f["device"].attrs["serial"]
        assert len(f["digests"]) > 3


def test_every_dataset_has_a_meaning_a_unit_and_no_filter(swept: tuple[Path, dict[str, int]]) -> None:
    numbers_without_a_unit: list[str] = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        assert item.attrs["description"], name
        plist = item.id.get_create_plist()
        assert plist.get_nfilters() == 0, name
        assert not item.is_virtual
        assert item.external is None
        if item.dtype.names is None:
            if name != "closed":
                assert item.attrs["unit"], name
            return
        for column in item.dtype.names:
            text = item.attrs[f"column_{column}"].decode()
            assert len(text) > 3, f"{name}: {column}"
            # a column named for its unit says it
            for suffix, unit in (("_m", "m"), ("_deg", "deg"), ("_ns", "ns"), ("_ppm", "ppm"), ("_us", "us")):
                if column.endswith(suffix) and unit not in text.replace(";", " ").split():
                    numbers_without_a_unit.append(f"{name}: {column}: {text}")

    with h5py.File(swept[0]) as f:
        f.visititems(look)
    assert numbers_without_a_unit == []
