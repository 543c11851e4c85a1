"""The simulated bench: its answers are those of the exact physics."""

from __future__ import annotations

import numpy as np
import pytest

from detector.simulate.bench import Bench, BenchHead, Piece, Scene, steel_ball
from detector.simulate.bench_radar import BenchRadar, RadarBench
from detector.simulate.continuous_wave import sphere_polarizability
from detector.simulate.pulse_induction import MU0, loop_field, sphere


def test_a_steel_ball_has_the_spectrum_of_the_exact_permeable_sphere() -> None:
    f = np.geomspace(100, 1e5, 9)
    ball = steel_ball(0.010, terms=4000)
    a, tau = np.array(ball.amplitudes_m3), np.array(ball.taus_s)
    s = 2j * np.pi * f[:, None] * tau
    static = 4 * np.pi * 0.005**3 * 59 / 62
    exact = sphere_polarizability(0.005, 4.5e6, tuple(f), 60.0)
    assert static - (a * s / (1 + s)).sum(axis=1) == pytest.approx(exact, rel=1e-6)


def test_a_ball_without_permeability_is_the_known_conducting_sphere() -> None:
    ours, known = steel_ball(0.010, permeability=1.0 + 1e-9), sphere(0.005, 4.5e6)
    assert ours.taus_s == pytest.approx(known.taus_s, rel=1e-6)
    assert ours.amplitudes_m3 == pytest.approx(known.amplitudes_m3, rel=1e-6)


def test_a_given_ball_at_a_given_height_gives_the_voltage_of_the_formula() -> None:
    head, ball = BenchHead(), steel_ball(0.010)
    one = np.array([1.0])
    h = float(loop_field(head.coil.radius_m, 0 * one, -0.08 * one)[1][0])
    t = head.coil.gates_s[3]
    r, pulse = head.coil.receiver_s, head.coil.pulse_s
    volts = 0.0
    for a, tau in zip(ball.amplitudes_m3, ball.taus_s, strict=True):
        lag = (np.exp(-t / tau) - np.exp(-t / r)) * tau / (tau - r)
        volts += a / tau * (1 - np.exp(-pulse / tau)) * lag
    volts *= head.coil.gain * MU0 * head.coil.current_a * (head.coil.turns * h) ** 2
    assert head.response(Piece(ball, 0 * one, 0 * one, 0.08 * one))[0, 3] == pytest.approx(volts, rel=1e-9)


def test_faults_are_what_was_stated() -> None:
    head = BenchHead(rate_hz=1000.0, mains_v=5e-3, drift_v_per_s=1e-3)
    block = Bench(head, 1).take(20_000)
    x = block.raw[:, 0, 0] * head.scale
    t = np.arange(20_000) / 1000.0
    fit = np.polyfit(t, x, 1)
    assert fit[0] == pytest.approx(1e-3, rel=0.05)
    rest = x - np.polyval(fit, t)
    tone = np.abs(np.exp(-2j * np.pi * 50 * t) @ rest) * 2 / len(t)
    assert tone == pytest.approx(5e-3, rel=0.02)
    assert np.std(rest) ** 2 == pytest.approx(1e-6 + 0.5 * 25e-6, rel=0.05)


def test_the_same_seed_gives_the_same_bench_however_it_is_cut() -> None:
    def run(cuts: list[int]) -> np.ndarray:
        bench = Bench(BenchHead(filter_s=0.05), 7)
        bench.show(Scene(((steel_ball(0.01), 0.0, 0.0, 0.1),), 0.5, -0.1))
        clean = []
        for n in cuts:
            t = (bench.n + np.arange(n)) / bench.head.rate_hz
            clean.append(bench._filtered(bench.clean(t)[0]))
            bench.n += n
        return np.concatenate(clean)

    assert np.array_equal(run([200]), run([1, 50, 149]))


def test_a_plate_answers_when_light_has_gone_there_and_back() -> None:
    head = BenchRadar(noise=0.0)
    bench = RadarBench(head, 1)
    empty = bench.clean()
    bench.show(0.3)
    echo = -(bench.clean() - empty)
    at = float(np.argmax(echo)) * head.interval_s
    assert at == pytest.approx(head.time_zero_s + 0.6 / 299_792_458.0, abs=head.interval_s)
    assert echo.max() == pytest.approx(head.echo_at_1_m / 0.3, rel=0.01)


def test_where_a_hand_puts_the_plate_does_not_hang_on_how_long_the_radar_ran_before() -> None:
    def placed(waits: tuple[int, ...]) -> list[float | None]:
        bench, out = RadarBench(BenchRadar(placing_m=0.001), 1), []
        for n in waits:
            bench.take(n)
            bench.show(0.3)
            out.append(bench._distance_m)
        return out

    assert placed((1, 5, 2)) == placed((7, 1, 3))
    assert len(set(placed((1, 1, 1)))) == 3
