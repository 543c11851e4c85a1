"""Soils: permittivity and loss from texture and water for the radar, viscosity for the metal detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
C16 = NDArray[np.complex128]

EPS0 = 8.8541878128e-12
MU0 = 4e-7 * np.pi
PARTICLE_G_PER_CM3 = 2.66


@dataclass(frozen=True, slots=True)
class Soil:
    """One soil as both sensors meet it."""

    name: str
    sand: float
    """Mass fraction, 0 to 1."""
    clay: float
    """Mass fraction, 0 to 1."""
    bulk_g_per_cm3: float
    water: float
    """Volumetric water content, m3/m3, its mean."""
    water_spread: float
    """Standard deviation of water over space."""
    viscosity: float
    """d chi / ln(tau2 / tau1), SI: 1e-7 neutral to 1e-4 very severe."""
    salinity_s_per_m: float = 0.0
    """Conductivity added to that of the texture, S/m."""

    @property
    def texture_s_per_m(self) -> float:
        """Effective conductivity of water in this texture. Peplinski, Ulaby and Dobson 1995 (0.3 to 1.3 GHz)."""
        return max(0.0467 + 0.2204 * self.bulk_g_per_cm3 - 0.4111 * self.sand + 0.6614 * self.clay, 0.0)

    @property
    def conductivity_s_per_m(self) -> float:
        """That a metal detector meets."""
        return self.salinity_s_per_m + self.texture_s_per_m * self.water

    def permittivity(self, frequency_hz: F8, water: float | None = None) -> C16:
        """Relative complex permittivity, e' - j e''. Peplinski, Ulaby and Dobson 1995 (0.3 to 1.3 GHz).

        Above 1.3 GHz the same mixing law with Debye water is carried on, as gprMax does.
        """
        m = max(self.water if water is None else water, 1e-3)
        f = np.maximum(np.asarray(frequency_hz, dtype=np.float64), 1e6)
        beta1 = 1.2748 - 0.519 * self.sand - 0.152 * self.clay
        beta2 = 1.33797 - 0.603 * self.sand - 0.166 * self.clay
        sigma = self.texture_s_per_m
        x = 2 * np.pi * f * 9.23e-12
        water_real = 4.9 + (80.1 - 4.9) / (1 + x**2)
        solids = PARTICLE_G_PER_CM3 - self.bulk_g_per_cm3
        water_loss = x * (80.1 - 4.9) / (1 + x**2)
        water_loss = water_loss + sigma / (2 * np.pi * EPS0 * f) * solids / (PARTICLE_G_PER_CM3 * m)
        grain = (1.01 + 0.44 * PARTICLE_G_PER_CM3) ** 2 - 0.062
        a = 0.65
        share = self.bulk_g_per_cm3 / PARTICLE_G_PER_CM3
        real = (1 + share * (grain**a - 1) + m**beta1 * water_real**a - m) ** (1 / a)
        loss = (m**beta2 * water_loss**a) ** (1 / a) + self.salinity_s_per_m / (2 * np.pi * EPS0 * f)
        return np.asarray(np.maximum(1.15 * real - 0.68, 2.0) - 1j * loss, dtype=np.complex128)

    def wave_number(self, frequency_hz: F8) -> C16:
        """k of exp(-j k L), 1/m, (n,)."""
        f = np.asarray(frequency_hz, dtype=np.float64)
        return np.asarray(2 * np.pi * f * np.sqrt(EPS0 * MU0) * np.sqrt(self.permittivity(f)), dtype=np.complex128)


def draw_soil(rng: np.random.Generator) -> Soil:
    """A soil from dry sand to wet clay, magnetically from neutral to very severe; the two are independent."""
    kinds = (
        ("dry sand", 0.92, 0.03, (0.003, 0.03)),
        ("damp sand", 0.88, 0.04, (0.04, 0.16)),
        ("sandy loam", 0.65, 0.12, (0.04, 0.20)),
        ("loam", 0.42, 0.18, (0.06, 0.24)),
        ("clay loam", 0.30, 0.34, (0.08, 0.26)),
        ("clay", 0.20, 0.45, (0.08, 0.28)),
        ("laterite", 0.45, 0.35, (0.05, 0.22)),
    )
    name, sand, clay, water = kinds[int(rng.integers(len(kinds)))]
    m = float(rng.uniform(*water))
    return Soil(
        name=name,
        sand=float(np.clip(sand + rng.normal(scale=0.03), 0.05, 0.97)),
        clay=float(np.clip(clay + rng.normal(scale=0.03), 0.01, 0.6)),
        bulk_g_per_cm3=float(rng.uniform(1.3, 1.65)),
        water=m,
        water_spread=float(m * rng.uniform(0.015, 0.15)),
        viscosity=float(10 ** rng.uniform(-7.0, -4.0)),
        salinity_s_per_m=float(rng.choice([0.0, 0.0, 0.0, rng.uniform(0.0, 0.03)])),
    )


def correlated(rng: np.random.Generator, shape: tuple[int, int], lengths: tuple[float, float]) -> F8:
    """Gaussian random field of unit variance with exponential-like correlation, cells along both axes."""
    white = rng.normal(size=shape)
    k = [2 * np.pi * np.fft.fftfreq(shape[0])[:, None], 2 * np.pi * np.fft.rfftfreq(shape[1])[None, :]]
    power = (1 + (k[0] * lengths[0]) ** 2 + (k[1] * lengths[1]) ** 2) ** -1.5
    field = np.fft.irfft2(np.fft.rfft2(white) * np.sqrt(power), s=shape)
    return np.asarray(field / max(float(field.std()), 1e-12))
