"""Replay, compare and correct as a person runs them: which detections come out again, which do not, and why."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

import firmware_host.cli.replay as command
from detector import __version__
from detector.detections import Label, LabelClass
from detector.errors import RecordingError
from detector.recording.amending import append_labels
from detector.recording.integrity import verify
from detector.recording.reader import open_recording
from detector.recording.stored_tables import Correction
from detector.recording.writer import RecordingWriter
from firmware_host.cli.main import app
from firmware_host.pacing import PacedSource

MODEL = Path(__file__).parents[2] / "detector" / "decide" / "models" / "dual-1.json"


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, args)), env={"COLUMNS": "200", "NO_COLOR": "1"})


def said(code: int, *args: str | Path) -> str:
    """What a command prints; it must end with that exit code."""
    result = run(*args)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def numbers(text: str) -> list[int]:
    """Of the detections in a table on a screen."""
    return [int(line.split()[0]) for line in text.splitlines() if re.match(r"\s*\d+\s+[·oOX] ", line)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    out = tmp_path_factory.mktemp("made") / "lane.h5"
    said(0, "replay", recordings / "lane_dev04.h5", "--out", out, "-p", "handheld-dual")
    return out


@pytest.fixture
def lane(made: Path, tmp_path: Path) -> Path:
    """A lane with its detections, a copy of its own for each test."""
    return Path(shutil.copy(made, tmp_path / "lane.h5"))


def detections(path: Path) -> int:
    with open_recording(path) as r:
        return len(r.detections())


def strict(folder: Path) -> Path:
    """A profile with other thresholds."""
    toml = said(0, "profiles", "handheld-dual")
    assert toml.count("\nfalse_alarms_per_m = 0.1") == 2
    path = folder / "strict.toml"
    path.write_text(toml.replace("\nfalse_alarms_per_m = 0.1", "\nfalse_alarms_per_m = 0.001"))
    return path


def other_model(folder: Path) -> Path:
    data = json.loads(MODEL.read_text())
    data["fusion"]["log_prior"][0] += 0.5
    path = folder / "other.json"
    path.write_text(json.dumps(data))
    return path


def test_verify_says_identical_where_nothing_has_changed(lane: Path) -> None:
    n = detections(lane)
    assert n > 2
    text = said(0, "replay", lane, "--verify")
    assert f"Identical to the bit: {n} recorded, {n} replayed" in text
    assert numbers(text) == list(range(1, n + 1))
    assert text.count("; asked of bare ground 0.1/m, which is ") == 2


def test_verify_names_the_profile_as_the_cause_and_what_changed_in_it(lane: Path, tmp_path: Path) -> None:
    text = said(1, "replay", lane, "--verify", "-p", strict(tmp_path))
    assert "Another profile: " in text
    assert "radar_alarm.false_alarms_per_m 0.1 -> 0.001" in text
    assert "Another model" not in text
    assert "Other software" not in text
    assert "differ" in text.splitlines()[-1].lower()


def test_verify_names_the_model_as_the_cause(lane: Path, tmp_path: Path) -> None:
    text = said(1, "replay", lane, "--verify", "--model", other_model(tmp_path))
    assert "Another model: " in text
    assert "Another profile" not in text
    assert "probability" in text  # which differ, and in what
    assert f"0 the same, {detections(lane)} differ" in text


def test_verify_names_the_software_as_the_cause(lane: Path) -> None:
    with h5py.File(lane, "r+") as f:
        del f["digests"]  # as in a file of before digests: this is not about evidence
        f.attrs["schema_version"] = "1.1"
        f.attrs["software"] = "groundsweep 0.0.1"
        table = f["detections"]
        row = table[1]
        row["score"] += 0.25
        table[1] = row
    text = said(1, "replay", lane, "--verify")
    assert f"Other software: groundsweep 0.0.1 recorded, groundsweep {__version__} now." in text
    assert "not as it was written" not in text
    assert "score" in text
    assert f"{detections(lane) - 1} the same, 1 differ" in text


def test_verify_says_what_an_older_recordings_profile_did_not_know(lane: Path) -> None:
    with h5py.File(lane, "r+") as f:
        del f["digests"]
        f.attrs["schema_version"] = "1.1"
        toml = f.attrs["profile"].decode()
        for key in ("bin_ns", "near_aperture_m"):
            toml, n = re.subn(rf"\n{key} = .*", "", toml, count=1)  # of the alarm stage, which stands first
            assert n == 1
        f.attrs["profile"] = np.bytes_(toml.encode())
        f.attrs["profile_hash"] = np.bytes_(64 * b"0")
        table = f["detections"]
        table["profile_hash"] = np.bytes_(64 * b"0")
    text = said(1, "replay", lane, "--verify")
    assert "Another profile: radar.prescreener.bin_ns, radar.prescreener.near_aperture_m not in the recorded" in text
    assert "this version's own stand for them" in text


def test_verify_names_an_edited_record_as_the_cause(lane: Path) -> None:
    with h5py.File(lane, "r+") as f:
        row = f["detections"][0]
        row["depth_m"] += 0.1
        f["detections"][0] = row
    text = said(1, "replay", lane, "--verify")
    assert "The recording itself is not as it was written (table 'detections'" in text
    assert "depth_m" in text


def test_verify_says_where_nothing_that_is_known_has_changed(lane: Path) -> None:
    with h5py.File(lane, "r+") as f:
        del f["digests"]
        f.attrs["schema_version"] = "1.1"
        row = f["detections"][0]
        row["novelty"] += 0.5
        f["detections"][0] = row
    assert "the machine or its libraries differ" in said(1, "replay", lane, "--verify")


def test_a_detection_that_only_one_list_has_stands_alone(lane: Path, tmp_path: Path) -> None:
    n = detections(lane)
    with h5py.File(lane, "r+") as f:
        f["detections"].resize(n - 1, axis=0)
    text = said(1, "replay", lane, "--compare")
    assert "only one has it" in text
    assert "0 only in recorded, 1 only in replayed" in text


def test_compare_puts_two_recordings_side_by_side(lane: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again.h5", tmp_path / "other.h5"
    said(0, "replay", lane, "--out", again)
    said(1, "replay", lane, "--out", other, "--model", other_model(tmp_path))
    n = detections(lane)
    assert f"{n} the same, 0 differ, 0 only in lane.h5, 0 only in again.h5" in said(0, "compare", lane, again)
    text = said(1, "compare", lane, other)
    assert "Another model" in text
    assert f"0 the same, {n} differ" in text


def test_compare_needs_no_detections_at_all(recordings: Path) -> None:
    lane = recordings / "lane_dev04.h5"
    assert "0 the same, 0 differ" in said(0, "compare", lane, lane)


class Clock:
    """Time that passes only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which a replay is paced."""
    clock = Clock()
    paced = functools.partial(PacedSource, monotonic=clock, sleep=clock.sleep)
    monkeypatch.setattr(command, "PacedSource", paced)
    return clock


def typed(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    """Keys, one each time that the replay looks for one."""
    left = iter(keys)

    @contextlib.contextmanager
    def terminal() -> Iterator[object]:
        yield lambda: next(left, "")

    monkeypatch.setattr(command, "terminal_keys", terminal)


@pytest.mark.parametrize("speed", [1, 4])
def test_speed_paces_a_replay_and_changes_nothing_else(lane: Path, clock: Clock, speed: int) -> None:
    with open_recording(lane) as r:
        seconds = (r.span.stop - r.span.start) / r.device.tick_hz
    text = said(0, "replay", lane, "--speed", str(speed))
    assert clock.now == pytest.approx(seconds / speed, rel=0.02, abs=0.1)
    assert "Identical to the bit" in text


def test_a_part_in_time_shows_the_detections_that_lie_in_it(lane: Path, clock: Clock) -> None:
    with open_recording(lane) as r:
        begins = r.span.start / r.device.tick_hz
        found = r.detections()
        ends = (r.span.stop / r.device.tick_hz) - begins
    low, high = 0.3 * ends, 0.7 * ends
    text = said(0, "replay", lane, "--from", f"{low:.3f}s", "--to", f"{high / 60:.6f}m", "--speed", "1")
    wanted = [d.id for d in found if d.t_end_s - begins >= low - 1e-3 and d.t_start_s - begins <= high + 1e-3]
    assert 0 < len(wanted) < len(found)
    assert set(numbers(text)) == set(wanted)
    assert clock.now == pytest.approx(high - low, rel=0.05, abs=0.2)  # what is before passes at once


def test_around_a_detection_shows_it(lane: Path, clock: Clock) -> None:
    with open_recording(lane) as r:
        d = r.detections()[1]
    text = said(0, "replay", lane, "--around", "2", "--speed", "1")
    assert 2 in numbers(text)
    assert clock.now == pytest.approx(d.t_end_s - d.t_start_s + 2.0, abs=0.6)
    assert "has no detection 99" in str(run("replay", lane, "--around", "99").exception)


def test_paused_it_steps_by_key_and_stops(
    lane: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []
    block = command.Watch.block
    monkeypatch.setattr(command.Watch, "block", lambda self, b: (handed.append(len(b)), block(self, b))[1])
    typed(monkeypatch, "...n..n...nq")
    text = said(1, "replay", lane, "--paused")
    assert len(handed) == 3
    assert max(handed) <= 8
    assert "space: pause or go on, n: next step" in text


def test_paused_it_goes_on_by_key_to_its_end(lane: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, ".. ")
    assert "Identical to the bit" in said(0, "replay", lane, "--paused")


@pytest.mark.parametrize("option", [("--verify",), ("--compare",), ("--out", "x.h5")])
def test_a_part_is_neither_verified_compared_nor_written(lane: Path, option: tuple[str, ...]) -> None:
    result = run("replay", lane, "--from", "1s", *option)
    assert isinstance(result.exception, RecordingError)
    assert "A part of a recording" in str(result.exception)


@pytest.mark.parametrize("time", ["soon", "-1s", "1d", "nan", ""])
def test_a_time_that_is_none_is_explained(lane: Path, time: str) -> None:
    assert "Write it as 10s, 2m or 1h" in str(run("replay", lane, f"--from={time}").exception)


def test_what_was_said_goes_along_into_a_replay(lane: Path, tmp_path: Path) -> None:
    n = detections(lane)
    said(0, "label", lane, "2", "mine", "--who", "A. Deminer", "--depth", "8", "--note", "PMN")
    said(0, "correct", lane, "note", "lane 4, not 5", "--why", "the marker", "--who", "B. Deminer")
    text = said(0, "replay", lane, "--out", tmp_path / "again.h5")
    assert "MISS" not in text
    with open_recording(lane) as a, open_recording(tmp_path / "again.h5") as b:
        assert b.labels() == a.labels()
        assert b.corrections() == a.corrections()
        assert [c.who for c in b.corrections()] == ["B. Deminer"]
        assert len(b.detections()) == n
    assert verify(tmp_path / "again.h5").sound


def test_a_label_follows_the_place_and_not_the_number(lane: Path, tmp_path: Path) -> None:
    with h5py.File(lane, "r+") as f:
        del f["digests"]
        f.attrs["schema_version"] = "1.1"
        table = f["detections"][:]
        table["id"] += 40
        f["detections"][:] = table
    append_labels(lane, [Label(42, LabelClass.METAL_CLUTTER, "ana", 1, True)])
    said(1, "replay", lane, "--out", tmp_path / "again.h5")
    with open_recording(tmp_path / "again.h5") as r:
        assert [label.detection_id for label in r.labels()] == [2]


def test_a_labelled_mine_that_is_not_detected_again_is_called_a_miss(lane: Path, tmp_path: Path) -> None:
    with h5py.File(lane, "r+") as f:
        del f["digests"]
        f.attrs["schema_version"] = "1.1"
        row = f["detections"][0]
        for name in ("t_start_s", "t_peak_s", "t_end_s"):
            row[name] -= 1000.0  # where this lane has nothing
        f["detections"][0] = row
    append_labels(lane, [Label(1, LabelClass.MINE, "ana", 1, True, note="PMN-2")])
    text = said(1, "replay", lane, "--out", tmp_path / "again.h5")
    assert "Detection 1 of lane.h5, labelled mine by ana, is not detected here: A MISS. PMN-2" in text
    with open_recording(tmp_path / "again.h5") as r:
        assert r.labels() == []
        (event,) = [e for e in r.events() if e.kind == "label"]
        assert event.severity == "fault"
        assert "A MISS" in event.text


def test_a_correction_is_shown_beside_what_was_written(lane: Path) -> None:
    with open_recording(lane) as r:
        note = r.note
    said(0, "correct", lane, "note", "north lane", "--why", "marker [N3]", "--who", "A. Deminer")
    said(0, "correct", lane, "detection 2 depth_m", "0.11", "--why", "dug", "--who", "B. Deminer")
    text = said(0, "show", lane, "--no-picture")
    assert f"note: {note}" in text
    assert "correction: note is north lane (A. Deminer: marker [N3])" in text
    assert "correction: detection 2 depth_m is 0.11 (B. Deminer: dug)" in text
    with open_recording(lane) as r:
        first, second = r.corrections()
        assert first == Correction(first.utc_ns, "A. Deminer", "note", "north lane", "marker [N3]")
        assert second.who == "B. Deminer"
        assert 0 < first.utc_ns < second.utc_ns
        assert r.note == note
    assert "As it was written" in said(0, "verify", lane)


@pytest.mark.parametrize("kind", ["background", "function-test", "bench", "training", "trial"])
def test_a_recording_says_what_it_is_for_and_a_replay_keeps_it(
    recordings: Path, tmp_path: Path, kind: str
) -> None:
    first, again = tmp_path / "first.h5", tmp_path / "again.h5"
    with (
        open_recording(recordings / "lane_dev04.h5") as r,
        RecordingWriter(first, r.device, software="t", created_utc_ns=1, recording_type=kind) as w,
    ):
        for block in r.blocks():
            w.write(block)
        w.truth(r.truth())
    if kind == "training":  # once is enough: a replay does not look at the type
        said(0, "replay", first, "--out", again)
    for path in (first, again) if kind == "training" else (first,):
        text = said(0, "show", path, "--no-picture")
        assert f"{kind} recorded by" in text
        assert f"a {kind} recording: no ground under it counts as swept" in text
        with open_recording(path) as r:
            assert r.kind == kind
            assert not r.kind.counts_as_swept
    scored = run("score", first)
    if kind == "trial":
        assert scored.exit_code == 0, scored.output
        assert "mines" in scored.output
    else:
        assert f"is left out: a {kind} recording is not scored" in scored.output
        assert "nothing else is scored" in str(scored.exception)
