"""Runs the dipole fit on the readings round a metal alarm. At alarms only."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.kernels.answer import along_sweep, difference_sigma
from detector.kernels.sweep import filter_at
from detector.metal.coils import CoilSettings
from detector.metal.dipole import Dipole, fit_dipole
from detector.metal.geometry import MetalGeometry

F8 = NDArray[np.float64]

WINDOW_M: Final = 0.8
"""Readings to either side at the nominal speed; at a slower one they are less ground, and still enough at 0.4 of it."""


def locate(
    readings: F8, row: int, coil: int, taps: F8, half: int, x_m: F8, geometry: MetalGeometry, coils: CoilSettings
) -> Dipole | None:
    """Where the target of an alarm lies; None without an odometer or where the track tells too little.

    Every coil's readings are projected on the answer of the one that alarmed, weighed by that one's noise: the
    neighbours hear the same metal.

    Parameters
    ----------
    readings : (n, coils * values) offset-free readings round the alarm
    row, coil : of the alarm
    taps, half : (half + 1,) the matched filter that stood out, centre outward
    x_m : (n,) place of each reading, NaN where not known
    """
    known = np.flatnonzero(np.isfinite(x_m))
    if math.isnan(x_m[row]) or len(known) < len(x_m):
        return None
    by_coil = readings.reshape(len(readings), geometry.channels, geometry.values)
    own = np.ascontiguousarray(by_coil[:, coil])
    sigma = np.maximum(difference_sigma(own), max(geometry.lsb / math.sqrt(12.0), 1e-150))
    answer = filter_at(own, row, taps, half)
    total = float(np.sum((answer / sigma) ** 2))
    if not total > 0.0:
        return None
    rows = np.stack(
        [along_sweep(np.ascontiguousarray(by_coil[:, c]), answer, sigma) for c in range(geometry.channels)], axis=1
    )
    return fit_dipole(x_m, rows, float(x_m[row]), 1.0 / math.sqrt(total), coil, coils)
