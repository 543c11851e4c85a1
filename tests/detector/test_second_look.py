"""The second look at radar candidates: what it may change, what it never does, and how it is learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detector.collected import Collected, collect, decided
from detector.continuing import lessons
from detector.decide.alarm import Alarm, Tail
from detector.decide.classifier import Model, load_model, model_from, model_text
from detector.decide.second_look import BOUND, LOOK_FEATURES, MOST_WEIGHT, SecondLook, second_look_from
from detector.decide.training import untrained
from detector.detections import FEATURES, detection_table
from detector.errors import ModelError
from detector.looking_again import look_again, looked
from detector.pipeline import Pipeline
from detector.profile import Profile, load_profile
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, SampleBlock
from detector.segment import Tapped
from detector.simulate.scene import Scene, dual_scene

pytest.importorskip("sklearn", reason="scikit-learn is not installed (pip install 'groundsweep[train]')")

PROFILE = load_profile("handheld-dual")
WITHOUT = PROFILE.model_copy(update={"radar_second_look": PROFILE.radar_second_look.model_copy(update={"use": "no"})})
COPIES = 24


@pytest.fixture(scope="module")
def scene() -> Scene:
    return dual_scene(20_252, sensors="radar")


@pytest.fixture(scope="module")
def collected(scene: Scene) -> Collected:
    lane = collect("scene", scene.device, scene.blocks, scene.truth, PROFILE, scene=True)
    assert lane is not None
    return lane


@pytest.fixture(scope="module")
def lanes(collected: Collected) -> list[Collected]:
    """As many lanes as it takes to learn from: the same one over and over, its features and scores shaken."""
    rng = np.random.default_rng(5)
    spread = np.std([a.features for a in collected.alarms], axis=0)

    def shaken(a: Alarm) -> Alarm:
        features = a.features + 0.3 * spread * rng.normal(size=len(spread))
        return replace(a, score=a.score + 0.2 * rng.normal(), features=features)

    return [replace(collected, place=f"p{i}", alarms=tuple(shaken(a) for a in collected.alarms)) for i in range(COPIES)]


@pytest.fixture(scope="module")
def learned(lanes: list[Collected]) -> dict:
    look, told, seen = look_again(lanes)
    assert look is not None
    return {"look": look, "told": told, "seen": seen}


@pytest.fixture(scope="module")
def looking(learned: dict) -> Model:
    """A model with that look, and a threshold at which many peaks are candidates and some alarm."""
    look = second_look_from({**learned["look"], "weight": MOST_WEIGHT})
    return replace(load_model(), second_look=replace(look, tail=Tail(2.2, 0.5, 0.2)))


def look_of(model: Model) -> SecondLook:
    assert model.second_look is not None
    return model.second_look


def run(
    device: DeviceDescription, blocks: list[SampleBlock], model: Model, profile: Profile = PROFILE
) -> tuple[list[Alarm], bytes, np.ndarray]:
    """Alarms, detections to the bit, and the radar's score along the lane as (n, 2): record, score."""
    pipeline = Pipeline(device, profile, model)
    trace: list[np.ndarray] = []

    def watch(t: Tapped) -> None:
        trace.append(np.column_stack((t.seq, t.values.reshape(len(t.seq), -1).max(axis=1))))

    pipeline.tap("radar.score", watch)
    outputs = [*map(pipeline.process, blocks), pipeline.finish()]
    alarms = [a for o in outputs for a in o.alarms]
    return alarms, detection_table([d for o in outputs for d in o.detections]).tobytes(), np.concatenate(trace)


def told(alarms: list[Alarm]) -> list[tuple]:
    return [(a.sensor, a.first_seq, a.peak_seq, a.last_seq, a.score, a.features.tobytes()) for a in alarms]


def test_both_together_rank_held_out_places_better_than_the_score_alone(learned: dict) -> None:
    area = learned["told"]["auc_object_bare_held_out"]
    assert area["both"] > area["score"]
    assert 0.0 < learned["look"]["weight"] <= MOST_WEIGHT


