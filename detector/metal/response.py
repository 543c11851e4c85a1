"""Response: energy after filters as wide as a target is under the head, in units of noise and ground."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.ground import ground_energy, less_median, reduce_rows, start_soil
from detector.kernels.sweep import add_means, spread_rows
from detector.metal.geometry import MetalGeometry
from detector.samples import StreamKind
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]

_MEANS_PER_SIGMA = 4.0
"""Means of readings within the standard deviation of the narrowest filter: the mean then costs 1 % of its peak."""

_REACH = 3.0
"""Standard deviations that a filter reaches to either side: 0.3 % of it is cut off."""


class ResponseSettings(Settings):
    narrow_m: float = quantity(0.10, "m", 0.01, 1.0, "narrowest response, full width at half height: shallow, small")
    wide_m: float = quantity(0.30, "m", 0.02, 3.0, "widest response: about depth plus coil diameter")
    count: int = quantity(3, "1", 1, 8, "widths tried, in geometric steps")
    baseline_m: float = quantity(
        1.0, "m", 0.2, 10.0, "half window of the median along the sweep; costs latency; wider than any target"
    )
    ranks: int = quantity(5, "1", 1, 32, "coordinates kept of a coil's values: what decays of metal span, noise not")
    soil_m: float = quantity(2.0, "m", 0.1, 20.0, "e-folding length of the ground behind that tells how soil answers")
    guard_m: float = quantity(0.15, "m", 0.0, 5.0, "ground just behind that has not taught yet: a target's own extent")
    clip: float = quantity(2.0, "1", 0.2, 20.0, "usual energies by which one place may pull the ground at most")


class Response:
    """A bank of matched filters along the sweep; the cells that the alarm stage tests.

    Values are reduced to the few coordinates that responses of metal span (matched subspace, Scharf and
    Friedlander 1994), less their running median along the sweep: it takes out offset and drift and, unlike a
    filter of zero sum, has no side lobes that a strong target throws on its neighbours. Gaussians as wide as the
    response follow, and the energy is that over the covariance of noise plus ground (adaptive matched filter, Robey
    et al. 1992), which follows the ground behind the head. In static mode no median is taken, and only the soil's
    known directions are learned: a target may stay under the head.

    A loop over a dipole at depth d answers over about d to 1.5 d plus its radius; a width in metres at another sweep
    speed is another width in time, so the bank covers speeds from a half to twice the nominal one too. Filters run
    on means of a few readings; energies in between are drawn by straight lines. Latency: `baseline_m`, the widest
    filter's half length, one and a half means. See docs/algorithms-metal.md, "Matched filters".

    Parameters
    ----------
    soil : (coils, k, values) directions along which soil is known to answer
    moves : False in static mode
    """

    def __init__(self, settings: ResponseSettings, geometry: MetalGeometry, soil: F8, moves: bool) -> None:
        narrow, wide = sorted((settings.narrow_m, settings.wide_m))
        self.widths_m: F8 = np.geomspace(narrow, wide, settings.count)
        sigma_rows = np.maximum(self.widths_m / 2.3548 / geometry.step_m, 0.3)
        self.filters, self.halves = _contrast(sigma_rows, moves)
        """To describe an alarm: (count, longest half + 1) taps from the centre outward at full rate, half lengths."""
        self._every = max(1, int(sigma_rows[0] / _MEANS_PER_SIGMA))
        step = geometry.step_m * self._every
        self._taps, self._reach = _lobes(sigma_rows / self._every)
        whole = 2.0 * self._taps.sum(axis=1) - self._taps[:, 0]
        self._gains: F8 = self._every * whole**2 / (2.0 * (self._taps**2).sum(axis=1) - self._taps[:, 0] ** 2)
        longest = int(self._reach.max())
        half = max(1, round(settings.baseline_m / step)) if moves else 0
        self._half = half
        self.latency = math.ceil((half + longest + 1.5) * self._every) if self._every > 1 else half + longest
        self._channels = geometry.channels
        self.cells = settings.count
        self._basis = target_basis(geometry, settings.ranks)
        r = self._basis.shape[1]
        self._taught: F8 = np.eye(r) if moves else _onto(np.einsum("kg,gr->kr", soil[0], self._basis))
        self._median = DelayLine(half + 1, half, geometry.channels * r)
        self._ordered: F8 = np.zeros((geometry.channels * r, 2 * half + 3))
        self._window = np.zeros(3, np.int64)
        self._line = DelayLine(longest, longest, geometry.channels * r)
        self._longest = longest
        self._soil: F8 = np.zeros((geometry.channels, settings.count, r, r))
        guard = max(1, round(settings.guard_m / step))
        self._late: F8 = np.zeros((guard, geometry.channels, settings.count, r + 1))
        self._at = np.zeros(1, np.int64)
        self._first: list[F8] = []
        self._pace = min(1.0, step / settings.soil_m)
        self._clip = settings.clip
        self._part: F8 = np.zeros(geometry.width)
        self._held = 0
        # energies of means not yet drawn out: the last one that was, and those after it
        self._known: F8 = np.empty((0, self._channels * self.cells))
        self._first_known = 0
        self._rows_in = 0
        self._rows_out = 0

    def process(self, rows: F8, factor: F8) -> F8:
        """(n, width) offset or not, and the noise's lower Cholesky factor as of now, to cells (n', channels, cells)."""
        means = np.empty((len(rows) // self._every + 1, rows.shape[1]))
        self._held, count = add_means(rows, self._every, self._part, self._held, means, 0)
        self._rows_in += len(rows)
        reduced = self._begin(reduce_rows(means[:count], self._basis, self._channels))
        self._know(*self._line.push(self._deviations(*self._median.push(reduced))), factor)
        return self._draw_known()

    def finish(self, factor: F8) -> F8:
        """What is still owed at the end of the segment."""
        rest = self._part[None] / max(self._held, 1)
        reduced = self._begin(reduce_rows(rest[: 1 if self._held else 0], self._basis, self._channels))
        out = []
        for rows in (self._median.push(reduced), self._median.finish()):
            self._know(*self._line.push(self._deviations(*rows)), factor)
            out.append(self._draw_known())
        self._know(*self._line.finish(), factor)
        return np.concatenate((*out, self._draw(self._rows_in)))

    def _begin(self, reduced: F8) -> F8:
        if self._at[0] == 0:
            self._first.append(reduced)
        return reduced

    def _deviations(self, rows: F8, lo: int, hi: int) -> F8:
        if self._half == 0:
            return rows[lo:hi]
        return less_median(rows, lo, hi, self._half, self._ordered, self._window)

    def _know(self, rows: F8, lo: int, hi: int, factor: F8) -> None:
        if hi <= lo:
            return
        if self._at[0] == 0:
            # all the ground ahead that the first place waits for tells what soil is worth here
            start = np.concatenate(self._first)[: self._half + self._longest + 1]
            start_soil(start - np.median(start, axis=0), self._gains, self._taught, self._soil)
            self._first.clear()
        noise = reduced_noise(factor, self._basis)
        found = ground_energy(
            rows, lo, hi, self._taps, self._reach, self._every, noise, self._taught, self._pace, self._clip,
            self._soil, self._late, self._at,
        )  # fmt: skip
        fresh = found.reshape(len(found), -1)
        kept = self._known[-1:]
        self._first_known += len(self._known) - len(kept)
        self._known = np.concatenate((kept, fresh)) if len(kept) else fresh

    def _draw_known(self) -> F8:
        last = self._first_known + len(self._known) - 1
        return self._draw(int(last * self._every + 0.5 * (self._every - 1)) + 1 if len(self._known) else 0)

    def _draw(self, end: int) -> F8:
        n = end - self._rows_out
        if n <= 0:
            return np.empty((0, self._channels, self.cells))
        out = spread_rows(self._known, self._first_known, self._every, self._rows_out, n)
        self._rows_out = end
        return out.reshape(n, self._channels, self.cells)


def target_basis(geometry: MetalGeometry, ranks: int) -> F8:
    """(values, r) coordinates, r <= ranks, that responses of metal span under the noise of such heads.

    Pulse induction: exponential decays over the gates' own range of times, gate noise falling as t^-1/2. Continuous
    wave: single relaxations in phase and quadrature. A head that does not say its axis keeps all its values.
    """
    g = geometry.values
    axis = np.array(geometry.axis, dtype=np.float64)
    sigma = np.ones(g)
    if geometry.kind is StreamKind.METAL_PI and len(axis) == g:
        sigma = np.sqrt(axis[0] / axis)
        taus = np.geomspace(axis[0] / 3.0, axis[-1] * 3.0, 24)
        responses = np.exp(-axis / taus[:, None])
    elif geometry.kind is StreamKind.METAL_CW and 2 * len(axis) == g:
        wt = axis * (np.geomspace(0.1 / axis[-1], 10.0 / axis[0], 24)[:, None])
        responses = np.zeros((25, g))
        responses[:24, 0::2] = wt**2 / (1.0 + wt**2)
        responses[:24, 1::2] = wt / (1.0 + wt**2)
        responses[24, 0::2] = 1.0
    else:
        return np.eye(g)
    if g <= ranks:
        return np.diag(1.0 / sigma)
    white = responses / sigma
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    basis: F8 = np.linalg.svd(white, full_matrices=False)[2][:ranks].T / sigma[:, None]
    return np.ascontiguousarray(basis)


def reduced_noise(factor: F8, basis: F8) -> F8:
    """(C, r, r) noise covariance of the coordinates, from the lower Cholesky factor (C, G, G) of the values'."""
    turned = np.einsum("cgh,gr->chr", factor, basis)
    return np.ascontiguousarray(np.einsum("chr,chs->crs", turned, turned))


