"""Bench measurements on a simulated head whose answers are known: what was measured beside what is true.

The truth of every case comes from the stated physics without noise, not from the measurement's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from scipy import optimize
from scipy.ndimage import gaussian_filter1d
from scipy.signal import hilbert, lfilter

from detector.bench import (
    drift,
    footprint,
    height,
    immunity,
    lag,
    latency,
    noise,
    pinpoint,
    radar,
    repeatability,
    resolution,
    smallest,
    speed,
    static,
)
from detector.bench.result import Result
from detector.bench.steps import Planned, Taken, taken_of
from detector.simulate import bench as physics
from detector.simulate.bench import Bench, BenchHead, Piece, Scene
from detector.simulate.bench_radar import BenchRadar, RadarBench
from detector.simulate.metal_lane import decay

TICK_HZ = 1e6
steel_ball = cache(physics.steel_ball)
BALL = steel_ball(0.010)
HEAD = BenchHead(rate_hz=100.0)
"""Slow enough for many seeds."""

Truth = dict[str, float]
Case = Callable[[int], tuple[Result, Truth]]


def take(bench: Bench | RadarBench, p: Planned) -> Taken:
    """The samples of a planned step."""
    return taken_of(bench.take(max(2, round(p.seconds * bench.head.rate_hz))), TICK_HZ, p.role, p.at)


def moving(p: Planned, metal: object, below: float, v: float = 0.5, odometer: bool = False) -> Scene:
    """The piece in the middle of a pass that lasts as long as the step."""
    return Scene(((metal, 0.0, 0.0, below),), v, -v * p.seconds / 2, odometer)  # type: ignore[arg-type]


def norm_of(head: BenchHead, x: float, y: float, below: float, metal: object = BALL) -> float:
    """Signal of a piece at rest, the norm over the gates, V."""
    one = np.array([1.0])
    return float(np.linalg.norm(head.response(Piece(metal, one * x, one * y, one * below))))  # type: ignore[arg-type]


def noise_case(seed: int) -> tuple[Result, Truth]:
    head = replace(HEAD, rate_hz=250.0, mains_v=3e-4)
    bench = Bench(head, seed)
    settings = noise.NoiseSettings(seconds=60.0)
    result = noise.measure([take(bench, p) for p in noise.plan(settings)], settings)
    names = head.stream().value_names
    truth = {f"noise, {names[0]}": float(head.sigma_v[0]), f"noise, {names[-1]}": float(head.sigma_v[-1])}
    line = next(f.name for f in result.figures if f.name.startswith("line"))
    return result, {**truth, line: 3e-4 / np.sqrt(2)}


def drift_case(seed: int) -> tuple[Result, Truth]:
    head = replace(HEAD, rate_hz=20.0, drift_v_per_s=2e-6, warm_up_v=0.02, warm_up_s=90.0)
    bench = Bench(head, seed)
    settings = drift.DriftSettings(seconds=1200.0, band=1e-3)
    result = drift.measure([take(bench, p) for p in drift.plan(settings)], settings)
    return result, {
        "drift": 3600 * 2e-6,
        "warm-up time constant": 90.0,
        "time to stable": 90.0 * np.log(20) / 60,
        "Allan deviation over 1 s": float(head.sigma_v[0]) / np.sqrt(20.0),
    }


def steady_drift_case(seed: int) -> tuple[Result, Truth]:
    head = replace(HEAD, rate_hz=20.0, drift_v_per_s=1e-6)
    bench = Bench(head, seed)
    settings = drift.DriftSettings(seconds=600.0)
    result = drift.measure([take(bench, p) for p in drift.plan(settings)], settings)
    return result, {"drift": 3600 * 1e-6}


PASS = height.HeightSettings()
"""Its treatment of a pass is that of the other measurements too."""
PASS_S = 3.0


def treated(series: np.ndarray) -> np.ndarray:
    """Smoothed and less a line through its ends, as docs/bench.md states it."""
    n = len(series)
    k = int(PASS.ends * n)
    y = gaussian_filter1d(series, PASS.smoothing_s * HEAD.rate_hz, axis=0, mode="nearest")
    first, last = series[:k].mean(axis=0), series[-k:].mean(axis=0)
    along = (np.arange(n) - (k - 1) / 2) / (n - k)
    return np.asarray(y - (first + np.multiply.outer(along, last - first)).reshape(y.shape))


@cache
def spread() -> float:
    """Noise of a treated pass over that of a record, from each record's part in the treated signal."""
    n = round(PASS_S * HEAD.rate_hz)
    k = int(PASS.ends * n)
    return float(np.sqrt((treated(np.eye(n))[k:-k] ** 2).sum(axis=1).mean()))


