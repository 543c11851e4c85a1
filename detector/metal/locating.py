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
from detector.samples import StreamKind

F8 = NDArray[np.float64]

WINDOW_M: Final = 0.8
"""Readings to either side at the nominal speed; at a slower one they are less ground, and still enough at 0.4 of it."""

LEAST_BESIDE: Final = 0.01
"""Share of an answer's energy that must lie beside the soil's direction for the soil to be left out."""


def locate(
    readings: F8,
    row: int,
    coil: int,
    taps: F8,
    half: int,
    x_m: F8,
    geometry: MetalGeometry,
    coils: CoilSettings,
    soil: F8,
) -> Dipole | None:
    """Where the target of an alarm lies; None without an odometer or where the track tells too little.

    Every coil's readings are projected on the answer of the one that alarmed, weighed by that one's noise: the
    neighbours hear the same metal.

    Parameters
    ----------
    readings : (n, coils * values) round the alarm, offset and drift in them: a baseline that follows would bend them
    row, coil : of the alarm
    taps, half : (half + 1,) the matched filter that stood out, centre outward
    x_m : (n,) place of each reading, NaN where not known
    soil : (k, values) directions of the soil's answer; of a continuous wave the first is left out of the projection,
        since soil that changes within decimetres looks like something large and deep
    """
    known = np.flatnonzero(np.isfinite(x_m))
    if math.isnan(x_m[row]) or len(known) < len(x_m):
        return None
    by_coil = readings.reshape(len(readings), geometry.channels, geometry.values)
    own = by_coil[:, coil].copy()
    sigma = np.maximum(difference_sigma(own), max(geometry.lsb / math.sqrt(12.0), 1e-150))
    own -= own.mean(axis=0)
    answer = filter_at(own, row, taps, half)
    if geometry.kind is StreamKind.METAL_CW and len(soil):
        beside = answer - soil[0] * float(np.sum(soil[0] * answer / sigma**2) / np.sum((soil[0] / sigma) ** 2))
        if float(np.sum((beside / sigma) ** 2)) > LEAST_BESIDE * float(np.sum((answer / sigma) ** 2)):
            answer = beside
    total = float(np.sum((answer / sigma) ** 2))
    if not total > 0.0:
        return None
    rows = np.stack(
        [along_sweep(np.ascontiguousarray(by_coil[:, c]), answer, sigma) for c in range(geometry.channels)], axis=1
    )
    try:
        return fit_dipole(x_m, rows, float(x_m[row]), 1.0 / math.sqrt(total), coil, coils)
    except ArithmeticError:
        return None  # a description: the alarm stands without it
