"""A dual-sensor lane: radar A-scans of a field solver, metal signals of ours, one truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from detector.detections import TrueObject
from detector.errors import SampleError
from detector.formats.gprmax_lane import load_lane
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind
from detector.simulate.noise import drift, mains, quantise, sferics, shift_rows
from detector.simulate.pulse_induction import TARGETS, Head, Metal, soil_signal, target_signal

TICK_HZ = 1e6
METAL_HZ = 500.0
RADAR_FULL_SCALE = 3000.0
"""V/m at the end of the converter's range: 1.3 times the strongest direct wave, rounded; one head, one range."""
RADAR_COUNT = RADAR_FULL_SCALE / 2**15
"""V/m."""
RADAR_NOISE_COUNTS = 2.0
"""1 sigma of the receiver's white noise."""
RADAR_NOISE = RADAR_NOISE_COUNTS * RADAR_COUNT
"""The same, V/m."""
EPOCH_NS = 1_700_000_000_000_000_000

Placed = tuple[float, float, Metal]
"""x m, depth of the metal m, what it is."""


def metal_of(kind: str, contains_metal: bool) -> Metal | None:
    """The metal part of an object of that kind; None if it has none."""
    if not contains_metal:
        return None
    return TARGETS.get(kind, TARGETS["minimum-metal"])


def metal_records(
    rng: np.random.Generator, x_m: np.ndarray, height_m: np.ndarray, placed: list[Placed], head: Head, viscosity: float
) -> tuple[np.ndarray, float]:
    """int32 counts (n, 1, gates) and volts per count of a sweep over these targets."""
    n, gates = len(x_m), len(head.gates_s)
    t = np.arange(n) / METAL_HZ
    volts = soil_signal(head, viscosity, height_m)
    for x, depth, metal in placed:
        volts = volts + target_signal(head, metal, x_m - x, depth, height_m)
    hum = mains(rng, t, 0.6e-3)
    noise = 1.0e-3
    warm = drift(rng, t, 0.5 * noise)
    for g in range(gates):
        # later gates integrate longer, so their noise is less
        sigma = noise * (head.gates_s[0] / head.gates_s[g]) ** 0.5
        volts[:, g] += rng.normal(scale=sigma, size=n) + hum * rng.uniform(0.5, 1.0)
        volts[:, g] += warm * rng.uniform(0.7, 1.0) * sigma / noise + 0.05 * rng.normal()
    volts += sferics(rng, n, 2e-4, 20 * noise)[:, None] * np.geomspace(1.0, 0.3, gates)
    scale = 5.0 / 2**23
    return quantise(volts, scale, np.dtype("<i4"))[:, None, :], scale


