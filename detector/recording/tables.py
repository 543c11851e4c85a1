"""The tables of a recording: each column's type, unit and meaning; docs/recording-format.md in code."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from detector.detections import CLASSES, DETECTION_DTYPE, FEATURES, LEVELS
from detector.metal_description import LOCATED, METAL_DTYPE


@dataclass(frozen=True)
class Table:
    """One table. What the file says of it and of its columns is kept in the file as attributes."""

    text: str
    """What it holds."""
    columns: tuple[tuple[str, Any, str], ...]
    """Name, numpy type, unit and meaning of each."""
    since: int = 0
    """Minor version of the schema that brought it; files older than that have none, and are whole."""
    notes: dict[str, str] = field(default_factory=dict)
    """Further attributes."""
    newer: tuple[str, ...] = ()
    """Columns that older files lack, or hold fewer of a row. Features are only ever added at the end."""

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of a row."""
        return np.dtype([(name, kind) for name, kind, _ in self.columns])

    @property
    def meanings(self) -> dict[str, str]:
        """Unit and meaning by column; kept in the file as the attributes column_NAME."""
        return {name: meaning for name, _, meaning in self.columns}


def _typed(dtype: np.dtype[Any], meanings: dict[str, str]) -> tuple[tuple[str, Any, str], ...]:
    """Columns of a row whose type stands elsewhere; KeyError where one has no meaning."""
    return tuple((name, dtype[name], meanings[name]) for name in dtype.names or ())


SOIL_VALUES: Final = 64
"""Values of a coil in one row of the tables of learned ground; a coil with more takes several rows."""

_EACH_VALUE: Final = ("<f8", (SOIL_VALUES,))
_DIRECTION: Final = "soil's answer in successive values of the coil; unit length over the whole coil"
_UTC: Final = "ns since 1970-01-01 UTC"
_HEAD_S: Final = "s of the head's tick counter"

