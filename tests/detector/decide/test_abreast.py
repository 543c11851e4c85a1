"""Alarms of several antennas over one object, and over two."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.decide.abreast import Abreast, AbreastSettings
from detector.decide.alarm import Alarm
from detector.decide.classifier import Verdict, load_model
from detector.decide.fusion import Fusion, FusionSettings
from detector.detections import FEATURES
from detector.errors import ProfileError
from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.simulate.scene import HeadWish, Scene, dual_scene

STEP_M, PERIOD_S = 0.02, 1e-9
Found = tuple[int, Alarm]


def alarm(row: int, channel: int, score: float, two_way_s: float = 2e-9) -> Found:
    return row, Alarm(
        "radar", channel, row - 3, row, row + 3, 10 * row - 30, 10 * row, 10 * row + 30, 0, STEP_M * row, 0.01, score,
        two_way_s, 0.1, 0.02, np.full(len(FEATURES), np.nan),
    )  # fmt: skip


def joined(found: list[Found], channels: int = 8, **wish: object) -> list[tuple[int, int, int, int]]:
    """Row, antenna, first and last antenna of what comes out."""
    stage = Abreast(AbreastSettings(**wish), channels, STEP_M, PERIOD_S)  # type: ignore[arg-type]
    out = stage.process(found, 10_000) + stage.finish()
    return [(a.peak_seq, a.channel, *a.channels) for a in out]


def test_one_object_under_neighbouring_antennas_is_one_alarm_with_its_extent_across() -> None:
    found = [alarm(100, 3, 4.0), alarm(101, 2, 2.5), alarm(98, 4, 3.0), alarm(102, 1, 1.2)]
    assert joined(found) == [(100, 3, 1, 4)]
    stage = Abreast(AbreastSettings(), 8, STEP_M, PERIOD_S)
    (whole,) = stage.process(found, 10_000)
    assert (whole.first_seq, whole.last_seq, whole.score) == (95, 105, 4.0)


def test_a_second_object_across_keeps_its_alarm_where_the_score_falls_between_them() -> None:
    across = {"across_m": [0.12 * i for i in range(8)]}
    for wish in ({}, across):
        assert joined([alarm(100, 2, 3.0), alarm(100, 3, 1.5), alarm(100, 4, 2.0)], **wish) == [
            (100, 2, 2, 3),
            (100, 4, 4, 4),
        ]
        # no alarm between them: half a metre apart, with nothing in it
        assert len(joined([alarm(100, 2, 3.0), alarm(100, 6, 2.0)], **wish)) == 2


@pytest.mark.parametrize("other", [alarm(107, 3, 2.0), alarm(100, 3, 2.0, 6e-9), alarm(100, 5, 2.0)])
def test_what_is_further_along_or_deeper_or_not_beside_stands_by_itself(other: Found) -> None:
    assert len(joined([alarm(100, 2, 3.0), other])) == 2


def test_what_reaches_across_the_whole_array_is_not_one_place() -> None:
    slope = [alarm(100, c, 9.0 - c) for c in range(8)]
    out = joined(slope)
    assert out[0] == (100, 0, 0, 2)
    assert [c for _, c, _, _ in out[1:]] == [3, 4, 5, 6, 7]
    assert joined(slope, across_m=[0.06 * i for i in range(8)])[0] == (100, 0, 0, 4)  # 0.25 m from the strongest


def test_a_second_object_further_along_or_deeper_is_not_taken_in_by_way_of_what_lies_between() -> None:
    along = [alarm(100, 3, 4.0), alarm(105, 4, 3.0), alarm(110, 3, 2.0)]
    assert joined(along) == [(100, 3, 3, 4), (110, 3, 3, 3)]
    deeper = [alarm(100, 2, 4.0, 2e-9), alarm(100, 3, 3.0, 4e-9), alarm(100, 4, 2.0, 6e-9)]
    assert joined(deeper) == [(100, 2, 2, 3), (100, 4, 4, 4)]


def test_places_across_of_another_head_are_refused_and_neighbours_are_those_in_space() -> None:
    with pytest.raises(ProfileError, match="3 places, the stream 8 antennas"):
        Abreast(AbreastSettings(across_m=(0.0, 0.1, 0.2)), 8, STEP_M, PERIOD_S)
    woven = [0.0, 0.2, 0.1, 0.3]  # antennas 0 and 2 lie side by side
    assert len(joined([alarm(100, 0, 3.0), alarm(100, 2, 2.0)], 4, across_m=woven)) == 1
    assert len(joined([alarm(100, 0, 3.0), alarm(100, 1, 2.0)], 4, across_m=woven)) == 2


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_cut_joins_alike_and_drops_nothing(data: st.DataObject) -> None:
    channels = data.draw(st.integers(1, 6))
    places = data.draw(st.sets(st.tuples(st.integers(0, 60), st.integers(0, channels - 1)), max_size=40))
    scores = data.draw(st.lists(st.integers(10, 20), min_size=len(places), max_size=len(places)))
    found = [alarm(r, c, 0.1 * s) for (r, c), s in zip(sorted(places), scores, strict=True)]

    def run(cuts: list[int]) -> list[tuple[int, int, int, int, float]]:
        stage = Abreast(AbreastSettings(), channels, STEP_M, PERIOD_S)
        out: list[Alarm] = []
        for a, b in zip([0, *cuts], [*cuts, 61], strict=True):
            late = stage.decided
            new = stage.process([f for f in found if a <= f[0] < b], b)
            assert all(late <= n.peak_seq < stage.decided for n in new)
            out += new
        out += stage.finish()
        return [(a.peak_seq, a.channel, *a.channels, a.score) for a in out]

    whole = run([])
    assert run(sorted(data.draw(st.sets(st.integers(1, 60), max_size=12)))) == whole
    assert max(Counter((r, c) for r, c, *_ in whole).values(), default=1) == 1
    for row, a in found:
        # each is an alarm, or lies beside and below one that covers its antenna
        assert any(
            first <= a.channel <= last and abs(r - row) <= 5 and score >= a.score
            for r, _, first, last, score in whole
        )


class _ByFirstFeature:
    """A model that calls alarms clutter whose first feature is below zero; keeps what it was told of the sensors."""

    hash = "none"

    def __init__(self) -> None:
        self.flags: list[tuple[float, float]] = []

    def judge(self, features: np.ndarray, flags: tuple[float, float]) -> Verdict:
        self.flags.append(flags)
        called = "metal-clutter" if features[0] < 0 else "mine-like"
        return Verdict(called, (0.3, 0.4, 0.3), 0.0, 0, (0.0, 0.0))


def _judged(found: list[Found], sensors: frozenset[str], more: tuple[Alarm, ...] = ()) -> list[tuple]:
    """Number, row, antenna, decision and extent of the detections; and what the model was told of the sensors."""
    (place,) = Abreast(AbreastSettings(), 8, STEP_M, PERIOD_S).process(found, 10_000)
    model = _ByFirstFeature()
    fusion = Fusion(FusionSettings(), model, 1000.0, 0.5, sensors, "")  # type: ignore[arg-type]
    fusion.add([place, *more])
    out = fusion.settle(None)
    told = [(d.id, d.radar_peak_seq, d.radar_channel, d.decision, d.antennas) for d in out]
    return [*told, tuple(np.isnan(flags).tolist() for flags in model.flags)]


def _called(row: int, channel: int, score: float, first: float) -> Found:
    at, a = alarm(row, channel, score)
    return at, dataclasses.replace(a, features=np.where(np.arange(len(FEATURES)) == 0, first, a.features))


def test_clutter_lets_go_of_what_lies_beside_it_and_is_not_called_clutter() -> None:
    radar = frozenset({"radar"})
    tin, mine, nail = _called(100, 3, 4.0, -1.0), _called(101, 4, 3.0, 1.0), _called(99, 2, 2.0, -1.0)
    *told, _ = _judged([tin, mine, nail], radar)
    assert told == [(1, 100, 3, "metal-clutter", "2 to 4"), (2, 101, 4, "mine-like", "4")]
    # a place that is dug is dug whole
    *told, _ = _judged([_called(100, 3, 4.0, 1.0), mine], radar)
    assert told == [(1, 100, 3, "mine-like", "3 to 4")]


def _dense(row: int, channel: int, score: float, first: float = np.nan) -> Found:
    at, a = _called(row, channel, score, first)
    return at, dataclasses.replace(a, dense=True)


def test_dense_echoes_take_in_nothing_that_alarms_by_its_own_height_however_sure_they_are() -> None:
    assert joined([alarm(100, 2, 1.2), _dense(101, 3, 4.0)]) == [(100, 2, 2, 3)]
    apart = [alarm(100, 2, 1.2), alarm(100, 4, 1.5)]
    # nor do they lead from one object to another
    assert [(*a[:2],) for a in joined([*apart, _dense(100, 3, 4.0)])] == [(100, 2), (100, 4)] == [
        (*a[:2],) for a in joined(apart)
    ]  # fmt: skip
    assert joined([_dense(100, 2, 1.2), _dense(101, 3, 4.0)]) == [(101, 3, 2, 3)]


def test_what_is_called_clutter_lets_go_of_dense_echoes_beside_it() -> None:
    *told, _ = _judged([_called(100, 3, 4.0, -1.0), _dense(101, 4, 9.0)], frozenset({"radar"}))
    assert told == [(1, 100, 3, "metal-clutter", "3 to 4"), (2, 101, 4, "unknown", "4")]


def test_a_metal_alarm_belongs_to_the_radar_alarm_that_stands_out_and_not_to_dense_echoes_nearer_to_it() -> None:
    stands, dense = alarm(100, 0, 2.0)[1], _dense(104, 0, 9.0)[1]
    metal = dataclasses.replace(alarm(104, 0, 3.0)[1], sensor="metal")

    def pairs(*found: Alarm) -> list[tuple[int, int]]:
        fusion = Fusion(FusionSettings(), load_model(), 1000.0, 0.5, frozenset({"radar", "metal"}), "")
        fusion.add(list(found))
        return sorted((d.radar_peak_seq, d.metal_peak_seq) for d in fusion.settle(None))

    assert pairs(stands, metal) == [(100, 104)]
    assert pairs(stands, dense, metal) == [(100, 104), (104, -1)]
    assert pairs(dense, metal) == [(104, 104)]


def test_what_clutter_lets_go_of_is_not_told_that_the_metal_detector_was_silent_where_it_was_not() -> None:
    both = frozenset({"radar", "metal"})
    found = [_called(100, 3, 4.0, -1.0), _called(101, 4, 3.0, 1.0)]
    *told, flags = _judged(found, both)
    assert [d[3] for d in told] == ["metal-clutter", "mine-like"]
    assert flags == ([False, False], [False, False])
    at = found[0][1]
    metal = dataclasses.replace(at, sensor="metal", channel=0, features=np.full(len(FEATURES), np.nan))
    *told, flags = _judged(found, both, (metal,))
    assert [d[3] for d in told] == ["metal-clutter", "mine-like"]
    assert flags == ([False, False], [False, True])


@pytest.fixture(scope="module")
def array() -> Scene:
    return dual_scene(20_260, sensors="radar", wish=HeadWish(antennas=5))


def test_an_array_over_simulated_objects_alarms_once_a_place_and_loses_none(array: Scene) -> None:
    model = load_model()
    profile = load_profile("vehicle-array")
    apart = profile.model_copy(update={"radar_abreast": AbreastSettings(reach_antennas=0)})
    block = array.blocks[0]

    def found(p: object, cuts: int = 1) -> list[Alarm]:
        pipeline = Pipeline(array.device, p, model)  # type: ignore[arg-type]
        size = -(-len(block) // cuts)
        outputs = [pipeline.process(block[i : i + size]) for i in range(0, len(block), size)]
        return [a for o in (*outputs, pipeline.finish()) for a in o.alarms]

    before, after = found(apart), found(profile)
    assert 2 <= len(after) < len(before)
    assert any(a.channels[0] < a.channels[1] for a in after)
    for b in before:
        assert any(
            a.channels[0] <= b.channel <= a.channels[1] and abs(a.x_m - b.x_m) <= 0.25 and a.score >= b.score
            for a in after
        )
    told = [dataclasses.astuple(dataclasses.replace(a, features=a.features.tobytes())) for a in after]  # type: ignore[arg-type]
    again = [dataclasses.astuple(dataclasses.replace(a, features=a.features.tobytes())) for a in found(profile, 37)]  # type: ignore[arg-type]
    assert repr(again) == repr(told)
