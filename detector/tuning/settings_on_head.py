"""Settings of a head, tried with and without a test piece before it: which makes the piece stand out most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.errors import BenchError

F8 = NDArray[np.float64]

PIECES: Final = 8
"""A step is cut into so many pieces, whose scatter tells how sure a figure is."""

LEAST_RECORDS: Final = 8 * PIECES


@dataclass(frozen=True, slots=True)
class Knob:
    """A parameter of the head and the range to try, both ends allowed."""

    name: str
    low: float
    high: float
    now: float
    unit: str
    whole: bool


def design(knobs: Sequence[Knob], trials: int, seed: int) -> list[dict[str, float]]:
    """The present values, then points that fill the ranges evenly (scrambled Sobol sequence, Owen 1998).

    A range over a factor of three or more is filled evenly in ratios. Points that come out alike are tried once.
    """
    sobol = scipy.stats.qmc.Sobol(len(knobs), seed=seed)
    points = sobol.random_base2(max(1, math.ceil(math.log2(max(2, trials)))))[: trials - 1]
    out = [{k.name: k.now for k in knobs}]
    for point in points:
        values = {}
        for k, share in zip(knobs, point, strict=True):
            ratio = k.low > 0 and k.high / k.low >= 3.0
            v = k.low * (k.high / k.low) ** share if ratio else k.low + (k.high - k.low) * share
            values[k.name] = float(round(v)) if k.whole else float(f"{v:.6g}")
        if values not in out:
            out.append(values)
    return out


@dataclass(frozen=True, slots=True)
class Stands:
    """How far the test piece stands out of the noise under one setting."""

    values: Mapping[str, float]
    snr_db: float
    """Of one record: change over noise, root of the sum of squares over the values; -inf if nothing is there."""
    sigma_db: float
    """Of `snr_db`, from the scatter of the pieces."""


def stands(values: Mapping[str, float], without: F8, with_piece: F8) -> Stands:
    """Compare records (n, width) of a still head without and with the piece, in the stream's unit.

    Noise is what a value's neighbours in time differ by, without the piece. What noise alone adds to the sum of squares
    is taken off. The interval is that of a mean over pieces (Student).

    Raises
    ------
    BenchError
        if there are too few records, or they do not change at all.
    """
    if min(len(without), len(with_piece)) < LEAST_RECORDS:
        raise BenchError(
            f"{min(len(without), len(with_piece))} records are too few to tell noise; take {LEAST_RECORDS} or more."
        )
    noise = np.sqrt(np.mean(np.diff(without, axis=0) ** 2, axis=0) / 2.0)
    alive = noise > 0
    if not np.any(alive):
        raise BenchError("The samples do not change at all: the head is frozen, or its noise is below its steps.")
    power = []
    n = min(len(without), len(with_piece)) // PIECES
    for i in range(PIECES):
        part = slice(i * n, (i + 1) * n)
        change = (with_piece[part].mean(axis=0) - without[part].mean(axis=0))[alive] / noise[alive]
        power.append(float(np.sum(change**2)) - 2.0 * int(alive.sum()) / n)
    mean, scatter = float(np.mean(power)), float(np.std(power, ddof=1)) / math.sqrt(PIECES)
    if mean <= 0:
        return Stands(values, -math.inf, math.inf)
    db = 10.0 / math.log(10.0)
    return Stands(values, db * math.log(mean), db * scatter / mean)


@dataclass(frozen=True, slots=True)
class Gain:
    """The best setting against the present one, measured anew after the search."""

    gain_db: float
    low_db: float
    high_db: float
    """95 %, Student over the repeats."""

    @property
    def real(self) -> bool:
        """Whether the whole interval says that it is better."""
        return self.low_db > 0.0


def gain(before: Sequence[Stands], after: Sequence[Stands]) -> Gain:
    """Repeats of the present and of the best setting, in pairs that were taken one after the other.

    Raises
    ------
    BenchError
        if there are fewer than two pairs, or the piece was not seen.
    """
    differences = np.array([b.snr_db - a.snr_db for a, b in zip(before, after, strict=True)])
    if len(differences) < 2:
        raise BenchError("A gain needs two pairs or more.")
    if not np.all(np.isfinite(differences)):
        raise BenchError("The test piece was not seen in every repeat, so no gain is told. Hold it nearer.")
    mean = float(differences.mean())
    # a repeat is no surer than its own noise lets it be, however well few of them agree
    own = math.sqrt(float(np.mean([a.sigma_db**2 + b.sigma_db**2 for a, b in zip(before, after, strict=True)])))
    sigma = max(float(differences.std(ddof=1)), own) / math.sqrt(len(differences))
    half = float(scipy.stats.t.ppf(0.975, len(differences) - 1)) * sigma
    return Gain(mean, mean - half, mean + half)
