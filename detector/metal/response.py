"""Response: energy after filters as wide as a target is under the head, in units of noise and ground."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.cells import add_cells, draw_cells, travelled
from detector.kernels.ground import ground_energy, reduce_rows, reduced_noise, start_soil
from detector.kernels.soil_coordinates import undone_rows
from detector.metal.answers import decay_directions, target_basis
from detector.metal.baseline import Baseline
from detector.metal.first_ground import FirstGround
from detector.metal.geometry import MetalGeometry
from detector.metal.known_ground import KnownGround, LevelMemory
from detector.metal.soil_coordinates import SoilCoordinates
from detector.samples import StreamKind
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]

_MEANS_PER_SIGMA = 4.0
"""Means of readings within the standard deviation of the narrowest filter: the mean then costs 1 % of its peak."""

_MOST_SLOWER = 4
"""Times the nominal readings that a cell may hold: a head that stands still gives cells all the same."""

_MOST_RESTING = 128
"""The same of a cell in which the head has not moved at all. A baseline of 1 m is half such cells after 2 minutes;
with 4 it was after 4 s, and a head that stopped for 10 s over metal took it for its ground. What was passed last waits
for the ground ahead as long, and its readings are kept."""

_START_PASSES = 3
"""Over the first ground of a segment, to find which of it is no ground."""

_ENOUGH = 1.5
"""Half windows of the baselines that a segment must be long: metal in the middle of a shorter one is half of its ground
and is taken for it."""

_REACH = 3.0
"""Standard deviations that a filter reaches to either side: 0.3 % of it is cut off."""


_HIDDEN = 19.0
"""Energy, in units of the ground that follows, from which the first ground of a segment answers as no soil does:
ln(1 + e) of 3, which clean ground hardly reaches (docs/algorithms-metal.md, "A start over metal")."""


_HIDDEN_BEFORE = 147.0
"""The same in units of ground known from before, which may be other ground: ln(1 + e) of 5."""


class ResponseSettings(Settings):
    narrow_m: float = quantity(0.10, "m", 0.01, 1.0, "narrowest response, full width at half height: shallow, small")
    wide_m: float = quantity(0.30, "m", 0.02, 3.0, "widest response: about depth plus coil diameter")
    count: int = quantity(3, "1", 1, 8, "widths tried, in geometric steps")
    baseline_m: float = quantity(
        1.0, "m", 0.2, 10.0, "half window of the baselines along the sweep; costs latency; wider than any target"
    )
    ranks: int = quantity(5, "1", 1, 32, "coordinates kept of a coil's values: what decays of metal span, noise not")
    wave_ranks: int = quantity(6, "1", 1, 32, "the same of a continuous wave's values: soil itself takes three of them")
    opposite: float = quantity(
        1.0, "1", 0.0, 1.0, "share of a pulse's energy that counts against the sign of metal's; 1 = sign not used"
    )
    soil_m: float = quantity(2.0, "m", 0.1, 20.0, "e-folding length of the ground behind that tells how soil answers")
    guard_m: float = quantity(0.15, "m", 0.0, 5.0, "ground just behind that has not taught yet: a target's own extent")
    clip: float = quantity(2.0, "1", 0.2, 20.0, "usual energies by which one place may pull the ground at most")
    strange: float = quantity(
        10.0, "usual energies", 1.0, 1e6, "beyond this a place is no ground and pulls the less the stronger it is"
    )
    strange_m: float = quantity(
        2.0, "m", 0.1, 20.0, "e-folding length behind; where half of it is strange, the ground has changed"
    )


class Response:
    """A bank of matched filters along the sweep; the cells that the alarm stage tests.

    Values are reduced to the few coordinates that responses of metal span (matched subspace, Scharf and
    Friedlander 1994), less their baseline along the sweep: it takes out offset and drift and, unlike a
    filter of zero sum, has no side lobes that a strong target throws on its neighbours. Gaussians as wide as the
    response follow, and the energy is that along a decay of metal over the covariance of noise plus ground (adaptive
    matched filter, Robey et al. 1992), which follows the ground behind the head. In static mode no baseline is taken,
    and only the soil's known directions are learned: a target may stay under the head.

    Each coordinate is, before its baseline, less what the soil at hand gives together with those before it (see
    SoilCoordinates): a median of coordinates that share the soil leaves some of it beside metal.

    Filters run on cells of equal distance. Where the head's places are known these are measured, so that a response has
    its width in metres at any speed from a quarter of the nominal one up; where they are not, by the nominal speed. A
    loop over a dipole at depth d answers over about d to 1.5 d plus its radius. Energies in between are drawn by
    straight lines. Latency: `baseline_m`, the widest filter's half length, one and a half cells; at the start of a
    segment twice `baseline_m`, which is what is stated. See docs/algorithms-metal.md, "Matched filters".

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
        self._nominal_m, self._moves = geometry.step_m, moves
        step = geometry.step_m * self._every
        self._taps, self._reach = _lobes(sigma_rows / self._every)
        longest = int(self._reach.max())
        half = max(1, round(settings.baseline_m / step)) if moves else 0
        self.ahead_steps = (half + longest - 1) * self._every
        """Nominal steps of travel after a reading that its energy has waited for at least."""
        most = 2 * half + longest
        self.latency = math.ceil((most + 1.5) * self._every) if self._every > 1 else most
        """Readings at the nominal speed that the first one waits; later ones wait `baseline_m` less."""
        self._channels = geometry.channels
        self.cells = settings.count
        wave = geometry.kind is StreamKind.METAL_CW
        self._basis = target_basis(geometry, settings.wave_ranks if wave else settings.ranks)
        self._decays = decay_directions(geometry, self._basis)
        r = self._basis.shape[1]
        self._taught: F8 = np.eye(r) if moves else _onto(np.einsum("kg,gr->kr", soil[0], self._basis))
        self._baseline = Baseline(half, geometry.channels * r)
        self._width = self._baseline.baselines * geometry.channels * r + 1
        self._line = DelayLine(longest, longest, self._width)
        self._soil: F8 = np.zeros((geometry.channels, settings.count, r, r))
        guard = max(1, round(settings.guard_m / step))
        self._wide = max(1, round(wide / step))
        self._turned = SoilCoordinates(2 * half + 1, self._wide // 2, geometry.channels, r) if moves else None
        self._late: F8 = np.zeros((guard, geometry.channels, settings.count, r + 1))
        self._at = np.zeros(1, np.int64)
        self._least = math.ceil(_ENOUGH * half) if moves else 0
        self._taken = 0
        # before the newest change of it, and since
        self._noise: F8 = np.zeros((2, geometry.channels, r, r))
        self._pace = min(1.0, step / settings.soil_m)
        self._clip, self._strange = settings.clip, settings.strange
        # steel answers along +I where a thick conductor answers along -I: of a wave both are signs of metal
        self._opposite = 1.0 if wave else settings.opposite
        # in static mode what stays is a target that is looked at
        self._strange_pace = min(1.0, step / settings.strange_m) if moves else 0.0
        self._share: F8 = np.zeros((geometry.channels, settings.count))
        # a quarter beyond the ground that the soil is first learned from: metal at its end bends the baselines there
        self._begun = FirstGround(2 * half + 1 + half // 2, half) if moves else None
        self._enough = 3 * half + 1 + half // 2
        self._hidden: F8 | None = None
        self._levels = LevelMemory(4 * half, self._wide, geometry.channels * r) if moves else None
        self._first_levels: F8 = np.empty((0, geometry.channels * r))
        """Coordinates as they are of the first cells, where ground is known from before."""
        self._level_cells = half // 2
        self._before: KnownGround | None = None
        self._level_holds = False
        self._start_unjudged = False
        # the cell that is being filled
        self._part: F8 = np.zeros(geometry.width)
        self._gone: F8 = np.zeros(3)
        self._held = np.zeros(2, np.int64)
        self._place_m = math.nan
        # of cells whose deviations, and whose energies, are still to come
        self._counts: F8 = np.empty(0)
        self._middles: F8 = np.empty(0)
        # energies of cells not yet drawn out, and their middles: the last one that was, and those after it
        self._known: F8 = np.empty((0, self._channels * self.cells))
        self._known_middles: F8 = np.empty(0)
        self._rows_in = 0
        self._rows_out = 0

    @property
    def steady(self) -> bool:
        """Whether each cell that ends brings the energy of one: rows may then reach over a change of the noise."""
        return bool(self._at[0])

    @property
    def too_short(self) -> bool:
        """Whether the segment is, as far as it has come, too short to tell metal from its ground."""
        return self._taken < self._least

    def process(self, rows: F8, factor: F8 | None, places_m: F8 | None = None, since: int = 0) -> F8:
        """Rows to cells (n', channels, cells).

        rows : (n, width) offset or not; factor : the noise's lower Cholesky factor as of now, None if it is as it was;
        places_m : (n,) of the head along the sweep, NaN where not known; since : row from which the factor holds, the
        one before it until then; 0 unless `steady`
        """
        self._noise[0] = self._noise[1]
        if factor is not None:
            reduced_noise(factor, self._basis, self._noise[1])
        capacity = len(rows) + 1
        means, count, middle = np.empty((capacity, rows.shape[1])), np.empty(capacity), np.empty(capacity)
        n = add_cells(
            rows, self._travel(len(rows), places_m), float(self._every), _MOST_SLOWER * self._every,
            _MOST_RESTING * self._every, self._part, self._gone, self._held, means, count, middle,
        )  # fmt: skip
        early = int(np.count_nonzero(middle[:n] + 0.5 * (count[:n] - 1.0) < self._rows_in + since)) if since else 0
        self._rows_in += len(rows)
        if n == 0:
            return np.empty((0, self._channels, self.cells))
        self._take(means[:n], count[:n], middle[:n], early)
        return self._draw_known()

    def finish(self, factor: F8) -> F8:
        """What is still owed at the end of the segment."""
        held, before = (int(k) for k in self._held)
        reduced_noise(factor, self._basis, self._noise[1])
        out = []
        if held:
            middle = np.array([before + 0.5 * (held - 1)])
            self._take(self._part[None] / held, np.array([float(held)]), middle)
            out.append(self._draw_known())
        if self._turned is not None:
            self._know(*self._counted(self._baseline.push(self._turned.finish())))
        self._know(*self._counted(self._baseline.finish()))
        out.append(self._draw_known())
        self._know(*self._line.finish())
        none = np.empty((0, self._channels * self.cells))
        self._look_back(np.empty((0, self._width)), none, np.empty(0), self._noise[1], last=True)
        return np.concatenate((*out, self._draw(self._rows_in)))

    def _travel(self, n: int, places_m: F8 | None) -> F8:
        """(n,) distance from the reading before, in nominal steps; 1 where it is not known."""
        if places_m is None or n == 0 or not self._moves:
            return np.ones(n)
        steps: F8 = travelled(places_m, self._place_m, self._nominal_m)
        self._place_m = float(places_m[-1])
        return steps

    def _take(self, means: F8, count: F8, middle: F8, early: int = 0) -> None:
        self._taken += len(count)
        # the mean of a long rest is no better than its drift
        self._counts = np.concatenate((self._counts, 1.0 / np.minimum(count, _MOST_SLOWER * self._every)))
        self._middles = np.concatenate((self._middles, middle))
        rows = reduce_rows(means, self._basis, self._channels)
        if self._levels is not None:
            self._levels.push(rows)
            missing = self._level_cells - len(self._first_levels)
            if missing > 0 and self._before is not None:
                self._first_levels = np.concatenate((self._first_levels, rows[:missing]))
        turned = rows if self._turned is None else self._turned.push(rows)
        self._know(*self._counted(self._baseline.push(turned)), early)

    def _counted(self, deviations: F8) -> tuple[F8, int, int]:
        """Put them into the line, in the coordinates that were taken, with what each cell counts."""
        n = len(deviations)
        buffer, lo, hi = self._line.extend(n)
        to = buffer[len(buffer) - n :]
        if self._turned is not None:
            undone_rows(deviations, self._turned.back, self._counts, to)
        else:
            to[:, :-1] = deviations
            to[:, -1] = self._counts[:n]
        self._counts = self._counts[n:]
        return buffer, lo, hi

    def _know(self, rows: F8, lo: int, hi: int, early: int = 0) -> None:
        """Energies of rows lo to hi - 1, of the first `early` of them in the noise as it was before."""
        if hi <= lo:
            return
        if self._at[0] == 0:
            # the ground that the first place waits for in any case tells what soil is worth here
            own = rows[: self._line.ahead + 1, : self._channels * self._basis.shape[1]]
            first, passes = (self._baseline.first, _START_PASSES) if self._moves else (np.ascontiguousarray(own), 0)
            if self._turned is not None:
                first = self._turned.undone(first)
            start_soil(first, self._taught, self._wide, self._strange, passes, self._soil)
        # exactly there the ground behind takes the place of the first, where that hid metal
        stop = min(hi, lo + self._begun.missing) if self._begun is not None else hi
        self._weigh(rows, lo, stop, min(early, stop - lo))
        self._weigh(rows, stop, hi, max(0, early - (stop - lo)))

    def _weigh(self, rows: F8, lo: int, hi: int, early: int) -> None:
        if hi <= lo:
            return
        n = hi - lo
        found = ground_energy(
            rows, lo, hi, early, self._taps, self._reach, self._noise, self._decays, self._opposite,
            self._taught, self._pace, self._clip, self._strange, self._strange_pace,
            self._share, self._soil, self._late, self._at,
        )  # fmt: skip
        self._look_back(rows[lo:hi], found.reshape(n, -1), self._middles[:n], self._noise[0 if early else 1])
        self._known = np.concatenate((self._known, found.reshape(n, -1)))
        self._known_middles = np.concatenate((self._known_middles, self._middles[:n]))
        self._middles = self._middles[n:]

    def knows(self, ground: KnownGround, level_holds: bool) -> None:
        """Before the first reading: what ground judged before answers, and whether its level still says anything."""
        self._before, self._level_holds = ground, level_holds

    @property
    def ground(self) -> KnownGround | None:
        """What is known for the segment after this one; of one too short to be judged what was known before it."""
        if self._levels is None or self._taken < self._enough:
            return self._before
        return self._levels.known(self._soil, self._strange)

    @property
    def start_unjudged(self) -> bool:
        """Of a segment that has ended: whether neither ground behind nor ground from before has judged its start."""
        return self._start_unjudged

    @property
    def waits(self) -> bool:
        """Whether the first ground of the segment has still to be judged by the ground that follows it."""
        return self._begun is not None and self._begun.missing > 0

    def take_hidden(self) -> F8 | None:
        """Once: energies (n', channels, cells) of the first readings by the ground that follows; 0 = may be soil."""
        hidden, self._hidden = self._hidden, None
        return hidden

    def _look_back(self, rows: F8, found: F8, middles: F8, noise: F8, last: bool = False) -> None:
        if self._begun is None or not self._begun.missing:
            return
        looked = self._begun.push(rows, found, middles, noise, self._judged, last)
        if looked is not None:
            self._hidden = looked.reshape(len(looked), self._channels, self.cells)

    def _judged(self, rows: F8, given: F8, behind: F8, noise: F8) -> F8 | None:
        """(n, channels * cells) energies of the first rows, those that judge them included, over what these give.

        Where ground of this session is known from before, over what that gives too; None if there is neither. Where the
        strongest of them had stood lower than that, what was learned from the first rows is no soil: the ground
        behind, or the one before, takes its place. given : their energies of then
        """
        hides = np.zeros_like(given)
        if len(behind):
            soil = np.zeros_like(self._soil)
            own = np.ascontiguousarray(behind[:, : self._channels * self._basis.shape[1]])
            start_soil(own, self._taught, self._wide, self._strange, _START_PASSES, soil)
            self._replaces(rows, given, soil, noise, _HIDDEN, hides)
        if self._before is not None:
            self._replaces(rows, given, self._before.soil, noise, _HIDDEN_BEFORE, hides)
            n = min(len(self._first_levels), len(rows))
            if self._level_holds and n:
                absolute = np.column_stack((self._first_levels[:n] - self._before.level, rows[:n, -1]))
                found = self._over(absolute, self._before.soil + self._before.spread, noise)
                hides[:n] = np.maximum(hides[:n], np.where(found >= _HIDDEN_BEFORE, found, 0.0))
        self._start_unjudged = not len(behind) and self._before is None
        return None if self._start_unjudged else hides

    def _replaces(self, rows: F8, given: F8, soil: F8, noise: F8, least: float, hides: F8) -> None:
        """Raise `hides` where rows give that soil's energy `least` times, and put it in the place of what hid them."""
        found = self._over(rows, soil, noise)
        out = found >= least
        if out.any() and given.flat[int(np.argmax(found))] < least:
            self._soil[:] = soil
        np.maximum(hides, np.where(out, found, 0.0), out=hides)

    def _over(self, rows: F8, soil: F8, noise: F8) -> F8:
        """(n, channels * cells) energies of rows over that soil, which they teach nothing."""
        return ground_energy(
            rows, 0, len(rows), 0, self._taps, self._reach, np.stack((noise, noise)), self._decays, self._opposite,
            self._taught, 0.0, self._clip, self._strange, 0.0,
            np.zeros_like(self._share), soil.copy(), np.zeros_like(self._late), np.zeros(1, np.int64),
        ).reshape(len(rows), -1)  # fmt: skip

    def _draw_known(self) -> F8:
        return self._draw(int(self._known_middles[-1]) + 1 if len(self._known) else 0)

    def _draw(self, end: int) -> F8:
        n = end - self._rows_out
        if n <= 0:
            return np.empty((0, self._channels, self.cells))
        out = draw_cells(self._known, self._known_middles, self._rows_out, n)
        self._rows_out = end
        self._known, self._known_middles = self._known[-1:], self._known_middles[-1:]
        return out.reshape(n, self._channels, self.cells)


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
