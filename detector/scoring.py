"""A lane through the pipeline and on to its scores: both sensors, each alone, search signals, and a rival chain.

The samples pass once: blocks come in, go through every chain and are dropped. What is kept of a record is its number,
its place, whether it counts, and its alarm score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm
from detector.decide.classifier import Model
from detector.decide.fusion import Fusion
from detector.decide.search import Signal
from detector.detections import Detection
from detector.pipeline import Coverage, Output, Pipeline
from detector.profile import Profile
from detector.ranking import rarities_of, rarity_of
from detector.recording.playing import Played
from detector.samples import DeviceDescription, SampleBlock, Silence, StreamDescription
from detector.score.along import Trace
from detector.score.searching import score_search
from detector.score.trial import LaneScore, score_lane
from detector.score.truth_file import LaneTruth
from detector.segment import Tapped


@dataclass(frozen=True, slots=True)
class Chain:
    """What decides: every number of it."""

    profile: Profile
    model: Model

    def with_pulse(self, pulse_us: float) -> Chain:
        """As a session has it whose head states that length of its pulse, us; see Profile.with_pulse."""
        return replace(self, profile=self.profile.with_pulse(pulse_us))


@dataclass(frozen=True, slots=True)
class Scored:
    """One recording under one chain, and what else was asked of it."""

    lane: LaneScore
    alone: dict[str, LaneScore]
    """'metal' and 'radar', each sensor by itself on the same lane; where the head has only one, it is `lane`."""
    rival: LaneScore | None
    """Under the other chain."""
    coverage: tuple[Coverage, ...]
    head: str
    records_without_place: int
    cautions: tuple[str, ...] = ()
    """What whoever reads its figures has to know, a sentence each; alike for files that are alike."""


@dataclass(slots=True)
class _Stream:
    """What is kept of a stream's records, piece by piece."""

    seq: list[NDArray[np.int64]] = field(default_factory=list)
    x_m: list[NDArray[np.float64]] = field(default_factory=list)
    marked: list[NDArray[np.int64]] = field(default_factory=list)
    untested: list[tuple[int, int]] = field(default_factory=list)
    """First and last record of each stretch without ground enough to be tested."""
    scored: list[tuple[NDArray[np.int64], NDArray[Any]]] = field(default_factory=list)
    sounds: list[tuple[int, float, float]] = field(default_factory=list)


class _Run:
    """One chain on one recording."""

    def __init__(self, device: DeviceDescription, chain: Chain, closely: bool) -> None:
        self.chain = chain
        self.rarities = rarities_of(device, chain.profile, chain.model)
        self.pipeline = Pipeline(device, chain.profile, chain.model)
        self.alarms: list[Alarm] = []
        self.detections: list[Detection] = []
        self.streams = {s.name: _Stream() for s in device.streams}
        if closely:
            for name, kept in self.streams.items():
                self.pipeline.tap(f"{name}.score", _keeper(kept))

    def take(self, out: Output) -> None:
        self.alarms += out.alarms
        self.detections += out.detections
        for s in out.signals:
            self._sound(s)
        for m in out.marks:
            bad = m.seq[m.marks.any(axis=1)]
            if len(bad):
                self.streams[m.stream].marked.append(bad)
        for stretch in out.stretches:
            if not stretch.tested:
                self.streams[stretch.stream].untested.append((stretch.first_seq, stretch.last_seq))

    def _sound(self, s: Signal) -> None:
        self.streams[s.stream].sounds.append((s.seq, s.x_m, s.strength))

    def trace(self, s: StreamDescription) -> Trace:
        """The stream, record by record."""
        kept = self.streams[s.name]
        seq, x = _joined(kept.seq, np.int64), _joined(kept.x_m, np.float64)
        score = np.full(len(seq), np.nan)
        at = np.searchsorted(seq, _joined([q for q, _ in kept.scored], np.int64))
        score[at] = _joined([v for _, v in kept.scored], np.float64)
        for first, last in kept.untested:
            score[slice(*np.searchsorted(seq, (first, last + 1)))] = np.nan
        swept = ~np.isin(seq, _joined(kept.marked, np.int64))
        rarity = rarity_of(s, self.chain.profile, self.chain.model)
        return Trace(s.name, _sensor(s), seq, x, swept, score, rarity)

    def sounds(self, s: StreamDescription) -> Trace:
        """Only the records that sounded."""
        rows = np.array(self.streams[s.name].sounds, dtype=np.float64).reshape(-1, 3)
        seq = rows[:, 0].astype(np.int64)
        return Trace(s.name, _sensor(s), seq, rows[:, 1], np.ones(len(seq), dtype=bool), rows[:, 2])


