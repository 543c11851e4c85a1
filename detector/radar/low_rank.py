"""Robust principal components of a whole B-scan: what is alike in all A-scans apart from what stands out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def robust_pca(
    bscan: NDArray[np.floating], sparsity: float = 1.0, tolerance: float = 1e-6, iterations: int = 500
) -> tuple[F8, F8]:
    """Split a B-scan into a low-rank background and sparse targets, offline.

    Minimises ||L||_* + lambda ||S||_1 with L + S = bscan by the inexact augmented Lagrangian method.
    Sources: Candes, Li, Ma and Wright 2011 (lambda = 1 / sqrt(longer side)); Lin, Chen and Ma 2010 (method).

    Parameters
    ----------
    bscan : (n, samples)
    sparsity : factor on that lambda; more leaves more in the background
    tolerance : of ||bscan - L - S|| over ||bscan||

    Returns
    -------
    background L and targets S, both (n, samples). After `iterations` the split is what it is by then.
    """
    d = np.asarray(bscan, dtype=np.float64)
    size = float(np.linalg.norm(d))
    if size == 0.0:
        return np.zeros_like(d), np.zeros_like(d)
    weight = sparsity / np.sqrt(max(d.shape))
    top = float(np.linalg.norm(d, 2))
    y = d / max(top, float(np.abs(d).max()) / weight)
    mu = 1.25 / top
    sparse = np.zeros_like(d)
    low = np.zeros_like(d)
    for _ in range(iterations):
        u, s, vt = np.linalg.svd(d - sparse + y / mu, full_matrices=False)
        low = (u * np.maximum(s - 1.0 / mu, 0.0)) @ vt
        rest = d - low + y / mu
        sparse = np.sign(rest) * np.maximum(np.abs(rest) - weight / mu, 0.0)
        left = d - low - sparse
        y = y + mu * left
        mu = min(1.5 * mu, 1e7 * 1.25 / top)
        if float(np.linalg.norm(left)) <= tolerance * size:
            break
    return low, sparse
