"""What a head learns on the operator's command: the soil's direction, an offset, the noise. Pure functions.

Each takes a stretch of records and gives what was learned together with how well, so that it can be shown,
recorded, and put into the profile's settings, whose hash then tells it apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from detector.errors import SampleError
from detector.metal.chain import MetalSettings
from detector.metal.geometry import MetalGeometry
from detector.metal.impulse import ImpulseRejection
from detector.metal.mains import MainsTracker
from detector.metal.phase import PhaseRotation
from detector.samples import StreamKind

F8 = NDArray[np.float64]

_LEAST_RECORDS = 50
"""Fewer do not tell the noise of a coil's values from the soil."""

_LEAST_SNR = 10.0
"""Soil's standard deviation over the noise's, below which the direction would be noise."""


@dataclass(frozen=True, slots=True)
class LearnedGround:
    """The soil's answer, as learned by pumping the head over clean ground."""

    direction: F8
    """(channels, values) unit length each; the sign makes the first value of the largest answer positive."""
    snr: F8
    """(channels,) standard deviation along the direction over that of the noise, both in whitened values."""
    share: F8
    """(channels,) share of the change that lies along the direction, 0 to 1; the rest cannot be balanced."""
    residual: F8
    """(channels,) standard deviation of the largest change that is left, in units of the noise; 1 = none."""
    exponent: F8
    """(channels,) p of the fitted 1/t^p; NaN for heads without gates."""
    swing: F8
    """(channels,) largest less smallest answer along the direction, stream's unit."""
    n_records: int

    @property
    def setting(self) -> tuple[float, ...]:
        """Value of metal.ground_balance.direction."""
        return tuple(float(v) for v in self.direction.ravel())


@dataclass(frozen=True, slots=True)
class LearnedOffset:
    """The head's answer with nothing under it."""

    offset: F8
    """(width,) mean, stream's unit."""
    wander: F8
    """(width,) change over the stretch in units of the mean's own standard error; beyond about 4 it drifted."""
    n_records: int

    @property
    def setting(self) -> tuple[float, ...]:
        """Value of metal.drift.offset."""
        return tuple(float(v) for v in self.offset)


@dataclass(frozen=True, slots=True)
class LearnedNoise:
    """The head's noise with nothing moving."""

    sigma: F8
    """(width,) standard deviation from record to record, stream's unit."""
    n_records: int

    @property
    def setting(self) -> tuple[float, ...]:
        """Value of metal.trust.noise_reference."""
        return tuple(float(v) for v in self.sigma)


