"""What a person says of the lane on the command line, turned into a plan; and what is kept of footprints by head."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detector.errors import LaneError
from detector.lane import Lane, typed_lane
from detector.lane_geojson import lane_of_geojson
from detector.samples import DeviceDescription
from firmware_host.console.plan import Plan
from firmware_host.references import Reference, References

FOOTPRINT: Final = "footprint"
"""Name of the reference that holds the radius of each stream's footprint, m."""


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """As typed."""

    lane: str = ""
    start: str = ""
    heading: str = ""
    footprints: Sequence[str] = ()
    overlap: bool = False
    reckon_m_per_s: float = 0.0
    count_reckoned: bool = False


def read_lane(options: LaneOptions) -> Lane | None:
    """From a GeoJSON file or from what was typed; None = no lane was given.

    Raises
    ------
    LaneError
        if it cannot be a lane.
    """
    if not options.lane:
        if options.start or options.heading or options.reckon_m_per_s:
            raise LaneError("A start, a heading and dead reckoning need a lane, such as --lane 20x1.2.")
        return None
    path = Path(options.lane)
    if path.suffix.lower() in (".geojson", ".json"):
        if options.start or options.heading:
            raise LaneError("A GeoJSON file says itself where the lane lies. Leave start and heading out.")
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise LaneError(f"The lane file {path} cannot be read ({e}).") from e
        return lane_of_geojson(text, path.stem)
    return typed_lane(options.lane, options.start, options.heading)


def plan_of(
    options: LaneOptions,
    lane: Lane | None,
    device: DeviceDescription,
    references: References,
    who: str,
    satellites: bool,
    nominal_m_per_s: float,
) -> Plan:
    """The plan for this head. Footprints that were typed are kept with its references for the next time.

    Raises
    ------
    LaneError
        if a footprint names no stream of the head or has no sensible width.
    ReferenceFileError
        if the head's reference file is damaged or cannot be written.
    """
    if satellites and options.reckon_m_per_s:
        raise LaneError("Choose satellites or dead reckoning: what is measured is not mixed with what is not.")
    radii = _footprints(options.footprints, device)
    stored = references.find(device.serial, FOOTPRINT)
    known = {} if stored is None else {n: v[0] for n, v in stored.values.items()}
    if radii:
        known |= radii
        values = {name: [radius] for name, radius in known.items()}
        references.add(device.serial, Reference(FOOTPRINT, who, time.time_ns(), device.firmware, "", values))
    known = {s.name: known[s.name] for s in device.streams if s.name in known}
    return Plan(
        lane, known, 2 if options.overlap else 1, satellites, options.reckon_m_per_s, options.count_reckoned,
        nominal_m_per_s,
    )  # fmt: skip


def _footprints(typed: Sequence[str], device: DeviceDescription) -> dict[str, float]:
    """'25' or 'metal=25', widths in cm, to radii in m by stream."""
    names = [s.name for s in device.streams]
    low, high = 2.0, 400.0
    out: dict[str, float] = {}
    for text in typed:
        name, _, width = text.rpartition("=")
        try:
            cm = float(width.strip().removesuffix("cm"))
        except ValueError:
            cm = float("nan")
        if not low <= cm <= high or (name and name not in names):
            raise LaneError(
                f"A footprint is the width in cm that a sensor surely sees, {low:g} to {high:g}, as 20 or "
                f"{names[0]}=25 with one of {', '.join(names)}; not {text!r}."
            )
        out |= dict.fromkeys([name] if name else names, cm / 200.0)
    return out
