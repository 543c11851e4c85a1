"""What every radar stage must know of its stream: sampling, frequency, spacing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RadarGeometry:
    """One antenna's A-scans."""

    samples: int
    """Samples per A-scan."""
    dt_s: float
    """Fast-time sampling interval, s."""
    centre_frequency_hz: float
    step_m: float
    """Distance between A-scans, m."""
    lsb: float
    """Size of one count in the stream's unit; 0 for floating-point samples."""

    @property
    def period_samples(self) -> float:
        """Samples in one period of the centre frequency."""
        return 1.0 / (self.centre_frequency_hz * self.dt_s)

    def rows(self, distance_m: float) -> int:
        """That distance in A-scans, at least one."""
        return max(1, round(distance_m / self.step_m))
