"""What a chain's alarms are ranked by when they are scored: the tails that its thresholds come from."""

from __future__ import annotations

import math

from detector.decide.alarm import Tail
from detector.decide.classifier import Model
from detector.metal_segment import tails_for
from detector.profile import Profile
from detector.samples import DeviceDescription, StreamDescription
from detector.score.rarity import Rarities, Rarity


def rarity_of(stream: StreamDescription, profile: Profile, model: Model) -> Rarity:
    """Of the alarm scores of a stream, in units of its threshold."""
    if stream.kind.is_metal:
        return _line(tails_for(stream, model.tails)[0], profile.metal_alarm.false_alarms_per_m)
    look = model.second_look if profile.radar_second_look.use == "yes" else None
    return _line(model.tails["radar"] if look is None else look.tail, profile.radar_alarm.false_alarms_per_m)


def rarities_of(device: DeviceDescription, profile: Profile, model: Model) -> Rarities:
    """Of all sensors of a head; of several streams of one sensor, those of the last one."""
    by_sensor = {"metal" if s.kind.is_metal else "radar": rarity_of(s, profile, model) for s in device.streams}
    return Rarities(by_sensor, 2.0 * profile.fusion.link_m)


def _line(tail: Tail, asked_per_m: float) -> Rarity:
    threshold = tail.threshold(asked_per_m)
    return Rarity((threshold - tail.level) / tail.scale - math.log(tail.rate_per_m), threshold / tail.scale)
