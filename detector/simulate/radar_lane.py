"""A fast approximate radar over ground with objects in it: echoes of many small reflectors, summed.

Rough surface, lids, bases and walls are strips of physical optics; uneven water is Born scattering; rays refract at
the surface; loss and dispersion follow from the soil's permittivity along each ray. Left out: multiple scattering
between objects, polarisation, shadowing of one object by another. docs/simulation.md, "Scenes",
holds how it compares with an independent field solver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.simulate.buried import Buried
from detector.simulate.noise import quantise, shift_rows
from detector.simulate.scatter import C_M_PER_S, add_echoes, ray_table
from detector.simulate.soil import Soil, correlated
from detector.simulate.sweeps import filled_again

F8 = NDArray[np.float64]

GRID_M: Final = 0.01
"""Cells of uneven soil and strips of surface: a tenth of a wavelength at 1.5 GHz in wet soil would be 0.5 cm, but what
scatters at the mine detector's band is larger than a centimetre."""
TABLE_M: Final = 0.005
PATHS: Final = 10
APERTURE_M: Final = 0.5
SPADE_M: Final = 0.05
"""A hole is dug so much wider than what lay in it, to either side."""
CHUNK: Final = 256
"""A-scans at a time: bounds the memory."""


@dataclass(frozen=True, slots=True)
class RadarHead:
    """An impulse radar carried over the ground."""

    centre_frequency_hz: float
    dt_s: float
    samples: int
    step_m: float
    height_m: float
    separation_m: float
    pattern: float = 1.0
    """Power of the cosine in air by which each antenna's gain falls off."""
    pulse_turn_rad: float = 0.0
    """Constant phase by which antenna and receiver turn the Ricker pulse."""
    ring: float = 0.0
    """Amplitude of the antenna's own late echo."""
    ring_s: float = 1e-9
    direct: float = 1.0
    """Direct wave over a mirror's echo from the nominal height."""
    noise: float = 1e-4
    """Receiver noise over the direct wave's peak."""
    full_scale: float = 1.3
    """End of the converter over the direct wave's peak."""
    jitter_s: float = 3e-12
    gain_drift: float = 0.01
    tone: float = 0.5
    """Narrow-band interference over the receiver noise."""
    time_zero_s: float = 1e-9


def draw_head(rng: np.random.Generator) -> RadarHead:
    """A radar of another maker: 0.4 to 3 GHz, 6 to 180 ps, 6 to 26 ns, steps of 0.5 to 5 cm, 1 to 20 cm high."""
    fc = float(np.exp(rng.uniform(np.log(0.4e9), np.log(3.0e9))))
    dt = 1.0 / (fc * float(rng.uniform(14, 60)))
    window = float(np.clip(rng.uniform(8, 16) / fc, 6e-9, 26e-9))
    separation = float(rng.uniform(0.04, 0.16))
    return RadarHead(
        centre_frequency_hz=fc,
        dt_s=dt,
        samples=int(window / dt),
        step_m=float(rng.choice([0.005, 0.01, 0.015, 0.02, 0.02, 0.025, 0.03, 0.04, 0.05])),
        # one in six hangs from a vehicle or is carried high
        height_m=float(rng.uniform(0.12, 0.20) if rng.random() < 1 / 6 else rng.uniform(0.015, 0.12)),
        separation_m=separation,
        pattern=float(rng.uniform(0.3, 2.0)),
        pulse_turn_rad=float(rng.uniform(-1.6, 1.6)),
        ring=float(rng.choice([0.0, rng.uniform(0.0, 0.12)])),
        ring_s=float(rng.uniform(0.8, 3.0)) / fc,
        direct=float(np.exp(rng.uniform(np.log(0.4), np.log(3.0)))),
        noise=float(10 ** rng.uniform(-4.3, -2.9)),
        full_scale=float(rng.uniform(0.9, 2.5)),
        jitter_s=float(rng.uniform(1e-12, 8e-12)),
        gain_drift=float(rng.uniform(0.002, 0.03)),
        tone=float(rng.uniform(0.0, 1.5)),
        time_zero_s=float(rng.uniform(1.0, 2.0)) / fc,
    )


@dataclass(frozen=True, slots=True)
class _Strips:
    """Reflectors, see :func:`detector.simulate.scatter.add_echoes`; one row a reflector."""

    x: F8
    depth: F8
    normal_x: F8
    area: F8
    width_y: F8
    delay: F8

    def sorted(self) -> tuple[F8, F8, F8, F8, F8, F8]:
        order = np.argsort(self.x, kind="stable")
        columns = (self.x, self.depth, self.normal_x, self.area, self.width_y, self.delay)
        x, depth, normal, area, width, delay = (np.ascontiguousarray(c[order]) for c in columns)
        return x, depth, normal, area, width, delay


