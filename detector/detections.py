"""What comes out: detections, labels and truth, and the tables in which they are kept.

A :class:`Detection` is what the software says; a :class:`Label` is what a person says about it
afterwards; :class:`TrueObject` is what is known to lie in the ground of a test lane. They never mix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.metal_description import MetalDescription

CLASSES: Final = ("mine-like", "metal-clutter", "nonmetal-clutter")
"""Classes a model gives probabilities for. ``unknown`` is none of them: it is the refusal to say."""

UNKNOWN: Final = "unknown"

LEVELS: Final = ("weak", "possible", "likely", "strong")
"""Likelihood levels of a detection, index 0 to 3. None is called safe: every one is investigated."""

FEATURES: Final = (
    "radar_score",
    "radar_two_way_ns",
    "radar_thickness_ns",
    "radar_width_m",
    "radar_symmetry",
    "radar_semblance",
    "radar_velocity_m_per_ns",
    "radar_polarity",
    "radar_spectral_centroid_ghz",
    "radar_ringing",
    "radar_edge_horizontal",
    "radar_edge_vertical",
    "radar_edge_rising",
    "radar_edge_falling",
    "metal_score",
    "metal_log_slope",
    "metal_late_fraction",
    "metal_width_m",
    "metal_sign",
    "metal_ground_likeness",
    "radar_two_way_periods",
    "radar_flatness",
    "radar_semblance_near",
    "radar_contrast_db",
    "radar_lean_db",
    *(f"radar_share_{part}_db" for part in ("before", "first", "second", "third", "late")),
    *(f"radar_flank_{part}_db" for part in ("inner", "middle", "outer")),
    *(
        f"radar_{edge}_{where}"
        for where in ("centre_upper", "centre_lower", "flank_upper", "flank_lower")
        for edge in ("layer", "column", "arch", "dip")
    ),
    "radar_second_periods",
    "radar_second_db",
    "radar_second_sign",
    "radar_phase_cosine",
    "radar_phase_sine",
    "radar_pulse_likeness",
    "radar_centroid_ratio",
    "metal_snr_db",
    "metal_footprint_m",
    "metal_lean_db",
    "metal_undershoot",
    "metal_flank_likeness",
    *(f"metal_slope_{part}" for part in ("10us", "30us", "90us", "270us")),
    "metal_log_tau",
    "metal_tau_share",
    "metal_soil_part",
    "metal_tau_fit",
    *(f"cw_{part}_{where}" for where in ("low", "10khz", "high") for part in ("cosine", "sine")),
    "cw_slope_in_phase",
    "cw_slope_quadrature",
    "cw_rise_db",
    "cw_log_tau",
    "cw_static_share",
    "cw_static_sigmas",
    "cw_fit",
    "cw_soil_fit",
    "metal_fit_depth_m",
    "metal_fit_sigma_m",
    "metal_fit_strength_db",
    "metal_fit_misfit_db",
    *(f"dense_{part}" for part in ("lead", "likeness", "companions", "louder_db")),
)
"""Names of the numbers a decision rests on; NaN where the sensor did not see the place. Newer ones stand at the end.
A radar alarm by dense echoes has those of `dense` and none of `radar`."""

_DENSE: Final = FEATURES.index("dense_lead")


class LabelClass(StrEnum):
    """What was found where a detection was dug."""

    MINE = "mine"
    ERW = "erw"
    METAL_CLUTTER = "metal-clutter"
    NONMETAL_CLUTTER = "nonmetal-clutter"
    NOTHING = "nothing-found"
    NOT_INVESTIGATED = "not-investigated"
    UNKNOWN = "unknown"


DETECTION_DTYPE: Final = np.dtype(
    [
        ("id", "<i8"),
        ("t_start_s", "<f8"),
        ("t_peak_s", "<f8"),
        ("t_end_s", "<f8"),
        ("utc_ns", "<i8"),
        ("radar_first_seq", "<i8"),
        ("radar_peak_seq", "<i8"),
        ("radar_last_seq", "<i8"),
        ("radar_channel", "<i4"),
        ("metal_first_seq", "<i8"),
        ("metal_peak_seq", "<i8"),
        ("metal_last_seq", "<i8"),
        ("metal_channel", "<i4"),
        ("x_m", "<f8"),
        ("x_sigma_m", "<f8"),
        ("two_way_s", "<f8"),
        ("depth_m", "<f8"),
        ("depth_sigma_m", "<f8"),
        ("score", "<f8"),
        ("radar_score", "<f8"),
        ("metal_score", "<f8"),
        ("level", "<i4"),
        ("decision", "S20"),
        ("probability", "<f8", (len(CLASSES),)),
        ("novelty", "<f8"),
        ("features", "<f8", (len(FEATURES),)),
        ("profile_hash", "S64"),
        ("model_hash", "S64"),
        ("radar_llr", "<f8"),
        ("metal_llr", "<f8"),
        ("radar_first_channel", "<i4"),
        ("radar_last_channel", "<i4"),
    ]
)
"""One detection as a fixed-size row: what a recording keeps and what replay compares byte by byte."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One place that must be investigated.

    Times ``t_*_s`` are seconds of the head's own tick counter; ``*_seq`` are record numbers in the
    recording, -1 where that sensor did not see the place; unknown figures are NaN.
    """

    id: int
    t_start_s: float
    t_peak_s: float
    t_end_s: float
    utc_ns: int
    radar_first_seq: int
    radar_peak_seq: int
    radar_last_seq: int
    radar_channel: int
    metal_first_seq: int
    metal_peak_seq: int
    metal_last_seq: int
    metal_channel: int
    x_m: float
    """Along-track place of the peak, m; NaN if the head has no odometer."""
    x_sigma_m: float
    two_way_s: float
    """Two-way travel time below the ground surface of the strongest radar return, s."""
    depth_m: float
    depth_sigma_m: float
    score: float
    """The higher of the sensors' alarm scores, each in units of its own threshold, 1 = just alarmed. Those of two
    sensors are not of one kind: scoring ranks places by :mod:`detector.score.rarity`."""
    radar_score: float
    metal_score: float
    level: int
    """Index into LEVELS."""
    decision: str
    """A class of CLASSES, or UNKNOWN. Both are dug."""
    probability: tuple[float, ...]
    """Calibrated probability of each of CLASSES."""
    novelty: float
    """Mahalanobis distance from what the model knows, over its limit; above 1 is ``unknown``."""
    features: tuple[float, ...]
    """In the order of FEATURES."""
    profile_hash: str
    model_hash: str
    metal: MetalDescription | None = None
    """What the metal answer is like, for people; a recording keeps it in a table of its own."""
    radar_llr: float = float("nan")
    """What the radar says: natural log of the likelihood ratio of mine against clutter, also where it looked and did
    not alarm; NaN where it did not look. The two add up, with the prior, to `probability`."""
    metal_llr: float = float("nan")
    """Likewise the metal detector."""
    radar_first_channel: int = -1
    """First and ..."""
    radar_last_channel: int = -1
    """... last antenna under which it lies: its extent across. -1 where radar did not see it, or the file is older."""

    @property
    def seen_by(self) -> str:
        """'metal+radar', 'metal' or 'radar'."""
        parts = [n for n, s in (("metal", self.metal_peak_seq), ("radar", self.radar_peak_seq)) if s >= 0]
        return "+".join(parts)

    @property
    def dense(self) -> bool:
        """Whether the radar alarmed by the shape of echoes that are as dense as they are deep, not by their height."""
        return len(self.features) > _DENSE and not math.isnan(self.features[_DENSE])

    @property
    def antennas(self) -> str:
        """'2 to 4' where it lies under several antennas of an array, '3' under one; '' under the first, or none."""
        first, last = self.radar_first_channel, self.radar_last_channel
        return f"{first} to {last}" if first != last else str(first) if first > 0 else ""

    @property
    def seen_where(self) -> str:
        """What saw it, how, and where across: 'radar, dense echoes (antennas 2 to 4)'. All of these are dug."""
        several = "s" * (self.radar_first_channel != self.radar_last_channel)
        dense = ", dense echoes" * self.dense
        return self.seen_by + dense + f" (antenna{several} {self.antennas})" * bool(self.antennas)

    def to_row(self) -> NDArray[Any]:
        """This detection as a 0-d array of DETECTION_DTYPE."""
        row = np.zeros((), dtype=DETECTION_DTYPE)
        for name in DETECTION_DTYPE.names or ():
            row[name] = getattr(self, name)
        return row

    @staticmethod
    def from_row(row: Any) -> Detection:
        """The inverse of :meth:`to_row`."""
        fields: dict[str, Any] = {}
        for name in DETECTION_DTYPE.names or ():
            value = row[name]
            if isinstance(value, bytes):
                fields[name] = value.decode()
            elif getattr(value, "ndim", 0):
                fields[name] = tuple(float(v) for v in value)
            else:
                fields[name] = value.item()
        return Detection(**fields)


def detection_table(detections: list[Detection]) -> NDArray[Any]:
    """(n,) array of DETECTION_DTYPE; equal bytes mean equal detections, NaN included."""
    table = np.zeros(len(detections), dtype=DETECTION_DTYPE)
    for i, detection in enumerate(detections):
        table[i] = detection.to_row()
    return table


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says of a detection. Labels append; the newest of a detection counts."""

    detection_id: int
    label: LabelClass
    who: str
    utc_ns: int
    ground_truth: bool
    """True if it was dug or is known; False for an opinion."""
    depth_m: float = float("nan")
    """Depth at which it was found, m; NaN if not measured."""
    note: str = ""


LARGEST_OBJECT_M: Final = 3.0
"""No mine, bomb or piece of clutter of a truth is wider. A size in cm taken for metres would find it anywhere."""

LONGER_OBJECTS: Final = " Write what is longer as several."
"""To be said with that."""


@dataclass(frozen=True, slots=True)
class TrueObject:
    """An object that is known to lie in the ground of a recording.

    Where the recording has an odometer, ``x_m`` places it, else ``first_seq`` to ``last_seq`` do.
    """

    label: LabelClass
    kind: str
    stream: str
    """Name of the only stream in which it can be seen, or '' for all."""
    x_m: float
    first_seq: int
    last_seq: int
    half_extent_m: float
    """Half the largest horizontal extent, m; the scoring halo adds its margin to this."""
    depth_m: float
    two_way_s: float
    """Two-way travel time from the first sample, s; NaN if not known."""
    contains_metal: bool
    confidence: str
    """How sure: 'simulated', 'surveyed', 'author', 'eye'; 'hidden': mixed in for practice, never in the ground."""
    radar_db: float = math.nan
    """Peak of its echo over the ground's residue and the receiver's noise, dB, where a simulator knows it; no recording
    keeps it."""
