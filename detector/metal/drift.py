"""Offset and drift of every gate, without eating a target that stands under the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.errors import ProfileError
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class DriftSettings(Settings):
    memory_s: float = quantity(
        1.0, "s", 0.1, 60.0, "memory of the baseline: a high-pass at 0.16 Hz, below the slowest sweep"
    )
    hold_s: float = quantity(
        20.0, "s", 0.0, 600.0, "a baseline held under a target is set anew after this; no target is stood on longer"
    )
    offset: tuple[float, ...] = ()
    """Offset per value and coil, stream's unit, as taken on command; needed in static mode, and only there."""


def stored_offset(settings: DriftSettings, geometry: MetalGeometry) -> F8:
    """The offset that static mode subtracts, (width,).

    Raises
    ------
    ProfileError
        when there is none, or it belongs to another head.
    """
    if not settings.offset:
        raise ProfileError(
            "metal.mode = 'static' needs a stored offset (metal.drift.offset), and there is none. "
            "Hold the head still over clean ground and take the offset, or use mode 'motion'."
        )
    if len(settings.offset) != geometry.width:
        raise ProfileError(
            f"metal.drift.offset has {len(settings.offset)} numbers, but the head has {geometry.width} values. "
            "Take the offset again on this head."
        )
    return np.array(settings.offset, dtype=np.float64)
