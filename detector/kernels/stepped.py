"""Stepped frequency: spectra to A-scans."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def spectra_to_ascans(raw: NDArray[Any], empty: F8, gain: F8, matrix: F4) -> F4:
    """Calibrate and transform: one multiplication by a matrix, added up in one order whatever the cut.

    raw : (n, channels, 2 F), I and Q in turn; empty : (2 F,) the head in the air,
    taken off; gain : (2 F,) complex factor per frequency; matrix : (2 F, m).
    Returns (n, channels, m) float32.
    """
    n, channels, width = raw.shape
    m = matrix.shape[1]
    out = np.zeros((n, channels, m), np.float32)
    for i in range(n):
        for c in range(channels):
            row = raw[i, c]
            done = out[i, c]
            for f in range(0, width, 2):
                a = float(row[f]) - empty[f]
                b = float(row[f + 1]) - empty[f + 1]
                if not (np.isfinite(a) and np.isfinite(b)):
                    continue
                re = np.float32(a * gain[f] - b * gain[f + 1])
                im = np.float32(a * gain[f + 1] + b * gain[f])
                cos, sin = matrix[f], matrix[f + 1]
                for k in range(m):
                    done[k] += re * cos[k] + im * sin[k]
    return out
