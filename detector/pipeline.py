"""The pipeline: builds the chains of a head from a profile and runs them, block by block.

A live run, a replay and a batch job are this same object behind different sources. Its output
depends on the records only, not on how they were cut into blocks or how the streams' blocks
interleave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm, AlarmStage, Peak, Tail
from detector.decide.classifier import Model
from detector.decide.features import metal_shape, radar_shape
from detector.decide.fusion import Fusion
from detector.detections import Detection
from detector.errors import ProfileError
from detector.metal.chain import MetalChain
from detector.metal.geometry import MetalGeometry
from detector.profile import Profile
from detector.radar.chain import RadarChain
from detector.radar.geometry import RadarGeometry
from detector.samples import NO_ODOMETER, DeviceDescription, Int64Array, SampleBlock, StreamDescription

F8 = NDArray[np.float64]

_PATCH_M = 0.2
"""Half width of the B-scan patch that features are taken from, m (Malof et al. 2018 use about 0.4 m)."""

_COUNTS = {"int16": True, "uint16": True, "int32": True, "float32": False}
"""Whether a sample type is counts, whose step sets a noise floor."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a block brought about."""

    alarms: list[Alarm]
    """Places that stand out, as each sensor sees them: show and sound these at once."""
    detections: list[Detection]
    """Places settled: both sensors have passed, fused and classified."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a stream was really tested. What was not tested was not swept."""

    stream: str
    received: int
    """Records that came in."""
    missing: int
    """Records that the head counted and the host never got."""
    surface_lost: int
    """A-scans whose surface echo was lost, over all antennas."""
    untested: int
    """Records with too little ground round them for the alarm stage, over all channels."""
    segments: int
    """Unbroken pieces that the stream came in."""


class _Track:
    """Who, when and where of the records of one segment, kept while an alarm may still need them."""

    def __init__(self) -> None:
        self._rows: Int64Array = np.empty((0, 4), np.int64)
        self._base = 0

    def append(self, block: SampleBlock) -> None:
        rows = np.column_stack((block.seq, block.tick, block.utc_ns, block.odometer_um))
        self._rows = np.concatenate((self._rows, rows))

    def at(self, row: int) -> Int64Array:
        found: Int64Array = self._rows[row - self._base]
        return found

    def trim(self, first: int) -> None:
        drop = min(max(0, first - self._base), len(self._rows))
        self._rows = self._rows[drop:]
        self._base += drop


class _History:
    """Rows of a stage's output, kept while an alarm may still need them."""

    def __init__(self, width: int) -> None:
        self._rows: F8 = np.empty((0, width))
        self.base = 0

    @property
    def end(self) -> int:
        return self.base + len(self._rows)

    def append(self, rows: F8) -> None:
        self._rows = np.concatenate((self._rows, rows))

    def cut(self, first: int, last: int) -> F8:
        """Rows first to last - 1, clipped to what is held."""
        a = max(first, self.base)
        return self._rows[a - self.base : max(a, last) - self.base]

    def trim(self, first: int) -> None:
        drop = min(max(0, first - self.base), len(self._rows))
        self._rows = self._rows[drop:]
        self.base += drop


def _place(
    peak: Peak, track: _Track, sensor: str, channel: int, step_m: float, threshold: float
) -> Callable[[F8, float, float, float], Alarm]:
    """An alarm at that peak, waiting for its description."""
    here, first, last = track.at(peak.row), track.at(peak.first_row), track.at(peak.last_row)
    known = here[3] != NO_ODOMETER
    x_m = float(here[3]) * 1e-6 if known else float("nan")
    # half the extent of the peak is two standard deviations at the most: the apex is near its middle
    extent = (peak.last_row - peak.first_row + 1) * step_m
    x_sigma = max(step_m / np.sqrt(12.0), extent / 4.0) if known else float("nan")

    def describe(features: F8, two_way_s: float, depth_m: float, depth_sigma_m: float) -> Alarm:
        return Alarm(
            sensor=sensor,
            channel=channel,
            first_seq=int(first[0]),
            peak_seq=int(here[0]),
            last_seq=int(last[0]),
            first_tick=int(first[1]),
            peak_tick=int(here[1]),
            last_tick=int(last[1]),
            utc_ns=int(here[2]),
            x_m=x_m,
            x_sigma_m=float(x_sigma),
            score=peak.score / threshold,
            two_way_s=two_way_s,
            depth_m=depth_m,
            depth_sigma_m=depth_sigma_m,
            features=features,
        )

    return describe


