"""Along the sweep: one filter at one place."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def filter_at(rows: F8, row: int, taps: F8, half: int) -> F8:
    """Output of one symmetric filter at one row, divided by the sum of its tap magnitudes. (width,)."""
    n, width = rows.shape
    out = np.zeros(width)
    total = 0.0
    for j in range(max(0, row - half), min(n, row + half + 1)):
        w = taps[abs(j - row)]
        total += abs(w)
        for c in range(width):
            out[c] += w * rows[j, c]
    for c in range(width):
        out[c] /= total
    return out