def dual_sensor_lane(
    lane_path: Path, seed: int, speed_m_per_s: float = 0.5
) -> tuple[DeviceDescription, list[SampleBlock], list[TrueObject], str]:
    """Play one simulated lane through a dual head with a real converter's faults.

    lane_path : lane of `detector.formats.gprmax_lane`, its truth JSON beside it; seed : of all noise.
    Returns the head, its blocks (one a stream), the truth and a note.
    """
    lane = load_lane(lane_path)
    rng = np.random.default_rng(seed)
    objects = json.loads(lane_path.with_suffix(".json").read_text())["objects"]

    every = max(1, round(18e-12 / lane.dt_s))
    ascans = lane.ascans.astype(np.float64)[:, ::every]
    dt = lane.dt_s * every
    n, samples = ascans.shape
    scale = RADAR_COUNT
    ascans = shift_rows(ascans, np.asarray(rng.normal(scale=3e-12 / dt, size=n)))
    gain = 1.0 + 0.01 * np.cumsum(rng.normal(size=n)) / np.sqrt(n)
    tone = np.sin(2 * np.pi * rng.uniform(0.85e9, 1.0e9) * np.arange(samples) * dt + rng.uniform(0, 6.28, (n, 1)))
    ascans = ascans * gain[:, None] + scale * (rng.normal(scale=RADAR_NOISE_COUNTS, size=ascans.shape) + 1.0 * tone)
    radar = StreamDescription(
        stream_id=1, name="radar", kind=StreamKind.RADAR, channels=1, values=samples, sample_type="int16",
        rate_hz=speed_m_per_s / lane.step_m, scale=scale, unit="V/m", sampling_interval_s=dt,
        centre_frequency_hz=lane.centre_frequency_hz, step_m=lane.step_m,
    )  # fmt: skip
    radar_block = _block(radar, lane.x_m / speed_m_per_s, lane.x_m, quantise(ascans, scale, radar.dtype)[:, None, :])

    head = Head()
    times = np.arange(0.0, float(lane.x_m[-1]) / speed_m_per_s, 1.0 / METAL_HZ)
    x = times * speed_m_per_s
    height = np.interp(x, lane.x_m, lane.height_m) + 0.002 * np.sin(2 * np.pi * x / rng.uniform(0.4, 0.9))
    placed: list[Placed] = []
    for o in objects:
        metal = metal_of(o["kind"], bool(o.get("contains_metal", o["metal"])))
        if metal is not None:
            placed.append((float(o["x_m"]), float(o.get("depth_centre_m", o["depth_m"])), metal))
    viscosity = float(10 ** rng.uniform(-6.0, -4.8))
    metal_block = _metal_block(rng, times, x, height, placed, head, viscosity)
    device = DeviceDescription(
        "virtual dual head", f"SIM-{lane.name}-{seed}", "simulated", TICK_HZ, (metal_block.stream, radar)
    )
    note = (
        f"Simulated lane {lane.name}, {lane.soil.split(':')[0]}. Radar: {lane.simulator} plus converter noise, jitter "
        f"and interference. Metal: dipole targets in viscous soil (viscosity {viscosity:.1e}), mains, drift, sferics."
    )
    return device, [metal_block, radar_block], list(lane.truth), note


def clean_metal_lane(
    seed: int, length_m: float = 10.0, speed_m_per_s: float = 0.5
) -> tuple[DeviceDescription, SampleBlock]:
    """A pulse-induction head alone over viscous soil in which nothing lies: what clean ground sounds like.

    Soil from neutral to severe, height swinging by some millimetres as an arm does; all from the seed.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(0.0, length_m / speed_m_per_s, 1.0 / METAL_HZ)
    x = times * speed_m_per_s
    swing = rng.uniform(0.002, 0.006) * np.sin(2 * np.pi * x / rng.uniform(0.4, 0.9) + rng.uniform(0, 6.28))
    height = rng.uniform(0.03, 0.07) + swing
    viscosity = float(10 ** rng.uniform(-6.0, -4.8))
    block = _metal_block(rng, times, x, height, [], Head(), viscosity)
    return DeviceDescription("virtual metal head", f"SIM-clean-{seed}", "simulated", TICK_HZ, (block.stream,)), block


def _metal_block(
    rng: np.random.Generator,
    t_s: np.ndarray,
    x_m: np.ndarray,
    height_m: np.ndarray,
    placed: list[Placed],
    head: Head,
    viscosity: float,
) -> SampleBlock:
    counts, volts = metal_records(rng, x_m, height_m, placed, head, viscosity)
    stream = StreamDescription(
        stream_id=0, name="metal", kind=StreamKind.METAL_PI, channels=1, values=len(head.gates_s), sample_type="int32",
        rate_hz=METAL_HZ, scale=volts, unit="V", axis=head.gates_s,
    )  # fmt: skip
    return _block(stream, t_s, x_m, counts)


def _block(stream: StreamDescription, t_s: np.ndarray, x_m: np.ndarray, raw: np.ndarray) -> SampleBlock:
    tick = np.round(t_s * TICK_HZ).astype(np.int64)
    if np.any(np.diff(tick) <= 0):
        raise SampleError(f"{stream.name}: record times do not increase")
    utc = EPOCH_NS + np.round(tick * (1e9 / TICK_HZ)).astype(np.int64)
    return SampleBlock(
        stream, np.arange(len(tick), dtype=np.int64), tick, utc, np.round(x_m * 1e6).astype(np.int64), raw
    )
