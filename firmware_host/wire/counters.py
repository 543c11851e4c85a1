"""Counters of 32 bits, as the wire has them, made into numbers that only grow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.samples import Int64Array


def unwrap(value: int, near: int) -> int:
    """The number closest to `near` whose low 32 bits are `value`.

    A tick counter that stood at 0xFFFFFFF0 and now reads 0x10 has gone on by 32, not back:

    >>> hex(unwrap(0x10, 0xFFFFFFF0))
    '0x100000010'
    >>> hex(unwrap(0xFFFFFFF0, 0x100000010))
    '0xfffffff0'
    """
    return near + ((value - near + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def unwrap_all(values: NDArray[np.uint32] | NDArray[np.int32], near: int) -> Int64Array:
    """Unwrap successive 32-bit readings, each near the one before, the first near `near`; (n,) int64."""
    if len(values) == 0:
        return np.zeros(0, np.int64)
    first = unwrap(int(values[0]) & 0xFFFFFFFF, near)
    wide = values.astype(np.int64)
    steps: Int64Array = ((wide[1:] - wide[:-1] + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    out: Int64Array = first + np.concatenate((np.zeros(1, np.int64), np.cumsum(steps)))
    return out
