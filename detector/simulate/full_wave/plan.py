"""What a lane is, by its number: radar, soil, head and objects."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from detector.simulate.full_wave.kinds import CLUTTER, LARGE_MINES, SMALL_MINES
from detector.simulate.full_wave.soils import LOSSY

_SOILS = [
    "dry_sand", "wet_sand", "sandy_loam", "loam", "clay_loam", "wet_clay", "laterite", "gravelly", "layered", "grassy",
    "puddled", "rocky_dry",
]  # fmt: skip
_GHZ = [0.6, 0.75, 0.9, 1.05, 1.2, 1.35, 1.5, 1.7, 2.0]


@dataclass(frozen=True, slots=True)
class LanePlan:
    """Drawn from its name alone."""

    name: str
    frequency_ghz: float
    soil: str
    step_m: float
    """As wished; the lane's own is a whole number of cells."""
    hand_held: bool
    height_m: float
    kinds: tuple[str, ...]
    bars: bool = False
    """Reinforcing bars all along instead of objects."""

    @property
    def cell_m(self) -> float:
        """Of the grid: finer where waves are short."""
        f = self.frequency_ghz * 1e9
        if self.soil in LOSSY:
            return 0.004 if f < 0.7e9 else 0.003 if f < 1.0e9 else 0.0025
        return 0.005 if f < 0.7e9 else 0.004 if f < 1.0e9 else 0.003 if 1.0e9 < f < 1.4e9 else 0.0025

    @property
    def window_s(self) -> float:
        """Recorded of each A-scan."""
        slow = (*LOSSY, "wet_sand", "layered")
        return {0.6: 14e-9, 0.9: 12e-9}.get(round(self.frequency_ghz, 1), 10e-9 if self.soil in slow else 9e-9)


def lane_plan(number: int) -> LanePlan:
    """The plan of lane `number`, 1 or more."""
    name = f"fullwave{number}"
    rng = np.random.default_rng(zlib.crc32(f"plan of {name}".encode()))
    soil = str(rng.choice(_SOILS))
    f = float(rng.choice(_GHZ))
    hand_held = str(rng.choice(["handheld", "vehicle"])) == "handheld"
    step = float(rng.choice([0.0125, 0.015, 0.02])) if f > 1 else 0.02
    height = float(rng.uniform(0.03, 0.13))
    what = rng.random()
    if what < 0.05:
        return LanePlan(name, f, soil, step, hand_held, height, ())
    if what < 0.10:
        return LanePlan(name, float(rng.choice([1.5, 2.0])), "concrete", 0.0125, False, 0.03, (), bars=True)
    if what < 0.20:
        kinds = [str(o) for o in rng.choice(CLUTTER, 3, replace=False)]
    else:
        pool = LARGE_MINES + SMALL_MINES if f < 1 else SMALL_MINES + SMALL_MINES + LARGE_MINES
        mines = 2 if rng.random() < 0.6 else 1
        kinds = [str(o) for o in rng.choice(pool, mines, replace=False)]
        kinds += [str(o) for o in rng.choice(CLUTTER, 3 - mines, replace=False)]
        kinds = [kinds[i] for i in rng.permutation(3)]
    return LanePlan(name, f, soil, step, hand_held, height, tuple(kinds))
