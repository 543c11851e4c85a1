"""What cannot give an honest figure gives none, and says in plain words why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from detector.bench import footprint, height, immunity, lag, noise, pinpoint, radar, repeatability, static
from detector.bench.result import Figure, Limit, Verdict
from detector.bench.steps import Planned, Taken
from detector.errors import BenchError
from detector.settings import Settings
from detector.simulate.bench import Bench, Scene
from detector.simulate.bench_radar import BenchRadar, RadarBench
from tests.detector.bench.known import BALL, HEAD, moving, take

QUICK = height.HeightSettings(still_s=40.0, first_m=0.2, last_m=0.4, step_m=0.05, repeats=3)


def height_steps(
    settings: height.HeightSettings = QUICK, speed: float = 0.5, shown: bool = True, head: object = HEAD
) -> list[Taken]:
    bench = Bench(head, 1)  # type: ignore[arg-type]
    steps = []
    for p in height.plan(settings):
        there = p.role == "pass" and shown
        bench.show(moving(p, BALL, float(p.at["height_m"]), speed) if there else Scene())
        steps.append(take(bench, p))
    return steps


def refused(module: object, steps: Sequence[Taken], settings: Settings, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        module.measure(steps, settings)  # type: ignore[attr-defined]


def test_the_same_steps_with_nothing_wrong_give_a_figure() -> None:
    assert height.measure(height_steps(), QUICK).figures


def test_a_piece_that_was_never_shown_gives_no_height() -> None:
    refused(height, height_steps(shown=False), QUICK, "never shown")


def test_a_pass_that_is_too_fast_gives_no_height() -> None:
    refused(height, height_steps(speed=4.0), QUICK, "too fast")


def test_a_saturated_pass_gives_no_height() -> None:
    near = QUICK.model_copy(update={"first_m": 0.02, "step_m": 0.14})
    refused(height, height_steps(near, head=replace(HEAD, full_scale_v=0.05)), near, "saturated")


def test_too_few_passes_give_no_height() -> None:
    steps = [s for s in height_steps() if s.at.get("repeat") != 2.0]
    refused(height, steps, QUICK, "Too few repeats")


def test_a_piece_seen_at_every_height_gives_no_largest_height() -> None:
    low = QUICK.model_copy(update={"first_m": 0.1, "last_m": 0.2})
    refused(height, height_steps(low), low, "seen at every height")


def test_too_short_a_still_step_gives_no_height() -> None:
    short = QUICK.model_copy(update={"still_s": 6.0})
    refused(height, height_steps(short), short, "too short to know the noise")


def test_lost_records_give_no_spectrum() -> None:
    settings = noise.NoiseSettings()
    (step,) = (take(Bench(HEAD, 2), p) for p in noise.plan(settings))
    refused(noise, [replace(step, missing=5)], settings, "lost")


def test_a_step_that_repeats_itself_to_the_bit_is_no_live_sensor() -> None:
    settings = noise.NoiseSettings()
    (step,) = (take(Bench(HEAD, 2), p) for p in noise.plan(settings))
    refused(noise, [replace(step, values=np.zeros_like(step.values))], settings, "never changes")


def test_a_spectrum_of_a_few_seconds_is_refused() -> None:
    settings = noise.NoiseSettings(seconds=6.0)
    refused(noise, [take(Bench(HEAD, 2), p) for p in noise.plan(settings)], settings, "Take a longer one")


def static_steps(item: bool) -> list[Taken]:
    bench, steps = Bench(HEAD, 3), []
    for p in static.plan(static.StaticSettings(before_s=20.0, item_s=20.0, after_s=20.0)):
        bench.show(Scene(((BALL, 0.0, 0.0, 0.1),)) if p.role == "item" and item else Scene())
        steps.append(take(bench, p))
    return steps


def test_an_item_that_was_never_put_there_gives_no_static_response() -> None:
    refused(static, static_steps(item=False), static.StaticSettings(), "never shown")


def test_a_static_test_without_the_second_background_is_refused() -> None:
    refused(static, static_steps(item=True)[:2], static.StaticSettings(), "Too few repeats")


def test_a_response_that_fell_by_a_third_fails_and_one_without_reference_has_no_limit() -> None:
    steps = static_steps(item=True)
    result = static.measure(steps, static.StaticSettings())
    assert result.verdict is Verdict.NO_LIMIT
    before = 1.5 * result.figure("response of the item").value
    assert static.measure(steps, static.StaticSettings(reference=before)).verdict is Verdict.FAIL


def test_nine_set_ups_are_too_few() -> None:
    bench, steps = Bench(HEAD, 4), []
    for p in repeatability.plan(repeatability.RepeatabilitySettings(repeats=9)):
        bench.show(Scene(((BALL, 0.0, 0.0, 0.1),)) if p.role == "item" else Scene())
        steps.append(take(bench, p))
    refused(repeatability, steps, repeatability.RepeatabilitySettings(), "Too few repeats: 9")


def footprint_steps(settings: footprint.FootprintSettings) -> list[Taken]:
    bench, steps = Bench(HEAD, 5), []
    for p in footprint.plan(settings):
        there = p.role == "point"
        bench.show(Scene(((BALL, float(p.at["x_m"]), float(p.at["y_m"]), 0.1),)) if there else Scene())
        steps.append(take(bench, p))
    return steps


def test_a_footprint_larger_than_the_grid_is_refused() -> None:
    settings = footprint.FootprintSettings(half_width_m=0.08, step_m=0.04, hold_s=1.0)
    refused(footprint, footprint_steps(settings), settings, "edge of the grid")


def test_a_grid_with_a_hole_is_refused() -> None:
    settings = footprint.FootprintSettings(half_width_m=0.16, step_m=0.08, hold_s=1.0)
    steps = [s for s in footprint_steps(settings) if (s.at.get("x_m"), s.at.get("y_m")) != (0.08, 0.0)]
    refused(footprint, steps, settings, "no whole grid")


def test_a_lag_without_an_odometer_is_refused() -> None:
    settings = lag.LagSettings(still_s=40.0)
    bench, steps = Bench(HEAD, 6), []
    for p in lag.plan(settings):
        bench.show(Scene() if p.role == "still" else moving(p, BALL, 0.08, 0.5 * float(p.at["direction"])))
        steps.append(take(bench, p))
    refused(lag, steps, settings, "odometer")


def test_five_marks_are_too_few() -> None:
    nothing = np.zeros(0)
    at = {"true_x_m": 0.0, "true_y_m": 0.0, "mark_x_m": 0.01, "mark_y_m": 0.0}
    marks = [Taken("mark", at, HEAD.stream(), nothing, nothing, np.zeros((0, 8))) for _ in range(5)]
    refused(pinpoint, marks, pinpoint.PinpointSettings(), "Too few repeats: 5")


def radar_steps(head: BenchRadar, shown: bool = True) -> list[Taken]:
    bench, steps = RadarBench(head, 7), []
    for p in radar.plan(radar.RadarSettings(hold_s=0.5)):
        bench.show(float(p.at["distance_m"]) if p.role == "plate" and shown else None)
        steps.append(take(bench, p))
    return steps


def test_a_plate_that_was_never_shown_gives_no_time_zero() -> None:
    refused(radar, radar_steps(BenchRadar(), shown=False), radar.RadarSettings(), "plate was never shown")


def test_a_radar_at_the_end_of_its_converter_gives_no_figure() -> None:
    refused(radar, radar_steps(BenchRadar(full_scale=0.3)), radar.RadarSettings(), "saturated")


def test_a_source_that_was_never_switched_on_disturbs_at_no_distance() -> None:
    bench = Bench(HEAD, 8)
    steps = [take(bench, p) for p in immunity.plan(immunity.ImmunitySettings())]
    result = immunity.measure(steps, immunity.ImmunitySettings())
    assert not any(f.name == "disturbs up to" for f in result.figures)
    assert "no distance" in result.notes[0]


def test_a_condition_that_was_not_said_is_asked_for() -> None:
    step = take(Bench(HEAD, 9), Planned("pass", "", 1.0))
    with pytest.raises(BenchError, match="without its height_m"):
        step.number("height_m")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.8, 0.9, Verdict.PASS),
        (1.1, 1.2, Verdict.FAIL),
        (0.9, 1.1, Verdict.UNDECIDED),
        (0.9, float("nan"), Verdict.UNDECIDED),
    ],
)
def test_a_figure_passes_or_fails_only_with_its_whole_interval(low: float, high: float, verdict: Verdict) -> None:
    assert Figure("x", 1.0, "V", low, high, "", Limit(None, 1.0, "")).verdict is verdict
