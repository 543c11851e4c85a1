"""A whole practice session on a virtual head, in a browser; and its recording, which nothing takes for a survey."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.kept_ground import kept_ground
from detector.recording.reader import open_recording
from firmware_host.cli.main import app
from firmware_host.practice.history import History
from tests.firmware_host.console.test_page import Sweep, browser, control, heard, opened, playwright, wait

pytestmark = pytest.mark.needs_tools("chromium")
__all__ = ["browser"]


class Practice(Sweep):
    """A practice session as a learner starts it."""

    command = "practice"


def test_a_practice_says_training_throughout_and_its_recording_is_never_a_survey(
    tmp_path: Path, browser: playwright.Browser
) -> None:
    options = ("--learner", "A. Deminer", "--skip-checks", "a test", "--seed", "5", "--length", "3", "--unaided")
    with Practice(tmp_path, *options) as practice:
        practice.stage.scene = "lane"
        page = opened(browser, practice.url)
        wait(lambda: page.is_visible("#training"))
        assert "TRAINING" in page.inner_text("#training")
        wait(lambda: "training" in heard(page))
        assert page.is_disabled("#mark")
        control(page, "A. Deminer")
        page.keyboard.press("m")
        wait(lambda: "NOT marked" in page.inner_text("#events", timeout=5000) or page.click("#log summary"))
        page.keyboard.press("a")
        wait(lambda: "lane begins" in page.inner_text("#events"))
        wait(lambda: practice.stage.x_m > 3.0)
        page.keyboard.press("m")
        wait(lambda: "Mark 1 at" in page.inner_text("#events"))
        assert "Mark 1 at" in page.inner_text("#said")
        wait(lambda: practice.stage.x_m > 5.5, 30.0)
        assert page.is_visible("#training")
        assert page.evaluate("groundsweep.detections.size") == 0  # unaided
        assert "0.0 m of track count" in page.inner_text("#lane-now")
        page.reload()
        wait(lambda: page.is_visible("#training"))
    said = "".join(practice.said)
    assert "TRAINING, NOT A SURVEY" in said
    assert re.search(r"found \d of \d targets passed: POD", said)
    assert "What was hidden" in said[said.index("Mark 1 at") :]
    assert "What was hidden" not in said[: said.index("Mark 1 at")]

    (session,) = History(tmp_path / "practice").sessions("A. Deminer")
    assert not session.aided
    assert session.score["tried"] + session.score["not_reached"] > 0
    unmixed = practice.out.with_name(f"{practice.out.stem}-unmixed.h5")
    with open_recording(practice.out) as mixed, open_recording(unmixed) as own:
        for r in (mixed, own):
            assert r.recording_type == "training"
            assert r.note.startswith("TRAINING, NOT A SURVEY")
        assert {t.confidence for t in mixed.truth()} == {"hidden"}
        n = mixed.n_records("metal")
        assert own.n_records("metal") == n
        a, b = (r.block("metal", 0, n) for r in (mixed, own))
        assert np.array_equal(a.seq, b.seq)
        assert not np.array_equal(a.raw, b.raw)
        assert len(mixed.table("ground")) == 0
        with pytest.raises(Exception, match="type training"):
            kept_ground(mixed)
    _refused_everywhere(practice.out, tmp_path)


def _refused_everywhere(recording: Path, folder: Path) -> None:
    """Score, training of models, tuning, export, drawn coverage, playing it as a head: each says why not."""
    run: Callable[..., object] = CliRunner().invoke
    path = str(recording)
    for command in (
        ["score", path],
        ["train", path, "--out", str(folder / "model.json")],
        ["tune", path, "-k", "radar.bandpass.low", "--out", str(folder / "tuned.toml")],
        ["export", path, str(folder / "found.geojson")],
        ["export", path, str(folder / "gaps.csv"), "--what", "lane"],
        ["plot", path, "--what", "coverage", "--out", str(folder / "c.png")],
        ["firmware", "export", path, "--out", str(folder / "filters")],
        ["virtual", path],
    ):
        result = run(app, command)
        assert "of type training" in str(result.exception), command  # type: ignore[attr-defined]
    assert not [f for f in folder.iterdir() if f.suffix in (".geojson", ".csv", ".toml", ".png")]
    shown = run(app, ["show", path, "--no-picture"])
    assert "TRAINING, NOT A SURVEY" in shown.output  # type: ignore[attr-defined]
    again = folder / "again.h5"
    run(app, ["replay", path, "--out", str(again)])
    with open_recording(again) as r:
        assert r.recording_type == "training"


def test_history_is_printed_with_its_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDSWEEP_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    score = {"hits": 3, "tried": 4, "false_marks": 1, "free_m": 8.0, "swept_m": 10.0, "seconds": 60.0}
    line = {"utc_ns": 1, "learner": "A", "head": "h", "aided": True, "seed": 1, "recording": "t.h5", "score": score}
    (tmp_path / "practice").mkdir()
    (tmp_path / "practice" / "A.jsonl").write_text(json.dumps(line) + "\n")
    result = CliRunner().invoke(app, ["practice", "--history", "A"])
    assert "3/4" in result.output
    assert "0.75 (0.19 to 0.99)" in result.output
    nobody = CliRunner().invoke(app, ["practice", "--history", "B"])
    assert "no session of B" in str(nobody.exception)
