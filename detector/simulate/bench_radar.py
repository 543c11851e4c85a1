"""A radar on a bench whose answers are known: Ricker echoes of a plate, a direct wave, white noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.samples import NO_ODOMETER, DeviceDescription, SampleBlock, StreamDescription, StreamKind

F8 = NDArray[np.float64]
C_M_PER_S = 299_792_458.0
TICK_HZ = 1e6
EPOCH_NS = 1_700_000_000_000_000_000


def ricker(t_s: F8, centre_hz: float) -> F8:
    """Ricker's wavelet, 1 at its middle; centre_hz : the peak of its spectrum."""
    a = (np.pi * centre_hz * t_s) ** 2
    return np.asarray((1 - 2 * a) * np.exp(-a))


@dataclass(frozen=True, slots=True)
class BenchRadar:
    """An impulse radar with every fault stated."""

    centre_hz: float = 1.5e9
    interval_s: float = 20e-12
    samples: int = 512
    rate_hz: float = 50.0
    time_zero_s: float = 1.2e-9
    """When an echo from no distance would come."""
    direct: float = 0.5
    """Height of the direct wave, which comes at time zero."""
    echo_at_1_m: float = 0.1
    """Height of the plate's echo at 1 m; it falls as 1/distance."""
    noise: float = 1e-4
    full_scale: float = 1.0
    placing_m: float = 0.0
    """Standard deviation with which a hand places the plate."""
    tone: float = 0.0
    """Peak of a carrier that is picked up."""
    tone_hz: float = 98e6

    def stream(self) -> StreamDescription:
        """As the head describes it."""
        return StreamDescription(
            stream_id=1, name="radar", kind=StreamKind.RADAR, channels=1, values=self.samples, sample_type="int32",
            rate_hz=self.rate_hz, scale=self.full_scale / 2**23, unit="V", sampling_interval_s=self.interval_s,
            centre_frequency_hz=self.centre_hz,
        )  # fmt: skip

    def device(self, serial: str = "BENCH-R1", firmware: str = "simulated 1") -> DeviceDescription:
        return DeviceDescription("virtual bench radar", serial, firmware, TICK_HZ, (self.stream(),))


class RadarBench:
    """A radar that goes on sampling while the plate before it is moved. All noise is from the seed.

    The hand that places the plate has numbers of its own: where it puts it the n-th time does not hang on how many
    A-scans came before.
    """

    def __init__(self, head: BenchRadar, seed: int) -> None:
        self.head = head
        self._rng = np.random.default_rng(seed)
        self._hand = np.random.default_rng((seed, 1))
        self.n = 0
        self._distance_m: float | None = None

    def show(self, distance_m: float | None) -> None:
        """Put the plate at a distance, as well as a hand can; None = take it away."""
        if distance_m is None:
            self._distance_m = None
        else:
            self._distance_m = distance_m + self.head.placing_m * float(self._hand.normal())

    def clean(self) -> F8:
        """(samples,) without noise."""
        h = self.head
        t = np.asarray(np.arange(h.samples) * h.interval_s - h.time_zero_s, np.float64)
        out = h.direct * ricker(t, h.centre_hz)
        if self._distance_m is not None:
            d = self._distance_m
            later = np.asarray(t - 2 * d / C_M_PER_S, np.float64)
            out = np.asarray(out - h.echo_at_1_m / d * ricker(later, h.centre_hz))
        return out

    def take(self, n: int) -> SampleBlock:
        """The next n A-scans."""
        h, s = self.head, self.head.stream()
        volts = self.clean() + h.noise * self._rng.normal(size=(n, h.samples))
        if h.tone:
            t = np.arange(h.samples) * h.interval_s
            volts += h.tone * np.sin(2 * np.pi * h.tone_hz * t + self._rng.uniform(0, 2 * np.pi, (n, 1)))
        raw = np.clip(np.round(volts / s.scale), -(2**23), 2**23 - 1).astype(np.int32)[:, None, :]
        seq = self.n + np.arange(n, dtype=np.int64)
        tick = np.round(seq * (TICK_HZ / h.rate_hz)).astype(np.int64)
        utc = EPOCH_NS + np.round(tick * (1e9 / TICK_HZ)).astype(np.int64)
        self.n += n
        return SampleBlock(s, seq, tick, utc, np.full(n, NO_ODOMETER, np.int64), raw)
