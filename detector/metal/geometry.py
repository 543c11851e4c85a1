"""What every metal stage must know of its stream: rate, spacing, gates."""

from __future__ import annotations

from dataclasses import dataclass

from detector.samples import StreamDescription, StreamKind


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

    @staticmethod
    def of(stream: StreamDescription, nominal_speed_m_per_s: float) -> MetalGeometry:
        """As a head describes the stream; time-triggered readings lie as far apart as the nominal speed has it."""
        low, high = stream.limits
        return MetalGeometry(
            kind=stream.kind,
            channels=stream.channels,
            values=stream.values,
            axis=stream.axis,
            rate_hz=stream.rate_hz,
            step_m=stream.step_m or nominal_speed_m_per_s / stream.rate_hz,
            lsb=abs(stream.scale) if stream.dtype.kind in "iu" else 0.0,
            low=low,
            high=high,
        )

    @property
    def width(self) -> int:
        return self.channels * self.values

    def rows(self, distance_m: float) -> int:
        """That distance in readings, at least one."""
        return max(1, round(distance_m / self.step_m))
