"""What a real converter adds: thermal noise, mains, drift, sferics, steps and saturation.

Everything comes from the generator that is handed in: one seed, one set of bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


def mains(rng: np.random.Generator, t_s: F8, amplitude: float, hz: float = 50.0) -> F8:
    """Mains pick-up with odd harmonics, a frequency off by up to 0.1 Hz and slowly changing strength: (n,)."""
    f = hz + rng.uniform(-0.1, 0.1)
    swell = 1.0 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.02, 0.1) * t_s + rng.uniform(0, 2 * np.pi))
    out = np.zeros_like(t_s)
    for harmonic, share in ((1, 1.0), (3, 0.4), (5, 0.15)):
        out += share * np.sin(2 * np.pi * harmonic * f * t_s + rng.uniform(0, 2 * np.pi))
    return amplitude * swell * out


def drift(rng: np.random.Generator, t_s: F8, per_s: float) -> F8:
    """Temperature drift: a steady slope of that standard deviation per second and a slow bend, (n,)."""
    slope = rng.normal(scale=per_s)
    bend = per_s * rng.uniform(1.0, 3.0) * np.sin(2 * np.pi * t_s / rng.uniform(15.0, 60.0) + rng.uniform(0, 6.28))
    return slope * t_s + bend


def sferics(rng: np.random.Generator, n: int, per_reading: float, amplitude: float) -> F8:
    """Rare spikes one reading long, of either sign and exponential size: (n,)."""
    hit = rng.random(n) < per_reading
    return np.where(hit, rng.exponential(amplitude, n) * rng.choice([-1.0, 1.0], n), 0.0)


def quantise(x: F8, scale: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Counts of a converter of that step; what does not fit saturates."""
    info = np.iinfo(dtype)
    return np.clip(np.round(x / scale), info.min, info.max).astype(dtype)


def shift_rows(rows: F8, shift: F8) -> F8:
    """Delay each row by a fraction of a sample, by phase in the frequency domain. rows (n, m); shift (n,)."""
    spectrum = np.fft.rfft(rows, axis=1)
    phase = -2j * np.pi * np.fft.rfftfreq(rows.shape[1]) * shift[:, None]
    return np.fft.irfft(spectrum * np.exp(phase), rows.shape[1], axis=1)
