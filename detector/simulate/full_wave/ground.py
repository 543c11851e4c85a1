"""A cut through drawn ground: which material each cell is."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.simulate.full_wave.materials import FIRST_SOIL, FIRST_STONE, STONES, THINGS, Material
from detector.simulate.full_wave.soils import BINS, SOILS, soil_table
from detector.simulate.full_wave.uneven import uneven_area, uneven_line

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

MARGIN_M: Final = 0.75
"""Of ground before the first A-scan and behind the last."""
DEPTH_M: Final = 0.46
AIR_M: Final = 0.27
LAYER_CELLS: Final = 10
"""Of air, in which the upper absorbing layer lies."""


class Ground:
    """Soil of uneven moisture under a rough surface, with pebbles, a second layer, and what is dug into it.

    ids : (nx, ny) materials, y upward; table : (m, 3) of `materials`; surface : (nx,) height, m, mean 0; words : on the
    soil; rms_m : of the surface; pebbles : how many; beneath : of each object in it, the cells that it takes (flat
    indices) and what would be there without it
    """

    def __init__(self, cell_m: float, length_m: float, soil: str, rng: np.random.Generator) -> None:
        """Drawn from `rng`; length_m : of the lane, whose first A-scan lies at 0."""
        self.cell_m, self.rng, self.soil = cell_m, rng, soil
        self.x0_m = -MARGIN_M
        self.nx = round((length_m + 2 * MARGIN_M) / cell_m)
        self.y0 = round(DEPTH_M / cell_m)
        self.ny = self.y0 + round(AIR_M / cell_m) + LAYER_CELLS
        self.ids = np.zeros((self.nx, self.ny), np.uint8)
        self.x_m = self.x0_m + (np.arange(self.nx) + 0.5) * cell_m
        self.y_m = (np.arange(self.ny) + 0.5 - self.y0) * cell_m
        table, self.words = soil_table(soil, rng)
        shape = rng.uniform(1.3, 1.8), rng.uniform(1.0, 3.0), rng.uniform(0.05, 0.3)
        moist = uneven_area(rng, self.nx, self.ny, cell_m, *shape)
        soil_id, further = self._layers(np.clip((moist * BINS).astype(int), 0, BINS - 1))
        self.table = np.vstack([THINGS, table, *further])
        low, high = SOILS[soil].roughness_mm
        self.rms_m = rng.uniform(low, high) * 1e-3
        z = uneven_line(rng, self.nx, cell_m, rng.uniform(0.015, 0.06)) * 0.8
        self.surface_m = self.rms_m * (z + 0.6 * uneven_line(rng, self.nx, cell_m, 0.2))
        self.surface_m -= self.surface_m.mean()
        under = self.y_m[None, :] < self.surface_m[:, None]
        self.ids[under] = soil_id[under]
        self.pebbles = self._strew(length_m)
        self.beneath: list[tuple[I8, NDArray[np.uint8]]] = []

    def _layers(self, moisture: I8) -> tuple[I8, list[F8]]:
        """(nx, ny) soil of each cell, and the tables of a second soil below."""
        rng = self.rng
        upper = FIRST_SOIL + moisture
        if self.soil == "layered":
            below, words = soil_table(str(rng.choice(["wet_sand", "loam", "clay_loam"])), rng)
            top = -(
                rng.uniform(0.10, 0.20)
                + 0.012 * uneven_line(rng, self.nx, self.cell_m, 0.15)
                + rng.uniform(-0.02, 0.02) * np.linspace(-1, 1, self.nx)
            )
            self.words += f"; below {-top.mean() * 100:.0f} cm {words}"
            return np.where(self.y_m[None, :] < top[:, None], upper + BINS, upper), [below]
        if self.soil == "concrete":
            below = soil_table("sandy_loam", rng)[0]
            return np.where(self.y_m[None, :] < -0.20, upper + BINS, upper), [below]
        return upper, []

    def _strew(self, length_m: float) -> int:
        rng, density = self.rng, SOILS[self.soil].pebbles_per_m2
        count = int(rng.poisson(density * (length_m + 1.0) * 0.4)) if density else 0
        largest = 0.014 if self.soil in ("gravelly", "rocky_dry") else 0.008
        for _ in range(count):
            r = rng.uniform(0.003, largest)
            x, y = rng.uniform(-0.7, length_m + 0.7), -rng.uniform(0.01, 0.4)
            height, tilt = 2 * r * rng.uniform(0.5, 1), rng.uniform(-90, 90)
            self.ellipse(x, y, 2 * r, height, tilt, FIRST_STONE + int(rng.integers(len(STONES))), inside=True)
        return count

    def _about(self, x: float, y: float, tilt: float, reach: float) -> tuple[NDArray[np.uint8], F8, F8]:
        """View of the cells about a place, and their coordinates along and across its tilt."""
        i0, i1 = np.searchsorted(self.x_m, [x - reach, x + reach])
        j0, j1 = np.searchsorted(self.y_m, [y - reach, y + reach])
        dx = self.x_m[i0:i1, None] - x
        dy = self.y_m[None, j0:j1] - y
        c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
        return self.ids[i0:i1, j0:j1], dx * c + dy * s, -dx * s + dy * c

    def ellipse(
        self, x: float, y: float, width: float, height: float, tilt: float, material: int, inside: bool = False
    ) -> None:
        """Fill one; m, degrees. inside : leave the air above the surface as it is."""
        cells, a, b = self._about(x, y, tilt, max(width, height) * 0.75 + self.cell_m)
        m = (2 * a / width) ** 2 + (2 * b / height) ** 2 <= 1
        cells[m & (cells != Material.AIR) if inside else m] = material

    def box(
        self, x: float, y: float, width: float, height: float, tilt: float, material: int, along: float = 0.0,
        up: float = 0.0,
    ) -> None:  # fmt: skip
        """Fill one, at least a cell thick; m, degrees. along, up : of its centre, in the tilted frame about x, y."""
        cells, a, b = self._about(x, y, tilt, abs(along) + abs(up) + np.hypot(width, height) * 0.6 + self.cell_m)
        height, width = max(height, self.cell_m * 1.01), max(width, self.cell_m * 1.01)
        cells[(np.abs(a - along) <= width / 2) & (np.abs(b - up) <= height / 2)] = material

    def hole(self, x: float, width: float, depth: float) -> None:
        """Dug and filled again: other moisture, drier three times in four, mixed finely; ragged sides."""
        rng = self.rng
        shift = int(rng.choice([-1, 1], p=[0.75, 0.25]) * rng.integers(5, 12))
        mixed = uneven_area(rng, self.nx, self.ny, self.cell_m, 1.5, 1.0, 0.03)
        other = FIRST_SOIL + np.clip((mixed * BINS).astype(int) + shift, 0, BINS - 1)
        ragged = 0.08 * width * uneven_line(rng, self.ny, self.cell_m, 0.03)
        m = np.abs(self.x_m[:, None] - x + ragged[None, :]) < width / 2
        m &= (self.y_m[None, :] > -depth) & (self.ids != Material.AIR)
        self.ids[m] = other[m]

    def took(self, before: NDArray[np.uint8]) -> None:
        """An object has been drawn; before : the materials as they were."""
        cells = np.flatnonzero(self.ids != before)
        self.beneath.append((cells, before.ravel()[cells]))

    def without(self, k: int) -> NDArray[np.uint8]:
        """The materials as they would be without object `k`, the soil that was dug over it as it is."""
        ids = self.ids.copy()
        cells, before = self.beneath[k]
        ids.ravel()[cells] = before
        return ids

    def cover(self, antenna_m: float) -> None:
        """Puddles or grass, once everything lies in the ground; antenna_m : height of the lowest, m."""
        if self.soil == "puddled":
            level = np.quantile(self.surface_m, 0.3)
            y = self.y_m[None, :]
            wet = (y < level) & (y > level - 0.02) & (self.ids == Material.AIR)
            wet &= y > self.surface_m[:, None] - self.cell_m
            self.ids[wet] = Material.WATER
        if self.soil == "grassy":
            for x in np.arange(-0.7, self.x_m[-1] - 0.05, 0.02):
                x += self.rng.uniform(-0.012, 0.012)
                i = int((x - self.x0_m) / self.cell_m)
                top = self.surface_m[i] + self.rng.uniform(0.01, max(0.015, antenna_m - 0.015))
                j = (self.y_m > self.surface_m[i]) & (self.y_m < top)
                self.ids[i, j & (self.ids[i] == Material.AIR)] = Material.GRASS
