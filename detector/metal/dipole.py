"""Where a target lies below the track and how strong it is: a dipole fitted to an alarm's response along the sweep.

Gauss-Newton on the response of a round coil (or a sender and receiver) to a small body whose polarizability is any
symmetric tensor: place along, place across, distance below the coil, the tensor, and an offset and a slope that soil
and drift leave. What is known of the head enters with its uncertainty, so that the covariance is the Bayesian form of
the Cramer-Rao bound (Van Trees 1968): with a coil of unknown size a deep small target and a shallow one under a larger
coil look alike, and the stated uncertainty says so.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.kernels.dipole import (
    ACROSS,
    ALONG,
    BASE,
    LOG_BELOW,
    LOG_RADIUS,
    STRENGTH,
    XX,
    XY,
    XZ,
    YY,
    YZ,
    ZZ,
    dipole_rows,
    fit_dipole_rows,
    loop_vector,
    solve_positive,
)
from detector.metal.coils import CoilSettings
from detector.metal_description import MetalDescription

F8 = NDArray[np.float64]

REACH_M: Final = 0.32
"""Half of the track that is fitted: wider than the response of anything that a hand-held head hears, narrower than
the usual distance of two targets."""

FAR_M: Final = 0.2
"""From here on the ground counts less and less."""

SWAY: Final = 0.03
"""1 sigma of a reading over itself: a head carried by hand sways by millimetres while it passes."""

POINTS: Final = 65
"""Means along that track."""

LEAST_POINTS: Final = 12

REFERENCE_M: Final = 0.10
"""Distance below the coil for which a target's strength is stated."""

STARTS_M: Final = (0.05, 0.10, 0.18, 0.30)

_KNOWN_BELOW: Final = (math.log(0.13), 0.6)
"""ln of a target's distance below the coil, and its 1 sigma, before anything is heard: 2 to 70 cm at two sigma."""

_KNOWN_TILT: Final = (1.0, 0.8)
"""Answer along an axis over the strength, and its 1 sigma: balls 1; nails, discs and rings of any attitude less or
more."""

_KNOWN_TURN: Final = 0.7
"""1 sigma of the off-diagonal answers over the strength, likewise."""

_OPTIMISM: Final = 2.0
"""The bound knows no neighbours, no swaying hand and no bent ground: on simulated scenes errors of lone targets are
that much larger than it."""

_ROUNDS: Final = 4
"""Times that the noise is taken anew from what the fit leaves."""


@dataclass(frozen=True, slots=True)
class Dipole:
    """A fitted target; sigmas are of the noise, the soil's residue and what is not known of the head, together."""

    along_m: float
    """From the alarm's place, along the odometer."""
    along_sigma_m: float
    across_m: float
    """From the alarmed coil; NaN for a head with one coil, which cannot tell the side."""
    across_sigma_m: float
    depth_m: float
    """Of the metal's middle below the ground."""
    depth_sigma_m: float
    strength: float
    """What the alarmed coil would read straight above a ball of its mean polarizability at REFERENCE_M, over the noise
    of one reading."""
    strength_sigma_db: float
    misfit: float
    """Rms of what the fit leaves over that of the noise alone; 1 for a dipole in plain ground."""

    @property
    def strength_db(self) -> float:
        return 20.0 * math.log10(max(abs(self.strength), 1e-3))

    def told(self, of: MetalDescription) -> MetalDescription:
        """The description with what the fit tells."""
        return replace(
            of, depth_m=self.depth_m, depth_sigma_m=self.depth_sigma_m, along_m=self.along_m,
            along_sigma_m=self.along_sigma_m, across_m=self.across_m, across_sigma_m=self.across_sigma_m,
            strength_db=self.strength_db, strength_sigma_db=self.strength_sigma_db, misfit=self.misfit,
        )  # fmt: skip

    @property
    def features(self) -> dict[str, float]:
        """What a decision may rest on, by name."""
        return {
            "metal_fit_depth_m": self.depth_m,
            "metal_fit_sigma_m": self.depth_sigma_m,
            "metal_fit_strength_db": self.strength_db,
            "metal_fit_misfit_db": 20.0 * math.log10(max(self.misfit, 1e-3)),
        }


