"""Places of other programs' files that do not move, are missing, or leave ground out: said, and not made up."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from detector.errors import FormatError
from detector.formats.registry import read_foreign
from detector.samples import NO_ODOMETER

N, M = 60, 32


def dt1(path: Path, x_m: NDArray[np.float64]) -> Path:
    samples = np.random.default_rng(1).integers(-900, 900, (len(x_m), M)).astype("<i2")
    out = b""
    for i, x in enumerate(x_m):
        out += np.array([i + 1, x, M, 0, 0, 2, 10, 8, *[0] * 17], "<f4").tobytes() + b" " * 28 + samples[i].tobytes()
    path.write_bytes(out)
    path.with_suffix(".HD").write_text(
        f"NUMBER OF TRACES = {len(x_m)}\nNUMBER OF PTS/TRC = {M}\nTOTAL TIME WINDOW = 10\nSTEP SIZE USED = 0.02\n"
        "POSITION UNITS = m\nNOMINAL FREQUENCY = 1000\n"
    )
    return path


def test_even_places_are_nothing_to_speak_of_there_and_back_neither(tmp_path: Path) -> None:
    x = 0.02 * np.arange(N)
    assert "radar:" not in read_foreign(dt1(tmp_path / "a.DT1", x)).note
    assert "radar:" not in read_foreign(dt1(tmp_path / "b.DT1", np.r_[x, x[::-1]])).note


def test_a_wheel_that_never_turned_places_nothing(tmp_path: Path) -> None:
    read = read_foreign(dt1(tmp_path / "a.DT1", np.full(N, 1.5)))
    assert (read.block("radar", 0, N).odometer_um == NO_ODOMETER).all()
    assert "radar: the place never moves from 1.5 m, so no record has a place." in read.note


def test_ground_that_the_places_jump_over_is_said_not_to_have_been_looked_at(tmp_path: Path) -> None:
    x = 0.02 * np.arange(N)
    x[20:] += 10.0
    x[40:] += 1.0
    read = read_foreign(dt1(tmp_path / "a.DT1", x))
    assert "radar: from 0.38 to 10.40 m there is no record, and nothing was looked for there" in read.note
    assert "2 such stretches, together 11.04 m." in read.note
    back_over_it = np.r_[x, np.arange(x[-1], 0.0, -0.02)]
    assert "there is no record" not in read_foreign(dt1(tmp_path / "b.DT1", back_over_it)).note


def test_records_without_a_place_are_counted(tmp_path: Path) -> None:
    x = 0.02 * np.arange(N)
    x[5:8] = np.nan
    assert "radar: 3 of 60 records have no place." in read_foreign(dt1(tmp_path / "a.DT1", x)).note


def test_a_single_trace_has_the_place_that_it_has(tmp_path: Path) -> None:
    read = read_foreign(dt1(tmp_path / "a.DT1", np.array([1.5])))
    assert read.block("radar", 0, 1).odometer_um.tolist() == [1_500_000]
    assert "radar:" not in read.note


def test_a_series_without_dipoles_lies_where_its_receiver_went(tmp_path: Path) -> None:
    for i in range(1, 6):
        with h5py.File(tmp_path / f"s{i}.out", "w") as f:
            f.attrs.update({"gprMax": "3.1.7", "nrx": 1, "dt": 4e-11, "Title": "plane wave"})
            rx = f.create_group("rxs/rx1")
            rx.attrs["Position"] = (0.1 + 0.02 * i, 0.1, 0.1)
            rx["Ez"] = np.random.default_rng(i).normal(size=M).astype("f4")
    read = read_foreign(tmp_path / "s1.out")
    assert read.device.stream(0).step_m == pytest.approx(0.02)
    assert np.allclose(read.block("radar", 0, 5).odometer_m, 0.02 * np.arange(5))


@pytest.mark.parametrize(("written", "step"), [("0.020000", 0.02), ("0,020000", 0.02)])
def test_a_mala_header_with_decimal_commas_is_read(tmp_path: Path, written: str, step: float) -> None:
    (tmp_path / "a.rd3").write_bytes(struct.pack(f"<{4 * M}h", *range(4 * M)))
    (tmp_path / "a.rad").write_text(
        f"SAMPLES:{M}\nDISTANCE INTERVAL:{written}\nTIMEWINDOW:{'10,5' if ',' in written else '10.5'}\n"
        "ANTENNAS:500 MHz\nLAST TRACE:4\n"
    )
    stream = read_foreign(tmp_path / "a.rd3").device.stream(0)
    assert stream.step_m == step
    assert stream.sampling_interval_s == pytest.approx(10.5e-9 / M)


def table(path: Path, text: str, **said: object) -> Path:
    path.write_text(text)
    path.with_suffix(".toml").write_text("".join(f"{k} = {v!r}\n".replace("'", '"') for k, v in said.items()))
    return path


def rows(step: float, columns: int = 2) -> str:
    values = np.random.default_rng(2).normal(size=(N, columns))
    return "".join(f"{i * step:.4f},{','.join(f'{v:.5f}' for v in row)}\n" for i, row in enumerate(values))


def test_places_in_millimetres_are_asked_about(tmp_path: Path) -> None:
    said = {"kind": "metal", "rate_hz": 100.0, "x_column": "x"}
    assert "another unit" not in read_foreign(table(tmp_path / "m.csv", "x,a,b\n" + rows(0.0025), **said)).note
    far = read_foreign(table(tmp_path / "mm.csv", "x,a,b\n" + rows(2.5), **said))
    assert "metal: records lie 2.5 m apart. Are the places in another unit than m?" in far.note


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"kind": "metal-pi", "gate_times_s": [20.0, 50.0, 100.0]}, "gate_times_s go up to 100 s"),
        ({"kind": "metal-pi", "gate_times_s": [0.02, 0.05, 0.1]}, "gate_times_s go up to 0.1 s"),
        ({"kind": "metal-cw", "frequencies_hz": [2.4, 19.2]}, "frequencies_hz begin at 2.4 Hz"),
        ({"kind": "metal-cw", "frequencies_hz": [24.0, 80.0]}, "of a logger that is faster than the head keep every"),
    ],
)
def test_gates_and_frequencies_in_another_unit_are_refused(tmp_path: Path, said: dict[str, object], why: str) -> None:
    columns = 3 if "gate_times_s" in said else 4
    with pytest.raises(FormatError, match=why):
        read_foreign(table(tmp_path / "a.csv", rows(0.01, columns - 1), rate_hz=100.0, **said))


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "metal-pi", "gate_times_s": [1e-4, 5e-3, 25e-3]},  # of a head for bombs
        {"kind": "metal-cw", "frequencies_hz": [30.0, 90.0, 330.0]},
    ],
)
def test_slow_heads_are_not_held_against_a_rate_that_is_guessed_from_their_step(
    tmp_path: Path, said: dict[str, object]
) -> None:
    columns = 3 if "gate_times_s" in said else 6
    stream = read_foreign(table(tmp_path / "a.csv", rows(0.01, columns - 1), step_m=0.005, **said)).device.stream(0)
    assert stream.rate_hz == 50.0
    assert stream.axis == tuple(said.get("gate_times_s", said.get("frequencies_hz")))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"kind": "metal-pi", "gate_times_s": [20.0, 50.0, 100.0]}, "gate_times_s go up to 100 s, and no gate is so"),
        ({"kind": "metal-cw", "frequencies_hz": [2.4, 19.2]}, "below those of any metal detector. Write them in Hz.$"),
    ],
)
def test_other_units_are_refused_without_a_stated_rate_too(tmp_path: Path, said: dict[str, object], why: str) -> None:
    columns = 3 if "gate_times_s" in said else 4
    with pytest.raises(FormatError, match=why):
        read_foreign(table(tmp_path / "a.csv", rows(0.01, columns - 1), step_m=0.005, **said))


def test_a_table_with_commas_and_points_is_refused_and_its_thousands_are_not_taken_for_ones(tmp_path: Path) -> None:
    text = "a;b\n" + "1,234;0.5\n" * N
    with pytest.raises(FormatError, match="with commas and with points"):
        read_foreign(table(tmp_path / "a.csv", text, kind="metal", rate_hz=100.0))
    words = "a;b;said;day\n" + "1.5;2.5;here, there;2026.11.26\n" * N
    read = read_foreign(table(tmp_path / "b.csv", words, kind="metal", rate_hz=100.0, value_columns=["a", "b"]))
    assert read.block("metal", 0, N).raw[0, 0].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("text", ["a\n" + "1,5\n" * N, "x,a\n" + "0,5,1,7\n" * N])
def test_decimal_commas_that_part_columns_too_are_refused_and_no_decimals_are_lost(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError, match="Where the comma is the decimal sign, part the columns by semicolons"):
        read_foreign(table(tmp_path / "a.csv", text, kind="metal", rate_hz=100.0))


def test_empty_cells_at_the_end_of_lines_are_no_columns(tmp_path: Path) -> None:
    read = read_foreign(table(tmp_path / "a.csv", "a,b\n" + "1.5,2.5,,\n" * N, kind="metal", rate_hz=100.0))
    assert read.block("metal", 0, N).raw[0, 0].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("head", ["", "a;b\n"])
def test_the_mark_that_spreadsheets_begin_a_table_with_costs_no_record_and_no_name(tmp_path: Path, head: str) -> None:
    said = {"value_columns": ["a", "b"]} if head else {}
    text = "\ufeff" + head + "1,5;2,5\n" * N
    read = read_foreign(table(tmp_path / "a.csv", text, kind="metal", rate_hz=100.0, **said))
    assert len(read.block("metal", 0, N)) == N


@pytest.mark.parametrize("head", ["", "x;first, V;second, V\n"])
def test_a_table_with_decimal_commas_is_the_same_table(tmp_path: Path, head: str) -> None:
    said = {"kind": "metal", "rate_hz": 100.0}
    text = rows(0.01)
    plain = read_foreign(table(tmp_path / "a.csv", text, **said)).block("metal", 0, N)
    european = text.replace(",", ";").replace(".", ",")
    read = read_foreign(table(tmp_path / "b.csv", head + european, **said)).block("metal", 0, N)
    assert len(read) == N
    assert (read.raw == plain.raw).all()
