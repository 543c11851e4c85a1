"""Whether the first ground of a segment answers like ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def answer_across(ground: F8, noise: F8, soil: F8) -> float:
    """Standard deviation of the first answers across the soil's directions, in noise of a reading; the largest way.

    Where metal lies under nearly all of the first ground, the quietest part of it is metal too, and hides what follows.
    Soil answers along its directions and bends by some per cent of that.

    Parameters
    ----------
    ground : (r, r) covariance of the first answers
    noise : (r, r) of one reading
    soil : (k, r) directions along which soil answers
    """
    r = len(noise)
    size = float(np.trace(noise))
    if size <= 0.0:
        return 0.0
    root = np.linalg.cholesky(noise + 1e-12 * size * np.eye(r))
    white = np.linalg.solve(root, np.linalg.solve(root, ground).T)
    along, _ = np.linalg.qr(np.linalg.solve(root, soil.T))
    across = np.eye(r) - along @ along.T
    return float(np.sqrt(max(0.0, np.linalg.eigvalsh(across @ (white + white.T) @ across)[-1] / 2.0)))
