"""What is known of a lane's ground, cell by cell: states, areas, and the places to sweep again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detector.recording.tables import TABLES

Bool = NDArray[np.bool_]
U1 = NDArray[np.uint8]

OUTSIDE: Final = 255
"""In a coarse picture: no ground of the lane."""


_NEIGHBOURS: Final = np.ones((3, 3), np.bool_)
"""Cells that touch at a corner belong together."""


_LEAST_CELLS: Final = 10
"""A smaller piece of one kind of gap counts to the gap of another kind that it touches."""


class Ground(IntEnum):
    """State of a cell."""

    NOT_REACHED = 0
    INVALID = 1
    """Reached, but some sensor's data were lost or cannot be trusted, or are in doubt."""
    VALID = 2
    OVERLAPPED = 3
    """Valid more than once for every sensor."""

    @property
    def text(self) -> str:
        """For a person; the same words on page, terminal and in files."""
        return ("not reached", "reached, not valid", "valid once", "valid, overlap")[self]


@dataclass(frozen=True, slots=True)
class Hole:
    """Connected ground that does not count as swept: where to sweep again."""

    x_m: tuple[float, float]
    """From, to along the lane."""
    y_m: tuple[float, float]
    """From, to across the lane, from its left edge."""
    area_m2: float
    state: Ground
    """Not reached, invalid, or valid once where two passes are asked for."""
    doubted: bool
    """Whether it had counted until a function test failed."""
    place_m: tuple[float, float]
    """A cell's centre in it, next to its middle: along and across."""

    @property
    def why(self) -> str:
        """For a person."""
        return "in doubt since a failed function test" if self.doubted else self.state.text


