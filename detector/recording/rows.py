"""A row of a table: its type as HDF5 wants it, and the way from a dataclass to it and back."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np


def stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """A table's type as HDF5 is told it: the same bytes, and texts marked as UTF-8, which numpy's cannot be."""
    names = dtype.names or ()
    return np.dtype([
        (n, h5py.string_dtype("utf-8", dtype[n].itemsize) if dtype[n].kind == "S" else dtype[n]) for n in names
    ])  # fmt: skip


def row_of(dtype: np.dtype[Any], item: Any) -> Any:
    """A frozen dataclass as a row of its table; texts are cut to what their column holds."""
    row = np.zeros((), dtype=dtype)
    for name in dtype.names or ():
        value = getattr(item, name)
        row[name] = _cut(str(value), dtype[name].itemsize) if dtype[name].kind == "S" else value
    return row


def _cut(text: str, size: int) -> bytes:
    """UTF-8 in at most so many bytes, and no half character at the end."""
    return text.encode()[:size].decode(errors="ignore").encode()


def fields_of(row: Any) -> dict[str, Any]:
    """A row back to the keyword arguments of its dataclass."""
    out: dict[str, Any] = {}
    for name in row.dtype.names:
        value = row[name]
        out[name] = value.decode(errors="replace") if isinstance(value, bytes) else value.item()
    return out
