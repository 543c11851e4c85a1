"""Lanes: where they lie, and which files and words cannot be one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import LaneError
from detector.lane import MOST_EXTENT_M, Anchor, Lane, kept_lanes, rectangle, typed_lane
from detector.positions import FLATTENING, SEMI_MAJOR_M

LATITUDE, LONGITUDE = 45.8, 15.9


def cartesian(latitude_deg: np.ndarray, longitude_deg: np.ndarray) -> np.ndarray:
    """(n, 3) on the WGS-84 ellipsoid, m: the textbook's formula, independent of the plane that is tested."""
    phi, lam = np.radians(latitude_deg), np.radians(longitude_deg)
    e2 = FLATTENING * (2 - FLATTENING)
    n = SEMI_MAJOR_M / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    return np.column_stack((n * np.cos(phi) * np.cos(lam), n * np.cos(phi) * np.sin(lam), n * (1 - e2) * np.sin(phi)))


def test_a_typed_lane_has_its_near_left_corner_at_its_start_and_its_right_side_to_the_right() -> None:
    lane = typed_lane("20x1.2", "45.8, 15.9", "90")  # eastward: right is south
    latitude, longitude = lane.to_earth(np.array([0.0, 20.0, 0.0]), np.array([0.0, 0.0, 1.2]))
    assert (latitude[0], longitude[0]) == (pytest.approx(LATITUDE), pytest.approx(LONGITUDE))
    assert latitude[1] == pytest.approx(LATITUDE)
    assert longitude[1] > LONGITUDE
    assert latitude[2] < LATITUDE
    assert longitude[2] == pytest.approx(LONGITUDE)


@given(
    st.floats(-80, 80), st.floats(-180, 180), st.floats(0, 360), st.floats(0, MOST_EXTENT_M),
    st.floats(0, MOST_EXTENT_M),
)  # fmt: skip
def test_places_go_to_earth_and_back(latitude: float, longitude: float, heading: float, x: float, y: float) -> None:
    lane = rectangle(MOST_EXTENT_M, MOST_EXTENT_M, Anchor(latitude, longitude, heading))
    back = lane.from_earth(*lane.to_earth(np.array([x]), np.array([y])))
    assert float(back[0][0]) == pytest.approx(x, abs=1e-6)
    assert float(back[1][0]) == pytest.approx(y, abs=1e-6)


@pytest.mark.parametrize(
    ("latitude", "away", "most_m"),
    [(45.0, 100, 0.001), (80.0, 100, 0.006), (-80.0, 100, 0.006), (45.0, 250, 0.006), (80.0, 250, 0.033),
     (45.0, 707, 0.05), (80.0, 707, 0.26)],
)  # fmt: skip
def test_the_plane_is_as_good_as_is_said(latitude: float, away: float, most_m: float) -> None:
    lane = rectangle(500.0, 500.0, Anchor(latitude, LONGITUDE, 0.0))
    angle = np.linspace(0, 2 * np.pi, 360)
    north, east = away * np.cos(angle), away * np.sin(angle)
    from_anchor = cartesian(*lane.to_earth(north, east)) - cartesian(np.array([latitude]), np.array([LONGITUDE]))
    phi, lam = np.radians(latitude), np.radians(LONGITUDE)
    to_east = np.array([-np.sin(lam), np.cos(lam), 0.0])
    to_north = np.array([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)])
    assert np.hypot(from_anchor @ to_north - north, from_anchor @ to_east - east).max() < most_m


@pytest.mark.parametrize("size", ["", "20", "20 1.2", "x", "20x", "axb", "nanx1", "1e3x1", "0x1", "20x0.01", "501x1"])
def test_words_that_are_no_lane_are_refused(size: str) -> None:
    with pytest.raises(LaneError, match="lane"):
        typed_lane(size)


@pytest.mark.parametrize(
    ("start", "heading"),
    [("45.8", "90"), ("45.8, 15.9", ""), ("", "90"), ("95, 15.9", "90"), ("45.8, 190", "90"), ("45.8, 15.9", "400"),
     ("nan, 15.9", "90"), ("45.8, 15.9", "nan"), ("north, east", "up")],
)  # fmt: skip
def test_a_start_that_cannot_be_is_refused(start: str, heading: str) -> None:
    with pytest.raises(LaneError):
        typed_lane("20x1.2", start, heading)


