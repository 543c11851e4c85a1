"""Rows with context: what every stage with a window along slow time stands on.

A stage that needs rows before and after the one it computes pushes rows in as they come and gets
back a buffer with a range of rows whose whole window is there. The window of a row is the same
whatever the cut of the input, so a stage built on this is exact by construction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from detector.cache_lines import on_cache_lines


class Rows:
    """Rows in order of arrival, the old ones dropped when nobody needs them any more.

    Rows keep their number: the first ever appended is row 0. Memory is bounded by twice what is held
    at a time; a row is moved once on average, however small the pieces in which rows come.
    """

    def __init__(self, width: int, dtype: DTypeLike = np.float64) -> None:
        self._store = on_cache_lines((16, width), dtype)
        self._first = 0
        self._last = 0
        self.base = 0
        """Number of the first row held."""

    @property
    def end(self) -> int:
        """Number of the row that will come next."""
        return self.base + self._last - self._first

    @property
    def held(self) -> NDArray[Any]:
        """(k, width) all rows held; valid until the next append."""
        return self._store[self._first : self._last]

    def append(self, rows: NDArray[Any]) -> None:
        """Add (n, width)."""
        self.extend(len(rows))[:] = rows

    def extend(self, n: int) -> NDArray[Any]:
        """Add n rows and return them, (n, width), to be filled before anything else is done."""
        held = self._last - self._first
        if self._last + n > len(self._store):
            store = self._store
            if 2 * (held + n) > len(store):
                store = on_cache_lines((2 * (held + n), self._store.shape[1]), self._store.dtype)
            store[:held] = self._store[self._first : self._last]
            self._store, self._first, self._last = store, 0, held
        self._last += n
        return self._store[self._last - n : self._last]

    def cut(self, first: int, last: int) -> NDArray[Any]:
        """Rows first to last - 1, clipped to what is held."""
        a = max(first, self.base)
        return self.held[a - self.base : max(a, last) - self.base]

    def trim(self, first: int) -> None:
        """Forget the rows before `first`."""
        drop = min(max(0, first - self.base), self._last - self._first)
        self._first += drop
        self.base += drop


class DelayLine:
    """Holds the last `behind` rows and the next `ahead` rows round the one to be computed.

    Parameters
    ----------
    behind, ahead : rows of context; `ahead` is the latency in rows
    width : columns
    """

    def __init__(self, behind: int, ahead: int, width: int, dtype: DTypeLike = np.float64) -> None:
        self.behind = behind
        self.ahead = ahead
        self._rows = Rows(width, dtype)
        self._next = 0

    def push(self, rows: NDArray[Any]) -> tuple[NDArray[Any], int, int]:
        """Add rows (n, width). Returns (buffer, lo, hi): rows lo to hi - 1 can be computed now.

        Windows that reach beyond the buffer's first row reach beyond the start of the segment. The
        buffer is valid until the next push.
        """
        buffer, lo, hi = self.extend(len(rows))
        buffer[len(buffer) - len(rows) :] = rows
        return buffer, lo, hi

    def extend(self, n: int) -> tuple[NDArray[Any], int, int]:
        """The same with n rows at the buffer's end that are still to be filled."""
        self._rows.trim(self._next - self.behind)
        self._rows.extend(n)
        lo = self._next
        hi = max(lo, self._rows.end - self.ahead)
        self._next = hi
        return self._rows.held, lo - self._rows.base, hi - self._rows.base

    def finish(self) -> tuple[NDArray[Any], int, int]:
        """The rows still owed; their windows end with the segment. Nothing may be pushed after."""
        self._rows.trim(self._next - self.behind)
        lo, hi = self._next, self._rows.end
        self._next = hi
        return self._rows.held, lo - self._rows.base, hi - self._rows.base