class _Segment(Protocol):
    """One unbroken piece of a stream on its way through a chain."""

    def process(self, block: SampleBlock) -> list[Alarm]: ...
    def finish(self) -> list[Alarm]: ...
    @property
    def settled_tick(self) -> int | None: ...
    @property
    def latency(self) -> int: ...
    @property
    def untested(self) -> int: ...
    @property
    def surface_lost(self) -> int: ...


class _RadarSegment:
    def __init__(self, stream: StreamDescription, profile: Profile, tail: Tail) -> None:
        fc = profile.radar.centre_frequency_mhz * 1e6 or stream.centre_frequency_hz
        if fc <= 0:
            raise ProfileError(
                f"The stream {stream.name!r} does not say its antenna's centre frequency. "
                "Set radar.centre_frequency_mhz in the profile (it is printed on the antenna)."
            )
        if 2.0 * fc * stream.sampling_interval_s > 1.0:
            raise ProfileError(
                f"The centre frequency of {stream.name!r}, {fc / 1e6:g} MHz, is above half its sampling rate "
                f"({0.5e-6 / stream.sampling_interval_s:g} MHz). Set radar.centre_frequency_mhz in the profile."
            )
        self._geometry = RadarGeometry(
            samples=stream.values,
            dt_s=stream.sampling_interval_s,
            centre_frequency_hz=fc,
            step_m=stream.step_m or profile.nominal_speed_m_per_s / stream.rate_hz,
            lsb=abs(stream.scale) if _COUNTS[stream.sample_type] else 0.0,
        )
        self._profile = profile
        self._stream = stream
        self._threshold = tail.threshold(profile.radar_alarm.false_alarms_per_m)
        self._track = _Track()
        self._chains = [RadarChain(profile.radar, self._geometry) for _ in range(stream.channels)]
        self._stages: list[AlarmStage] = []
        self._bscans = [_History(stream.values) for _ in range(stream.channels)]
        self._settled: int | None = None
        self.surface_lost = 0

    @property
    def latency(self) -> int:
        alarm = self._profile.radar_alarm
        g = self._geometry
        return self._chains[0].latency + round(alarm.ahead_m / g.step_m) + max(1, round(alarm.radius_m / g.step_m))

    @property
    def settled_tick(self) -> int | None:
        return self._settled

    @property
    def untested(self) -> int:
        return sum(s.untested for s in self._stages)

    def process(self, block: SampleBlock) -> list[Alarm]:
        self._track.append(block)
        physical = block.raw.astype(np.float64) * self._stream.scale + self._stream.offset
        found: list[Alarm] = []
        for c, chain in enumerate(self._chains):
            out = chain.process(np.ascontiguousarray(physical[:, c, :]))
            self.surface_lost += int(np.count_nonzero(out.lost))
            if len(self._stages) <= c:
                self._stages.append(
                    AlarmStage(
                        self._profile.radar_alarm, self._geometry.step_m, len(chain.prescreener.bins), self._threshold
                    )
                )
            self._bscans[c].append(out.bscan)
            found += self._describe(c, self._stages[c].process(out.energy, chain.floor))
        self._after()
        return found

    def finish(self) -> list[Alarm]:
        found: list[Alarm] = []
        # a stream that never spoke has chains and no stages yet
        for c, (chain, stage) in enumerate(zip(self._chains, self._stages, strict=False)):
            out = chain.finish()
            self._bscans[c].append(out.bscan)
            peaks = stage.process(out.energy, chain.floor)
            found += self._describe(c, peaks + stage.finish())
        return found

    def _after(self) -> None:
        decided = min(s.decided for s in self._stages)
        if decided:
            self._settled = int(self._track.at(decided - 1)[1])
        keep = decided - self._geometry.rows(self._profile.radar_alarm.radius_m) - self._patch - 1
        self._track.trim(keep)
        for history in self._bscans:
            history.trim(keep)

    @property
    def _patch(self) -> int:
        """Half width of the feature patch; never more than has come in when an alarm is reported."""
        after = self.latency - self._chains[0].latency + round(
            self._profile.radar.prescreener.aperture_m / self._geometry.step_m
        )
        return min(self._geometry.rows(_PATCH_M), after)

    def _describe(self, channel: int, peaks: list[Peak]) -> list[Alarm]:
        chain, g = self._chains[channel], self._geometry
        alarms = []
        for peak in peaks:
            first = max(0, peak.row - self._patch)
            patch = self._bscans[channel].cut(first, peak.row + self._patch + 1)
            shape = radar_shape(
                patch,
                peak.row - first,
                int(chain.prescreener.bins[peak.cell]),
                chain.prescreener.bin_length,
                chain.surface,
                g.dt_s,
                g.step_m,
                peak.score / self._threshold,
            )
            depth = 0.5 * shape.speed_m_per_s * shape.two_way_s
            # the surface echo and the ground bounce under a raised antenna differ by up to half a period
            pick = 0.25 * shape.speed_m_per_s / g.centre_frequency_hz
            sigma = float(np.hypot(depth * self._profile.radar.velocity_sigma, pick))
            describe = _place(peak, self._track, "radar", channel, g.step_m, self._threshold)
            alarms.append(describe(shape.features, shape.two_way_s, depth, sigma))
        return alarms