def profile_means(x_m: F8, rows: F8, at_m: float) -> tuple[F8, F8, float]:
    """(n,) places from `at_m` and (C, n) means of the readings (readings, C) within REACH_M of it, and readings a mean.

    Only the unbroken stretch round the strongest reading is taken: the odometer may come back later.
    """
    near = np.abs(x_m - at_m) <= REACH_M
    middle = int(np.argmin(np.abs(x_m - at_m)))
    first = last = middle
    while first > 0 and near[first - 1]:
        first -= 1
    while last + 1 < len(near) and near[last + 1]:
        last += 1
    n = last + 1 - first
    edges = first + np.unique(np.round(np.linspace(0, n, min(POINTS, n) + 1)).astype(np.int64))
    count = np.diff(edges)
    x = np.add.reduceat(x_m[first : last + 1], edges[:-1] - first) / count
    means = np.add.reduceat(rows[first : last + 1], edges[:-1] - first, axis=0) / count[:, None]
    return x - at_m, np.ascontiguousarray(means.T), float(count.mean())


def fit_dipole(x_m: F8, rows: F8, at_m: float, sigma: float, coil: int, settings: CoilSettings) -> Dipole | None:
    """Fit a dipole to readings round an alarm; None where the track tells too little.

    Parameters
    ----------
    x_m : (readings,) place of each, m; none of them NaN
    rows : (readings, C) each coil's readings along the alarm's own answer, any unit
    at_m : place of the alarm
    sigma : 1 sigma of one of the alarmed coil's rows, same unit, white
    coil : which of the C columns alarmed
    """
    x, means, each = profile_means(x_m, rows, at_m)
    if x.size < LEAST_POINTS or float(np.ptp(x)) < 0.1 or not np.all(np.isfinite(means)):
        return None
    places = np.array(settings.across_m if len(settings.across_m) == rows.shape[1] else [0.0])
    several = len(places) > 1
    if not several:
        means = np.ascontiguousarray(means[coil : coil + 1])
    own = coil if several else 0
    coils = places - places[own]
    nearest = np.argsort(np.abs(coils), kind="stable")
    near = np.sort(nearest[:3])
    coils, means = np.ascontiguousarray(coils[near]), np.ascontiguousarray(means[near])
    row = int(np.flatnonzero(near == own)[0])
    p = BASE + 2 * len(coils)
    unit = max(float(np.abs(means[row]).max()), 1e-300)
    means = means / unit
    white = max(sigma / unit / math.sqrt(each), 1e-9)
    prior, spread = np.zeros(p), np.full(p, np.inf)
    aside = settings.aside_m
    if several:
        spacing: F8 = np.abs(np.diff(np.sort(places)))
        aside = max(aside, 0.5 * float(spacing.min()))
    for index, known, known_sigma in (
        (ALONG, 0.0, 0.1), (ACROSS, 0.0, aside), (LOG_BELOW, *_KNOWN_BELOW),
        (LOG_RADIUS, math.log(settings.radius_m), settings.radius_share), (XX, *_KNOWN_TILT), (YY, *_KNOWN_TILT),
        (ZZ, *_KNOWN_TILT), (XZ, 0.0, _KNOWN_TURN), (YZ, 0.0, _KNOWN_TURN), (XY, 0.0, _KNOWN_TURN),
    ):  # fmt: skip
        prior[index], spread[index] = known, known_sigma
    # far from the target its neighbours and the ground's own bends speak
    far = np.sqrt(1.0 + (x / FAR_M) ** 4)
    noise: F8 = np.broadcast_to(white * far, means.shape).copy()
    theta: F8 = np.zeros(p)
    normal: F8 = np.eye(p)
    made = np.empty(means.shape)
    for turn in range(_ROUNDS):
        if turn == 0:
            best = math.inf
            for below, side in itertools.product(STARTS_M, (-0.6, 0.0, 0.6) if several else (0.0,)):
                start = _start(prior, below, side * aside, means, row)
                found, _, cost = fit_dipole_rows(start, prior, spread, x, means, noise, coils, settings.pair_m, 4)
                if cost < best:
                    theta, best = found, cost
        theta, normal, _ = fit_dipole_rows(theta, prior, spread, x, means, noise, coils, settings.pair_m, 20)
        dipole_rows(theta, x, coils, settings.pair_m, made)
        if turn + 1 < _ROUNDS:
            lines = theta[BASE::2, None] + theta[BASE + 1 :: 2, None] * x
            shape = np.sqrt((white * far) ** 2 + (SWAY * (made - lines)) ** 2)
            noise = shape * max(1.0, _left((means - made) / shape, p))
    covariance = np.zeros((p, p))
    if not np.all(np.isfinite(theta)) or not solve_positive(normal, np.eye(p), covariance):
        return None
    error = _OPTIMISM * np.sqrt(np.diag(covariance))
    below = math.exp(theta[LOG_BELOW])
    reach = _reach(theta)
    slope = np.zeros(p)
    slope[STRENGTH] = 20.0 / math.log(10.0) / theta[STRENGTH] if theta[STRENGTH] else math.inf
    for index in (LOG_BELOW, LOG_RADIUS):
        other = theta.copy()
        other[index] += 1e-4
        slope[index] = 20.0 * math.log10(_reach(other) / reach) / 1e-4
    rms = float(np.sqrt(np.mean((means - made) ** 2)))
    return Dipole(
        along_m=float(theta[ALONG]),
        along_sigma_m=float(error[ALONG]),
        across_m=float(theta[ACROSS]) if several else math.nan,
        across_sigma_m=float(error[ACROSS]) if several else math.nan,
        depth_m=below - settings.height_m,
        depth_sigma_m=math.hypot(below * float(error[LOG_BELOW]), settings.height_sigma_m),
        strength=float(theta[STRENGTH]) * reach * unit / max(sigma, 1e-300),
        strength_sigma_db=_OPTIMISM * math.sqrt(max(float(slope @ covariance @ slope), 0.0)),
        misfit=rms / white,
    )


