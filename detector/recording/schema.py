"""Where things are in the file. The only module that knows paths; docs/recording-format.md in code."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import h5py
import numpy as np

from detector.detections import CLASSES, DETECTION_DTYPE, FEATURES, LEVELS
from detector.metal_description import LOCATED, METAL_DTYPE

FORMAT: Final = "groundsweep-recording"
SCHEMA_VERSION: Final = "1.4"


class RecordingType(StrEnum):
    """What a recording was made for."""

    SURVEY = "survey"
    BACKGROUND = "background"
    """Ground without targets, to learn it from."""
    FUNCTION_TEST = "function-test"
    BENCH = "bench"
    TRAINING = "training"
    """Made to teach people or models: never evidence of ground, nor of how well either finds."""
    TRIAL = "trial"
    """Over known targets, to judge a detector by."""

    @property
    def counts_as_swept(self) -> bool:
        """Whether ground under it may be called swept at all."""
        return self is RecordingType.SURVEY

    @property
    def judges(self) -> bool:
        """Whether figures of detection and false alarms may be drawn from it, where there is truth."""
        return self in (RecordingType.SURVEY, RecordingType.TRIAL)


RECORDING_TYPES: Final = tuple(str(t) for t in RecordingType)

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
SILENCE_DTYPE: Final = np.dtype([("utc_ns", "<i8"), ("stream_id", "<i4"), ("after_seq", "<i8"), ("until_tick", "<i8")])
SOIL_VALUES: Final = 64
"""Values of a coil in one row of the table of learned ground; a coil with more takes several rows."""
SOIL_DTYPE: Final = np.dtype(
    [
        ("utc_ns", "<i8"),
        ("who", "S64"),
        ("stream_id", "<i4"),
        ("first_seq", "<i8"),
        ("last_seq", "<i8"),
        ("n_records", "<i8"),
        ("from_seq", "<i8"),
        ("coil", "<i4"),
        ("first_value", "<i4"),
        ("n_values", "<i4"),
        ("direction", "<f8", (SOIL_VALUES,)),
        ("snr", "<f8"),
        ("share", "<f8"),
        ("residual", "<f8"),
        ("exponent", "<f8"),
        ("swing", "<f8"),
    ]
)
TRACKED_SOIL_DTYPE: Final = np.dtype(
    [
        ("utc_ns", "<i8"),
        ("stream_id", "<i4"),
        ("since_seq", "<i8"),
        ("from_seq", "<i8"),
        ("coil", "<i4"),
        ("first_value", "<i4"),
        ("n_values", "<i4"),
        ("direction", "<f8", (SOIL_VALUES,)),
        ("tangent", "<f8"),
        ("snr", "<f8"),
        ("n_records", "<i8"),
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

COVERAGE_DTYPE: Final = np.dtype(
    [
        ("stream", "S64"),
        ("received", "<i8"),
        ("missing", "<i8"),
        ("untested", "<i8"),
        ("surface_lost", "<i8"),
        ("segments", "<i8"),
    ]
)
LANE_DTYPE: Final = np.dtype(
    [
        ("lane", "<i4"),
        ("utc_ns", "<i8"),
        ("name", "S64"),
        ("ring", "<i4"),
        ("x_m", "<f8"),
        ("y_m", "<f8"),
        ("latitude_deg", "<f8"),
        ("longitude_deg", "<f8"),
        ("heading_deg", "<f8"),
        ("asked", "<i4"),
    ]
)
GROUND_DTYPE: Final = np.dtype(
    [
        ("lane", "<i4"),
        ("utc_ns", "<i8"),
        ("cell_m", "<f8"),
        ("row", "<i4"),
        ("first", "<i4"),
        ("last", "<i4"),
        ("state", "u1"),
        ("doubted", "u1"),
    ]
)
CHECK_DTYPE: Final = np.dtype(
    [
        ("utc_ns", "<i8"),
        ("kind", "S16"),
        ("name", "S64"),
        ("unit", "S16"),
        ("value", "<f8"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("passed", "u1"),
        ("who", "S64"),
        ("note", "S400"),
    ]
)
CORRECTION_DTYPE: Final = np.dtype(
    [("utc_ns", "<i8"), ("who", "S64"), ("what", "S64"), ("value", "S400"), ("why", "S400")]
)
DIGEST_DTYPE: Final = np.dtype([("target", "S64"), ("first", "<i8"), ("n", "<i8"), ("sha256", "S64")])
SIGNATURE_DTYPE: Final = np.dtype(
    [("utc_ns", "<i8"), ("who", "S64"), ("n_digests", "<i8"), ("public_key", "S64"), ("signature", "S128")]
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
    "coverage": (COVERAGE_DTYPE, "how much of each stream was really tested; what was not tested was not swept"),
    "checks": (CHECK_DTYPE, "calibrations and function checks of the head: what was measured, and whether it passed"),
    "lanes": (LANE_DTYPE, "ground that was to be swept: a row a corner, before them one with the place on Earth"),
    "ground": (GROUND_DTYPE, "how the lane stood, now and then and at the end: runs of cells; the newest time counts"),
    "corrections": (CORRECTION_DTYPE, "what people said afterwards of anything else in here; append-only"),
    "silences": (SILENCE_DTYPE, "streams that were given up as silent while others went on, and up to which tick"),
    "soil": (SOIL_DTYPE, "what was learned of the soil on command, coil by coil, and from which record on"),
    "tracked_soil": (TRACKED_SOIL_DTYPE, "how the soil's direction turned by itself; follows from the records"),
    "metal": (METAL_DTYPE, "what the metal answers of detections are like, for people; the features decide"),
    "digests": (DIGEST_DTYPE, "a chain of SHA-256 over everything above, in the order in which it was written"),
    "signatures": (SIGNATURE_DTYPE, "Ed25519 signatures over the chain of digests"),
}

UNCHAINED: Final = ("digests", "signatures")
"""Tables that the chain does not cover: itself, and what signs it."""

ADDED_IN: Final = {
    **dict.fromkeys(("parameters", "clock", "positions"), 1),
    **dict.fromkeys(("coverage", "checks", "corrections", "digests", "signatures"), 2),
    **dict.fromkeys(("lanes", "ground", "silences", "soil", "metal"), 3),
    "tracked_soil": 4,
}
"""Minor version of the schema that brought a table; files older than that have none, and are whole."""

NEWER_COLUMNS: Final = {
    "detections": ("features", "radar_llr", "metal_llr", "radar_first_channel", "radar_last_channel"),
    "metal": (*LOCATED, "hidden_m"),
}
"""Columns that older files lack, or hold fewer of a row. Features are only ever added at the end."""

TABLE_NOTES: Final = {
    "detections": {"classes": ", ".join(CLASSES), "features": ", ".join(FEATURES), "levels": ", ".join(LEVELS)},
    "ground": {"states": "0 not reached, 1 reached and not valid, 2 valid once, 3 valid, overlap"},
    "positions": {"quality": "GGA quality indicator of NMEA 0183", "unknown": "NaN, -1, empty, or the smallest int64"},
}

_UTC: Final = "ns since 1970-01-01 UTC"
_HEAD_S: Final = "s of the head's tick counter"
TABLE_COLUMNS: Final[dict[str, dict[str, str]]] = {
    "gaps": {
        "stream_id": "the stream, see its group's attribute stream_id",
        "first_seq": "first missing record",
        "n_records": "missing records",
        "tick_before": "tick; of the last record before",
        "tick_after": "tick; of the first record after",
        "utc_ns": f"{_UTC}; when the host noticed",
        "cause": "where they were lost",
    },
    "events": {
        "utc_ns": f"{_UTC}",
        "severity": "info, warning or fault",
        "kind": "link, wire, head, operator, session, ...",
        "text": "a sentence for a person",
    },
    "parameters": {
        "head": "serial number of the head",
        "utc_ns": f"{_UTC}; when the host learned it",
        "name": "of the parameter",
        "unit": "of value, low, high and default",
        "value": "in unit",
        "low": "in unit; least value allowed",
        "high": "in unit; largest value allowed",
        "default": "in unit",
        "writable": "1 if the host may set it",
        "persistent": "1 if the head can keep it over a power cut",
    },
    "detections": {
        "id": "number of the detection, from 1",
        "t_start_s": f"{_HEAD_S}; where it begins",
        "t_peak_s": f"{_HEAD_S}; where it is strongest",
        "t_end_s": f"{_HEAD_S}; where it ends",
        "utc_ns": f"{_UTC}; of the peak",
        "radar_first_seq": "record number; -1 where radar did not see it",
        "radar_peak_seq": "record number; -1 where radar did not see it",
        "radar_last_seq": "record number; -1 where radar did not see it",
        "radar_channel": "antenna, from 0",
        "metal_first_seq": "record number; -1 where the metal detector did not see it",
        "metal_peak_seq": "record number; -1 where the metal detector did not see it",
        "metal_last_seq": "record number; -1 where the metal detector did not see it",
        "metal_channel": "coil, from 0",
        "x_m": "m along the track; NaN if the head has no odometer",
        "x_sigma_m": "m; 1 sigma",
        "two_way_s": "s; two-way travel time below the ground surface",
        "depth_m": "m; NaN if not known",
        "depth_sigma_m": "m; 1 sigma",
        "score": "alarm thresholds; 1 = just alarmed",
        "radar_score": "alarm thresholds",
        "metal_score": "alarm thresholds",
        "level": "index into the attribute levels",
        "decision": "a class, or unknown; both are dug",
        "probability": "0 to 1; of each of the attribute classes, calibrated",
        "novelty": "distance from what the model knows, over its limit; above 1 is unknown",
        "features": "in the order of the attribute features",
        "profile_hash": "SHA-256 of the profile's values, hex",
        "model_hash": "SHA-256 of the model's numbers, hex",
        "radar_llr": "natural log; likelihood ratio of mine against clutter that radar adds, NaN where it did not look",
        "metal_llr": "natural log; likewise of the metal detector",
        "radar_first_channel": "antenna, from 0; first of those under which it lies, -1 where radar did not see it",
        "radar_last_channel": "antenna, from 0; last of those under which it lies, -1 where radar did not see it",
    },
    "labels": {
        "detection_id": "see detections",
        "label": "what was found",
        "who": "who says so",
        "utc_ns": f"{_UTC}; when",
        "ground_truth": "1 if dug or known, 0 for an opinion",
        "depth_m": "m; at which it was found, NaN if not measured",
        "note": "anything else",
    },
    "truth": {
        "label": "what it is",
        "kind": "its type",
        "stream": "the only stream that can see it, or empty",
        "x_m": "m along the track; NaN where records place it",
        "first_seq": "record number; -1 where x_m places it",
        "last_seq": "record number; -1 where x_m places it",
        "half_extent_m": "m; half the largest horizontal extent",
        "depth_m": "m; NaN if not known",
        "two_way_s": "s; two-way travel time from the first sample, NaN if not known",
        "contains_metal": "1 if it does",
        "confidence": "simulated, surveyed, author or eye",
    },
    "clock": {
        "head": "serial number of the head",
        "utc_ns": f"{_UTC}; of the newest record",
        "tick": "tick; at which the fit is stated",
        "offset_ns": "ns; host time minus the tick as ns at the nominal rate",
        "drift_ppm": "ppm; positive if the head's counter is slow, NaN before there is enough to tell",
        "span_s": "s; over which it was fitted",
        "residual_median_us": "us; of each second's least delayed record above the fit, median",
        "residual_p95_us": "us; likewise, 95 % quantile",
    },
    "positions": {
        "utc_ns": f"{_UTC}; host time at which the receiver's first sentence of the moment was whole",
        "receiver_utc_ns": f"{_UTC}; the receiver's own time",
        "latitude_deg": "deg; north positive, WGS-84",
        "longitude_deg": "deg; east positive, WGS-84",
        "altitude_m": "m; above mean sea level",
        "quality": "GGA quality indicator of NMEA 0183",
        "sigma_m": "m; horizontal accuracy, 1 sigma",
        "sigma_from": "gst, hdop or empty",
        "satellites": "used in the fix",
        "hdop": "horizontal dilution of precision",
        "correction_age_s": "s; of the differential correction",
        "station": "reference station",
    },
    "coverage": {
        "stream": "name of the stream",
        "received": "records that came in",
        "missing": "records that the head counted and the host never got",
        "untested": "records with too little ground round them, over all channels",
        "surface_lost": "A-scans whose surface echo was lost, over all antennas",
        "segments": "unbroken pieces",
    },
    "checks": {
        "utc_ns": f"{_UTC}; when",
        "kind": "calibration or function",
        "name": "what was calibrated or checked",
        "unit": "of value, low and high",
        "value": "in unit; measured",
        "low": "in unit; least value that passes, NaN if none",
        "high": "in unit; largest value that passes, NaN if none",
        "passed": "1 if it did",
        "who": "who did it",
        "note": "anything else",
    },
    "lanes": {
        "lane": "number of the lane in this session, from 1",
        "utc_ns": f"{_UTC}; when it was given",
        "name": "as its file says",
        "ring": "-1 the anchor, 0 the outline, above that what is left out inside",
        "x_m": "m along the lane",
        "y_m": "m across the lane, to the right",
        "latitude_deg": "deg; north positive, WGS-84, NaN where the lane has no place on Earth",
        "longitude_deg": "deg; east positive, WGS-84",
        "heading_deg": "deg; of the lane's x axis clockwise from true north; in the anchor's row",
        "asked": "valid passes asked for",
    },
    "ground": {
        "lane": "see lanes; 0 for a track along an odometer without a lane",
        "utc_ns": f"{_UTC}; when the ground stood so",
        "cell_m": "m; side of a cell",
        "row": "cells from the lane's left edge",
        "first": "first cell of the run, from the lane's beginning",
        "last": "last cell of the run",
        "state": "see the attribute states",
        "doubted": "1 if it had counted until a function test failed",
    },
    "corrections": {
        "utc_ns": f"{_UTC}; when",
        "who": "who says so",
        "what": "what is corrected: an attribute, a table's row, anything named so that a person finds it",
        "value": "what is right",
        "why": "how that is known",
    },
    "silences": {
        "utc_ns": f"{_UTC}; when the host gave the stream up",
        "stream_id": "the stream, see its group's attribute stream_id",
        "after_seq": "its last record before; -1 if none had come",
        "until_tick": "tick; a record after after_seq with a tick up to here came too late, and was not tested",
    },
    "soil": {
        "utc_ns": f"{_UTC}; when it was learned",
        "who": "who commanded it",
        "stream_id": "the stream, see its group's attribute stream_id",
        "first_seq": "first record that it was learned from",
        "last_seq": "last record that it was learned from",
        "n_records": "records that it was learned from",
        "from_seq": "first record that is balanced with it",
        "coil": "from 0",
        "first_value": "value of the coil in the first place of direction, from 0",
        "n_values": "places of direction that count",
        "direction": "soil's answer in successive values of the coil; unit length over the whole coil",
        "snr": "standard deviation along the direction over the noise's",
        "share": "0 to 1; of the change that lies along the direction",
        "residual": "standard deviation of the largest change that is left, over the noise's",
        "exponent": "p of the fitted 1/t^p; NaN where there are no gates",
        "swing": "stream's unit; largest less smallest answer along the direction",
    },
    "tracked_soil": {
        "utc_ns": f"{_UTC}; of the record from_seq",
        "stream_id": "the stream, see its group's attribute stream_id",
        "since_seq": "first record of the unbroken segment in which it was tracked",
        "from_seq": "first record that is balanced with it",
        "coil": "from 0",
        "first_value": "value of the coil in the first place of direction, from 0",
        "n_values": "places of direction that count",
        "direction": "soil's answer in successive values of the coil; unit length over the whole coil",
        "tangent": "of the angle from the direction given by profile or command, in whitened values",
        "snr": "root mean square along the direction over the noise's, both smoothed as the search is",
        "n_records": "records since since_seq that taught it; the later ones count most",
    },
    "metal": {
        "detection_id": "see detections",
        "snr": "amplitude over noise, all values together",
        "sign": "of the first gate that stands out by two sigma",
        "sign_changes": "between successive gates that stand out by two sigma",
        "n_slopes": "places of log_slopes that count: gates less one",
        "log_slopes": "d ln|v| / d ln t between successive gates; NaN where one of the two is below two sigma",
        "early_late_ratio": "earlier half of the gates over the later; NaN where the later is below two sigma",
        "tau_s": "s; single exponential of a pulse, single pole of a wave, that fits best",
        "tau_sigma_s": "s; 1 sigma from the noise alone, NaN at the ends of what is tried, and of a wave",
        "tau_fit": "0 to 1; share of the energy that the single exponential explains",
        "tau_fast_s": "s; of the best pair of exponentials",
        "tau_slow_s": "s; the same as tau_fast_s where one explains as much",
        "n_frequencies": "places of phase_deg and amplitude that count",
        "phase_deg": "deg; 0 ferrite, 90 thin conductor, 180 thick conductor, soil taken off; of a wave",
        "amplitude": "stream's unit; by frequency, soil taken off; of a wave",
        "static": "stream's unit; magnetic part at all frequencies; of a wave",
        "eddy": "stream's unit; eddy-current part's high-frequency limit; of a wave",
        "ferrous": "1 if the magnetic part is more than a quarter of the eddy part; of a wave",
        "confidence": "0.5 to 1; that ferrous is right, from the noise alone",
        "depth_m": "m; of the metal's middle below the ground, by the dipole that fits best",
        "depth_sigma_m": "m; 1 sigma, of noise, soil and what is not known of the head",
        "along_m": "m; the metal's place from x_m of its alarm, along the odometer",
        "along_sigma_m": "m; 1 sigma",
        "across_m": "m; from the middle of the coil that alarmed; NaN for one coil",
        "across_sigma_m": "m; 1 sigma",
        "strength_db": "dB; what the coil would read 10 cm straight above it, over the noise of one reading",
        "strength_sigma_db": "dB; 1 sigma",
        "misfit": "rms that the fit leaves over that of the noise",
        "hidden_m": "m to either side on which its own answer stands above the threshold: weaker metal is not heard",
    },
    "digests": {
        "target": "'recording' (the description), 'stream:ID', the name of a table, or 'closed'",
        "first": "first row that the digest covers",
        "n": "rows that it covers",
        "sha256": "hex; over the digest before, this row's target, first and n, and the rows' bytes",
    },
    "signatures": {
        "utc_ns": f"{_UTC}; when",
        "who": "who signed",
        "n_digests": "rows of the chain that are signed",
        "public_key": "hex; Ed25519",
        "signature": "hex; Ed25519",
    },
}
"""Unit and meaning of every column; kept in the file as the attributes column_NAME of its table."""


def stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """A table's type as HDF5 is told it: the same bytes, and texts marked as UTF-8, which numpy's cannot be."""
    names = dtype.names or ()
    return np.dtype([
        (n, h5py.string_dtype("utf-8", dtype[n].itemsize) if dtype[n].kind == "S" else dtype[n]) for n in names
    ])  # fmt: skip


def row_of(dtype: np.dtype[Any], item: Any) -> Any:
    """A frozen dataclass as a row of its table; texts are cut to what their column holds."""
    row = np.zeros((), dtype=dtype)
    for name in dtype.names or ():
        value = getattr(item, name)
        row[name] = _cut(str(value), dtype[name].itemsize) if dtype[name].kind == "S" else value
    return row


def _cut(text: str, size: int) -> bytes:
    """UTF-8 in at most so many bytes, and no half character at the end."""
    return text.encode()[:size].decode(errors="ignore").encode()


def fields_of(row: Any) -> dict[str, Any]:
    """A row back to the keyword arguments of its dataclass."""
    out: dict[str, Any] = {}
    for name in row.dtype.names:
        value = row[name]
        out[name] = value.decode(errors="replace") if isinstance(value, bytes) else value.item()
    return out
