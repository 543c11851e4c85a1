"""A pulse-induction head over a lane: targets that answer by direction, viscous ground, the converter's faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.simulate.buried import Buried
from detector.simulate.noise import drift, mains, quantise, sferics
from detector.simulate.pulse_induction import MU0, Head, Metal, conducting_soil_signal, loop_field, soil_signal
from detector.simulate.soil import correlated

F8 = NDArray[np.float64]

_EDDIES_M = 2.0
"""Over which eddies in conducting ground average its conductivity."""


@dataclass(frozen=True, slots=True)
class MetalHead:
    """A pulse-induction head of one or three coils, with its electronics."""

    coil: Head
    across_m: tuple[float, ...]
    """Place of each coil across the track, m; each sends and receives alone."""
    rate_hz: float
    height_m: float
    noise_v: float
    mains_v: float
    mains_hz: float
    full_scale_v: float
    offset_m: float = 0.0
    """Along the track from the antenna's midpoint to the coils, m."""
    balance: float = 1.0
    """Share of the soil's response that the receiver hears: 1 for one coil, 0.02 to 0.2 for a double-D."""
    receiver_shift_m: float = 0.0
    """Receiver ahead of the sender, m: 0 for one coil, about 0.8 radii for a double-D."""


def draw_head(rng: np.random.Generator) -> MetalHead:
    """A head of another maker: 6 to 18 cm coils, 4 to 24 gates, 100 to 1000 readings/s; single, double-D or triple."""
    first = float(np.exp(rng.uniform(np.log(5e-6), np.log(30e-6))))
    last = float(np.exp(rng.uniform(np.log(120e-6), np.log(1.2e-3))))
    count = int(rng.integers(4, 25))
    gates = np.round(np.geomspace(first, last, count) if rng.random() < 0.7 else np.linspace(first, last, count), 9)
    radius = float(rng.uniform(0.06, 0.18))
    layout = str(rng.choice(["single", "double-D", "triple"], p=[0.6, 0.25, 0.15]))
    coil = Head(
        radius_m=radius,
        turns=int(rng.integers(12, 30)),
        current_a=float(rng.uniform(1.0, 3.0)),
        pulse_s=float(rng.uniform(100e-6, 600e-6)),
        receiver_s=float(rng.uniform(1.5e-6, 4e-6)),
        gates_s=tuple(float(t) for t in gates),
    )
    noise = float(10 ** rng.uniform(-3.3, -2.5))
    return MetalHead(
        coil=coil,
        across_m=(-1.6 * radius, 0.0, 1.6 * radius) if layout == "triple" else (0.0,),
        rate_hz=float(rng.choice([100.0, 200.0, 250.0, 500.0, 1000.0])),
        height_m=float(rng.uniform(0.015, 0.10)),
        noise_v=noise,
        mains_v=noise * float(rng.uniform(0.0, 1.0)),
        mains_hz=float(rng.choice([50.0, 60.0])),
        full_scale_v=float(rng.choice([2.5, 5.0, 10.0])),
        balance=float(rng.uniform(0.02, 0.2)) if layout == "double-D" else 1.0,
        # places are those of the overlap, midway between sender and receiver
        offset_m=-0.4 * radius if layout == "double-D" else 0.0,
        receiver_shift_m=0.8 * radius if layout == "double-D" else 0.0,
    )


def decay(coil: Head, metal: Metal) -> F8:
    """(gates,) V at the converter per unit coupling h.h, 1/(A/m)^2: finite pulse and receiver lag included."""
    t = np.array(coil.gates_s)
    tau = np.array(metal.taus_s)
    amplitude = np.array(metal.amplitudes_m3)
    r = coil.receiver_s
    tau = np.where(np.abs(tau - r) < 1e-3 * r, tau * 1.002, tau)
    lagged = (np.exp(-t[:, None] / tau) - np.exp(-t[:, None] / r)) * tau / (tau - r)
    out = (amplitude / tau * (1 - np.exp(-coil.pulse_s / tau)) * lagged).sum(axis=1)
    return np.asarray(coil.gain * MU0 * coil.current_a * coil.turns**2 * out)


def field_at(radius_m: float, along_m: F8, across_m: float, below_m: F8) -> F8:
    """(n, 3) field per ampere-turn of a round coil at points below it, A/m: along track, across, down."""
    rho = np.hypot(along_m, across_m)
    h_rho, h_z = loop_field(radius_m, rho, -below_m)
    safe = np.maximum(rho, 1e-9)
    return np.stack((h_rho * along_m / safe, h_rho * across_m / safe, h_z), axis=1)


