"""Second-order sections, zero-phase within an A-scan."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True)
def sos_zero_phase_rows(x: F8, sos: F8, zi: F8, pad: int) -> F8:
    """Filter each row forward and backward; ends are padded by odd reflection.

    The method of scipy.signal.sosfiltfilt(padtype="odd", padlen=pad).
    x : (n, m) with m > pad; sos : (sections, 6); zi : (sections, 2) step-response steady state.
    """
    n, m = x.shape
    out = np.empty_like(x)
    ext = np.empty(m + 2 * pad)
    for i in range(n):
        for k in range(pad):
            ext[k] = 2.0 * x[i, 0] - x[i, pad - k]
            ext[pad + m + k] = 2.0 * x[i, m - 1] - x[i, m - 2 - k]
        for k in range(m):
            ext[pad + k] = x[i, k]
        first = ext[0]  # scipy's zi chains the sections: each starts from the first input sample
        for s in range(sos.shape[0]):
            b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
            z0 = zi[s, 0] * first
            z1 = zi[s, 1] * first
            for k in range(ext.size):
                u = ext[k]
                v = b0 * u + z0
                z0 = b1 * u - a1 * v + z1
                z1 = b2 * u - a2 * v
                ext[k] = v
        last = ext[ext.size - 1]
        for s in range(sos.shape[0]):
            b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
            z0 = zi[s, 0] * last
            z1 = zi[s, 1] * last
            for k in range(ext.size - 1, -1, -1):
                u = ext[k]
                v = b0 * u + z0
                z0 = b1 * u - a1 * v + z1
                z1 = b2 * u - a2 * v
                ext[k] = v
        for k in range(m):
            out[i, k] = ext[pad + k]
    return out