@dataclass(frozen=True, slots=True)
class GroundMap:
    """A lane's ground at one time.

    Attributes
    ----------
    states : (columns, rows) of Ground
    inside : (columns, rows) which cells belong to the lane
    doubted : (columns, rows) invalid because a function test failed later
    cell_m : side of a cell
    asked : passes that are asked for, 1 or 2: ground passed less often does not count
    """

    states: U1
    inside: Bool
    doubted: Bool
    cell_m: float
    asked: int = 1

    @property
    def counts(self) -> Bool:
        """(columns, rows) ground of the lane that counts as swept."""
        out: Bool = (self.states >= (Ground.OVERLAPPED if self.asked > 1 else Ground.VALID)) & self.inside
        return out

    @property
    def area_m2(self) -> float:
        """Of the lane."""
        return float(np.count_nonzero(self.inside)) * self.cell_m**2

    @property
    def counted_m2(self) -> float:
        """Of the ground that counts."""
        return float(np.count_nonzero(self.counts)) * self.cell_m**2

    @property
    def percent(self) -> float:
        """Share of the lane that counts; 100 only where nothing is left."""
        share = 100.0 * self.counted_m2 / self.area_m2 if self.area_m2 else 0.0
        return share if self.counts.sum() == self.inside.sum() else min(share, 99.9)

    def shares(self) -> dict[Ground, float]:
        """Share of the lane in each state; they add to 1."""
        counted = np.bincount(self.states[self.inside], minlength=len(Ground))
        return {g: float(counted[g]) / max(1, int(counted.sum())) for g in Ground}

    def holes(self) -> list[Hole]:
        """Ground of the lane that does not count as swept, all of it, from the lane's beginning on.

        Each is connected, and of one kind: what was not reached lies apart from what was reached without counting.
        A piece of less than ten cells that touches a gap of another kind counts to that one.
        """
        kinds = self._kinds()
        out = []
        for kind in np.unique(kinds[kinds > 0]):
            labelled, _ = ndimage.label(kinds == kind, structure=_NEIGHBOURS)
            for k, where in enumerate(ndimage.find_objects(labelled), 1):
                columns, rows = where
                x, y = np.nonzero(labelled[where] == k)
                at = int(np.argmin((x - x.mean()) ** 2 + (y - y.mean()) ** 2))
                out.append(
                    Hole(
                        (columns.start * self.cell_m, columns.stop * self.cell_m),
                        (rows.start * self.cell_m, rows.stop * self.cell_m),
                        len(x) * self.cell_m**2,
                        Ground(int(kind - 1) // 2),
                        bool((kind - 1) % 2),
                        ((columns.start + x[at] + 0.5) * self.cell_m, (rows.start + y[at] + 0.5) * self.cell_m),
                    )
                )
        return sorted(out, key=lambda h: (h.x_m, h.y_m))

    def cells_of(self, hole: Hole) -> Bool:
        """(columns, rows) the cells of one of the holes."""
        labelled, _ = ndimage.label(self._kinds() == 1 + 2 * hole.state + hole.doubted, structure=_NEIGHBOURS)
        x, y = hole.place_m
        out: Bool = labelled == labelled[int(x / self.cell_m), int(y / self.cell_m)]
        return out

    def _kinds(self) -> U1:
        """(columns, rows) 0 where nothing is missing, else which kind of gap a cell is in."""
        missing = self.inside & ~self.counts
        kinds = np.where(missing, 1 + 2 * self.states + self.doubted, 0).astype(np.uint8)
        for kind in np.unique(kinds[kinds > 0]):
            labelled, n = ndimage.label(kinds == kind, structure=_NEIGHBOURS)
            sizes = np.bincount(labelled.ravel(), minlength=n + 1)
            places = ndimage.find_objects(labelled)
            for k in np.flatnonzero(sizes < _LEAST_CELLS):
                # the ragged edge of a footprint is no gap of its own where it touches a larger one
                window = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in places[k - 1])
                piece = labelled[window] == k
                round_it = ndimage.binary_dilation(piece, structure=_NEIGHBOURS) & ~piece
                others = np.bincount(kinds[window][round_it], minlength=9)
                others[0] = 0
                if others.any():
                    kinds[window][piece] = np.argmax(others)
        out: U1 = kinds
        return out

    def coarse(self, most_cells: int) -> tuple[U1, int]:
        """A picture of at most so many cells, and how many cells one of it is wide: the worst of what it holds.

        Ground outside the lane is OUTSIDE. A small gap is never averaged away.
        """
        step = 1
        while -(-self.states.shape[0] // step) * -(-self.states.shape[1] // step) > most_cells:
            step += 1
        shown = np.where(self.inside, self.states, OUTSIDE).astype(np.uint8)
        grow = [(0, -n % step) for n in shown.shape]
        shown = np.pad(shown, grow, constant_values=OUTSIDE)
        out: U1 = shown.reshape(shown.shape[0] // step, step, shown.shape[1] // step, step).min(axis=(1, 3))
        return out, step

    def runs(self, lane: int, utc_ns: int) -> NDArray[Any]:
        """(n,) rows of the table `ground` of a recording: everything that was reached."""
        known = np.where(self.inside, self.states + 10 * self.doubted, 0).astype(np.uint8).T
        padded = np.pad(known, ((0, 0), (1, 1)))
        change = padded[:, 1:] != padded[:, :-1]
        row, first = np.nonzero(change[:, :-1] & (known > 0))
        _, last = np.nonzero(change[:, 1:] & (known > 0))
        out = np.zeros(len(row), TABLES["ground"].dtype)
        out["lane"], out["utc_ns"], out["cell_m"] = lane, utc_ns, self.cell_m
        out["row"], out["first"], out["last"] = row, first, last
        out["state"], out["doubted"] = known[row, first] % 10, known[row, first] // 10
        return out


def map_states(reached: Iterable[Bool], visits: Iterable[U1], inside: Bool) -> U1:
    """(columns, rows) of Ground from what each sensor reached and validly visited; outside NOT_REACHED."""
    anywhere = np.logical_or.reduce(list(reached))
    fewest = np.minimum.reduce(list(visits))
    out = np.where(fewest > 1, Ground.OVERLAPPED, np.where(fewest > 0, Ground.VALID, Ground.NOT_REACHED))
    out = np.where((fewest == 0) & anywhere, Ground.INVALID, out)
    return np.where(inside, out, Ground.NOT_REACHED).astype(np.uint8)


def map_of(runs: NDArray[Any], inside: Bool, cell_m: float, asked: int = 1) -> GroundMap:
    """The map that was kept as runs."""
    states, doubted = np.zeros(inside.shape, np.uint8), np.zeros(inside.shape, np.bool_)
    for r in runs:
        here = slice(int(r["first"]), int(r["last"]) + 1), int(r["row"])
        states[here], doubted[here] = r["state"], bool(r["doubted"])
    return GroundMap(states, inside, doubted, cell_m, asked)