def conditioned(readings: F8, settings: MetalSettings, geometry: MetalGeometry) -> F8:
    """A stretch of readings after the stages before the balance; the first quarter, at most 1 s, is left out.

    readings : (n, channels * values) stream's unit, as they were received. Mains and spread are learned in what is
    left out.
    """
    impulse = ImpulseRejection(settings.impulse, geometry)
    rows = np.concatenate((impulse.process(np.asarray(readings, dtype=np.float64)), impulse.finish()))
    rows = MainsTracker(settings.mains, geometry).process(PhaseRotation(settings.phase, geometry).process(rows))
    return rows[min(len(rows) // 4, round(geometry.rate_hz)) :]


def learn_ground(records: F8, geometry: MetalGeometry) -> LearnedGround:
    """Direction along which the values change while the head is pumped over clean ground.

    Leading generalised eigenvector of the records' covariance about their mean against the noise's, from
    second differences: of all directions the one whose change stands out most from the noise.

    Parameters
    ----------
    records : (n, channels * values) after impulse, phase and mains stages, stream's unit; the head raised and
        lowered a few times by some centimetres, with no metal near

    Raises
    ------
    SampleError
        when there are too few records, or the soil did not answer enough to tell its direction.
    """
    rows = _checked(records, geometry)
    g = geometry.values
    found = []
    for c in range(geometry.channels):
        x = rows[:, c * g : (c + 1) * g]
        noise = _noise_covariance(x, geometry.lsb)
        moved = x - x.mean(axis=0)
        change = moved.T @ moved / len(x)
        values, vectors = linalg.eigh(change, noise)
        snr = float(np.sqrt(max(values[-1], 0.0)))
        if snr < _LEAST_SNR:
            raise SampleError(
                f"The readings of coil {c} changed by only {snr:.1f} times their noise, {_LEAST_SNR:g} are needed. "
                "Raise and lower the head a few times by some centimetres over clean ground; if the soil does not "
                "answer even then, it needs no balance."
            )
        # generalised eigenvectors are whitening weights; the response itself is the covariance times them
        direction = noise @ vectors[:, -1]
        direction /= np.linalg.norm(direction)
        if direction[int(np.argmax(np.abs(direction)))] < 0.0:
            direction = -direction
        along = moved @ vectors[:, -1] * float(vectors[:, -1] @ noise @ direction)
        rest = float(values[-2]) if g > 1 else 1.0
        found.append(
            (direction, snr, float(values[-1] / values.sum()), float(np.sqrt(max(rest, 0.0))),
             _exponent(direction, geometry), float(np.ptp(along)))
        )  # fmt: skip
    direction, snr_, share, residual, exponent, swing = (np.array(column) for column in zip(*found, strict=True))
    return LearnedGround(direction, snr_, share, residual, exponent, swing, len(rows))


def learn_offset(records: F8, geometry: MetalGeometry) -> LearnedOffset:
    """Mean of records (n, channels * values) with nothing under the head, for static mode.

    Raises SampleError when there are too few records.
    """
    rows = _checked(records, geometry)
    half = len(rows) // 2
    g = geometry.values
    sigma = np.concatenate(
        [
            np.sqrt(np.diag(_noise_covariance(rows[:, c * g : (c + 1) * g], geometry.lsb)))
            for c in range(geometry.channels)
        ]
    )
    wander = np.abs(rows[half:].mean(axis=0) - rows[:half].mean(axis=0)) / (sigma * np.sqrt(2.0 / half))
    return LearnedOffset(rows.mean(axis=0), wander, len(rows))


def learn_noise(records: F8, geometry: MetalGeometry) -> LearnedNoise:
    """Standard deviation of records (n, channels * values) from second differences; targets and soil cancel.

    Raises SampleError when there are too few records.
    """
    rows = _checked(records, geometry)
    e = (rows[2:] - 2.0 * rows[1:-1] + rows[:-2]) / np.sqrt(6.0)
    floor = max(geometry.lsb / np.sqrt(12.0), float(np.finfo(np.float64).tiny))
    return LearnedNoise(np.maximum(np.sqrt(np.mean(e**2, axis=0)), floor), len(rows))


def _checked(records: F8, geometry: MetalGeometry) -> F8:
    rows = np.asarray(records, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != geometry.width:
        raise SampleError(f"records have shape {rows.shape}; they must be (n, {geometry.width}) for this head.")
    least = max(_LEAST_RECORDS, 4 * geometry.values)
    if len(rows) < least:
        raise SampleError(f"{len(rows)} records are too few to learn from: {least} are needed. Take them for longer.")
    if not np.all(np.isfinite(rows)):
        raise SampleError("The records hold values that are not numbers; nothing can be learned from them.")
    return rows


def _noise_covariance(x: F8, lsb: float) -> F8:
    e = (x[2:] - 2.0 * x[1:-1] + x[:-2]) / np.sqrt(6.0)
    covariance = e.T @ e / len(e)
    floor = lsb**2 / 12.0 + (1e-12 * float(np.max(np.abs(x)))) ** 2 + float(np.finfo(np.float64).tiny) ** 0.5
    shrunk: F8 = 0.9 * covariance + 0.1 * np.diag(np.diag(covariance)) + floor * np.eye(x.shape[1])
    return shrunk


def _exponent(direction: F8, geometry: MetalGeometry) -> float:
    if geometry.kind is not StreamKind.METAL_PI or np.any(direction <= 0.0) or len(direction) < 2:
        return float("nan")
    return -float(np.polyfit(np.log(geometry.axis), np.log(direction), 1)[0])
