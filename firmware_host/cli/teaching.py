"""A recording as a lesson: collected as replay and score take it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from detector.collected import Collected, collect
from detector.detections import TrueObject
from detector.formats.readable import Readable
from detector.profile import Profile
from detector.recording.playing import Played, played
from detector.recording.reader import Recording
from detector.score.trial import soil_of
from firmware_host.parameters import stated_pulse_us


def collected(r: Readable, name: str, objects: Sequence[TrueObject], profile: Profile) -> Collected | None:
    """With the pulse that its head stated, what it learned of the soil on command, and its silences.

    None if it has records without a place.
    """
    pulse_us, items = math.nan, _blocks(r)
    if isinstance(r, Recording):
        pulse_us, items = stated_pulse_us([r.parameters()]), played(r, 4096)
    return collect(name, r.device, items, objects, profile.with_pulse(pulse_us), soil_of(r.note))


def _blocks(r: Readable) -> Iterable[Played]:
    return () if isinstance(r, Recording) else r.blocks  # type: ignore[attr-defined]
