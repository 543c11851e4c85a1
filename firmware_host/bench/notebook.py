"""The bench notebook: every report that was kept, one JSON object a line. Lines are only ever added."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from detector.errors import BenchError
from firmware_host.bench.report import FORMAT, Report


class Notebook:
    """A file of reports. Each line holds the SHA-256 of the line before it, so that a change or a loss shows."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, report: Report) -> int:
        """Keep a report on the disk; its number, counted from 1.

        Raises
        ------
        BenchError
            if the file cannot be written, or what is in it was changed.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as f:
                fcntl.flock(f, fcntl.LOCK_EX)  # two benches may share a notebook
                f.seek(0)
                lines = f.read().splitlines()
                self._read(lines)
                number = len(lines) + 1
                entry = {
                    "entry": number, "kept_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "previous": _digest(lines[-1]) if lines else "", **report.to_json(),
                }  # fmt: skip
                f.write(json.dumps(entry, allow_nan=False).encode() + b"\n")
                f.flush()
                os.fsync(f.fileno())
        except OSError as e:
            raise BenchError(f"The notebook {self.path} cannot be written ({e}). Choose another place.") from e
        return number

    def entries(self) -> list[dict[str, Any]]:
        """Every report, oldest first.

        Raises
        ------
        BenchError
            if there is no such notebook, or a line was changed, cut or taken out.
        """
        try:
            return self._read(self.path.read_bytes().splitlines())
        except OSError as e:
            raise BenchError(f"The notebook {self.path} cannot be read ({e}). Check its name.") from e

    def _read(self, lines: list[bytes]) -> list[dict[str, Any]]:
        out = []
        before = b""
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                sound = entry["entry"] == number and entry["previous"] == (_digest(before) if before else "")
            except (ValueError, KeyError, TypeError):
                sound = False
            if not sound:
                raise BenchError(
                    f"Line {number} of the notebook {self.path} is damaged, or a line before it was changed or taken "
                    "out. Look for a copy; nothing is added to a notebook that does not hold together."
                )
            out.append(entry)
            before = line
        return out


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def load_report(text: str) -> dict[str, Any]:
    """A report by its JSON file, or by NOTEBOOK#ENTRY.

    Raises
    ------
    BenchError
        if there is none.
    """
    path, hash_, number = text.rpartition("#")
    if hash_:
        entries = Notebook(Path(path)).entries()
        if not number.isdigit() or not 1 <= int(number) <= len(entries):
            raise BenchError(f"{path} has entries 1 to {len(entries)}, not {number!r}.")
        return entries[int(number) - 1]
    try:
        report: dict[str, Any] = json.loads(Path(text).read_text())
        if report["format"] != FORMAT:
            raise ValueError(f"its format is {report['format']!r}, not {FORMAT!r}")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise BenchError(f"{text} is not a bench report ({e}). Give a report's JSON, or NOTEBOOK#ENTRY.") from e
    return report
