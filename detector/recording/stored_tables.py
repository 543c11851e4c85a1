"""The tables of an open recording: what its session was told, decided and was asked, as the types of samples.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass, TrueObject
from detector.errors import RecordingError
from detector.metal_description import MetalDescription
from detector.recording.hdf5 import DAMAGE, rows_of
from detector.recording.rows import fields_of
from detector.recording.soil import soils_of, tracked_of
from detector.recording.tables import TABLES
from detector.samples import (
    Check,
    ClockFit,
    Event,
    FixQuality,
    Gap,
    ParameterReading,
    Position,
    Severity,
    Silence,
    Soil,
    TrackedSoil,
)


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of anything in a recording, afterwards. Nothing is overwritten by it."""

    utc_ns: int
    who: str
    what: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class StoredCoverage:
    """How much of a stream was really tested, as the session said at its end; see detector.pipeline.Coverage."""

    stream: str
    received: int
    missing: int
    untested: int
    surface_lost: int
    segments: int


class StoredTables:
    """What :class:`detector.recording.reader.Recording` holds beside its streams.

    Every method raises RecordingError where the file is damaged, and says where.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._file = file

    def table(self, name: str) -> NDArray[Any]:
        """(n,) rows of a table with its columns; none where the file is older than the table."""
        table = TABLES[name]
        if name not in self._file:
            return np.zeros(0, table.dtype)
        return rows_of(self.path, self._file, name, table.dtype, table.newer)

    def _items(self, name: str, make: Callable[[dict[str, Any]], Any]) -> list[Any]:
        try:
            return [make(fields_of(row)) for row in self.table(name)]
        except DAMAGE as e:
            raise self._damaged(f"table {name!r}", e) from e

    def gaps(self) -> list[Gap]:
        return self._items("gaps", lambda r: Gap(**r))

    def silences(self) -> list[Silence]:
        """Streams given up while others went on, in the order in which it was done."""
        return self._items("silences", lambda r: Silence(**r))

    def soils(self) -> list[Soil]:
        """What was learned of the soil on command, in the order in which it was learned."""
        try:
            return soils_of(self.table("soil"))
        except DAMAGE as e:
            raise self._damaged("table 'soil'", e) from e

    def has(self, name: str) -> bool:
        """Whether the file has that table at all: files of an older version may not."""
        return name in self._file

    def tracked_soils(self) -> list[TrackedSoil]:
        """How the soil's direction turned by itself, in the order in which it did; [] in files before 1.4."""
        try:
            return tracked_of(self.table("tracked_soil"))
        except DAMAGE as e:
            raise self._damaged("table 'tracked_soil'", e) from e

    def events(self) -> list[Event]:
        return self._items("events", lambda r: Event(**{**r, "severity": Severity(r["severity"])}))

    def parameters(self) -> list[ParameterReading]:
        """Parameters over time, oldest first; none in a file older than schema 1.1."""
        flags = ("writable", "persistent")
        return self._items("parameters", lambda r: ParameterReading(**{**r, **{f: bool(r[f]) for f in flags}}))

    def checks(self) -> list[Check]:
        """Calibrations and function checks of the head."""
        return self._items("checks", lambda r: Check(**{**r, "passed": bool(r["passed"])}))

    def coverage(self) -> list[StoredCoverage]:
        """How much of each stream was tested; [] where the session did not get to say it."""
        return self._items("coverage", lambda r: StoredCoverage(**r))

    def corrections(self) -> list[Correction]:
        """What people said afterwards, oldest first."""
        return self._items("corrections", lambda r: Correction(**r))

    def detection_table(self) -> NDArray[Any]:
        """(n,) of DETECTION_DTYPE, as recorded, to the bit."""
        return self.table("detections").astype(DETECTION_DTYPE, copy=False)

    def detections(self) -> list[Detection]:
        try:
            return [Detection.from_row(r) for r in self.detection_table()]
        except DAMAGE as e:
            raise self._damaged("table 'detections'", e) from e

    def metal_descriptions(self) -> dict[int, MetalDescription]:
        """What the metal answers of detections are like, by the detection's number; {} in files before 1.3."""
        try:
            return {int(row["detection_id"]): MetalDescription.from_row(row) for row in self.table("metal")}
        except DAMAGE as e:
            raise self._damaged("table 'metal'", e) from e

    def labels(self) -> list[Label]:
        """All of them, oldest first."""
        return self._items(
            "labels",
            lambda r: Label(**{**r, "label": LabelClass(r["label"]), "ground_truth": bool(r["ground_truth"])}),
        )

    def clock_fits(self) -> list[ClockFit]:
        """How the heads' ticks lay in host time; [] in files that do not say."""
        return self._items("clock", lambda r: ClockFit(**r))

    def truth(self) -> list[TrueObject]:
        return self._items(
            "truth",
            lambda r: TrueObject(
                **{**r, "label": LabelClass(r["label"]), "contains_metal": bool(r["contains_metal"])}
            ),
        )

    def positions(self) -> list[Position]:
        """What a satellite receiver said, in the order in which it came; empty in a recording without one."""
        return self._items("positions", lambda r: Position(**{**r, "quality": FixQuality(r["quality"])}))

    def _damaged(self, what: str, e: Exception) -> RecordingError:
        return RecordingError(
            f"{self.path}: {what} cannot be read ({e}). The file is damaged there; look for another copy, or take what "
            f"is left with 'groundsweep recover {self.path}'."
        )
