"""Maps: detections as GeoJSON (RFC 7946), GPX 1.1 waypoints or KML 2.2 placemarks; positions as points or a track.

Coordinates are WGS-84, as the satellite receiver gave them. What has no place is never given one: GeoJSON keeps
such a detection without geometry, GPX and KML, which cannot, say in their description which are missing.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from detector.errors import FormatError
from detector.formats.out.creating import creating
from detector.formats.out.described import Described, number, utc_text
from detector.samples import NO_TIME, Position

_GPX = "http://www.topografix.com/GPX/1/1"
_KML = "http://www.opengis.net/kml/2.2"
_CREATOR = "groundsweep"
_NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0 has no way to write these at all."""


def write_geojson(path: Path, detections: Sequence[Described]) -> int:
    """A feature a detection; geometry null where it has no place. Returns how many those are.

    Raises
    ------
    FormatError
        if none of them has a place, or the file cannot be written.
    """
    _refuse_without_places(path, detections)
    features = [_feature(d.longitude_deg, d.latitude_deg, d.properties, d.properties["id"]) for d in detections]
    _save_json(path, features)
    return len(_placeless(detections))


def write_gpx(path: Path, detections: Sequence[Described]) -> int:
    """A waypoint a detection that has a place; returns how many have none. Raises as :func:`write_geojson`."""
    _refuse_without_places(path, detections)
    root = ET.Element("gpx", {"version": "1.1", "creator": _CREATOR, "xmlns": _GPX})
    metadata = ET.SubElement(root, "metadata")
    _text(metadata, "name", path.stem)
    _text(metadata, "desc", _missing_text(detections))
    for d in detections:
        if d.latitude_deg is not None and d.longitude_deg is not None:
            point = ET.SubElement(root, "wpt", {"lat": f"{d.latitude_deg:.9f}", "lon": f"{d.longitude_deg:.9f}"})
            _text(point, "time", str(d.properties["time"] or ""))
            _text(point, "name", d.title)
            _text(point, "desc", _sentence(d))
            _text(point, "type", str(d.properties["label"] or d.properties["decision"]))
    _save_xml(path, root)
    return len(_placeless(detections))


def write_kml(path: Path, detections: Sequence[Described]) -> int:
    """A placemark a detection that has a place; returns how many have none. Raises as :func:`write_geojson`."""
    _refuse_without_places(path, detections)
    root = ET.Element("kml", {"xmlns": _KML})
    document = ET.SubElement(root, "Document")
    _text(document, "name", path.stem)
    _text(document, "description", _missing_text(detections))
    for d in detections:
        if d.latitude_deg is not None and d.longitude_deg is not None:
            mark = ET.SubElement(document, "Placemark")
            _text(mark, "name", d.title)
            _text(mark, "description", _sentence(d))
            if d.properties["time"]:
                _text(ET.SubElement(mark, "TimeStamp"), "when", str(d.properties["time"]))
            extended = ET.SubElement(mark, "ExtendedData")
            for name, value in d.properties.items():
                if value is not None:
                    _text(ET.SubElement(extended, "Data", {"name": name}), "value", str(value))
            _text(ET.SubElement(mark, "Point"), "coordinates", f"{d.longitude_deg:.9f},{d.latitude_deg:.9f}")
    _save_xml(path, root)
    return len(_placeless(detections))


def write_position_geojson(path: Path, positions: Sequence[Position]) -> int:
    """A point a fix; geometry null where the receiver had none. Returns how many those are."""
    _refuse_without_fixes(path, positions)
    features = []
    for p in positions:
        longitude, latitude = (p.longitude_deg, p.latitude_deg) if p.quality.measured else (None, None)
        altitude = number(p.altitude_m)
        properties = {
            "time": utc_text(p.receiver_utc_ns if p.receiver_utc_ns != NO_TIME else p.utc_ns),
            "quality": p.quality.text,
            "accuracy_m": number(p.sigma_m),
            "altitude_msl_m": altitude,  # a third coordinate would be a height above the ellipsoid (RFC 7946, 4)
            "satellites": p.satellites if p.satellites >= 0 else None,
            "hdop": number(p.hdop),
        }
        features.append(_feature(longitude, latitude, properties, None))
    _save_json(path, features)
    return sum(not p.quality.measured for p in positions)


