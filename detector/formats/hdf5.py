"""HDF5 files of other programs, read without following anything out of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from detector.errors import FormatError
from detector.formats.bounded import MOST_BYTES, size_of

_MOST_EXPANSION: Final = 200
"""Compressed samples expand by less; gzip itself can do 1032, which only a trap needs."""

ERRORS: Final = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, OverflowError, EOFError)
"""What h5py raises on damaged files."""


def open_file(path: Path) -> h5py.File:
    """Raises FormatError if it is no HDF5 file."""
    size_of(path)
    try:
        return h5py.File(path, "r", locking=False)
    except ERRORS as e:
        raise FormatError(f"{path} is not a whole HDF5 file ({e}). Copy it again.") from e


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset of that path; soft and external links on the way to it are refused.

    Raises
    ------
    FormatError
        if it is not there, lies outside the file, or declares more than the file can hold.
    """
    node: Any = file
    for part in name.split("/"):
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        if link is None:
            raise FormatError(f"{file.filename} has no {name!r}. docs/formats.md says what is read of HDF5 files.")
        if not isinstance(link, h5py.HardLink):
            raise FormatError(f"{file.filename}: {name!r} is a link to somewhere else, which is not followed.")
        node = node[part]
    if not isinstance(node, h5py.Dataset):
        raise FormatError(f"{file.filename}: {name!r} is a group, not samples.")
    if node.external or node.is_virtual:
        raise FormatError(f"{file.filename}: the samples of {name!r} lie in other files, which are not followed.")
    if node.dtype.kind not in "iuf" or node.shape is None:
        raise FormatError(f"{file.filename}: {name!r} holds {node.dtype}, not numbers.")
    declared = int(np.prod([int(n) for n in node.shape], dtype=object)) * node.dtype.itemsize
    if declared > min(MOST_BYTES, _MOST_EXPANSION * node.id.get_storage_size()):
        raise FormatError(
            f"{file.filename}: {name!r} declares {declared} bytes of samples and stores {node.id.get_storage_size()}. "
            "The file is damaged, or was cut off while it was written; copy it again."
        )
    return node


def numbers(file: h5py.File, name: str) -> NDArray[Any]:
    """All samples of a dataset; see :func:`dataset`."""
    values: NDArray[Any] = dataset(file, name)[()]
    return values
