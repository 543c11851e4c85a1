"""Random lines and areas: what makes ground uneven."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def uneven_area(
    rng: np.random.Generator, nx: int, ny: int, cell_m: float, dimension: float, anisotropy: float, longest_m: float
) -> F8:
    """(nx, ny) from 0 to 1: a fractal of that dimension up to `longest_m`, stretched along x.

    Noise shaped by a power spectrum (Turcotte 1997, ch. 7), then by rank; middle values are more usual than extremes.
    """
    kx = np.fft.fftfreq(nx, cell_m)[:, None] / anisotropy
    ky = np.fft.fftfreq(ny, cell_m)[None, :]
    k = np.sqrt(kx**2 + ky**2 + (1 / longest_m) ** 2)
    g = np.fft.ifft2(np.fft.fft2(rng.normal(size=(nx, ny))) * k ** (-(7 - 2 * dimension) / 2 - 0.5)).real
    o = np.empty(nx * ny)
    o[np.argsort(g.ravel())] = np.arange(nx * ny) / (nx * ny)
    # between uniform and Gaussian: middle values more usual
    u = o.reshape(nx, ny)
    return np.asarray(0.5 + np.sign(u - 0.5) * np.abs(2 * u - 1) ** 1.4 / 2)


def uneven_line(rng: np.random.Generator, n: int, step_m: float, correlation_m: float) -> F8:
    """(n,) of standard deviation 1, correlated over that length."""
    m = int(4 * correlation_m / step_m) + 1
    k = np.exp(-0.5 * ((np.arange(-m, m + 1)) * step_m / correlation_m) ** 2)
    z = np.convolve(rng.normal(size=n + 2 * m), k, "valid")
    return np.asarray(z / z.std())
