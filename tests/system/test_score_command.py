"""score, seal, dug and train --continue as a person runs them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from detector.decide.classifier import Model
from detector.detections import Label, LabelClass
from detector.errors import GroundsweepError
from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.score.matching import match
from detector.simulate.scene import dual_scene
from firmware_host.cli.main import app

COMMAND = [sys.executable, "-m", "firmware_host.cli.main"]
TRUTH = """lane,label,kind,x_m,depth_m,diameter_m,metal
lane_dev04,mine,VS-50,0.272,0.05,0.09,yes
lane_dev04,mine,PMN,1.5035,0.10,0.11,yes
lane_dev04,metal-clutter,fragment,0.889,0.05,0.03,yes
lane_dev99,mine,PMN,1.0,0.10,0.11,yes
"""


def groundsweep(*args: str | Path) -> Result:
    """In this process, which has its kernels compiled already."""
    return CliRunner().invoke(app, [str(a) for a in args])


def works(*args: str | Path) -> str:
    done = groundsweep(*args)
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return done.stdout


def refused(*args: str | Path) -> str:
    """An error that we know of, which the entry point turns into one paragraph and exit code 2."""
    done = groundsweep(*args)
    assert isinstance(done.exception, GroundsweepError), f"{done.output} {done.exception!r}"
    assert "POD" not in done.stdout
    return str(done.exception)


def test_several_processes_give_the_same_report_and_a_bad_file_is_told(recordings: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.h5"
    cut.write_bytes((recordings / "lane_dev01.h5").read_bytes()[:70_000])
    files = [recordings / "lane_dev11.h5", cut, recordings / "lane_dev04.h5", recordings / "lane_dev01.h5"]
    reports = []
    for jobs in ("1", "2"):
        out = tmp_path / f"{jobs}.json"
        done = subprocess.run(
            [*COMMAND, "score", *map(str, files), "--jobs", jobs, "--json", str(out)],
            capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        assert "not scored" in done.stderr
        assert "cut.h5" in done.stderr
        reports.append((done.stdout, json.loads(out.read_text())))
    assert reports[0] == reports[1]
    text, report = reports[0]
    assert [lane["lane"] for lane in report["lane_scores"]] == ["lane_dev11", "lane_dev04", "lane_dev01"]
    assert any("cut.h5" in n for n in report["not_tested"])
    assert "Search" in text
    assert "rejected" in text


def test_a_page_a_rival_and_an_earlier_result(recordings: Path, tmp_path: Path) -> None:
    lane = recordings / "lane_dev04.h5"
    first, page = tmp_path / "first.json", tmp_path / "page.html"
    said = works("score", lane, "--against", "utility-gpr", "--roc", "--html", page, "--json", first)
    assert "McNemar" in said
    assert "utility-gpr" in said
    assert "measured up to" in said
    for sensor in ("metal", "radar"):
        assert f"{sensor}: asked 0.1/m, got " in said
    # the shipped model's own lane: told, since it flatters
    assert "lane_dev04: The model dual-1 learned from this ground" in said
    assert page.read_text().count("<svg") >= 3
    again = works("score", lane, "--against", first, "--width", "0.5")
    assert "by this chain only 0" in again
    assert "/m2" in again


def test_a_recording_is_never_taken_for_a_place_to_write(recordings: Path, tmp_path: Path) -> None:
    lane = tmp_path / "lane.h5"
    lane.write_bytes((recordings / "lane_dev04.h5").read_bytes())
    before = lane.read_bytes()
    for option in ("--json", "--html"):
        assert "ends in" in refused("score", option, lane, lane)
    assert lane.read_bytes() == before


def test_a_sealed_trial_from_the_lanes_to_the_score(recordings: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text(TRUTH)
    hash_ = re.search(r"[0-9a-f]{64}", works("seal", truth))
    assert hash_ is not None
    sealed = tmp_path / "truth.sealed.json"
    assert "exists already" in refused("seal", truth)
    assert "sealed already" in refused("seal", sealed)
    lane = recordings / "lane_dev04.h5"
    said = works("score", lane, "--truth", sealed, "--sealed", hash_[0])
    assert "POD 2/2" in said
    assert "of which there is no recording: lane_dev99. With their mines as missed POD is 2/3" in said
    sealed.write_text(sealed.read_text().replace("1.5035", "1.5036"))
    assert "not the truth that was sealed" in refused("score", lane, "--truth", sealed, "--sealed", hash_[0])
    # the plain file was not what was sealed, and a lane that nobody laid out cannot be scored
    assert "no salt" in refused("score", lane, "--truth", truth, "--sealed", hash_[0])
    assert "--truth" in refused("score", lane, "--sealed", hash_[0])
    assert "no lane 'lane_dev01'" in refused("score", recordings / "lane_dev01.h5", "--truth", truth)


def field_recording(seed: int, out: Path, model: Model) -> Path:
    """A sweep as a team would bring it home: no truth, every alarm dug and labelled."""
    scene, profile = dual_scene(seed), load_profile("handheld-dual")
    pipeline = Pipeline(scene.device, profile, model)
    found = [d for b in scene.blocks for d in pipeline.process(b).detections] + pipeline.finish().detections
    dug = {j: scene.truth[i].label for i, j in match(scene.truth, found).found.items()}
    with RecordingWriter(
        out, scene.device, software="test", created_utc_ns=0, profile_toml=profile.to_toml(),
        profile_hash=profile.hash, model_hash=model.hash, note=scene.note,
    ) as writer:  # fmt: skip
        for block in scene.blocks:
            writer.write(block)
        for j, d in enumerate(found):
            writer.detection(d)
            writer.label(Label(d.id, dug.get(j, LabelClass.NOTHING), "A. Deminer", 0, True))
    return out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_was_dug_is_summed_up_and_learned_from(model: Model, tmp_path: Path) -> None:
    sweeps = [field_recording(s, tmp_path / f"field{s}.h5", model) for s in (810_001, 810_002)]
    text = works("dug", *sweeps)
    with open_recording(sweeps[0]) as r:
        assert r.truth() == []
        holes = len(r.labels())
    assert f"{holes} dug" in text
    out, report = tmp_path / "next.json", tmp_path / "report.json"
    options = ("--continue", "shipped", "--scenes", "6", "--reference-scenes", "3", "--name", "next")
    done = groundsweep("train", *sweeps, *options, "--out", out, "--report", report)
    said = json.loads(report.read_text())
    # six scenes are few to learn from: whichever way it goes, file, exit code and report must agree
    assert done.exit_code == (1 if said["refused"] else 0), done.output
    assert out.exists() == (not said["refused"])
    assert [(one["heads"], one["lanes"]) for one in said["reference"]] == [
        ("pulses and radar", 3), ("continuous waves", 3)
    ]
    assert said["own_ground_held_out"]["before"]["found"] > 0
    assert said["before"]["hash"] == model.hash
    assert ("Refused" in done.stdout) == bool(said["refused"])
    # and three scenes hold too few mines to judge by
    assert len(said["warnings"]) == done.stdout.count("  WARNING: ") == 2
    own = ("train", sweeps[0], "--continue", "shipped", "--reference", sweeps[0], "--out", out)
    assert "no reference" in refused(*own)
