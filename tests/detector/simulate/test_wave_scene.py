"""Scenes with continuous-wave heads, several coils and antennas: against analytic limits and symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from detector.detections import LabelClass
from detector.errors import SampleError
from detector.radar.stepped import Stepped, SteppedSettings
from detector.samples import StreamKind
from detector.simulate.bench import steel_ball
from detector.simulate.buried import Buried
from detector.simulate.coil_pair import NULL_SHIFT, conductive_coupling, magnetic_coupling
from detector.simulate.continuous_wave import WaveHead, metal_polarizability, sphere_polarizability
from detector.simulate.pulse_induction import Metal, sphere, steel
from detector.simulate.radar_array import seen_aside, stepped_converted, stepped_frequencies
from detector.simulate.radar_lane import RadarHead
from detector.simulate.scene import HeadWish, dual_scene
from detector.simulate.teaching import WAVE_SEEDS, teaching_scene, teaching_seeds
from detector.simulate.wave_lane import WaveCoils, wave_ground, wave_response

F = np.geomspace(1e3, 100e3, 9)


def head(across: tuple[float, ...] = (0.0,), pair: float = 0.0) -> WaveCoils:
    return WaveCoils(
        coil=WaveHead(frequencies_hz=(2e3, 10e3, 50e3), radius_m=0.1), across_m=across, pair_m=pair, rate_hz=200.0,
        height_m=0.05, noise_v=1e-4, noise_slope=0.0, phase_noise_rad=0.0, phase_drift_rad=0.0,
        phase_error_rad=(0.0, 0.0, 0.0), residue_v=0.0, mains_v=0.0, mains_hz=50.0, full_scale_v=5.0,
    )  # fmt: skip


def ball(
    metal: Metal, depth_m: float = 0.05, axis: tuple[float, float, float] = (0.0, 0.0, 1.0), e: float = 1.0
) -> Buried:
    return Buried(LabelClass.MINE, "ball", 0.0, depth_m, 0.02, 0.02, 0.02, "round", 0.0, metal=metal,
                  metal_depth_m=depth_m, axis=axis, elongation=e)  # fmt: skip


def test_the_relaxations_of_a_pulse_are_the_polarizability_of_a_wave() -> None:
    # the same Metal that a pulse-induction head hears decaying; exact formulas of the ball beside it
    for permeability in (1.0, 60.0):
        metal = steel_ball(0.02, 4.5e6, permeability, terms=400)
        exact = sphere_polarizability(0.01, 4.5e6, F, permeability)
        assert np.abs(metal_polarizability(metal, F) - exact).max() < 0.02 * np.abs(exact).max()


def test_slow_fields_magnetise_and_fast_fields_are_kept_out() -> None:
    a = 0.01
    iron = metal_polarizability(steel_ball(2 * a, terms=400), np.array([1e-3, 1e12]))
    assert iron[0].real == pytest.approx(4 * np.pi * a**3 * 59 / 62, rel=1e-3)
    # the sum of relaxations converges slowly there: what is left at 400 is a tenth
    assert iron[1].real == pytest.approx(-2 * np.pi * a**3, rel=0.12)
    copper = metal_polarizability(sphere(a, 5.8e7, 400), np.array([1e-3, 1e12]))
    assert abs(copper[0]) < 1e-5 * abs(copper[1])
    assert copper[1].real == pytest.approx(-2 * np.pi * a**3, rel=0.01)


def test_a_steel_pieces_static_part_is_two_thirds_of_its_eddy_part() -> None:
    piece = steel(1e-6, 3e-4, permeability=1e6)
    assert piece.static_m3 / sum(piece.amplitudes_m3) == pytest.approx(2 / 3, rel=1e-3)


def test_a_coil_over_magnetic_ground_agrees_with_its_image() -> None:
    a, h = 0.1, np.array([0.02, 0.05, 0.1])
    k2 = 4 * a * a / (4 * a * a + (2 * h) ** 2)
    k = np.sqrt(k2)
    image = a * ((2 / k - k) * special.ellipk(k2) - 2 / k * special.ellipe(k2))
    assert magnetic_coupling(a, 0.0, h) == pytest.approx(image, rel=2e-3)


def test_the_coils_of_a_double_d_do_not_hear_each_other() -> None:
    # ground far below the gap is all that is left; a concentric pair hears itself
    near = np.array([0.002])
    alone = magnetic_coupling(0.1, 0.0, near)[0]
    assert abs(magnetic_coupling(0.1, 0.1 * NULL_SHIFT, near)[0]) < 0.01 * alone
    assert magnetic_coupling(0.1, 0.13, near)[0] > 0.01 * alone > -0.01 * alone > magnetic_coupling(0.1, 0.17, near)[0]
    soil = [np.abs(wave_ground(head(pair=p), 1e-5, 1e-3, 0.0, np.array([0.05])))[0, 0] for p in (0.0, 0.1 * NULL_SHIFT)]
    assert soil[1] < 0.3 * soil[0]


def test_ground_loss_is_flat_where_it_is_magnetic_and_grows_with_frequency_where_it_conducts() -> None:
    h = np.array([0.05])
    magnetic = wave_ground(head(), 1e-5, 5e-4, 0.0, h)[0]
    assert magnetic[1::2] == pytest.approx(magnetic[1], rel=1e-9)
    assert magnetic[1] / magnetic[2] == pytest.approx(np.pi / 2 * 1e-5 / 5e-4, rel=1e-6)
    conducting = wave_ground(head(), 0.0, 0.0, 0.1, h)[0]
    assert np.all(conducting[0::2] == 0.0)
    assert conducting[1::2] / conducting[1] == pytest.approx([1.0, 5.0, 25.0])
    # thin-skin-free limit of a loop far above conducting ground: falls more slowly than magnetic ground does
    far = np.array([0.5, 1.0])
    ratio = conductive_coupling(0.1, 0.0, far) / magnetic_coupling(0.1, 0.0, far)
    assert ratio[1] > 3.0 * ratio[0]


def test_sender_and_receiver_may_change_places() -> None:
    x = np.linspace(-0.3, 0.3, 61)
    h = np.full(61, 0.05)
    slanted = ball(sphere(0.005, 3e7), axis=(0.6, 0.48, 0.64), e=3.0)
    one = wave_response(head(pair=0.15), slanted, x, h, 0.03)
    other = wave_response(head(pair=-0.15), slanted, x, h, 0.03)
    assert one == pytest.approx(other, rel=1e-9)
    assert np.abs(one).max() > 0


def test_a_target_midway_between_two_coils_is_heard_alike_by_both() -> None:
    x = np.linspace(-0.3, 0.3, 61)
    seen = wave_response(head((-0.1, 0.1)), ball(sphere(0.005, 3e7)), x, np.full(61, 0.05), 0.0)
    assert seen[:, 0] == pytest.approx(seen[:, 1], rel=1e-9)
    assert seen == pytest.approx(seen[::-1], rel=1e-9)
    aside = wave_response(head((-0.1, 0.1)), ball(sphere(0.005, 3e7)), x, np.full(61, 0.05), 0.08)
    assert np.abs(aside[:, 1]).max() > 2 * np.abs(aside[:, 0]).max()


def test_losses_are_positive_quadrature_and_thick_metal_opposes() -> None:
    seen = wave_response(head(), ball(sphere(0.01, 5.8e7)), np.zeros(1), np.full(1, 0.05), 0.0)[0, 0]
    assert np.all(seen[1::2] > 0)
    assert np.all(seen[0::2] < 0)
    iron = wave_response(head(), ball(steel(1e-6, 1e-5)), np.zeros(1), np.full(1, 0.05), 0.0)[0, 0]
    assert iron[0] > 0


def test_every_head_sweeps_the_same_ground() -> None:
    plain = dual_scene(31, length_m=4.0)
    wide = dual_scene(31, length_m=4.0, wish=HeadWish("cw", 4, "stepped", 2))
    assert repr(wide.truth) == repr(plain.truth)
    assert wide.soil == plain.soil
    metal, radar = (b.stream for b in wide.blocks)
    assert (metal.kind, metal.channels) == (StreamKind.METAL_CW, 4)
    assert (radar.kind, radar.channels) == (StreamKind.RADAR_SFCW, 2)
    assert 2 <= len(metal.axis) <= 5
    assert 1e3 <= min(metal.axis) < max(metal.axis) <= 100e3
    assert np.isfinite(wide.across_m).all()
    assert np.isnan(plain.across_m).all()
    again = dual_scene(31, length_m=4.0, wish=HeadWish("cw", 4, "stepped", 2))
    for one, other in zip(wide.blocks, again.blocks, strict=True):
        assert np.array_equal(one.raw, other.raw)


def test_what_no_head_has_is_refused() -> None:
    with pytest.raises(SampleError, match="1 to 5 coils"):
        HeadWish(coils=6)


def test_a_wide_pulse_head_takes_a_target_across_its_width() -> None:
    scene = dual_scene(12, length_m=6.0, objects_per_m=1.2, sensors="metal", wish=HeadWish(coils=5))
    assert scene.blocks[0].stream.channels == 5
    assert np.ptp(scene.across_m) > 0.1


def test_an_object_aside_is_seen_later_and_smaller() -> None:
    under, aside = seen_aside([ball(sphere(0.01, 3e7)), ball(sphere(0.01, 3e7))], np.array([0.0, 0.2]), 0.05, 2.0)
    assert under.depth_m == pytest.approx(0.05)
    assert under.across_m == pytest.approx(0.02)
    # the straight line in the ground and in the air are bounds of the refracted path
    assert 0.06 < aside.depth_m < np.hypot(0.05, 0.19)
    assert aside.across_m < 0.01


def test_stepped_frequencies_show_an_echo_where_the_pulse_does() -> None:
    radar = RadarHead(1.5e9, 20e-12, 500, 0.02, 0.05, 0.05, noise=1e-6, gain_drift=0.0, full_scale=1.0)
    t = np.arange(500) * 20e-12
    u = (np.pi * 1.5e9 * (t - 4e-9)) ** 2
    counts, scale = stepped_converted(np.random.default_rng(0), radar, ((1 - 2 * u) * np.exp(-u))[None])
    chain = Stepped(SteppedSettings(), "radar", tuple(stepped_frequencies(radar).tolist()), scale)
    ascan = chain.process(counts[:, None, :])[0, 0]
    assert np.argmax(np.abs(ascan)) * chain.dt_s - 2e-9 == pytest.approx(4e-9, abs=0.05e-9)


def test_a_models_scenes_say_by_their_seed_what_head_swept_them() -> None:
    seeds = teaching_seeds(2000, 2, 3)
    assert seeds == [2000, 2001, WAVE_SEEDS + 2000, WAVE_SEEDS + 2001, WAVE_SEEDS + 2002]
    metal = teaching_scene(WAVE_SEEDS + 2001).device.streams
    assert [s.kind for s in metal] == [StreamKind.METAL_CW]
