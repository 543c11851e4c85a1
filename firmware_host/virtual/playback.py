"""From a recording to a virtual head that plays it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from detector.recording.reader import open_recording
from detector.samples import SampleBlock
from firmware_host.parameters import PULSE_PARAMETER
from firmware_host.virtual.head import Faults, VirtualHead


def play_recording(path: Path, speed: float = 1.0, faults: Faults | None = None) -> VirtualHead:
    """A head that plays this recording, and states its pulse length if it knows it; the file is read as it is played.

    Raises
    ------
    RecordingError
        if the file cannot be read.
    """
    with open_recording(path) as recording:
        recording.refuse_training("be played as a head: a sweep with it would look like a survey")
        device = recording.device
        stated = [p.value for p in recording.parameters() if p.name == PULSE_PARAMETER]

    def blocks() -> Iterator[SampleBlock]:
        with open_recording(path) as recording:
            yield from recording.blocks(max_records=8)

    return VirtualHead(device, blocks, speed, faults, stated[0] if stated else None)
