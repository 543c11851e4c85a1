"""Which reader a file gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from detector.errors import FormatError
from detector.formats.dzt import read_dzt
from detector.formats.foreign import ForeignRecording
from detector.formats.gprmax_lane import read_gprmax_lane
from detector.formats.hratc import read_hratc
from detector.formats.mala import read_mala

READERS: Final[dict[str, Callable[[Path], ForeignRecording]]] = {
    ".dzt": read_dzt,
    ".rd3": read_mala,
    ".rad": read_mala,
    ".h5": read_gprmax_lane,
}


def read_foreign(path: Path) -> ForeignRecording:
    """Read a file, or a folder of metal-detector grids, of another program.

    Raises
    ------
    FormatError
        if there is no such file, no reader for it, or it is damaged.
    """
    if not path.exists():
        raise FormatError(f"There is no file {path}. Check the name.")
    if path.is_dir():
        return read_hratc(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(READERS))
        raise FormatError(f"{path} is of no kind that can be read here ({known}, or a folder of HRATC grids).")
    return reader(path)
