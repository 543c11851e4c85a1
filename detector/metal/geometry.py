"""What every metal stage must know of its stream: rate, spacing, gates."""

from __future__ import annotations

from dataclasses import dataclass

from detector.samples import StreamKind


@dataclass(frozen=True, slots=True)
class MetalGeometry:
    kind: StreamKind
    channels: int
    """Coils."""
    values: int
    """Gates or I/Q values per coil."""
    axis: tuple[float, ...]
    """Gate times, s, or frequencies, Hz; empty if the head does not say."""
    rate_hz: float
    step_m: float
    """Distance between readings, m, as stated by the head or at the profile's nominal speed."""
    lsb: float
    """Size of one count in the stream's unit; 0 for floating-point samples."""
    low: float = float("-inf")
    """Value at the lower end of the converter's range, stream's unit; -inf if it has none."""
    high: float = float("inf")
    """Value at the upper end of the converter's range, stream's unit; inf if it has none."""

    @property
    def width(self) -> int:
        return self.channels * self.values

    def rows(self, distance_m: float) -> int:
        """That distance in readings, at least one."""
        return max(1, round(distance_m / self.step_m))
