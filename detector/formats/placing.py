"""What the places of another program's file do not tell: where nobody was, and which records lie nowhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from detector.formats.foreign import ForeignRecording
from detector.samples import NO_ODOMETER, Int64Array, SampleBlock, StreamDescription

REACH_M: Final = 0.15
"""Records nearer than this, or than three of their steps, leave no ground between them out; as in scores."""
FAR_M: Final = 0.5
"""Nobody looks for mines with records further apart: more likely the unit is another one."""


def with_places_told(read: ForeignRecording) -> ForeignRecording:
    """The recording with a note on its places; places that never move are no places, and are taken out."""
    said: list[str] = []
    blocks = read.blocks
    for stream in read.device.streams:
        um = np.concatenate([np.empty(0, np.int64), *(b.odometer_um for b in blocks if b.stream == stream)])
        known = np.unique(um[um != NO_ODOMETER])
        if len(um) < 2 or not len(known):
            continue
        if len(known) == 1:
            said.append(f"{stream.name}: the place never moves from {known[0] * 1e-6:g} m, so no record has a place.")
            blocks = tuple(_nowhere(b) if b.stream == stream else b for b in blocks)
            continue
        if nowhere := int(np.count_nonzero(um == NO_ODOMETER)):
            said.append(f"{stream.name}: {nowhere} of {len(um)} records have no place.")
        said += _holes(stream, known) + _too_far_apart(stream, known)
    if not said:
        return read
    return replace(read, blocks=blocks, note=" ".join([read.note, *said]))


def _nowhere(block: SampleBlock) -> SampleBlock:
    return replace(block, odometer_um=np.full(len(block), NO_ODOMETER, np.int64))


def _holes(stream: StreamDescription, um: Int64Array) -> list[str]:
    """A sentence on the stretches between the places, which rise, on which there is no record."""
    steps = 1e-6 * np.diff(um)
    holes = np.flatnonzero(steps > max(REACH_M, 3.0 * float(np.median(steps))))
    if not len(holes):
        return []
    largest = holes[steps[holes].argmax()]
    others = f"; {len(holes)} such stretches, together {steps[holes].sum():.2f} m" if len(holes) > 1 else ""
    return [
        f"{stream.name}: from {um[largest] * 1e-6:.2f} to {um[largest + 1] * 1e-6:.2f} m there is no record, and "
        f"nothing was looked for there{others}."
    ]


def _too_far_apart(stream: StreamDescription, um: Int64Array) -> list[str]:
    """Where the step is stated too, it is asked about with it."""
    step_m = 1e-6 * float(np.median(np.diff(um)))
    if stream.step_m or step_m <= FAR_M:
        return []
    return [f"{stream.name}: records lie {step_m:g} m apart. Are the places in another unit than m?"]
