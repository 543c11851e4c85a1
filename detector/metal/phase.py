"""Continuous wave: turn each frequency's I and Q so that the primary field's phase is zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.errors import ProfileError
from detector.kernels.phase import rotate_pairs
from detector.metal.geometry import MetalGeometry
from detector.samples import StreamKind
from detector.settings import Settings

F8 = NDArray[np.float64]


class PhaseSettings(Settings):
    reference_deg: tuple[float, ...] = ()
    """Phase of the primary field in the head's I/Q plane, degrees: one number, or one a frequency; empty = 0."""


class PhaseRotation:
    """(I + jQ) exp(-j phase) for every frequency of every coil; nothing for other kinds of head. Latency 0.

    Then a ferrite answers along +I, a thin conductor along +Q and a thick one along -I.

    Raises
    ------
    ProfileError
        when the phases do not fit the head's frequencies.
    """

    latency = 0

    def __init__(self, settings: PhaseSettings, geometry: MetalGeometry) -> None:
        self._turn: F8 | None = None
        if geometry.kind is not StreamKind.METAL_CW or not any(settings.reference_deg):
            return
        pairs = geometry.values // 2
        phase = np.radians(np.array(settings.reference_deg))
        if phase.size not in (1, pairs):
            raise ProfileError(
                f"metal.phase.reference_deg has {phase.size} numbers, but the head has {pairs} frequencies. "
                "Give one number for all, or one a frequency."
            )
        every = np.tile(np.broadcast_to(phase, pairs), geometry.channels)
        self._turn = np.ascontiguousarray(np.stack((np.cos(every), np.sin(every))))

    def process(self, rows: F8) -> F8:
        """(n, width) to the same."""
        if self._turn is None:
            return rows
        out: F8 = rotate_pairs(rows, self._turn)
        return out
