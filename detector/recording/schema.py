"""Where things are in the file. The only module that knows paths; docs/recording-format.md in code."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from detector.detections import CLASSES, DETECTION_DTYPE, FEATURES, LEVELS

FORMAT: Final = "groundsweep-recording"
SCHEMA_VERSION: Final = "1.1"

RECORDING_TYPES: Final = ("survey", "background", "function-test", "bench", "training", "trial")

DEVICE: Final = "device"
STREAMS: Final = "streams"
CLOSED: Final = "closed"
"""Scalar uint8: 1 once the session ended in order. A dataset, since SWMR forbids new attributes."""

COLUMNS: Final = {
    "seq": "record number counted by the head, unwrapped",
    "tick": "tick counter of the head, unwrapped; see /device tick_hz",
    "utc_ns": "host's estimate of the record's time",
    "odometer_um": "distance along the track; the smallest int64 where unknown",
}
COLUMN_UNITS: Final = {"seq": "1", "tick": "tick", "utc_ns": "ns since 1970-01-01 UTC", "odometer_um": "um"}

HEAD_TICK: Final = "head_tick"
"""A further column where several heads share a session: each head's own counter."""

GAP_DTYPE: Final = np.dtype(
    [
        ("stream_id", "<i4"),
        ("first_seq", "<i8"),
        ("n_records", "<i8"),
        ("tick_before", "<i8"),
        ("tick_after", "<i8"),
        ("utc_ns", "<i8"),
        ("cause", "S80"),
    ]
)
EVENT_DTYPE: Final = np.dtype([("utc_ns", "<i8"), ("severity", "S10"), ("kind", "S16"), ("text", "S400")])
PARAMETER_DTYPE: Final = np.dtype(
    [
        ("head", "S64"),
        ("utc_ns", "<i8"),
        ("name", "S64"),
        ("unit", "S16"),
        ("value", "<f8"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("default", "<f8"),
        ("writable", "u1"),
        ("persistent", "u1"),
    ]
)
LABEL_DTYPE: Final = np.dtype(
    [
        ("detection_id", "<i8"),
        ("label", "S20"),
        ("who", "S64"),
        ("utc_ns", "<i8"),
        ("ground_truth", "u1"),
        ("depth_m", "<f8"),
        ("note", "S400"),
    ]
)
TRUTH_DTYPE: Final = np.dtype(
    [
        ("label", "S20"),
        ("kind", "S40"),
        ("stream", "S40"),
        ("x_m", "<f8"),
        ("first_seq", "<i8"),
        ("last_seq", "<i8"),
        ("half_extent_m", "<f8"),
        ("depth_m", "<f8"),
        ("two_way_s", "<f8"),
        ("contains_metal", "u1"),
        ("confidence", "S16"),
    ]
)
POSITION_DTYPE: Final = np.dtype(
    [
        ("utc_ns", "<i8"),
        ("receiver_utc_ns", "<i8"),
        ("latitude_deg", "<f8"),
        ("longitude_deg", "<f8"),
        ("altitude_m", "<f8"),
        ("quality", "<i4"),
        ("sigma_m", "<f8"),
        ("sigma_from", "S8"),
        ("satellites", "<i4"),
        ("hdop", "<f8"),
        ("correction_age_s", "<f8"),
        ("station", "S16"),
    ]
)

CLOCK_DTYPE: Final = np.dtype(
    [
        ("head", "S64"),
        ("utc_ns", "<i8"),
        ("tick", "<i8"),
        ("offset_ns", "<i8"),
        ("drift_ppm", "<f8"),
        ("span_s", "<f8"),
        ("residual_median_us", "<f8"),
        ("residual_p95_us", "<f8"),
    ]
)

TABLES: Final[dict[str, tuple[np.dtype[Any], str]]] = {
    "gaps": (GAP_DTYPE, "records that the head counted and the host never got"),
    "events": (EVENT_DTYPE, "what happened in the session"),
    "parameters": (PARAMETER_DTYPE, "parameters of the head over time: all of them at the start, then each change"),
    "detections": (DETECTION_DTYPE, "places that must be investigated, as the software decided"),
    "labels": (LABEL_DTYPE, "what people said of detections; append-only, the newest of a detection counts"),
    "truth": (TRUTH_DTYPE, "objects that are known to lie in the ground"),
    "clock": (CLOCK_DTYPE, "fits of the head's ticks to host time: minimum-delay points, lower convex hull"),
    "positions": (POSITION_DTYPE, "what a satellite receiver said, moment by moment; WGS-84"),
}

ADDED_IN: Final = {"parameters": 1, "clock": 1, "positions": 1}
"""Minor version of the schema that brought a table; files older than that have none, and are whole."""

TABLE_NOTES: Final = {
    "detections": {"classes": ", ".join(CLASSES), "features": ", ".join(FEATURES), "levels": ", ".join(LEVELS)},
    "positions": {"quality": "GGA quality indicator of NMEA 0183", "unknown": "NaN, -1, empty, or the smallest int64"},
}


def row_of(dtype: np.dtype[Any], item: Any) -> Any:
    """A frozen dataclass as a row of its table; texts are cut to what their column holds."""
    row = np.zeros((), dtype=dtype)
    for name in dtype.names or ():
        value = getattr(item, name)
        row[name] = str(value).encode()[: dtype[name].itemsize] if dtype[name].kind == "S" else value
    return row


def fields_of(row: Any) -> dict[str, Any]:
    """A row back to the keyword arguments of its dataclass."""
    out: dict[str, Any] = {}
    for name in row.dtype.names:
        value = row[name]
        out[name] = value.decode(errors="replace") if isinstance(value, bytes) else value.item()
    return out