def test_learning_repeats_to_the_bit_and_is_stored_whole(lanes: list[Collected], learned: dict) -> None:
    again, _, seen = look_again(lanes)
    assert again == learned["look"]
    assert [a.score for c in seen for a in c.alarms] == [a.score for c in learned["seen"] for a in c.alarms]
    data = {**untrained(load_model().tails), "second_look": again}
    stored = model_from(json.loads(model_text(data)), "stored")
    assert look_of(stored).stored == again
    assert stored.hash != model_from(untrained(load_model().tails), "bare").hash


def test_the_threshold_stands_on_looks_of_forests_that_never_saw_the_place(
    lanes: list[Collected], learned: dict
) -> None:
    look = second_look_from(learned["look"])
    clean = [(a, b) for c, d in zip(lanes, learned["seen"], strict=True)
             for a, b in zip(c.alarms, d.alarms, strict=True) if c.is_clean(a.x_m)]  # fmt: skip
    own = np.array([a.score + look.shift(a.features) for a, _ in clean])
    held = np.array([b.score for _, b in clean])
    # the forest that is kept knows these very peaks and votes them down further
    assert held.mean() > own.mean()
    metres = sum(c.clean_m for c in lanes)
    for rate in (0.2, 0.1):
        assert np.count_nonzero(held > look.tail.threshold(rate)) / metres <= 1.5 * rate


def test_lanes_that_the_look_knows_are_learned_from_further_as_if_it_did_not(
    lanes: list[Collected], learned: dict, looking: Model
) -> None:
    look = second_look_from(learned["look"])
    knows = replace(looking, second_look=look)

    def scores(of: Sequence[Collected]) -> list[float]:
        return [a.score for c in of for a in c.alarms]

    base, known, new = lanes[:-1], replace(lanes[-1], lane="known"), replace(lanes[0], lane="new", place="elsewhere")
    taught = lessons(knows, base, [new, known], PROFILE, frozenset({"known"}))
    # as the training itself saw what it learned from, to the bit, and what is new as it will be seen
    assert scores([*taught.base, taught.labelled[1]]) == scores(learned["seen"])
    assert scores(taught.labelled[:1]) == scores(looked([new], look))
    # its own words on what it knows would be more sure of themselves
    bare = [
        [s.score - a.score for c, d in zip(base, of, strict=True)
         for a, s in zip(c.alarms, d.alarms, strict=True) if c.is_clean(a.x_m)]
        for of in (looked(base, look), taught.base)
    ]  # fmt: skip
    assert np.mean(bare[0]) < np.mean(bare[1])


def test_with_too_few_lanes_to_look_at_afresh_the_look_is_its_own_and_that_is_told(
    lanes: list[Collected], looking: Model
) -> None:
    taught = lessons(looking, lanes[:2], [], PROFILE)
    assert "too few" in taught.told
    assert list(taught.base) == looked(lanes[:2], look_of(looking))
    assert lessons(replace(looking, second_look=None), lanes[:2], [], PROFILE).base == tuple(lanes[:2])
    assert lessons(looking, lanes[:2], [], WITHOUT).base == tuple(lanes[:2])


def test_with_too_little_to_learn_from_the_score_stands_alone(lanes: list[Collected]) -> None:
    look, why, seen = look_again(lanes[:3])
    assert look is None
    assert "fewer than" in why["why_none"]
    assert seen == lanes[:3]


@pytest.mark.parametrize(
    "damage",
    [{"weight": 0.31}, {"weight": float("nan")}, {"tail": {"level": 1.0}}, {"classes": ["mine"]}, {"part": {}}],
)
def test_a_damaged_look_is_refused(learned: dict, damage: dict) -> None:
    data = {**untrained(load_model().tails), "second_look": {**learned["look"], **damage}}
    with pytest.raises(ModelError):
        model_from(data, "damaged")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(features=arrays(np.float64, len(FEATURES), elements=st.floats(-1e6, 1e6) | st.just(np.nan)))
def test_no_look_moves_a_score_by_more_than_its_reach(looking: Model, features: np.ndarray) -> None:
    look = look_of(looking)
    assert look.reach == look.weight * BOUND <= 0.9
    assert abs(look.shift(features)) <= look.reach


