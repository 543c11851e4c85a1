"""Fixed-point cascades: equal to CMSIS-DSP, free of overflow, and no further off than stated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from detector.embedded.cascade import Cascade, cascade_of, reference_output
from detector.embedded.quantised import RANGES, counts_of, quantise
from detector.errors import ProfileError
from detector.kernels.fixed_point import filter_rows, run_cascade
from detector.profile import Profile, parse_profile
from detector.radar.filters import Filters
from detector.radar.geometry import RadarGeometry
from detector.recording.reader import open_recording
from detector.samples import StreamDescription, StreamKind

VECTORS = Path(__file__).parent / "vectors" / "cmsis.npz"


def test_the_model_is_cmsis_dsp_to_the_bit() -> None:
    """Against what cmsisdsp computed, saturation included; make_vectors.py made the file."""
    with np.load(VECTORS) as v:
        n = sum(name.endswith("_in") for name in v.files)
        assert n >= 8
        saturated = 0
        for i in range(n):
            word, post_shift = (int(a) for a in v[f"{i}_word"])
            k = v[f"{i}_coefficients"]
            out = np.empty(len(v[f"{i}_in"]), np.int64)
            run_cascade(v[f"{i}_in"].copy(), k, post_shift, word, np.zeros((len(k), 4), np.int64), out)
            np.testing.assert_array_equal(out, v[f"{i}_out"])
            saturated += bool(word == 15 and np.any(np.abs(out) >= 2**15 - 1))
        assert saturated


@st.composite
def cascades(draw: st.DrawFn, zero_phase: bool) -> Cascade:
    low = draw(st.floats(0.02, 0.5))
    high = draw(st.floats(low * 1.5 + 0.02, 0.95))
    order = draw(st.integers(1, 3))
    sos = signal.butter(order, [low, high], "bandpass", output="sos")
    samples = draw(st.integers(40, 90)) if zero_phase else 0
    return Cascade(
        stream="s", lines=1, rate_hz=1.0, sos=sos, samples=samples, blank=draw(st.integers(0, 3)) if zero_phase else 0,
        half=draw(st.integers(0, 12)) if zero_phase else 0, pad=draw(st.integers(1, 30)) if zero_phase else 0,
    )  # fmt: skip


def hardest(cascade: Cascade, n: int) -> np.ndarray:
    """Full-scale signs that drive the cascade's output as high as any input can."""
    h = signal.sosfilt(cascade.sos, np.r_[1.0, np.zeros(n - 1)])
    return np.where(np.sign(h[::-1]) == 0, 1.0, np.sign(h[::-1]))


