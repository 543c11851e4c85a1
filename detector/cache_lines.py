"""Arrays that begin on a cache line: a vector that straddles two of them takes a processor twice as long."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LINE = 64
"""Bytes."""


def on_cache_lines(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """As np.empty gives it, but for where it begins."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + _LINE, np.uint8)
    at = -room.ctypes.data % _LINE
    return room[at : at + size].view(dtype).reshape(shape)
