"""Rotation of I/Q pairs."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def rotate_pairs(rows: F8, turn: F8) -> F8:
    """(I + jQ) exp(-j p) of each pair of columns. rows : (n, 2 P); turn : (2, P) cos p, sin p."""
    n = rows.shape[0]
    out = np.empty_like(rows)
    for i in range(n):
        for q in range(turn.shape[1]):
            a, b = rows[i, 2 * q], rows[i, 2 * q + 1]
            out[i, 2 * q] = a * turn[0, q] + b * turn[1, q]
            out[i, 2 * q + 1] = b * turn[0, q] - a * turn[1, q]
    return out