def _onto(directions: F8) -> F8:
    """(r, r) projection on the span of (k, r) directions."""
    r = directions.shape[1]
    if len(directions) == 0:
        return np.zeros((r, r))
    q, _ = np.linalg.qr(directions.T)
    return np.ascontiguousarray(q @ q.T)


def _lobes(sigma_rows: F8) -> tuple[F8, NDArray[np.int64]]:
    """Gaussians: (count, longest half + 1) taps from the centre outward, and (count,) half lengths."""
    halves = np.ceil(_REACH * sigma_rows).astype(np.int64)
    at = np.arange(int(halves.max()) + 1)
    taps = np.exp(-0.5 * (at / sigma_rows[:, None]) ** 2)
    return np.ascontiguousarray(np.where(at <= halves[:, None], taps, 0.0)), halves


def _contrast(sigma_rows: F8, zero_sum: bool) -> tuple[F8, NDArray[np.int64]]:
    """Gaussians less ones two and a half times as wide: taps from the centre outward, and half lengths."""
    halves = np.ceil(4.5 * sigma_rows).astype(np.int64)
    filters = np.zeros((len(sigma_rows), int(halves.max()) + 1))
    for taps, sigma, half in zip(filters, sigma_rows, halves, strict=True):
        at = np.arange(half + 1)
        twice = np.where(at == 0, 1.0, 2.0)  # every tap but the middle one counts on both sides
        lobe = np.exp(-0.5 * (at / sigma) ** 2)
        taps[: half + 1] = lobe / (twice @ lobe)
        if zero_sum:
            wide_lobe = np.exp(-0.5 * (at / (2.5 * sigma)) ** 2)
            taps[: half + 1] -= wide_lobe / (twice @ wide_lobe)
    return filters, halves
