"""What a bench session came to, on disk: JSON for programs, one HTML file for people and printers."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from detector import __version__
from detector.bench.page import page
from detector.bench.registry import MEASUREMENTS, compute
from detector.bench.result import Result
from detector.bench.steps import Entry, entry_of
from detector.errors import BenchError, PlotError
from detector.formats.readable import Readable
from detector.plotting.bench import chart_svg
from detector.recording.reader import Recording

FORMAT: Final = "groundsweep bench 1"


@dataclass(frozen=True, slots=True)
class Report:
    """Results with everything that explains them."""

    results: tuple[Result, ...]
    model: str
    serial: str
    firmware: str
    settings_hash: str
    """Of every parameter of the head that can be set; '' if they were not recorded."""
    taken_utc_ns: int
    who: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    simulated: bool = False

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "format": FORMAT, "software": f"groundsweep {__version__}", "model": self.model, "serial": self.serial,
            "firmware": self.firmware, "settings_hash": self.settings_hash, "taken_utc": _utc(self.taken_utc_ns),
            "who": self.who, "conditions": dict(self.conditions), "files": list(self.files),
            "simulated": self.simulated, "results": [r.to_json() for r in self.results],
        }  # fmt: skip

    def to_html(self) -> str:
        """For people."""
        rows = [
            ("head", self.model), ("serial number", self.serial), ("firmware", self.firmware or "not stated"),
            ("settings of the head, SHA-256", self.settings_hash or "not recorded"), ("taken", _utc(self.taken_utc_ns)),
            ("by", self.who or "not stated"),
            ("conditions", ", ".join(f"{k} {v}" for k, v in self.conditions.items()) or "not stated"),
            ("recordings", ", ".join(self.files)), ("software", f"groundsweep {__version__}"),
        ]  # fmt: skip
        if self.simulated:
            rows.insert(0, ("SIMULATED", "these are figures about a simulation, not about a head"))
        pictures: dict[int, str] = {}
        for k, r in enumerate(self.results):
            if r.chart is not None:
                try:
                    pictures[k] = chart_svg(r.chart)
                except PlotError as e:
                    pictures[k] = str(e)
        return page(f"Bench report: {self.model} {self.serial}", rows, self.results, pictures)

    def write(self, html: Path) -> None:
        """The HTML file, and the JSON file beside it.

        Raises
        ------
        BenchError
            if they cannot be written.
        """
        try:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(self.to_html())
            html.with_suffix(".json").write_text(json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n")
        except OSError as e:
            raise BenchError(f"The report {html} cannot be written ({e}). Choose another folder.") from e


def _utc(ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ns / 1e9))


def settings_hash(recording: Readable) -> str:
    """Of the writable parameters as the recording ends; '' if it holds none.

    The same as a session's own: SHA-256 of the sorted names and values as JSON.
    """
    if not isinstance(recording, Recording):
        return ""
    newest = {p.name: p.value for p in recording.parameters() if p.writable}
    return hashlib.sha256(json.dumps([sorted(newest.items())]).encode()).hexdigest() if newest else ""


def measurements_in(recording: Readable) -> list[str]:
    """Names of the measurements whose steps a recording holds, in the order in which they were taken."""
    found = [e.measurement for e in map(entry_of, recording.events()) if e is not None]
    return [name for name in dict.fromkeys(found) if name in MEASUREMENTS]


def report_of(
    recording: Readable,
    file: Path,
    wanted: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    stream: str = "",
    channel: int = 0,
    who: str = "",
    conditions: Mapping[str, str] | None = None,
    entries: Sequence[Entry] = (),
) -> Report:
    """Measurements computed from a recording.

    Parameters
    ----------
    wanted : names of measurements
    settings : changes by the name of the measurement
    entries : steps told from outside
    """
    results = []
    for name in wanted:
        m = MEASUREMENTS[name]
        results.append(compute(recording, m, m.with_settings(settings.get(name, {})), stream, channel, entries))
    d = recording.device
    filled = [s.name for s in d.streams if recording.n_records(s.name)]
    taken = min((int(recording.block(s, 0, 1).utc_ns[0]) for s in filled), default=0)
    simulated = "simulated" in f"{d.firmware} {d.model} {recording.note}".lower() or "virtual" in d.model.lower()
    return Report(
        tuple(results), d.model, d.serial, d.firmware, settings_hash(recording), taken, who, dict(conditions or {}),
        (file.name,), simulated,
    )  # fmt: skip


def joined(reports: Sequence[Report]) -> Report:
    """Several recordings of one head as one report.

    Raises
    ------
    BenchError
        if they are of several heads, firmwares or settings: such figures belong side by side, not into one report.
    """
    first = reports[0]
    for r in reports[1:]:
        for what, a, b in (
            ("serial number", first.serial, r.serial),
            ("firmware", first.firmware, r.firmware),
            ("settings", first.settings_hash, r.settings_hash),
        ):
            if a != b:
                raise BenchError(
                    f"{first.files[0]} and {r.files[0]} differ in the head's {what} ({a or 'not stated'}, "
                    f"{b or 'not stated'}). A report is of one head as it was; 'groundsweep bench compare' is for two."
                )
    files = tuple(f for r in reports for f in r.files)
    results = tuple(x for r in reports for x in r.results)
    return Report(
        results, first.model, first.serial, first.firmware, first.settings_hash, first.taken_utc_ns, first.who,
        first.conditions, files, first.simulated,
    )  # fmt: skip
