"""The classifier's part for continuous waves: features that neither gain nor frequencies move, and who judges what."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from detector.decide.classifier import load_model, model_from, model_text
from detector.decide.evidence import PARTS, WAVE, part_flags, part_of, sensor_features
from detector.decide.training import Example, fit_model
from detector.decide.wave_look import wave_look
from detector.detections import CLASSES, FEATURES, UNKNOWN
from detector.metal_segment import tails_for
from detector.samples import StreamDescription, StreamKind
from detector.simulate.bench import steel_ball
from detector.simulate.continuous_wave import metal_polarizability
from detector.simulate.pulse_induction import Metal, sphere

BRASS = sphere(0.006, 1.6e7)
FOIL = Metal((1e-6,), (2e-6,))
IRON = steel_ball(0.004)


def look(metal: Metal, frequencies: tuple[float, ...] = (2e3, 8e3, 32e3), gain: float = 1.0) -> dict[str, float]:
    m = np.conj(metal_polarizability(metal, frequencies))
    v = gain * np.stack((m.real, m.imag), axis=1).ravel() / np.abs(m).max()
    soil = np.tile([1.0, 0.03], len(frequencies))
    return wave_look(v, np.full(len(v), 1e-3 * abs(gain)), frequencies, soil)


@pytest.mark.parametrize("gain", [1e-6, 1e4, -1.0])
def test_gain_and_a_turned_coil_change_nothing(gain: float) -> None:
    one, other = look(BRASS), look(BRASS, gain=gain)
    assert one.keys() == other.keys()
    assert set(one) == {f for f in FEATURES if f.startswith("cw_")}
    for name, value in one.items():
        assert other[name] == pytest.approx(value, abs=1e-6), name


def test_other_frequencies_of_the_same_band_change_little() -> None:
    one = look(BRASS)
    for frequencies in ((2e3, 32e3), (2e3, 4e3, 8e3, 16e3, 32e3), (32e3, 8e3, 2e3)):
        other = look(BRASS, frequencies)
        for name in ("cw_cosine_low", "cw_sine_high", "cw_slope_in_phase", "cw_slope_quadrature", "cw_static_share"):
            assert other[name] == pytest.approx(one[name], abs=0.25), (name, frequencies)
        assert other["cw_log_tau"] == pytest.approx(one["cw_log_tau"], abs=0.3)


def test_metals_are_told_by_phase_time_constant_and_static_part() -> None:
    brass, foil, iron = look(BRASS), look(FOIL), look(IRON)
    assert iron["cw_static_share"] > 0.5 > 0.1 > brass["cw_static_share"]
    assert iron["cw_static_sigmas"] > 0 > brass["cw_static_sigmas"]
    # a thin conductor lags by a quarter period, a thick one opposes
    assert foil["cw_sine_10khz"] > 0.95
    assert brass["cw_cosine_high"] < -0.8
    assert 10 ** foil["cw_log_tau"] == pytest.approx(2e-6, rel=0.3)
    assert foil["cw_fit"] > 0.99
    # magnetic ground lies along the soil's direction, a conductor across it
    soil = wave_look(np.tile([1.0, 0.03], 3), np.full(6, 1e-3), (2e3, 8e3, 32e3), np.tile([1.0, 0.03], 3))
    assert soil["cw_soil_fit"] > 0.999 > 0.1 > foil["cw_soil_fit"]


def test_nothing_is_said_of_no_answer() -> None:
    assert wave_look(np.zeros(4), np.ones(4), (1e3, 1e4), None) == {}


def alarm(rng: np.random.Generator, part: str, label: int) -> np.ndarray:
    x = np.full(len(FEATURES), np.nan)
    names = sensor_features(part)
    for i, name in enumerate(names):
        x[FEATURES.index(name)] = rng.normal() + (4.0 if i % len(CLASSES) == label else 0.0)
    return x


def taught() -> dict[str, object]:
    rng = np.random.default_rng(2)
    examples = []
    for i in range(360):
        label, part = i % 3, PARTS[(i // 3) % 3]
        flags = [1.0, np.nan] if part == "radar" else [np.nan, 1.0]
        examples.append(Example(f"lane{i // 9}", np.array([*alarm(rng, part, label), *flags]), label))
    return fit_model("t", examples, load_model().tails, {})


def test_a_wave_is_judged_by_its_own_part_and_by_no_other() -> None:
    data = taught()
    assert set(data["sensors"]) == set(PARTS)  # type: ignore[call-overload]
    assert set(data["fusion"]["silent"]) == {"radar", "metal"}  # type: ignore[index]
    model = model_from(json.loads(model_text(data)), "t")
    rng = np.random.default_rng(4)
    for part in ("metal", WAVE):
        x = [alarm(rng, part, label) for label in (0, 0, 0, 1, 1, 1)]
        assert {part_of("metal", f) for f in x} == {part}
        p = [model.judge(f, (math.nan, 1.0)).probability[0] for f in x]
        assert min(p[:3]) > max(p[3:])
    without = replace(
        model, sensors={k: v for k, v in model.sensors.items() if k != WAVE},
        weight={k: v for k, v in model.weight.items() if k != WAVE},
    )  # fmt: skip
    assert without.judge(alarm(rng, WAVE, 1), (math.nan, 1.0)).decision == UNKNOWN
    # a pulse's alarm is judged as before
    pulse = alarm(rng, "metal", 0)
    assert without.judge(pulse, (math.nan, 1.0)) == model.judge(pulse, (math.nan, 1.0))


def test_the_shipped_model_knows_waves() -> None:
    model = load_model()
    assert WAVE in model.sensors
    assert {WAVE, f"{WAVE}-search"} <= set(model.tails)


def test_a_silent_metal_detector_is_of_no_kind() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([alarm(rng, WAVE, 0), alarm(rng, "metal", 0), alarm(rng, "radar", 0)])
    flags = part_flags(x, np.array([[np.nan, 1.0], [0.0, 1.0], [1.0, 0.0]]))
    assert flags.tolist()[1] == [0.0, 1.0, pytest.approx(np.nan, nan_ok=True)]
    assert np.isnan(flags[0, :2]).all()
    assert flags[0, 2] == 1.0
    assert flags[2].tolist()[:2] == [1.0, 0.0]


def test_a_wave_alarms_by_its_own_tail_where_there_is_one() -> None:
    tails = load_model().tails
    own = replace(tails["metal"], level=tails["metal"].level + 1.0)
    pulse = StreamDescription(0, "m", StreamKind.METAL_PI, 1, 3, "int32", 500.0, axis=(1e-5, 2e-5, 4e-5))
    wave = StreamDescription(0, "m", StreamKind.METAL_CW, 1, 4, "int32", 500.0, axis=(1e3, 1e4))
    bare = {k: v for k, v in tails.items() if not k.startswith(WAVE)}
    assert tails_for(wave, bare)[0] == tails["metal"]
    assert tails_for(wave, {**bare, WAVE: own})[0] == own
    assert tails_for(pulse, {**bare, WAVE: own})[0] == tails["metal"]
