"""Fusion: a metal alarm and a radar alarm at one place become one detection."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm
from detector.decide.classifier import Model, Verdict
from detector.detections import CLASSES, LEVELS, UNKNOWN, Detection
from detector.settings import Settings, quantity

_CLUTTER: Final = CLASSES[1:]


class FusionSettings(Settings):
    link_m: float = quantity(0.15, "m", 0.01, 2.0, "alarms of two sensors nearer than this are one place")
    link_s: float = quantity(
        1.5, "s", 0.05, 30.0, "and not further apart in time than this: the second sensor's arm over the sweep speed"
    )


@dataclass(slots=True)
class _Pending:
    alarm: Alarm
    used: bool = field(default=False)


class Fusion:
    """Pairs alarms that are each other's nearest of the other sensor; the rest stand alone. Dense echoes get what metal
    no radar alarm that stands out is near to.

    Whether two alarms pair depends on the alarms within two link times only, so the outcome does
    not depend on the order in which the sensors' blocks arrive. No alarm is ever dropped: one that was joined of
    several and is called clutter lets go of those that by themselves would not be. A sensor that saw nothing there,
    because its records are missing, did not "not alarm": that is not known.
    """

    def __init__(
        self,
        settings: FusionSettings,
        model: Model,
        tick_hz: float,
        nominal_speed_m_per_s: float,
        sensors: frozenset[str],
        profile_hash: str,
    ) -> None:
        self._link_m = settings.link_m
        self._link_ticks = round(settings.link_s * tick_hz)
        self._model = model
        self._tick_hz = tick_hz
        self._speed = nominal_speed_m_per_s
        self._sensors = sensors
        self._profile_hash = profile_hash
        self._pending: list[_Pending] = []
        self._next_id = 1
        self.link_pass_ticks = round(settings.link_m / nominal_speed_m_per_s * tick_hz)
        """Time in which a sensor passes the linking distance: nearer to an absence it has not seen all round."""
        self._absences: list[tuple[int, str, int, int]] = []
        """Stream, sensor, and the ticks between which it saw nothing."""

    def absent(self, stream_id: int, sensor: str, after_tick: int, before_tick: int) -> None:
        """A stream saw nothing between two ticks. One with the same beginning replaces the one before."""
        kept = [a for a in self._absences if (a[0], a[2]) != (stream_id, after_tick)]
        self._absences = [*kept, (stream_id, sensor, after_tick, before_tick)]

    def add(self, alarms: list[Alarm]) -> None:
        """Take alarms, in any order."""
        self._pending.extend(_Pending(a) for a in alarms)
        self._pending.sort(key=lambda p: _order(p.alarm))

    def settle(self, settled_tick: int | None) -> list[Detection]:
        """Detections that no later alarm can change.

        settled_tick : every stream has reported all its alarms up to here; None = the stream ended.
        """
        out: list[Detection] = []
        horizon = None if settled_tick is None else settled_tick - 2 * self._link_ticks
        for p in self._pending:
            if horizon is not None and p.alarm.peak_tick > horizon:
                break
            if p.used:
                continue
            p.used = True
            partner = self._nearest(p)
            if partner is not None and not partner.used and self._nearest(partner) is p:
                partner.used = True
                out += self._detections(p.alarm, partner.alarm)
            else:
                out += self._detections(p.alarm, None)
        if horizon is None:
            self._pending.clear()
        else:
            # used ones stay as rivals until nothing still pending can compare itself with them
            keep = horizon - 2 * self._link_ticks
            self._pending = [p for p in self._pending if not p.used or p.alarm.peak_tick > keep]
            self._absences = [a for a in self._absences if a[3] > horizon - self.link_pass_ticks]
        return out

    def _nearest(self, of: _Pending) -> _Pending | None:
        """Dense echoes come after all that stands out: no radar alarm loses its metal to what lies in between."""
        best: tuple[bool, float, tuple[int, str, int, int]] | None = None
        found = None
        for p in self._pending:
            if p.alarm.sensor == of.alarm.sensor:
                continue
            if abs(p.alarm.peak_tick - of.alarm.peak_tick) > self._link_ticks:
                continue
            d = self._distance(p.alarm, of.alarm)
            rank = (p.alarm.dense, d, _order(p.alarm))
            if d <= self._link_m and (best is None or rank < best):
                best, found = rank, p
        return found

    def _distance(self, a: Alarm, b: Alarm) -> float:
        d = abs(a.x_m - b.x_m)
        if math.isnan(d):
            return abs(a.peak_tick - b.peak_tick) / self._tick_hz * self._speed
        return d

    def _detections(self, a: Alarm, b: Alarm | None) -> list[Detection]:
        """The place; and what it was joined of, where it is called clutter and that by itself would not be."""
        out = [self._detection(a, b, a.peak_tick)]
        if out[0].decision in _CLUTTER:
            # asked at the place's tick: how long an absence is remembered does not depend on where the others lie
            members = [m for x in (a, b) if x is not None for m in x.members]
            apart = [self._detection(m, None, a.peak_tick, silent=b is None) for m in members]
            out += [d for d in apart if d.decision not in _CLUTTER]
        return [self._numbered(d) for d in out]

    def _numbered(self, d: Detection) -> Detection:
        self._next_id += 1
        return replace(d, id=self._next_id - 1)

    def _detection(self, a: Alarm, b: Alarm | None, tick: int, silent: bool = True) -> Detection:
        """Without a number; silent : whether a sensor that did not alarm with it was silent, as far as it looked."""
        both = {x.sensor: x for x in (a, b) if x is not None}
        radar, metal = both.get("radar"), both.get("metal")
        features = a.features if b is None else np.where(np.isnan(a.features), b.features, a.features)
        flags = (self._flag("radar", radar, tick, silent), self._flag("metal", metal, tick, silent))
        verdict = self._verdict(features, flags, radar is not None and radar.dense)
        # the radar sees the body of a mine, the metal detector only its detonator or a nail beside it
        place = radar if radar is not None else metal
        assert place is not None
        x_m, x_sigma = place.x_m, place.x_sigma_m
        members = list(both.values())
        return Detection(
            id=0,
            t_start_s=min(m.first_tick for m in members) / self._tick_hz,
            t_peak_s=place.peak_tick / self._tick_hz,
            t_end_s=max(m.last_tick for m in members) / self._tick_hz,
            utc_ns=place.utc_ns,
            radar_first_seq=radar.first_seq if radar else -1,
            radar_peak_seq=radar.peak_seq if radar else -1,
            radar_last_seq=radar.last_seq if radar else -1,
            radar_channel=radar.channel if radar else -1,
            metal_first_seq=metal.first_seq if metal else -1,
            metal_peak_seq=metal.peak_seq if metal else -1,
            metal_last_seq=metal.last_seq if metal else -1,
            metal_channel=metal.channel if metal else -1,
            x_m=x_m,
            x_sigma_m=x_sigma,
            two_way_s=place.two_way_s,
            depth_m=place.depth_m,
            depth_sigma_m=place.depth_sigma_m,
            score=max(m.score for m in members),
            radar_score=radar.score if radar else math.nan,
            metal_score=metal.score if metal else math.nan,
            level=verdict.level,
            decision=verdict.decision,
            probability=verdict.probability,
            novelty=verdict.novelty,
            radar_llr=verdict.llr[0],
            metal_llr=verdict.llr[1],
            radar_first_channel=radar.channels[0] if radar else -1,
            radar_last_channel=radar.channels[1] if radar else -1,
            features=tuple(float(f) for f in features),
            profile_hash=self._profile_hash,
            model_hash=self._model.hash,
            metal=metal.metal if metal else None,
        )

    def _verdict(self, features: NDArray[np.float64], flags: tuple[float, float], dense: bool) -> Verdict:
        """Of dense echoes no model has learned: they are unknown, and say neither mine nor clutter."""
        if not dense:
            return self._model.judge(features, flags)
        verdict = self._model.judge(features, (math.nan, flags[1]))
        return replace(verdict, decision=UNKNOWN, level=len(LEVELS) - 1, novelty=math.inf)

    def _flag(self, sensor: str, alarm: Alarm | None, tick: int, silent: bool) -> float:
        """1: it alarmed; 0: it did not; NaN: there is none, or it was absent when the other one alarmed."""
        if alarm is not None:
            return 1.0
        near = self.link_pass_ticks
        absent = any(s == sensor and after - near < tick < before + near for _, s, after, before in self._absences)
        return math.nan if absent or not silent or sensor not in self._sensors else 0.0


def _order(a: Alarm) -> tuple[int, str, int, int]:
    return (a.peak_tick, a.sensor, a.channel, a.peak_seq)
