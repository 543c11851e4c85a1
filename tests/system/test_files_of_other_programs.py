"""Import, export and plot as a person runs them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.decide.classifier import Model
from detector.errors import GroundsweepError
from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import NO_TIME, FixQuality, Position
from firmware_host.cli.main import app


def done(*args: str | Path) -> str:
    """What a command prints; it must end well."""
    result = CliRunner().invoke(app, list(map(str, args)), env={"COLUMNS": "160", "NO_COLOR": "1"})
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refused(*args: str | Path) -> str:
    """The sentence with which a command refuses: the entry point prints these as one paragraph."""
    result = CliRunner().invoke(app, list(map(str, args)), env={"COLUMNS": "160", "NO_COLOR": "1"})
    assert isinstance(result.exception, GroundsweepError), (result.output, result.exception)
    return str(result.exception)


def test_a_radar_goes_out_as_segy_and_comes_back(recordings: Path, tmp_path: Path) -> None:
    segy = tmp_path / "rebar.sgy"
    assert "332 records of radar" in done("export", recordings / "rebar_real.h5", segy)
    shown = done("show", segy)
    assert "1600 MHz" in shown
    assert "SEG-Y rebar.sgy" in shown
    replayed = done("replay", segy, "-p", "concrete")
    assert "holds no detections of ours" in replayed
    assert "332 records" in done("import", segy, tmp_path / "back.h5", "--licence", "CC0", "--kind", "trial")
    with open_recording(recordings / "rebar_real.h5") as a, open_recording(tmp_path / "back.h5") as b:
        sent, back = (r.block("radar", 0, 999) for r in (a, b))
        assert (b.licence, b.recording_type) == ("CC0", "trial")
    np.testing.assert_array_equal(back.raw.astype(int), sent.raw.astype(int) - 32768)
    np.testing.assert_allclose(back.odometer_m, sent.odometer_m, atol=5.1e-5)
    # the same samples: the same places are found
    ours = done("replay", recordings / "rebar_real.h5", "-p", "concrete")
    found = [[line for line in text.splitlines() if line.lstrip()[:1].isdigit()] for text in (ours, replayed)]
    assert len(found[0]) == len(found[1]) > 5


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory, recordings: Path, model: Model) -> Path:
    """A sweep with its detections and a satellite fix every 0.2 s."""
    out = tmp_path_factory.mktemp("placed") / "sweep.h5"
    profile = load_profile("handheld-dual")
    with open_recording(recordings / "lane_dev04.h5") as r:
        pipeline = Pipeline(r.device, profile, model)
        with RecordingWriter(out, r.device, software="test", created_utc_ns=r.created_utc_ns) as w:
            found = []
            for block in r.blocks(256):
                w.write(block)
                found += pipeline.process(block).detections
            for d in [*found, *pipeline.finish().detections]:
                w.detection(d)
            start = int(r.block("metal", 0, 1).utc_ns[0])
            for k in range(-5, 40):
                w.position(Position(
                    start + k * 200_000_000, NO_TIME, 45.8, 15.97 + k * 1e-6, 100.0, FixQuality.RTK_FIXED, 0.014, "gst",
                    12, 0.7, math.nan, "",
                ))  # fmt: skip
            w.truth(r.truth())
    return out


def test_detections_go_on_a_map_with_their_labels(placed: Path, tmp_path: Path) -> None:
    with open_recording(placed) as r:
        ids = [d.id for d in r.detections()]
    done("label", placed, str(ids[-1]), "mine", "--depth", "7", "--who", "A. Deminer")
    for suffix in ("geojson", "gpx", "kml", "csv"):
        assert f"{len(ids)} detections" in done("export", placed, tmp_path / f"a.{suffix}")
        assert "positions" in done("export", placed, tmp_path / f"p.{suffix}", "--what", "positions")
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert [f["id"] for f in features] == ids
    located = [f for f in features if f["geometry"]]
    assert located
    for f in located:
        longitude, latitude = f["geometry"]["coordinates"]
        assert (longitude, latitude) == pytest.approx((15.97, 45.8), abs=0.1)
        assert 0.01 < f["properties"]["accuracy_m"] < 2
    assert features[-1]["properties"]["label"] == "mine"
    with (tmp_path / "a.csv").open() as f:
        assert [int(row["id"]) for row in csv.DictReader(f)] == ids
    assert "exists already" in refused("export", placed, tmp_path / "a.geojson")


def test_what_cannot_be_written_is_said(recordings: Path, tmp_path: Path) -> None:
    lane = recordings / "lane_dev04.h5"
    assert ".geojson" in refused("export", lane, tmp_path / "a.pdf")
    assert "metal, radar" in refused("export", lane, tmp_path / "a.npz")
    assert "all channels" in refused("export", lane, tmp_path / "a.npz", "--stream", "metal", "--channel", "0")
    assert "no detection" in refused("export", lane, tmp_path / "a.gpx")
    assert "no satellite fix" in refused("export", lane, tmp_path / "a.gpx", "--what", "positions")
    assert "no folder" in refused("export", lane, tmp_path / "none" / "a.sgy")
    assert not list(tmp_path.iterdir())


def test_plots_are_written_as_pictures(placed: Path, recordings: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (pip install 'groundsweep[plot]')")
    said = done("plot", placed, "--out", tmp_path / "all.png")
    assert "bscan, metal, map, coverage" in said
    for what in ("stages", "ascan", "spectrum", "decay", "noise"):
        done("plot", placed, "--what", what, "--from", "0.2", "--to", "2.5", "--out", tmp_path / f"{what}.png")
    done("plot", recordings / "metal_mine_real.h5", "--channel", "2", "--out", tmp_path / "grid.svg")
    for file in tmp_path.iterdir():
        assert file.stat().st_size > 8_000
    assert (tmp_path / "all.png").read_bytes().startswith(b"\x89PNG")
    assert "only pulse induction" in refused("plot", recordings / "metal_mine_real.h5", "--what", "decay")
    assert "no radar" in refused("plot", recordings / "metal_mine_real.h5", "--what", "stages")
    assert "cannot be written" in refused("plot", placed, "--out", tmp_path / "a.xyz")


@pytest.mark.parametrize("name", ["charisma_rebar.DZT", "geology.HD", "utility.rad"])
def test_real_files_are_shown_scored_and_drawn(shared_data: Path, tmp_path: Path, name: str) -> None:
    file = shared_data / "radar" / "real" / name
    assert "radar" in done("show", file)
    if name != "geology.HD":
        assert "clutter objects alarmed" in done("score", file, "-p", "concrete").lower()
    done("plot", file, "--out", tmp_path / "a.png")
