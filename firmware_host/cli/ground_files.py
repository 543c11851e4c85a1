"""A recording's lanes for other programs: covered ground and gaps as GeoJSON, or gaps alone as a table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from detector.errors import FormatError
from detector.formats.out.creating import creating
from detector.kept_ground import KeptGround
from detector.lane_geojson import ground_features


def write_ground_geojson(path: Path, kept: list[KeptGround]) -> int:
    """Features of every lane with a place on Earth: lane, covered ground, gaps. Returns how many lanes have none.

    Raises
    ------
    FormatError
        if there is no lane, or the file cannot be written.
    LaneError
        if no lane has a place on Earth, or shapely is not installed.
    """
    _refuse_none(path, kept)
    placed = [k for k in kept if k.lane is not None and k.lane.anchor is not None]
    features = []
    for k in placed or [k for k in kept if k.lane is not None][:1]:  # one without a place says why not
        assert k.lane is not None
        for feature in ground_features(k.lane, k.ground):
            feature["properties"]["lane"] = k.number
            features.append(feature)
    if not features:
        raise FormatError(
            "The recording holds a track along an odometer, and no lane with a place on Earth. Export a table (.csv)."
        )
    text = json.dumps({"type": "FeatureCollection", "features": features}, allow_nan=False, indent=1)
    with creating(path):
        path.write_text(text, "utf-8")
    return len(kept) - len(placed)


def write_gap_table(path: Path, kept: list[KeptGround]) -> int:
    """A line a gap. Raises FormatError if there is no lane, or the file cannot be written. Returns 0."""
    _refuse_none(path, kept)
    with creating(path), path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow([
            "lane", "gap", "along_from_m", "along_to_m", "across_from_m", "across_to_m", "area_m2", "why",
            "latitude_deg", "longitude_deg",
        ])  # fmt: skip
        for k in kept:
            for n, h in enumerate(k.ground.holes(), 1):
                place = ["", ""]
                if k.lane is not None and k.lane.anchor is not None:
                    latitude, longitude = k.lane.place_of(*h.place_m)
                    place = [f"{latitude:.9f}", f"{longitude:.9f}"]
                spans = (k.origin_m + h.x_m[0], k.origin_m + h.x_m[1], *h.y_m)
                table.writerow([k.number, n, *(f"{v:.3f}" for v in spans), f"{h.area_m2:.4f}", h.why, *place])
    return 0


def _refuse_none(path: Path, kept: list[KeptGround]) -> None:
    if not kept:
        raise FormatError(
            f"The recording holds no lane and no track, so there is nothing to write to {path}. A lane is given with "
            "'groundsweep live --lane'."
        )