def score_recording(
    lane: str,
    device: DeviceDescription,
    items: Iterable[Played],
    truth: LaneTruth,
    chain: Chain,
    rival: Chain | None = None,
) -> Scored:
    """Run a recording and score it.

    Parameters
    ----------
    lane : its name; 'NAME-1' and 'NAME-2' are two sweeps of NAME
    items : all records, in time order, and between them what gave a stream up or balanced it
    rival : another profile or model to run on the same records
    """
    run = _Run(device, chain, closely=True)
    other = None if rival is None else _Run(device, rival, closely=True)
    runs = [r for r in (run, other) if r is not None]
    low, high, nowhere = math.inf, -math.inf, 0
    for item in items:
        if not isinstance(item, SampleBlock):
            for r in runs:
                r.take(r.pipeline.skip(item) if isinstance(item, Silence) else r.pipeline.learn(item)[1])
            continue
        block = item
        if len(block) == 0:
            continue
        x = block.odometer_m
        nowhere += int(np.count_nonzero(np.isnan(x)))
        if not np.isnan(x).all():
            low, high = min(low, float(np.nanmin(x))), max(high, float(np.nanmax(x)))
        for r in runs:
            r.streams[block.stream.name].seq.append(block.seq)
            r.streams[block.stream.name].x_m.append(x)
            r.take(r.pipeline.process(block))
    for r in runs:
        r.take(r.pipeline.finish())
    span = None if nowhere or low > high else (low, high)

    def scored(detections: Sequence[Detection], of: _Run, streams: Sequence[StreamDescription]) -> LaneScore:
        traces = [of.trace(s) for s in streams]
        search = score_search(truth.objects, [of.sounds(s) for s in streams])
        return score_lane(
            lane, truth.objects, detections, span, truth.soil, truth.width_m, traces, search, of.rarities
        )

    sensors = sorted({_sensor(s) for s in device.streams})
    whole = scored(run.detections, run, device.streams)
    return Scored(
        lane=whole,
        alone={
            sensor: scored(
                alone(sensor, run.alarms, device, chain), run, [s for s in device.streams if _sensor(s) == sensor]
            )
            if len(sensors) > 1
            else whole
            for sensor in sensors
        },
        rival=None if other is None else scored(other.detections, other, device.streams),
        coverage=tuple(run.pipeline.coverage()),
        head=f"{device.model}, serial {device.serial}",
        records_without_place=nowhere,
    )


def alone(sensor: str, alarms: Sequence[Alarm], device: DeviceDescription, chain: Chain) -> list[Detection]:
    """What a head with that sensor only would have detected: its chain does not know of the other one."""
    p = chain.profile
    fusion = Fusion(
        p.fusion, chain.model, device.tick_hz, p.nominal_speed_m_per_s, frozenset({sensor}), p.hash
    )
    fusion.add([a for a in alarms if a.sensor == sensor])
    return fusion.settle(None)


def _sensor(s: StreamDescription) -> str:
    return "metal" if s.kind.is_metal else "radar"


def _joined(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype, copy=False)


def _keeper(kept: _Stream) -> Any:
    def keep(t: Tapped) -> None:
        # the highest channel; NaN only where none was tested
        values = t.values.reshape(len(t.seq), -1)
        known = np.isfinite(values)
        best = np.where(known, values, -np.inf).max(axis=1)
        kept.scored.append((t.seq, np.where(known.any(axis=1), best, np.nan)))

    return keep
