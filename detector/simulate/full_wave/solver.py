"""What the kernel is given: time step, source, coefficients of the nodes, absorbing layers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.simulate.full_wave.field import ascan

F8 = NDArray[np.float64]
F4 = NDArray[np.float32]

C0: Final = 299792458.0
EPS0: Final = 8.8541878128e-12
MU0: Final = 4e-7 * np.pi
TAU: Final = 9.231e-12
"""Relaxation time of water at about 20 C, s: the one Debye pole of every material that has one."""

PML_CELLS: Final = 10


def time_step(cell_m: float) -> float:
    """Longest stable one on square cells, s (Courant, Friedrichs, Lewy 1928)."""
    return float(cell_m / (C0 * np.sqrt(2.0)))


def ricker(frequency_hz: float, dt_s: float, n: int) -> F4:
    """(n,) second derivative of a Gaussian, upright at sqrt(2) / frequency; current of the source, A."""
    t = (np.arange(n) + 0.5) * dt_s  # currents stand half a step after the fields
    z = (np.pi * frequency_hz) ** 2
    x = np.sqrt(2.0) / frequency_hz
    return np.asarray(-(2 * z * (t - x) ** 2 - 1) * np.exp(-z * (t - x) ** 2), dtype=np.float32)


def coefficients(table: F8, dt_s: float) -> F4:
    """(..., 3) permittivity at high frequency, conductivity S/m, Debye's step -> (..., 3) ca, cb, bd of the kernel.

    Conductivity below 0 is a perfect conductor. Auxiliary differential equation: Taflove & Hagness 2005, ch. 9.4.
    """
    e, s, d = table[..., 0], table[..., 1], table[..., 2]
    beta = EPS0 * d * dt_s / TAU / (1 + dt_s / (2 * TAU))
    den = 2 * EPS0 * e + beta + s * dt_s
    ca = (2 * EPS0 * e + beta - s * dt_s) / den
    cb = 2 * dt_s / den
    conductor = s < 0
    ca[conductor] = 0
    cb[conductor] = 0
    beta[conductor] = 0
    return np.stack([ca, cb, beta / dt_s], -1).astype(np.float32)


def node_coefficients(ids: NDArray[np.integer], table: F8, dt_s: float) -> F4:
    """(nx, ny) materials of the cells, (m, 3) materials -> (nx, ny, 3): a node takes the mean of the four cells about
    it; a conductor wins.
    """
    t = table.astype(np.float32)[ids]
    p = np.pad(t, ((1, 0), (1, 0), (0, 0)), mode="edge")
    m = 0.25 * (p[1:, 1:] + p[:-1, 1:] + p[1:, :-1] + p[:-1, :-1])
    pec = np.pad(table[:, 1][ids] < 0, ((1, 0), (1, 0)), mode="edge")
    m[pec[1:, 1:] | pec[:-1, 1:] | pec[1:, :-1] | pec[:-1, :-1]] = (1, -1, 0)
    return coefficients(m.astype(np.float64), dt_s)


def absorbing(n: int, cell_m: float, dt_s: float, permittivity: float) -> tuple[F4, F4, F4, F4]:
    """(n,) a and b of the recursion along one axis at E's places, then at H's.

    Cubic conductivity of the usual optimal height, alpha 0.05 S/m falling into the layer (Roden & Gedney 2000; Gedney
    1996).
    """
    smax = 0.8 * 4 / (np.sqrt(MU0 / EPS0) * cell_m * np.sqrt(permittivity))
    out = []
    for shift in (0.0, 0.5):
        pos = np.arange(n) + shift
        d = np.maximum(np.maximum((PML_CELLS - pos) / PML_CELLS, (pos - (n - 1 - PML_CELLS)) / PML_CELLS), 0.0)
        d = np.minimum(d, 1.0)
        s = smax * d**3
        alpha = 0.05 * (1 - d) * (d > 0)
        b = np.exp(-(s + alpha) * dt_s / EPS0)
        a = np.where(s > 0, (b - 1) * s / np.maximum(s + alpha, 1e-30), 0.0)
        out += [a.astype(np.float32), b.astype(np.float32)]
    return out[0], out[1], out[2], out[3]


def run_ascan(
    nodes: F4, cell_m: float, frequency_hz: float, window_s: float, source: tuple[int, int], receiver: tuple[int, int],
    layer_permittivity: float = 4.0,
) -> F4:  # fmt: skip
    """One A-scan, V/m: (steps,) every `time_step` from 0.

    nodes : (nx, ny, 3) of `node_coefficients`, y upward; source, receiver : nodes, outside of the absorbing layers;
    layer_permittivity : that these are tuned to, between air's and the soil's
    """
    dt = time_step(cell_m)
    steps = round(window_s / dt) + 1
    nx, ny = nodes.shape[:2]
    ca, cb, bd = (np.ascontiguousarray(nodes[:, :, k]) for k in range(3))
    ax, bx, axh, bxh = absorbing(nx, cell_m, dt, layer_permittivity)
    ay, by, ayh, byh = absorbing(ny, cell_m, dt, layer_permittivity)
    kp = np.float32((1 - dt / (2 * TAU)) / (1 + dt / (2 * TAU)))
    scale = np.array([1.0 / cell_m**2, 1.0 / cell_m], np.float32)
    return ascan(
        ca, cb, bd, kp, ax, bx, axh, bxh, ay, by, ayh, byh, PML_CELLS, np.float32(dt / MU0 / cell_m),
        ricker(frequency_hz, dt, steps), scale, *source, *receiver, steps,
    )  # fmt: skip
