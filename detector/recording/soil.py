"""Ground, learned or tracked, as rows of its table and back: a row a coil, or several where a coil has many values."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.recording.rows import fields_of
from detector.recording.tables import SOIL_VALUES, TABLES
from detector.samples import Soil, TrackedSoil

_WHOLE = ("utc_ns", "stream_id", "first_seq", "last_seq", "n_records", "from_seq")
_PER_COIL = ("snr", "share", "residual", "exponent", "swing")
_TRACKED_WHOLE = ("utc_ns", "stream_id", "since_seq", "from_seq")
_TRACKED_PER_COIL = ("tangent", "snr", "n_records")


def soil_rows(soil: Soil) -> list[Any]:
    """Rows of the table `soil`."""
    rows = _rows(soil, TABLES["soil"].dtype, _WHOLE, _PER_COIL)
    for row in rows:
        row["who"] = soil.who.encode()[:64].decode(errors="ignore").encode()
    return rows


def tracked_rows(soil: TrackedSoil) -> list[Any]:
    """Rows of the table `tracked_soil`."""
    return _rows(soil, TABLES["tracked_soil"].dtype, _TRACKED_WHOLE, _TRACKED_PER_COIL)


def soils_of(rows: NDArray[Any]) -> list[Soil]:
    """The inverse of `soil_rows`, over a whole table; in the order in which they were learned."""
    return [Soil(**fields_of(parts[0][[*_WHOLE, "who"]]), **_coils(parts, _PER_COIL)) for parts in _items(rows, _WHOLE)]


def tracked_of(rows: NDArray[Any]) -> list[TrackedSoil]:
    """The inverse of `tracked_rows`, over a whole table; in the order in which they were tracked."""
    return [
        TrackedSoil(**fields_of(parts[0][[*_TRACKED_WHOLE]]), **_coils(parts, _TRACKED_PER_COIL))
        for parts in _items(rows, _TRACKED_WHOLE)
    ]


def _rows(
    soil: Soil | TrackedSoil, dtype: np.dtype[Any], whole: tuple[str, ...], per_coil: tuple[str, ...]
) -> list[Any]:
    rows = []
    for coil, direction in enumerate(soil.direction):
        for first in range(0, len(direction), SOIL_VALUES):
            part = direction[first : first + SOIL_VALUES]
            row = np.zeros((), dtype)
            for name in whole:
                row[name] = getattr(soil, name)
            for name in per_coil:
                row[name] = getattr(soil, name)[coil]
            row["coil"], row["first_value"], row["n_values"] = coil, first, len(part)
            row["direction"] = [*part, *[np.nan] * (SOIL_VALUES - len(part))]
            rows.append(row)
    return rows


def _items(rows: NDArray[Any], whole: tuple[str, ...]) -> list[list[Any]]:
    """Rows that belong together."""
    found: dict[tuple[int, ...], list[Any]] = defaultdict(list)
    for row in rows:
        found[tuple(int(row[name]) for name in whole)].append(row)
    return list(found.values())


def _coils(parts: list[Any], per_coil: tuple[str, ...]) -> dict[str, Any]:
    """What is told coil by coil."""
    coils = sorted({int(p["coil"]) for p in parts})
    of = {c: sorted((p for p in parts if p["coil"] == c), key=lambda p: int(p["first_value"])) for c in coils}
    direction = tuple(tuple(float(v) for p in of[c] for v in p["direction"][: int(p["n_values"])]) for c in coils)
    return {"direction": direction, **{name: tuple(of[c][0][name].item() for c in coils) for name in per_coil}}
