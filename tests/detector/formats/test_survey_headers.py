"""Headers of survey radars as they are met: other case, no frequency, a wheel that was not used, a file cut off."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from detector.formats.registry import read_foreign


def mala(tmp_path: Path, made: SimpleNamespace, *changes: tuple[str, str], lower: bool = False):
    made.mala(tmp_path / "a.rd3", n=40, nsamp=64)
    header = tmp_path / "a.rad"
    text = header.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    header.write_text(text.lower() if lower else text)
    return read_foreign(tmp_path / "a.rd3")


def test_a_mala_header_may_be_in_any_case(tmp_path: Path, made: SimpleNamespace) -> None:
    assert mala(tmp_path, made, lower=True).device.streams == mala(tmp_path, made).device.streams


def test_a_mala_antenna_without_its_unit_is_measured_and_said(tmp_path: Path, made: SimpleNamespace) -> None:
    r = mala(tmp_path, made, ("1.2 GHz shielded", "500 shielded"))
    assert r.device.streams[0].centre_frequency_hz > 0
    assert "'500 shielded' does not say its frequency" in r.note


def test_a_mala_wheel_that_turned_backwards_places_from_the_first_trace(tmp_path: Path, made: SimpleNamespace) -> None:
    r = mala(tmp_path, made, ("INTERVAL:0.02", "INTERVAL:-0.02"))
    assert np.allclose(r.blocks[0].odometer_m, 0.02 * np.arange(40))
    assert "backwards" in r.note


def test_a_mala_wheel_that_was_not_used_places_nothing(tmp_path: Path, made: SimpleNamespace) -> None:
    r = mala(tmp_path, made, ("FREQUENCY:", "DISTANCE FLAG:0\r\nTIME FLAG:1\r\nFREQUENCY:"))
    assert r.device.streams[0].step_m == 0.0
    assert np.isnan(r.blocks[0].odometer_m).all()


@pytest.mark.parametrize(("scans_per_m", "step_m", "said"), [
    (-50.0, 0.02, "counts backwards"), (50.0, 0.02, ""), (0.0, 0.0, "no scans per metre")
])  # fmt: skip
def test_a_gssi_wheel_may_turn_backwards_or_be_missing_and_is_told(
    tmp_path: Path, made: SimpleNamespace, scans_per_m: float, step_m: float, said: str
) -> None:
    path = tmp_path / "a.dzt"
    made.dzt(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<f", data, 14, scans_per_m)
    path.write_bytes(data)
    r = read_foreign(path)
    assert r.device.streams[0].step_m == step_m
    n = len(r.blocks[0])
    assert np.allclose(r.blocks[0].odometer_m, step_m * np.arange(n) if step_m else np.nan, equal_nan=True)
    assert said in r.note
    assert bool(said) == ("backwards" in r.note or "place nothing" in r.note)


def test_positions_of_a_dt1_that_count_backwards_stay_as_they_are_and_are_told(
    tmp_path: Path, made: SimpleNamespace
) -> None:
    path = tmp_path / "a.dt1"
    made.dt1(path)
    forth = read_foreign(path)
    data = bytearray(path.read_bytes())
    n = len(forth.blocks[0])
    places = [struct.unpack_from("<f", data, i * (len(data) // n) + 4)[0] for i in range(n)]
    for i, place in enumerate(reversed(places)):
        struct.pack_into("<f", data, i * (len(data) // n) + 4, place)
    path.write_bytes(data)
    back = read_foreign(path)
    assert np.array_equal(back.blocks[0].odometer_um, forth.blocks[0].odometer_um[::-1])
    assert "count backwards" in back.note
    assert "backwards" not in forth.note


@pytest.mark.parametrize("kind", ["dzt", "dt1", "mala", "segy"])
def test_a_file_that_ends_in_the_middle_of_a_trace_says_so(tmp_path: Path, made: SimpleNamespace, kind: str) -> None:
    path = tmp_path / {"dzt": "a.dzt", "dt1": "a.dt1", "mala": "a.rd3", "segy": "a.sgy"}[kind]
    getattr(made, kind)(path)
    whole = read_foreign(path)
    path.write_bytes(path.read_bytes()[:-3])
    cut = read_foreign(path)
    assert "cut off" in cut.note
    assert "cut off" not in whole.note
    n = len(cut.blocks[0])
    assert n == len(whole.blocks[0]) - 1
    assert np.array_equal(cut.blocks[0].raw, whole.blocks[0].raw[:n])
