"""Trust: which A-scans cannot be believed, and why. Nothing is held back because of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.kernels.radar_trust import at_the_ends, repeats, roughness, too_noisy
from detector.radar.geometry import RadarGeometry
from detector.samples import Mark
from detector.settings import Settings, quantity

U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]


class TrustSettings(Settings):
    clipped_samples: int = quantity(
        2,
        "samples",
        1,
        1000,
        "as many at the converter's ends below the surface echo mark an A-scan; the direct wave itself may clip",
    )
    frozen_records: int = quantity(
        3, "A-scans", 2, 1000, "as many A-scans alike to the last bit are not a live sensor's"
    )
    noise_factor: float = quantity(4.0, "1", 1.2, 100.0, "noise above its reference by this factor marks an A-scan")
    noise_reference: float = quantity(
        0.0, "counts", 0.0, 1e9, "noise of this head in order; 0 = as in the first A-scans of a segment"
    )
    noise_records: int = quantity(50, "A-scans", 5, 5000, "A-scans from which the reference is learned")


class Trust:
    """Marks per A-scan and antenna, from the samples as they came. Latency 0."""

    latency = 0

    def __init__(self, settings: TrustSettings, geometry: RadarGeometry, dtype: np.dtype[Any], width: int) -> None:
        self._s, self._g = settings, geometry
        info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
        self._ends: NDArray[Any] = np.array([info.min, info.max], dtype)
        self._previous: NDArray[Any] = np.zeros((geometry.channels, width), dtype)
        self._run: I8 = np.full(geometry.channels, -1, np.int64)
        self._reference = np.zeros(geometry.channels)
        self._seen: I8 = np.zeros(geometry.channels, np.int64)

    def process(self, raw: NDArray[Any], deep: I8, ascans: NDArray[Any]) -> U1:
        """Marks (n, channels), without those that time zero gives.

        raw : (n, channels, values) as they came; deep : (channels,) value of it from which clipping hides
        echoes; ascans : (n, channels, samples) before any filter, the same as raw for an impulse head.
        """
        s = self._s
        marks = np.zeros(raw.shape[:2], np.uint8)
        marks[at_the_ends(raw, deep, self._ends) >= s.clipped_samples] |= np.uint8(Mark.SATURATED)
        frozen = repeats(raw, self._previous, self._run) >= s.frozen_records - 1
        marks[frozen] |= np.uint8(Mark.FROZEN)
        # the deeper half of an A-scan holds the weaker echoes
        noise = roughness(ascans, self._g.samples // 2, max(1, self._g.samples // 256))
        floor = max(0.5 * self._g.lsb, 1e-30)
        loud = too_noisy(
            noise, frozen, s.noise_factor, s.noise_records, floor, s.noise_reference, self._reference, self._seen
        )
        marks[loud > 0] |= np.uint8(Mark.NOISY)
        return marks
