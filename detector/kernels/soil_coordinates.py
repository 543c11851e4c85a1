"""A linear map of each coil's values, reading by reading."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def triangular_rows(rows: F8, maps: F8) -> F8:
    """(n, C r) times each coil's lower triangular map (C, r, r). A plain loop: the same bits for any n."""
    n = rows.shape[0]
    coils, r = maps.shape[0], maps.shape[1]
    out = np.zeros((n, coils * r))
    for i in range(n):
        for c in range(coils):
            for p in range(r):
                for q in range(p + 1):
                    out[i, c * r + p] += maps[c, p, q] * rows[i, c * r + q]
    return out


@njit(cache=True, nogil=True)
def undone_rows(rows: F8, maps: F8, counts: F8, out: F8) -> None:
    """The same of rows (n, k C r), k times side by side, with counts (n,) or more as a last column, into out."""
    n, width = rows.shape
    coils, r = maps.shape[0], maps.shape[1]
    for i in range(n):
        out[i, width] = counts[i]
        for k in range(0, width, coils * r):
            for c in range(coils):
                first = k + c * r
                for p in range(r):
                    s = 0.0
                    for q in range(p + 1):
                        s += maps[c, p, q] * rows[i, first + q]
                    out[i, first + p] = s
