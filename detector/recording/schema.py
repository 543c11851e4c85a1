"""Where things are in the file, and what kinds of recording there are; its tables are in `tables`."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

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