def seen_at(metal: object, below: float) -> float:
    """How far a pass at 0.5 m/s stands out of the noise, in sigma, without a sample."""
    n = round(PASS_S * HEAD.rate_hz)
    x = 0.5 * (np.arange(n) / HEAD.rate_hz - PASS_S / 2)
    law = HEAD.gain * decay(HEAD.coil, metal)  # type: ignore[arg-type]
    weights = law / HEAD.sigma_v**2
    signal = HEAD.coupling(x, 0 * x, 0 * x + below) * float(weights @ law)
    sigma = float(np.sqrt((weights**2 * HEAD.sigma_v**2).sum()))
    return float(treated(signal).max() / (sigma * spread()))


@cache
def smallest_ball(below: float, noisier: float = 1.0) -> float:
    """Diameter that stands out by the threshold, m."""
    wanted = noisier * PASS.threshold_sigma
    return float(optimize.brentq(lambda d: seen_at(physics.steel_ball(d), below) - wanted, 0.001, 0.05))


def height_case(seed: int) -> tuple[Result, Truth]:
    bench = Bench(HEAD, seed)
    settings = height.HeightSettings(first_m=0.225, last_m=0.40)
    steps = []
    for p in height.plan(settings):
        bench.show(Scene() if p.role == "still" else moving(p, BALL, float(p.at["height_m"])))
        steps.append(take(bench, p))
    result = height.measure(steps, settings)
    true = optimize.brentq(lambda h: seen_at(BALL, h) - settings.threshold_sigma, 0.1, 0.4)
    return result, {"detection height": float(true)}


def smallest_case(seed: int) -> tuple[Result, Truth]:
    bench = Bench(HEAD, seed)
    settings = smallest.SmallestSettings(
        balls_m=(0.0015, 0.002, 0.003, 0.004, 0.006, 0.008), heights_m=(0.05, 0.10, 0.15)
    )
    steps = []
    for p in smallest.plan(settings):
        still = p.role == "still"
        bench.show(Scene() if still else moving(p, steel_ball(float(p.at["diameter_m"])), float(p.at["height_m"])))
        steps.append(take(bench, p))
    result = smallest.measure(steps, settings)
    truth = {f"smallest ball at {1e3 * h:.0f} mm": smallest_ball(h) for h in settings.heights}
    there = {f.name for f in result.figures}
    return result, {name: true for name, true in truth.items() if name in there}


def soil_case(seed: int) -> tuple[Result, Truth]:
    bench = Bench(HEAD, seed)
    settings = smallest.SmallestSettings(balls_m=(0.002, 0.003, 0.004, 0.006), heights_m=(0.08, 0.12), still_s=90.0)
    steps = []
    for p in smallest.soil_plan(settings):
        noisier = 1.5 if p.at["medium"] == "soil" else 1.0
        scene = Scene()
        if p.role == "pass":
            scene = moving(p, steel_ball(float(p.at["diameter_m"])), float(p.at["height_m"]))
        bench.show(replace(scene, noise_factor=noisier))
        steps.append(take(bench, p))
    result = smallest.measure_soil(steps, settings)

    truth = {}
    for h in settings.heights:
        truth[f"smallest ball at {1e3 * h:.0f} mm in soil"] = smallest_ball(h, 1.5)
        truth[f"larger by soil at {1e3 * h:.0f} mm"] = smallest_ball(h, 1.5) / smallest_ball(h)
    there = {f.name for f in result.figures}
    return result, {name: true for name, true in truth.items() if name in there}


def repeatability_case(seed: int) -> tuple[Result, Truth]:
    rng = np.random.default_rng(10_000 + seed)
    bench = Bench(replace(HEAD, drift_v_per_s=2e-5), seed)
    settings = repeatability.RepeatabilitySettings(repeats=12)
    steps, gain = [], 1.0
    for p in repeatability.plan(settings):
        if p.role == "background":
            gain = 1.0 + 0.05 * rng.normal()
        bench.head = replace(bench.head, gain=gain)
        bench.show(Scene() if p.role == "background" else Scene(((BALL, 0.0, 0.0, 0.05),)))
        steps.append(take(bench, p))
    result = repeatability.measure(steps, settings)
    true = norm_of(HEAD, 0, 0, 0.05)
    return result, {"mean response": true, "standard deviation between set-ups": 0.05 * true}