def test_what_the_model_does_not_know_loses_nothing(looking: Model, collected: Collected) -> None:
    look = look_of(looking)
    beyond = replace(look, part=replace(look.part, novelty_limit=1e-6))
    moved = {"up": 0, "down": 0}
    for a in collected.alarms:
        known = look.shift(a.features)
        assert beyond.shift(a.features) == max(known, 0.0)
        unseen = a.features.copy()
        unseen[[FEATURES.index(f) for f in LOOK_FEATURES[:30]]] = np.nan
        assert look.shift(unseen) >= 0.0
        moved["up"] += known > 0.0
        moved["down"] += known < 0.0
    assert min(moved.values()) >= 3


def test_neither_depth_nor_height_of_the_peak_count_in_the_look(looking: Model, collected: Collected) -> None:
    for a in collected.alarms:
        deeper = a.features.copy()
        for name in ("radar_score", "radar_two_way_ns", "radar_two_way_periods", "radar_velocity_m_per_ns"):
            deeper[FEATURES.index(name)] *= 2.0
        assert look_of(looking).shift(deeper) == look_of(looking).shift(a.features)


def test_peaks_are_voted_up_and_down_but_no_further_than_stated(
    scene: Scene, collected: Collected, looking: Model
) -> None:
    voted = {"up": 0, "down": 0}
    for level in (2.0, 2.5, 3.0, 4.0, 5.0):
        look = replace(look_of(looking), tail=Tail(level, 0.5, 0.2))
        threshold = look.tail.threshold(PROFILE.radar_alarm.false_alarms_per_m)
        alarms, _, _ = run(scene.device, list(scene.blocks), replace(looking, second_look=look))
        score = {a.peak_seq: a.score * threshold for a in alarms}
        for peak in collected.alarms:
            moved = peak.score + look.shift(peak.features)
            assert (peak.peak_seq in score) == (moved >= threshold)
            if peak.score >= threshold + look.reach:
                assert peak.peak_seq in score
            if peak.peak_seq in score:
                assert score[peak.peak_seq] == pytest.approx(moved)
            voted["up"] += peak.score < threshold <= moved
            voted["down"] += moved < threshold <= peak.score
    assert voted["up"] >= 1
    assert voted["down"] >= 1


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 200))
def test_any_cut_gives_the_same_alarms_and_the_same_score_along_the_lane(
    scene: Scene, looking: Model, size: int
) -> None:
    radar = scene.blocks[0][:400]
    alarms, detections, trace = run(scene.device, [radar], looking)
    again = run(scene.device, [radar[i : i + size] for i in range(0, len(radar), size)], looking)
    assert len(alarms) >= 1
    assert told(again[0]) == told(alarms)
    assert again[1] == detections
    np.testing.assert_array_equal(again[2], trace)


def test_the_score_that_is_watched_is_the_score_that_met_the_threshold(scene: Scene, looking: Model) -> None:
    alarms, _, trace = run(scene.device, list(scene.blocks), looking)
    assert trace[:, 0].tolist() == scene.blocks[0].seq.tolist()
    at = {int(seq): score for seq, score in trace}
    for a in alarms:
        assert at[a.peak_seq] == pytest.approx(a.score)
    high = trace[trace[:, 1] >= 1.0, 0]
    # a peak that was voted down does not show as one: what is above the threshold belongs to an alarm
    near = 2 * round(PROFILE.radar_alarm.radius_m / scene.device.streams[0].step_m)
    assert all(min(abs(seq - a.peak_seq) for a in alarms) <= near for seq in high)


