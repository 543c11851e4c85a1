"""Any file as something to read: a recording of ours, or another program's file. And the places of its detections."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from detector.formats.readable import Readable
from detector.formats.registry import read_foreign
from detector.positions import Places
from detector.recording.reader import Recording, open_recording
from firmware_host.cli.opening import is_ours
from firmware_host.cli.placing import track_of


@contextmanager
def reading(file: Path) -> Generator[Readable]:
    """Raises RecordingError or FormatError, each saying what is wrong with the file."""
    if is_ours(file):
        with open_recording(file) as recording:
            yield recording
    else:
        yield read_foreign(file)


def places_of_detections(recording: Readable) -> Places:
    """Of each detection in order; NaN where the fixes do not give one. Other programs' files hold no detections."""
    times = np.array([d.utc_ns for d in recording.detections()], np.int64)
    if isinstance(recording, Recording):
        return track_of(recording).places(times)
    nowhere = np.full(len(times), np.nan)
    return Places(nowhere, nowhere, nowhere)
