"""What a scope shows is what the samples hold: figures against signals of known noise, lines and bands."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.samples import NO_ODOMETER, SampleBlock, StreamDescription, StreamKind
from firmware_host.scope.terminal import picture
from firmware_host.scope.traces import KEPT_S, Show, StreamTraces, View, as_message

METAL = StreamDescription(
    0, "m", StreamKind.METAL_PI, 2, 3, "int32", 500.0, scale=1e-6, unit="V", axis=(2e-5, 5e-5, 1e-4)
)
RADAR = StreamDescription(
    1, "r", StreamKind.RADAR, 1, 256, "int16", 50.0, sampling_interval_s=5e-11, centre_frequency_hz=1e9
)


def block(stream: StreamDescription, raw: np.ndarray, first: int = 0) -> SampleBlock:
    n = len(raw)
    seq = np.arange(first, first + n, dtype=np.int64)
    return SampleBlock(stream, seq, seq, np.zeros(n, np.int64), np.full(n, NO_ODOMETER), raw.astype(stream.dtype))


def metal(n: int, noise: float = 100.0, hum: float = 0.0, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n) / METAL.rate_hz
    level = np.array([[9e5, 4e5, 1e5], [8e5, 3e5, 5e4]])
    x = level + rng.normal(scale=noise, size=(n, 2, 3)) + hum * np.sqrt(2) * np.sin(2 * np.pi * 50 * t)[:, None, None]
    return np.round(x)


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(1, 6999), max_size=6), show=st.sampled_from(list(Show)[:4]))
def test_curves_do_not_depend_on_how_the_samples_came(cuts: list[int], show: Show) -> None:
    raw = metal(7000)
    whole, parts = StreamTraces(METAL), StreamTraces(METAL)
    whole.add(block(METAL, raw))
    edges = [0, *sorted(set(cuts)), len(raw)]
    for a, b in itertools.pairwise(edges):
        parts.add(block(METAL, raw[a:b], a))
    view = View("m", show, 1, 2, 50)
    a, b = whole.curve(view), parts.curve(view)
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.y, b.y)
    assert a.notes == b.notes


def test_noise_is_told_in_the_streams_unit_and_a_slope_is_no_noise() -> None:
    raw = metal(5000, noise=200.0) + np.linspace(0, 1e5, 5000)[:, None, None]
    traces = StreamTraces(METAL)
    traces.add(block(METAL, raw))
    curve = traces.curve(View("m", Show.NOISE))
    assert curve is not None
    assert curve.y_unit == "V"
    # 5000 samples tell a standard deviation to 1 %; five times that
    np.testing.assert_allclose(curve.y, 200e-6, rtol=0.05)


def test_hum_is_found_named_and_measured() -> None:
    traces = StreamTraces(METAL)
    traces.add(block(METAL, metal(5000, noise=20.0, hum=300.0)))
    curve = traces.curve(View("m", Show.SPECTRUM, 0, 1))
    assert curve is not None
    line = next(n for n in curve.notes if "50 Hz mains x 1" in n)
    rms = float(re.search(r": ([\d.e-]+) V rms", line).group(1))
    assert rms == pytest.approx(300e-6, rel=0.2)
    quiet = StreamTraces(METAL)
    quiet.add(block(METAL, metal(5000, noise=20.0)))
    curve = quiet.curve(View("m", Show.SPECTRUM, 0, 1))
    assert curve is not None
    assert not any("rms" in n for n in curve.notes)
    # white noise: density times the root of the band is the standard deviation
    assert np.sqrt(np.mean(curve.y[0] ** 2) * 250.0) == pytest.approx(20e-6, rel=0.1)


def test_a_record_is_averaged_and_drawn_over_its_gates() -> None:
    traces = StreamTraces(METAL)
    traces.add(block(METAL, metal(4000)))
    one, many = (traces.curve(View("m", Show.RECORD, 0, 0, n)) for n in (1, 4000))
    assert one is not None
    assert many is not None
    np.testing.assert_allclose(many.x, [20, 50, 100])
    assert np.abs(many.y[0] - [0.9, 0.4, 0.1]).max() < 1e-5
    assert np.abs(one.y[0] - [0.9, 0.4, 0.1]).max() > 1e-5
    assert many.notes[0] == "mean of 4000"


def test_the_band_of_an_ascan_is_told() -> None:
    k = np.arange(256)
    pulse = np.exp(-0.5 * ((k - 60) / 12.0) ** 2) * np.cos(2 * np.pi * 1e9 * 5e-11 * (k - 60))
    traces = StreamTraces(RADAR)
    traces.add(block(RADAR, np.round(10000 * pulse) * np.ones((20, 1, 1))))
    curve = traces.curve(View("r", Show.BAND, 0, 0, 20))
    assert curve is not None
    assert float(re.search(r"peak at ([\d.]+) MHz", curve.notes[0]).group(1)) == pytest.approx(1000, abs=80)


def test_memory_is_bounded_and_what_is_not_there_yet_is_not_drawn() -> None:
    wide = StreamDescription(
        0, "w", StreamKind.RADAR, 24, 512, "int16", 1e4, sampling_interval_s=1e-10, centre_frequency_hz=1e9
    )
    traces = StreamTraces(wide)
    assert traces.newest(10**9).shape == (0, 24, 512)
    assert traces.curve(View("w", Show.NOISE)) is None
    assert traces.curve(View("w", Show.RECORD)) is None
    raw = np.zeros((500, 24, 512), np.int16)
    for k in range(3):
        traces.add(block(wide, raw, 500 * k))
    kept = traces.newest(10**9)
    assert kept.size <= 1 << 21
    assert len(kept) < KEPT_S * wide.rate_hz


def test_a_value_at_the_end_of_the_converter_is_told_until_it_is_past() -> None:
    traces = StreamTraces(RADAR)
    raw = np.zeros((10, 1, 256))
    raw[5, 0, 7] = 32767
    traces.add(block(RADAR, raw))
    assert traces.saturated
    traces.add(block(RADAR, np.zeros((round(KEPT_S * 50), 1, 256)), 10))
    assert not traces.saturated


def test_curves_go_to_the_page_as_plain_numbers_and_to_the_terminal_as_rows() -> None:
    traces = StreamTraces(METAL)
    traces.add(block(METAL, metal(600)))
    for show in Show:
        curve = traces.curve(View("m", show))
        assert curve is not None
        message = as_message(curve)
        assert len(message["x"]) == len(message["y"][0])
        rows = picture(curve, 40, 6)
        assert len(rows) == 7
        assert "█" in "".join(rows)
