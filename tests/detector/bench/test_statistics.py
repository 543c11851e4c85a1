"""Intervals, spectra, drift and comparisons on data whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detector.bench import bounds, drift, lines
from detector.bench.compare import by_intervals, compare, holm, welch
from detector.bench.result import Figure, Limit
from detector.bench.steps import Entry, entry_of
from detector.bench.units import figure_texts
from detector.errors import BenchError

SEEDS = 400
LEAST = int(stats.binom.ppf(0.001, SEEDS, 0.95))


def correlated(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    """A first-order process of unit variance."""
    out = rng.normal(size=n)
    for i in range(1, n):
        out[i] = rho * out[i - 1] + np.sqrt(1 - rho**2) * out[i]
    return out


def test_batch_means_hold_the_mean_of_correlated_noise() -> None:
    hits = 0
    for seed in range(SEEDS):
        mean, error, dof = bounds.batch_mean(correlated(np.random.default_rng(seed), 800, 0.6))
        hits += abs(mean) <= stats.t.ppf(0.975, dof) * error
    assert hits >= LEAST - 8  # batches of 50 records are not quite independent at 0.6


def test_degrees_of_freedom_fall_with_correlation() -> None:
    rng = np.random.default_rng(0)
    assert bounds.variance_dof(rng.normal(size=4000)) > 3200
    # of a first-order process: n (1 - rho^2) / (1 + rho^2)
    assert bounds.variance_dof(correlated(rng, 40_000, 0.8)) == pytest.approx(40_000 * 0.36 / 1.64, rel=0.15)


def test_the_interval_of_a_quantile_needs_no_distribution() -> None:
    true = float(stats.lognorm.ppf(0.9, 1.0))
    hits = 0
    for seed in range(SEEDS):
        _, low, high = bounds.quantile_interval(np.random.default_rng(seed).lognormal(size=120), 0.9)
        hits += low <= true <= high
    assert hits >= LEAST


def test_a_quantile_beyond_the_sample_is_not_bounded() -> None:
    assert bounds.quantile_interval(np.arange(20.0), 0.99)[2] == float("inf")


@pytest.mark.parametrize(("y", "place"), [([4.0, 2.0, 0.0], 1.5), ([0.0, 2.0, 4.0], 0.5), ([4.0, 3.0, 2.0], None)])
def test_a_crossing_is_found_on_either_slope_or_not_at_all(y: list[float], place: float | None) -> None:
    found = bounds.crossing(np.arange(3.0), np.array(y), 1.0)
    assert np.isnan(found) if place is None else found == pytest.approx(place)


def test_the_allan_deviation_is_its_definition() -> None:
    y = np.random.default_rng(3).normal(size=200)
    m = 5
    means = [y[i : i + m].mean() for i in range(len(y) - m + 1)]
    steps = [means[i + m] - means[i] for i in range(len(means) - m)]
    assert drift.allan(y, m)[0] == pytest.approx(np.sqrt(0.5 * np.mean(np.square(steps))))


def test_a_spectrum_without_lines_shows_one_as_rarely_as_stated() -> None:
    false = 0
    for seed in range(200):
        s = lines.spectrum(np.random.default_rng(seed).normal(size=6000), 100.0, 0.5)
        false += bool(lines.lines_of(s, 0.05, 1.0))
    assert false <= stats.binom.ppf(0.999, 200, 0.05)


@pytest.mark.parametrize(
    ("hz", "rate", "words"),
    [
        (50.0, 500.0, "50 Hz mains"),
        (150.0, 500.0, "50 Hz mains, harmonic 3"),
        (60.0, 500.0, "60 Hz mains"),
        (10.0, 40.0, "folded from 50 Hz"),
        (50.0, 100.0, "50 Hz mains"),
        (17.3, 500.0, "no mains harmonic"),
    ],
)
def test_a_line_is_named_after_the_mains_also_where_the_record_rate_folds_it(
    hz: float, rate: float, words: str
) -> None:
    assert words in lines.mains_name(hz, rate, 0.2)


def test_mains_at_half_the_record_rate_are_found() -> None:
    n = np.arange(6000)
    x = np.random.default_rng(4).normal(size=6000) + 0.8 * np.cos(np.pi * n)
    (line,) = lines.lines_of(lines.spectrum(x, 100.0, 0.5), 0.01, 1.0)
    assert line.hz == pytest.approx(50.0, abs=0.5)


def test_a_carrier_in_a_radar_is_named_after_its_band() -> None:
    assert "FM broadcast" in lines.band_name(98e6)
    assert "FM broadcast or television" in lines.band_name(140e6, 100e6)
    assert "no band" in lines.band_name(30e6)


def test_holm_is_the_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_the_ratio_of_two_samples_lies_in_its_interval_and_equal_ones_rarely_differ() -> None:
    hits = differ = 0
    n = 150
    for seed in range(n):
        rng = np.random.default_rng(seed)
        _, low, high, _ = welch(rng.normal(10, 1, 12), rng.normal(12, 2, 9))
        hits += low <= 1.2 <= high
        differ += welch(rng.normal(10, 1, 12), rng.normal(10, 2, 9))[3] < 0.05
    assert hits >= stats.binom.ppf(0.001, n, 0.95)
    assert differ <= stats.binom.ppf(0.999, n, 0.05)


def _report(value: float, samples: list[float] | None = None) -> dict:
    figure = Figure("x", value, "V", value * 0.9, value * 1.1, "").to_json()
    return {"results": [{"measurement": "m", "figures": [figure], "samples": {"s": samples} if samples else {}}]}


def test_a_doubled_figure_differs_and_a_figure_does_not_differ_from_itself() -> None:
    (same,) = compare(_report(1.0), _report(1.0))
    (double,) = compare(_report(1.0), _report(2.0))
    assert not same.real
    assert double.real
    assert double.low < 2.0 < double.high


def test_twenty_comparisons_of_the_same_head_find_no_difference_by_chance() -> None:
    rng = np.random.default_rng(5)

    def report() -> dict:
        results = []
        for k in range(20):
            x = 1 + 0.05 * rng.normal()
            results.append(
                {"measurement": f"m{k}", "figures": [Figure("x", x, "V", x - 0.098, x + 0.098, "").to_json()]}
            )
        return {"results": results}

    tables = [compare(report(), report()) for _ in range(100)]
    wrong = sum(any(c.real for c in t) for t in tables)
    assert wrong <= stats.binom.ppf(0.999, 100, 0.05)
    assert sum(any(c.p < 0.05 for c in t) for t in tables) > 30  # each alone would have found some


def test_an_open_interval_is_not_compared() -> None:
    open_ended = Figure("x", 1.0, "V", 0.9, float("inf"), "").to_json()
    assert by_intervals(open_ended, open_ended) is None


def test_reports_of_different_measurements_are_not_compared() -> None:
    other = {"results": [{**_report(1.0)["results"][0], "measurement": "n"}]}
    with pytest.raises(BenchError, match="share no figure"):
        compare(_report(1.0), other)


def test_a_step_comes_back_from_its_event() -> None:
    entry = Entry("height", "pass", {"height_m": 0.1, "medium": "soil"}, 5, 9, 17, "v2")
    assert entry_of(entry.event()) == entry


def test_conditions_too_long_for_an_event_are_refused() -> None:
    with pytest.raises(BenchError, match="too long"):
        Entry("height", "pass", {"medium": "x" * 500}, 0, 1).event()


def test_a_figure_is_printed_with_the_digits_that_its_interval_is_worth() -> None:
    figure = Figure("x", 1.23456e-3, "V", 1.20e-3, 1.27e-3, "", Limit(None, 2e-3, ""))
    assert figure_texts(figure) == ("1.235 mV", "1.200 to 1.270", "at most 2 mV")
