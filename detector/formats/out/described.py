"""What is said of a detection outside: one flat set of names, the same in every format."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

from detector.detections import CLASSES, LEVELS, Detection, Label
from detector.errors import FormatError
from detector.formats.readable import Readable
from detector.positions import Places

Value = str | int | float | bool | None



@dataclass(frozen=True, slots=True)
class Described:
    """A detection ready to be written; coordinates are None where it has no place."""

    latitude_deg: float | None
    longitude_deg: float | None
    properties: dict[str, Value]

    @property
    def title(self) -> str:
        """For a map: what a person found, else what the software decided."""
        p = self.properties
        what = f"{p['label']}" if p["label"] else f"{p['decision']} ({p['level']})"
        return f"#{p['id']} {what}"


def described(recording: Readable, places: Places) -> list[Described]:
    """All detections with the label that counts, in the order in which they were made.

    places : of the detections, in that order; NaN where there is none. None is made up.
    """
    detections = recording.detections()
    if len(places) != len(detections):
        raise FormatError(f"{len(detections)} detections came with {len(places)} places.")
    labels: dict[int, list[Label]] = {}
    for label in recording.labels():
        labels.setdefault(label.detection_id, []).append(label)
    out = []
    for i, d in enumerate(detections):
        known = bool(places.known[i])
        out.append(
            Described(
                float(places.latitude_deg[i]) if known else None,
                float(places.longitude_deg[i]) if known else None,
                _properties(d, labels.get(d.id, []), float(places.sigma_m[i])),
            )
        )
    return out


def utc_text(utc_ns: int) -> str:
    """ISO 8601 to the microsecond, in UTC; '' for a time outside the years that have four digits."""
    try:
        time = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=utc_ns // 1000)
    except OverflowError:
        return ""
    return f"{time.isoformat(timespec='microseconds')}Z"


def number(value: float) -> float | None:
    """None for what is not known: JSON has no NaN, and a table leaves the cell empty."""
    return float(value) if math.isfinite(value) else None


def _properties(d: Detection, labels: list[Label], sigma_m: float) -> dict[str, Value]:
    newest = labels[-1] if labels else None
    out: dict[str, Value] = {
        "id": d.id,
        "time": utc_text(d.utc_ns),
        "accuracy_m": number(sigma_m),
        "x_m": number(d.x_m),
        "x_sigma_m": number(d.x_sigma_m),
        "depth_m": number(d.depth_m),
        "depth_sigma_m": number(d.depth_sigma_m),
        "score": number(d.score),
        "level": LEVELS[d.level] if 0 <= d.level < len(LEVELS) else str(d.level),
        "decision": d.decision,
        "seen_by": d.seen_by,
        "novelty": number(d.novelty),
    }
    out.update({f"p_{name}": number(p) for name, p in zip(CLASSES, d.probability, strict=True)})
    for name in ("radar_first_seq", "radar_peak_seq", "radar_last_seq", "radar_channel", "radar_first_channel",
                 "radar_last_channel", "metal_first_seq", "metal_peak_seq", "metal_last_seq",
                 "metal_channel"):  # fmt: skip
        value = getattr(d, name)
        out[name] = value if value >= 0 else None
    out |= {
        "profile_hash": d.profile_hash,
        "model_hash": d.model_hash,
        "label": str(newest.label) if newest else None,
        "label_who": newest.who if newest else None,
        "label_time": utc_text(newest.utc_ns) if newest else None,
        "label_dug": newest.ground_truth if newest else None,
        "label_depth_m": number(newest.depth_m) if newest else None,
        "label_note": newest.note if newest else None,
        "labels": len(labels),
        "dense_echoes": d.dense,
    }
    return out
