"""Search mode scored by itself: the signals that sound at once, before anything is decided.

Search and discrimination are two algorithms and are scored apart (Ho, Collins and Gader 2004): a signal only
points, so any in a halo counts, and one place sounds once however many records it lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.detections import TrueObject
from detector.score.along import Trace, inside, outside_halos, peaks_along


@dataclass(frozen=True, slots=True)
class SearchLane:
    """One lane's search signals."""

    signalled: tuple[bool, ...]
    """Of each object of the truth: whether a signal came within its halo."""
    outside: int
    """Places outside all halos that sounded; 0 where places are not known."""


def score_search(truth: Sequence[TrueObject], sounds: Sequence[Trace]) -> SearchLane:
    """sounds : only the records that sounded, with the strength of their signal as score."""
    signalled = tuple(any(bool(inside(o, t).any()) for t in sounds) for o in truth)
    x = np.concatenate([np.empty(0), *(t.x_m for t in sounds)])
    places, _ = peaks_along(x, np.concatenate([np.empty(0), *(t.score for t in sounds)]))
    return SearchLane(signalled, int(np.count_nonzero(outside_halos(truth, places))))