@pytest.mark.parametrize(
    "lane",
    [
        typed_lane("20x1.2"),
        typed_lane("20x1.2", "45.8, 15.9", "90"),
        Lane((np.array([[0.0, 0], [5, 0], [2, 3]]), np.array([[2, 1.0], [2.5, 1], [2, 1.5]])), name="B"),
    ],
)
def test_a_lane_that_is_kept_comes_back_the_same(lane: Lane) -> None:
    other = typed_lane("7x3")
    rows = np.concatenate((lane.rows(1, 5, 2), other.rows(2, 6, 1)))
    kept = kept_lanes(rows)
    back, asked = kept[1]
    assert (back.name, back.anchor, asked) == (lane.name, lane.anchor, 2)
    assert len(back.rings_m) == len(lane.rings_m)
    for a, b in zip(back.rings_m, lane.rings_m, strict=True):
        np.testing.assert_array_equal(a, b)
    assert kept[2][0].length_m == 7.0


# ---- GeoJSON ---------------------------------------------------------------------------------------------------

shapely = pytest.importorskip("shapely", reason="shapely is not installed (groundsweep[maps])")
from detector.ground_map import Ground, GroundMap  # noqa: E402
from detector.lane_geojson import ground_features, lane_of_geojson  # noqa: E402

PER_LATITUDE = 1 / 111_200.0
PER_LONGITUDE = PER_LATITUDE / np.cos(np.radians(LATITUDE))


def corner(east: float, north: float) -> list[float]:
    return [LONGITUDE + east * PER_LONGITUDE, LATITUDE + north * PER_LATITUDE]


def polygon(*corners: tuple[float, float]) -> dict[str, Any]:
    ring = [corner(*c) for c in corners]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


FIELD = polygon((0, 0), (20, 0), (20, 2), (0, 2))


