"""Which reader a file gets: by its suffix, else by its first bytes, else by a plug-in.

Another package adds a reader with an entry point of the group ``groundsweep.formats`` that names a
:class:`Format`; ours go first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import h5py

from detector.errors import FormatError, SampleError
from detector.formats import segy
from detector.formats.arrays import read_csv, read_npy, read_npz
from detector.formats.dzt import TAGS, read_dzt
from detector.formats.foreign import ForeignRecording, labelled_empty
from detector.formats.gprmax_lane import read_gprmax_lane
from detector.formats.gprmax_out import read_gprmax_out, series
from detector.formats.hratc import read_hratc
from detector.formats.lane_truth import NOTHING_THERE
from detector.formats.mala import read_mala
from detector.formats.placing import with_places_told
from detector.formats.segy import read_segy
from detector.formats.sensors_software import read_dt1

ENTRY_POINTS: Final = "groundsweep.formats"
_HEAD_BYTES: Final = 4096


def _never(head: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file of another program."""

    name: str
    """As people call it."""
    suffixes: tuple[str, ...]
    """In lower case, with the dot."""
    read: Callable[[Path], ForeignRecording]
    """Raises FormatError or SampleError on damage, and takes no memory beyond a small multiple of the file's size."""
    recognises: Callable[[bytes], bool] = _never
    """Whether a file of an unknown suffix is of this kind, from its first 4096 bytes (fewer if it is shorter)."""
    in_parts: bool = False
    """Whether one recording is several files of one name, with these suffixes."""


def _read_hdf5(path: Path) -> ForeignRecording:
    """gprMax output by any name, or a simulated lane."""
    try:
        with h5py.File(path, "r", locking=False) as f:
            is_output = "gprMax" in f.attrs and "nrx" in f.attrs
    except (OSError, RuntimeError, KeyError, ValueError):
        is_output = False
    return read_gprmax_out(path) if is_output else read_gprmax_lane(path)


def _is_segy(head: bytes) -> bool:
    card = head[:1] in (b"C", b"\xc3")
    return card and len(head) >= 3600 and int.from_bytes(head[3224:3226], "big") in segy.FORMATS


FORMATS: Final = (
    Format("GSSI DZT", (".dzt",), read_dzt,
           lambda head: len(head) >= 1024 and int.from_bytes(head[:2], "little") in TAGS),
    Format("Sensors & Software DT1", (".dt1", ".hd"), read_dt1, in_parts=True),
    Format("MALA RD3/RD7", (".rd3", ".rd7", ".rad"), read_mala, in_parts=True),
    Format("SEG-Y", (".sgy", ".segy", ".seg"), read_segy, _is_segy),
    Format("gprMax output", (".out",), read_gprmax_out),
    Format("simulated lane or gprMax output", (".h5", ".hdf5"), _read_hdf5,
           lambda head: head.startswith(b"\x89HDF\r\n\x1a\n")),
    Format("numpy array", (".npy",), read_npy, lambda head: head.startswith(b"\x93NUMPY")),
    Format("numpy arrays", (".npz",), read_npz, lambda head: head.startswith(b"PK\x03\x04")),
    Format("table", (".csv", ".tsv", ".txt"), read_csv),
)  # fmt: skip


def format_of(path: Path) -> Format:
    """The reader for a file. FormatError if there is none, naming those that there are."""
    suffix = path.suffix.lower()
    for known in FORMATS:
        if suffix in known.suffixes:
            return known
    plugged = _plugged()
    for known in plugged:
        if suffix in known.suffixes:
            return known
    with path.open("rb") as f:
        head = f.read(_HEAD_BYTES)
    for known in (*FORMATS, *plugged):
        if known.recognises(head):
            return known
    kinds = "; ".join(f"{f.name}: {', '.join(f.suffixes)}" for f in (*FORMATS, *plugged))
    raise FormatError(f"{path} is of no kind that can be read here ({kinds}; or a folder of HRATC grids).")


def _plugged() -> list[Format]:
    """Readers of other packages. FormatError names one that cannot be loaded."""
    out = []
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
        except Exception as e:
            raise FormatError(
                f"The reader {point.name!r} of {point.value!r} cannot be loaded ({type(e).__name__}: {e}). Update or "
                "remove the package that brings it."
            ) from e
        if not isinstance(loaded, Format):
            raise FormatError(f"{point.value!r} is not a detector.formats.registry.Format. Update its package.")
        out.append(loaded)
    return out


def same_recording(path: Path) -> Path:
    """A name that is equal for all files that are read as one: DT1 with its HD, the parts of a gprMax series."""
    whole = path.resolve()
    for known in FORMATS:
        if whole.suffix.lower() in known.suffixes:
            if known.in_parts:
                return whole.with_suffix(known.suffixes[0])
            if known.read is read_gprmax_out:
                return series(whole)[0][1]
    return whole


def read_foreign(path: Path) -> ForeignRecording:
    """Read a file, or a folder of metal-detector grids, of another program.

    What is odd about its places stands in the note.

    Raises
    ------
    FormatError
        if there is no such file, no reader for it, or it is damaged.
    """
    if not path.exists():
        raise FormatError(f"There is no file {path}. Check the name.")
    try:
        if path.is_dir():
            return read_hratc(path)
        read = with_places_told(format_of(path).read(path))
        if not read.objects and NOTHING_THERE not in read.note and labelled_empty(path):
            return replace(read, note=f"{read.note} {NOTHING_THERE}")
        return read
    except SampleError as e:
        raise FormatError(f"{path} describes samples that cannot be: {e}. Check that it is whole.") from e
    except OSError as e:
        raise FormatError(f"{path} cannot be read ({e}). Check its rights and its disk.") from e
