"""Ground that taught a model is known again, whatever its file is called."""

from __future__ import annotations

import pytest

from detector.decide.classifier import load_model
from detector.samples import DeviceDescription
from detector.score.taught import taught_by

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
        ("a", "2002", "1.4"),
        ("a", "clay", "1.4"),
    ],
)
def test_other_ground_is_not_and_no_real_heads_number_is_a_seed(stem: str, serial: str, firmware: str) -> None:
    assert not taught_by(TAUGHT, stem, head(serial, firmware))
    assert not taught_by({}, stem, head(serial, firmware))


def test_the_shipped_model_knows_the_lanes_that_simulate_makes_first() -> None:
    learned = load_model().provenance
    assert taught_by(learned, "fullwave1", head("fullwave1"))
    assert taught_by(learned, "scene", head("SIM-2005"))
    assert not taught_by(learned, "fullwave201", head("fullwave201"))
    assert not taught_by(learned, "scene", head("SIM-7"))
