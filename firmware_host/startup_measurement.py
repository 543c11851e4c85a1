"""Samples of one start-up step, and the figures that are drawn from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.samples import SampleBlock, StreamDescription

F8 = NDArray[np.float64]

_MOST_BYTES: Final = 64 << 20
"""Samples kept for one measurement, at most: what comes later is not used."""


@dataclass(slots=True)
class Measurement:
    """Samples of every stream since a step began."""

    wanted_s: float
    blocks: dict[int, list[SampleBlock]] = field(default_factory=dict)
    size: int = 0
    gaps: int = 0

    def add(self, block: SampleBlock) -> None:
        self.size += block.raw.nbytes
        if self.size <= _MOST_BYTES:
            self.blocks.setdefault(block.stream.stream_id, []).append(block)

    def seconds(self, stream_id: int, tick_hz: float) -> float:
        """Time that the samples of a stream span by the head's own ticks."""
        blocks = self.blocks.get(stream_id, [])
        return (int(blocks[-1].tick[-1]) - int(blocks[0].tick[0])) / tick_hz if blocks else 0.0

    def physical(self, stream: StreamDescription) -> F8:
        """(n, channels * values) in the stream's unit."""
        raw = np.concatenate([b.raw for b in self.blocks[stream.stream_id]])
        return raw.reshape(len(raw), -1).astype(np.float64) * stream.scale + stream.offset


def noise_sigma(x: F8) -> F8:
    """1 sigma of white noise per column of (n, width), robust against drift and outliers.

    Median absolute step from record to record over 0.6745 * sqrt(2).
    """
    out: F8 = np.median(np.abs(np.diff(x, axis=0)), axis=0) / (0.674489750196 * np.sqrt(2.0))
    # steps of counts: the median of few levels is coarse, so their mean stands in where it says 0
    rough: F8 = np.sqrt(np.mean(np.diff(x, axis=0) ** 2, axis=0) / 2.0)
    return np.where(out > 0, out, rough)


def largest_response(x: F8) -> F8:
    """(width,) deviation from the median record, at the record that deviates most in sum."""
    deviation = x - np.median(x, axis=0)
    out: F8 = deviation[int(np.argmax(np.sum(np.abs(deviation), axis=1)))]
    return out


def soil_residual(x: F8, sigma: F8) -> tuple[float, float]:
    """What soil does to gates while the head is raised and lowered.

    x : (n, gates); sigma : (gates,) noise in the same unit

    Returns
    -------
    soil : rms along the strongest direction of the whitened gates, in sigma
    left : rms per gate once that direction is taken out, in sigma: 1 is noise alone
    """
    white = (x - np.median(x, axis=0)) / sigma
    strengths = np.linalg.svd(white, compute_uv=False)
    n, gates = white.shape
    left = float(np.sqrt(np.sum(strengths[1:] ** 2) / (n * max(1, gates - 1))))
    return float(strengths[0] / np.sqrt(n)), left
