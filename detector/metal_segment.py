"""One unbroken piece of a metal-detector stream: chain, search and alarm stage, all coils together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm, AlarmStage, Peak, Tail
from detector.decide.features import metal_shape
from detector.decide.search import UNFITTED, SearchStage
from detector.delay_line import Rows
from detector.kernels.background import subtract_background
from detector.metal.chain import MetalChain, MetalOutput
from detector.metal.geometry import MetalGeometry
from detector.profile import Profile
from detector.samples import SampleBlock, StreamDescription
from detector.segment import COUNTS, Given, Tapped, Track, Watcher, alarm_at, signals_of

F8 = NDArray[np.float64]


class MetalSegment:
    """Settled up to `settled_tick`; `watchers` is read whenever a stage has run."""

    def __init__(
        self,
        stream: StreamDescription,
        profile: Profile,
        tails: Mapping[str, Tail],
        watchers: Mapping[str, list[Watcher]],
    ) -> None:
        self._geometry = MetalGeometry(
            kind=stream.kind,
            channels=stream.channels,
            values=stream.values,
            axis=stream.axis,
            rate_hz=stream.rate_hz,
            step_m=stream.step_m or profile.nominal_speed_m_per_s / stream.rate_hz,
            lsb=abs(stream.scale) if COUNTS[stream.sample_type] else 0.0,
        )
        self._profile, self._stream = profile, stream
        self._threshold = tails["metal"].threshold(profile.metal_alarm.false_alarms_per_m)
        self._search_threshold = max(
            1e-3, tails.get("metal-search", UNFITTED).threshold(profile.metal_search.false_alarms_per_m)
        )
        self._track = Track()
        self._watchers = watchers
        self._chain = MetalChain(profile.metal, self._geometry)
        self._stage: AlarmStage | None = None
        channels = stream.channels
        self._plain = _PlainSearch(self._geometry)
        self._search = SearchStage(profile.metal_search, self._geometry.step_m, channels, channels)
        # a whitened cell holds 1 where there is nothing but noise: a hundredth of that is silence
        self._silence = np.full(channels, 0.01)
        self._cells = 1
        self._gates = Rows(stream.width)
        self._shares = Rows(channels)
        self._emitted = {"gates": 0, "energy": 0}
        self._settled: int | None = None

    @property
    def latencies(self) -> dict[str, int]:
        """Readings that each stage of the decision holds back."""
        alarm, step = self._profile.metal_alarm, self._geometry.step_m
        return {
            "chain": self._chain.latency,
            "cfar": round(alarm.ahead_m / step),
            "peak": max(1, round(alarm.radius_m / step)),
        }

    @property
    def taps(self) -> tuple[str, ...]:
        return ("gates", "energy", "score", "search", "strength")

    @property
    def settled_tick(self) -> int | None:
        return self._settled

    @property
    def untested(self) -> int:
        return self._stage.untested if self._stage else 0

    def _show(self, stage: str, first: int, rows: NDArray[Any]) -> None:
        for fn in self._watchers.get(stage, ()):
            values = rows.reshape(len(rows), -1, rows.shape[-1]).copy()
            fn(Tapped(self._stream.name, stage, self._track.seq(first, len(rows)), values))

    def process(self, block: SampleBlock) -> Given:
        before = self._track.end
        self._track.append(block)
        g = self._geometry
        physical = (block.raw.astype(np.float64) * self._stream.scale + self._stream.offset).reshape(-1, g.width)
        out = self._chain.process(physical)
        causal = getattr(out, "search", None)
        if causal is None:
            causal = self._plain.process(physical)
        scores = self._search.process(causal, self._silence)
        self._show("search", before, causal[:, :, None])
        self._show("strength", before, scores[:, :, None] / self._search_threshold)
        marks = getattr(out, "marks", None)
        if marks is None:
            marks = np.zeros(len(block), np.uint8)
        given = Given(
            self._alarms(out),
            signals_of(scores, self._search_threshold, block, "metal"),
            [np.repeat(np.asarray(marks, np.uint8)[:, None], self._stream.channels, axis=1)],
        )
        if self._stage is not None and self._stage.decided:
            self._settled = int(self._track.at(self._stage.decided - 1)[1])
            rows = g.rows(self._profile.metal_alarm.radius_m) + self._chain.response.latency + 1
            keep = self._stage.decided - rows
            for kept in (self._track, self._gates, self._shares):
                kept.trim(keep)
        return given

    def finish(self) -> Given:
        alarms = self._alarms(self._chain.finish())
        if self._stage is not None:
            alarms += self._describe(self._stage.finish())
        return Given(alarms)

    def _alarms(self, out: MetalOutput) -> list[Alarm]:
        self._gates.append(out.gates)
        self._shares.append(out.soil_share)
        gates = out.gates.reshape(len(out.gates), self._stream.channels, self._stream.values)
        for stage, rows in (("gates", gates), ("energy", out.energy)):
            self._show(stage, self._emitted[stage], rows)
            self._emitted[stage] += len(rows)
        # all coils stand in one alarm stage: a target under one coil is heard by its neighbours too
        n, channels, self._cells = out.energy.shape
        cells = out.energy.reshape(n, channels * self._cells)
        if self._stage is None:
            self._stage = AlarmStage(
                self._profile.metal_alarm, self._geometry.step_m, cells.shape[1], self._threshold
            )
            self._stage.seen = lambda first, s: self._show("score", first, s[:, None, :1] / self._threshold)
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
            describe: Callable[[F8, float, float, float], Alarm] = alarm_at(
                peak, self._track, "metal", coil, g.step_m, self._threshold
            )
            alarms.append(describe(features, nan, nan, nan))
        return alarms


class _PlainSearch:
    """Mean square of the readings over a bounded recursive background behind the head, in its own deviations."""

    _LENGTH_M = 0.5

    def __init__(self, geometry: MetalGeometry) -> None:
        self._g = geometry
        self._level: F8 | None = None
        self._spread: F8 = np.zeros(geometry.width)
        self._floor = max(geometry.lsb / np.sqrt(12.0), 1e-300)

    def process(self, readings: F8) -> F8:
        """(n, channels * values) to (n, channels)."""
        started = self._level is not None
        if self._level is None:
            self._level = readings[0].copy()
            self._floor = max(self._floor, 1e-6 * float(np.max(np.abs(self._level))))
        alpha = min(1.0, self._g.step_m / self._LENGTH_M)
        left, spread = subtract_background(
            readings, 0, len(readings), 0, self._level, self._spread, alpha, 2.0, self._floor, started
        )
        out: F8 = np.zeros((len(readings), self._g.channels))
        z = left / spread
        for v in range(self._g.values):
            # one value after the other: the sum's order must not depend on the cut
            out += z[:, v :: self._g.values] ** 2
        return out / self._g.values
