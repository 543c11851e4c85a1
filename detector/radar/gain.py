"""Time-varying gain: what spreading and absorption took from late echoes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, quantity

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


class GainSettings(Settings):
    power: float = quantity(1.0, "1", 0.0, 4.0, "exponent of the spreading gain (t / one period)^power")
    absorption_db_per_ns: float = quantity(1.0, "dB/ns", 0.0, 20.0, "two-way absorption made good; soils 0 to 10")
    limit_db: float = quantity(40.0, "dB", 0.0, 120.0, "gain stops growing here")


def gain_curve(settings: GainSettings, geometry: RadarGeometry, surface: I8) -> F4:
    """(channels, samples) factor for surface echoes at those samples; 1 above the ground.

    A fixed curve of time below the surface. There is no automatic gain in the chain: it would destroy the
    amplitude statistics that the alarm stage rests on; see :func:`automatic_gain` for display.
    """
    t = np.maximum(0.0, (np.arange(geometry.samples) - surface[:, None]) * geometry.dt_s)
    db = 20.0 * settings.power * np.log10(1.0 + t * geometry.centre_frequency_hz)
    db += settings.absorption_db_per_ns * t * 1e9
    return np.asarray(10.0 ** (np.minimum(db, settings.limit_db) / 20.0), dtype=np.float32)


def automatic_gain(bscan: NDArray[np.floating], window: int) -> F8:
    """Every sample over the root mean square of its A-scan within +-window samples: for display only.

    bscan : (n, samples). Where there is nothing at all the result is 0.
    """
    square = np.asarray(bscan, dtype=np.float64) ** 2
    size = ndimage.uniform_filter1d(square, 2 * window + 1, axis=1, mode="nearest")
    root = np.sqrt(np.maximum(size, 0.0))
    return np.asarray(np.divide(bscan, root, out=np.zeros_like(square), where=root > 1e-12 * root.max(initial=0.0)))
