"""A continuous-wave head over a lane: bucked or double-D coils, one or several abreast, I and Q at 2 to 5 frequencies.

The same objects and soil as the pulse-induction head's; conventions in docs/simulation.md, "Metal signals".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.simulate.buried import Buried
from detector.simulate.coil_pair import NULL_SHIFT, conductive_coupling, magnetic_coupling
from detector.simulate.continuous_wave import C16, WaveHead, in_volts, metal_polarizability
from detector.simulate.metal_lane import field_at
from detector.simulate.noise import drift, mains, quantise, sferics
from detector.simulate.pulse_induction import MU0
from detector.simulate.soil import Soil, correlated

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WaveCoils:
    """A continuous-wave head with its electronics; each coil (or pair) is a channel and works alone, in turn."""

    coil: WaveHead
    across_m: tuple[float, ...]
    """Place of each coil across the track, m."""
    pair_m: float
    """Receiver ahead of the sender, m: 0 for concentric bucked coils, NULL_SHIFT radii for a double-D."""
    rate_hz: float
    height_m: float
    noise_v: float
    """White, 1 sigma of I or Q at the middle frequency."""
    noise_slope: float
    """The noise's amplitude falls as frequency to this power: induced volts rise with frequency, noise less so."""
    phase_noise_rad: float
    """1 sigma from reading to reading, of everything received alike."""
    phase_drift_rad: float
    """1 sigma per second of the slow turn of the receiver's phase."""
    phase_error_rad: tuple[float, ...]
    """By frequency: what the head's own phase reference is off."""
    residue_v: float
    """What the bucking leaves of the primary field, V, in phase."""
    mains_v: float
    mains_hz: float
    full_scale_v: float
    offset_m: float = 0.0
    """Along the track from the antenna's midpoint to the coils, m."""


def draw_wave_head(rng: np.random.Generator, coils: int | None = None) -> WaveCoils:
    """A head of another maker: 2 to 5 frequencies of 1 to 100 kHz, bucked or double-D, one coil or 2 to 5 abreast.

    coils : so many abreast; None draws
    """
    count = int(rng.integers(2, 6))
    while True:
        f = np.sort(np.exp(rng.uniform(np.log(1e3), np.log(100e3), count)))
        if np.all(f[1:] > 1.6 * f[:-1]) and f[-1] > 5 * f[0]:
            break
    drawn = int(rng.choice([1, 2, 3, 4, 5], p=[0.64, 0.09, 0.09, 0.09, 0.09]))
    n = drawn if coils is None else coils
    double = bool(rng.random() < 0.4)
    width = float(rng.uniform(0.06, 0.16) if n == 1 else rng.uniform(0.05, 0.10))
    # a double-D of that half width is two coils that overlap
    radius = width * (0.65 if double else 1.0)
    coil = WaveHead(
        frequencies_hz=tuple(float(v) for v in np.round(f, 1)),
        radius_m=radius,
        turns=int(rng.integers(12, 30)),
        current_a=float(rng.uniform(0.05, 0.3)),
        reference_hz=float(np.exp(np.mean(np.log(f)))),
    )
    noise = float(10 ** rng.uniform(-4.5, -3.7))
    full_scale = float(rng.choice([1.0, 2.5, 5.0]))
    return WaveCoils(
        coil=coil,
        across_m=tuple(float(v) for v in (np.arange(n) - 0.5 * (n - 1)) * width * rng.uniform(1.4, 2.2)),
        pair_m=NULL_SHIFT * radius if double else 0.0,
        rate_hz=float(rng.choice([100.0, 200.0, 250.0, 500.0, 1000.0])),
        height_m=float(rng.uniform(0.015, 0.10)),
        noise_v=noise,
        noise_slope=float(rng.uniform(0.0, 0.5)),
        phase_noise_rad=float(10 ** rng.uniform(-5.0, -3.5)),
        phase_drift_rad=float(10 ** rng.uniform(-4.5, -3.0)),
        phase_error_rad=tuple((10 ** rng.uniform(-3.0, -1.5) * rng.normal(size=count)).tolist()),
        residue_v=full_scale * float(rng.uniform(-0.05, 0.05)),
        mains_v=noise * float(rng.uniform(0.0, 1.0)),
        mains_hz=float(rng.choice([50.0, 60.0])),
        full_scale_v=full_scale,
    )


def wave_response(head: WaveCoils, o: Buried, x_m: F8, height_m: F8, y_m: float) -> F8:
    """(n, coils, 2 F) V of one object, y_m across the lane's middle line.

    Polarizability uniaxial along the object's own axis with one law in frequency; reciprocity gives the voltage,
    h_receiver . m. The middle of sender and receiver is at x_m.
    """
    assert o.metal is not None
    a = np.array(o.axis)
    law = np.conj(metal_polarizability(o.metal, head.coil.frequencies_hz))
    out = np.empty((len(x_m), len(head.across_m), 2 * len(law)))
    below = o.metal_depth_m + height_m
    for c, across in enumerate(head.across_m):
        along = o.x_m - (x_m + head.offset_m)
        send = field_at(head.coil.radius_m, along + 0.5 * head.pair_m, y_m - across, below)
        receive = send
        if head.pair_m:
            receive = field_at(head.coil.radius_m, along - 0.5 * head.pair_m, y_m - across, below)
        moment = (send + (o.elongation - 1) * (send @ a)[:, None] * a) * 3 / (o.elongation + 2)
        coupling = head.coil.turns**2 * np.einsum("nk,nk->n", receive, moment)
        out[:, c, :] = in_volts(head.coil, np.multiply.outer(coupling, law).astype(np.complex128))
    return out


