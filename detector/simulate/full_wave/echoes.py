"""How far each object's echo stands out of the ground that it lies in: the lane against the lane without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.simulate.full_wave.ground import Ground
from detector.simulate.full_wave.sounding import Sounding

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

HALO_M = 0.10
"""Ground this near to an object is not taken for bare."""


def rows_over(objects: Sequence[dict[str, Any]], x_m: F8) -> list[I8]:
    """Of each object, the A-scans right over it: at least those within one step."""
    step = float(np.median(np.diff(x_m))) if len(x_m) > 1 else 0.0
    return [np.flatnonzero(np.abs(x_m - o["x_m"]) <= max(0.5 * o["width_m"], step)) for o in objects]


def echoes_db(
    sounding: Sounding, ground: Ground, objects: Sequence[dict[str, Any]], ascans: F4, x_m: F8, noise: float,
    told: Callable[[], object] = lambda: None,
) -> list[float]:  # fmt: skip
    """Of each object, dB: peak of its echo over the ground's residue and the receiver's noise at that time of flight.

    The measure that scenes state of theirs (:class:`detector.simulate.scene.Visibility`). The echo is what changes when
    the object alone is taken out of the ground, so neighbours, what is scattered between them, and the soil that was
    dug over it stay. Residue is the root mean square of bare ground about its mean over the lane: no background removal
    knows better than this mean where the ground is level.

    objects : entries of the truth; ascans : (n, samples) V/m; x_m : (n,); noise : 1 sigma of the receiver, V/m; told :
    called after each A-scan. Returns NaN where no A-scan lies over an object, or no ground is bare.
    """
    bare = np.ones(len(x_m), bool)
    for o in objects:
        bare &= np.abs(x_m - o["x_m"]) > 0.5 * o["width_m"] + HALO_M
    if np.count_nonzero(bare) < 2:
        return [math.nan] * len(objects)
    quiet = ascans[bare].astype(np.float64)
    floor = np.sqrt(((quiet - quiet.mean(axis=0)) ** 2).mean(axis=0)) + noise
    out = []
    for k, over in enumerate(rows_over(objects, x_m)):
        peak = math.nan if len(over) == 0 else 0.0
        sounding.over(ground.without(k))
        for row in over:
            echo = np.abs(ascans[row].astype(np.float64) - sounding.ascan(int(row)))
            peak = max(peak, float((echo / floor).max()))
            told()
        out.append(20.0 * math.log10(peak) if peak > 0.0 else math.nan if math.isnan(peak) else -math.inf)
    return out