def test_of_alarms_joined_across_antennas_the_lower_stands_where_the_higher_is_voted_down(
    collected: Collected, looking: Model
) -> None:
    """Lanes are collected without a look: there the higher had taken the lower in."""
    look = looking.second_look
    assert look is not None
    votes = SimpleNamespace(tail=look.tail, reach=0.5, shift=lambda f: 0.5 * np.sign(f[0]))
    threshold = look.tail.threshold(PROFILE.radar_alarm.false_alarms_per_m)
    a = next(a for a in collected.alarms if a.sensor == "radar")

    def seen(channel: int, above: float, vote: float) -> Alarm:
        features = np.where(np.arange(len(FEATURES)) == 0, vote, a.features)
        return replace(a, channel=channel, score=threshold + above, features=features)

    def antennas(vote: float, *members: Alarm) -> list[int]:
        lane = replace(collected, alarms=(replace(seen(2, 0.3, vote), members=members),))
        return [d.radar_channel for d in decided(lane, replace(looking, second_look=votes), PROFILE)]  # type: ignore[arg-type]

    assert antennas(-1.0, seen(1, 0.2, 1.0), seen(3, 0.1, -1.0)) == [1]
    assert antennas(-1.0) == []
    assert antennas(1.0) == [2]


def test_a_collected_lane_is_decided_as_a_lane_that_is_run(scene: Scene, collected: Collected, looking: Model) -> None:
    pipeline = Pipeline(scene.device, PROFILE, looking)
    live = [d for o in [*map(pipeline.process, scene.blocks), pipeline.finish()] for d in o.detections]
    from_collected = decided(collected, looking, PROFILE)
    assert [(d.x_m, d.decision) for d in from_collected] == [(d.x_m, d.decision) for d in live]
    np.testing.assert_allclose([d.score for d in from_collected], [d.score for d in live])


def test_a_profile_that_does_not_look_again_decides_as_a_model_that_never_learned_to(
    scene: Scene, looking: Model
) -> None:
    bare = replace(looking, second_look=None)
    assert run(scene.device, list(scene.blocks), looking, WITHOUT)[0] != []
    a, b = (run(scene.device, list(scene.blocks), m, WITHOUT) for m in (looking, bare))
    assert told(a[0]) == told(b[0])
    np.testing.assert_array_equal(a[2], b[2])


def test_the_metal_detector_is_never_touched(recordings: Path, looking: Model) -> None:
    with open_recording(recordings / "lane_dev04.h5") as r:
        device, blocks = r.device, [r.block(s.name, 0, r.n_records(s.name)) for s in r.device.streams]
    # a look that votes every radar peak down as far as it may
    deaf = replace(looking, second_look=replace(look_of(looking), prior=1e6))
    metal = [
        told([a for a in run(device, blocks, m)[0] if a.sensor == "metal"])
        for m in (replace(looking, second_look=None), looking, deaf)
    ]
    assert len(metal[0]) >= 2
    assert metal[0] == metal[1] == metal[2]


class Deaf(SecondLook):
    """Votes down, as far as it takes, whatever stands higher than `weight` thresholds."""

    def shift(self, features: np.ndarray) -> float:
        return -10.0 if features[FEATURES.index("radar_score")] >= self.weight else 0.0


def test_a_peak_that_is_voted_down_hides_no_lower_one_beside_it(scene: Scene, looking: Model) -> None:
    radius = round(PROFILE.radar_alarm.radius_m / scene.device.streams[0].step_m)

    def places(ceiling: float) -> tuple[set[int], np.ndarray]:
        deaf = Deaf(look_of(looking).part, 0.0, ceiling, Tail(0.6, 0.2, 0.2), {})
        alarms, _, trace = run(scene.device, [scene.blocks[0][:600]], replace(looking, second_look=deaf))
        return {a.peak_seq for a in alarms}, trace[:, 1]

    usual, score = places(1e9)
    uncovered = 0
    for high in sorted(usual):
        inner = range(max(1, high - radius + 1), min(len(score) - 1, high + radius))
        crests = [q for q in inner if q != high and score[q] >= 1.0 and score[q] > max(score[q - 1], score[q + 1])]
        if not crests:
            continue
        best = max(crests, key=lambda q: score[q])
        if any(score[q] >= score[best] for q in range(best - radius, best + radius + 1) if abs(q - high) > radius):
            continue  # it is the flank of something else too
        now, _ = places(0.5 * (score[high] + score[best]))
        assert high not in now
        assert best in now
        uncovered += 1
        if uncovered == 3:
            break
    assert uncovered >= 1
