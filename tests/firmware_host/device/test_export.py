"""Exported filters compute on a microcontroller what the host computes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.collected import OPEN
from detector.decide.classifier import Model, model_from
from detector.decide.training import untrained
from detector.detections import FEATURES
from detector.embedded.cascade import cascade_of
from detector.embedded.quantised import quantise
from detector.profile import Profile, load_profile
from detector.recording.reader import open_recording
from detector.samples import StreamDescription, StreamKind
from firmware_host.cli.main import app
from firmware_host.device.build import WARNINGS
from firmware_host.device.export import Exported, write_sources
from firmware_host.device.export_classifier import made_up_alarms, write_classifier
from firmware_host.device.export_report import compare, compare_verdicts
from firmware_host.virtual.proving import filter_on_board, judge_on_board

on_a_board = pytest.mark.needs_tools("arm-none-eabi-gcc", "qemu-system-arm")
COARSE = StreamDescription(
    0, "coarse-radar", StreamKind.RADAR, 1, 256, "int16", 100.0, sampling_interval_s=2e-10, centre_frequency_hz=1.2e9
)


@on_a_board
@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an500"])
def test_a_real_radar_recording_is_filtered_on_a_board_as_on_the_host(
    board: str, recordings: Path, tmp_path: Path
) -> None:
    with open_recording(recordings / "rebar_real.h5") as rec:
        stream = rec.device.streams[0]
        raw = np.concatenate([b.raw[:, 0] for b in rec.blocks(4096)]).astype(np.int64)
    assert raw.size >= 100_000
    cascade = cascade_of(stream, load_profile("concrete"))
    exported = Exported(stream, cascade, quantise(cascade, 31, stream.sample_type), None)
    write_sources(tmp_path, [exported], ["test"])
    for word in ("q31", "f32"):
        out, cost = filter_on_board(tmp_path, board, 0, word, raw)
        equal, worst = compare(exported, word, raw - 32768, out)
        assert out.std() > 1000
        assert 10 < cost.instructions < 5000
        if word == "q31":
            assert equal
            assert worst <= exported.q31.error
        else:
            assert worst < 1.0  # of 28,000: single precision


@on_a_board
def test_every_word_and_both_kinds_of_stream_run_on_a_board(recordings: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    metal = StreamDescription(1, "metal", StreamKind.METAL_PI, 2, 3, "int32", 300.0, axis=(1e-5, 2e-5, 4e-5))
    streams = [COARSE, replace(metal, kind=StreamKind.METAL, axis=())]
    samples = [
        rng.integers(-(2**15), 2**15, (40, 256)),
        # a reading beyond the limit is cut to it, alike on both sides
        rng.integers(-(2**24), 2**24, (400, 6)),
    ]
    exported = []
    profile = Profile()
    for stream, limit in zip(streams, (None, 2.0**23), strict=True):
        cascade = cascade_of(stream, profile)
        exported.append(
            Exported(
                stream, cascade, quantise(cascade, 31, stream.sample_type, limit),
                quantise(cascade, 15, stream.sample_type, limit),
            )
        )  # fmt: skip
    write_sources(tmp_path, exported, ["test"])
    for i, (e, counts) in enumerate(zip(exported, samples, strict=True)):
        for word in ("q31", "q15"):
            out, _ = filter_on_board(tmp_path, "mps2-an385", i, word, counts)
            assert compare(e, word, counts, out)[0], (e.stream.name, word)
            assert len(np.unique(out)) > 10


@pytest.mark.needs_tools("gcc")
def test_exported_sources_compile_clean_as_c_and_as_cpp(tmp_path: Path) -> None:
    cascade = cascade_of(COARSE, Profile())
    write_sources(
        tmp_path, [Exported(COARSE, cascade, quantise(cascade, 31, "int16"), quantise(cascade, 15, "int16"))], ["test"]
    )
    for name in ("groundsweep_filters.c", "groundsweep_tuned.c"):
        subprocess.run(
            ["gcc", *WARNINGS, "-fsyntax-only", str(tmp_path / name)], check=True, cwd=tmp_path, capture_output=True
        )
    user = tmp_path / "user.c"
    user.write_text('#include "groundsweep_tuned.h"\nint main(void) { return tuned_coarse_radar.lines != 1; }\n')
    subprocess.run(["gcc", *WARNINGS, "-c", "groundsweep_tuned.c", "user.c"], check=True, cwd=tmp_path)
    subprocess.run(["gcc", "groundsweep_tuned.o", "user.o", "-o", "user"], check=True, cwd=tmp_path)
    subprocess.run([str(tmp_path / "user")], check=True)


@on_a_board
@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an500"])
def test_a_board_judges_alarms_as_the_host_does(board: str, model: Model, tmp_path: Path) -> None:
    features, flags = made_up_alarms(model, 800, seed=3)
    write_classifier(tmp_path, model, ["test"])
    judged, cost = judge_on_board(tmp_path, board, features, flags)
    told = compare_verdicts(model, board, features, flags, judged, cost)
    assert told.votes_equal
    assert told.decisions_equal == 800
    assert told.largest_difference < 1e-5
    assert len(np.unique(judged.decision)) >= 2
    assert len(np.unique(judged.level)) >= 2
    np.testing.assert_array_equal(np.isnan(judged.llr), np.isnan(flags))


@on_a_board
def test_a_model_that_knows_nothing_says_unknown_on_a_board_too(tmp_path: Path) -> None:
    empty = model_from(untrained(dict.fromkeys(("radar", "metal", "radar-search", "metal-search"), OPEN)), "empty")
    write_classifier(tmp_path, empty, ["test"])
    features = np.zeros((3, len(FEATURES)), np.float32)
    flags = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    judged, _ = judge_on_board(tmp_path, "mps2-an385", features, flags)
    assert judged.decision.tolist() == [-1, -1, -1]
    assert judged.level.tolist() == [3, 3, 3]


@on_a_board
def test_the_command_writes_sources_and_a_report_with_proof(recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "filters"
    done = CliRunner().invoke(
        app, ["firmware", "export", str(recordings / "metal_mine_real.h5"), "--out", str(out), "--prove"]
    )
    assert done.exit_code == 0, done.output
    report = json.loads((out / "report.json").read_text())
    rows = {r["word"]: r for r in report["filters"]}
    assert set(rows) == {"q31", "f32"}
    assert rows["q31"]["largest_error"] <= rows["q31"]["bound"]
    assert [b["equal"] for b in rows["q31"]["boards"]] == [True, True, True]
    assert [v["votes_equal"] for v in report["classifier"]] == [True, True, True]
    assert all(v["decisions_equal"] == v["alarms"] >= 500 for v in report["classifier"])
    # sixteen bits are not enough for a corner this low, and it says so
    assert any("q15" in text and "wider words" in text for text in report["not_exported"])
    assert "yes, to the bit" in (out / "report.md").read_text()
    assert (out / "groundsweep_tuned.c").exists()


def test_words_that_do_not_exist_are_refused(recordings: Path, tmp_path: Path) -> None:
    file = str(recordings / "metal_mine_real.h5")
    done = CliRunner().invoke(app, ["firmware", "export", file, "--out", str(tmp_path / "x"), "--words", "q7"])
    assert done.exit_code != 0
    assert not (tmp_path / "x").exists()
