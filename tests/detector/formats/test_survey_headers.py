"""Headers of survey radars as they are met: other case, no frequency, a wheel that was not used, a file cut off."""

from __future__ import annotations

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
