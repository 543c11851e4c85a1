"""The examples of docs/recording-format.md run, on a file of today, as they stand there."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_host.cli.main import app

PAGE = Path(__file__).parents[3] / "docs" / "recording-format.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    folder = tmp_path_factory.mktemp("documented")
    done = CliRunner().invoke(app, ["replay", str(recordings / "lane_dev04.h5"), "--out", str(folder / "sweep.h5")])
    assert done.exit_code == 0, done.output
    return folder


def run(example: str, folder: Path) -> str:
    said = io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(said):
            exec(compile(example, str(PAGE), "exec"), {})
    finally:
        os.chdir(before)
    return said.getvalue()


def test_the_page_has_an_example_for_h5py_and_one_for_the_library() -> None:
    assert ["import h5py" in e for e in EXAMPLES] == [True, False]
    assert "detector.recording.open" in EXAMPLES[1]


def test_the_h5py_example_lists_the_detections(folder: Path) -> None:
    lines = run(EXAMPLES[0], folder).splitlines()
    assert len(lines) > 2
    assert lines[0].startswith("1 ")
    assert "mine" in lines[0]


def test_the_library_example_slices_by_time_place_and_detection(folder: Path) -> None:
    text = run(EXAMPLES[1], folder)
    counts = [int(n) for n in re.findall(r"^(\d+) records from tick", text, re.M)]
    assert len(counts) > 4
    assert min(counts) > 0
    assert text.startswith("survey ")
