"""The prescreener: apertures that grow with depth, bins as long as an echo, any cut the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.radar.geometry import RadarGeometry
from detector.radar.prescreener import DepthBins, Prescreener, PrescreenerSettings, half_apertures

STEP_M, DT_S, FC_HZ, SURFACE, SPEED = 0.01, 4e-11, 1.5e9, 25, 1.043e8
SAMPLES = 220


def geometry(fc_hz: float = FC_HZ, channels: int = 1) -> RadarGeometry:
    return RadarGeometry(channels, SAMPLES, DT_S, fc_hz, STEP_M, 1.0)


def points(places_m: list[float], depth_m: float, n: int) -> np.ndarray:
    """(n, SAMPLES) hyperbolas of points at one depth, Ricker pulses, losing amplitude as their path grows."""
    k, out = np.arange(SAMPLES), np.zeros((n, SAMPLES))
    for place in places_m:
        way = np.hypot(depth_m, np.arange(n) * STEP_M - place)
        u = np.pi * FC_HZ * DT_S * (k - SURFACE - (2.0 * way / SPEED / DT_S)[:, None])
        out += (depth_m / way[:, None]) ** 1.5 * (1.0 - 2.0 * u**2) * np.exp(-(u**2))
    return out


def energy(rows: np.ndarray, chosen: PrescreenerSettings, sizes: list[int] | None = None) -> np.ndarray:
    stage = Prescreener(chosen, geometry(), np.array([SURFACE]))
    rows, parts, at, i = rows.astype(np.float32), [], 0, 0
    sizes = sizes or [len(rows)]
    while at < len(rows):
        parts.append(stage.process(rows[at : at + sizes[i % len(sizes)]]))
        at += sizes[i % len(sizes)]
        i += 1
    parts.append(stage.finish())
    return np.concatenate([np.concatenate([a, b.astype(np.float64)], axis=1) for a, b in parts])


ONE_APERTURE = PrescreenerSettings(near_aperture_m=0.25)


def test_the_aperture_grows_with_depth_up_to_its_largest() -> None:
    below = np.array([-5, 0, 20, 40, 400])
    depth = 0.5 * SPEED * DT_S * np.maximum(below, 0)
    grown = half_apertures(PrescreenerSettings(), geometry(), below, SPEED)
    np.testing.assert_allclose(grown, np.minimum(0.25, 0.06 + 1.5 * depth))
    np.testing.assert_array_equal(half_apertures(ONE_APERTURE, geometry(), below, SPEED), 0.25)


def test_what_lies_beyond_the_aperture_of_a_depth_does_not_reach_it() -> None:
    rows = np.zeros((101, SAMPLES))
    rows[50, SURFACE:] = np.random.default_rng(5).normal(size=SAMPLES - SURFACE)
    reached = energy(rows, PrescreenerSettings()) > 0
    bins = DepthBins(PrescreenerSettings(), geometry(), np.array([SURFACE]))
    for cell in range(len(bins)):
        last = bins.span(0, cell)[0] + (bins.length - 1) * bins.stride
        aperture = half_apertures(PrescreenerSettings(), geometry(), np.array([last - SURFACE]), SPEED)[0]
        far = np.abs(np.arange(101) - 50) * STEP_M
        # a record more: there the taper would end
        assert not reached[far > aperture + STEP_M, cell].any()
        assert reached[far < min(0.06, aperture), cell].all()
    deep = reached[:, len(bins) // 2]
    assert deep.sum() > 2 * reached[:, 0].sum()


def test_a_deep_echo_in_noise_stands_out_further_than_with_the_surface_s_aperture() -> None:
    rows = points([1.0], 0.25, 200) + np.random.default_rng(5).normal(scale=0.3, size=(200, SAMPLES))
    cells = len(DepthBins(PrescreenerSettings(), geometry(), np.array([SURFACE])))
    short = PrescreenerSettings(aperture_m=0.06)
    assert energy(rows, PrescreenerSettings())[100, :cells].max() > 2.0 * energy(rows, short)[100, :cells].max()


@pytest.mark.parametrize(("fc_hz", "ns"), [(0.5e9, 0.6 + 0.3), (1e9, 0.3 + 0.3), (2.5e9, 0.12 + 0.3)])
def test_a_bin_lasts_as_long_as_part_of_the_pulse_and_the_way_through_an_object(fc_hz: float, ns: float) -> None:
    fine = RadarGeometry(1, 4000, 4e-12, fc_hz, STEP_M, 1.0)
    bins = DepthBins(PrescreenerSettings(), fine, np.array([400]))
    assert bins.length * bins.stride * 4e-3 == pytest.approx(ns, abs=0.6 * bins.stride * 4e-3)


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    near=st.floats(0.0, 0.3),
    per_depth=st.floats(0.0, 5.0),
    most=st.floats(0.0, 0.3),
)
def test_any_cut_gives_the_same_bits_with_any_aperture(
    sizes: list[int], near: float, per_depth: float, most: float
) -> None:
    chosen = PrescreenerSettings(aperture_m=most, near_aperture_m=near, aperture_per_depth=per_depth)
    rows = points([0.4], 0.1, 80) + np.random.default_rng(5).normal(scale=0.1, size=(80, SAMPLES))
    np.testing.assert_array_equal(energy(rows, chosen, sizes), energy(rows, chosen))