def wave_ground(head: WaveCoils, viscosity: float, susceptibility: float, conductivity: float, height_m: F8) -> F8:
    """(n, 2 F) V of even ground under one coil: magnetic (lossy), and conducting at low induction number.

    viscosity : d chi / ln(tau2 / tau1); susceptibility : at the geometric mean of the frequencies; conductivity, S/m
    """
    f = np.array(head.coil.frequencies_hz)
    chi = susceptibility - viscosity * np.log(f / np.exp(np.mean(np.log(f)))) + 1j * np.pi / 2 * viscosity
    a, turns2 = head.coil.radius_m, head.coil.turns**2
    magnetic = turns2 * magnetic_coupling(a, head.pair_m, height_m)
    conducting = turns2 * conductive_coupling(a, head.pair_m, height_m)
    loss = 1j * 2 * np.pi * f * MU0 * conductivity / 4
    moment: C16 = (np.outer(magnetic, chi / 2) + np.outer(conducting, loss)).astype(np.complex128)
    return in_volts(head.coil, moment)


def wave_lane(
    rng: np.random.Generator,
    head: WaveCoils,
    soil: Soil,
    objects: Sequence[Buried],
    x_m: F8,
    height_m: F8,
    across_m: F8,
) -> tuple[F8, F8]:
    """Volts before noise: (n, coils, 2 F) of the soil, and (objects, n, coils, 2 F).

    Susceptibility is 15 to 150 times the viscosity (loss tangents 0.01 to 0.1), strength and loss vary along the
    track by some tens and some per cent, each coil over ground of its own. across_m : (objects,) their places.
    """
    n, coils = len(x_m), len(head.across_m)
    step = float(np.median(np.diff(x_m)))
    ratio = float(np.exp(rng.uniform(np.log(15.0), np.log(150.0))))
    even = wave_ground(head, soil.viscosity, ratio * soil.viscosity, 0.0, height_m)
    lossy = wave_ground(head, soil.viscosity, 0.0, 0.0, height_m)
    conducting = wave_ground(head, 0.0, 0.0, soil.conductivity_s_per_m, height_m)
    spread, bend = float(rng.uniform(0.02, 0.2)), float(rng.uniform(0.0, 0.05))
    lengths = float(rng.uniform(0.2, 1.0)) / step, float(rng.uniform(0.3, 1.5)) / step
    ground = np.empty((n, coils, even.shape[1]))
    common = correlated(rng, (n, 2), (lengths[0], 1.0))
    for c in range(coils):
        own = correlated(rng, (n, 1), (lengths[0], 1.0))[:, 0]
        bent = correlated(rng, (n, 1), (lengths[1], 1.0))[:, 0]
        wetter = correlated(rng, (n, 1), (lengths[1], 1.0))[:, 0]
        strength = np.exp(spread * (0.8 * common[:, 0] + 0.6 * own))[:, None]
        ground[:, c] = strength * (even + bend * bent[:, None] * lossy) + np.exp(0.1 * wetter)[:, None] * conducting
    seen = np.zeros((len(objects), n, coils, even.shape[1]))
    for i, o in enumerate(objects):
        if o.metal is not None:
            seen[i] = wave_response(head, o, x_m, height_m, float(across_m[i]))
    return ground, seen


def wave_noise(head: WaveCoils) -> F8:
    """(2 F,) white standard deviation of one reading, V."""
    f = np.array(head.coil.frequencies_hz)
    return np.repeat(head.noise_v * (f / head.coil.reference_hz) ** -head.noise_slope, 2)


def wave_converted(rng: np.random.Generator, head: WaveCoils, t_s: F8, volts: F8) -> tuple[NDArray[np.int32], float]:
    """What the head's receiver and converter make of them: (n, coils, 2 F) counts and volts per count.

    Bucking residue; phase error, phase noise and slow phase turn on all that is received; white noise, mains, drift,
    sferics, quantisation, saturation.
    """
    n, coils, width = volts.shape
    out = volts.copy()
    sigma = wave_noise(head)
    share = sigma / head.noise_v
    for c in range(coils):
        for k in range(0, width, 2):
            turn = np.full(n, head.phase_error_rad[k // 2]) + head.phase_noise_rad * rng.normal(size=n)
            turn += drift(rng, t_s, head.phase_drift_rad)
            wave = (out[:, c, k] + head.residue_v * rng.uniform(0.5, 1.0) + 1j * out[:, c, k + 1]) * np.exp(1j * turn)
            out[:, c, k], out[:, c, k + 1] = wave.real, wave.imag
        hum = mains(rng, t_s, head.mains_v, head.mains_hz)
        warm = drift(rng, t_s, 0.5 * head.noise_v)
        crack = sferics(rng, n, 2e-4, 20 * head.noise_v)
        for g in range(width):
            out[:, c, g] += rng.normal(scale=sigma[g], size=n) + hum * rng.uniform(0.5, 1.0)
            out[:, c, g] += (warm * rng.uniform(0.7, 1.0) + crack) * share[g]
    scale = head.full_scale_v / 2**23
    return np.clip(quantise(out, scale, np.dtype("<i4")), -(2**23), 2**23 - 1).astype(np.int32), scale
