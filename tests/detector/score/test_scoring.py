"""Scores: golden statistics, halos, one to one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.detections import DETECTION_DTYPE, FEATURES, Detection, LabelClass, TrueObject
from detector.score.bounds import clopper_pearson, poisson_rate, trials_without_a_miss
from detector.score.calibration import reliability
from detector.score.matching import halo_length_m, match
from detector.score.paired import mcnemar, second_sensor
from detector.score.report import pool
from detector.score.roc import Ranked, auc, curve, pod_at
from detector.score.trial import score_lane

NAN = float("nan")


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (98, 100, 0.9296, 0.9976),
        (95, 100, 0.8872, 0.9836),
        (50, 50, 0.9289, 1.0),
        (60, 60, 0.9404, 1.0),
        (45, 48, 0.8280, 0.9869),
    ],
)
def test_clopper_pearson_golden_numbers(k: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(k, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    ("k", "area", "low", "high"), [(12, 200, 0.0310, 0.1048), (30, 100, 0.2024, 0.4283), (0, 500, 0.0, 0.0074)]
)
def test_poisson_golden_numbers(k: int, area: float, low: float, high: float) -> None:
    assert poisson_rate(k, area) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(("pod", "n"), [(0.90, 29), (0.95, 59), (0.99, 299), (0.996, 748)])
def test_targets_needed_without_a_miss(pod: float, n: int) -> None:
    assert trials_without_a_miss(pod) == n


def mine(x: float, half: float = 0.05, label: LabelClass = LabelClass.MINE) -> TrueObject:
    return TrueObject(label, "PMN", "", x, -1, -1, half, 0.1, NAN, True, "simulated")


def at(x: float, radar: int = 0, metal: int = -1) -> Detection:
    row = np.zeros((), DETECTION_DTYPE)
    row["features"] = np.nan
    row["x_m"], row["radar_peak_seq"], row["metal_peak_seq"], row["decision"] = x, radar, metal, b"unknown"
    return Detection.from_row(row)


def test_an_alarm_inside_the_halo_detects_and_outside_is_false() -> None:
    m = match([mine(1.0)], [at(1.149), at(1.151)])
    assert m.found == {0: 0}
    assert m.outside == (1,)


def test_two_alarms_in_one_halo_count_once() -> None:
    m = match([mine(1.0)], [at(0.95), at(1.02)])
    assert m.found == {0: 1}
    assert m.duplicates == (0,)
    assert m.outside == ()


def test_one_alarm_between_two_mines_finds_only_the_nearer() -> None:
    m = match([mine(1.0), mine(1.2)], [at(1.12)])
    assert m.found == {1: 0}


def test_without_odometer_records_decide() -> None:
    o = TrueObject(LabelClass.MINE, "m", "metal", NAN, 10, 20, NAN, NAN, NAN, True, "surveyed")
    assert match([o], [at(NAN, -1, 15)]).found == {0: 0}
    assert match([o], [at(NAN, -1, 25)]).outside == (0,)
    assert match([o], [at(NAN, 15, -1)]).outside == (0,)


def test_overlapping_halos_take_their_ground_once() -> None:
    assert halo_length_m([mine(1.0), mine(1.1)], (0.0, 3.0)) == pytest.approx(0.4)
    assert halo_length_m([mine(0.0)], (0.0, 3.0)) == pytest.approx(0.15)


def test_a_pool_reports_pod_and_false_alarms_with_bounds() -> None:
    a = score_lane("a", [mine(1.0), mine(2.0)], [at(1.0), at(2.6)], (0.0, 3.0))
    b = score_lane("b", [mine(1.0), mine(2.0, label=LabelClass.METAL_CLUTTER)], [at(1.0), at(2.0)], (0.0, 3.0))
    total = pool([a, b])
    assert (total.found, total.targets) == (2, 3)
    assert total.pod_bounds == clopper_pearson(2, 3)
    assert total.false_alarms == 1
    assert total.free_m == pytest.approx(6.0 - 4 * 0.3)
    assert total.far_bounds == poisson_rate(1, total.free_m)
    assert total.clutter_alarmed == 1
    assert "Clopper-Pearson" in total.to_text()


def test_what_a_radar_could_see_is_a_stratum_where_a_simulator_knows_it() -> None:
    seen = [replace(mine(float(i)), radar_db=db) for i, db in enumerate((9.9, 10.0, 19.9, 20.0, 41.0))]
    alarms = [at(3.0), at(4.0)]
    strata = pool([score_lane("a", seen, alarms, (-1.0, 6.0))]).strata["echo"]
    told = {k: (v.hits, v.trials) for k, v in strata.items()}
    assert told == {"below 10 dB": (0, 1), "10 to 15 dB": (0, 1), "15 to 20 dB": (0, 1), "20 dB or more": (2, 2)}
    nobody_knows = pool([score_lane("a", [mine(1.0), mine(2.0)], alarms, (-1.0, 6.0))])
    assert "echo" not in nobody_knows.strata


def test_without_mines_pod_is_not_tested() -> None:
    assert "not tested" in pool([score_lane("a", [], [], (0.0, 1.0))]).to_text()


def test_mcnemar_counts_only_the_mines_on_which_two_detectors_differ() -> None:
    p = mcnemar([True] * 8 + [False, True], [True] * 8 + [True, False])
    assert (p.both, p.only_a, p.only_b, p.neither) == (8, 1, 1, 0)
    assert p.p_value == 1.0
    # 1 against 9: binomial tail, 2 * (1 + 10) / 2^10
    assert mcnemar([True] * 9 + [False], [False] * 9 + [True]).p_value == pytest.approx(22 / 1024)


def test_calibrated_probabilities_have_no_calibration_error_and_bold_ones_do() -> None:
    assert reliability([0.25] * 40, ([True] + [False] * 3) * 10, bins=1).ece == pytest.approx(0.0)
    assert reliability([0.9] * 40, [True, False] * 20, bins=1).ece == pytest.approx(0.4)


def test_a_curve_reads_pod_at_a_false_alarm_rate() -> None:
    lane = Ranked("a", np.array([5.0, 3.0, 1.5, -np.inf]), np.array([4.0, 2.0]), 10.0)
    assert pod_at([lane], 0.05) == 0.25
    assert pod_at([lane], 0.1) == 0.5
    assert pod_at([lane], 1.0) == 0.75


def test_mcnemar_known_value() -> None:
    # 15 against 5 of 20 discordant pairs: 2 * (1 + 20 + 190 + 1140 + 4845 + 15504) / 2^20
    a, b = [True] * 15 + [False] * 5, [False] * 15 + [True] * 5
    assert mcnemar(a, b).p_value == pytest.approx(43400 / 2**20)


def test_area_under_a_curve_known_values() -> None:
    assert auc([2.0, 3.0], [0.0, 1.0]) == 1.0
    assert auc([0.0], [1.0]) == 0.0
    assert auc([1.0, 1.0], [1.0]) == 0.5
    # Mann-Whitney by hand: of 3 x 4 pairs 9 are in order and one is a tie
    assert auc([5.0, 4.0, 2.0], [4.0, 3.0, 1.0, 0.0]) == pytest.approx(9.5 / 12)
    with pytest.raises(ValueError, match="both kinds"):
        auc([], [1.0])


def test_the_band_is_repeatable_and_of_one_ground_that_of_its_different_mines() -> None:
    rng = np.random.default_rng(3)
    lanes = [Ranked(f"g{i}", rng.normal(2, 1, 4), rng.normal(0, 1, 8), 10.0) for i in range(6)]
    first, again = curve(lanes, draws=50, seed=7), curve(lanes, draws=50, seed=7)
    assert first == again
    assert first.low != curve(lanes, draws=50, seed=8).low
    assert all(a <= p <= b for a, p, b in zip(first.low, first.pod, first.high, strict=True))
    assert any(a < b for a, b in zip(first.low, first.high, strict=True))
    # sweeps of one ground are drawn together, so that every draw is the pool itself: six sweeps tell of four mines
    one = curve([Ranked("g", lane.targets, lane.outside, 10.0) for lane in lanes], draws=20)
    exact = [clopper_pearson(round(4 * pod), 4) for pod in one.pod]
    assert one.low == pytest.approx([min(low, pod) for (low, _), pod in zip(exact, one.pod, strict=True)])
    assert one.high == pytest.approx([max(high, pod) for (_, high), pod in zip(exact, one.pod, strict=True)])


def test_a_curve_on_which_every_mine_is_found_is_no_surer_than_the_number_of_mines() -> None:
    lanes = [Ranked(f"g{i}", np.full(2, 9.0), np.zeros(1), 1.0) for i in range(2)]
    found = curve(lanes, rates_per_m=[0.02, 0.1], draws=20)
    assert found.pod == (1.0, 1.0)
    assert found.low == pytest.approx([clopper_pearson(4, 4)[0]] * 2)


def test_what_alarmed_as_dense_echoes_is_named() -> None:
    row = at(2.0).to_row()
    row["features"][FEATURES.index("dense_lead")] = 2.0
    bar = mine(2.0, label=LabelClass.NONMETAL_CLUTTER)
    lane = score_lane("a", [mine(1.0), bar], [at(1.0), Detection.from_row(row)], (0.0, 3.0))
    assert [o.dense for o in lane.outcomes] == [False, True]
    assert "Alarmed as dense echoes, by their shape and not their height: PMN 1" in pool([lane]).to_text()
    assert "dense" not in pool([score_lane("a", [mine(1.0)], [at(1.0)], (0.0, 3.0))]).to_text()


def test_a_mine_called_clutter_by_both_sensors_is_the_safety_number() -> None:
    def called(decision: bytes) -> list[Detection]:
        row = at(1.0, metal=0).to_row()
        row["decision"] = decision
        return [Detection.from_row(row)]

    metal = [score_lane("a", [mine(1.0)], called(b"unknown"), (0.0, 3.0))]
    dual = [score_lane("a", [mine(1.0)], called(b"metal-clutter"), (0.0, 3.0))]
    s = second_sensor(metal, dual)
    assert len(s.rejected) == 1
    assert not s.lost
    assert s.found_dual == 1