def _reflection(above: float, below: float) -> float:
    """Normal incidence, of the electric field; `below` 0 = metal."""
    return -1.0 if below == 0 else float((np.sqrt(above) - np.sqrt(below)) / (np.sqrt(above) + np.sqrt(below)))


def _interfaces(o: Buried, soil_eps: float) -> list[tuple[float, float, float]]:
    """Echoes of a body at normal incidence: (depth in the body m, further delay s, reflection), multiples included."""
    if o.permittivity == 0:
        return [(0.0, 0.0, -1.0)]
    lid = _reflection(soil_eps, o.permittivity)
    base = _reflection(o.permittivity, soil_eps)
    layer = 2 * o.height_m * np.sqrt(o.permittivity) / C_M_PER_S
    out = [(0.0, 0.0, lid)]
    through = 1 - lid * lid
    for bounce in range(3):
        out.append((0.0, (bounce + 1) * layer, through * base * (base * base) ** bounce))
    if o.gap_m > 0:
        # a thin air layer under the lid: a doublet
        gap = _reflection(o.permittivity, 1.0) * through
        start = 0.25 * layer
        out += [(0.0, start, gap), (0.0, start + 2 * o.gap_m / C_M_PER_S, -gap)]
    return out


def _body(o: Buried, soil_eps: float) -> _Strips:
    """The faces of an object that send echoes up."""
    strip = min(0.005, max(o.width_m / 8, 0.001))
    n = max(3, int(np.ceil(o.width_m / strip)))
    u = (np.arange(n) + 0.5) / n - 0.5
    rows = []
    if o.shape == "round":
        angle = np.pi * u
        x = o.x_m + 0.5 * o.width_m * np.sin(angle)
        depth = o.depth_m + 0.5 * o.height_m * (1 - np.cos(angle))
        length = 0.5 * np.pi * o.width_m / n * np.ones(n)
        normal = np.sin(angle)
        thick = np.cos(angle)
    else:
        x = o.x_m + o.width_m * u * np.cos(o.tilt_rad)
        depth = o.depth_m + 0.5 * o.width_m * abs(np.sin(o.tilt_rad)) + o.width_m * u * np.sin(o.tilt_rad)
        length = np.full(n, o.width_m / n)
        normal = np.full(n, -np.sin(o.tilt_rad))
        thick = np.ones(n)
    for _, delay, reflection in _interfaces(o, soil_eps):
        rows.append((x, depth, normal, reflection * length, np.full(n, o.across_m), delay * thick))
    return _Strips(*(np.concatenate([np.asarray(r[c]) for r in rows]) for c in range(6)))


def _surface(x_m: F8, elevation: F8, soil_eps: float) -> _Strips:
    slope = np.gradient(elevation, GRID_M)
    n = len(x_m)
    area = np.full(n, _reflection(1.0, soil_eps) * GRID_M)
    return _Strips(x_m, -elevation, -slope, area, np.full(n, 10.0), np.zeros(n))


