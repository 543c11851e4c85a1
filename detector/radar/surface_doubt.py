"""Doubt about the surface: time zero takes the strongest early sample, whether or not it is one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.kernels.surface_doubt import doubt_surfaces

F4 = NDArray[np.float32]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]

CLEAR: Final = 12.0
"""Peak over median magnitude of an A-scan that shows its surface. Band-passed noise reaches it once in a thousand
A-scans or less; the first A-scans of simulated heads have 60 to 5000, those of real ones 27 to 6000, but for an empty
one, which has 3."""
BEYOND: Final = 5.0
"""What is this much stronger than the gate is the direct wave or a reflector, and the gate holds the filter's
ringing before it, which matches A-scan by A-scan. Real files stay below 4, where no surface was lost."""
MOST: Final = 0.5
"""Share of lost A-scans from which on those between match by chance: white noise matches in 2 to 60 %."""
PROOF: Final = 20
"""A-scans in a row that noise does not match: its longest run of 600 had 16."""


class SurfaceDoubt:
    """Which A-scans have no surface, though some match. Latency 0; teaches and holds back nothing.

    Parameters
    ----------
    gates : (channels, 2) first and last + 1 sample in which time zero holds the surface
    end : sample up to which it was sought: what is stronger past it, within the gate, is a direct wave that comes later
    memory : A-scans over which the lost are counted
    """

    def __init__(self, gates: I8, end: int, memory: int) -> None:
        self._gates, self._end, self._memory = gates, end, memory
        self._state = np.zeros((len(gates), 4))

    def process(self, aligned: F4, lost: U1) -> U1:
        """(n, channels, samples) aligned and (n, channels) lost; (n, channels) 1 where there may be no surface."""
        return doubt_surfaces(
            aligned, lost, self._gates, self._end, CLEAR, BEYOND, MOST, PROOF, self._memory, self._state
        )
