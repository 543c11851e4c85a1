"""Full-wave lanes: fields against exact answers, and lanes whose echoes come from where their truth says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import hankel2

from detector.detections import LabelClass
from detector.errors import SampleError
from detector.formats.registry import read_foreign
from detector.simulate.full_wave.burying import bury
from detector.simulate.full_wave.echoes import echoes_db, rows_over
from detector.simulate.full_wave.ground import Ground
from detector.simulate.full_wave.kinds import KINDS
from detector.simulate.full_wave.lane import full_wave_lane
from detector.simulate.full_wave.lane_file import write_full_wave
from detector.simulate.full_wave.plan import LanePlan, lane_plan
from detector.simulate.full_wave.solver import (
    C0,
    EPS0,
    MU0,
    TAU,
    node_coefficients,
    ricker,
    run_ascan,
    time_step,
)
from detector.simulate.full_wave.sounding import Sounding
from detector.simulate.lane import dual_sensor_lane, metal_of
from detector.simulate.pulse_induction import Head, target_signal

CELL_M = 0.0025
PULSE_HZ = 1.5e9
BAND_HZ = np.array([0.7e9, 1.0e9, 1.5e9, 2.2e9])
AIR = (1.0, 0.0, 0.0)

PINNED_7 = [
    ("AT_TM62P_like", 0.5774, 0.0994, False),
    ("AP_metal_PROM_like", 1.1565, 0.0921, False),
    ("shell_fragment", 1.9071, 0.0205, False),
]
PINNED_BARS = [0.1863, 0.3262, 0.4802, 0.6326, 0.7827, 0.9297, 1.0795, 1.2382, 1.3959, 1.5454, 1.6948, 1.8534]


def everywhere(material: tuple[float, float, float], nx: int, ny: int) -> np.ndarray:
    return node_coefficients(np.zeros((nx, ny), np.uint8), np.array([material]), time_step(CELL_M))


def spectrum(values: np.ndarray, shift: float = 0.0) -> np.ndarray:
    """At BAND_HZ; shift : of the samples, in steps."""
    t = time_step(CELL_M) * (np.arange(len(values)) + shift)
    return np.asarray([np.sum(values.astype(np.float64) * np.exp(-2j * np.pi * f * t)) for f in BAND_HZ])


def wavenumber(material: tuple[float, float, float]) -> np.ndarray:
    """Of time dependence exp(+j w t), rad/m."""
    e, sigma, step = material
    w = 2 * np.pi * BAND_HZ
    return np.asarray(w * np.sqrt(MU0 * (EPS0 * (e + step / (1 + 1j * w * TAU)) + sigma / (1j * w))))


@pytest.mark.parametrize("material", [AIR, (6.0, 0.01, 0.0)])
def test_a_line_current_gives_the_field_of_the_hankel_function(material: tuple[float, float, float]) -> None:
    """E = -(w mu0 / 4) I H0(2)(k r), Harrington 2001, 5-84: within 1 % and 1.5 degrees from 0.7 to 2.2 GHz."""
    cells = 24
    got = run_ascan(everywhere(material, 240, 220), CELL_M, PULSE_HZ, 12e-9, (108, 110), (132, 110), material[0])
    exact = -2 * np.pi * BAND_HZ * MU0 / 4 * hankel2(0, wavenumber(material) * cells * CELL_M)
    ratio = spectrum(got) / spectrum(ricker(PULSE_HZ, time_step(CELL_M), len(got)), 0.5) / exact
    assert np.abs(np.abs(ratio) - 1).max() < 0.01
    assert np.abs(np.degrees(np.angle(ratio))).max() < 1.5


@pytest.mark.parametrize("material", [(6.0, 0.01, 5.0), (4.0, 0.02, 12.0)])
def test_waves_travel_and_fade_in_moist_soil_as_its_debye_pole_says(material: tuple[float, float, float]) -> None:
    """From 3 to 9 cm: wavenumber within 1 % (what the grid itself gives at 2.2 GHz), amplitude within 2 %."""
    nodes = everywhere(material, 200, 200)
    near, far = (
        spectrum(run_ascan(nodes, CELL_M, PULSE_HZ, 12e-9, (80, 100), (80 + k, 100), material[0] + material[2]))
        for k in (12, 36)
    )
    k = wavenumber(material)
    ratio = far / near * hankel2(0, k * 12 * CELL_M) / hankel2(0, k * 36 * CELL_M)
    assert np.abs(np.abs(ratio) - 1).max() < 0.02
    assert np.abs(np.angle(ratio) / (k.real * 24 * CELL_M)).max() < 0.01


@pytest.mark.parametrize("material", [AIR, (6.0, 0.01, 5.0)])
def test_less_than_a_hundredth_comes_back_from_the_absorbing_layers(material: tuple[float, float, float]) -> None:
    """A small plane against one whose edges are too far for an echo: below -40 dB of the largest."""
    args = (CELL_M, PULSE_HZ, 4e-9)
    small = run_ascan(everywhere(material, 80, 70), *args, (32, 35), (48, 35))
    large = run_ascan(everywhere(material, 620, 600), *args, (302, 300), (318, 300))
    assert np.abs(small - large).max() < 0.01 * np.abs(large).max()
    assert np.abs(small - large).max() > 0.0


def test_rows_that_are_left_out_could_not_have_been_heard() -> None:
    """Against Yee's leapfrog over the whole plane in double precision, edges too far to be heard, uneven ground."""
    ids = np.zeros((300, 300), np.uint8)
    ids[:, :140] = np.random.default_rng(1).integers(1, 4, (300, 140))
    table = np.array([AIR, (3.0, 0.0, 0.0), (6.0, 0.01, 0.0), (12.0, 0.05, 0.0)])
    dt, (sx, rx, y) = time_step(CELL_M), (142, 158, 145)
    nodes = node_coefficients(ids, table, dt)
    got = run_ascan(nodes, CELL_M, PULSE_HZ, 1.5e-9, (sx, y), (rx, y))
    ca, cb = nodes[..., 0].astype(np.float64), nodes[..., 1].astype(np.float64)
    ez, hx, hy = np.zeros((300, 300)), np.zeros((300, 299)), np.zeros((299, 300))
    source, h = ricker(PULSE_HZ, dt, len(got)), dt / MU0 / CELL_M
    expected = []
    for current in source:
        expected.append(ez[rx, y])
        hx -= h * np.diff(ez, axis=1)
        hy += h * np.diff(ez, axis=0)
        curl = np.diff(hy, axis=0)[:, 1:-1] - np.diff(hx, axis=1)[1:-1]
        ez[1:-1, 1:-1] = ca[1:-1, 1:-1] * ez[1:-1, 1:-1] + cb[1:-1, 1:-1] * curl / CELL_M
        ez[sx, y] -= cb[sx, y] * current / CELL_M**2
    assert np.abs(got - expected).max() < 1e-5 * np.abs(expected).max()