def _uneven(
    rng: np.random.Generator,
    soil: Soil,
    frequency: float,
    x_m: F8,
    depth_m: float,
    objects: Sequence[Buried],
    own: np.random.Generator,
    left: Sequence[int],
) -> _Strips:
    """Born scatterers of uneven water: cells of GRID_M, disturbed where a hole was dug, absent inside bodies."""
    rows = int(depth_m / GRID_M)
    along = float(np.exp(rng.uniform(np.log(1.5), np.log(25.0))))
    down = float(np.exp(rng.uniform(np.log(1.0), np.log(5.0))))
    field = correlated(rng, (len(x_m), rows), (along, down)) * soil.water_spread
    if rng.random() < 0.4:
        # strata: the same water along the whole lane, a little wavy, and not everywhere
        layers = correlated(rng, (len(x_m), rows), (rng.uniform(60, 300), rng.uniform(1.5, 5.0)))
        field += layers * soil.water_spread * rng.uniform(0.3, 1.5)
    z = (np.arange(rows) + 0.5) * GRID_M
    for o in objects:
        inside = np.abs(x_m - o.x_m) < o.width_m / 2
        below = (z > o.depth_m) & (z < o.depth_m + o.height_m)
        if o.shape == "hole":
            filled_again(rng, field, inside, below, soil.water_spread)
        else:
            field[np.ix_(inside, below)] = 0.0
            if o.label.value == "mine" and rng.random() < 0.5:
                # the soil over a laid mine was dug: looser, drier or wetter than around
                dug = np.ix_(np.abs(x_m - o.x_m) < 0.75 * o.width_m, z < o.depth_m)
                field[dug] += rng.normal(scale=0.7) * soil.water_spread
    for o in (o for i, o in enumerate(objects) if i not in left):
        wide, deep = np.abs(x_m - o.x_m) < o.width_m / 2 + SPADE_M, z < o.depth_m + o.height_m
        filled_again(own, field, wide, deep, soil.water_spread)
    base = float(soil.permittivity(np.array([frequency]))[0].real)
    step = float(soil.permittivity(np.array([frequency]), soil.water + 0.01)[0].real - base) / 0.01
    contrast = np.clip(field, -0.9 * soil.water, 0.3) * step / base
    # stones and gravel that nobody listed
    stones = rng.random(field.shape) < rng.uniform(0.0, 0.003)
    contrast = contrast + np.where(stones, rng.normal(scale=0.4, size=field.shape), 0.0)
    index = np.sqrt(base)
    omega = 2 * np.pi * frequency
    area = -0.25 * contrast * (2 * GRID_M * index / C_M_PER_S) * omega * GRID_M
    grid_x = np.repeat(x_m, rows)
    n = len(grid_x)
    across = np.full(n, np.sqrt(0.1 * max(along * GRID_M, 0.02)))
    return _Strips(grid_x, np.tile(z, len(x_m)), np.zeros(n), area.ravel(), across, np.zeros(n))


def _pulse(head: RadarHead, n: int) -> tuple[NDArray[np.complex128], F8]:
    """Spectrum of the pulse of unit peak, time zero at its peak's nominal arrival, and its frequencies, Hz."""
    f = np.fft.rfftfreq(n, head.dt_s)
    r = (f / head.centre_frequency_hz) ** 2
    amplitude = r * np.exp(1 - r)
    shape = np.fft.irfft(amplitude, n)
    amplitude = amplitude / np.abs(shape).max()
    spectrum = amplitude * np.exp(1j * head.pulse_turn_rad) * np.exp(-2j * np.pi * f * head.time_zero_s)
    spectrum = spectrum * (1 + head.ring * np.exp(-2j * np.pi * f * head.ring_s))
    return np.asarray(spectrum, dtype=np.complex128), np.asarray(f, dtype=np.float64)