@pytest.mark.parametrize(
    "wrapped",
    [
        FIELD,
        {"type": "Feature", "properties": None, "geometry": FIELD},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": FIELD}]},
        {"type": "MultiPolygon", "coordinates": [FIELD["coordinates"]]},
        {"type": "GeometryCollection", "geometries": [FIELD]},
        {**FIELD, "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}},
    ],
)
def test_one_polygon_is_a_lane_however_it_is_wrapped(wrapped: dict[str, Any]) -> None:
    lane = lane_of_geojson(json.dumps(wrapped), "field")
    assert (lane.length_m, lane.width_m) == (pytest.approx(20.0, rel=0.01), pytest.approx(2.0, rel=0.01))
    assert lane.name == "field"
    on_earth = lane.to_earth(lane.rings_m[0][:, 0], lane.rings_m[0][:, 1])
    np.testing.assert_allclose(np.column_stack(on_earth)[:, ::-1], FIELD["coordinates"][0][:-1], atol=1e-9)


def test_a_line_with_a_width_is_a_lane() -> None:
    line = {"type": "LineString", "coordinates": [corner(0, 0), corner(0, 10), corner(10, 10)]}
    lane = lane_of_geojson(json.dumps({"type": "Feature", "properties": {"width_m": 1.2}, "geometry": line}))
    area = float(shapely.Polygon(lane.rings_m[0]).area)
    assert area == pytest.approx(1.2 * 20.0, rel=0.02)


def test_a_hole_in_the_polygon_is_no_ground_of_the_lane() -> None:
    holed = polygon((0, 0), (20, 0), (20, 10), (0, 10))
    holed["coordinates"].append(polygon((5, 5), (8, 5), (8, 8), (5, 8))["coordinates"][0])
    assert len(lane_of_geojson(json.dumps(holed)).rings_m) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no GeoJSON"),
        ("{", "no GeoJSON"),
        ("[" * 90_000, "no GeoJSON"),
        ("7", "there are 0"),
        (json.dumps({"type": "Point", "coordinates": [1, 2]}), "there are 0"),
        (json.dumps({"type": "FeatureCollection", "features": [FIELD, FIELD]}), "there are 2"),
        (json.dumps({"type": "Polygon", "coordinates": []}), "no ring"),
        (json.dumps({"type": "Polygon", "coordinates": [[]]}), "three corners"),
        (json.dumps({"type": "Polygon", "coordinates": "x"}), "no list"),
        (json.dumps({"type": "Polygon", "coordinates": [[[1, "a"]]]}), "in numbers"),
        (json.dumps({"type": "Polygon", "coordinates": [[[1, True], [2, 2], [3, 1]]]}), "in numbers"),
        ('{"type": "Polygon", "coordinates": [[[1, NaN], [2, 2], [3, 1]]]}', "in numbers"),
        (json.dumps(polygon((0, 0), (5, 5))), "three corners"),
        (json.dumps(polygon((0, 0), (5, 0), (5, 0), (5, 5))), "same place"),
        (json.dumps(polygon((0, 0), (5, 0), (5, 5), (0, 0.001))), "same place"),
        (json.dumps(polygon((0, 0), (10, 10), (10, 0), (0, 10))), "crosses or touches itself"),
        (json.dumps(polygon((0, 0), (10, 0), (20, 0.0001))), "no ground"),
        (json.dumps(polygon((0, 0), (10, 0), (10, 7000))), "longitude and latitude swapped"),
        (json.dumps({"type": "Polygon", "coordinates": [[[564321.0, 5073000], [564341, 5073000], [564341, 5073002]]]}),
         "metres of a map grid"),
        (json.dumps({**FIELD, "crs": {"type": "name", "properties": {"name": "EPSG:32633"}}}), "EPSG:32633"),
        (json.dumps({"type": "LineString", "coordinates": [corner(0, 0), corner(0, 10)]}), "width_m"),
        ('{"type": "Polygon", "coordinates": [[[1' + "0" * 400 + ', 2], [2, 2], [3, 1]]]}', "in numbers"),
        (" " * 100_001, "bytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_lane_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(LaneError, match=said):
        lane_of_geojson(text)


@given(st.text(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["type", "coordinates", "features", "geometry", "properties"]),
        inner | st.sampled_from(["Polygon", "Feature", "FeatureCollection", "LineString", "MultiPolygon"]), max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_no_text_does_worse_than_be_refused(anything: object) -> None:
    text = anything if isinstance(anything, str) else json.dumps(anything)
    with pytest.raises(LaneError):
        lane_of_geojson(text)


def test_covered_ground_and_gaps_go_out_with_their_true_area_and_place() -> None:
    lane = lane_of_geojson(json.dumps(FIELD))
    shape = (round(lane.length_m / 0.05), round(lane.width_m / 0.05))
    states = np.full(shape, Ground.VALID, np.uint8)
    states[100:140, 10:20] = Ground.INVALID
    states[:, 30:] = Ground.OVERLAPPED
    states[300:302, 3] = Ground.NOT_REACHED
    ground = GroundMap(states, np.ones(shape, np.bool_), np.zeros(shape, np.bool_), 0.05)
    features = json.loads(json.dumps(ground_features(lane, ground), allow_nan=False))
    whats = [f["properties"]["what"] for f in features]
    assert whats == ["lane", "covered", "covered", "gap", "gap"]
    for f in features[1:]:
        shape_ = shapely.geometry.shape(f["geometry"])
        assert shape_.is_valid
        assert shape_.area / (PER_LATITUDE * PER_LONGITUDE) == pytest.approx(f["properties"]["area_m2"], rel=0.01)
    gap = features[3]["properties"]
    assert (gap["along_from_m"], gap["along_to_m"]) == (5.0, 7.0)
    assert gap["why"] == "reached, not valid"
    middle = shapely.geometry.shape(features[3]["geometry"]).centroid
    x, y = lane.from_earth(np.array([middle.y]), np.array([middle.x]))
    assert (float(x[0]), float(y[0])) == (pytest.approx(6.0, abs=0.01), pytest.approx(0.75, abs=0.01))


def test_a_lane_without_a_place_on_earth_is_not_given_one() -> None:
    cells = np.ones((20, 20), np.bool_)
    with pytest.raises(LaneError, match="no place on Earth"):
        ground_features(rectangle(1.0, 1.0), GroundMap(cells.astype(np.uint8), cells, ~cells, 0.05))