def sand_profile(kind: str | None, depth_m: float = 0.10) -> tuple[np.ndarray, np.ndarray, Ground]:
    """A-scans (n, samples) across 1 m of dry sand, antennas 5 cm up, an object at 0.5 m; with x and the ground."""
    ground = Ground(0.005, 1.0, "dry_sand", np.random.default_rng(5))
    if kind is not None:
        bury(ground, kind, 0.5, depth_m)
    nodes = node_coefficients(ground.ids, ground.table, time_step(0.005))
    x = np.arange(0.2, 0.81, 0.04)
    middle = np.round((x - ground.x0_m) / 0.005).astype(int)
    y = ground.y0 + 10
    rows = [run_ascan(nodes[m - 100 : m + 100], 0.005, 0.9e9, 8e-9, (92, y), (108, y)) for m in middle]
    return np.array(rows, np.float64), x, ground


def test_an_echo_comes_from_where_the_truth_says() -> None:
    bare, x, _ = sand_profile(None)
    rows, _, ground = sand_profile("bomblet_BLU26_like")
    energy = ((rows - bare) ** 2).sum(axis=1)
    assert abs(np.sum(x * energy**2) / np.sum(energy**2) - 0.5) < 0.03
    # down to its top and back, oblique over half of the antennas' distance, against the direct wave
    e, _, step = ground.table[30:].mean(axis=0)
    nearest = int(np.argmin(np.abs(x - 0.5)))
    dt = time_step(0.005)
    late = (np.abs((rows - bare)[nearest]).argmax() - np.abs(bare[nearest]).argmax()) * dt
    expected = (2 * np.hypot(0.05, 0.02) + 2 * 0.10 * np.sqrt(e + step) - 0.08) / C0
    # 0.2 ns is under 2 cm of depth
    assert abs(late - expected) < 0.2e-9
    assert energy.max() > 10 * energy[np.abs(x - 0.5) > 0.25].max()


