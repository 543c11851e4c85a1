"""What every radar stage must know of its stream: channels, sampling, frequency, spacing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RadarGeometry:
    """The A-scans of one head.

    Inside the chain amplitudes are counts of the converter, or for floating-point samples their own
    unit times a power of two: nothing downstream depends on the scale of a stream.
    """

    channels: int
    """Antennas."""
    samples: int
    """Samples per A-scan."""
    dt_s: float
    """Fast-time sampling interval, s."""
    centre_frequency_hz: float
    step_m: float
    """Distance between A-scans, m."""
    lsb: float
    """Size of the converter's step in the chain's amplitudes; 0 for floating-point samples."""

    @property
    def period_samples(self) -> float:
        """Samples in one period of the centre frequency."""
        return 1.0 / (self.centre_frequency_hz * self.dt_s)

    @property
    def width(self) -> int:
        return self.channels * self.samples

    def rows(self, distance_m: float) -> int:
        """That distance in A-scans, at least one."""
        return max(1, round(distance_m / self.step_m))

    @property
    def stride(self) -> int:
        """Every which sample an energy or a correlation needs: eight a period hold a band of two octaves up."""
        return max(1, int(self.period_samples / 8.0))
