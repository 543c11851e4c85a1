"""Whether a reading can be trusted: saturated or frozen as it came in; noise and soil are judged by the search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.errors import ProfileError
from detector.kernels.trust import all_finite, hold_finite, raw_marks
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]


class TrustSettings(Settings):
    frozen_records: int = quantity(
        10, "readings", 3, 10000, "repeats to the last bit that are too many where noise moves values by counts"
    )
    frozen_s: float = quantity(1.0, "s", 0.05, 60.0, "repeats to the last bit for so long are too many for any sensor")
    noisy: float = quantity(
        3.0, "1", 1.2, 100.0, "standard deviation of the noise over its reference from which readings are noisy"
    )
    soil: float = quantity(
        6.0, "1", 1.5, 100.0, "amplitude of what soil leaves after the balance, in units of the noise, that is too much"
    )
    noise_reference: tuple[float, ...] = ()
    """Standard deviation per value and coil, stream's unit, as taken on command; empty = noise is not judged."""


def reference_weights(settings: TrustSettings, geometry: MetalGeometry) -> F8:
    """(width,) inverse reference variances; zeros where there is no reference.

    Raises
    ------
    ProfileError
        when the reference belongs to another head.
    """
    if not settings.noise_reference:
        return np.zeros(geometry.width)
    sigma = np.array(settings.noise_reference, dtype=np.float64)
    if sigma.size != geometry.width or np.any(sigma <= 0.0):
        raise ProfileError(
            f"metal.trust.noise_reference must be {geometry.width} positive numbers, one a value of the head; it has "
            f"{sigma.size}. Take the reference again on this head, or leave it empty."
        )
    return 1.0 / sigma**2


class RawTrust:
    """Marks SATURATED and FROZEN, causally.

    A reading is saturated when any value stands at an end of the converter's range or is no number. A coil is
    frozen when all its values repeat to the last bit: after `frozen_records` if its first value used to move by two
    counts or more from one reading to the next, and after `frozen_s` in any case, floating point included. A value that
    alone stands still for `frozen_s` between live ones of its coil is a stuck converter's: the coil is frozen then.
    """

    def __init__(self, settings: TrustSettings, geometry: MetalGeometry) -> None:
        self._low, self._high = geometry.low, geometry.high
        self._lsb = geometry.lsb
        self._many = max(settings.frozen_records, round(settings.frozen_s * geometry.rate_hz))
        self._few = settings.frozen_records
        self._last: F8 = np.full(geometry.width, np.nan)
        self._good: F8 = np.zeros(geometry.width)
        self._repeats = np.zeros(geometry.channels, np.int64)
        self._alone: F8 = np.zeros(geometry.width)
        self._active: F8 = np.zeros(geometry.width)
        self._steps: F8 = np.zeros(geometry.channels)

    def process(self, rows: F8) -> U1:
        """(n, width) readings as received to (n,) marks."""
        marks: U1 = raw_marks(
            np.ascontiguousarray(rows), self._low, self._high, self._last, self._repeats, self._alone,
            self._active, self._steps, self._lsb, self._few, self._many,
        )  # fmt: skip
        return marks

    def held(self, rows: F8) -> F8:
        """(n, width) the same with the last sound reading in place of what is no number: one NaN would stay in the
        filters, and a whole lane would be deaf after it."""
        if all_finite(rows):
            self._good[:] = rows[-1]
            return rows
        out = rows.copy()
        hold_finite(out, self._good)
        return out
