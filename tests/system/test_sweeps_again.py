"""A lane that is swept, dug and swept again, as a person makes and scores it: simulate --dug, score --procedure."""

from __future__ import annotations

import json
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
from detector.simulate.sweeps import Sweep
from firmware_host.cli.main import app

SEED = 2003
"""Three mines with metal, a can and a stone: by metal alone four of these are found at once."""
SCENE = ("--seed", SEED, "--sensors", "metal")


def groundsweep(*args: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in args])


def works(*args: object) -> str:
    done = groundsweep(*args)
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return done.stdout


def refused(*args: object) -> str:
    done = groundsweep(*args)
    assert isinstance(done.exception, GroundsweepError), f"{done.output} {done.exception!r}"
    return str(done.exception)


def procedure(*files: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(works("score", *files, "--procedure", "--json", "-"))
    return found


def test_a_series_is_simulated_and_scored_as_one_procedure(tmp_path: Path) -> None:
    first, second, page = tmp_path / "a-1.h5", tmp_path / "a-2.h5", tmp_path / "a.html"
    works("simulate", first, *SCENE)
    said = works("simulate", second, *SCENE, "--dug", first)
    with open_recording(first) as r, open_recording(second) as s:
        gone = {o.kind for o in r.truth()} - {o.kind for o in s.truth()}
        assert "sweep 2" in s.note
        assert r.device.serial == s.device.serial
    assert len(gone) == 4
    assert all(f"{kind} at" in said.splitlines()[0] for kind in gone)
    whole = procedure(first, second)
    alone = json.loads(works("score", first, "--json", "-"))
    assert whole["targets"] == alone["targets"] == 3
    assert whole["found"] == alone["found"] == 3
    assert whole["free_m"] == pytest.approx(alone["free_m"])
    rows = whole["procedure"]["rows"]  # type: ignore[index]
    assert [(r["number"], r["objects_out"], r["mines"]) for r in rows] == [(1, 4, 3), (2, 0, 0)]
    assert "Sweep by sweep" in works("score", second, first, "--procedure", "--html", page)
    assert "Sweep by sweep" in page.read_text()
    assert "no curve" in refused("score", first, second, "--procedure", "--roc")
    # two sweeps of other scenes, or of another head, are not one series
    assert "no sweep of this scene" in refused("simulate", tmp_path / "b.h5", "--seed", SEED + 1, "--dug", first)
    assert "no sweep of this scene" in refused("simulate", tmp_path / "b.h5", *SCENE, "--metal", "cw", "--dug", first)
    assert "--count" in refused("simulate", tmp_path / "b.h5", *SCENE, "--dug", first, "--count", "2")


def test_labels_say_what_was_dug_where_one_truth_is_that_of_all_sweeps(model: Model, tmp_path: Path) -> None:
    """As in a trial: the organiser's truth lists all that was laid, and the team labels its holes."""
    profile, files, dug = load_profile("handheld-dual"), [], None
    for number in (1, 2):
        taken = frozenset() if dug is None else dug
        scene = dual_scene(SEED, sensors="metal", sweep=Sweep(number, taken))
        pipeline = Pipeline(scene.device, profile, model)
        alarms = [d for b in scene.blocks for d in pipeline.process(b).detections] + pipeline.finish().detections
        found = match(scene.truth, alarms).found
        if dug is None:
            laid, dug = scene.truth, frozenset(found)
        files.append(tmp_path / f"L-{number}.h5")
        with RecordingWriter(files[-1], scene.device, software="test", created_utc_ns=0, note="trial") as writer:
            for block in scene.blocks:
                writer.write(block)
            for d in alarms:
                writer.detection(d)
            for i, j in found.items():
                writer.label(Label(alarms[j].id, scene.truth[i].label, "A. Deminer", 0, ground_truth=True))
            # an opinion takes nothing out of the ground
            for d in alarms:
                if d.id not in {alarms[j].id for j in found.values()}:
                    writer.label(Label(d.id, LabelClass.MINE, "A. Deminer", 0, ground_truth=False))
            writer.truth(list(laid))
    rows = procedure(*files)["procedure"]["rows"]  # type: ignore[index]
    assert [(r["found"], r["objects_out"], r["mines"]) for r in rows] == [(3, 4, 3), (0, 0, 0)]
