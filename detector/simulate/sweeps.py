"""Which sweep of a simulated lane it is: the same ground and head, walked again after some of it was dug."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import SampleError


@dataclass(frozen=True, slots=True)
class Sweep:
    """A pass over a lane.

    What is new in every sweep: the head's height along the lane, its way beside the objects' middles, the antenna's
    tilt, receiver noise, drift, mains, jitter, lost A-scans. What stays: head, ground (answers along the lane, uneven
    water, rough surface), objects, pace and direction.
    """

    number: int = 1
    """From 1 on."""
    dug: frozenset[int] = frozenset()
    """Objects that were taken out before it, by their number in the lane as it was laid."""

    def __post_init__(self) -> None:
        if self.number < 1 or (self.number == 1 and self.dug):
            raise SampleError(
                f"Sweeps count from 1, and before the first nothing is dug; not sweep {self.number} with "
                f"{len(self.dug)} objects dug."
            )

    def of_its_own(self, seed: int, first: Sequence[np.random.Generator]) -> list[np.random.Generator]:
        """What draws that which differs from sweep to sweep; in the first those that draw all else, in one order."""
        if self.number == 1:
            return list(first)
        return [np.random.default_rng(s) for s in np.random.SeedSequence([seed, self.number]).spawn(len(first))]

    def left(self, n: int) -> list[int]:
        """Numbers of the objects that still lie there, of n.

        Raises
        ------
        SampleError
            if something was dug that never lay there.
        """
        if strange := sorted(i for i in self.dug if not 0 <= i < n):
            raise SampleError(f"Objects {strange} were dug, but the lane was laid with {n}, numbered from 0.")
        return [i for i in range(n) if i not in self.dug]


FIRST: Final = Sweep()


def filled_again(
    rng: np.random.Generator,
    water: NDArray[np.float64],
    along: NDArray[np.bool_],
    down: NDArray[np.bool_],
    spread: float,
) -> None:
    """Change the uneven water (n, rows) of a hole's cells as digging and filling do: more uneven, wetter or drier."""
    hole = np.ix_(along, down)
    water[hole] = water[hole] * 1.3 + rng.normal(scale=1.0) * spread * 1.5
