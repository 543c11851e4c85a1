"""Files of people whom we do not know, given to the commands as they are: what was not judged is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from detector.errors import GroundsweepError
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import SampleBlock
from firmware_host.cli.main import app

N, M, DT, STEP = 150, 200, 4e-11, 0.02


def run(code: int, *args: str | Path) -> str:
    done = CliRunner().invoke(app, list(map(str, args)), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == code, (done.output, done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        assert isinstance(done.exception, GroundsweepError)
        return str(done.exception)
    return done.output


def ascans(n: int = N, seed: int = 0) -> np.ndarray:
    """A surface echo and ground of noise: simulated."""
    t = (np.arange(M) - 40) / 8.0
    pulse = (1 - 2 * t**2) * np.exp(-(t**2))
    return (pulse + np.random.default_rng(seed).normal(scale=0.002, size=(n, M))).astype("f4")


def lane(path: Path, samples: np.ndarray, truth: Any = None, step: float = STEP, hz: float = 1.5e9) -> Path:
    with h5py.File(path, "w") as f:
        f["ascans"] = samples
        f["x_m"] = step * np.arange(len(samples))
        f.attrs.update({"dt_s": DT, "dx_m": step, "centre_frequency_hz": hz, "soil": "sand: dry"})
    if truth is not None:
        path.with_suffix(".json").write_text(json.dumps({"objects": truth}))
    return path


def test_a_replay_says_what_no_sensor_judged(tmp_path: Path) -> None:
    samples = ascans()
    samples[100:] = np.nan
    said = run(0, "replay", lane(tmp_path / "a.h5", samples))
    assert "50 of 150 records hold values that are not numbers" in said
    assert "radar: 100 records came, 0 missing" in said
    assert "No metal detector took part" in said
    assert "shipped" not in said


def test_a_radar_unlike_all_known_heads_is_told_and_the_profile_to_take(tmp_path: Path) -> None:
    file = lane(tmp_path / "a.h5", ascans(), [], step=0.08, hz=0.3e9)
    for said in (run(0, "replay", file), run(0, "score", file)):
        assert "made on 0.4 to 3 GHz" in said
        assert "a record every 8 cm" in said
        assert "--profile utility-gpr" in said
    assert "--profile utility-gpr" not in run(0, "replay", file, "--profile", "utility-gpr")


def rad(folder: Path, antenna: str, step_m: float, window_ns: float, name: str = "a") -> Path:
    """A MALA pair with the samples of :func:`ascans`."""
    data = np.round(20_000 * ascans()).astype("<i2")
    (folder / f"{name}.rd3").write_bytes(data.tobytes())
    (folder / f"{name}.rad").write_text(
        f"SAMPLES:{M}\r\nTIMEWINDOW:{window_ns}\r\nDISTANCE INTERVAL:{step_m}\r\nANTENNAS:{antenna}\r\n"
        f"LAST TRACE:{N}\r\n"
    )
    return folder / f"{name}.rd3"


def test_a_radar_that_is_rolled_over_slabs_is_told_the_profile_for_them(tmp_path: Path) -> None:
    slab, ground = rad(tmp_path, "1.6 GHz", 0.0085, 8.0), rad(tmp_path, "1.2 GHz", 0.02, 20.0, "b")
    for said in (run(0, "replay", slab), run(0, "score", slab)):
        assert "1.6 GHz, a record every 8.5 mm, 8 ns: over a slab of concrete?" in said
        assert "--profile concrete" in said
    assert "concrete" not in run(0, "replay", slab, "--profile", "concrete")
    assert "concrete" not in run(0, "replay", ground)
    # what a simulator drew is a mine lane, and a recording of ours is that of a mine detector
    assert "concrete" not in run(0, "replay", lane(tmp_path / "c.h5", ascans(), [], step=0.0085, hz=1.6e9))
    run(0, "import", slab, tmp_path / "ours.h5")
    assert "concrete" not in run(0, "replay", tmp_path / "ours.h5", "--profile", "handheld-dual")


def test_score_says_that_a_file_was_cut_off(tmp_path: Path) -> None:
    file = rad(tmp_path, "1.2 GHz", 0.02, 20.0)
    assert "not whole" not in run(0, "score", file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    said = run(0, "score", file)
    assert "It is not whole" in said
    assert "may have been cut off" in said
    file.write_bytes(whole[: 100 * 2 * M])
    assert f"a.rad says {N} traces, 100 are here" in run(0, "score", file)
    run(0, "import", file, tmp_path / "ours.h5")
    assert f"a.rad says {N} traces, 100 are here" in run(0, "score", tmp_path / "ours.h5")


def test_a_file_without_places_says_what_lengths_are_guessed_from(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ascans())
    (tmp_path / "a.json").write_text(json.dumps({"kind": "radar", "sampling_interval_s": DT, "rate_hz": 25.0}))
    assert "those of 0.5 m/s at 25 records/s, 2 cm a record" in run(0, "replay", tmp_path / "a.npy")


def test_a_file_without_truth_is_not_taken_for_empty_ground_in_silence(tmp_path: Path) -> None:
    told = "No truth is stated"
    bare, empty = lane(tmp_path / "bare.h5", ascans()), lane(tmp_path / "empty.h5", ascans(), [])
    said = run(0, "score", bare, empty)
    assert f"bare: {told}" in said
    run(0, "import", empty, tmp_path / "ours.h5")
    assert told not in run(0, "score", tmp_path / "ours.h5")
    truth = tmp_path / "truth.csv"
    truth.write_text("lane,label\nbare,empty\n")
    assert told not in run(0, "score", bare, "--truth", truth)


def test_ground_without_records_is_in_no_rate_and_its_mine_is_missed(tmp_path: Path) -> None:
    mine = {"class": "Mine", "kind": "PMN", "x_m": 2.0, "depth_m": 0.05, "width_m": 0.1}
    samples = ascans(300)
    with h5py.File(lane(tmp_path / "a.h5", samples, [mine]), "r+") as f:
        x = f["x_m"][:]
        keep = (x < 1.0) | (x > 3.0)
        del f["x_m"], f["ascans"]
        f["x_m"], f["ascans"] = x[keep], samples[keep]
    out = tmp_path / "a.json.json"
    said = run(0, "score", tmp_path / "a.h5", "--json", out)
    assert "POD 0/1" in said
    assert "not covered: no radar record in its halo" in said
    report = json.loads(out.read_text())
    assert report["lane_scores"][0]["free_m"] == pytest.approx(5.98 - 2.02, abs=0.03)
    assert report["lane_scores"][0]["soil"] == "sand"


def test_one_recording_is_scored_once_however_often_it_is_named(tmp_path: Path) -> None:
    file = lane(tmp_path / "a.h5", ascans(), [])
    said = run(0, "score", file, tmp_path / "." / "a.h5", lane(tmp_path / "b.h5", ascans(seed=1), []))
    assert "the same recording as" in said
    assert "2 lane(s)" in said


def test_copies_of_one_recording_are_not_taken_for_several_sweeps_in_silence(recordings: Path, tmp_path: Path) -> None:
    for name in ("A", "B"):
        (tmp_path / f"{name}.h5").write_bytes((recordings / "lane_dev04.h5").read_bytes())
    copies = [tmp_path / "A.h5", tmp_path / "B.h5"]
    assert "A, B are alike to the bit" in run(0, "score", *copies)
    assert "alike to the bit" not in run(0, "score", copies[0], recordings / "lane_dev01.h5")


def test_an_ascan_shorter_than_two_periods_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "0.8 periods" in run(1, "replay", lane(tmp_path / "a.h5", ascans(), hz=1e8))


def test_a_recording_with_values_that_are_not_numbers_is_shown_and_scored(recordings: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with open_recording(recordings / "lane_dev04.h5") as r:
        streams = tuple(
            type(s)(**{**{f: getattr(s, f) for f in s.__slots__}, "sample_type": "float32", "scale": 1.0})
            for s in r.device.streams
        )
        device = type(r.device)(r.device.model, r.device.serial, "", r.device.tick_hz, streams)
        with RecordingWriter(path, device, software="a test", created_utc_ns=r.created_utc_ns) as w:
            for b in r.blocks(4096):
                values = (b.raw * b.stream.scale).astype("f4")
                values[(b.seq > 40) & (b.seq < 60)] = np.nan
                w.write(SampleBlock(device.stream(b.stream.stream_id), b.seq, b.tick, b.utc_ns, b.odometer_um, values))
            w.truth(r.truth())
    assert "19 records hold values that are not numbers" in run(0, "show", path)
    said = run(0, "score", path)
    assert "POD 2/2" in said
    assert "seen by: metal+radar 1" in said  # the metal detector lives on behind them
    assert "metal: of 1785 records 0 were lost, 0 had too little ground round them, 19 cannot be trusted" in said


def test_names_in_brackets_are_names(tmp_path: Path) -> None:
    file = lane(tmp_path / "a[red]b.h5", ascans(), [{"class": "mine", "kind": "PMN [/]", "x_m": 1.0}])
    assert "a[red]b" in run(0, "show", file)
    assert "PMN [/]" in run(0, "show", "--no-picture", file)
    assert "to " + str(tmp_path / "c[red]d.h5") in run(0, "import", file, tmp_path / "c[red]d.h5").replace("\n", "")
    assert "PMN [/] in a[red]b at 1.00 m, depth not known" in run(0, "score", file)


def test_what_lies_deeper_than_the_profile_searches_is_said_not_to_be_searched() -> None:
    """The dune line is 48 ns deep, the bars 8 ns."""
    root = Path(__file__).parents[2] / "recordings"
    for command in ("replay", "score"):
        told = run(0, command, root / "dune_real.h5")
        assert "48 ns, searched to 25 ns" in told
        assert "What lies deeper" in told
        assert "searched to" not in run(0, command, root / "rebar_real.h5")
        assert "searched to" not in run(0, command, root / "dune_real.h5", "--profile", "utility-gpr")


@pytest.mark.parametrize("wide", [11, 110.0])
def test_a_size_in_another_unit_is_refused_and_finds_no_mine(tmp_path: Path, wide: float) -> None:
    # as metres its halo would cover the whole lane, and any alarm would find the mine
    mine = {"class": "mine", "x_m": 1.5, "width_m": wide}
    file = lane(tmp_path / "a.h5", ascans(), [mine])
    assert f"width_m is {wide}; it is a number of metres from 0 to 3" in run(1, "score", file)
    table = tmp_path / "t.csv"
    table.write_text(f"lane,label,x_m,diameter_m\na,mine,1.5,{wide}\n")
    (tmp_path / "bare").mkdir()
    bare = lane(tmp_path / "bare" / "a.h5", ascans())
    assert "a number of metres from 0 to 3" in run(1, "score", bare, "--truth", table)


def test_a_size_in_another_unit_that_a_recording_holds_since_before_finds_no_mine(tmp_path: Path) -> None:
    run(0, "import", lane(tmp_path / "a.h5", ascans(), [{"class": "mine", "x_m": 1.5}]), tmp_path / "ours.h5")
    bare = run(0, "score", tmp_path / "ours.h5")
    assert "POD 0/1" in bare
    with open_recording(tmp_path / "ours.h5") as r:
        device, blocks, (mine,) = r.device, list(r.blocks(4096)), r.truth()
    with RecordingWriter(tmp_path / "old.h5", device, software="a test", created_utc_ns=0) as writer:
        for block in blocks:
            writer.write(block)
        writer.truth([replace(mine, half_extent_m=5.5)])
    said = run(1, "score", tmp_path / "old.h5")
    assert "a mine at 1.5 m is 11 m wide; the most is 3 m. Perhaps it was in cm." in said
    assert "11 m wide" in run(1, "train", tmp_path / "old.h5", "--out", tmp_path / "m.json", "--scenes", "0")


def test_a_surface_that_comes_later_than_it_is_sought_is_explained(tmp_path: Path) -> None:
    late = np.roll(ascans(), 135, axis=1)  # at 7 ns of 8; at 1.5 GHz it is sought up to 4 ns
    late[:, :20] = late[:, 20:40]
    said = run(0, "replay", lane(tmp_path / "a.h5", late))
    assert "radar: 150 records came, 0 missing, 0 not tested, 150 not to be trusted" in said
    assert "150 of 150 A-scans have no steady surface" in said
    assert "It is sought up to 4 ns" in said
    assert "the strongest echo lies at 7 ns" in said
    wanted = re.search(r"search_periods = (\d+)", said)
    assert wanted
    profile = tmp_path / "late.toml"
    profile.write_text(f"[radar.time_zero]\nsearch_periods = {wanted[1]}\n")
    found = run(0, "replay", tmp_path / "a.h5", "--profile", profile)
    assert "radar: 150 records came, 0 missing, 0 not tested, 0 not to be trusted" in found
    assert "no steady surface" not in run(0, "replay", lane(tmp_path / "b.h5", ascans()))


def test_a_step_or_an_interval_in_another_unit_is_asked_about(tmp_path: Path) -> None:
    said = run(0, "replay", lane(tmp_path / "a.h5", ascans(), step=2.0))
    assert "a record every 2 m" in said
    assert "Is the step in another unit than the file says?" in said
    slow = lane(tmp_path / "b.h5", ascans(), hz=1.5e6)
    with h5py.File(slow, "a") as f:
        f.attrs["dt_s"] = 1000 * DT
    assert "is the interval between samples in another unit?" in run(0, "replay", slow)


def test_an_interval_in_nanoseconds_is_asked_about_and_no_frequency_is_advised_first(tmp_path: Path) -> None:
    file = lane(tmp_path / "ns.h5", ascans())
    with h5py.File(file, "r+") as f:
        f.attrs["dt_s"] = DT * 1e9
    for command in ("replay", "score"):
        said = run(1, command, file)
        assert "Is the interval between its samples (0.04 s) in another unit?" in said