def test_taking_an_object_out_leaves_the_ground_as_it_was_drawn() -> None:
    grounds = [Ground(0.005, 1.0, "gravelly", np.random.default_rng(8)) for _ in range(2)]
    bury(grounds[0], "brick", 0.3, 0.05)
    bury(grounds[0], "nail", 0.7, 0.05)
    bare = grounds[1].ids
    left, right = grounds[0].without(0), grounds[0].without(1)
    half = len(bare) // 2
    assert np.array_equal(left[:half], bare[:half])
    assert np.array_equal(right[half:], bare[half:])
    assert np.array_equal(left[half:], grounds[0].ids[half:])
    assert not np.array_equal(grounds[0].ids[:half], bare[:half])


def test_the_soil_that_was_dug_over_a_mine_stays_when_the_mine_is_taken_out() -> None:
    for seed in range(20):
        ground = Ground(0.005, 1.0, "loam", np.random.default_rng(seed))
        drawn = ground.ids.copy()
        if bury(ground, "AP_PMN_like", 0.5, 0.05)["backfilled"]:
            over = (np.abs(ground.x_m - 0.5) < 0.03)[:, None] & (np.abs(ground.y_m + 0.02) < 0.02)[None, :]
            assert np.any(ground.without(0)[over] != drawn[over])
            return
    pytest.fail("half of the mines lie in filled holes, and none of 20 did")


def test_an_echo_is_stated_over_the_residue_of_bare_ground_and_the_noise() -> None:
    """Against a lane whose ground was drawn without the object; what no noise hides, noise does."""
    plan = LanePlan("here", 1.2, "wet_sand", 0.06, False, 0.05, ())
    x = np.arange(0.2, 0.9, 0.06)
    height = np.full(len(x), 10)
    ground = Ground(0.005, 1.0, plan.soil, np.random.default_rng(5))
    bare = Sounding(plan, ground, x, height).over(ground.ids)
    (over,) = rows_over([{"x_m": 0.4, "width_m": 0.21}], x)
    assert len(over) >= 3
    without = np.array([bare.ascan(k) for k in over])
    objects = [bury(ground, "brick", 0.4, 0.06)]
    sounding = Sounding(plan, ground, x, height).over(ground.ids)
    lane = np.array([sounding.ascan(k) for k in range(len(x))])
    assert np.array_equal(rows_over(objects, x)[0], over)
    far = np.abs(x - 0.4) > 0.5 * objects[0]["width_m"] + 0.10
    residue = np.sqrt(np.var(lane[far].astype(np.float64), axis=0))
    for noise in (0.2, 200.0):
        expected = np.max(np.abs(lane[over] - without) / (residue + noise))
        (db,) = echoes_db(sounding, ground, objects, lane, x, noise)
        assert db == pytest.approx(20 * np.log10(expected), abs=0.01)
        assert (db > 20) == (noise < 1)


def test_a_lane_is_the_same_each_time_and_another_number_is_another_lane() -> None:
    a, b, other = full_wave_lane(7, most=2), full_wave_lane(7, most=2), full_wave_lane(2, most=2)
    assert np.array_equal(a.ascans, b.ascans)
    assert a.objects == b.objects
    assert np.abs(a.ascans).max() > 0
    assert a.plan != other.plan
    assert a.objects != other.objects