def radar_lane(
    rng: np.random.Generator,
    soil: Soil,
    head: RadarHead,
    objects: Sequence[Buried],
    x_m: F8,
    roughness_m: float,
    height_m: F8,
    progress: Callable[[int], None] | None = None,
    own: np.random.Generator | None = None,
    left: Sequence[int] | None = None,
) -> tuple[F8, F8]:
    """A-scans without receiver noise: (n, samples) echoes of the ground, and (n, samples) of the objects alone.

    The first holds direct wave, surface and uneven soil; their sum is what the antenna receives. Unit: a mirror at
    1 m in air. x_m : (n,) rising; roughness_m : standard deviation of the surface; height_m : (n,) of the antenna
    above the mean surface; progress : told of A-scans done, each of them up to three times; own : draws the antenna's
    tilt and the soil of holes, None: rng; left : numbers of the objects that lie there, where others stood a hole was
    dug and filled, None: all.
    """
    fc = head.centre_frequency_hz
    eps = float(soil.permittivity(np.array([fc]))[0].real)
    index = float(np.sqrt(eps))
    k_c = complex(soil.wave_number(np.array([fc]))[0])
    window = head.samples * head.dt_s
    reach = min(0.7, 0.5 * window * C_M_PER_S / index)
    # deeper than 60 dB of loss nothing comes back
    reach = max(0.1, min(reach, 3.5 / max(-k_c.imag, 1e-3)))
    grid = np.arange(x_m[0] - APERTURE_M, x_m[-1] + APERTURE_M, GRID_M)
    bumps = correlated(rng, (len(grid), 1), (float(rng.uniform(2, 12)), 1.0))[:, 0]
    bumps = np.convolve(bumps, np.hanning(5) / np.hanning(5).sum(), mode="same")
    elevation = roughness_m * bumps

    n_fast = int(2 ** np.ceil(np.log2(head.samples * 1.5)))
    nominal = float(np.mean(height_m))
    table = ray_table(int((APERTURE_M + head.separation_m) / TABLE_M) + 3, int((reach + 0.2) / TABLE_M) + 3,
                      TABLE_M, nominal, index)  # fmt: skip
    longest = 2 * np.hypot(APERTURE_M, reach)
    path_step = float(longest / PATHS)
    tilts = correlated(rng, (len(x_m), 1), (0.2 / head.step_m, 1.0))
    if own is None:
        own = rng
    elif own is not rng:
        tilts = correlated(own, (len(x_m), 1), (0.2 / head.step_m, 1.0))
    tilt = 0.03 * tilts[:, 0]
    left = range(len(objects)) if left is None else left

    spectrum, f = _pulse(head, n_fast)
    k = np.empty(len(f), np.complex128)
    k[1:] = soil.wave_number(f[1:])
    k[0] = 0
    # loss and dispersion against a wave that travels at the speed of the centre frequency without loss
    real = np.real(k) - 2 * np.pi * f * index / C_M_PER_S
    decay = np.minimum(np.imag(k), 0.0)
    paths = np.arange(PATHS) * path_step
    filters = np.exp((decay[None, :] - 1j * real[None, :]) * paths[:, None])
    derivative = 1j * f / fc

    def received(strips: _Strips, facing: bool, order: int, paths_used: int, entry: float = 0.3) -> F8:
        columns = strips.sorted()
        received = np.empty((len(x_m), head.samples))
        for first in range(0, len(x_m), CHUNK):
            rows = slice(first, first + CHUNK)
            out = np.zeros((len(x_m[rows]), paths_used, n_fast))
            add_echoes(
                out, x_m[rows], height_m[rows], tilt[rows], elevation, float(grid[0]), GRID_M, *columns, table, TABLE_M,
                nominal, index, head.separation_m, head.pattern, head.dt_s, fc, float(-k_c.imag), path_step, APERTURE_M,
                entry, facing,
            )  # fmt: skip
            total = np.zeros((len(out), len(f)), np.complex128)
            for q in range(paths_used):
                if out[:, q].any():
                    total += np.fft.rfft(out[:, q], axis=1) * filters[q]
            received[rows] = np.fft.irfft(total * spectrum * derivative**order, n_fast, axis=1)[:, : head.samples]
            if progress is not None:
                progress(len(out))
        return received

    transmission = 1 - _reflection(1.0, eps) ** 2
    ground = received(_surface(grid, elevation, eps), True, 1, 1, entry=1.0)
    ground += transmission * received(_uneven(rng, soil, fc, grid, reach, objects, own, left), False, 2, PATHS)
    late = np.exp(-2j * np.pi * f * head.separation_m / C_M_PER_S)
    direct = np.fft.irfft(spectrum * late, n_fast)[: head.samples]
    ground += head.direct / (2 * head.height_m) * direct
    bodies = [_body(o, eps) for o in (objects[i] for i in left) if o.shape != "hole" and o.depth_m < reach]
    targets = np.zeros_like(ground)
    if bodies:
        columns = (np.concatenate([getattr(b, c) for b in bodies]) for c in _Strips.__dataclass_fields__)
        targets = transmission * received(_Strips(*columns), True, 1, PATHS)
    return ground, targets


def converted(rng: np.random.Generator, head: RadarHead, ascans: F8) -> tuple[NDArray[np.int16], float]:
    """What the head's converter makes of them: (n, samples) counts and the value of one count.

    Trigger jitter, gain drift, receiver noise, a narrow-band interferer, saturation, quantisation.
    """
    n, samples = ascans.shape
    peak = float(np.abs(ascans).max())
    sigma = head.noise * peak
    out = shift_rows(ascans, np.asarray(rng.normal(scale=head.jitter_s / head.dt_s, size=n)))
    gain = 1.0 + head.gain_drift * np.cumsum(rng.normal(size=n)) / np.sqrt(n)
    hz = head.centre_frequency_hz * rng.uniform(0.3, 1.5)
    tone = np.sin(2 * np.pi * hz * np.arange(samples) * head.dt_s + rng.uniform(0, 2 * np.pi, (n, 1)))
    on = (correlated(rng, (n, 1), (max(2.0, n / 10), 1.0))[:, 0] > 0.3)[:, None]
    out = out * gain[:, None] + sigma * (rng.normal(size=out.shape) + head.tone * tone * on)
    scale = head.full_scale * peak / 2**15
    return quantise(out, scale, np.dtype("<i2")), scale
