"""What things are made of: permittivity at high frequency, conductivity S/m, step of the Debye pole."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np


class Material(IntEnum):
    """Row of a lane's table of materials."""

    AIR = 0
    PLASTIC = 1
    TNT = 2
    WOOD = 3
    GLASS = 4
    WATER = 5
    METAL = 6
    """A perfect conductor."""
    PIN = 7
    """Small metal parts of a fuze, which fill a part of their cells only: lossy."""
    BRICK = 8
    ROOT = 9
    RUBBER = 11
    ANFO = 12
    """Ammonium nitrate and fuel oil."""
    GRASS = 14
    RDX = 15


_ROWS: Final = {
    Material.AIR: (1, 0, 0), Material.PLASTIC: (2.8, 2e-4, 0), Material.TNT: (2.9, 5e-4, 0),
    Material.WOOD: (2.4, 3e-3, 0), Material.GLASS: (6.0, 1e-4, 0), Material.WATER: (4.9, 0.02, 75.2),
    Material.METAL: (1, -1, 0), Material.PIN: (14, 0.6, 0), Material.BRICK: (4.5, 0.004, 0),
    Material.ROOT: (9, 0.03, 6), Material.RUBBER: (4.0, 0.004, 0), Material.ANFO: (3.2, 2e-3, 0),
    Material.GRASS: (3.5, 0.02, 0), Material.RDX: (3.2, 3e-4, 0),
}  # fmt: skip

FIRST_STONE: Final = 24
STONES: Final = np.array(
    [[4.8, 1e-3, 0], [5.5, 1e-3, 0], [6.5, 2e-3, 0], [7.2, 3e-3, 0], [8.0, 5e-3, 0], [9.0, 1e-2, 0]]
)
FIRST_SOIL: Final = FIRST_STONE + len(STONES)

_things = np.tile(np.array(_ROWS[Material.AIR], dtype=np.float64), (FIRST_STONE, 1))
for _material, _row in _ROWS.items():
    _things[_material] = _row
THINGS: Final = np.vstack([_things, STONES])
"""(FIRST_SOIL, 3): everything but the soil of a lane, which follows. Rows that nothing uses are air."""
