"""A lane as the operator's page sends it: a GeoJSON file's text, or what was typed."""

from __future__ import annotations

import json

from detector.errors import LaneError
from detector.lane import Lane, typed_lane
from detector.lane_geojson import lane_of_geojson


def lane_of_order(text: str) -> Lane:
    """From JSON: {"geojson": text, "name": file's name} or {"size": "20x1.2", "start": "", "heading": ""}.

    Raises
    ------
    LaneError
        as the two readers do, or if it is neither.
    """
    try:
        wanted = json.loads(text)
        if "geojson" in wanted:
            return lane_of_geojson(str(wanted["geojson"]), str(wanted.get("name", "")))
        size, start, heading = (str(wanted.get(key, "")) for key in ("size", "start", "heading"))
    except (ValueError, TypeError, AttributeError):
        raise LaneError("That is no lane. Choose a GeoJSON file, or type length and width.") from None
    return typed_lane(size, start, heading)
