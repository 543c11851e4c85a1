"""Truth files: what an organiser can write, what is refused, and the seal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.detections import LabelClass
from detector.errors import TruthError
from detector.score.seal import check_seal, seal
from detector.score.truth_file import LABELS, Truth, read_truth, truth_to_json

CSV = """lane,label,kind,x_m,depth_m,diameter_m,metal,soil,width_m
A1,mine,PMA-2,1.25,0.05,0.07,yes,clay,1.0
A1,nonmetal-clutter,stone,2.5,,0.2,,clay,1.0
A2,empty,,,,,,,
"""


def written(tmp_path: Path, text: str | bytes, name: str = "truth.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_plain_csv_is_enough(tmp_path: Path) -> None:
    t = read_truth(written(tmp_path, CSV))
    assert set(t.lanes) == {"A1", "A2"}
    mine, stone = t.lanes["A1"].objects
    assert (mine.label, mine.kind, mine.x_m, mine.depth_m) == (LabelClass.MINE, "PMA-2", 1.25, 0.05)
    assert mine.half_extent_m == pytest.approx(0.035)
    assert mine.contains_metal
    assert not stone.contains_metal
    assert stone.depth_m != stone.depth_m
    assert (t.lanes["A1"].soil, t.lanes["A1"].width_m) == ("clay", 1.0)
    assert t.lanes["A2"].objects == ()


def test_a_spreadsheet_of_a_country_with_decimal_commas_says_the_same(tmp_path: Path) -> None:
    european = "\ufeff" + CSV.replace(",", ";").replace("1.25", "1,25").replace("0.05", "0,05").replace("\n", "\r\n")
    assert read_truth(written(tmp_path, european)).lanes["A1"].objects[0].x_m == 1.25


def test_json_holds_the_same_and_comes_back_whole(tmp_path: Path) -> None:
    t = read_truth(written(tmp_path, CSV))
    again = read_truth(written(tmp_path, json.dumps(truth_to_json(t)), "t.json"))
    assert repr(again) == repr(t)


def test_records_place_what_has_no_odometer(tmp_path: Path) -> None:
    text = "lane,label,stream,first_record,last_record\nmap,mine,metal,10,40\n"
    o = read_truth(written(tmp_path, text)).lanes["map"].objects[0]
    assert (o.first_seq, o.last_seq, o.stream) == (10, 40, "metal")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("label,kind", "lable,kind"), "label"),
        (("A1,mine", "A1,Mine"), "'Mine'"),
        (("1.25", "1.25 m"), "x_m"),
        (("1.25", "nan"), "x_m"),
        (("1.25", ""), "x_m"),
        (("1.25", "1e9"), "x_m"),
        (("0.07,yes", "-0.07,yes"), "diameter_m"),
        (("0.07,yes", "0.07,perhaps"), "metal"),
        (("A1,nonmetal", ",nonmetal"), "lane"),
        (("A2,empty,,,,,,,", "A1,empty,,,,,,,"), "empty"),
        (("clay,1.0\nA2", "clay,2.0\nA2"), "width_m"),
        (("clay,1.0\nA2", "clay,1.0,more\nA2"), "line 3"),
        (("lane,label,kind", "lane,lane,kind"), "columns"),
        ((",clay,1.0\nA1,n", ',"clay,1.0\nA1,n'), "CSV"),
    ],
)
def test_what_cannot_be_understood_is_refused_and_not_guessed(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    assert change[0] in CSV
    with pytest.raises(TruthError, match=words):
        read_truth(written(tmp_path, CSV.replace(*change, 1)))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"format": "groundsweep-truth", "version": 1, "lanes": {"A": {}}}',
        '{"format": "groundsweep-truth", "version": 1, "lanes": {"A": {"objects": [1]}}}',
        '{"format": "groundsweep-truth", "version": 1, "lanes": {"A": {"objects": []}, "A": {"objects": []}}}',
        '{"format": "groundsweep-truth", "version": 2, "lanes": {}}',
        '{"format": "groundsweep-truth", "version": 1, "lanes": {"A": {"objects": [{"label": "mine", "x_m": true}]}}}',
        '{"format": "groundsweep-truth", "version": 1, "lanes": {"A": {"objects": [{"label": "mine", "x_m": 1e999}]}}}',
        '{"format": "groundsweep-truth", "version": 1, "lanes": {"A": {"objects": [{"label": ["mine"], "x_m": 1}]}}}',
        '{"format": "groundsweep-truth", "version": 1, "lanes": {"\\ud800": {"objects": []}}}',
        "[" * 100_000,
    ],
)
def test_json_that_is_no_truth_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TruthError):
        read_truth(written(tmp_path, text, "t.json"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    for name, content in (("t.xlsx", b"PK"), ("t.csv", b"\xff\xfe\x00"), ("t.csv", b""), ("t.json", b"\x00")):
        with pytest.raises(TruthError):
            read_truth(written(tmp_path, content, name))
    with pytest.raises(TruthError, match=r"none\.csv"):
        read_truth(tmp_path / "none.csv")


cells = st.sampled_from(["", "1", "-1", "1e400", "nan", "mine", "empty", "A1", '"', "\x00", "ä", "1;2", "9" * 400])
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=6) | st.sampled_from([*LABELS, "empty"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["label", "x_m", "metal"]), inner),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(cells, min_size=9, max_size=9), max_size=4), objects=st.lists(values, max_size=3))
def test_whatever_is_in_a_truth_file_it_is_read_or_refused(
    tmp_path: Path, rows: list[list[str]], objects: list
) -> None:
    head = CSV.split("\n", 1)[0]
    data = {"format": "groundsweep-truth", "version": 1, "lanes": {"A": {"objects": objects}}}
    for name, text in (
        ("t.csv", "\n".join([head, *(",".join(r) for r in rows)])),
        ("t.json", json.dumps(data)),
    ):
        try:
            t = read_truth(written(tmp_path, text.encode("utf-8", "surrogatepass"), name))
        except TruthError:
            continue
        for lane in t.lanes.values():
            for o in lane.objects:
                assert (o.x_m == o.x_m) != (o.first_seq >= 0)
        assert repr(read_truth(written(tmp_path, json.dumps(truth_to_json(t)), "again.json"))) == repr(t)


def test_a_seal_opens_only_with_the_same_truth_and_salt(tmp_path: Path) -> None:
    t = replace(read_truth(written(tmp_path, CSV)), salt="0123")
    lines = CSV.splitlines()
    reordered = "\n".join([lines[0], lines[3], lines[2], lines[1]])
    assert seal(replace(read_truth(written(tmp_path, reordered)), salt="0123")) == seal(t)
    assert seal(replace(t, salt="0124")) != seal(t)
    for old, new in (("1.25", "1.26"), ("PMA-2", "PMA-3"), ("clay", "sand"), (",1.0", ",2.0"), ("A2", "A3")):
        assert seal(replace(read_truth(written(tmp_path, CSV.replace(old, new))), salt="0123")) != seal(t)


def test_only_the_sealed_truth_passes(tmp_path: Path) -> None:
    t = replace(read_truth(written(tmp_path, CSV)), salt="ab")
    check_seal(t, f" {seal(t).upper()} ", "t")
    with pytest.raises(TruthError, match="not the truth that was sealed"):
        check_seal(Truth({**t.lanes, "A3": t.lanes["A2"]}, "ab"), seal(t), "t")
    with pytest.raises(TruthError, match="no salt"):
        check_seal(replace(t, salt=""), seal(t), "t")
    with pytest.raises(TruthError, match="64"):
        check_seal(t, "abc", "t")
