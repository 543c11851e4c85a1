"""CSV: detections with their labels, and positions. Empty cells are not known."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from detector.errors import FormatError
from detector.formats.out.creating import creating
from detector.formats.out.described import Described, number, utc_text
from detector.samples import NO_TIME, Position


def write_detection_table(path: Path, detections: Sequence[Described]) -> None:
    """A line a detection, with the label that counts. FormatError if there is none or the file cannot be written."""
    if not detections:
        raise FormatError(f"There is no detection to write to {path}.")
    with creating(path), path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        names = list(detections[0].properties)
        table.writerow([names[0], names[1], "latitude_deg", "longitude_deg", *names[2:]])
        for d in detections:
            cells = ["" if v is None else v for v in d.properties.values()]
            place = ["" if c is None else f"{c:.9f}" for c in (d.latitude_deg, d.longitude_deg)]
            table.writerow([*cells[:2], *place, *cells[2:]])


def write_position_table(path: Path, positions: Sequence[Position]) -> None:
    """A line a fix, as it was received. FormatError if there is none or the file cannot be written."""
    if not positions:
        raise FormatError(f"The recording holds no satellite fix, so there is nothing to write to {path}.")
    with creating(path), path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow([
            "host_time", "utc_ns", "receiver_time", "latitude_deg", "longitude_deg", "altitude_msl_m", "quality",
            "accuracy_m", "accuracy_from", "satellites", "hdop", "correction_age_s", "station",
        ])  # fmt: skip
        for p in positions:
            place = [f"{c:.9f}" if number(c) is not None else "" for c in (p.latitude_deg, p.longitude_deg)]
            figures = [number(v) for v in (p.sigma_m, p.hdop, p.correction_age_s)]
            sigma, hdop, age = ("" if v is None else v for v in figures)
            altitude = number(p.altitude_m)
            table.writerow([
                utc_text(p.utc_ns), p.utc_ns, utc_text(p.receiver_utc_ns) if p.receiver_utc_ns != NO_TIME else "",
                *place, "" if altitude is None else altitude, p.quality.text, sigma, p.sigma_from,
                p.satellites if p.satellites >= 0 else "", hdop, age, p.station,
            ])  # fmt: skip