def write_position_gpx(path: Path, positions: Sequence[Position]) -> int:
    """A track, broken where the receiver had no fix; returns how many fixes are not in it."""
    _refuse_without_fixes(path, positions)
    root = ET.Element("gpx", {"version": "1.1", "creator": _CREATOR, "xmlns": _GPX})
    track = ET.SubElement(root, "trk")
    _text(track, "name", path.stem)
    for piece in _pieces(positions):
        segment = ET.SubElement(track, "trkseg")
        for p in piece:
            point = ET.SubElement(segment, "trkpt", {"lat": f"{p.latitude_deg:.9f}", "lon": f"{p.longitude_deg:.9f}"})
            if number(p.altitude_m) is not None:
                _text(point, "ele", f"{p.altitude_m:.4f}")
            _text(point, "time", utc_text(p.receiver_utc_ns if p.receiver_utc_ns != NO_TIME else p.utc_ns))
            if number(p.hdop) is not None:
                _text(point, "hdop", f"{p.hdop:.2f}")
    _save_xml(path, root)
    return sum(not p.quality.measured for p in positions)


def write_position_kml(path: Path, positions: Sequence[Position]) -> int:
    """A line for each piece of the track without a break; returns how many fixes are not in it."""
    _refuse_without_fixes(path, positions)
    root = ET.Element("kml", {"xmlns": _KML})
    document = ET.SubElement(root, "Document")
    _text(document, "name", path.stem)
    for piece in _pieces(positions):
        mark = ET.SubElement(document, "Placemark")
        _text(mark, "name", utc_text(piece[0].utc_ns))
        shape = ET.SubElement(mark, "LineString" if len(piece) > 1 else "Point")
        _text(shape, "coordinates", " ".join(f"{p.longitude_deg:.9f},{p.latitude_deg:.9f}" for p in piece))
    _save_xml(path, root)
    return sum(not p.quality.measured for p in positions)


def _pieces(positions: Sequence[Position]) -> Iterable[list[Position]]:
    piece: list[Position] = []
    for p in positions:
        if p.quality.measured:
            piece.append(p)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _placeless(detections: Sequence[Described]) -> list[Any]:
    return [d.properties["id"] for d in detections if d.latitude_deg is None]


def _refuse_without_places(path: Path, detections: Sequence[Described]) -> None:
    if not detections:
        raise FormatError(f"There is no detection to write to {path}.")
    if len(_placeless(detections)) == len(detections):
        raise FormatError(
            f"None of the {len(detections)} detections has a position: the recording holds no satellite fixes near "
            f"them, and a place is not made up. Export a table ({path.stem}.csv): it has the way along the track."
        )


def _refuse_without_fixes(path: Path, positions: Sequence[Position]) -> None:
    if not any(p.quality.measured for p in positions):
        raise FormatError(f"The recording holds no satellite fix, so there is nothing to write to {path}.")


def _missing_text(detections: Sequence[Described]) -> str:
    missing = _placeless(detections)
    if not missing:
        return f"{len(detections)} detections, WGS-84."
    return (
        f"{len(detections) - len(missing)} detections, WGS-84. {len(missing)} MORE HAVE NO POSITION AND ARE NOT ON "
        f"THIS MAP: {', '.join(f'#{i}' for i in missing)}."
    )


def _sentence(d: Described) -> str:
    p = d.properties
    parts = [f"{p['decision']}, {p['level']}, score {p['score']}", f"position +-{p['accuracy_m']:.2f} m (1 sigma)"]
    if p["depth_m"] is not None:
        parts.append(f"depth {100 * float(p['depth_m']):.0f} cm")
    if p["label"]:
        parts.append(f"{'dug' if p['label_dug'] else 'opinion'} by {p['label_who']}: {p['label']} {p['label_note']}")
    return "; ".join(parts)


def _feature(longitude: float | None, latitude: float | None, properties: Any, id_: Any) -> dict[str, Any]:
    # 9 digits are 0.1 mm: more than any receiver has, so that nothing is lost by rounding
    geometry = None
    if longitude is not None and latitude is not None:
        geometry = {"type": "Point", "coordinates": [round(longitude, 9), round(latitude, 9)]}
    feature = {"type": "Feature", "geometry": geometry, "properties": properties}
    return feature if id_ is None else {**feature, "id": id_}


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = _NOT_IN_XML.sub(" ", text)


def _save_json(path: Path, features: list[dict[str, Any]]) -> None:
    collection = {"type": "FeatureCollection", "features": features}
    text = json.dumps(collection, allow_nan=False, ensure_ascii=False, indent=1)
    with creating(path):
        path.write_bytes(text.encode("utf-8", "replace"))


def _save_xml(path: Path, root: ET.Element) -> None:
    ET.indent(root)
    with creating(path):
        path.write_bytes(b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="utf-8"))
