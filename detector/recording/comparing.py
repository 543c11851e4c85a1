"""Two detection lists side by side: which are the same, which differ and in what, which only one of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.detections import DETECTION_DTYPE, Detection

_HASHES: Final = ("profile_hash", "model_hash")
"""Columns that say what decided, and not what was decided."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One place as two lists have it; None where one does not."""

    a: Detection | None
    b: Detection | None
    differs_in: tuple[str, ...] = ()
    """Columns of the detection table, hashes of profile and model left out; empty if the two are equal to the bit."""


def pair_detections(a: NDArray[Any], b: NDArray[Any]) -> list[Pair]:
    """Pair two tables of DETECTION_DTYPE whose time spans overlap, nearest peaks first; in order of time."""
    near = sorted(
        (abs(float(p["t_peak_s"] - q["t_peak_s"])), i, j)
        for i, p in enumerate(a)
        for j, q in enumerate(b)
        if p["t_start_s"] <= q["t_end_s"] and q["t_start_s"] <= p["t_end_s"]
    )
    of_a: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in near:
        if i not in of_a and j not in taken:
            of_a[i] = j
            taken.add(j)
    pairs = [Pair(Detection.from_row(a[i]), Detection.from_row(b[j]), _columns(a[i], b[j])) for i, j in of_a.items()]
    pairs += [Pair(Detection.from_row(a[i]), None) for i in range(len(a)) if i not in of_a]
    pairs += [Pair(None, Detection.from_row(b[j])) for j in range(len(b)) if j not in taken]
    return sorted(pairs, key=lambda p: (p.a or p.b).t_peak_s)  # type: ignore[union-attr]


def _columns(p: Any, q: Any) -> tuple[str, ...]:
    names = (n for n in DETECTION_DTYPE.names or () if n not in _HASHES)
    return tuple(n for n in names if np.asarray(p[n]).tobytes() != np.asarray(q[n]).tobytes())
