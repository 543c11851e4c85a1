"""Numbers that describe a patch of B-scan round an alarm."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.focus import two_way_time

F8 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def patch_symmetry(patch: F8, centre: int) -> float:
    """Correlation of the patch with its mirror image about row `centre`; 1 = symmetric."""
    n, m = patch.shape
    both = 0.0
    left = 0.0
    right = 0.0
    for d in range(1, min(centre, n - 1 - centre) + 1):
        for k in range(m):
            a = patch[centre - d, k]
            b = patch[centre + d, k]
            both += a * b
            left += a * a
            right += b * b
    if left <= 0.0 or right <= 0.0:
        return np.nan
    return float(both / np.sqrt(left * right))


@njit(cache=True, nogil=True)
def edge_histogram(patch: F8) -> F8:
    """Share of edge strength in four directions: horizontal, vertical, rising, falling. (4,), sums to 1.

    Sobel-free 2 x 2 operators as in the MPEG-7 edge histogram descriptor (Park, Jeon and Won 2000).
    """
    n, m = patch.shape
    share = np.zeros(4)
    r2 = np.sqrt(2.0)
    for i in range(n - 1):
        for k in range(m - 1):
            a = patch[i, k]
            b = patch[i, k + 1]
            c = patch[i + 1, k]
            d = patch[i + 1, k + 1]
            horizontal = abs(a - b + c - d)
            vertical = abs(a + b - c - d)
            rising = abs(r2 * a - r2 * d)
            falling = abs(r2 * b - r2 * c)
            top = max(max(horizontal, vertical), max(rising, falling))
            if top <= 0.0:
                continue
            if horizontal == top:
                share[0] += top
            elif vertical == top:
                share[1] += top
            elif rising == top:
                share[2] += top
            else:
                share[3] += top
    total = share.sum()
    if total > 0.0:
        share /= total
    return share


@njit(cache=True, nogil=True)
def semblance(
    patch: F8, centre: int, apex: float, surface: float, dt: float, step: float, v: float, half: int, height: float
) -> float:
    """Coherence of the patch along the hyperbola of speed v through (centre, apex): 0 to 1.

    Under an antenna `height` m above the ground the curve is that of the refracted ray.

    sum over a window of +-half samples of (sum of rows)^2 / (rows * sum of squares). Taner and
    Koehler 1969. patch : (n, samples) whole A-scans; apex, surface : sample index; dt s; step m; v m/s.
    """
    n, m = patch.shape
    t0 = max(0.0, (apex - surface) * dt)
    top = 0.0
    bottom = 0.0
    for w in range(-half, half + 1):
        s = 0.0
        e = 0.0
        count = 0
        for i in range(n):
            p = surface + two_way_time(t0, (i - centre) * step, v, height) / dt + w
            whole = int(p)
            if whole < 0 or whole >= m - 1:
                continue
            f = p - whole
            a = patch[i, whole] * (1.0 - f) + patch[i, whole + 1] * f
            s += a
            e += a * a
            count += 1
        if count:
            top += s * s / count
            bottom += e
    return top / bottom if bottom > 0.0 else 0.0


@njit(cache=True, nogil=True)
def strongest_sample(row: F8, first: int, last: int) -> int:
    """Index of the largest magnitude within [first, last)."""
    best = first
    for k in range(first, last):
        if abs(row[k]) > abs(row[best]):
            best = k
    return best


@njit(cache=True, nogil=True)
def column_energy(patch: F8, first: int, last: int) -> F8:
    """Energy of each row over samples [first, last): (n,)."""
    n = patch.shape[0]
    out = np.zeros(n)
    for i in range(n):
        for k in range(first, last):
            out[i] += patch[i, k] * patch[i, k]
    return out


@njit(cache=True, nogil=True)
def spectral_centroid(row: F8, first: int, last: int, dt: float) -> float:
    """Mean frequency of a piece of A-scan, Hz, from its mean squared derivative (Rice's formula)."""
    e = 0.0
    d = 0.0
    for k in range(first, last - 1):
        mid = 0.5 * (row[k] + row[k + 1])
        diff = (row[k + 1] - row[k]) / dt
        e += mid * mid
        d += diff * diff
    return np.sqrt(d / e) / (2.0 * np.pi) if e > 0.0 else np.nan
