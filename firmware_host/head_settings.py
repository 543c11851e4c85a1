"""What the heads' settings stand at, and whether one of them was changed: references hold for one set of settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from detector.samples import ParameterReading
from firmware_host.errors import HeadError
from firmware_host.head import Head


class HeadSettings:
    """Values of every parameter that can be set, by head.

    Parameters
    ----------
    tables : serial number to name to value; {} = not asked
    """

    def __init__(self, tables: dict[str, dict[str, float]] | None = None) -> None:
        self._tables = {serial: dict(table) for serial, table in (tables or {}).items()}
        self._asked = bool(tables)

    @property
    def hash(self) -> str:
        """Of all values; '' where they were not asked."""
        if not self._asked:
            return ""
        return hashlib.sha256(json.dumps([sorted(t.items()) for t in self._tables.values()]).encode()).hexdigest()

    def change(self, reading: ParameterReading) -> str:
        """Take a reading; what changed by it, for a person, or ''."""
        if not reading.writable:
            return ""
        table = self._tables.setdefault(reading.head, {})
        before = table.get(reading.name, reading.value)
        table[reading.name] = reading.value
        if before == reading.value:
            return ""
        unit = f" {reading.unit}" if reading.unit else ""
        return f"{reading.name} of head {reading.head} changed from {before:g} to {reading.value:g}{unit}"


def ask_settings(heads: Sequence[Head]) -> HeadSettings:
    """Of heads that are open; not asked if one of them has no table."""
    try:
        return HeadSettings(
            {head.device.serial: {p.name: p.value for p in head.parameters() if p.writable} for head in heads}
        )
    except HeadError:
        return HeadSettings()
