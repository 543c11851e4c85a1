"""Every measurement by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from detector.bench import (
    drift,
    footprint,
    height,
    immunity,
    lag,
    latency,
    noise,
    pinpoint,
    radar,
    repeatability,
    resolution,
    smallest,
    speed,
    static,
)
from detector.bench.result import Result
from detector.bench.steps import Entry, Planned, Source, Taken, channel_of, entry_of, steps_of, stream_of
from detector.errors import BenchError
from detector.settings import Settings


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: what is done, and what is computed from it."""

    name: str
    title: str
    source: str
    settings: type[Settings]
    plan: Callable[[Any], list[Planned]]
    measure: Callable[[Sequence[Taken], Any], Result]
    whole_as: str = ""
    """Role of a whole recording that holds no steps; '' = it is refused."""
    radar: bool = False
    """Whether it looks at a radar stream unless another is named."""

    def with_settings(self, values: Mapping[str, Any]) -> Settings:
        """Its settings with some of them changed.

        Raises
        ------
        BenchError
            if there is no such setting, or it is out of its range.
        """
        try:
            return self.settings.model_validate(dict(values))
        except ValidationError as e:
            first = e.errors()[0]
            key = ".".join(str(k) for k in first["loc"]) or "it"
            known = ", ".join(self.settings.model_fields)
            raise BenchError(f"Setting {key} of {self.name!r}: {first['msg']}. It has: {known}.") from e


def _of(name: str, module: Any, settings: type[Settings], **more: Any) -> Measurement:
    return Measurement(name, module.TITLE, module.SOURCE, settings, module.plan, module.measure, **more)


MEASUREMENTS: Final[dict[str, Measurement]] = {
    m.name: m
    for m in (
        _of("noise", noise, noise.NoiseSettings, whole_as="still"),
        _of("drift", drift, drift.DriftSettings, whole_as="still"),
        _of("repeatability", repeatability, repeatability.RepeatabilitySettings),
        _of("height", height, height.HeightSettings),
        _of("smallest", smallest, smallest.SmallestSettings),
        Measurement(
            "soil", smallest.SOIL_TITLE, smallest.SOIL_SOURCE, smallest.SmallestSettings, smallest.soil_plan,
            smallest.measure_soil,
        ),
        _of("footprint", footprint, footprint.FootprintSettings),
        _of("speed", speed, speed.SpeedSettings),
        _of("static", static, static.StaticSettings),
        _of("pinpoint", pinpoint, pinpoint.PinpointSettings),
        _of("resolution", resolution, resolution.ResolutionSettings),
        _of("immunity", immunity, immunity.ImmunitySettings),
        _of("lag", lag, lag.LagSettings),
        _of("latency", latency, latency.LatencySettings),
        _of("radar", radar, radar.RadarSettings, radar=True),
    )
}  # fmt: skip


def compute(
    source: Source,
    measurement: Measurement,
    settings: Settings,
    stream: str = "",
    channel: int = 0,
    entries: Sequence[Entry] = (),
) -> Result:
    """A measurement from a recording. What cannot be given honestly comes back as a refusal, not as a figure.

    Parameters
    ----------
    stream : name; '' for the first metal detector, or radar where the measurement is one of a radar
    channel : coil or antenna
    entries : steps that are told from outside; () = the recording's own
    """
    try:
        s = stream_of(source.device, stream, measurement.radar)
        steps = channel_of(steps_of(source, measurement.name, s, measurement.whole_as, entries), channel)
        result = measurement.measure(steps, settings)
        told = entries or any(map(entry_of, source.events()))
        if not told and measurement.whole_as:
            note = f"The recording holds no steps: all of it was taken as {measurement.whole_as!r}."
            result = replace(result, notes=(*result.notes, note))
    except BenchError as e:
        result = Result(measurement.name, measurement.title, measurement.source, refusal=str(e))
    return replace(result, settings=settings.model_dump(mode="json"))
