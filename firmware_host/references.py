"""What each head measured when it was known to be well, kept by its serial number.

Limits that hold for one unit say little of another, so a head is only ever compared with itself.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from firmware_host.errors import ReferenceFileError


@dataclass(frozen=True, slots=True)
class Reference:
    """One measurement of one head, in physical units of its streams."""

    step: str
    """'noise' or 'function'."""
    who: str
    utc_ns: int
    firmware: str
    settings: str
    """Hash of the head's parameters; '' if they were not asked."""
    values: dict[str, list[float]]
    """Stream name to one figure per channel and value (noise: 1 sigma; function test: largest deviation)."""


class References:
    """A folder with one small JSON file per head. Files append: the newest entry of a step counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, serial: str, step: str) -> Reference | None:
        """The newest reference of that head for that step; None if there is none.

        Raises
        ------
        ReferenceFileError
            if its file is damaged.
        """
        entries = [e for e in self._load(serial) if e.step == step]
        return entries[-1] if entries else None

    def add(self, serial: str, reference: Reference) -> None:
        """Store one more; what was stored before stays in the file."""
        path = self._path(serial)
        entries = [*self._load(serial), reference]
        data = {"serial": serial, "references": [asdict(e) for e in entries]}
        scratch = path.with_suffix(".tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(data, indent=1) + "\n")
            scratch.replace(path)
        except OSError as e:
            raise ReferenceFileError(f"The reference of head {serial} cannot be kept in {path} ({e}).") from e

    def _path(self, serial: str) -> Path:
        # a serial number is whatever a head says: it must not lead out of the folder, nor to another head's file
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else f"%{ord(c):x}" for c in serial)
        return self._folder / f"{name or '%'}.json"

    def _load(self, serial: str) -> list[Reference]:
        path = self._path(serial)
        if not path.exists():
            return []
        try:
            data = json.loads(path.read_text())
            if data["serial"] != serial:
                raise ValueError(f"it belongs to head {data['serial']}")
            return [Reference(**e) for e in data["references"]]
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise ReferenceFileError(
                f"The reference file {path} of head {serial} cannot be used ({e}). Move it away and store new ones."
            ) from e


def default_folder() -> Path:
    """Where references are kept: $GROUNDSWEEP_DATA, else the user's data folder (XDG base directories)."""
    if told := os.environ.get("GROUNDSWEEP_DATA"):
        return Path(told) / "references"
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "groundsweep" / "references"
