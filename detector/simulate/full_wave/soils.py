"""Soils by name, from texture and moisture to a table of electrical properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.simulate.full_wave.solver import TAU

F8 = NDArray[np.float64]

BINS: Final = 24
"""Of moisture, from the driest to the wettest place of a lane."""


def peplinski(sand: float, clay: float, bulk: float, particle: float, water: float) -> tuple[float, float, float]:
    """Permittivity at high frequency, conductivity S/m, step of the Debye pole of a moist soil.

    Peplinski, Ulaby & Dobson 1995 (0.3 to 1.3 GHz), water as one Debye pole. sand, clay : shares by mass; bulk,
    particle : densities, g/cm3; water : share by volume
    """
    w = 2 * np.pi * 1.3e9
    wi, wd = 4.9, 75.2
    real = wi + wd / (1 + (w * TAU) ** 2)
    a = 0.65
    es = (1.01 + 0.44 * particle) ** 2 - 0.062
    b1 = 1.2748 - 0.519 * sand - 0.152 * clay
    b2 = 1.33797 - 0.603 * sand - 0.166 * clay
    sigf = 0.0467 + 0.2204 * bulk - 0.411 * sand + 0.6614 * clay
    er = (1 + (bulk / particle) * (es**a - 1) + water**b1 * real**a - water) ** (1 / a)
    er = 1.15 * er - 0.68
    d = water ** (b2 / a) * wd
    se = water ** (b2 / a) * sigf * (particle - bulk) / (particle * water)
    return max(er - d, 1.2), max(se, 1e-5), d


@dataclass(frozen=True, slots=True)
class Soil:
    """A kind of ground."""

    texture: tuple[float, float, float] | None
    """Sand, clay by mass, density g/cm3; None where the table is its own."""
    moisture: tuple[float, float]
    """By volume, driest and wettest place; without a texture: permittivities."""
    roughness_mm: tuple[float, float]
    """Standard deviation of the surface, least and most."""
    pebbles_per_m2: int
    """On the cut through the ground."""


SOILS: Final[dict[str, Soil]] = {
    "dry_sand": Soil((0.93, 0.02, 1.55), (0.005, 0.03), (2, 6), 5),
    "wet_sand": Soil((0.90, 0.03, 1.60), (0.12, 0.20), (2, 6), 10),
    "sandy_loam": Soil((0.62, 0.12, 1.45), (0.05, 0.13), (4, 8), 10),
    "loam": Soil((0.42, 0.18, 1.40), (0.09, 0.18), (4, 9), 10),
    "clay_loam": Soil((0.32, 0.33, 1.35), (0.12, 0.20), (5, 10), 10),
    "wet_clay": Soil((0.18, 0.48, 1.30), (0.20, 0.30), (5, 10), 0),
    "laterite": Soil(None, (11.0, 17.0), (5, 12), 60),
    "gravelly": Soil((0.70, 0.08, 1.60), (0.03, 0.08), (6, 12), 500),
    "layered": Soil((0.75, 0.10, 1.50), (0.02, 0.06), (3, 7), 15),
    "grassy": Soil((0.50, 0.15, 1.30), (0.10, 0.18), (10, 18), 5),
    "puddled": Soil((0.55, 0.15, 1.40), (0.14, 0.22), (8, 14), 10),
    "concrete": Soil(None, (5.4, 6.6), (0.3, 0.8), 0),
    "rocky_dry": Soil((0.80, 0.05, 1.65), (0.01, 0.04), (8, 16), 250),
}

LOSSY: Final = ("wet_clay", "puddled", "laterite")
"""Waves are short in them: finer cells, a longer window."""

_LATERITE_S_PER_M: Final = (0.02, 0.06)


def soil_table(name: str, rng: np.random.Generator) -> tuple[F8, str]:
    """(BINS, 3) properties by moisture, drawn about the soil's own, and words on them."""
    soil = SOILS[name]
    low, high = soil.moisture
    if name == "concrete":
        e = np.linspace(low, high, BINS)
        return np.stack([e, np.full(BINS, 0.008), 0 * e], 1), "eps 5.4-6.6 sigma 0.008"
    if soil.texture is None:
        s0, s1 = _LATERITE_S_PER_M
        j = rng.uniform(0.9, 1.1)
        table = np.stack([np.linspace(low, high, BINS) * j, np.linspace(s0, s1, BINS), np.full(BINS, 1.5)], 1)
        return table, f"eps {low * j:.1f}-{high * j:.1f} sigma {s0}-{s1} S/m, Debye 1.5"
    j = rng.uniform(0.85, 1.15)
    w0, w1 = low * j, high * j
    sand, clay, bulk = soil.texture
    table = np.array([peplinski(sand, clay, bulk, 2.66, m) for m in np.linspace(w0, w1, BINS)])
    return table, (
        f"Peplinski sand={sand} clay={clay} bulk={bulk} g/cm3 particle=2.66 g/cm3 "
        f"water_vol_frac={w0:.4f}-{w1:.4f}, {BINS} bins"
    )
