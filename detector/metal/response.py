"""Response: energy after filters as wide as a target is under the head."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detector.kernels.gates import bank_energy, usual_soil
from detector.kernels.sweep import add_means, spread_rows
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]

_MEANS_PER_SIGMA = 4.0
"""Means of readings within the standard deviation of the narrowest filter: the mean then costs 1 % of its peak."""


class ResponseSettings(Settings):
    narrow_m: float = quantity(0.10, "m", 0.01, 1.0, "narrowest response, full width at half height: shallow, small")
    wide_m: float = quantity(0.30, "m", 0.02, 3.0, "widest response: about depth plus coil diameter")
    count: int = quantity(3, "1", 1, 8, "widths tried, in geometric steps")
    soil_m: float = quantity(1.0, "m", 0.1, 20.0, "ground behind the head that tells how much soil usually answers")


class Response:
    """A bank of matched filters along the sweep; the cells that the alarm stage tests.

    Each is a Gaussian as wide as the response, less one two and a half times as wide and of equal area:
    what is left of offset and steady drift cancels. In static mode the Gaussian stands alone. A loop over a
    dipole at depth d answers over about d to 1.5 d plus its radius; a width in metres at another sweep speed
    is another width in time, so the bank covers speeds from a half to twice the nominal one too.

    The filters run on means of a few readings; energies in between are drawn by straight lines. Soil is left
    out behind the filters, where it is one vector per place: first the balanced cells, then the whole ones.
    Latency: the widest filter's half length and one and a half means.
    See docs/algorithms-metal.md, "Matched filters".
    """

    def __init__(self, settings: ResponseSettings, geometry: MetalGeometry, directions: int, moves: bool) -> None:
        narrow, wide = sorted((settings.narrow_m, settings.wide_m))
        self.widths_m: F8 = np.geomspace(narrow, wide, settings.count)
        sigma_rows = np.maximum(self.widths_m / 2.3548 / geometry.step_m, 0.3)
        self.filters, self.halves = _bank(sigma_rows, moves)
        """The bank at full rate: (count, longest half + 1) taps from the centre outward, and half lengths."""
        self._every = max(1, int(sigma_rows[0] / _MEANS_PER_SIGMA))
        self._taps, self._reach = _bank(sigma_rows / self._every, moves)
        longest = int(self._reach.max())
        self.latency = math.ceil((longest + 1.5) * self._every) if self._every > 1 else longest
        self._zero_sum = moves
        self._directions = directions
        self._channels = geometry.channels
        self.cells = settings.count
        self._usual: F8 = np.zeros((geometry.channels, settings.count, directions))
        self._pace = min(1.0, self._every / geometry.rows(settings.soil_m))
        self._started = False
        self._longest = longest
        self._means: F8 = np.empty((2 * (2 * longest + 1) + 260 // self._every + 2, geometry.width))
        self._n_means = 0
        self._next = 0
        self._part: F8 = np.zeros(geometry.width)
        self._held = 0
        # energies of means not yet drawn out: the last one that was, and those after it
        self._known: F8 = np.empty((0, self._channels * self.cells))
        self._first_known = 0
        self._rows_in = 0
        self._rows_out = 0

    def process(self, rows: F8, whitener: F8) -> F8:
        """(n <= 256, width) offset or not, and the whitener as of now, to cells (n', channels, cells)."""
        self._make_room()
        self._held, self._n_means = add_means(
            rows, self._every, self._part, self._held, self._means, self._n_means
        )
        self._rows_in += len(rows)
        ready = self._n_means - self._longest
        if ready <= self._next:
            return np.empty((0, self._channels, self.cells))
        self._energies(ready, whitener)
        last = self._first_known + len(self._known) - 1
        return self._draw(int(last * self._every + 0.5 * (self._every - 1)) + 1)

    def finish(self, whitener: F8) -> F8:
        """What is still owed at the end of the segment."""
        if self._held:
            self._make_room()
            self._means[self._n_means] = self._part / self._held
            self._n_means += 1
        if self._n_means > self._next:
            self._energies(self._n_means, whitener)
        return self._draw(self._rows_in)

    def _energies(self, ready: int, whitener: F8) -> None:
        if not self._started:
            # the ground ahead, as far as the first place sees it, tells what soil is worth here
            ahead = min(self._n_means, self._longest + 1)
            usual_soil(
                self._means, ahead, self._taps, self._reach, self._every, whitener, self._directions, self._usual
            )
            self._started = True
        found = bank_energy(
            self._means, self._n_means, self._next, ready, self._taps, self._reach, self._zero_sum, self._every,
            whitener, self._directions, self._usual, self._pace,
        )  # fmt: skip
        self._next = ready
        fresh = found.reshape(len(found), -1)
        kept = self._known[-1:]
        self._first_known += len(self._known) - len(kept)
        self._known = np.concatenate((kept, fresh)) if len(kept) else fresh

    def _draw(self, end: int) -> F8:
        n = end - self._rows_out
        if n <= 0:
            return np.empty((0, self._channels, self.cells))
        out = spread_rows(self._known, self._first_known, self._every, self._rows_out, n)
        self._rows_out = end
        return out.reshape(n, self._channels, self.cells)

    def _make_room(self) -> None:
        if self._n_means + 260 // self._every + 1 < len(self._means):
            return
        drop = max(0, self._next - self._longest)
        kept = self._n_means - drop
        self._means[:kept] = self._means[drop : self._n_means]
        self._n_means, self._next = kept, self._next - drop


def _bank(sigma_rows: F8, zero_sum: bool) -> tuple[F8, NDArray[np.int64]]:
    """(count, longest half + 1) taps from the centre outward, and (count,) half lengths."""
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