TABLES: Final[dict[str, Table]] = {
    "gaps": Table(
        "records that the head counted and the host never got",
        (
            ("stream_id", "<i4", "the stream, see its group's attribute stream_id"),
            ("first_seq", "<i8", "first missing record"),
            ("n_records", "<i8", "missing records"),
            ("tick_before", "<i8", "tick; of the last record before"),
            ("tick_after", "<i8", "tick; of the first record after"),
            ("utc_ns", "<i8", f"{_UTC}; when the host noticed"),
            ("cause", "S80", "where they were lost"),
        ),
    ),
    "events": Table(
        "what happened in the session",
        (
            ("utc_ns", "<i8", _UTC),
            ("severity", "S10", "info, warning or fault"),
            ("kind", "S16", "link, wire, head, operator, session, ..."),
            ("text", "S400", "a sentence for a person"),
        ),
    ),
    "parameters": Table(
        "parameters of the head over time: all of them at the start, then each change",
        (
            ("head", "S64", "serial number of the head"),
            ("utc_ns", "<i8", f"{_UTC}; when the host learned it"),
            ("name", "S64", "of the parameter"),
            ("unit", "S16", "of value, low, high and default"),
            ("value", "<f8", "in unit"),
            ("low", "<f8", "in unit; least value allowed"),
            ("high", "<f8", "in unit; largest value allowed"),
            ("default", "<f8", "in unit"),
            ("writable", "u1", "1 if the host may set it"),
            ("persistent", "u1", "1 if the head can keep it over a power cut"),
        ),
        since=1,
    ),
    "detections": Table(
        "places that must be investigated, as the software decided",
        _typed(
            DETECTION_DTYPE,
            {
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
                "radar_llr": "natural log; likelihood ratio of mine against clutter that radar adds, NaN where it did "
                "not look",
                "metal_llr": "natural log; likewise of the metal detector",
                "radar_first_channel": "antenna, from 0; "
                "first of those under which it lies, -1 where radar did not see it",
                "radar_last_channel": "antenna, from 0; "
                "last of those under which it lies, -1 where radar did not see it",
            },
        ),
        notes={"classes": ", ".join(CLASSES), "features": ", ".join(FEATURES), "levels": ", ".join(LEVELS)},
        newer=("features", "radar_llr", "metal_llr", "radar_first_channel", "radar_last_channel"),
    ),
    "labels": Table(
        "what people said of detections; append-only, the newest of a detection counts",
        (
            ("detection_id", "<i8", "see detections"),
            ("label", "S20", "what was found"),
            ("who", "S64", "who says so"),
            ("utc_ns", "<i8", f"{_UTC}; when"),
            ("ground_truth", "u1", "1 if dug or known, 0 for an opinion"),
            ("depth_m", "<f8", "m; at which it was found, NaN if not measured"),
            ("note", "S400", "anything else"),
        ),
    ),
    "truth": Table(
        "objects that are known to lie in the ground",
        (
            ("label", "S20", "what it is"),
            ("kind", "S40", "its type"),
            ("stream", "S40", "the only stream that can see it, or empty"),
            ("x_m", "<f8", "m along the track; NaN where records place it"),
            ("first_seq", "<i8", "record number; -1 where x_m places it"),
            ("last_seq", "<i8", "record number; -1 where x_m places it"),
            ("half_extent_m", "<f8", "m; half the largest horizontal extent"),
            ("depth_m", "<f8", "m; NaN if not known"),
            ("two_way_s", "<f8", "s; two-way travel time from the first sample, NaN if not known"),
            ("contains_metal", "u1", "1 if it does"),
            ("confidence", "S16", "simulated, surveyed, author or eye"),
        ),
    ),
    "clock": Table(
        "fits of the head's ticks to host time: minimum-delay points, lower convex hull",
        (
            ("head", "S64", "serial number of the head"),
            ("utc_ns", "<i8", f"{_UTC}; of the newest record"),
            ("tick", "<i8", "tick; at which the fit is stated"),
            ("offset_ns", "<i8", "ns; host time minus the tick as ns at the nominal rate"),
            ("drift_ppm", "<f8", "ppm; positive if the head's counter is slow, NaN before there is enough to tell"),
            ("span_s", "<f8", "s; over which it was fitted"),
            ("residual_median_us", "<f8", "us; of each second's least delayed record above the fit, median"),
            ("residual_p95_us", "<f8", "us; likewise, 95 % quantile"),
        ),
        since=1,
    ),
    "positions": Table(
        "what a satellite receiver said, moment by moment; WGS-84",
        (
            ("utc_ns", "<i8", f"{_UTC}; host time at which the receiver's first sentence of the moment was whole"),
            ("receiver_utc_ns", "<i8", f"{_UTC}; the receiver's own time"),
            ("latitude_deg", "<f8", "deg; north positive, WGS-84"),
            ("longitude_deg", "<f8", "deg; east positive, WGS-84"),
            ("altitude_m", "<f8", "m; above mean sea level"),
            ("quality", "<i4", "GGA quality indicator of NMEA 0183"),
            ("sigma_m", "<f8", "m; horizontal accuracy, 1 sigma"),
            ("sigma_from", "S8", "gst, hdop or empty"),
            ("satellites", "<i4", "used in the fix"),
            ("hdop", "<f8", "horizontal dilution of precision"),
            ("correction_age_s", "<f8", "s; of the differential correction"),
            ("station", "S16", "reference station"),
        ),
        since=1,
        notes={"quality": "GGA quality indicator of NMEA 0183", "unknown": "NaN, -1, empty, or the smallest int64"},
    ),
    "coverage": Table(
        "how much of each stream was really tested; what was not tested was not swept",
        (
            ("stream", "S64", "name of the stream"),
            ("received", "<i8", "records that came in"),
            ("missing", "<i8", "records that the head counted and the host never got"),
            ("untested", "<i8", "records with too little ground round them, over all channels"),
            ("surface_lost", "<i8", "A-scans whose surface echo was lost, over all antennas"),
            ("segments", "<i8", "unbroken pieces"),
        ),
        since=2,
    ),
    "checks": Table(
        "calibrations and function checks of the head: what was measured, and whether it passed",
        (
            ("utc_ns", "<i8", f"{_UTC}; when"),
            ("kind", "S16", "calibration or function"),
            ("name", "S64", "what was calibrated or checked"),
            ("unit", "S16", "of value, low and high"),
            ("value", "<f8", "in unit; measured"),
            ("low", "<f8", "in unit; least value that passes, NaN if none"),
            ("high", "<f8", "in unit; largest value that passes, NaN if none"),
            ("passed", "u1", "1 if it did"),
            ("who", "S64", "who did it"),
            ("note", "S400", "anything else"),
        ),
        since=2,
    ),
    "lanes": Table(
        "ground that was to be swept: a row a corner, before them one with the place on Earth",
        (
            ("lane", "<i4", "number of the lane in this session, from 1"),
            ("utc_ns", "<i8", f"{_UTC}; when it was given"),
            ("name", "S64", "as its file says"),
            ("ring", "<i4", "-1 the anchor, 0 the outline, above that what is left out inside"),
            ("x_m", "<f8", "m along the lane"),
            ("y_m", "<f8", "m across the lane, to the right"),
            ("latitude_deg", "<f8", "deg; north positive, WGS-84, NaN where the lane has no place on Earth"),
            ("longitude_deg", "<f8", "deg; east positive, WGS-84"),
            ("heading_deg", "<f8", "deg; of the lane's x axis clockwise from true north; in the anchor's row"),
            ("asked", "<i4", "valid passes asked for"),
        ),
        since=3,
    ),
    "ground": Table(
        "how the lane stood, now and then and at the end: runs of cells; the newest time counts",
        (
            ("lane", "<i4", "see lanes; 0 for a track along an odometer without a lane"),
            ("utc_ns", "<i8", f"{_UTC}; when the ground stood so"),
            ("cell_m", "<f8", "m; side of a cell"),
            ("row", "<i4", "cells from the lane's left edge"),
            ("first", "<i4", "first cell of the run, from the lane's beginning"),
            ("last", "<i4", "last cell of the run"),
            ("state", "u1", "see the attribute states"),
            ("doubted", "u1", "1 if it had counted until a function test failed"),
        ),
        since=3,
        notes={"states": "0 not reached, 1 reached and not valid, 2 valid once, 3 valid, overlap"},
    ),
    "corrections": Table(
        "what people said afterwards of anything else in here; append-only",
        (
            ("utc_ns", "<i8", f"{_UTC}; when"),
            ("who", "S64", "who says so"),
            ("what", "S64", "what is corrected: an attribute, a table's row, anything named so that a person finds it"),
            ("value", "S400", "what is right"),
            ("why", "S400", "how that is known"),
        ),
        since=2,
    ),
    "silences": Table(
        "streams that were given up as silent while others went on, and up to which tick",
        (
            ("utc_ns", "<i8", f"{_UTC}; when the host gave the stream up"),
            ("stream_id", "<i4", "the stream, see its group's attribute stream_id"),
            ("after_seq", "<i8", "its last record before; -1 if none had come"),
            (
                "until_tick",
                "<i8",
                "tick; a record after after_seq with a tick up to here came too late, and was not tested",
            ),
        ),
        since=3,
    ),
    "soil": Table(
        "what was learned of the soil on command, coil by coil, and from which record on",
        (
            ("utc_ns", "<i8", f"{_UTC}; when it was learned"),
            ("who", "S64", "who commanded it"),
            ("stream_id", "<i4", "the stream, see its group's attribute stream_id"),
            ("first_seq", "<i8", "first record that it was learned from"),
            ("last_seq", "<i8", "last record that it was learned from"),
            ("n_records", "<i8", "records that it was learned from"),
            ("from_seq", "<i8", "first record that is balanced with it"),
            ("coil", "<i4", "from 0"),
            ("first_value", "<i4", "value of the coil in the first place of direction, from 0"),
            ("n_values", "<i4", "places of direction that count"),
            ("direction", _EACH_VALUE, _DIRECTION),
            ("snr", "<f8", "standard deviation along the direction over the noise's"),
            ("share", "<f8", "0 to 1; of the change that lies along the direction"),
            ("residual", "<f8", "standard deviation of the largest change that is left, over the noise's"),
            ("exponent", "<f8", "p of the fitted 1/t^p; NaN where there are no gates"),
            ("swing", "<f8", "stream's unit; largest less smallest answer along the direction"),
        ),
        since=3,
    ),
    "tracked_soil": Table(
        "how the soil's direction turned by itself; follows from the records",
        (
            ("utc_ns", "<i8", f"{_UTC}; of the record from_seq"),
            ("stream_id", "<i4", "the stream, see its group's attribute stream_id"),
            ("since_seq", "<i8", "first record of the unbroken segment in which it was tracked"),
            ("from_seq", "<i8", "first record that is balanced with it"),
            ("coil", "<i4", "from 0"),
            ("first_value", "<i4", "value of the coil in the first place of direction, from 0"),
            ("n_values", "<i4", "places of direction that count"),
            ("direction", _EACH_VALUE, _DIRECTION),
            ("tangent", "<f8", "of the angle from the direction given by profile or command, in whitened values"),
            ("snr", "<f8", "root mean square along the direction over the noise's, both smoothed as the search is"),
            ("n_records", "<i8", "records since since_seq that taught it; the later ones count most"),
        ),
        since=4,
    ),
    "metal": Table(
        "what the metal answers of detections are like, for people; the features decide",
        _typed(
            METAL_DTYPE,
            {
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
                "hidden_m": "m to either side on which its own answer stands above the threshold: weaker metal is not "
                "heard",
            },
        ),
        since=3,
        newer=(*LOCATED, "hidden_m"),
    ),
    "digests": Table(
        "a chain of SHA-256 over everything above, in the order in which it was written",
        (
            ("target", "S64", "'recording' (the description), 'stream:ID', the name of a table, or 'closed'"),
            ("first", "<i8", "first row that the digest covers"),
            ("n", "<i8", "rows that it covers"),
            ("sha256", "S64", "hex; over the digest before, this row's target, first and n, and the rows' bytes"),
        ),
        since=2,
    ),
    "signatures": Table(
        "Ed25519 signatures over the chain of digests",
        (
            ("utc_ns", "<i8", f"{_UTC}; when"),
            ("who", "S64", "who signed"),
            ("n_digests", "<i8", "rows of the chain that are signed"),
            ("public_key", "S64", "hex; Ed25519"),
            ("signature", "S128", "hex; Ed25519"),
        ),
        since=2,
    ),
}

UNCHAINED: Final = ("digests", "signatures")
"""Tables that the chain does not cover: itself, and what signs it."""
