"""Ground that taught a model is known again, whatever its file is called."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from detector.decide.classifier import load_model
from detector.formats.registry import read_foreign
from detector.samples import DeviceDescription
from detector.taught import taught_by

TAUGHT = {"recordings": ["dev04-1.h5", "clay.h5"], "scenes": {"first": 2000, "count": 3, "waves": 2}}


def head(serial: str, firmware: str = "simulated") -> DeviceDescription:
    return DeviceDescription("head", serial, firmware, 1e6, ())


@pytest.mark.parametrize(
    ("stem", "serial"),
    [
        ("dev04", "9"),
        ("dev04-77", "9"),
        ("clay-2", "9"),
        ("renamed", "SIM-dev04-100"),
        ("renamed", "dev04"),
        ("a", "SIM-2002"),
        ("a", "SIM-1002001"),
    ],
)
def test_ground_is_known_by_its_file_and_by_a_simulated_heads_serial(stem: str, serial: str) -> None:
    assert taught_by(TAUGHT, stem, head(serial))


@pytest.mark.parametrize(
    ("stem", "serial", "firmware"),
    [
        ("dev05", "9", "simulated"),
        ("a", "SIM-2003", "simulated"),
        ("a", "SIM-1002002", "simulated"),
        ("a", "SIM-1999", "simulated"),
        ("a", "2002", "simulated"),
        ("a", "2002", "1.4"),
        ("a", "clay", "1.4"),
    ],
)
def test_other_ground_is_not_and_no_real_heads_number_is_a_seed(stem: str, serial: str, firmware: str) -> None:
    assert not taught_by(TAUGHT, stem, head(serial, firmware))
    assert not taught_by({}, stem, head(serial, firmware))


def stored_lane(path: Path, **stated: object) -> Path:
    with h5py.File(path, "w") as f:
        f["ascans"] = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32)
        f.attrs.update({"dt_s": 2e-11, "dx_m": 0.02, "centre_frequency_hz": 1.5e9, **stated})
    return path


@pytest.mark.parametrize("lane", ["dev04", "dev04-3", b"clay"])
def test_a_renamed_copy_of_a_simulated_lane_is_known_by_the_name_that_it_states(tmp_path: Path, lane: object) -> None:
    device = read_foreign(stored_lane(tmp_path / "copy.h5", lane=lane)).device
    assert taught_by(TAUGHT, "copy", device)


@pytest.mark.parametrize("stated", [{}, {"lane": "  "}, {"lane": [1.0, 2.0]}, {"lane": "x" * 1000}, {"lane": "a\x07b"}])
def test_a_lane_that_states_no_name_has_its_files(tmp_path: Path, stated: dict[str, object]) -> None:
    assert read_foreign(stored_lane(tmp_path / "copy.h5", **stated)).device.serial == "copy"


def test_the_shipped_model_knows_the_lanes_that_simulate_makes_first() -> None:
    learned = load_model().provenance
    assert taught_by(learned, "fullwave1", head("fullwave1"))
    assert taught_by(learned, "scene", head("SIM-2005"))
    assert not taught_by(learned, "fullwave201", head("fullwave201"))
    assert not taught_by(learned, "scene", head("SIM-7"))
