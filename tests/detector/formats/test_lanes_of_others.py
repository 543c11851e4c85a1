"""Lanes as somebody else writes them: fewer attributes, other words in the truth, places that contradict a step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from detector.detections import LabelClass
from detector.errors import FormatError
from detector.formats.foreign import ForeignRecording
from detector.formats.lane_truth import NOTHING_THERE
from detector.formats.registry import read_foreign
from detector.score.trial import soil_of

N, M, DT, STEP = 12, 64, 1e-11, 0.02
ASCANS = np.random.default_rng(0).normal(size=(N, M)).astype("f4")
FULL: dict[str, Any] = {"dt_s": DT, "dx_m": STEP, "centre_frequency_hz": 1.5e9, "soil": "damp_sand: Peplinski, 5 %"}


PLACES = STEP * np.arange(N)


def lane(
    path: Path, drop: str = "", truth: Any = None, ascans: np.ndarray = ASCANS, x_m: Any = PLACES, **said: Any
) -> ForeignRecording:
    with h5py.File(path, "w") as f:
        f["ascans"] = ascans
        if x_m is not None:
            f["x_m"] = x_m
        f.attrs.update({k: v for k, v in {**FULL, **said}.items() if k != drop})
    if truth is not None:
        path.with_suffix(".json").write_text(json.dumps(truth))
    return read_foreign(path)


def objects(tmp_path: Path, **thing: Any) -> Any:
    return lane(tmp_path / "a.h5", truth={"objects": [{"x_m": 0.1, **thing}]}).truth()[0]


@pytest.mark.parametrize("drop", ["soil", "centre_frequency_hz", "dx_m"])
def test_a_lane_needs_no_more_than_samples_their_interval_and_places(tmp_path: Path, drop: str) -> None:
    r = lane(tmp_path / "a.h5", drop)
    (s,) = r.device.streams
    assert np.array_equal(r.blocks[0].raw[:, 0], ASCANS)
    assert np.allclose(r.blocks[0].odometer_m, STEP * np.arange(N))
    assert s.step_m == pytest.approx(STEP)
    assert ("spectrum" in r.note) == (drop == "centre_frequency_hz") == (s.centre_frequency_hz != 1.5e9)
    assert soil_of(r.note) == ("" if drop == "soil" else "damp_sand")


def test_without_places_they_are_counted_by_the_step_and_without_both_refused(tmp_path: Path) -> None:
    r = lane(tmp_path / "a.h5", x_m=None)
    assert np.allclose(r.blocks[0].odometer_m, STEP * np.arange(N))
    assert "counted" in r.note
    with pytest.raises(FormatError, match="neither where"):
        lane(tmp_path / "b.h5", "dx_m", x_m=None)
    with pytest.raises(FormatError, match="dt_s"):
        lane(tmp_path / "c.h5", "dt_s")


def test_places_go_before_a_step_that_contradicts_them_and_it_is_said(tmp_path: Path) -> None:
    r = lane(tmp_path / "a.h5", dx_m=0.5)
    assert r.device.streams[0].step_m == pytest.approx(STEP)
    assert "dx_m says 0.5 m" in r.note
    assert "dx_m says" not in lane(tmp_path / "b.h5").note


def test_places_that_do_not_move_are_no_places(tmp_path: Path) -> None:
    r = lane(tmp_path / "a.h5", x_m=np.zeros(N))
    assert np.isnan(r.blocks[0].odometer_m).all()
    assert "does not move" in r.note


def test_ascans_in_columns_are_the_same_lane(tmp_path: Path) -> None:
    r = lane(tmp_path / "a.h5", ascans=ASCANS.T)
    assert np.array_equal(r.blocks[0].raw[:, 0], ASCANS)
    assert "columns" in r.note


@pytest.mark.parametrize(
    ("said", "label"),
    [("mine", "mine"), ("Mine", "mine"), ("LANDMINE", "mine"), ("AP_mine", "mine"), ("AT", "mine"), ("UXO", "erw"),
     ("Clutter", "metal-clutter"), ("non-mine", "metal-clutter"), ("nonmetal-clutter", "nonmetal-clutter"),
     ("Non-metal clutter", "nonmetal-clutter"), ("stone", "metal-clutter")],
)  # fmt: skip
def test_a_mine_is_a_mine_in_anybodys_words(tmp_path: Path, said: str, label: str) -> None:
    assert objects(tmp_path, **{"class": said}).label == LabelClass(label)


@pytest.mark.parametrize("said", ["target", "mine-like clutter", "", None, 3])
def test_a_class_that_is_neither_is_refused_and_not_counted_as_clutter(tmp_path: Path, said: Any) -> None:
    with pytest.raises(FormatError, match="neither a mine nor clutter"):
        objects(tmp_path, **{"class": said})


@pytest.mark.parametrize(("said", "metal"), [("false", False), (False, False), ("Yes", True), (1, True), (None, True)])
def test_metal_is_read_and_not_the_truth_of_a_word(tmp_path: Path, said: Any, metal: bool) -> None:
    o = objects(tmp_path, **{"class": "clutter", "metal": said})
    assert o.contains_metal is metal
    assert o.label == (LabelClass.METAL_CLUTTER if metal else LabelClass.NONMETAL_CLUTTER)


def test_what_is_not_known_of_an_object_stays_unknown(tmp_path: Path) -> None:
    o = objects(tmp_path, **{"class": "mine"})
    assert (o.half_extent_m, o.kind) == (0.0, "mine")
    assert np.isnan(o.depth_m)
    wrong: list[dict[str, Any]] = [{"width_m": "10 cm"}, {"width_m": -1}, {"depth_m": float("inf")}, {"x_m": None}]
    for spoilt in (*wrong, {"metal": "perhaps"}):
        with pytest.raises(FormatError):
            objects(tmp_path, **{"class": "mine", **spoilt})


def test_no_truth_is_another_thing_than_a_truth_of_nothing(tmp_path: Path) -> None:
    assert NOTHING_THERE not in lane(tmp_path / "a.h5").note
    assert NOTHING_THERE in lane(tmp_path / "b.h5", truth={"objects": []}).note
    assert NOTHING_THERE in lane(tmp_path / "c.h5", truth=[]).note
    with pytest.raises(FormatError, match="no list"):
        lane(tmp_path / "d.h5", truth={"things": []})


def test_labels_that_name_a_file_and_no_echo_state_that_there_is_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ASCANS)
    (tmp_path / "a.json").write_text(json.dumps({"kind": "radar", "sampling_interval_s": DT, "step_m": STEP}))
    assert NOTHING_THERE not in read_foreign(tmp_path / "a.npy").note
    (tmp_path / "labels.json").write_text(json.dumps({"a.npy": {"kind": "eye", "targets": []}}))
    assert NOTHING_THERE in read_foreign(tmp_path / "a.npy").note
