"""Lanes out of GeoJSON, and covered ground and gaps into it (RFC 7946: WGS-84, decimal degrees, longitude first)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from detector.errors import LaneError
from detector.ground_map import Bool, Ground, GroundMap
from detector.lane import F8, MOST_EXTENT_M, Anchor, Lane
from detector.positions import east_north_m

MOST_BYTES: Final = 100_000
_MOST_CORNERS: Final = 2000
_LEAST_M2: Final = 0.1
_LEAST_SIDE_M: Final = 0.01
"""Corners nearer than this are the same one twice."""


def lane_of_geojson(text: str, name: str = "") -> Lane:
    """The one polygon in a GeoJSON text, or a line with a property `width_m`, checked.

    The lane's x axis runs along its longest side.

    Raises
    ------
    LaneError
        if it is no GeoJSON, has no or several polygons, is not in WGS-84 degrees, or the polygon has fewer than three
        corners, a corner twice, a side that crosses another, a side longer than 500 m, or next to no area; or if
        shapely is not installed.
    """
    if len(text) > MOST_BYTES:
        raise LaneError(f"A lane is a few corners; this GeoJSON has {len(text)} bytes, {MOST_BYTES} are taken at most.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise LaneError(f"This is no GeoJSON ({e}). Export the lane's polygon as GeoJSON, WGS-84.") from None
    _refuse_other_crs(data)
    shapes = list(_shapes(data))
    if len(shapes) != 1:
        raise LaneError(
            f"A lane is one polygon, or one line with a property width_m; there are {len(shapes)} in this file. "
            "Export one at a time."
        )
    kind, coordinates, properties = shapes[0]
    said = str(properties.get("name") or name)[:64]
    if kind == "LineString":
        return _of_line(coordinates, properties, said)
    rings = [_corners(ring, closed=True) for ring in _listed(coordinates)]
    if not rings:
        raise LaneError("The polygon has no ring. Draw it anew.")
    middle = 0.5 * (rings[0].min(axis=0) + rings[0].max(axis=0))
    return _checked([_plane(ring, middle) for ring in rings], middle, said)


def _refuse_other_crs(data: Any) -> None:
    crs = json.dumps(data.get("crs")) if isinstance(data, dict) else "null"
    if crs != "null" and not any(known in crs for known in ("CRS84", "4326")):
        raise LaneError(f"GeoJSON is in WGS-84 degrees (RFC 7946); this file says {crs[:80]}. Export it as EPSG:4326.")


def _shapes(data: Any) -> Iterable[tuple[str, Any, dict[str, Any]]]:
    """Polygons and lines with the properties of their features, whatever they are wrapped in."""
    match data:
        case {"type": "FeatureCollection", "features": list(features)}:
            for feature in features:
                yield from _shapes(feature)
        case {"type": "Feature", "geometry": dict(geometry)}:
            properties = data.get("properties")
            for kind, coordinates, _ in _shapes(geometry):
                yield kind, coordinates, properties if isinstance(properties, dict) else {}
        case {"type": "MultiPolygon", "coordinates": list(polygons)}:
            for polygon in polygons:
                yield "Polygon", polygon, {}
        case {"type": "GeometryCollection", "geometries": list(geometries)}:
            for geometry in geometries:
                yield from _shapes(geometry)
        case {"type": "Polygon" | "LineString" as kind, "coordinates": coordinates}:
            yield kind, coordinates, {}


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise LaneError("The polygon's coordinates are no list. Export it anew.")
    return value


def _corners(ring: Any, closed: bool) -> F8:
    """(n, 2) longitude and latitude, the last corner not repeated."""
    corners = []
    for corner in _listed(ring):
        numbers = corner[:2] if isinstance(corner, list) and len(corner) >= 2 else []
        # a whole number may be larger than any float
        good = (isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e300 for v in numbers)
        if len(numbers) != 2 or not all(good):
            raise LaneError(f"A corner is [longitude, latitude] in numbers, not {json.dumps(corner)[:60]}.")
        corners.append([float(v) for v in numbers])
    if len(corners) > _MOST_CORNERS:
        raise LaneError(f"A lane has a few corners, not {len(corners)}; at most {_MOST_CORNERS} are taken.")
    out = np.array(corners, np.float64).reshape(-1, 2)
    beyond = out[(np.abs(out[:, 0]) > 180.0) | (np.abs(out[:, 1]) > 89.0)]
    if len(beyond):
        longitude, latitude = beyond[0]
        guess = " These look like metres of a map grid." if max(abs(beyond[0])) > 1000.0 else ""
        raise LaneError(
            f"A corner lies at longitude {longitude:g}, latitude {latitude:g}, which no place does: GeoJSON is in "
            f"decimal degrees, WGS-84, longitude first.{guess} Export it as EPSG:4326."
        )
    if closed and len(out) > 1 and np.array_equal(out[0], out[-1]):
        out = out[:-1]
    if closed and len(out) < 3:
        raise LaneError(f"A polygon has three corners at least; this one has {len(out)}. Draw it anew.")
    return out


def _plane(ring: F8, middle: F8) -> F8:
    """(n, 2) east and north of the middle, m."""
    n = len(ring)
    east, north = east_north_m(np.full(n, middle[1]), np.full(n, middle[0]), ring[:, 1], ring[:, 0])
    return np.column_stack((east, north))


def _of_line(coordinates: Any, properties: dict[str, Any], name: str) -> Lane:
    width = properties.get("width_m")
    if not isinstance(width, int | float) or isinstance(width, bool) or not 0.1 <= width <= MOST_EXTENT_M:
        raise LaneError(f"A line is a lane only with a property width_m, its width in metres; it is {width!r}.")
    line = _corners(coordinates, closed=False)
    if len(line) < 2:
        raise LaneError("A line has two places at least. Draw it anew.")
    middle = 0.5 * (line.min(axis=0) + line.max(axis=0))
    shapely = _shapely()
    drawn = shapely.LineString(_plane(line, middle)).buffer(0.5 * float(width), cap_style="flat", join_style="mitre")
    if drawn.geom_type != "Polygon":
        raise LaneError("This line makes no lane of one piece. Draw it anew.")
    rings = [np.array(r.coords)[:-1] for r in (drawn.exterior, *drawn.interiors)]
    return _checked(rings, middle, name)


def _checked(rings: list[F8], middle: F8, name: str) -> Lane:
    """A lane from rings in metres east and north of a place, once nothing speaks against it."""
    shapely = _shapely()
    for ring in rings:
        sides = np.hypot(*(np.roll(ring, -1, axis=0) - ring).T) if len(ring) else np.zeros(0)
        if len(sides) and sides.max() > MOST_EXTENT_M:
            k = int(sides.argmax())
            raise LaneError(
                f"From corner {k + 1} to the next it is {sides[k]:.0f} m; {MOST_EXTENT_M:g} m is the most for a lane. "
                "Is a digit wrong, or are longitude and latitude swapped?"
            )
        for k in range(len(ring)):
            same = np.flatnonzero(np.hypot(*(ring[k + 1 :] - ring[k]).T) < _LEAST_SIDE_M)
            if len(same):
                raise LaneError(
                    f"Corners {k + 1} and {k + 2 + int(same[0])} are the same place: a corner may be there once only. "
                    "Take one out."
                )
    polygon = shapely.Polygon(rings[0], rings[1:])
    if not polygon.is_valid:
        raise LaneError(
            f"The polygon crosses or touches itself ({shapely.is_valid_reason(polygon)}, metres east and north of its "
            "middle). Put its corners in order."
        )
    if polygon.area < _LEAST_M2:
        raise LaneError(f"The polygon has an area of {polygon.area:.3f} m2, which is no ground to sweep.")
    k = int(np.argmax(np.hypot(*(np.roll(rings[0], -1, axis=0) - rings[0]).T)))
    east, north = rings[0][(k + 1) % len(rings[0])] - rings[0][k]
    heading = math.atan2(east, north)
    turn = np.array([[math.sin(heading), math.cos(heading)], [math.cos(heading), -math.sin(heading)]])
    turned = [ring @ turn for ring in rings]
    low = turned[0].min(axis=0)
    anchor = Anchor(float(middle[1]), float(middle[0]), math.degrees(heading) % 360.0, -float(low[0]), -float(low[1]))
    return Lane(tuple(ring - low for ring in turned), anchor, name)


def _shapely() -> Any:
    try:
        import shapely
    except ImportError as e:
        raise LaneError("Polygons need shapely. Install 'groundsweep[maps]', or type the lane in: 20x1.2.") from e
    return shapely


def ground_features(lane: Lane, ground: GroundMap) -> list[dict[str, Any]]:
    """GeoJSON features: the lane, the ground that counts, and each gap with its figures and its outline.

    Outlines follow the cells. Coordinates are rounded to 1e-9 degrees, 0.1 mm.

    Raises
    ------
    LaneError
        if the lane has no place on Earth, or shapely is not installed.
    """
    if lane.anchor is None:
        raise LaneError(
            "The lane has no place on Earth: it was given without start and heading, and a place is not made up. "
            "Export a table (.csv): it has the gaps in metres along and across."
        )
    corners = [_ring(lane, ring) for ring in lane.rings_m]
    about = {
        "what": "lane", "name": lane.name, "area_m2": round(ground.area_m2, 4),
        "counted_m2": round(ground.counted_m2, 4), "counted_percent": round(ground.percent, 1),
        "passes_asked": ground.asked,
    }  # fmt: skip
    features = [_feature({"type": "Polygon", "coordinates": corners}, about)]
    for state in (Ground.VALID, Ground.OVERLAPPED):
        cells = ground.inside & (ground.states == state)
        if cells.any():
            area = round(float(np.count_nonzero(cells)) * ground.cell_m**2, 4)
            geometry = _outline(cells, ground.cell_m, lane)
            features.append(_feature(geometry, {"what": "covered", "state": state.text, "area_m2": area}))
    for k, hole in enumerate(ground.holes(), 1):
        properties = {
            "what": "gap", "number": k, "why": hole.why, "area_m2": round(hole.area_m2, 4),
            "along_from_m": round(hole.x_m[0], 3), "along_to_m": round(hole.x_m[1], 3),
            "across_from_m": round(hole.y_m[0], 3), "across_to_m": round(hole.y_m[1], 3),
        }  # fmt: skip
        outline = _outline(ground.cells_of(hole), ground.cell_m, lane)
        features.append(_feature(outline, properties))
    return features


def _outline(cells: Bool, cell_m: float, lane: Lane) -> dict[str, Any]:
    """Cells as one geometry: boxes of runs along the lane, joined."""
    shapely = _shapely()
    boxes = []
    for row in range(cells.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], cells[:, row].astype(np.int8), [0]))))
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            boxes.append(shapely.box(first * cell_m, row * cell_m, end * cell_m, (row + 1) * cell_m))
    joined = shapely.union_all(boxes)
    parts = [joined] if joined.geom_type == "Polygon" else list(joined.geoms)
    return _geometry(parts, lambda ring: _ring(lane, np.array(ring.coords)[:-1]))


def _geometry(parts: list[Any], ring: Callable[[Any], list[Any]]) -> dict[str, Any]:
    drawn = [[ring(r) for r in (p.exterior, *p.interiors)] for p in parts]
    if len(drawn) == 1:
        return {"type": "Polygon", "coordinates": drawn[0]}
    return {"type": "MultiPolygon", "coordinates": drawn}


def _ring(lane: Lane, ring: F8) -> list[list[float]]:
    latitude, longitude = lane.to_earth(ring[:, 0], ring[:, 1])
    closed = [[round(float(lon), 9), round(float(lat), 9)] for lat, lon in zip(latitude, longitude, strict=True)]
    return [*closed, closed[0]]


def _feature(geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}
