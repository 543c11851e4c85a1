"""A pulse-induction head over small targets and viscous soil.

Conventions and checks: docs/simulation.md, "Metal signals". SI throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

F8 = NDArray[np.float64]

MU0: Final = 4e-7 * np.pi


def loop_field(radius_m: float, rho_m: F8, z_m: F8) -> tuple[F8, F8]:
    """Magnetic field of a circular loop carrying 1 A, one turn: (H_rho, H_z), A/m.

    rho_m, z_m : distance from the axis and above the loop's plane, m, any shape; the wire itself is
    excluded. Source: Smythe, Static and Dynamic Electricity, 7.10 (complete elliptic integrals).
    """
    a = radius_m
    rho = np.maximum(rho_m, 1e-9)
    far, near = (a + rho) ** 2 + z_m**2, (a - rho) ** 2 + z_m**2
    k2 = 4 * a * rho / far
    big_k, big_e = special.ellipk(k2), special.ellipe(k2)
    scale = 1.0 / (2 * np.pi * np.sqrt(far))
    h_z = scale * (big_k + (a**2 - rho**2 - z_m**2) / near * big_e)
    h_rho = scale * z_m / rho * (-big_k + (a**2 + rho**2 + z_m**2) / near * big_e)
    return np.where(rho_m < 1e-9, 0.0, h_rho), h_z


@dataclass(frozen=True, slots=True)
class Head:
    """A coil that sends and receives, with its gates."""

    radius_m: float = 0.13
    turns: int = 20
    current_a: float = 2.0
    pulse_s: float = 250e-6
    receiver_s: float = 3e-6
    """Time constant of coil and receiver."""
    gates_s: tuple[float, ...] = tuple(float(t) for t in np.round(np.geomspace(15e-6, 400e-6, 8), 9))
    """Gate centres after switch-off."""
    gain: float = 1000.0
    """Volts at the converter per volt at the coil."""


@dataclass(frozen=True, slots=True)
class Metal:
    """Polarizability of a small object as decaying exponentials: m(t) = H sum A_k/tau_k exp(-t/tau_k).

    amplitudes_m3, taus_s : (K,); static_m3 : what a steady field magnetises, of which a pulse's decay hears nothing
    and a continuous wave does.
    """

    amplitudes_m3: tuple[float, ...]
    taus_s: tuple[float, ...]
    static_m3: float = 0.0


def sphere(radius_m: float, conductivity_s_per_m: float, terms: int = 40) -> Metal:
    """Non-magnetic conducting sphere, exact: A_k = 12 pi a^3 / (k pi)^2, tau_k = mu0 sigma a^2 / (k pi)^2.

    Wait 1951; the amplitudes sum to the perfect conductor's 2 pi a^3.
    """
    k = np.arange(1, terms + 1)
    tau = MU0 * conductivity_s_per_m * radius_m**2 / (k * np.pi) ** 2
    amplitude = 12 * np.pi * radius_m**3 / (k * np.pi) ** 2
    return Metal(tuple(amplitude.tolist()), tuple(tau.tolist()))


def steel(volume_m3: float, slowest_s: float, permeability: float = 60.0) -> Metal:
    """A magnetic steel piece: time constants spread evenly in ln tau with amplitudes ~ sqrt(tau).

    Gives the t^-1/2-like early and exponential late decay of permeable objects (Weaver 2001);
    strength by volume times the demagnetised gain, 3 (mu - 1) / (mu + 2). Static and eddy part are to each other as
    those of a permeable sphere, 3 (mu - 1) / (mu + 2) to 3 / 2 (Wait 1951).
    """
    taus = np.geomspace(slowest_s / 300, slowest_s, 8)
    share = np.sqrt(taus) / np.sqrt(taus).sum()
    gain = 3 * (permeability - 1) / (permeability + 2)
    strength = volume_m3 * gain
    return Metal(tuple((strength * share).tolist()), tuple(taus.tolist()), strength * gain / (gain + 1.5))


TARGETS: Final[dict[str, Metal]] = {
    # detonator shell and striker spring of a minimum-metal mine: aluminium 6 x 7 mm, steel wire
    "minimum-metal": Metal(
        sphere(3.6e-3, 2.2e7).amplitudes_m3 + steel(4e-8, 30e-6).amplitudes_m3,
        sphere(3.6e-3, 2.2e7).taus_s + steel(4e-8, 30e-6).taus_s,
        steel(4e-8, 30e-6).static_m3,
    ),
    # steel-cased anti-tank mine
    "AT_metal": steel(4e-4, 3e-3),
    # crushed steel can, thin wall
    "tin_can": steel(2.2e-5, 250e-6),
    # fragment of 5 to 10 g
    "shell_fragment": steel(1.0e-6, 400e-6),
    # nail, 60 mm long, 5 mm thick; slowest decay, its and the bar's, of a cylinder: mu0 mu sigma a^2 / 3.83^2 with
    # 5e6 S/m and mu 60
    "nail": steel(1.2e-6, 160e-6),
    # reinforcing bar, 14 mm thick, over the 30 cm that a coil sees
    "rebar": steel(4.6e-5, 1.2e-3),
    # steel-shelled bomblet, 64 mm, 270 g of steel
    "bomblet_BLU26_like": steel(3.5e-5, 1.5e-3),
    # steel-cased bounding mine, 2.5 kg of steel
    "AP_metal_PROM_like": steel(3.2e-4, 3e-3),
}


def target_signal(head: Head, metal: Metal, dx_m: F8, depth_m: float, height_m: F8) -> F8:
    """Gate voltages of a target at the converter, V: (n, gates).

    dx_m : (n,) horizontal distance of the head; depth_m : of the metal below the surface;
    height_m : (n,) of the coil above it. Reciprocity: V = mu0 I h.h sum (A/tau) exp(-t/tau), with a
    finite pulse (1 - exp(-T/tau)) and the receiver's lag.
    """
    h_rho, h_z = loop_field(head.radius_m, np.abs(dx_m), -(depth_m + height_m))
    coupling = head.turns**2 * (h_rho**2 + h_z**2)
    t = np.array(head.gates_s)
    tau = np.array(metal.taus_s)
    amplitude = np.array(metal.amplitudes_m3)
    r = head.receiver_s
    # an exponential through a first-order receiver: difference of two exponentials
    tau = np.where(np.abs(tau - r) < 1e-3 * r, tau * 1.002, tau)
    lagged = (np.exp(-t[:, None] / tau) - np.exp(-t[:, None] / r)) * tau / (tau - r)
    decay = (amplitude / tau * (1 - np.exp(-head.pulse_s / tau)) * lagged).sum(axis=1)
    return head.gain * MU0 * head.current_a * np.outer(coupling, decay)


def soil_signal(head: Head, viscosity: float, height_m: F8) -> F8:
    """Gate voltages of a magnetically viscous half space, V: (n, gates), falling as 1/t.

    viscosity : d chi / ln(tau2 / tau1), 1: 1e-6 neutral to 1e-4 severe. Image form of the half-space
    response: mutual inductance of the loop with itself at twice the height (Billings et al. 2003).
    """
    a, z = head.radius_m, 2 * height_m
    k2 = 4 * a**2 / (4 * a**2 + z**2)
    k = np.sqrt(k2)
    mutual = MU0 * a * head.turns**2 * ((2 / k - k) * special.ellipk(k2) - 2 / k * special.ellipe(k2))
    t = np.array(head.gates_s)
    return head.gain * head.current_a * viscosity / 2 * np.outer(mutual, 1 / t - 1 / (t + head.pulse_s))


def conducting_soil_signal(head: Head, conductivity_s_per_m: float) -> F8:
    """Gate voltages of a conducting half space, V: (gates,), falling as t^(-5/2).

    Late time, gain I N^2 pi a^4 mu0^(5/2) sigma^(3/2) / (20 sqrt(pi)) (t^(-5/2) - (t + T)^(-5/2)): Ward and Hohmann
    1988, eq. 4.98, with the field in the middle of the loop for that over its area. Eddies spread over
    sqrt(2 t / (mu0 sigma)), 4 m in 1 S/m at 10 us: far wider than a coil and its height, on which the answer
    therefore does not depend. At 10 us under a loop of 13 cm it is 1400 times weaker than that of viscosity 1e-6 in
    1 mS/m, about as strong in 0.1 S/m, 22 times as strong in 1 S/m.
    """
    t = np.array(head.gates_s)
    unit = MU0**2.5 * conductivity_s_per_m**1.5 * head.radius_m**2 / (20.0 * np.sqrt(np.pi))
    area = np.pi * head.radius_m**2 * head.turns**2
    return np.asarray(head.gain * head.current_a * area * unit * (t**-2.5 - (t + head.pulse_s) ** -2.5))
