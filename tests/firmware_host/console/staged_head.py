"""A head whose surroundings a test sets while it runs: in the air, over soil, test piece, lane with a target."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detector.samples import NO_ODOMETER, DeviceDescription, SampleBlock, StreamDescription, StreamKind

METAL = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, 4, "int32", 200.0, scale=1e-3, unit="V", axis=(2e-5, 5e-5, 1e-4, 2e-4)
)
RADAR = StreamDescription(
    1, "radar", StreamKind.RADAR, 1, 96, "int16", 40.0, unit="count",
    sampling_interval_s=1e-10, centre_frequency_hz=1e9,
)  # fmt: skip
DEVICE = DeviceDescription("staged head", "S-1", "0.3", 1e6, (METAL, RADAR))

_PIECE_S = 0.05
_SPEED_M_PER_S = 0.4
_DECAY = np.exp(-np.array(METAL.axis) / 8e-5)
_SOIL = 1e-5 / np.array(METAL.axis)


class Stage:
    """Set `scene`: 'air', 'soil', 'piece', or 'lane', which moves on and has a target every 1.5 m."""

    def __init__(self, seed: int = 3) -> None:
        self.scene = "air"
        self.piece = 1.0
        """Strength of the response to the test piece, 1 = as it should be."""
        self._rng = np.random.default_rng(seed)
        self.x_m = 0.0

    def blocks(self) -> Iterator[SampleBlock]:
        """Without end; each piece is made when it is due."""
        k = 0
        while True:
            t0 = k * _PIECE_S
            for s in (METAL, RADAR):
                n = round(s.rate_hz * _PIECE_S)
                t = t0 + np.arange(n) / s.rate_hz
                x = self.x_m + (t - t0) * _SPEED_M_PER_S
                moving = self.scene == "lane"
                raw = self._metal(t, x) if s is METAL else self._radar(t, x)
                um = np.round(x * 1e6).astype(np.int64) if moving else np.full(n, NO_ODOMETER, np.int64)
                seq = np.arange(k * n, (k + 1) * n, dtype=np.int64)
                yield SampleBlock(s, seq, np.round(t * 1e6).astype(np.int64), np.zeros(n, np.int64), um, raw)
            if self.scene == "lane":
                self.x_m += _SPEED_M_PER_S * _PIECE_S
            k += 1

    def _bump(self, t: np.ndarray, x: np.ndarray) -> np.ndarray:
        """(n,) strength of what is under the head."""
        if self.scene == "piece":
            return self.piece * np.exp(-0.5 * (((t % 2.0) - 1.0) / 0.15) ** 2)
        if self.scene == "lane":
            return np.exp(-0.5 * (((x + 0.3) % 1.5 - 0.75) / 0.06) ** 2)
        return np.zeros(len(t))

    def _metal(self, t: np.ndarray, x: np.ndarray) -> np.ndarray:
        gates = 300.0 * self._bump(t, x)[:, None] * _DECAY + self._rng.normal(scale=5.0, size=(len(t), 4))
        if self.scene == "soil":
            gates += 400.0 * (0.5 + 0.5 * np.sin(2 * np.pi * t / 2.0))[:, None] * _SOIL
        return np.round(gates).astype("<i4")[:, None, :]

    def _radar(self, t: np.ndarray, x: np.ndarray) -> np.ndarray:
        k = np.arange(96)

        def pulse(at: np.ndarray) -> np.ndarray:
            u = (k - at[:, None]) / 3.0
            return (1 - 2 * u**2) * np.exp(-(u**2))

        ascans = 4000.0 * pulse(np.full(len(t), 15.0)) + self._rng.normal(scale=15.0, size=(len(t), 96))
        away = (x + 0.3) % 1.5 - 0.75 if self.scene == "lane" else np.zeros(len(t))
        seen = 500.0 * np.abs(self._bump(t, x))[:, None] if self.scene == "piece" else 500.0 * (self.scene == "lane")
        ascans += seen * pulse(15 + np.hypot(2.0e-9, 2 * away / 1e8) / 1e-10)
        return np.round(ascans).astype("<i2")[:, None, :]
