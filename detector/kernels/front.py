"""The chain up to the prescreener in one go: filters, alignment, recursive background, gain.

A few A-scans at a time go through all of it while they are near the processor. It calls the stages' own kernels,
so the bits are those of one stage after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.alignment import align_ascans
from detector.kernels.fast_time import filter_ascans
from detector.kernels.recursive import subtract_recursive

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]


@njit(cache=True, nogil=True)
def front_end(
    raw: NDArray[Any],
    offset: float,
    factor: float,
    counts: bool,
    filters: Any,
    alignment: Any,
    background: Any,
    curve: F4,
    filtered: F4,
    rows: F4,
    lags: F8,
    lost: U1,
    first: int,
    lo: int,
    hi: int,
    out: F4,
) -> None:
    """Filter, align, subtract the background and apply the gain.

    raw : (n, channels, m) as sampled; offset, factor, counts : as in filter_ascans; filters, alignment : the further
    arguments of filter_ascans and align_ascans, up to those that they fill; background : ahead, level, spread,
    alpha, clip, floor of subtract_recursive, which has begun; curve : (width,) gain;
    filtered : (k, channels, m) room for as many A-scans as are taken at a time; rows, lost : (first + n, width) and
    (first + n, channels), filled from row `first` on with the aligned A-scans; lags : (k, channels) room;
    out : (hi - lo, width), filled with rows lo to hi - 1.
    """
    n, channels, m = raw.shape
    aligned = rows.reshape((len(rows), channels, m))
    ahead, level, spread, alpha, clip, floor = background
    done = lo
    for a in range(0, n, len(filtered)):
        b = min(n, a + len(filtered))
        x = filtered[: b - a]
        filter_ascans(raw[a:b], offset, factor, counts, *filters, x)  # type: ignore[call-arg]
        y, missed = aligned[first + a : first + b], lost[first + a : first + b]
        align_ascans(x, *alignment, y, lags[: b - a], missed)  # type: ignore[call-arg]
        ready = max(done, min(hi, first + b - ahead))
        if ready > done:
            subtract_recursive(
                rows[: first + b], lost[: first + b], done, ready, ahead, level, spread, alpha, clip, floor, True,
                curve, out[done - lo : ready - lo],
            )  # fmt: skip
            done = ready
