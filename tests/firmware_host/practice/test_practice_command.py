"""The command that practises, and its recordings, which nothing takes for a survey."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.decide.classifier import Model
from detector.detections import LabelClass, TrueObject
from detector.errors import RecordingError, SampleError
from detector.kept_ground import kept_ground
from detector.profile import Profile
from detector.recording.reader import open_recording
from detector.recording.schema import RecordingType
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, SampleBlock, StreamKind
from firmware_host.cli.main import app
from firmware_host.practice.history import History
from firmware_host.virtual.head import VirtualHead

Head = tuple[DeviceDescription, list[SampleBlock]]
RUN = CliRunner().invoke


def recorded(path: Path, head: Head, model: Model, kind: str) -> Path:
    """The made-up head's samples, with a known object, in a recording of that type."""
    profile = Profile()
    with RecordingWriter(
        path, head[0], software="test", created_utc_ns=1, recording_type=kind, profile_toml=profile.to_toml(),
        profile_hash=profile.hash, model_hash=model.hash,
    ) as writer:  # fmt: skip
        for block in head[1]:
            writer.write(block)
        writer.truth([TrueObject(LabelClass.MINE, "m", "", 0.9, -1, -1, 0.05, 0.1, 2e-9, True, "hidden")])
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["score", "FILE"],
        ["train", "FILE", "--out", "OUT.json"],
        ["dug", "FILE"],
        ["tune", "FILE", "-k", "radar.bandpass.low", "--out", "OUT.toml"],
        ["export", "FILE", "OUT.geojson"],
        ["export", "FILE", "OUT.csv", "--what", "lane"],
        ["export", "FILE", "OUT.npz", "--stream", "metal"],
        ["plot", "FILE", "--what", "coverage", "--out", "OUT.png"],
        ["firmware", "export", "FILE", "--out", "OUT.d"],
        ["virtual", "FILE"],
    ],
    ids=lambda c: " ".join(c).replace("FILE ", ""),
)
def test_what_is_said_of_real_ground_refuses_a_training_recording(
    tmp_path: Path, dual_head: Head, model: Model, command: list[str]
) -> None:
    file = recorded(tmp_path / "t.h5", dual_head, model, "training")
    said = [str(file) if c == "FILE" else c.replace("OUT", str(tmp_path / "out")) for c in command]
    result = RUN(app, said)
    assert isinstance(result.exception, RecordingError)
    said_why = "nothing else is scored" if command[0] == "score" else "of type training"
    assert said_why in str(result.exception)
    assert [f.name for f in tmp_path.iterdir()] == ["t.h5"]


def test_a_survey_of_the_same_samples_is_not_refused(tmp_path: Path, dual_head: Head, model: Model) -> None:
    file = recorded(tmp_path / "s.h5", dual_head, model, "survey")
    assert RUN(app, ["score", str(file)]).exit_code == 0
    with open_recording(file) as r:
        assert kept_ground(r) == []


def test_a_training_recording_has_no_ground_says_what_it_is_and_keeps_its_type_in_a_replay(
    tmp_path: Path, dual_head: Head, model: Model
) -> None:
    file = recorded(tmp_path / "t.h5", dual_head, model, "training")
    with open_recording(file) as r, pytest.raises(RecordingError, match="of type training"):
        kept_ground(r)
    assert "TRAINING, NOT A SURVEY" in RUN(app, ["show", str(file), "--no-picture"]).output
    RUN(app, ["replay", str(file), "--out", str(tmp_path / "again.h5")])
    with open_recording(tmp_path / "again.h5") as r:
        assert r.kind is RecordingType.TRAINING


@pytest.mark.parametrize(
    ("stream", "kind", "why"),
    [
        (0, StreamKind.METAL_PI, "2 coils"),
        (1, StreamKind.RADAR, "2 antennas"),
        (1, StreamKind.RADAR_SFCW, "stepped-frequency"),
    ],
)
def test_a_head_that_objects_cannot_be_mixed_into_is_refused_before_anything_is_recorded(
    tmp_path: Path, dual_head: Head, stream: int, kind: StreamKind, why: str
) -> None:
    device = dual_head[0]
    s = device.streams[stream]
    stepped = {"axis": tuple(np.linspace(1e9, 2e9, s.values // 2))}
    odd = replace(s, kind=kind, **(stepped if kind is StreamKind.RADAR_SFCW else {"channels": 2}))  # type: ignore[arg-type]
    streams = tuple(odd if t is s else t for t in device.streams)
    with VirtualHead(replace(device, streams=streams), list, 0.0) as head:
        out = tmp_path / "t.h5"
        options = ["--learner", "A", "--port", head.path, "--skip-checks", "a test", "-o", str(out)]
        result = RUN(app, ["practice", *options])
    assert isinstance(result.exception, SampleError)
    assert why in str(result.exception)
    assert "ractise" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_lane_that_was_never_begun_gives_no_score_and_leaves_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dual_head: Head
) -> None:
    monkeypatch.setenv("GROUNDSWEEP_DATA", str(tmp_path))
    out = tmp_path / "t.h5"
    with VirtualHead(dual_head[0], lambda: dual_head[1], 0.0) as head:
        options = ["--learner", "A", "--port", head.path, "--skip-checks", "a test", "--seed", "5", "-o", str(out)]
        result = RUN(app, ["practice", *options])
    assert "not swept, so there is no score" in result.output
    assert "What was hidden" not in result.output
    assert History(tmp_path / "practice").sessions("A") == []
    with open_recording(out) as r:
        assert r.recording_type == "training"
        assert r.truth() == []


def test_history_is_printed_with_its_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDSWEEP_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    score = {"hits": 3, "tried": 4, "false_marks": 1, "free_m": 8.0, "swept_m": 10.0, "seconds": 60.0}
    line = {"utc_ns": 1, "learner": "A", "head": "h", "aided": True, "seed": 1, "recording": "t.h5", "score": score}
    (tmp_path / "practice").mkdir()
    (tmp_path / "practice" / "A.jsonl").write_text(json.dumps(line) + "\n")
    result = RUN(app, ["practice", "--history", "A"])
    assert "3/4" in result.output
    assert "0.75 (0.19 to 0.99)" in result.output
    nobody = RUN(app, ["practice", "--history", "B"])
    assert "no session of B" in str(nobody.exception)