def target_volts(head: MetalHead, o: Buried, x_m: F8, height_m: F8, y_m: float) -> F8:
    """(n, coils, gates) V of one object, y_m across the lane's middle line.

    Polarizability uniaxial along the object's own axis with one time law: m = M (h + (e - 1) a (a.h)) / ((e + 2) / 3);
    reciprocity gives the voltage, h_receiver . m.
    """
    assert o.metal is not None
    a = np.array(o.axis)
    law = decay(head.coil, o.metal)
    out = np.empty((len(x_m), len(head.across_m), len(law)))
    for c, across in enumerate(head.across_m):
        along = o.x_m - (x_m + head.offset_m)
        below = o.metal_depth_m + height_m
        send = field_at(head.coil.radius_m, along, y_m - across, below)
        receive = send
        if head.receiver_shift_m:
            receive = field_at(head.coil.radius_m, along - head.receiver_shift_m, y_m - across, below)
        moment = (send + (o.elongation - 1) * (send @ a)[:, None] * a) * 3 / (o.elongation + 2)
        out[:, c, :] = np.einsum("nk,nk->n", receive, moment)[:, None] * law
    return out


def metal_lane(
    rng: np.random.Generator,
    head: MetalHead,
    viscosity: float,
    objects: Sequence[Buried],
    x_m: F8,
    height_m: F8,
    across_m: F8 | None = None,
    own: np.random.Generator | None = None,
    conductivity_s_per_m: float = 0.0,
) -> tuple[F8, F8]:
    """Volts at the converter before noise: (n, coils, gates) of the soil, and (objects, n, coils, gates).

    across_m : (objects,) their places across the track; None: all within some 2 cm of the middle line. own : draws
    how far from it; None: rng.

    The soil's strength varies along the track by some tens of per cent over decimetres to metres, and its law by a
    few per cent, so that a ground balance learned at one place does not quite fit the next. The answer of
    conductivity varies over metres, by some tens of per cent; 0 leaves it out, and changes no other draw.
    """
    n, coils = len(x_m), len(head.across_m)
    soil = soil_signal(head.coil, viscosity, height_m) * head.balance
    step = float(np.median(np.diff(x_m)))
    patchy = correlated(rng, (n, 1), (float(rng.uniform(0.2, 1.0)) / step, 1.0))[:, 0]
    strength = np.exp(float(rng.uniform(0.02, 0.2)) * patchy)
    bent = correlated(rng, (n, 1), (float(rng.uniform(0.3, 1.5)) / step, 1.0))[:, 0] * float(rng.uniform(0.0, 0.03))
    t = np.log(np.array(head.coil.gates_s) / head.coil.gates_s[0])
    ground = np.repeat((soil * strength[:, None] * np.exp(bent[:, None] * t))[:, None, :], coils, axis=1)
    if conductivity_s_per_m > 0.0:
        wetter = correlated(rng.spawn(1)[0], (n, 1), (_EDDIES_M / step, 1.0))
        salt = conducting_soil_signal(head.coil, conductivity_s_per_m) * head.balance
        ground += (np.exp(0.3 * wetter) * salt)[:, None, :]
    seen = np.zeros((len(objects), n, coils, len(t)))
    for i, o in enumerate(objects):
        if o.metal is not None:
            y = float((own or rng).normal(scale=0.02)) if across_m is None else float(across_m[i])
            seen[i] = target_volts(head, o, x_m, height_m, y)
    return ground, seen


def gate_noise(head: MetalHead) -> F8:
    """(gates,) standard deviation of one reading, V: later gates integrate longer, so their noise is less."""
    t = np.array(head.coil.gates_s)
    return np.asarray(head.noise_v * (t[0] / t) ** 0.5)


def converted(rng: np.random.Generator, head: MetalHead, t_s: F8, volts: F8) -> tuple[NDArray[np.int32], float]:
    """What the head's converter makes of them: (n, coils, gates) counts and volts per count."""
    n, coils, gates = volts.shape
    out = volts.copy()
    sigma = gate_noise(head)
    for c in range(coils):
        hum = mains(rng, t_s, head.mains_v, head.mains_hz)
        warm = drift(rng, t_s, 0.5 * head.noise_v)
        crack = sferics(rng, n, 2e-4, 20 * head.noise_v)
        for g in range(gates):
            share = sigma[g] / head.noise_v
            out[:, c, g] += rng.normal(scale=sigma[g], size=n) + hum * rng.uniform(0.5, 1.0)
            out[:, c, g] += warm * rng.uniform(0.7, 1.0) * share + 0.05 * rng.normal()
            out[:, c, g] += crack * share
    scale = head.full_scale_v / 2**23
    return np.clip(quantise(out, scale, np.dtype("<i4")), -(2**23), 2**23 - 1).astype(np.int32), scale
