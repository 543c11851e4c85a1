"""What the bench commands say to what they cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.errors import BenchError, GroundsweepError
from firmware_host.cli.main import app

SWEEP = Path(__file__).parents[3] / "recordings" / "metal_mine_real.h5"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["noise"], "Give a recording, or a --port"),
        (["noise", "x.h5", "--port", "/dev/null"], "Give a recording, or a --port"),
        (["height", str(SWEEP), "--set", "first_m=-1"], "first_m"),
        (["height", str(SWEEP), "--set", "colour=1"], "It has: smoothing_s"),
        (["height", str(SWEEP), "--set", "first_m"], "is not NAME=VALUE"),
        (["session", "weight", "--port", "/dev/null"], "There is no measurement 'weight'"),
        (["virtual", "noise", "radar"], "one at a time"),
        (["compare", "a.json", "b.json"], "not a bench report"),
        (["notebook", "none.jsonl"], "cannot be read"),
        (["report", str(SWEEP), "--report", "x.html"], "holds no steps"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["bench", *words])
    assert isinstance(done.exception, GroundsweepError), done.output
    assert isinstance(done.exception, BenchError)
    assert said in str(done.exception)


def test_a_sweep_is_not_taken_for_a_still_head() -> None:
    done = CliRunner().invoke(app, ["bench", "noise", str(SWEEP)])
    assert done.exit_code == 1
    assert "holds no steps" in " ".join(done.output.split())


def test_every_measurement_explains_itself() -> None:
    run = CliRunner()
    listed = run.invoke(app, ["bench", "list"]).output
    for name in ("noise", "height", "pinpoint", "radar"):
        assert name in listed
        assert "--set" in run.invoke(app, ["bench", name, "--help"]).output
