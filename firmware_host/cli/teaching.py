"""A recording as a lesson: collected as replay and score take it."""

from __future__ import annotations

from collections.abc import Sequence

from detector.collected import Collected, collect
from detector.detections import TrueObject
from detector.formats.readable import Readable
from detector.profile import Profile
from detector.score.trial import soil_of
from firmware_host.cli.reading import as_played


def collected(r: Readable, name: str, objects: Sequence[TrueObject], profile: Profile) -> Collected | None:
    """With the pulse that its head stated, what it learned of the soil on command, and its silences.

    None if it has records without a place.
    """
    items, pulse_us = as_played(r)
    return collect(name, r.device, items, objects, profile.with_pulse(pulse_us), soil_of(r.note))
