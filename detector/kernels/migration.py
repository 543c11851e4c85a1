"""Diffraction stack of a whole B-scan."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]


@njit(cache=True, nogil=True)
def stack_along(bscan: F8, whole: U4, part: F4, inside: I8, samples: I8, surface: float) -> F8:
    """Mean along diffraction curves, weighted by the cosine of the ray's angle, t0 / t.

    bscan : (n, m); whole, part, inside : of detector.kernels.focus.stack_places for one speed, (half + 1, T)
    and (half + 1,); samples : (T,) apexes. Returns (n, T).
    """
    n = bscan.shape[0]
    n_d, n_t = whole.shape
    out = np.zeros((n, n_t))
    weight = np.zeros(n_t)
    for i in range(n):
        weight[:] = 0.0
        for d in range(-(n_d - 1), n_d):
            j = i + d
            if j < 0 or j >= n:
                continue
            a = abs(d)
            for t in range(inside[a]):
                p = whole[a, t]
                far = float(p) + part[a, t] - surface
                w = (samples[t] - surface + 1.0) / (far + 1.0)
                out[i, t] += w * (bscan[j, p] * (1.0 - part[a, t]) + bscan[j, p + np.uint32(1)] * part[a, t])
                weight[t] += w
        for t in range(n_t):
            if weight[t] > 0.0:
                out[i, t] /= weight[t]
    return out
