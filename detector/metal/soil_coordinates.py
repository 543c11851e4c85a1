"""Coordinates in which the soil at hand swings in one after the other, each taken off those that follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.kernels.ground import start_soil
from detector.kernels.soil_coordinates import triangular_rows

F8 = NDArray[np.float64]

_PASSES = 3
"""Over the first ground, to find which of it is no ground."""

_USUAL = 10.0
"""Usual energies beyond which a place is hardly ground."""

_LEAST = 1e-9
"""Share of the largest swing below which a combination of coordinates tells nothing of the others."""


class SoilCoordinates:
    """Rows before the baseline, turned so that soil swings along as few coordinates as it has ways to swing.

    Soil swings a thousandfold of what metal gives. A median along the sweep is taken of each coordinate alone; metal in
    its window shifts it by another part of the soil's swing in each, and what is left then answers as no soil does,
    up to the window's half length beside the metal. So each coordinate is less its regression on those before it: the
    soil stays in the first ones.
    The map is unit lower triangular: it can always be undone. An energy over a covariance is the same in all
    coordinates, so metal among the ground that the map is learned from does not become ground by it.

    It is learned from the first rows of a segment, for which the baseline waits in any case: from their differences
    over `apart` rows, in which a drift does not swing, each weighed as ground (see `start_soil`). Until then rows are
    held. The map is the inverse of the covariance's unit triangular factor (Pourahmadi 1999).

    Parameters
    ----------
    first : rows that it is learned from
    apart : rows between the two of a difference; about the width of a response
    coils, ranks : rows are (n, coils * ranks)
    """

    def __init__(self, first: int, apart: int, coils: int, ranks: int) -> None:
        self._first, self._apart = first, max(1, apart)
        self._held: list[F8] | None = []
        self._forth: F8 = np.tile(np.eye(ranks), (coils, 1, 1))
        self.back = self._forth.copy()
        """(coils, ranks, ranks) the map that undoes it."""

    def push(self, rows: F8) -> F8:
        """(n, coils * ranks) to (n', coils * ranks), those that can be told now."""
        if self._held is None:
            return triangular_rows(rows, self._forth)
        self._held.append(rows)
        if sum(map(len, self._held)) < self._first:
            return np.empty((0, rows.shape[1]))
        return self.finish()

    def finish(self) -> F8:
        """The rows still held: where they are too few to learn from they stay as they are."""
        coils, r = self._forth.shape[:2]
        held = np.concatenate((np.empty((0, coils * r)), *(self._held or ())))
        if self._held is not None and len(held) >= self._first > self._apart:
            self._learn(held[: self._first])
        self._held = None
        return triangular_rows(held, self._forth)

    def undone(self, rows: F8) -> F8:
        """Deviations in these coordinates, (n, k * coils * ranks), in those that were pushed."""
        width = self._forth.shape[0] * self._forth.shape[1]
        stacked = np.ascontiguousarray(rows).reshape(-1, width)
        return triangular_rows(stacked, self.back).reshape(rows.shape)

    def _learn(self, rows: F8) -> None:
        coils, r = self._forth.shape[:2]
        swings = np.zeros((coils, 1, r, r))
        start_soil(rows[self._apart :] - rows[: -self._apart], np.eye(r), 2 * self._apart, _USUAL, _PASSES, swings)
        for c in range(coils):
            swing = swings[c, 0]
            if not np.isfinite(swing).all():
                continue
            for k in range(1, r):
                self._forth[c, k, :k] = -np.linalg.lstsq(swing[:k, :k], swing[:k, k], rcond=_LEAST)[0]
            self.back[c] = np.linalg.inv(self._forth[c])
