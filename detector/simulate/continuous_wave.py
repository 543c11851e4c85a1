"""A continuous-wave head over spheres and magnetically viscous soil: I and Q per frequency.

Conventions and checks: docs/simulation.md, "Metal signals". SI throughout, e^{+i omega t}.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from detector.simulate.pulse_induction import MU0, Metal, loop_field

F8 = NDArray[np.float64]
C16 = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class WaveHead:
    """A coil pair in one plane, bucked so that the primary field itself is not received."""

    frequencies_hz: tuple[float, ...] = (2e3, 8e3, 32e3)
    radius_m: float = 0.13
    turns: int = 20
    current_a: float = 0.1
    gain: float = 1000.0
    """Volts at the converter per volt at the coil at the reference frequency."""
    reference_hz: float = 8e3
    """The receiver integrates: its gain falls as 1/f, so that every frequency weighs a dipole alike."""


def sphere_polarizability(
    radius_m: float, conductivity_s_per_m: float, frequencies_hz: tuple[float, ...] | F8, permeability: float = 1.0
) -> C16:
    """Moment per unit field of a conducting permeable sphere, m^3, at each frequency.

    Static limit 4 pi a^3 (mu - 1) / (mu + 2), high-frequency limit -2 pi a^3. Source: Wait 1951; Wait and
    Spies 1969.
    """
    omega = 2 * np.pi * np.asarray(frequencies_hz, dtype=np.float64)
    a, mu = radius_m, permeability
    k = np.sqrt(1j * omega * MU0 * mu * conductivity_s_per_m) * a
    coth = k / np.tanh(k)
    above = 1.0 + k**2 + 2.0 * mu - (2.0 * mu + 1.0) * coth
    below = 1.0 + k**2 - mu + (mu - 1.0) * coth
    out: C16 = -2 * np.pi * a**3 * above / below
    return out


def metal_polarizability(metal: Metal, frequencies_hz: tuple[float, ...] | F8) -> C16:
    """Moment per unit field, m^3, at each frequency: static - sum A i w tau / (1 + i w tau).

    The same relaxations whose step response a pulse's decay is (Laplace), so that both kinds of head see one object.
    Low-frequency limit static_m3, high-frequency limit static_m3 - sum A.
    """
    x = 2j * np.pi * np.multiply.outer(np.asarray(frequencies_hz, dtype=np.float64), np.array(metal.taus_s))
    out: C16 = metal.static_m3 - (np.array(metal.amplitudes_m3) * x / (1 + x)).sum(axis=1)
    return out


def wave_signal(head: WaveHead, polarizability: C16, dx_m: F8, depth_m: float, height_m: F8) -> F8:
    """I and Q of a target at the converter, V: (n, 2 F), ordered I, Q per frequency.

    dx_m : (n,) horizontal distance; depth_m : below the surface; height_m : (n,) of the coil above it.
    I is the part in phase with the primary field, Q the part that lags it by a quarter period, so losses are
    positive: I + jQ = conj(M).
    """
    h_rho, h_z = loop_field(head.radius_m, np.abs(dx_m), -(depth_m + height_m))
    coupling = head.turns**2 * (h_rho**2 + h_z**2)
    moment: C16 = np.multiply.outer(coupling, np.conj(polarizability)).astype(np.complex128)
    return in_volts(head, moment)


def wave_soil_signal(head: WaveHead, viscosity: float, susceptibility: float, height_m: F8) -> F8:
    """I and Q of a magnetically viscous half space, V: (n, 2 F).

    viscosity : d chi / ln(tau2 / tau1), 1, as in pulse_induction.soil_signal; susceptibility : in phase at
    the geometric mean of the frequencies, 1. In phase it falls by the viscosity per unit of ln f; quadrature
    is pi/2 times the viscosity at all frequencies. Image form of the half space, moment chi / 2.
    """
    a, z = head.radius_m, 2 * height_m
    k2 = 4 * a**2 / (4 * a**2 + z**2)
    k = np.sqrt(k2)
    mutual = a * head.turns**2 * ((2 / k - k) * special.ellipk(k2) - 2 / k * special.ellipe(k2))
    f = np.array(head.frequencies_hz)
    chi = susceptibility - viscosity * np.log(f / np.exp(np.mean(np.log(f)))) + 1j * np.pi / 2 * viscosity
    moment: C16 = np.multiply.outer(mutual / 2, chi).astype(np.complex128)
    return in_volts(head, moment)


def in_volts(head: WaveHead, moment: C16) -> F8:
    """(n, 2 F) V at the converter, ordered I, Q per frequency, of coupling times conj(polarizability), (n, F)."""
    volts = head.gain * MU0 * 2 * np.pi * head.reference_hz * head.current_a * moment
    out = np.empty((len(moment), 2 * moment.shape[1]))
    out[:, 0::2] = volts.real
    out[:, 1::2] = volts.imag
    return out
