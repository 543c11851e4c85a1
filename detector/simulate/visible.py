"""How far metal in the ground stands out of noise and of the ground's own answers, once filtered as well as can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

F8 = NDArray[np.float64]

WIDTHS_M = (0.10, 0.17, 0.30)
"""Full widths at half height of the Gaussians along the sweep."""

REACH_M = 2.0
"""Ground that differs over longer ways than this is a baseline."""


def matched_db(seen: F8, ground: F8, sigma: F8, step_m: float) -> list[float]:
    """10 lg of S' (N + R)^-1 S at the best place, coil and width, an object alone; -inf where it gives nothing.

    N is what is left of the noise after the filter, R the covariance over the lane of the ground's own answers after
    it, both known here and to no detector. All gates; nothing is averaged over them.

    seen : (objects, n, coils, gates) answers of each, V; ground : (n, coils, gates) V; sigma : (gates,) noise of a
    reading, V; step_m : between readings
    """
    best = np.zeros(len(seen))
    every = max(1, int(WIDTHS_M[0] / 2.3548 / step_m / 4.0))
    ground, step_m, sigma = _means(ground, every), every * step_m, sigma / np.sqrt(every)
    means = [_means(volts, every) for volts in seen]
    swing = ground - uniform_filter1d(ground, max(1, round(REACH_M / step_m)), axis=0)
    for width in WIDTHS_M:
        rows = max(width / 2.3548 / step_m, 0.3)
        impulse = gaussian_filter1d(np.eye(1, 2 * int(5 * rows) + 3, int(5 * rows) + 1)[0], rows)
        unit = sigma * np.sqrt(impulse @ impulse)
        own = gaussian_filter1d(swing, rows, axis=0) / unit
        covariance = np.einsum("ncg,nch->cgh", own, own) / len(own) + np.eye(len(sigma))
        for i, volts in enumerate(means):
            answer = gaussian_filter1d(volts, rows, axis=0) / unit
            for c, whole in enumerate(covariance):
                power = np.einsum("ng,gn->n", answer[:, c], np.linalg.solve(whole, answer[:, c].T))
                best[i] = max(best[i], float(power.max()))
    return [10.0 * float(np.log10(p)) if p > 0.0 else -np.inf for p in best]


def _means(rows: F8, every: int) -> F8:
    """Means of `every` rows: (n, coils, gates) to (n / every, coils, gates)."""
    n = len(rows) // every
    return np.asarray(rows[: n * every].reshape(n, every, *rows.shape[1:]).mean(axis=1))
