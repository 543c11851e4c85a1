"""Radar kernels against scipy, numpy and plain geometry."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, optimize, signal

from detector.kernels.alignment import align_ascans
from detector.kernels.cfar import (
    averaged_log_ratio,
    local_peaks,
    mean_of_largest,
    ordered_log_ratio,
    strongest_near,
)
from detector.kernels.clutter import leading_directions, start_level, subtract_mean, subtract_median
from detector.kernels.fast_time import filter_ascans, filter_room
from detector.kernels.focus import focused_energy, predicted_energy, stack_places, stack_weights, two_way_time
from detector.kernels.order import insert_sorted, remove_sorted, replace_sorted
from detector.kernels.patch import semblance
from detector.kernels.radar_trust import at_the_ends, repeats, roughness, too_noisy
from detector.kernels.recursive import subtract_recursive
from detector.kernels.stepped import spectra_to_ascans
from detector.radar.filters import sections

NO_FILTER = (np.zeros((0, 3), np.float32), 0)


def filtered(raw: np.ndarray, offset: float, factor: float, blank: int, half: int, form: np.ndarray, pad: int):
    out = np.empty(raw.shape, np.float32)
    room = filter_room(raw.shape[2], pad, half)
    filter_ascans(raw, offset, factor, raw.dtype.kind in "iu", blank, half, form, pad, room, out)
    return out


def aligned_with(rows: np.ndarray, reference: np.ndarray, gates: np.ndarray, *more):
    out, lags, lost = np.empty_like(rows), np.empty(rows.shape[:2]), np.empty(rows.shape[:2], np.uint8)
    align_ascans(rows, reference, gates, *more, out, lags, lost)
    return out, lags, lost


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def ricker(k: np.ndarray, at: float, width: float) -> np.ndarray:
    u = (k - at) / width
    return (1 - 2 * u**2) * np.exp(-(u**2))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_the_zero_phase_filter_equals_sosfiltfilt_within_a_hundredth_of_a_count(rng, order: int, dtype) -> None:
    x = (1000 * rng.normal(size=(5, 7, 200))).astype(dtype)
    sos = signal.butter(order, [0.05, 0.4], "bandpass", output="sos")
    ours = filtered(x, 0.0, 1.0, 0, 0, sections(order, 0.05, 0.4), 30)
    theirs = signal.sosfiltfilt(sos, x.astype(float), axis=2, padtype="odd", padlen=30)
    np.testing.assert_allclose(ours, theirs, atol=0.01)


def test_dewow_equals_scipy_away_from_the_ends_and_blanks_markers(rng) -> None:
    x = (500 * rng.normal(size=(4, 1, 100))).astype(np.int16)
    x[:, :, :2] = 30000
    ours = filtered(x, 0.0, 1.0, 2, 7, *NO_FILTER)[:, 0]
    clean = x[:, 0].astype(float)
    clean[:, :2] = clean[:, 2:3]
    theirs = clean - ndimage.uniform_filter1d(clean, 15, axis=1)
    np.testing.assert_allclose(ours[:, 7:-7], theirs[:, 7:-7], atol=0.02)


@pytest.mark.parametrize("half", [1, 7, 40])
@pytest.mark.parametrize("m", [23, 61, 130, 267])
def test_dewow_within_the_recursion_equals_a_running_mean_and_sosfiltfilt(rng, m: int, half: int) -> None:
    x = (1000 * rng.normal(size=(37, 1, m))).astype(np.int16)
    pad = min(20, m - 2)
    ours = filtered(x, 0.0, 1.0, 3, half, sections(2, 0.05, 0.4), pad)[:, 0]
    clean = x[:, 0].astype(float)
    clean[:, :3] = clean[:, 3:4]
    flat = np.stack(
        [clean[:, k] - clean[:, max(0, k - half) : k + half + 1].mean(axis=1) for k in range(m)], axis=1
    )
    sos = signal.butter(2, [0.05, 0.4], "bandpass", output="sos")
    np.testing.assert_allclose(ours, signal.sosfiltfilt(sos, flat, axis=1, padtype="odd", padlen=pad), atol=0.02)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.float32, np.float64])
def test_the_type_of_a_sample_does_not_change_its_bits(rng, dtype) -> None:
    x = rng.integers(-128, 128, size=(11, 3, 101))
    a = (0.0, 0.5, 2, 6, sections(2, 0.05, 0.4), 20)
    assert filtered(x.astype(dtype), *a).tobytes() == filtered(x.astype(np.int16), *a).tobytes()


def test_offset_scale_and_what_is_not_a_number(rng) -> None:
    x = np.array([[[0, 40000, 65535]]], np.uint16)
    assert filtered(x, 32768.0, 0.5, 0, 0, *NO_FILTER).ravel().tolist() == [-16384.0, 3616.0, 16383.5]
    bad = np.array([[[np.nan, np.inf, -np.inf, 2.0]]], np.float32)
    out = filtered(bad, 0.0, 1.0, 0, 0, *NO_FILTER).ravel()
    assert np.isfinite(out).all()
    assert (out[0], out[3]) == (0.0, 2.0)
    assert out[1] == -out[2] > 1e11


def test_alignment_recovers_a_known_fractional_shift() -> None:
    k = np.arange(200.0)
    shifts = np.array([0.0, 0.3, -0.4, 1.7, 2.5])
    rows = np.stack([ricker(k, 60.0 + s, 6.0) for s in shifts])[:, None].astype(np.float32)
    aligned, lags, lost = aligned_with(
        rows, rows[0].copy(), np.array([[40, 80]]), 6, 1, 5.0, 0.6, 0.1, 50, np.zeros((1, 3))
    )
    np.testing.assert_allclose(lags[:, 0], shifts, atol=0.03)
    assert not lost.any()
    np.testing.assert_allclose(aligned[:, 0], np.broadcast_to(ricker(k, 60.0, 6.0), (5, 200)), atol=0.02)


def test_every_other_sample_of_the_gate_gives_the_same_lag() -> None:
    k = np.arange(300.0)
    rows = np.stack([ricker(k, 100.0 + s, 12.0) for s in (0.0, 1.3, -2.2)])[:, None].astype(np.float32)
    gate = np.array([[60, 140]])
    lags = [
        aligned_with(rows, rows[0].copy(), gate, 8, stride, 9.0, 0.6, 0.1, 50, np.zeros((1, 3)))[1] for stride in (1, 4)
    ]
    np.testing.assert_allclose(lags[0], lags[1], atol=0.02)


def test_an_ascan_without_a_surface_is_flagged_and_teaches_nothing(rng) -> None:
    row = np.exp(-(((np.arange(200) - 60) / 5.0) ** 2)).astype(np.float32)
    rows = np.stack([row, row, 0.01 * rng.normal(size=200).astype(np.float32), row])[:, None]
    reference = row[None].copy()
    _, _, lost = aligned_with(rows, reference, np.array([[40, 80]]), 4, 1, 3.0, 0.6, 0.1, 50, np.zeros((1, 3)))
    assert lost[:, 0].tolist() == [0, 0, 1, 0]
    np.testing.assert_allclose(reference[0], row, atol=1e-6)


def test_a_surface_that_was_wrong_from_the_start_is_found_again(rng) -> None:
    k = np.arange(200.0)
    # the first A-scan is noise, so that its reference fits nothing after it
    rows = np.stack([rng.normal(size=200), *(ricker(k, 62.0, 6.0) for _ in range(40))])[:, None].astype(np.float32)
    aligned, _, lost = aligned_with(
        rows, rows[0].copy(), np.array([[40, 81]]), 6, 1, 3.0, 0.6, 0.1, 10, np.zeros((1, 3))
    )
    assert lost[1:11].all()
    assert not lost[20:].any()
    assert abs(int(np.argmax(aligned[-1, 0])) - 60) <= 1


def test_the_channels_of_an_array_do_not_touch_each_other(rng) -> None:
    x = (1000 * rng.normal(size=(9, 5, 96))).astype(np.int16)
    a = (0.0, 1.0, 2, 6, sections(2, 0.05, 0.4), 20)
    together = filtered(x, *a)
    for c in range(5):
        assert filtered(np.ascontiguousarray(x[:, c : c + 1]), *a).tobytes() == together[:, c].tobytes()


def bounded(rows: np.ndarray, **more) -> np.ndarray:
    rows = rows.astype(np.float32)
    lost = np.zeros((len(rows), 1), np.uint8)
    level, spread = start_level(rows[:50], lost[:50])
    out, plain = np.empty_like(rows), np.ones(rows.shape[1], np.float32)
    floor = np.array([more.get("floor", 1e-9)], np.float32)
    subtract_recursive(rows, lost, 0, len(rows), 0, level, spread, 0.05, 2.0, floor, False, plain, out)
    return out


def test_recursive_background_keeps_a_target_longer_than_its_memory(rng) -> None:
    rows = rng.normal(size=(300, 1))
    rows[100:160] += 50.0  # three memories of 20 rows
    plain = np.empty(300)
    b = rows[0, 0]
    for i, v in enumerate(rows[:, 0]):
        b += 0.05 * (v - b)
        plain[i] = v - b
    assert np.mean(plain[155:160]) < 0.1 * 50
    assert np.mean(bounded(rows)[155:160, 0]) > 0.7 * 50


def test_samples_that_fill_no_vector_get_the_same_background_bits(rng) -> None:
    rows = 100 * rng.normal(size=(90, 1))
    assert bounded(np.tile(rows, 47)).tobytes() == np.tile(bounded(rows), 47).tobytes()


def test_recursive_background_follows_a_step_that_stays(rng) -> None:
    rows = rng.normal(size=(1000, 1))
    rows[100:] += 50.0
    assert abs(np.mean(bounded(rows)[900:])) < 1.0


def test_recursive_background_that_starts_without_noise_still_follows() -> None:
    rows = np.r_[np.zeros(50), np.linspace(0, 10, 400)][:, None]
    assert abs(bounded(rows, floor=0.3)[-1, 0]) < 2.0


def test_a_lost_ascan_stays_out_of_every_window(rng) -> None:
    rows = rng.normal(size=(60, 4)).astype(np.float32)
    lost = np.zeros((60, 1), np.uint8)
    lost[20] = 1
    wild = rows.copy()
    wild[20] = 1e6
    for run in (
        lambda x: subtract_mean(x, lost, 0, 60, 8, 5, np.zeros(4), np.zeros(1, np.int64), False),
        lambda x: subtract_median(x, lost, 0, 60, 8, 5, np.zeros((4, 15), np.float32), np.zeros(1, np.int64), False),
    ):
        a, b = run(rows), run(wild)
        keep = np.arange(60) != 20
        np.testing.assert_array_equal(a[keep], b[keep])


def test_window_mean_and_median_equal_numpy(rng) -> None:
    rows = (100 * rng.normal(size=(40, 6))).astype(np.float32)
    lost = np.zeros((40, 2), np.uint8)
    mean = subtract_mean(rows, lost, 0, 40, 7, 4, np.zeros(6), np.zeros(2, np.int64), False)
    median = subtract_median(rows, lost, 0, 40, 7, 4, np.zeros((6, 13), np.float32), np.zeros(2, np.int64), False)
    for i in range(40):
        window = rows[max(0, i - 7) : i + 5]
        np.testing.assert_allclose(mean[i], rows[i] - window.mean(axis=0), atol=1e-3)
        lower = np.sort(window, axis=0)[(len(window) - 1) // 2]
        np.testing.assert_array_equal(median[i], rows[i] - lower)


def test_leading_directions_equal_the_singular_vectors(rng) -> None:
    u = np.linalg.qr(rng.normal(size=(30, 3)))[0] * np.array([100.0, 20.0, 5.0])
    v = np.linalg.qr(rng.normal(size=(200, 3)))[0]
    rows = (u @ v.T + 0.01 * rng.normal(size=(30, 200))).astype(np.float32)
    basis = np.eye(2, 200, dtype=np.float32) + 0.1 * rng.normal(size=(2, 200)).astype(np.float32)
    leading_directions(rows, basis, 30)
    theirs = np.linalg.svd(rows.astype(float), full_matrices=False)[2][:2]
    np.testing.assert_allclose(np.abs(np.sum(basis * theirs, axis=1)), 1.0, atol=1e-4)


def test_a_kept_order_equals_a_sort(rng) -> None:
    ordered, values = np.zeros(40), []
    for _ in range(500):
        if values and rng.random() < 0.3:
            at, new = int(rng.integers(len(values))), float(rng.integers(8))
            replace_sorted(ordered, len(values), values[at], new, np.empty(41))
            values[at] = new
        elif len(values) == 40 or (values and rng.random() < 0.45):
            gone = values.pop(int(rng.integers(len(values))))
            remove_sorted(ordered, len(values) + 1, gone)
        else:
            values.append(float(rng.integers(8)))
            insert_sorted(ordered, len(values) - 1, values[-1])
        np.testing.assert_array_equal(ordered[: len(values)], np.sort(values))


def stack_tables(m: int, surface: int, dt: float, step: float, speeds: list[float], samples, apertures):
    half = round(apertures.max() / step)
    whole, part, inside, ends = stack_places(m, float(surface), dt, step, half, np.array(speeds), 0.0, samples)
    return whole, inside, ends, *stack_weights(step, apertures, part)


@pytest.mark.parametrize("stride", [1, 2])
def test_diffraction_stack_pulls_a_hyperbola_to_its_apex(rng, stride: int) -> None:
    n, m, dt, step, v, surface, apex = 61, 300, 2e-11, 0.01, 1e8, 30, 130
    rows = 0.05 * rng.normal(size=(n, 1, m))
    k = np.arange(m)
    for i in range(n):
        rows[i, 0] += ricker(k, np.hypot((apex - surface) * dt, 2 * (i - 30) * step / v) / dt + surface, 8.0)
    samples = np.arange(surface, m - 1, stride)
    tables = stack_tables(m, surface, dt, step, [1e8, 1.5e8], samples, np.full(len(samples), 15 * step))
    energy, which = focused_energy(rows.astype(np.float32), 0, n, 0, *tables, 24, 20 // stride)
    row, cell = np.unravel_index(np.argmax(energy[:, 2:]), energy[:, 2:].shape)
    cell += 2
    assert abs(row - 30) <= 1
    assert abs(samples[cell * (10 // stride)] + 10 - apex) <= 10
    assert which[row, cell] == 0
    assert energy[row, cell] > 20 * energy[row + 20, cell]


def test_stack_of_white_noise_has_unit_energy_at_every_depth_and_at_the_ends(rng) -> None:
    rows = rng.normal(size=(4000, 1, 200)).astype(np.float32)
    # without moveout every row adds at the same sample: no interpolation, so the gain is exact
    samples = np.arange(199)
    tables = stack_tables(200, 0, 1e-10, 0.01, [1e15], samples, np.linspace(0.0, 0.07, 199))
    pieces = [focused_energy(rows[i : i + 20], 0, 20, 0, *tables, 8, 40)[0] for i in range(0, 4000, 20)]
    energy = np.stack(pieces)
    np.testing.assert_allclose(energy.mean(axis=(0, 1)), 1.0, rtol=0.05)
    np.testing.assert_allclose(energy.mean(axis=(0, 2)), 1.0, rtol=0.05)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize(("near", "per_depth"), [(0.09, 0.0), (0.02, 1.0), (0.0, 3.0)])
def test_the_stack_is_the_sum_that_its_formula_says(rng, stride: int, near: float, per_depth: float) -> None:
    n, m, surface, dt, step, half, length = 30, 120, 12, 1e-10, 0.015, 6, 8
    rows = rng.normal(size=(n, 2, m)).astype(np.float32)
    speeds = [0.8e8, 1.2e8]
    samples = np.arange(surface, m - 1, stride)
    apertures = np.minimum(half * step, near + per_depth * 0.5e8 * dt * (samples - surface))
    n_bins = (len(samples) - length) // (length // 2) + 1
    tables = stack_tables(m, surface, dt, step, speeds, samples, apertures)
    energy, which = focused_energy(rows, 3, 28, 1, *tables, n_bins, length)

    def stacked(i: int, v: float) -> np.ndarray:
        total, power = np.zeros(len(samples)), np.zeros(len(samples))
        for j in range(n):
            far = abs(i - j) * step
            weight = np.where(far < apertures + step, 0.5 + 0.5 * np.cos(np.pi * far / (apertures + step)), 0.0)
            weight *= abs(i - j) <= half
            at = surface + np.hypot((samples - surface) * dt, 2 * far / v) / dt
            total += weight * np.where(at < m - 1, np.interp(at, np.arange(m), rows[j, 1]), 0.0)
            power += weight**2
        return total**2 / power

    for i in range(3, 28):
        squares = np.stack([stacked(i, v) for v in speeds])
        bins = np.stack([squares[:, b : b + length].mean(axis=1) for b in range(0, n_bins * 4, 4)], axis=1)
        np.testing.assert_allclose(energy[i - 3], bins.max(axis=0), rtol=2e-4)
        np.testing.assert_array_equal(which[i - 3], bins.argmax(axis=0))


@pytest.mark.parametrize("height", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("offset", [0.03, 0.15, 0.6])
def test_a_ray_from_a_raised_antenna_takes_the_quickest_way(height: float, offset: float) -> None:
    c, v, depth = 299792458.0, 1.0e8, 0.12

    def path(x: float) -> float:
        return np.hypot(x, height) / c + np.hypot(offset - x, depth) / v

    quickest = optimize.minimize_scalar(path, bounds=(0.0, offset), method="bounded", options={"xatol": 1e-9}).fun
    ours = two_way_time(2 * depth / v, offset, v, height)
    assert ours == pytest.approx(2.0 * (quickest - height / c), rel=1e-6)


def test_lms_predicts_a_layer_and_not_a_target(rng) -> None:
    n, m = 400, 64
    layer = np.sin(np.arange(m) / 4.0)
    rows = (layer * (1 + 0.3 * np.sin(np.arange(n) / 40.0))[:, None] + 0.02 * rng.normal(size=(n, m)))[:, None]
    rows[300:304, 0, 20:40] += 1.0
    energy = predicted_energy(
        rows.astype(np.float32), 0, n, 0, 5, 4, 0, 1, np.array([20]), 20,
        np.full((1, 8), 0.125), np.full(1, -1.0), 0.05,
    )  # fmt: skip
    ground = energy[100:280, 0]
    assert energy[302, 0] > 50 * np.median(ground)
    # white noise of 0.02 and the eight weights on it is all that is left of the layer
    assert np.median(ground) < 4 * 0.02**2


def test_order_statistic_ratio_equals_a_direct_sort(rng) -> None:
    logs = rng.normal(size=(40, 2)).astype(np.float32)
    own = logs + np.float32(0.5)
    state = np.zeros((2, 20), np.float32), np.zeros(5, np.int64)
    out = ordered_log_ratio(own, logs, 0, 40, 10, 8, 3, 0.4, 4, *state)
    for i in range(40):
        guard = 3
        while True:
            reference = [j for j in range(max(0, i - 10), min(40, i + 9)) if abs(j - i) > guard]
            if len(reference) >= 4 or guard == 0:
                break
            guard -= 1
        rank = int(0.4 * (len(reference) - 1) + 0.5)
        expected = own[i] - np.sort(logs[reference], axis=0)[rank]
        np.testing.assert_array_equal(out[i], expected)


def test_the_strongest_near_a_cell_is_sought_within_its_own_antenna(rng) -> None:
    logs = rng.normal(size=(20, 12)).astype(np.float32)
    near = strongest_near(logs, 2, 2)
    for c in range(12):
        base = c // 6 * 6
        np.testing.assert_array_equal(near[:, c], logs[:, max(base, c - 2) : min(base + 6, c + 3)].max(axis=1))


def test_two_dimensional_average_equals_a_direct_sum(rng) -> None:
    logs = rng.normal(size=(30, 12)).astype(np.float32)
    out = averaged_log_ratio(logs, 0, 30, 9, 7, 2, 4, 2, 3, 1)
    for i in (0, 3, 15, 29):
        for c in (0, 4, 6, 11):
            base = c // 6 * 6
            frame = [
                logs[j, q]
                for j in range(max(0, i - 9), min(30, i + 8))
                for q in range(max(base, c - 3), min(base + 6, c + 4))
                if abs(j - i) > 2 or abs(q - c) > 1
            ]
            assert out[i, c] == pytest.approx(logs[i, c] - np.mean(frame))


def test_ground_without_reference_is_not_tested() -> None:
    ordered, window = np.zeros((1, 22), np.float32), np.zeros(5, np.int64)
    silent = np.zeros((3, 1), np.float32)
    out = ordered_log_ratio(silent, silent, 0, 3, 10, 10, 2, 0.5, 6, ordered, window)
    assert np.isnan(out).all()
    score, _ = mean_of_largest(out, 1, 1)
    assert np.isnan(score).all()
    assert local_peaks(score[:, 0], 0, 3, 1, -1e9).size == 0


def test_mean_of_largest_equals_a_sort_in_every_group(rng) -> None:
    x = rng.normal(size=(20, 12))
    x[3, 7] = np.nan
    score, where = mean_of_largest(x, 3, 2)
    for i in range(20):
        for g in range(2):
            part = x[i, 6 * g : 6 * g + 6]
            if np.isnan(part).any():
                assert np.isnan(score[i, g])
                continue
            assert score[i, g] == pytest.approx(np.mean(np.sort(part)[-3:]))
            assert where[i, g] == np.argmax(part)


def test_spectra_to_ascans_equals_the_sum_of_tones(rng) -> None:
    f = np.arange(10) * 2e7 + 5e8
    t = np.arange(50) * 2e-10
    spectrum = rng.normal(size=10) + 1j * rng.normal(size=10)
    matrix = np.empty((20, 50), np.float32)
    matrix[0::2] = np.cos(2 * np.pi * np.outer(f, t))
    matrix[1::2] = -np.sin(2 * np.pi * np.outer(f, t))
    raw = np.empty((1, 1, 20), np.float32)
    raw[0, 0, 0::2], raw[0, 0, 1::2] = spectrum.real, spectrum.imag
    ours = spectra_to_ascans(raw, np.zeros(20), np.tile([1.0, 0.0], 10), matrix)[0, 0]
    theirs = np.real(np.exp(2j * np.pi * np.outer(t, f)) @ spectrum)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_trust_kernels_say_what_they_see(rng) -> None:
    raw = (100 * rng.normal(size=(4, 2, 64))).astype(np.int16)
    raw[1, 0, 40:45] = 32767
    raw[2, 1, 3] = -32768
    ends = at_the_ends(raw, np.array([10, 10]), np.array([-32768, 32767], np.int16))
    assert ends.tolist() == [[0, 0], [5, 0], [0, 0], [0, 0]]
    raw[2:, 1] = raw[1, 1]
    run = np.full(2, -1, np.int64)
    assert repeats(raw, np.zeros((2, 64), np.int16), run).tolist() == [[0, 0], [0, 0], [0, 1], [0, 2]]


def test_roughness_is_the_standard_deviation_of_white_noise_and_hardly_sees_an_echo(rng) -> None:
    noise = 5.0 * rng.normal(size=(20, 1, 4096))
    assert roughness(noise, 0, 1).mean() == pytest.approx(5.0, rel=0.05)
    echo = np.sin(2 * np.pi * np.arange(4096) / 20.0)[None, None]
    assert roughness(echo, 0, 1)[0, 0] < 0.01


def test_noise_is_judged_against_the_first_records_and_a_louder_reference_is_not_learned() -> None:
    noise = np.r_[np.full(20, 2.0), np.full(100, 9.0), np.full(10, 1.0)][:, None]
    reference, seen = np.zeros(1), np.zeros(1, np.int64)
    loud = too_noisy(noise, np.zeros(noise.shape, bool), 4.0, 10, 0.1, 0.0, reference, seen)[:, 0]
    assert not loud[:20].any()
    assert loud[20:120].all()
    assert reference[0] < 2.0


@pytest.mark.parametrize("first", [0, 30])
def test_the_silence_of_a_stuck_head_is_no_reference_for_a_live_one(first: int) -> None:
    noise = np.full((600, 1), 2.0)
    noise[first : first + 300] = 0.0
    reference, seen = np.zeros(1), np.zeros(1, np.int64)
    loud = too_noisy(noise, noise == 0.0, 4.0, 10, 0.1, 0.0, reference, seen)
    assert not loud.any()
    assert reference[0] == 2.0


def test_semblance_under_a_raised_antenna_is_greatest_at_the_true_speed_and_height() -> None:
    n, m, dt, step, surface, apex, height = 41, 400, 2e-11, 0.01, 30, 130, 0.15
    k = np.arange(m)
    patch = np.stack(
        [ricker(k, surface + two_way_time(100 * dt, (i - 20) * step, 1e8, height) / dt, 8.0) for i in range(n)]
    )
    speeds = np.linspace(0.06e9, 0.17e9, 23)

    def best(h: float) -> tuple[float, float]:
        values = [semblance(patch, 20, float(apex), float(surface), dt, step, v, 6, h) for v in speeds]
        return float(max(values)), float(speeds[int(np.argmax(values))])

    right, speed = best(height)
    assert right > 0.95
    assert speed == pytest.approx(1e8, rel=0.06)
    # without the height the wave seems quicker than it is
    wrong, seeming = best(0.0)
    assert wrong < right
    assert seeming > 1.3e8
