"""Inference of the classifier: calibrated probabilities and distance from what the model knows."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def logistic_probabilities(z: F8, weights: F8, bias: F8, temperature: float) -> F8:
    """Softmax of (z . weights + bias) / temperature. z : (F,); weights : (K, F); bias : (K,)."""
    k = bias.size
    out = np.empty(k)
    top = -np.inf
    for c in range(k):
        s = bias[c]
        for f in range(z.size):
            s += weights[c, f] * z[f]
        out[c] = s / temperature
        top = max(top, out[c])
    total = 0.0
    for c in range(k):
        out[c] = np.exp(out[c] - top)
        total += out[c]
    for c in range(k):
        out[c] /= total
    return out


@njit(cache=True, nogil=True)
def mahalanobis(z: F8, seen: NDArray[np.bool_], centre: F8, covariance: F8) -> float:
    """Distance of the seen features from a class, per root of their number: about 1 for its members.

    Solves on the seen features only (their marginal Gaussian). centre : (F,); covariance : (F, F).
    """
    index = np.nonzero(seen)[0]
    n = index.size
    if n == 0:
        return np.inf
    lower = np.zeros((n, n))
    y = np.empty(n)
    total = 0.0
    for i in range(n):
        for j in range(i + 1):
            s = covariance[index[i], index[j]]
            for k in range(j):
                s -= lower[i, k] * lower[j, k]
            if i == j:
                lower[i, i] = np.sqrt(s) if s > 1e-12 else 1e-6
            else:
                lower[i, j] = s / lower[j, j]
        s = z[index[i]] - centre[index[i]]
        for k in range(i):
            s -= lower[i, k] * y[k]
        y[i] = s / lower[i, i]
        total += y[i] * y[i]
    return float(np.sqrt(total / n))
