"""Reading no more than a file can hold: sizes that a header declares are checked against the file first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import FormatError

MOST_BYTES: Final = 4 << 30
"""Files of other programs are read whole, so larger ones are refused: 4 GiB is weeks of a radar's A-scans."""

_MOST_TEXT: Final = 64 << 20
"""Headers, lists of fixes and descriptions are text; a day of NMEA at 10 Hz is under 64 MiB."""


_CUT: Final = "it may have been cut off"
_FEWER: Final = re.compile(r" says \d+ traces, \d+ are here\.")


def size_of(path: Path, most: int = MOST_BYTES) -> int:
    """Bytes of a regular file.

    Raises
    ------
    FormatError
        if it is no regular file (a device would be read for ever) or longer than `most`.
    """
    if not path.is_file():
        raise FormatError(f"{path} is not a file. Check the name.")
    size = path.stat().st_size
    if size > most:
        raise FormatError(f"{path} has {size >> 20} MiB; at most {most >> 20} MiB are read at once. Cut it into parts.")
    return size


def read_bytes(path: Path) -> bytes:
    """A whole file; see :func:`size_of`."""
    size_of(path)
    return path.read_bytes()


def read_text(path: Path) -> str:
    """A whole text file, without the mark that spreadsheets begin it with.

    Bytes that are no UTF-8 become replacement characters. See :func:`size_of`.
    """
    size_of(path, _MOST_TEXT)
    return path.read_bytes().decode("utf-8-sig", "replace")


def records_in(path: Path, data: bytes, start: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(n,) of dtype from byte `start` on, as many as the file holds whole.

    Raises
    ------
    FormatError
        if it does not hold one.
    """
    n = (len(data) - start) // dtype.itemsize
    if n < 1:
        raise FormatError(
            f"{path} ends before its first trace: {len(data)} bytes, data from byte {start}, {dtype.itemsize} bytes a "
            "trace. Copy it again."
        )
    return np.frombuffer(data, dtype, n, start)


def cut_off(data: bytes, start: int, dtype: np.dtype[Any]) -> str:
    """For a note: that a file ends in the middle of a trace; '' if it does not."""
    rest = (len(data) - start) % dtype.itemsize
    return f" Its last {rest} bytes are no whole trace: {_CUT}." if rest else ""


def fewer(header: Path, stated: int, n: int) -> str:
    """For a note: that a header says another number of traces than there are; '' if it does not."""
    return f" {header.name} says {stated} traces, {n} are here." if stated != n else ""


def not_whole(note: str) -> bool:
    """Whether a note says what :func:`cut_off` or :func:`fewer` does; an imported recording keeps its file's note."""
    return _CUT in note or _FEWER.search(note) is not None


def twin(path: Path, *suffixes: str) -> Path | None:
    """The file beside `path` with the same stem and one of these suffixes, in any case; None if there is none."""
    for suffix in suffixes:
        for candidate in (path.with_suffix(suffix), path.with_suffix(suffix.upper()), path.with_suffix(suffix.lower())):
            if candidate.is_file():
                return candidate
    try:
        beside = {p.suffix.lower(): p for p in path.parent.iterdir() if p.stem == path.stem and p.is_file()}
    except OSError:
        return None
    return next((beside[s.lower()] for s in suffixes if s.lower() in beside), None)
