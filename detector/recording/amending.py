"""Adding to a finished recording: labels and corrections, each with who, when and why. Nothing is overwritten.

The file is copied, the copy is added to and forced to disk, and then takes the name of the original: whatever happens
meanwhile, one whole file of that name is there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from detector.detections import Label
from detector.errors import RecordingError
from detector.recording.entries import Entry, chained
from detector.recording.journal import hold, sync_folder
from detector.recording.reader import open_recording
from detector.recording.rows import row_of, stored
from detector.recording.stored_tables import Correction
from detector.recording.tables import TABLES


def append_labels(path: Path, labels: Sequence[Label]) -> None:
    """Add labels to a recording and to its chain of digests; what is there stays as it is.

    Raises
    ------
    RecordingError
        if the file is not ours, still being recorded, was cut off, or cannot be written.
    """
    _append(path, "labels", labels)


def append_corrections(path: Path, corrections: Sequence[Correction]) -> None:
    """Add corrections, likewise; also to a file that is older than the table of them."""
    _append(path, "corrections", corrections)


def _append(path: Path, table: str, items: Sequence[Any]) -> None:
    dtype = TABLES[table].dtype
    rows = np.array([row_of(dtype, item) for item in items], dtype)
    with amended(path) as file:
        if table not in file:
            made = file.create_dataset(table, (0,), stored(dtype), maxshape=(None,), chunks=(16,))
            made.attrs["description"] = TABLES[table].text
        dataset = file[table]
        start = dataset.shape[0]
        rows = rows.astype(dataset.dtype)
        dataset.resize(start + len(rows), axis=0)
        dataset[start:] = rows
        if "digests" in file and len(chain := file["digests"]):
            entry = Entry(table, start, len(rows), rows.tobytes())
            digest = chained(bytes.fromhex(chain[-1]["sha256"].decode()), entry)
            add_row(chain, (table.encode(), start, len(rows), digest.hex().encode()))


def add_row(table: Any, row: tuple[Any, ...]) -> None:
    """One row at the end of a compound table of an open HDF5 file."""
    table.resize(table.shape[0] + 1, axis=0)
    table[-1] = np.array(row, table.dtype)


@contextlib.contextmanager
def amended(path: Path) -> Iterator[h5py.File]:
    """A finished recording, open to be added to. Takes effect as a whole at the end, or not at all.

    Raises
    ------
    RecordingError
        if it is not finished, someone else adds to it, or there is no room for a second copy.
    """
    with open_recording(path) as r:
        if not r.closed:
            if r.still_written:
                raise RecordingError(f"{path} is still being recorded. Add to it after the session.")
            raise RecordingError(
                f"{path} was cut off or is still being recorded on another machine. Run 'groundsweep recover {path}' "
                "and add to the file that it makes."
            )
    path = path.resolve()  # a link stays one
    copy = path.with_name(f".{path.name}.adding")
    try:
        with copy.open("ab") as held:
            if not hold(held):
                raise RecordingError(f"Someone else adds to {path} at this moment. Try again.")
            try:
                shutil.copyfile(path, copy)
                shutil.copymode(path, copy)
                with h5py.File(copy, "r+", locking=False) as file:
                    yield file
                os.fsync(held.fileno())
                os.replace(copy, path)
                sync_folder(path.parent)
            finally:
                copy.unlink(missing_ok=True)
    except (OSError, RuntimeError, KeyError, ValueError) as e:
        raise RecordingError(
            f"{path} cannot be added to ({e}); it stays as it was. Check its rights, and that its disk has room for a "
            "second copy."
        ) from e
