"""Tables of oscilloscopes and loggers become bench recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.errors import FormatError
from detector.formats.logger import read_logger, read_table
from detector.recording.reader import open_recording
from firmware_host.cli.main import app

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(400, 2))


def write(
    path: Path, head: str, delimiter: str = ",", comma: bool = False, tail: str = "", time0: float = -0.2
) -> Path:
    rows = []
    for i, row in enumerate(VALUES):
        cells = [f"{time0 + i * 1e-3:.6f}", *(f"{v:.6f}" for v in row)]
        rows.append(delimiter.join(c.replace(".", ",") if comma else c for c in cells))
    path.write_text(head + "\n".join(rows) + "\n" + tail)
    return path


def test_an_oscilloscope_with_a_preamble_and_a_line_of_units(tmp_path: Path) -> None:
    head = "Model,MSO1\nSample Interval,0.001,s\n\nTIME,CH1,CH2\ns,V,V\n"
    made = read_logger(write(tmp_path / "scope.csv", head), {"kind": "metal", "unit": "V"}, "TIME")
    (block,) = made.blocks
    assert block.stream.rate_hz == pytest.approx(1000.0)
    assert block.raw[:, 0] == pytest.approx(VALUES, abs=1e-5)


def test_a_logger_with_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "t (ms);a;b\n", ";", comma=True)
    made = read_logger(path, {"kind": "metal", "value_columns": ["b"], "scale": 0.001}, "t (ms)", "ms")
    assert made.blocks[0].stream.rate_hz == pytest.approx(1e6)
    assert made.blocks[0].raw[:, 0, 0] == pytest.approx(VALUES[:, 1], abs=1e-5)


def test_waveforms_side_by_side_are_ascans(tmp_path: Path) -> None:
    made = read_logger(
        write(tmp_path / "w.csv", "T,A,B\n"), {"kind": "radar", "rate_hz": 10.0}, "T", "ns", waveforms=True
    )
    (block,) = made.blocks
    assert block.raw.shape == (2, 1, 400)
    assert block.stream.sampling_interval_s == pytest.approx(1e-12)


def test_missing_lines_are_not_closed_up(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "t,a,b\n")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:100] + lines[120:]))
    with pytest.raises(FormatError, match="not even"):
        read_logger(path, {"kind": "metal"}, "t")


def test_nonsense_among_the_numbers_is_not_left_out_in_silence(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="does not go on"):
        read_table(write(tmp_path / "log.csv", "t,a,b\n", tail="overflow,1,2\n1,2,3\n"))


@pytest.mark.parametrize("text", ["", "a,b\n", "words\nonly\nhere\n", "1,2\n"])
def test_a_file_without_a_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match="no table"):
        read_table(path)


def test_an_unknown_column_and_no_rate_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "t,a,b\n")
    with pytest.raises(FormatError, match="no column 'c'"):
        read_logger(path, {"kind": "metal", "value_columns": ["c"]}, "t")
    with pytest.raises(FormatError, match="rate_hz"):
        read_logger(path, {"kind": "metal"})


def test_a_table_with_steps_is_measured_on_the_command_line(tmp_path: Path) -> None:
    t = np.arange(6000) / 100.0
    x = 1e-3 * np.random.default_rng(1).normal(size=6000) + np.where((t >= 20) & (t < 40), 0.05, 0.0)
    path, out = tmp_path / "log.csv", tmp_path / "log.h5"
    path.write_text("t,coil\n" + "\n".join(f"{a:.3f},{b:.7f}" for a, b in zip(t, x, strict=True)))
    steps = [w for s in ("background:1:20", "item:21:39", "background:41:59") for w in ("--step", s)]
    run = CliRunner()
    done = run.invoke(
        app, ["bench", "import", str(path), "--out", str(out), "--time-column", "t", "--measurement", "static", *steps]
    )
    assert done.exit_code == 0, done.output
    with open_recording(out) as recording:
        assert recording.recording_type == "bench"
    done = run.invoke(app, ["bench", "static", str(out), "--set", "reference=0.05"])
    assert done.exit_code == 0, done.output
    assert "50.0" in done.output
    assert "pass" in done.output


def test_a_description_beside_the_table_says_what_the_flags_do_not(tmp_path: Path) -> None:
    path, out = write(tmp_path / "log.csv", "t,a,b\n"), tmp_path / "log.h5"
    (tmp_path / "log.toml").write_text(
        'kind = "metal-pi"\ngate_times_s = [20e-6, 50e-6]\nscale = 0.001\ntime_column = "t"\nserial = "A7"\n'
    )
    done = CliRunner().invoke(app, ["bench", "import", str(path), "--out", str(out), "--serial", "B8"])
    assert done.exit_code == 0, done.output
    with open_recording(out) as recording:
        (stream,) = recording.device.streams
        assert (recording.device.serial, stream.unit, stream.scale) == ("B8", "V", 0.001)
        assert stream.axis == (20e-6, 50e-6)
        assert stream.rate_hz == pytest.approx(1000.0)
