"""Simulated scenes: one truth for both sensors, and physics that can be checked against known answers."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from detector.detections import LabelClass
from detector.errors import SampleError
from detector.formats.gprmax_lane import load_lane
from detector.simulate.buried import Buried
from detector.simulate.metal_lane import MetalHead, draw_head, target_volts
from detector.simulate.pulse_induction import Head, sphere, target_signal
from detector.simulate.radar_lane import RadarHead, radar_lane
from detector.simulate.scatter import C_M_PER_S, refracted
from detector.simulate.scene import dual_scene
from detector.simulate.soil import Soil
from detector.simulate.visible import matched_db

LANES = Path(__file__).parents[4] / "shared" / "data" / "radar" / "simulated"
SAND = Soil("sand", 0.92, 0.03, 1.55, 0.02, 0.0, 1e-6)
LOAM = Soil("loam", 0.42, 0.18, 1.40, 0.12, 0.0, 1e-6)
HEAD = RadarHead(1.5e9, 20e-12, 500, 0.02, 0.10, 0.02, pattern=0.0, direct=0.0, time_zero_s=1e-9)


def plate(depth_m: float, x_m: float = 0.5, width_m: float = 0.2) -> Buried:
    return Buried(LabelClass.MINE, "plate", x_m, depth_m, width_m, 0.01, 10.0, "box", 0.0)


def echo_of(soil: Soil, o: Buried, head: RadarHead = HEAD) -> np.ndarray:
    x = np.arange(0.0, 1.01, head.step_m)
    _, bodies = radar_lane(np.random.default_rng(0), soil, head, [o], x, 0.0, np.full(len(x), head.height_m))
    return bodies


def test_one_seed_is_one_scene_to_the_bit() -> None:
    a, b = dual_scene(7, length_m=4.0), dual_scene(7, length_m=4.0)
    assert repr(a.truth) == repr(b.truth)
    for one, other in zip(a.blocks, b.blocks, strict=True):
        assert np.array_equal(one.raw, other.raw)
        assert np.array_equal(one.tick, other.tick)


def test_both_sensors_alone_see_the_ground_of_the_dual_scene() -> None:
    both = dual_scene(11, length_m=5.0)
    for sensors, stream in (("metal", 0), ("radar", 1)):
        alone = dual_scene(11, length_m=5.0, sensors=sensors)
        assert repr(alone.truth) == repr(both.truth)
        assert np.array_equal(alone.blocks[0].raw, both.blocks[stream].raw)


def test_scenes_differ_in_head_soil_and_objects() -> None:
    scenes = [dual_scene(s, length_m=3.0) for s in range(12)]
    assert len({s.soil.name for s in scenes}) >= 4
    assert len({s.device.streams[1].sampling_interval_s for s in scenes}) == 12
    assert len({s.device.streams[1].step_m for s in scenes}) >= 3
    assert len({len(s.device.streams[0].axis) for s in scenes}) >= 5


def test_a_third_of_the_lane_is_clean_in_one_piece() -> None:
    for seed in range(6):
        scene = dual_scene(seed, length_m=15.0, objects_per_m=1.2)
        edges = [0.0, *(o.x_m for o in scene.truth), 15.0]
        assert max(np.diff(edges)) >= 5.0


def test_a_scene_that_cannot_be_laid_out_is_refused() -> None:
    with pytest.raises(SampleError, match="2 to 100 m"):
        dual_scene(1, length_m=500.0)


@given(st.floats(0.0, 0.6), st.floats(0.01, 0.2), st.floats(0.005, 0.5), st.floats(1.4, 5.0))
def test_the_refracted_ray_is_the_fastest_one(offset: float, height: float, depth: float, index: float) -> None:
    def time(entry: float) -> float:
        return float(np.hypot(entry, height) + index * np.hypot(offset - entry, depth))

    fastest = optimize.minimize_scalar(time, bounds=(0.0, offset + 1e-9), method="bounded", options={"xatol": 1e-12})
    assert time(refracted(offset, height, depth, index)) <= fastest.fun * (1 + 1e-9)


def test_an_echo_arrives_when_its_ray_says_on_the_whole_hyperbola() -> None:
    depth = 0.12
    bodies = echo_of(LOAM, plate(depth, width_m=0.004))
    index = float(np.sqrt(LOAM.permittivity(np.array([1.5e9]))[0].real))
    for i in range(10, 41, 5):
        dx = abs(0.02 * i - 0.5)
        entry = refracted(dx, HEAD.height_m, depth, index)
        ray = 2 * (np.hypot(entry, HEAD.height_m) + index * np.hypot(dx - entry, depth)) / C_M_PER_S
        apex = 2 * (HEAD.height_m + index * depth) / C_M_PER_S
        shift = np.argmax(np.abs(bodies[i])) - np.argmax(np.abs(bodies[25]))
        assert shift * HEAD.dt_s == pytest.approx(ray - apex, abs=0.06e-9)


def test_a_deeper_echo_is_weaker_by_spreading_and_the_loss_of_the_soil() -> None:
    shallow, deep = 0.06, 0.16
    index = float(np.sqrt(LOAM.permittivity(np.array([1.5e9]))[0].real))
    peaks = [float(np.abs(echo_of(LOAM, plate(d, width_m=0.9))[25]).max()) for d in (shallow, deep)]
    spread = (HEAD.height_m + shallow / index) / (HEAD.height_m + deep / index)
    loss = float(np.exp(-2 * (deep - shallow) * -LOAM.wave_number(np.array([1.5e9]))[0].imag))
    # the loss falls on the high half of the band more than on the centre frequency
    assert peaks[1] / peaks[0] == pytest.approx(spread * loss, rel=0.2)


def test_an_object_of_the_soils_own_permittivity_cannot_be_seen() -> None:
    eps = float(SAND.permittivity(np.array([1.5e9]))[0].real)
    same = replace(plate(0.08), permittivity=eps)
    assert np.abs(echo_of(SAND, same)).max() < 1e-3 * np.abs(echo_of(SAND, plate(0.08))).max()


def test_wet_soil_is_slower_and_lossier_than_dry() -> None:
    f = np.array([1.0e9])
    wet, dry = replace(LOAM, water=0.25), replace(LOAM, water=0.05)
    assert wet.permittivity(f)[0].real > 1.8 * dry.permittivity(f)[0].real
    assert -wet.wave_number(f)[0].imag > 1.5 * -dry.wave_number(f)[0].imag


def test_a_sphere_answers_alike_from_every_side() -> None:
    coil = Head()
    head = MetalHead(coil, (0.0,), 500.0, 0.05, 1e-3, 0.0, 50.0, 5.0)
    ball = replace(plate(0.05), metal=sphere(5e-3, 2e7), metal_depth_m=0.08, axis=(0.6, 0.0, 0.8))
    x = np.arange(0.0, 1.0, 0.01)
    ours = target_volts(head, ball, x, np.full(100, 0.05), 0.0)[:, 0, :]
    np.testing.assert_allclose(
        ours, target_signal(coil, sphere(5e-3, 2e7), x - 0.5, 0.08, np.full(100, 0.05)), rtol=1e-9
    )


@pytest.mark.skipif(not LANES.is_dir(), reason=f"the independent field solver's lanes are not at {LANES}")
def test_echoes_are_as_strong_as_the_field_solver_says() -> None:
    """Peak of each listed object over the direct wave. The solver is 2-D (less spreading), this is 3-D."""
    kinds = {"AP_VS50_like": 2.8, "AP_PMN_like": 3.0, "AT_plastic": 3.0}
    off = []
    for path in sorted(LANES.glob("dev*.h5")):
        lane = load_lane(path)
        numbers = {k: float(v) for k, v in re.findall(r"(sand|clay|bulk)=([\d.]+)", lane.soil)}
        low, high = (float(v) for v in re.search(r"water_vol_frac=([\d.]+)-([\d.]+)", lane.soil).groups())  # type: ignore[union-attr]
        soil = Soil("", numbers["sand"], numbers["clay"], numbers["bulk"], (low + high) / 2, (high - low) / 6, 0.0)
        objects = [
            Buried(
                LabelClass.MINE, o["kind"], o["x_m"], o["depth_m"], o["width_m"], o["height_m"], 10.0, "box",
                kinds[o["kind"]], float(np.deg2rad(o.get("tilt_deg", 0.0))),
            )
            for o in json.loads(path.with_suffix(".json").read_text())["objects"]
            if o["kind"] in kinds
        ]  # fmt: skip
        head = RadarHead(
            lane.centre_frequency_hz, lane.dt_s, lane.ascans.shape[1], lane.step_m, float(lane.height_m.mean()), 0.08
        )
        ours = sum(radar_lane(np.random.default_rng(3), soil, head, objects, lane.x_m, 1e-3, lane.height_m))
        index = float(np.sqrt(soil.permittivity(np.array([head.centre_frequency_hz]))[0].real))
        for o in objects:
            peaks = []
            for ascans in (lane.ascans.astype(np.float64), np.asarray(ours)):
                mean = np.abs(np.median(ascans, axis=0))
                start = int(np.argmax(mean)) + int(2 * o.depth_m * index / C_M_PER_S / lane.dt_s)
                rows = np.abs(lane.x_m - o.x_m) <= lane.step_m
                window = slice(start - int(0.2e-9 / lane.dt_s), start + int(1.6e-9 / lane.dt_s))
                peaks.append(float(np.abs(ascans - ascans.mean(axis=0))[rows, window].max() / mean.max()))
            off.append(20 * np.log10(peaks[1] / peaks[0]))
    assert len(off) >= 15
    assert abs(float(np.median(off))) < 6.0
    assert float(np.quantile(np.abs(off), 0.9)) < 14.0


def test_a_double_d_head_answers_most_midway_between_its_coils() -> None:
    head = next(h for h in (draw_head(np.random.default_rng(k)) for k in range(50)) if h.receiver_shift_m)
    x = np.arange(-0.5, 0.5, 0.005)
    target = Buried(
        LabelClass.MINE, "AP_small", 0.0, 0.08, 0.07, 0.04, 0.07, "round", 3.0, metal=sphere(3e-3, 2e7),
        metal_depth_m=0.1,
    )  # fmt: skip
    volts = target_volts(head, target, x, np.full(len(x), 0.05), 0.0)[:, 0, 0]
    assert abs(x[volts.argmax()]) < 0.006


def test_what_is_visible_over_noise_alone_falls_by_the_grounds_own_answers() -> None:
    rng = np.random.default_rng(2)
    x = np.arange(0.0, 8.0, 0.01)
    seen = np.exp(-0.5 * ((x - 4.0) / 0.06) ** 2)[None, :, None, None] * np.array([1.0, 0.3])
    quiet = np.zeros((len(x), 1, 2))
    soil = np.cumsum(rng.normal(size=len(x)))[:, None, None] * np.array([1.0, 0.3])
    sigma = np.array([0.1, 0.1])
    over_noise, over_soil = (matched_db(seen, g, sigma, 0.01)[0] for g in (quiet, soil))
    single = 10 * np.log10(np.sum((np.array([1.0, 0.3]) / 0.1) ** 2))
    assert over_noise > single + 5.0  # some ten readings are worth more than one
    assert over_soil < over_noise - 10.0
    assert matched_db(0.0 * seen, quiet, sigma, 0.01) == [-np.inf]