def test_the_numbers_of_lanes_are_kept_from_version_to_version() -> None:
    """A model says that it learned from lanes 1 to so many: they must stay what they were."""
    plan = lane_plan(7)
    assert (plan.soil, plan.frequency_ghz, plan.step_m, plan.hand_held) == ("clay_loam", 0.9, 0.02, False)
    lanes = [full_wave_lane(number, most=1).objects for number in (7, 3)]
    told = [[(o["kind"], o["x_m"], o["depth_m"], o["backfilled"]) for o in objects] for objects in lanes]
    assert told[0] == PINNED_7
    assert [o["x_m"] for o in lanes[1]] == PINNED_BARS


def test_a_lane_number_below_one_is_refused() -> None:
    with pytest.raises(SampleError, match="numbered from 1"):
        full_wave_lane(0)


def test_a_lane_file_is_read_with_its_truth_and_the_name_of_what_made_it(tmp_path: Path) -> None:
    lane = full_wave_lane(7, most=12)
    path = write_full_wave(tmp_path, lane)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fullwave7.h5", "fullwave7.json"]
    read = read_foreign(path)
    assert read.device.model == "groundsweep full wave"
    assert np.array_equal(read.blocks[0].raw[:, 0], lane.ascans)
    assert [o.x_m for o in read.truth()] == [
        o["x_m"] for o in json.loads(path.with_suffix(".json").read_text())["objects"]
    ]
    assert [o.label for o in read.truth()] == [LabelClass.MINE, LabelClass.MINE, LabelClass.METAL_CLUTTER]
    device, blocks, truth, note = dual_sensor_lane(path, seed=1)
    assert "Radar: groundsweep full wave plus" in note
    assert "gprMax" not in note
    assert {b.stream.name for b in blocks} == {"metal", "radar"}
    assert len(truth) == len(lane.objects)
    assert device.firmware == "simulated"


def test_the_truth_of_a_whole_lane_says_how_far_each_echo_stands_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what lies under the antenna, by depth, in place of a field: the way from the lane to the score's truth."""
    monkeypatch.setattr(
        "detector.simulate.full_wave.sounding.run_ascan",
        lambda nodes, *rest: np.ascontiguousarray(1e9 * nodes[len(nodes) // 2 - 8 : len(nodes) // 2 + 8, :, 2].mean(0)),
    )
    told: list[tuple[int, int]] = []
    lane = full_wave_lane(7, lambda done, of: told.append((done, of)))
    assert [t[0] for t in told] == list(range(1, told[-1][1] + 1))
    assert told[-1][1] > len(lane.ascans)
    stated = [o["radar_db"] for o in lane.objects]
    # the anti-tank mine takes more of the ground's place than the fragment
    assert stated[0] > stated[2] + 6
    assert [o.radar_db for o in read_foreign(write_full_wave(tmp_path, lane)).truth()] == stated
    assert all("radar_db" not in o for o in full_wave_lane(7, most=2).objects)


def test_steel_has_a_signature_of_its_own_and_what_has_no_metal_has_none() -> None:
    mines = {k for k, v in KINDS.items() if v.contains_metal and not v.metal}
    least = {metal_of(k, True) for k in mines}
    assert least == {metal_of("minimum-metal", True)}
    heard = {}
    for kind, known in KINDS.items():
        metal = metal_of(kind, known.contains_metal)
        assert (metal is None) == (not known.contains_metal), kind
        if known.metal:
            assert metal not in least, kind
            assert metal is not None
            heard[kind] = target_signal(Head(), metal, np.zeros(1), 0.05, np.full(1, 0.05))[0, 0]
    assert heard["nail"] < heard["bomblet_BLU26_like"] < heard["AT_metal"]
    assert heard["shell_fragment"] < heard["rebar"] < heard["AP_metal_PROM_like"]