def static_case(seed: int) -> tuple[Result, Truth]:
    head = replace(HEAD, drift_v_per_s=1e-5, mains_v=5e-4)
    bench = Bench(head, seed)
    true = norm_of(HEAD, 0, 0, 0.10)
    settings = static.StaticSettings(before_s=60.0, item_s=30.0, after_s=30.0, reference=true / 0.9)
    steps = []
    for p in static.plan(settings):
        bench.show(Scene(((BALL, 0.0, 0.0, 0.10),)) if p.role == "item" else Scene())
        steps.append(take(bench, p))
    return static.measure(steps, settings), {"response of the item": true, "against the reference": 0.9}


def footprint_case(seed: int) -> tuple[Result, Truth]:
    bench = Bench(HEAD, seed)
    settings = footprint.FootprintSettings(step_m=0.04, half_width_m=0.16, hold_s=1.0, height_m=0.10)
    steps = []
    for p in footprint.plan(settings):
        there = p.role == "point"
        bench.show(Scene(((BALL, float(p.at["x_m"]), float(p.at["y_m"]), 0.10),)) if there else Scene())
        steps.append(take(bench, p))
    top = norm_of(HEAD, 0, 0, 0.10)
    half = float(optimize.brentq(lambda x: norm_of(HEAD, x, 0, 0.10) - 0.5 * top, 0.02, 0.3))
    return footprint.measure(steps, settings), {
        "width along the sweep": 2 * half,
        "width along the advance": 2 * half,
        "area": np.pi * half**2,
        "overlap that it asks for, of the head's width": 1 - 2 * half / settings.head_width_m,
    }


def pinpoint_case(seed: int) -> tuple[Result, Truth]:
    rng = np.random.default_rng(seed)
    bias, spread = np.array([0.02, -0.01]), np.array([[0.0009, 0.0002], [0.0002, 0.0004]])
    settings = pinpoint.PinpointSettings()
    steps = []
    for p in pinpoint.plan(settings):
        true = rng.uniform(-1, 1, 2)
        mark = true + rng.multivariate_normal(bias, spread)
        at = {**p.at, "true_x_m": true[0], "true_y_m": true[1], "mark_x_m": mark[0], "mark_y_m": mark[1]}
        nothing = np.zeros(0)
        steps.append(Taken("mark", at, HEAD.stream(), nothing, nothing, np.zeros((0, 8))))
    return pinpoint.measure(steps, settings), {
        "bias along x": 0.02,
        "bias along y": -0.01,
        "root mean square distance": float(np.sqrt(bias @ bias + np.trace(spread))),
        "radius of 95 % of marks": _radius(bias, spread),
    }


def _radius(bias: np.ndarray, spread: np.ndarray) -> float:
    drawn = np.random.default_rng(99).multivariate_normal(bias, spread, 400_000)
    return float(np.quantile(np.linalg.norm(drawn, axis=1), 0.95))


def lag_case(seed: int) -> tuple[Result, Truth]:
    head = replace(HEAD, rate_hz=200.0, lag_s=0.03)
    bench = Bench(head, seed)
    settings = lag.LagSettings(still_s=40.0)
    steps = []
    for p in lag.plan(settings):
        way = float(p.at.get("direction", 1.0))
        v = 0.4 + 0.05 * float(p.at.get("pair", 0.0))
        bench.show(Scene() if p.role == "still" else moving(p, BALL, 0.08, v * way, odometer=True))
        steps.append(take(bench, p))
    return lag.measure(steps, settings), {"lag": 0.03}


def resolution_case(seed: int) -> tuple[Result, Truth]:
    head = replace(HEAD, noise_v=6e-4)
    bench = Bench(head, seed)
    settings = resolution.ResolutionSettings(still_s=40.0, spacings_m=(0.2, 0.225, 0.25, 0.275, 0.3, 0.325))
    steps = []
    for p in resolution.plan(settings):
        if p.role == "still":
            bench.show(Scene())
        else:
            d = float(p.at["spacing_m"])
            pieces = ((BALL, -d / 2, 0.0, 0.08), (BALL, d / 2, 0.0, 0.08))
            bench.show(Scene(pieces, 0.3, -0.3 * p.seconds / 2, True))
        steps.append(take(bench, p))

    def dip(d: float) -> float:
        rate = 2000.0
        n = round(settings.pass_s * rate)
        x = 0.3 * (np.arange(n) / rate - settings.pass_s / 2)
        below = 0 * x + 0.08
        y = head.coupling(x - d / 2, 0 * x, below) + head.coupling(x + d / 2, 0 * x, below)
        k = int(settings.ends * n)
        y = gaussian_filter1d(y, settings.smoothing_s * rate) - (y[:k].mean() + y[-k:].mean()) / 2
        return float(1 - np.interp(0, x, y) / np.interp(d / 2, x, y)) - settings.dip

    return resolution.measure(steps, settings), {"least resolvable spacing": float(optimize.brentq(dip, 0.12, 0.4))}


