"""Any file as something to read: a recording of ours, or another program's file. And the places of its detections."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from detector.formats.readable import Readable
from detector.formats.registry import read_foreign
from detector.positions import Places
from detector.recording.playing import Played, played
from detector.recording.reader import Recording, open_recording
from firmware_host.cli.opening import is_ours
from firmware_host.cli.placing import track_of
from firmware_host.parameters import stated_pulse_us


@contextmanager
def reading(file: Path) -> Generator[Readable]:
    """Raises RecordingError or FormatError, each saying what is wrong with the file."""
    if is_ours(file):
        with open_recording(file) as recording:
            yield recording
    else:
        yield read_foreign(file)


def as_played(r: Readable) -> tuple[Iterable[Played], float]:
    """Its records, and between them what gave a stream up or balanced it; and the pulse that its head stated, us, NaN
    where it did not. Another program's file has records alone.
    """
    if isinstance(r, Recording):
        return played(r, 4096), stated_pulse_us([r.parameters()])
    return r.blocks, math.nan  # type: ignore[attr-defined]


def places_of_detections(recording: Readable) -> Places:
    """Of each detection in order; NaN where the fixes do not give one. Other programs' files hold no detections."""
    times = np.array([d.utc_ns for d in recording.detections()], np.int64)
    if isinstance(recording, Recording):
        return track_of(recording).places(times)
    nowhere = np.full(len(times), np.nan)
    return Places(nowhere, nowhere, nowhere)
