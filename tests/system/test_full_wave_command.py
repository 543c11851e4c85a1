"""simulate --full-wave as a person runs it."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.errors import FormatError, GroundsweepError, SampleError
from detector.formats.gprmax_lane import load_lane
from detector.simulate.full_wave.lane import full_wave_lane
from firmware_host.cli import full_wave
from firmware_host.cli.main import app


def refused(*args: str | Path) -> GroundsweepError:
    """An error that we know of, which the entry point turns into one paragraph and exit code 2."""
    done = CliRunner().invoke(app, ["simulate", *map(str, args)])
    assert isinstance(done.exception, GroundsweepError), f"{done.output} {done.exception!r}"
    return done.exception


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes of three A-scans: a whole one takes half a minute."""
    monkeypatch.setattr(full_wave, "full_wave_lane", functools.partial(full_wave_lane, most=3))


@pytest.mark.usefixtures("short")
def test_lanes_are_made_by_number_and_those_that_are_there_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "lanes"
    made = CliRunner().invoke(app, ["simulate", "--full-wave", "6-7", "--out", str(folder)])
    assert made.exit_code == 0, made.output
    assert sorted(p.stem for p in folder.glob("*.h5")) == ["fullwave6", "fullwave7"]
    assert load_lane(folder / "fullwave7.h5").truth
    before = (folder / "fullwave6.h5").stat().st_mtime_ns
    lost = folder / "fullwave7.json"
    truth = lost.read_text()
    lost.unlink()
    again = CliRunner().invoke(app, ["simulate", "--full-wave", "6-7", "-o", str(folder)])
    assert again.exit_code == 0, again.output
    assert "fullwave6.h5: there already" in again.output.replace("\n", "")
    assert (folder / "fullwave6.h5").stat().st_mtime_ns == before
    assert lost.read_text() == truth  # a lane without its truth is none


@pytest.mark.usefixtures("short")
def test_a_damaged_lane_that_is_there_is_told_not_taken(tmp_path: Path) -> None:
    (tmp_path / "fullwave1.h5").write_bytes(b"rubbish")
    (tmp_path / "fullwave1.json").write_text("{}")
    assert isinstance(refused("--full-wave", "1", "--out", tmp_path), FormatError)
    assert (tmp_path / "fullwave1.h5").read_bytes() == b"rubbish"


@pytest.mark.parametrize("number", ["0", "-3", "two", "9-7", "1-1001", "1.5", "", "1-", "1٣"])
def test_what_is_no_lane_is_refused(number: str, tmp_path: Path) -> None:
    said = str(refused(f"--full-wave={number}", "--out", tmp_path / "out"))
    assert "lanes 1 to 44" in said
    assert not (tmp_path / "out").exists()


def test_a_place_to_write_to_is_asked_for_and_options_of_scenes_are_refused(tmp_path: Path) -> None:
    assert "--out" in str(refused("--full-wave", "2"))
    said = str(refused(tmp_path / "a.h5", "--full-wave", "2", "--out", tmp_path / "f", "--seed", "3"))
    assert "--seed" in said
    assert "the recording" in said
    assert "named without an option" in str(refused("--out", tmp_path / "a.h5"))
    assert "named without an option" in str(refused())
    file = tmp_path / "file"
    file.write_text("")
    assert isinstance(refused("--full-wave", "2", "--out", file), SampleError)
    assert file.read_text() == ""