class _MetalSegment:
    surface_lost = 0

    def __init__(self, stream: StreamDescription, profile: Profile, tail: Tail) -> None:
        low, high = stream.limits
        self._geometry = MetalGeometry(
            kind=stream.kind,
            channels=stream.channels,
            values=stream.values,
            axis=stream.axis,
            rate_hz=stream.rate_hz,
            step_m=stream.step_m or profile.nominal_speed_m_per_s / stream.rate_hz,
            lsb=abs(stream.scale) if _COUNTS[stream.sample_type] else 0.0,
            low=low,
            high=high,
        )
        self._profile = profile
        self._stream = stream
        self._threshold = tail.threshold(profile.metal_alarm.false_alarms_per_m)
        self._track = _Track()
        self._chain = MetalChain(profile.metal, self._geometry)
        self._stage: AlarmStage | None = None
        self._cells = 1
        self._gates = _History(stream.width)
        self._shares = _History(stream.channels)
        self._settled: int | None = None

    @property
    def latency(self) -> int:
        alarm = self._profile.metal_alarm
        step = self._geometry.step_m
        return self._chain.latency + round(alarm.ahead_m / step) + max(1, round(alarm.radius_m / step))

    @property
    def settled_tick(self) -> int | None:
        return self._settled

    @property
    def untested(self) -> int:
        return self._stage.untested if self._stage else 0

    def process(self, block: SampleBlock) -> list[Alarm]:
        self._track.append(block)
        physical = block.raw.astype(np.float64) * self._stream.scale + self._stream.offset
        out = self._chain.process(physical.reshape(len(block), self._geometry.width))
        self._gates.append(out.gates)
        self._shares.append(out.soil_share)
        found = self._alarms(out.energy)
        if self._stage is not None and self._stage.decided:
            self._settled = int(self._track.at(self._stage.decided - 1)[1])
            rows = self._geometry.rows(self._profile.metal_alarm.radius_m) + self._chain.response.latency + 1
            keep = self._stage.decided - rows
            for kept in (self._track, self._gates, self._shares):
                kept.trim(keep)
        return found

    def finish(self) -> list[Alarm]:
        out = self._chain.finish()
        self._gates.append(out.gates)
        self._shares.append(out.soil_share)
        found = self._alarms(out.energy)
        if self._stage is not None:
            found += self._describe(self._stage.finish())
        return found

    def _alarms(self, energy: F8) -> list[Alarm]:
        # all coils stand in one alarm stage: a target under one coil is heard by its neighbours too
        n, channels, self._cells = energy.shape
        cells = energy.reshape(n, channels * self._cells)
        if self._stage is None:
            self._stage = AlarmStage(
                self._profile.metal_alarm, self._geometry.step_m, cells.shape[1], self._threshold
            )
        # a whitened cell holds 1 where there is nothing but noise: a hundredth of that is silence
        return self._describe(self._stage.process(cells, np.full(cells.shape[1], 0.01)))

    def _describe(self, peaks: list[Peak]) -> list[Alarm]:
        response, g = self._chain.response, self._geometry
        alarms = []
        for peak in peaks:
            coil, cell = divmod(peak.cell, self._cells)
            width = cell % len(response.widths_m)
            half = int(response.halves[width])
            first = max(0, peak.row - half)
            gates = self._gates.cut(first, peak.row + half + 1)
            gates = gates[:, coil * g.values : (coil + 1) * g.values]
            features = metal_shape(
                gates,
                peak.row - first,
                response.filters[width],
                half,
                g.axis if len(g.axis) == g.values else (),
                float(self._shares.cut(peak.row, peak.row + 1)[0, coil]),
                float(response.widths_m[width]),
                peak.score / self._threshold,
            )
            nan = float("nan")
            alarms.append(
                _place(peak, self._track, "metal", coil, g.step_m, self._threshold)(features, nan, nan, nan)
            )
        return alarms


