"""Learned ground as rows of its table and back: a row a coil, or several where a coil has many values."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.recording.schema import SOIL_DTYPE, SOIL_VALUES, fields_of
from detector.samples import Soil

_WHOLE = ("utc_ns", "stream_id", "first_seq", "last_seq", "n_records", "from_seq")
_PER_COIL = ("snr", "share", "residual", "exponent", "swing")


def soil_rows(soil: Soil) -> list[Any]:
    """Rows of SOIL_DTYPE."""
    rows = []
    for coil, direction in enumerate(soil.direction):
        for first in range(0, len(direction), SOIL_VALUES):
            part = direction[first : first + SOIL_VALUES]
            row = np.zeros((), SOIL_DTYPE)
            for name in _WHOLE:
                row[name] = getattr(soil, name)
            for name in _PER_COIL:
                row[name] = getattr(soil, name)[coil]
            row["who"] = soil.who.encode()[:64].decode(errors="ignore").encode()
            row["coil"], row["first_value"], row["n_values"] = coil, first, len(part)
            row["direction"] = [*part, *[np.nan] * (SOIL_VALUES - len(part))]
            rows.append(row)
    return rows


def soils_of(rows: NDArray[Any]) -> list[Soil]:
    """The inverse of `soil_rows`, over a whole table; in the order in which they were learned."""
    found: dict[tuple[int, ...], list[Any]] = defaultdict(list)
    for row in rows:
        found[tuple(int(row[name]) for name in _WHOLE)].append(row)
    return [_soil(parts) for parts in found.values()]


def _soil(parts: list[Any]) -> Soil:
    first = fields_of(parts[0][[*_WHOLE, "who"]])
    coils = sorted({int(p["coil"]) for p in parts})
    of = {c: sorted((p for p in parts if p["coil"] == c), key=lambda p: int(p["first_value"])) for c in coils}
    direction = tuple(tuple(float(v) for p in of[c] for v in p["direction"][: int(p["n_values"])]) for c in coils)
    per_coil: dict[str, Any] = {name: tuple(float(of[c][0][name]) for c in coils) for name in _PER_COIL}
    return Soil(**first, direction=direction, **per_coil)