@settings(deadline=None, max_examples=60)
@given(data=st.data(), word=st.sampled_from([31, 15]), zero_phase=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_no_input_brings_it_further_off_than_its_bound(
    data: st.DataObject, word: int, zero_phase: bool, seed: int
) -> None:
    cascade = data.draw(cascades(zero_phase))
    kind = data.draw(st.sampled_from(["int16", "uint16"] if zero_phase else sorted(RANGES)))
    try:
        q = quantise(cascade, word, kind)
    except ProfileError:
        assert word == 15, "32 bits are enough for any of these"
        return
    assert 0 < q.peak <= 1
    assert q.accumulator < 1
    rng = np.random.default_rng(seed)
    full = int(RANGES[kind]) - 1
    n = cascade.samples or 600
    rows = [
        rng.integers(-full, full + 1, n), np.where(rng.random(n) < 0.5, full, -full), np.full(n, -full),
        (full * hardest(cascade, n)).astype(np.int64), full * (-1) ** np.arange(n),
    ]  # fmt: skip
    x = np.array(rows, dtype=np.int64)
    if not zero_phase:
        x = np.ascontiguousarray(x.T)
    off = counts_of(q, q.run(x)) - reference_output(cascade, x.astype(np.float64))
    assert np.abs(off).max() <= q.error


@settings(deadline=None, max_examples=25)
@given(cut=st.integers(1, 199), seed=st.integers(0, 1000))
def test_a_stream_cut_anywhere_gives_the_same_words(cut: int, seed: int) -> None:
    cascade = Cascade("s", 2, 1.0, signal.butter(2, [0.05, 0.4], "bandpass", output="sos"))
    q = quantise(cascade, 31, "int16")
    x = np.random.default_rng(seed).integers(-30000, 30000, (200, 2)) << q.shift
    args = (q.coefficients, q.rest, q.post_shift, q.word)
    whole = filter_rows(x, *args, np.zeros((2, len(q.coefficients), 4), np.int64), False)
    state = np.zeros((2, len(q.coefficients), 4), np.int64)
    parts = filter_rows(x[:cut], *args, state, False), filter_rows(x[cut:], *args, state, True)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_cascade_of_a_radar_is_what_the_hosts_chain_does(recordings: Path) -> None:
    with open_recording(recordings / "rebar_real.h5") as rec:
        stream = rec.device.streams[0]
        raw = next(iter(rec.blocks(60))).raw
    profile = Profile()
    cascade = cascade_of(stream, profile)
    geometry = RadarGeometry(1, stream.values, stream.sampling_interval_s, stream.centre_frequency_hz, 0.01, 1.0)
    host = Filters(profile.radar.dewow, profile.radar.bandpass, geometry).process(raw, 32768.0)
    ours = reference_output(cascade, raw[:, 0].astype(np.float64) - 32768.0)
    assert np.abs(host[:, 0] - ours).max() < 1e-4 * np.abs(ours).max()
    q = quantise(cascade, 31, stream.sample_type)
    fixed = counts_of(q, q.run(raw[:, 0].astype(np.int64) - 32768))
    assert np.abs(fixed - host[:, 0]).max() <= q.error + 1e-4 * np.abs(ours).max()


def test_a_metal_front_end_takes_off_offset_and_hum_and_keeps_a_target() -> None:
    stream = StreamDescription(0, "m", StreamKind.METAL_PI, 1, 1, "int32", 1000.0, axis=(1e-5,))
    cascade = cascade_of(stream, Profile())
    t = np.arange(20000) / 1000.0
    target = 2e5 * np.exp(-0.5 * ((t - 15.0) / 0.15) ** 2)
    x = np.round(3e7 + 4e5 * np.sin(2 * np.pi * 50 * t) + 1e5 * np.sin(2 * np.pi * 150 * t) + target).astype(np.int64)
    q = quantise(cascade, 31, "int32", limit=2.0**26)
    y = counts_of(q, q.run(x[:, None]))[:, 0]
    assert np.abs(y[9000:14000]).max() < 0.02 * 2e5
    assert 0.7 * 2e5 < y.max() < 1.05 * 2e5
    assert abs(t[y.argmax()] - 15.0) < 0.06


def test_a_converter_of_fewer_bits_than_its_samples_gives_a_smaller_error() -> None:
    stream = StreamDescription(0, "m", StreamKind.METAL_PI, 1, 1, "int32", 1000.0, axis=(1e-5,))
    cascade = cascade_of(stream, Profile())
    assert quantise(cascade, 31, "int32", 2.0**23).error < 0.02 * quantise(cascade, 31, "int32").error


RADAR = StreamDescription(
    0, "r", StreamKind.RADAR, 1, 256, "int16", 100.0, sampling_interval_s=5e-11, centre_frequency_hz=1e9
)


@pytest.mark.parametrize(
    ("stream", "profile", "word", "says"),
    [
        (replace(RADAR, sample_type="float32"), "", 31, "float32 samples, which have no fixed-point range"),
        (replace(RADAR, sample_type="int32"), "", 31, "32-bit A-scans"),
        (replace(RADAR, centre_frequency_hz=0.0), "", 31, "printed on the antenna"),
        (RADAR, '[radar]\nstages = ["time_zero", "background"]', 31, "neither dewow nor bandpass"),
        (replace(RADAR, values=20), "", 31, "longer than an A-scan"),
        (
            StreamDescription(0, "m", StreamKind.METAL_PI, 1, 1, "int16", 20000.0, axis=(1e-5,)),
            "[metal.drift]\nmemory_s = 60.0", 15, "bits",
        ),
        (
            StreamDescription(
                0, "f", StreamKind.RADAR_SFCW, 1, 4, "int16", 10.0, axis=(1e9, 2e9)
            ),
            "", 31, "stepped-frequency",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_refused_with_what_to_do(
    stream: StreamDescription, profile: str, word: int, says: str
) -> None:
    with pytest.raises(ProfileError, match=says):
        quantise(cascade_of(stream, parse_profile(profile, "test")), word, stream.sample_type)


def test_a_limit_beyond_the_samples_is_refused() -> None:
    with pytest.raises(ProfileError, match="largest count"):
        quantise(cascade_of(RADAR, Profile()), 31, "int16", 1e6)