class _Runner:
    """One stream: cuts it into unbroken segments and runs each through a fresh chain."""

    def __init__(self, stream: StreamDescription, profile: Profile, model: Model) -> None:
        self._stream = stream
        self._profile = profile
        self._tail = model.tails["metal" if stream.kind.is_metal else "radar"]
        self._segment = self._fresh()
        self._last_seq: int | None = None
        self._last_tick = 0
        self._ended_tick: int | None = None
        self._received = 0
        self._missing = 0
        self._untested = 0
        self._lost = 0
        self._segments = 1

    def _fresh(self) -> _Segment:
        kind = _MetalSegment if self._stream.kind.is_metal else _RadarSegment
        return kind(self._stream, self._profile, self._tail)

    @property
    def latency(self) -> int:
        return self._segment.latency

    @property
    def settled_tick(self) -> int | None:
        """Every alarm up to this tick has been reported; None while nothing is settled."""
        return self._segment.settled_tick if self._segment.settled_tick is not None else self._ended_tick

    @property
    def coverage(self) -> Coverage:
        return Coverage(
            self._stream.name,
            self._received,
            self._missing,
            self._lost + self._segment.surface_lost,
            self._untested + self._segment.untested,
            self._segments,
        )

    def process(self, block: SampleBlock) -> list[Alarm]:
        found: list[Alarm] = []
        start = 0
        previous = self._last_seq
        for i in range(len(block)):
            seq = int(block.seq[i])
            if previous is not None and seq > previous + 1:
                self._missing += seq - previous - 1
                if seq - previous - 1 > self._profile.bridge_records:
                    if i > start:
                        found += self._segment.process(block[start:i])
                    last_tick = int(block.tick[i - 1]) if i else self._last_tick
                    found += self._end_segment(last_tick)
                    start = i
            previous = seq
        if start < len(block):
            found += self._segment.process(block[start:])
        self._last_seq = previous
        self._last_tick = int(block.tick[-1])
        self._received += len(block)
        return found

    def finish(self) -> list[Alarm]:
        return self._segment.finish()

    def _end_segment(self, last_tick: int) -> list[Alarm]:
        found = self._segment.finish()
        self._untested += self._segment.untested
        self._lost += self._segment.surface_lost
        self._ended_tick = last_tick
        self._segment = self._fresh()
        self._segments += 1
        return found


class Pipeline:
    """All chains of one head.

    Parameters
    ----------
    device : who the head is and what it streams
    profile : every tunable number
    model : classifier and alarm thresholds

    Raises
    ------
    ProfileError
        when the profile does not fit the head's streams.
    """

    def __init__(self, device: DeviceDescription, profile: Profile, model: Model) -> None:
        self._device = device
        self._runners = {s.stream_id: _Runner(s, profile, model) for s in device.streams}
        self._fusion = Fusion(
            profile.fusion,
            model,
            device.tick_hz,
            profile.nominal_speed_m_per_s,
            frozenset("metal" if s.kind.is_metal else "radar" for s in device.streams),
            profile.hash,
        )

    def latency_s(self) -> dict[str, float]:
        """Time from a record to its alarm, s at the nominal record rate, by stream name."""
        return {s.name: self._runners[s.stream_id].latency / s.rate_hz for s in self._device.streams}

    def coverage(self) -> list[Coverage]:
        """What was and was not tested so far, stream by stream."""
        return [self._runners[s.stream_id].coverage for s in self._device.streams]

    def process(self, block: SampleBlock) -> Output:
        """Run one block of one stream; blocks of a stream come in order."""
        if len(block) == 0:
            return Output([], [])
        alarms = self._runners[block.stream.stream_id].process(block)
        self._fusion.add(alarms)
        settled = [r.settled_tick for r in self._runners.values()]
        ready = [t for t in settled if t is not None]
        if len(ready) < len(settled):
            return Output(alarms, [])
        return Output(alarms, self._fusion.settle(min(ready)))

    def finish(self) -> Output:
        """The streams have ended: what is still owed, with windows cut at the end."""
        alarms = [a for s in self._device.streams for a in self._runners[s.stream_id].finish()]
        self._fusion.add(alarms)
        return Output(alarms, self._fusion.settle(None))