def _reach(theta: F8) -> float:
    """A dipole's answer at REFERENCE_M over that at its own distance, both straight below the coil."""
    radius = math.exp(theta[LOG_RADIUS])
    there = loop_vector(radius, 0.0, 0.0, math.exp(theta[LOG_BELOW]))[2]
    return float((loop_vector(radius, 0.0, 0.0, REFERENCE_M)[2] / there) ** 2)


def _start(prior: F8, below_m: float, across_m: float, means: F8, row: int) -> F8:
    start = np.where(np.isfinite(prior), prior, 0.0)
    start[LOG_BELOW], start[ACROSS] = math.log(below_m), across_m
    middle = means[row, means.shape[1] // 2]
    base = np.median(means, axis=1)
    start[BASE::2] = np.minimum(base, np.amin(means, axis=1) + 0.2)
    start[STRENGTH] = middle - start[BASE + 2 * row]
    return start


def _left(residue: F8, unknowns: int) -> float:
    """1 sigma that independent means would have to leave as much: correlated ones tell less than their number says."""
    free = max(residue.size - unknowns, 1)
    spread = float(np.sum(residue**2)) / free
    alike = float(np.sum(residue[:, 1:] * residue[:, :-1])) / max(float(np.sum(residue**2)), 1e-300)
    alike = min(max(alike, 0.0), 0.95)
    return math.sqrt(spread * (1.0 + alike) / (1.0 - alike))
