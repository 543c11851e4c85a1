"""The metal chain as a whole: exact for any cut, finite, and fit for every kind of head."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detector.errors import ProfileError
from detector.metal.chain import MetalChain, MetalOutput, MetalSettings
from detector.metal.geometry import MetalGeometry
from detector.samples import Mark, StreamKind

from .conftest import pulse_geometry, wave_geometry

FIELDS = ("gates", "soil_share", "search", "marks", "energy")


def joined(parts: list[MetalOutput]) -> dict[str, np.ndarray]:
    return {f: np.concatenate([getattr(p, f) for p in parts]) for f in FIELDS}


def run(x: np.ndarray, geometry: MetalGeometry, chosen: MetalSettings, sizes: list[int]) -> dict[str, np.ndarray]:
    chain = MetalChain(chosen, geometry)
    parts, at, i = [], 0, 0
    while at < len(x):
        parts.append(chain.process(x[at : at + sizes[i % len(sizes)]]))
        at += sizes[i % len(sizes)]
        i += 1
    return joined([*parts, chain.finish()])


def lively(n: int, geometry: MetalGeometry, seed: int = 1) -> np.ndarray:
    """Noise, hum, a spike, a target and an offset, so that every branch runs."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] / geometry.rate_hz
    x = rng.normal(size=(n, geometry.width)) + 5.0 * np.sin(2 * np.pi * 50.2 * t) + 40.0
    x[n // 3 : n // 2] += 30.0 * np.hanning(n // 2 - n // 3)[:, None] * np.geomspace(1.0, 0.1, geometry.width)
    x[n // 5] += 200.0
    return x


CASES = {
    "pulse": (pulse_geometry(), MetalSettings()),
    "pulse, three coils": (pulse_geometry(coils=3), MetalSettings()),
    "pulse, soil followed": (
        pulse_geometry(), MetalSettings.model_validate({"ground_balance": {"track_limit": 0.3, "track_s": 0.5}})
    ),
    "pulse, static": (
        pulse_geometry(), MetalSettings.model_validate({"mode": "static", "drift": {"offset": [40.0] * 8}})
    ),
    "wave, two coils": (
        wave_geometry(2), MetalSettings.model_validate({"phase": {"reference_deg": [10.0, 20.0, 30.0]}})
    ),
    "unknown method, one value": (
        MetalGeometry(StreamKind.METAL, 1, 1, (), 50.0, 0.01, 1.0, -9e9, 9e9), MetalSettings()
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=12, deadline=None)
@given(sizes=st.lists(st.integers(1, 600), min_size=1, max_size=8), n=st.integers(1, 1500))
def test_any_cut_gives_the_same_bits(case: str, sizes: list[int], n: int) -> None:
    geometry, chosen = CASES[case]
    x = lively(1500, geometry)[:n]
    whole, cut = run(x, geometry, chosen, [n]), run(x, geometry, chosen, sizes)
    for f in FIELDS:
        assert len(whole[f]) == n, f
        assert whole[f].tobytes() == cut[f].tobytes(), f


@pytest.mark.parametrize("case", CASES)
def test_one_reading_at_a_time_gives_the_same_bits(case: str) -> None:
    geometry, chosen = CASES[case]
    x = lively(700, geometry)
    whole, cut = run(x, geometry, chosen, [700]), run(x, geometry, chosen, [1])
    assert all(whole[f].tobytes() == cut[f].tobytes() for f in FIELDS)


@settings(max_examples=30, deadline=None)
@given(
    scale=st.sampled_from([0.0, 1e-310, 1e-200, 1e-30, 1.0, 1e12, 1e30]),
    offset=st.sampled_from([0.0, 1.0, -1e6, 1e30]),
    kind=st.sampled_from(["noise", "steps", "constant", "one spike", "single gate"]),
    n=st.integers(1, 900),
)
@example(scale=1.0, offset=0.0, kind="steps", n=60)
def test_finite_readings_never_give_a_nan(scale: float, offset: float, kind: str, n: int) -> None:
    rng = np.random.default_rng(n)
    x = np.zeros((n, 8))
    if kind == "noise":
        x = rng.normal(size=(n, 8))
    elif kind == "steps":
        x[n // 2 :] = 1.0
    elif kind == "one spike":
        x[n // 2] = 1.0
    elif kind == "single gate":
        x[:, 3] = rng.normal(size=n)
    out = run(x * scale + offset, pulse_geometry(), MetalSettings(), [200])
    for f in FIELDS:
        assert np.all(np.isfinite(out[f])), f


def test_coils_do_not_hear_each_other() -> None:
    # a head of three coils gives for each what a head of that coil alone would; the hum's frequency is common
    one, three = pulse_geometry(), pulse_geometry(coils=3)
    quiet = MetalSettings.model_validate({"mains": {"harmonics": 0}})
    x = lively(1200, three)
    together = run(x, three, quiet, [300])
    for c in range(3):
        alone = run(np.ascontiguousarray(x[:, 8 * c : 8 * c + 8]), one, quiet, [300])
        np.testing.assert_array_equal(together["search"][:, c], alone["search"][:, 0])
        np.testing.assert_array_equal(together["energy"][:, c], alone["energy"][:, 0])


def test_the_search_statistic_is_heard_within_fifty_milliseconds() -> None:
    for rate in (100.0, 500.0, 1000.0):
        chain = MetalChain(MetalSettings(), pulse_geometry(rate_hz=rate))
        assert chain.search_latency_s <= 0.05, rate
    # and measured: a target that steps in reaches half its statistic's amplitude in that time
    geometry = pulse_geometry()
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2000, 8))
    x[1500:] += 30.0 * np.geomspace(1.0, 0.02, 8)
    chain = MetalChain(MetalSettings(), geometry)
    amplitude = np.sqrt(chain.process(x).search[:, 0])
    first = int(np.argmax(amplitude[1500:] > 0.5 * amplitude[1600:1700].mean())) + chain.search_latency
    assert first / geometry.rate_hz <= 0.05


def test_a_search_statistic_uses_no_reading_after_its_own() -> None:
    geometry = pulse_geometry()
    x = lively(1200, geometry)
    other = x.copy()
    other[900:] += 1e3
    a, b = (MetalChain(MetalSettings(), geometry) for _ in range(2))
    late = a.search_latency
    first, second = a.process(x), b.process(other)
    np.testing.assert_array_equal(first.search[: 900 - late], second.search[: 900 - late])
    assert not np.array_equal(first.search[900:], second.search[900:])


def test_clean_noise_has_the_stated_distribution() -> None:
    from scipy import stats

    geometry = pulse_geometry()
    rng = np.random.default_rng(5)
    correlated = np.linalg.cholesky(0.7 * np.eye(8) + 0.3)
    x = rng.normal(size=(120_000, 8)) @ correlated.T * np.geomspace(3e-3, 1e-3, 8) + 0.7
    chain = MetalChain(MetalSettings(), geometry)
    values = chain.process(x).search[2000:, 0]
    dof = chain.search.dof
    assert dof == 8
    # baseline and shrinkage take a little: up to an eighth of the energy is missing, none is added
    for p in (0.1, 0.5, 0.9, 0.99, 0.999):
        ratio = np.quantile(values, p) / (stats.chi2.ppf(p, dof) / dof)
        assert 0.85 < ratio < 1.03, p


def test_static_mode_without_an_offset_says_what_to_do() -> None:
    with pytest.raises(ProfileError, match="take the offset"):
        MetalChain(MetalSettings(mode="static"), pulse_geometry())
    with pytest.raises(ProfileError, match="Take the offset again"):
        MetalChain(
            MetalSettings.model_validate({"mode": "static", "drift": {"offset": [1.0]}}), pulse_geometry()
        )


def test_static_mode_keeps_a_target_for_as_long_as_it_lies_there() -> None:
    geometry = pulse_geometry()
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30_000, 8)) + 40.0
    x[2000:] += 3.0 * np.exp(-np.array(geometry.axis) / 60e-6)
    chosen = MetalSettings.model_validate({"mode": "static", "drift": {"offset": [40.0] * 8}})
    out = run(x, geometry, chosen, [500])
    gate = out["gates"][:, 0]
    assert gate[-5000:].mean() == pytest.approx(gate[2100:7100].mean(), rel=0.02)
    assert out["energy"][-5000:-2000].mean() > 0.95 * out["energy"][3000:6000].mean()


def test_marks_arrive_with_the_reading_they_belong_to() -> None:
    lsb = 1e-3
    geometry = pulse_geometry(lsb=lsb)
    rng = np.random.default_rng(4)
    x = np.round(rng.normal(scale=5.0, size=(1500, 8))) * lsb
    x[700, 2] = geometry.high
    x[900:960] = x[900]
    marks = run(x, geometry, MetalSettings(), [64])["marks"]
    assert np.flatnonzero(marks & Mark.SATURATED).tolist() == [700]
    assert np.flatnonzero(marks & Mark.FROZEN).tolist() == list(range(910, 960))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_reading_that_is_no_number_does_not_deafen_the_lane(value: float) -> None:
    geometry = pulse_geometry()
    sound = lively(3000, geometry)
    sound[2500:2540, :] += 40.0 * np.hanning(40)[:, None]
    spoilt = sound.copy()
    spoilt[600, 2] = value
    spoilt[610] = value
    want = run(sound, geometry, MetalSettings(), [len(sound)])
    got = run(spoilt, geometry, MetalSettings(), [len(sound)])
    assert np.isfinite(got["gates"]).all()
    assert (got["marks"][[600, 610]] & Mark.SATURATED).all()
    assert not (got["marks"][[599, 601, 609, 611]] & Mark.SATURATED).any()
    far = slice(2450, 2600)
    assert got["energy"][far].max() == pytest.approx(want["energy"][far].max(), rel=0.1)
    small = run(spoilt, geometry, MetalSettings(), [7])
    assert all(np.array_equal(got[k], small[k]) for k in got)
