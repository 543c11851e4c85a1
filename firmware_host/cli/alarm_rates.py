"""How often each sensor alarmed on the way of a replay, beside what the profile asks of bare ground."""

from __future__ import annotations

from collections import Counter

import numpy as np

from detector.decide.alarm import Alarm
from detector.profile import Profile
from detector.samples import DeviceDescription, Gap, SampleBlock
from detector.score.bounds import poisson_rate
from detector.score.words import NOMINAL
from firmware_host.session import Listener


class AlarmRates(Listener):
    """Counts alarms by sensor, and the way that each sensor went."""

    def __init__(self, device: DeviceDescription) -> None:
        self.alarms: Counter[str] = Counter()
        self._last_m: dict[int, float] = {}
        self._way_m = {s.stream_id: 0.0 for s in device.streams}
        self._device = device

    def block(self, block: SampleBlock) -> None:
        x = block.odometer_m
        x = x[~np.isnan(x)]
        if len(x) == 0:
            return
        stream = block.stream.stream_id
        self._way_m[stream] += float(np.abs(np.diff(x, prepend=self._last_m.get(stream, x[0]))).sum())
        self._last_m[stream] = float(x[-1])

    def gap(self, gap: Gap) -> None:
        """Nothing could alarm on the way that was lost, so it is none that was swept."""
        self._last_m.pop(gap.stream_id, None)

    def alarm(self, alarm: Alarm) -> None:
        self.alarms[alarm.sensor] += 1

    def way_m(self, sensor: str) -> float:
        """The longest way of that sensor's streams, m; 0 where no record has a place."""
        return max(
            (self._way_m[s.stream_id] for s in self._device.streams if s.kind.is_metal == (sensor == "metal")),
            default=0.0,
        )

    def told(self, profile: Profile) -> list[str]:
        """A sentence a sensor, and what such a rate holds for; nothing where no record has a place."""
        asked = profile.asked_per_m
        ways = {sensor: self.way_m(sensor) for sensor in asked}
        out = [_told(sensor, self.alarms[sensor], way, asked[sensor]) for sensor, way in ways.items() if way > 0]
        return [*out, NOMINAL] if out else []


def _told(sensor: str, alarms: int, way_m: float, asked_per_m: float) -> str:
    text = (
        f"{sensor}: alarms {alarms} on {way_m:.1f} m = {alarms / way_m:.2g}/m; asked of bare ground {asked_per_m:g}/m, "
        f"which is {asked_per_m * way_m:.2g}"
    )
    if poisson_rate(alarms, way_m)[0] > asked_per_m:
        return f"{text}. More than chance gives there: things lie in this ground, or it is unlike the model's."
    return f"{text}."
