"""Arrays that begin on a cache line: a vector that straddles two of them takes a processor twice as long."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LINE, _PAGE = 64, 4096
"""Bytes. Of what lies whole pages apart a processor's first cache holds eight lines, and takes a load to wait for a
store to the other place."""


def zeros_on_cache_lines(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """float64 zeros that begin on a cache line."""
    room = on_cache_lines(shape, np.float64)
    room[...] = 0.0
    return room


def on_cache_lines(shape: tuple[int, ...], dtype: DTypeLike, line: int = 0) -> NDArray[Any]:
    """As np.empty gives it, but for where it begins: `line` cache lines, 0 to 63, after the start of a page.

    Arrays that a kernel runs through side by side should not begin alike.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + _PAGE, np.uint8)
    at = (line * _LINE - room.ctypes.data) % _PAGE
    return room[at : at + size].view(dtype).reshape(shape)
