"""Second-order sections along slow time, with carried state."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True)
def sos_stream(x: F8, sos: F8, state: F8) -> F8:
    """Filter each column along rows (slow time), direct form II transposed.

    x : (n, width); sos : (sections, 6) as scipy.signal gives; state : (sections, 2, width), updated.
    Returns (n, width).
    """
    y = x.copy()
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            v = y[i, c]
            for s in range(sos.shape[0]):
                u = v
                v = sos[s, 0] * u + state[s, 0, c]
                state[s, 0, c] = sos[s, 1] * u - sos[s, 4] * v + state[s, 1, c]
                state[s, 1, c] = sos[s, 2] * u - sos[s, 5] * v
            y[i, c] = v
    return y
