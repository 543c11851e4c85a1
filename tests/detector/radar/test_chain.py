"""The radar chain: exact whatever the cut, for every method, order and kind of head; honest about its samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import ProfileError
from detector.profile import load_profile, parse_profile, profile_names
from detector.radar.chain import RadarChain, RadarOutput, RadarSettings
from detector.radar.front import FrontEnd
from detector.radar.geometry import RadarGeometry
from detector.radar.stepped import Stepped, SteppedSettings
from detector.samples import Mark

N, C, M = 70, 3, 96


def records(dtype: str = "int16", seed: int = 4) -> np.ndarray:
    """(N, C, M) A-scans with a surface echo, a target under the middle antenna, noise and a lost surface."""
    rng = np.random.default_rng(seed)
    k = np.arange(M)
    u = (k - 15 - np.linspace(0, 1.5, N)[:, None, None]) / 3.0
    x = 4000 * (1 - 2 * u**2) * np.exp(-(u**2)) + rng.normal(scale=15.0, size=(N, C, M))
    place = 15 + np.hypot(20.0, 0.4 * (np.arange(N) - 40.0))
    v = (k - place[:, None]) / 3.0
    beam = np.exp(-(((np.arange(N) - 40.0) / 12.0) ** 2))[:, None]
    x[:, 1] += 500 * beam * (1 - 2 * v**2) * np.exp(-(v**2))
    x[55, 2] = rng.normal(scale=200.0, size=M)
    if dtype == "uint16":
        return np.round(x + 32768).astype(dtype)
    return x.astype(dtype) if dtype == "float32" else np.round(x).astype(dtype)


def geometry(lsb: float = 1.0, step_m: float = 0.02) -> RadarGeometry:
    return RadarGeometry(C, M, 1e-10, 1e9, step_m, lsb)


def run(chain: RadarChain, raw: np.ndarray, sizes: list[int]) -> bytes:
    out: list[RadarOutput] = []
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(raw):
            break
        out.append(chain.process(raw[at : at + size]))
        at += size
    out.append(chain.finish())
    return b"".join(
        np.concatenate([getattr(o, name) for o in out]).tobytes() for name in ("bscan", "marks", "search", "energy")
    )


METHODS = {
    "default": "",
    "mean": '[radar.background]\nmethod = "mean"',
    "median": '[radar.background]\nmethod = "median"',
    "subspace": '[radar.background]\nmethod = "subspace"\nrank = 2\nrefresh = 3',
    "no look ahead": "[radar.background]\nahead_m = 0.0",
    "energy": '[radar.prescreener]\nmethod = "energy"',
    "lms": '[radar.prescreener]\nmethod = "lms"',
    "nothing": "[radar]\nstages = []",
    "gain first": '[radar]\nstages = ["time_zero", "dewow", "bandpass", "gain", "background"]',
    "filters apart": '[radar]\nstages = ["dewow", "time_zero", "bandpass", "background"]',
    "height": '[radar]\nstages = ["dewow", "bandpass", "time_zero", "height", "background", "gain"]\n'
    "[radar.height]\nantenna_m = 0.1",
}


def settings_of(name: str) -> RadarSettings:
    return parse_profile(METHODS[name], name).radar


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_any_cut_gives_the_same_bits(name: str, sizes: list[int]) -> None:
    raw = records()
    s = settings_of(name)
    whole = run(RadarChain(s, geometry(), raw.dtype, M), raw, [N])
    assert run(RadarChain(s, geometry(), raw.dtype, M), raw, sizes) == whole


@pytest.mark.parametrize("samples", [96, 101])
@settings(max_examples=8, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6), watched=st.lists(st.booleans(), min_size=1, max_size=9)
)
def test_watching_a_stage_now_and_then_changes_no_bit(samples: int, sizes: list[int], watched: list[bool]) -> None:
    raw = np.ascontiguousarray(np.pad(records(), ((0, 0), (0, 0), (0, 5)))[:, :, :samples])
    g = RadarGeometry(C, samples, 1e-10, 1e9, 0.02, 1.0)
    turn, seen = itertools.cycle(watched), [0]

    def see(rows: np.ndarray) -> None:
        seen[0] += len(rows)

    def watch(stage: str):
        return see if stage == "time_zero" and next(turn) else None

    never = run(RadarChain(RadarSettings(), g, raw.dtype, samples), raw, sizes)
    assert run(RadarChain(RadarSettings(), g, raw.dtype, samples, watch=watch), raw, sizes) == never
    always = RadarChain(RadarSettings(), g, raw.dtype, samples, watch=lambda stage: see)
    assert run(always, raw, sizes) == never
    assert seen[0] >= N


def test_unwatched_records_go_through_the_front_end_in_one_kernel(monkeypatch) -> None:
    done = [0]
    real = FrontEnd.process

    def process(self: FrontEnd, raw: np.ndarray, *scale: float):
        done[0] += len(raw)
        return real(self, raw, *scale)

    monkeypatch.setattr(FrontEnd, "process", process)
    raw = records()
    run(RadarChain(RadarSettings(), geometry(), raw.dtype, M), raw, [20])
    # the first piece shows where the surface is and what the background is
    assert done[0] == N - 20
    run(RadarChain(RadarSettings(), geometry(), raw.dtype, M, watch=lambda stage: lambda rows: None), raw, [20])
    assert done[0] == N - 20


@pytest.mark.parametrize("profile", profile_names())
@settings(max_examples=5, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_any_cut_gives_the_same_bits_with_every_shipped_profile(profile: str, sizes: list[int]) -> None:
    raw = records()
    s = load_profile(profile).radar
    whole = run(RadarChain(s, geometry(step_m=0.05), raw.dtype, M), raw, [N])
    assert run(RadarChain(s, geometry(step_m=0.05), raw.dtype, M), raw, sizes) == whole


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32"])
def test_every_sample_type_gives_the_same_ground(dtype: str) -> None:
    raw = records(dtype)
    chain = RadarChain(RadarSettings(), geometry(0.0 if dtype == "float32" else 1.0), raw.dtype, M)
    out = chain.process(raw)
    assert np.isfinite(out.energy).all()
    # past the start, where the background still holds the arm of the hyperbola
    best = out.energy.reshape(len(out.energy), C, -1).max(axis=2)[20:]
    row, channel = np.unravel_index(np.argmax(best), best.shape)
    assert channel == 1
    assert abs(int(row) + 20 - 40) <= 2


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    size=st.sampled_from([1e-30, 1e-6, 1.0, 1e6, 1e30]),
    hole=st.sampled_from([0.0, np.nan, np.inf, -np.inf]),
    name=st.sampled_from(sorted(METHODS)),
)
def test_no_nan_comes_out_whatever_the_scale_and_whatever_a_head_sends(
    seed: int, size: float, hole: float, name: str
) -> None:
    raw = records("float32", seed) * np.float32(size)
    raw[30:33, :, 10:50] = hole
    chain = RadarChain(settings_of(name), geometry(0.0), raw.dtype, M)
    for out in (chain.process(raw), chain.finish()):
        assert np.isfinite(out.bscan).all()
        assert np.isfinite(out.energy).all()
        assert np.isfinite(out.search).all()


@pytest.mark.parametrize("value", [0, 1, -32768, 32767])
@pytest.mark.parametrize("name", METHODS)
def test_a_dead_or_stuck_converter_breaks_nothing_and_is_marked(name: str, value: int) -> None:
    raw = np.full((N, C, M), value, np.int16)
    chain = RadarChain(settings_of(name), geometry(), raw.dtype, M)
    first, last = chain.process(raw), chain.finish()
    assert np.isfinite(first.energy).all()
    assert np.isfinite(last.energy).all()
    assert (first.marks[3:] & Mark.FROZEN).all()
    assert bool((first.marks & Mark.SATURATED).all()) == (abs(value) > 1000)


def test_marks_name_the_antenna_and_the_reason() -> None:
    raw = records()
    raw[20, 0, 60:70] = 32767
    raw[30:34, 1] = raw[29, 1]
    raw[60, 2] += np.random.default_rng(0).normal(scale=900, size=M).astype(np.int16)
    chain = RadarChain(
        parse_profile("[radar.trust]\nnoise_records = 10", "x").radar, geometry(), raw.dtype, M
    )
    marks = chain.process(raw).marks
    assert marks[20, 0] & Mark.SATURATED
    assert not marks[20, 1:].any()
    assert [bool(m & Mark.FROZEN) for m in marks[28:36, 1]] == [False, False, False, True, True, True, False, False]
    assert marks[60, 2] & Mark.NOISY
    assert marks[55, 2] & Mark.SURFACE_LOST
    clean = np.ones(N, bool)
    clean[[20, *range(29, 34), 55, 60]] = False
    assert not marks[clean].any()


@pytest.mark.parametrize("value", [0, 1200, -32768])
def test_an_antenna_that_never_lived_is_marked_and_its_neighbours_are_not(value: int) -> None:
    raw = records()
    raw[:, 1] = value
    marks = RadarChain(RadarSettings(), geometry(), raw.dtype, M).process(raw).marks
    assert (marks[2:, 1] & Mark.FROZEN).all()
    assert not np.delete(marks, 55, axis=0)[:, [0, 2]].any()


def test_an_antenna_that_gives_noise_alone_is_marked() -> None:
    raw, rng = records(), np.random.default_rng(1)
    raw[:, 1] = np.round(rng.normal(scale=3.0, size=(N, M))).astype(np.int16)
    marks = RadarChain(RadarSettings(), geometry(), raw.dtype, M).process(raw).marks
    assert np.count_nonzero(marks[:, 1]) > 0.9 * N
    assert not np.delete(marks, 55, axis=0)[:, [0, 2]].any()


def test_a_head_that_was_stuck_is_trusted_again_when_it_lives() -> None:
    raw = np.concatenate([records()[:50]] * 7)
    raw[60:300] = 0
    settings = parse_profile("[radar.trust]\nnoise_records = 10", "x").radar
    marks = RadarChain(settings, geometry(), raw.dtype, M).process(raw).marks
    assert (marks[63:300] & Mark.FROZEN).all()
    assert not (marks[300:] & (Mark.NOISY | Mark.FROZEN)).any()


def test_a_direct_wave_that_clips_is_not_held_against_the_ground_below() -> None:
    raw = records()
    raw[:, :, 13:17] = 32767
    marks = RadarChain(RadarSettings(), geometry(), raw.dtype, M).process(raw).marks
    assert not (marks & Mark.SATURATED).any()


@pytest.mark.parametrize(
    ("stages", "why"),
    [
        (("bandpass", "dewow"), "before 'bandpass'"),
        (("background", "dewow"), "before 'background'"),
        (("background", "time_zero"), "'time_zero' before 'background'"),
        (("gain", "time_zero"), "before 'gain'"),
        (("height",), "without 'time_zero'"),
        (("gain", "gain"), "twice"),
        (("dewow", "agc"), "'background' or 'gain'"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_the_reason(stages: tuple[str, ...], why: str) -> None:
    with pytest.raises(ProfileError, match=why):
        parse_profile(f"[radar]\nstages = {list(stages)}".replace("'", '"'), "x")


def test_every_order_of_two_stages_is_either_refused_or_runs() -> None:
    raw = records()
    names = ("dewow", "bandpass", "time_zero", "background", "gain")
    ran = 0
    for order in itertools.permutations(names):
        try:
            s = RadarSettings(stages=order)
        except ValueError:
            continue
        assert np.isfinite(RadarChain(s, geometry(), raw.dtype, M).process(raw).energy).all()
        ran += 1
    # time zero before, between or after the two filters, gain on either side of the background, or before filters
    assert ran >= 6


F = np.arange(64) * 25e6 + 5e8


def spectra(delays_s: list[np.ndarray], echo: list[float], antenna: np.ndarray, n: int) -> np.ndarray:
    """(n, 1, 2 F) I and Q of echoes at those delays, as an antenna of that response receives them."""
    s = np.zeros((n, len(F)), complex)
    for delay, size in zip(delays_s, echo, strict=True):
        s += size * np.exp(-2j * np.pi * F * np.broadcast_to(delay, n)[:, None])
    s *= antenna
    raw = np.empty((n, 1, 2 * len(F)), np.float32)
    raw[:, 0, 0::2], raw[:, 0, 1::2] = s.real, s.imag
    return raw


def test_a_stepped_frequency_head_shows_echoes_at_their_time() -> None:
    stepped = Stepped(SteppedSettings(), "sfcw", tuple(F))
    raw = spectra([np.array(4e-9), np.array(9e-9)], [1.0, 0.3], np.ones(len(F)), 1)
    ascan = np.abs(stepped.process(raw)[0, 0])
    t = np.arange(stepped.samples) * stepped.dt_s - 2e-9
    assert t[np.argmax(ascan)] == pytest.approx(4e-9, abs=stepped.dt_s)
    late = np.where(t > 6.5e-9, ascan, 0.0)
    assert t[np.argmax(late)] == pytest.approx(9e-9, abs=2 * stepped.dt_s)
    assert ascan.max() == pytest.approx(1.0, rel=0.05)
    assert late.max() == pytest.approx(0.3, rel=0.1)


def test_the_reference_takes_out_what_cable_and_antenna_do() -> None:
    rng = np.random.default_rng(8)
    antenna = np.exp(-2j * np.pi * F * 3e-9) * (1 + 0.7 * np.sin(F / 5e7)) * np.exp(1j * 0.5 * rng.normal(size=len(F)))
    plate = spectra([np.array(0.0)], [1.0], antenna, 1)[0, 0]
    raw = spectra([np.array(5e-9)], [0.5], antenna, 1)
    bare = Stepped(SteppedSettings(), "sfcw", tuple(F))
    calibrated = Stepped(
        SteppedSettings(reference=tuple(float(v) for v in plate), regularisation=1e-4), "sfcw", tuple(F)
    )
    t = np.arange(bare.samples) * bare.dt_s - 2e-9

    def sharpness(ascan: np.ndarray) -> float:
        near = np.abs(t - t[np.argmax(np.abs(ascan))]) < 1.0e-9
        return float(np.sum(ascan[near] ** 2) / np.sum(ascan**2))

    good, bad = calibrated.process(raw)[0, 0], bare.process(raw)[0, 0]
    assert t[np.argmax(np.abs(good))] == pytest.approx(5e-9, abs=bare.dt_s)
    assert sharpness(good) > 0.95 > 0.8 > sharpness(bad)


def test_the_empty_shot_is_taken_off() -> None:
    coupling = spectra([np.array(1e-9)], [3.0], np.ones(len(F)), 1)
    raw = coupling + spectra([np.array(7e-9)], [0.1], np.ones(len(F)), 1)
    s = SteppedSettings(empty=tuple(float(v) for v in coupling[0, 0]))
    stepped = Stepped(s, "sfcw", tuple(F))
    ascan = stepped.process(raw)[0, 0]
    assert np.argmax(np.abs(ascan)) * stepped.dt_s - 2e-9 == pytest.approx(7e-9, abs=stepped.dt_s)


def test_a_count_of_a_stepped_head_amounts_to_what_is_stated() -> None:
    rng = np.random.default_rng(1)
    stepped = Stepped(SteppedSettings(), "sfcw", tuple(F))
    noise = rng.normal(size=(400, 1, 2 * len(F))).astype(np.float32)
    assert stepped.process(noise).std() == pytest.approx(stepped.lsb, rel=0.05)


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_any_cut_of_spectra_gives_the_same_bits(sizes: list[int]) -> None:
    rng = np.random.default_rng(3)
    target = 2e-9 + np.hypot(3e-9, 2 * (np.arange(60) - 30) * 0.02 / 1e8)
    raw = spectra([np.array(2e-9), target], [3e3, 200.0], np.ones(len(F)), 60)
    raw = np.round(raw + rng.normal(scale=5.0, size=raw.shape)).astype(np.int16)

    def chain() -> RadarChain:
        stepped = Stepped(SteppedSettings(), "sfcw", tuple(F))
        g = RadarGeometry(1, stepped.samples, stepped.dt_s, stepped.centre_frequency_hz, 0.02, stepped.lsb)
        return RadarChain(RadarSettings(), g, raw.dtype, raw.shape[2], stepped)

    assert run(chain(), raw, sizes) == run(chain(), raw, [60])


@pytest.mark.parametrize(
    ("frequencies", "more", "why"),
    [
        (F[:5], "", "at least 8"),
        (F**1.1, "", "not evenly stepped"),
        (F, "reference = [1.0, 0.0]", "needs 128"),
        (F, "samples_per_period = 4.0\n", None),
    ],
)
def test_spectra_that_cannot_be_transformed_are_refused(frequencies, more: str, why: str | None) -> None:
    s = parse_profile(f"[radar.stepped]\n{more}", "x").radar.stepped
    if why is None:
        Stepped(s, "sfcw", tuple(frequencies))
        return
    with pytest.raises(ProfileError, match=why):
        Stepped(s, "sfcw", tuple(float(f) for f in frequencies))
