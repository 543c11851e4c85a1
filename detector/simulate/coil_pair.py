"""Two round coils in one plane over flat ground: how much of the sender's field the ground gives back to the receiver.

Image form of the half space. The answer of a layered ground to a loop is a sum over radial wave numbers
(Ward and Hohmann 1988, 4.4): two loops of radius a, their centres s apart, h above it, couple by

    a^2 pi integral J1(ka)^2 J0(ks) r(k) exp(-2 k h) dk

with r = chi / 2 for weakly magnetic and r = -i w mu0 sigma / (4 k^2) for weakly conducting ground.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

F8 = NDArray[np.float64]

NULL_SHIFT: Final = 1.5163
"""Distance of the centres over the radius at which two equal round coils in one plane do not hear each other: the
overlap of a double-D."""

_STEPS: Final = 6000


def magnetic_coupling(radius_m: float, shift_m: float, height_m: F8) -> F8:
    """pi a^2 integral J1(ka)^2 J0(ks) exp(-2kh) dk, m, at each height; times chi / 2 it is magnetic ground's answer.

    radius_m : of both coils; shift_m : between their centres; height_m : (n,) above the ground, above 0
    """
    return _coupling(radius_m, shift_m, height_m, 0)


def conductive_coupling(radius_m: float, shift_m: float, height_m: F8) -> F8:
    """pi a^2 integral J1(ka)^2 J0(ks) exp(-2kh) / k^2 dk, m^3; times w mu0 sigma / 4 it is conducting ground's loss."""
    return _coupling(radius_m, shift_m, height_m, 2)


def _coupling(radius_m: float, shift_m: float, height_m: F8, power: int) -> F8:
    """In units of the radius, on a grid of heights, by the trapezoidal rule; between them by straight lines."""
    z = np.asarray(height_m, dtype=np.float64) / radius_m
    grid = np.linspace(float(z.min()), float(z.max()), 1 if z.min() == z.max() else 80)
    k = (np.arange(_STEPS) + 0.5) * min(20.0 / float(grid[0]), 2000.0) / _STEPS
    kernel = special.j1(k) ** 2 * special.j0(k * shift_m / radius_m) / k**power
    answer = (np.exp(-2 * np.outer(grid, k)) @ kernel) * (k[1] - k[0])
    return np.asarray(np.pi * radius_m ** (1 + power) * np.interp(z, grid, answer))