def speed_case(seed: int) -> tuple[Result, Truth]:
    head = replace(HEAD, filter_s=0.12, noise_v=3e-4)
    bench = Bench(head, seed)
    settings = speed.SpeedSettings(still_s=60.0, speeds=(0.2, 0.4, 0.6, 0.8, 1.0, 1.2), path_m=1.6)
    steps = []
    for p in speed.plan(settings):
        if p.role == "still":
            bench.show(Scene())
        else:
            bench.show(moving(p, BALL, 0.08, float(p.at["speed_m_per_s"])))
        steps.append(take(bench, p))

    def top(v: float) -> float:
        rate = 4000.0
        n = round((settings.path_m / v + 1) * rate)
        x = v * (np.arange(n) / rate - n / rate / 2)
        y = head.coupling(x, 0 * x, 0 * x + 0.08)
        a = np.exp(-1 / (rate * head.filter_s))
        y = lfilter([1 - a], [1, -a], y)
        k = int(settings.ends * n)
        base = (y[:k].mean() + y[-k:].mean()) / 2
        return float(gaussian_filter1d(y, settings.smoothing_s * rate).max() - base)

    slowest = top(0.2)
    return speed.measure(steps, settings), {
        "loss at 0.6 m/s": 1 - top(0.6) / slowest,
        "loss at 1 m/s": 1 - top(1.0) / slowest,
        "fastest with a loss under 0.1": float(optimize.brentq(lambda v: top(v) / slowest - 0.9, 0.2, 1.5)),
    }


def immunity_case(seed: int) -> tuple[Result, Truth]:
    bench = Bench(HEAD, seed)
    settings = immunity.ImmunitySettings()
    steps = []
    factor = {d: float(np.sqrt(1 + (1.2 / d) ** 6)) for d in settings.distances}
    for p in immunity.plan(settings):
        d = float(p.at["distance_m"])
        bench.show(Scene(noise_factor=factor[d] if p.role == "on" else 1.0))
        steps.append(take(bench, p))
    return immunity.measure(steps, settings), {f"noise on over off at {d:g} m": factor[d] for d in settings.distances}


def radar_case(seed: int) -> tuple[Result, Truth]:
    head = BenchRadar(placing_m=0.001)
    bench = RadarBench(head, seed)
    settings = radar.RadarSettings(hold_s=1.0)
    steps = []
    for p in radar.plan(settings):
        bench.show(float(p.at["distance_m"]) if p.role == "plate" else None)
        steps.append(take(bench, p))
    u = np.linspace(0.01, 4, 4_000_000)
    level = u**4 * np.exp(-2 * u**2)
    inside = u[level >= 10 ** (-settings.drop_db / 10) * level.max()]
    t = np.arange(-65536, 65536) * 0.05e-12
    a = (np.pi * head.centre_hz * t) ** 2
    e = np.abs(hilbert((1 - 2 * a) * np.exp(-a)))
    wide = t[e >= 0.5 * e.max()]
    return radar.measure(steps, settings), {
        "time zero": head.time_zero_s,
        "bandwidth, -10 dB": head.centre_hz * float(inside[-1] - inside[0]),
        "range resolution in air": (wide[-1] - wide[0]) * 299_792_458.0 / 2,
        "dynamic range, plate over noise of one A-scan": 20 * np.log10(head.echo_at_1_m / 0.3 / head.noise),
        "echo of the plate at 0.3 m": head.echo_at_1_m / 0.3,
    }


def latency_case(seed: int) -> tuple[Result, Truth]:
    rng = np.random.default_rng(seed)
    t = np.arange(2000) / 100.0 + 50e-6 * rng.normal(size=2000)
    at_rest = np.zeros((2000, 8))
    steps = [Taken("stream", {}, HEAD.stream(), t, t * np.nan, at_rest)]
    for x in 0.004 + rng.exponential(0.003, 100):
        steps.append(Taken("answer", {"seconds": float(x)}, HEAD.stream(), t[:0], t[:0], at_rest[:0]))
    return latency.measure(steps, latency.LatencySettings()), {
        "round trip, median": 0.004 + 0.003 * np.log(2),
        "round trip, 95 % quantile": 0.004 + 0.003 * np.log(20),
        "jitter of the records, rms": 50e-6 * np.sqrt(2),
        "records per second": 100.0,
    }


CASES: dict[str, Case] = {
    name.removesuffix("_case"): case for name, case in list(globals().items()) if name.endswith("_case")
}
