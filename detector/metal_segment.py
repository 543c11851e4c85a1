"""One unbroken piece of a metal-detector stream: chain, search and alarm stage, all coils together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm, AlarmStage, Peak, Tail
from detector.decide.evidence import WAVE
from detector.decide.features import metal_shape
from detector.decide.metal_peaks import MetalPeaks
from detector.decide.search import UNFITTED, SearchStage
from detector.delay_line import Rows
from detector.detections import FEATURES
from detector.kernels.gates import READY
from detector.metal.chain import MetalChain, MetalOutput
from detector.metal.description import describe_metal
from detector.metal.dipole import Dipole
from detector.metal.geometry import MetalGeometry
from detector.metal.known_ground import KnownGround
from detector.metal.locating import WINDOW_M, locate
from detector.metal.tracked import TurnLog
from detector.profile import Profile
from detector.samples import Mark, SampleBlock, StreamDescription, StreamKind
from detector.saturated_start import Begun, SaturatedStart
from detector.segment import Given, Stretch, Tapped, Track, Verdicts, Watcher, alarm_at, signals_of

F8 = NDArray[np.float64]


def tails_for(stream: StreamDescription, tails: Mapping[str, Tail]) -> tuple[Tail, Tail]:
    """Tails of the alarms and of the search path: those of its kind where a model has them, else pulse induction's."""
    search = tails.get("metal-search", UNFITTED)
    if stream.kind is StreamKind.METAL_CW:
        return tails.get(WAVE, tails["metal"]), tails.get(f"{WAVE}-search", search)
    return tails["metal"], search


class MetalSegment:
    """Settled up to `settled_tick`; `watchers` is read whenever a stage has run."""

    def __init__(
        self,
        stream: StreamDescription,
        profile: Profile,
        tails: Mapping[str, Tail],
        watchers: Mapping[str, list[Watcher]],
    ) -> None:
        self._geometry = MetalGeometry.of(stream, profile.nominal_speed_m_per_s)
        self._profile, self._stream = profile, stream
        alarm, search = tails_for(stream, tails)
        self._threshold = alarm.threshold(profile.metal_alarm.false_alarms_per_m)
        self._search_threshold = max(1e-3, search.threshold(profile.metal_search.false_alarms_per_m))
        self._track = Track()
        self._verdicts = Verdicts(stream.name, self._track)
        self._watchers = watchers
        self._chain = MetalChain(profile.metal, self._geometry)
        self._turns = self._turn_log()
        self._stage: AlarmStage | MetalPeaks | None = None
        if profile.metal_alarm.method == "own-ground":
            self._stage = MetalPeaks(profile.metal_alarm, self._geometry.step_m, self._threshold)
            self._stage.seen = self._scored
        channels = stream.channels
        self._search = SearchStage(profile.metal_search, self._geometry.step_m, channels, channels)
        # a whitened cell holds 1 where there is nothing but noise: a hundredth of that is silence
        self._silence = np.full(channels, 0.01)
        self._cells = 1
        self._gates = Rows(stream.width)
        self._readings = Rows(stream.width)
        self._shares = Rows(channels)
        self._emitted = {"gates": 0, "energy": 0, "search": 0}
        self._settled: int | None = None
        self._hidden: F8 | None = None
        """Energies of the first ground by the ground that follows, not yet searched."""
        self._early: list[int] = []
        """Rows that alarmed before the first ground was judged by the ground that follows."""
        self._start = SaturatedStart(self._geometry, self._threshold)
        if profile.metal.mode == "static":
            # what stays is a target that is looked at, and no ground is learned
            self._start.over = True
        self._marked = -1
        """The last record at the start that was marked before it went into the chain."""
        self._unread = 0
        """Records at the start that hold a value that is no number, or are saturated over so much ground."""
        self._blind = False

    def _turn_log(self) -> TurnLog | None:
        nominal = self._chain.search.state.nominal
        if self._profile.metal.ground_balance.track_limit == 0.0 or nominal.shape[1] == 0:
            return None
        return TurnLog(self._stream.stream_id, nominal[:, 0], self._geometry.rate_hz, self._track.at)

    @property
    def latencies(self) -> dict[str, int]:
        """Readings that each stage of the decision holds back."""
        alarm, step = self._profile.metal_alarm, self._geometry.step_m
        if isinstance(self._stage, MetalPeaks):
            return {"chain": self._chain.latency, "cfar": 0, "peak": self._stage.latency}
        return {
            "chain": self._chain.latency,
            "cfar": round(alarm.ahead_m / step),
            "peak": max(1, round(alarm.radius_m / step)),
        }

    @property
    def search_delay(self) -> float:
        """Readings by which the search statistic is late on average."""
        return self._smoothing + self._chain.search_latency

    @property
    def _smoothing(self) -> float:
        """Readings by which the statistic of a reading stands for ground further back."""
        own = self._profile.metal_search.smooth_m / self._geometry.step_m
        return own + self._chain.search.delay_s * self._geometry.rate_hz

    @property
    def taps(self) -> tuple[str, ...]:
        return ("gates", "energy", "score", "search", "strength")

    @property
    def settled_tick(self) -> int | None:
        return self._settled

    def knows(self, ground: KnownGround, level_holds: bool) -> None:
        """Before the first record: of :meth:`Response.knows`."""
        self._chain.response.knows(ground, level_holds)

    @property
    def ground(self) -> KnownGround | None:
        """What is known of the ground once this segment has ended, None if nothing."""
        return self._chain.response.ground

    @property
    def start_unjudged(self) -> bool:
        """Of a segment that has ended: whether metal under the whole of it would not have been told from ground."""
        return self._track.end > 0 and self._chain.response.start_unjudged

    @property
    def untested(self) -> int:
        without_ground = self._stage.untested if self._stage else 0
        return self._unread + (self._track.end if self._blind else without_ground)

    @property
    def blind(self) -> bool:
        return self._blind

    def _show(self, stage: str, first: int, rows: NDArray[Any]) -> None:
        """Give rows (n, channels, width) to whoever watches the stage."""
        for fn in self._watchers.get(stage, ()) if len(rows) else ():
            fn(Tapped(self._stream.name, stage, self._track.seq(first, len(rows)), rows.copy()))

    def process(self, block: SampleBlock) -> Given:
        if not self._start.over:
            return self._started(self._start.push(block, self._physical(block)))
        return self._read(block)

    def _physical(self, block: SampleBlock) -> F8:
        physical = block.raw.astype(np.float64) * self._stream.scale + self._stream.offset
        return physical.reshape(-1, self._geometry.width)

    def _started(self, begun: Begun) -> Given:
        """What the start of the segment gives: metal too strong to be measured, then what goes through the chain."""
        given = Given(list(begun.alarms))
        for block in begun.waiting:
            given.marks.append((block.seq, np.full((len(block), self._stream.channels), Mark.SATURATED, np.uint8)))
            self._marked = int(block.seq[-1])
        for block in begun.saturated:
            given.add(self._not_read(block))
        if begun.saturated and self._start.open_tick is not None:
            # the piece at hand may still alarm, from its beginning on
            self._settled = self._start.open_tick - 1
        for block in begun.rest:
            given.add(self._read(block))
        return given

    def _read(self, block: SampleBlock) -> Given:
        physical = self._physical(block)
        unread = Given()
        if self._track.end == 0:
            # later such records take the values of the last sound one: before it there are none, and 0 would be a step
            sound = np.isfinite(physical).all(axis=1)
            first = int(np.argmax(sound)) if sound.any() else len(block)
            unread = self._not_read(block[:first])
            block, physical = block[first:], physical[first:]
            if len(block) == 0:
                return unread
        self._track.append(block)
        out = self._chain.process(physical, block.odometer_m)
        given = self._at_once(out)
        given.marks = unread.marks + given.marks
        given.stretches = unread.stretches
        given.alarms += self._alarms(out)
        if not self._chain.response.too_short:
            given.stretches += self._verdicts.tell(self._with_ground())
        if isinstance(self._stage, MetalPeaks):
            given.alarms += self._hidden_alarms(self._stage)
            if self._doubted:
                # of the first ground alarms may still come
                return given
        if self._stage is not None and self._stage.decided:
            settled = self._stage.settled
            if settled >= self._track.base:
                self._settled = int(self._track.at(settled)[1])
            keep = self._stage.decided - 2 * self._stage.kept - self._chain.response.latency - 1
            for kept in (self._track, self._gates, self._readings, self._shares):
                kept.trim(keep)
        return given

    def _not_read(self, block: SampleBlock) -> Given:
        """Records before the chain begins: marked, and counted as not tested."""
        if len(block) == 0:
            return Given()
        self._unread += len(block)
        self._settled = int(block.tick[-1])
        fresh = block.seq[block.seq > self._marked]
        flags = np.full((len(fresh), self._stream.channels), Mark.SATURATED, np.uint8)
        return Given(marks=[(fresh, flags)], stretches=[Stretch.untested(block)])

    def _with_ground(self) -> NDArray[np.bool_]:
        """Whether the alarm stage has ground enough for the next rows, as far as that is known."""
        first, rows = self._verdicts.told, self._track.end
        return self._stage.ground(first, rows) if isinstance(self._stage, AlarmStage) else np.ones(rows - first, bool)

    def finish(self) -> Given:
        begun = self._started(self._start.finish())
        out = self._chain.finish()
        self._blind = self._chain.response.too_short
        given = self._at_once(out)
        given.alarms += self._alarms(out)
        if self._stage is not None:
            given.alarms += self._described(self._stage.finish())
        if isinstance(self._stage, MetalPeaks):
            given.alarms += self._hidden_alarms(self._stage)
        if self._turns is not None:
            given.tracked += self._turns.end()
        if not self._blind:
            given.stretches += self._verdicts.tell(self._with_ground())
        given.stretches += self._verdicts.end()
        begun.add(given)
        return begun

    def _at_once(self, out: MetalOutput) -> Given:
        """Signals and marks of the next rows."""
        causal = out.search
        first, n = self._emitted["search"], len(causal)
        self._emitted["search"] += n
        # before the noise is known there is no statistic: what stands there is no ground to compare with
        unknown = min(n, max(0, READY - first))
        scores = np.full(causal.shape, np.nan)
        scores[unknown:] = self._search.process(causal[unknown:], self._silence)
        self._show("search", first, causal[:, :, None])
        self._show("strength", first, scores[:, :, None] / self._search_threshold)
        flags = np.repeat(out.marks[:, None], self._stream.channels, axis=1)
        name = self._stream.name
        seq = self._track.seq(first, n)
        return Given(
            signals=signals_of(scores, self._search_threshold, self._track, first, name, "metal", self._smoothing),
            marks=[(seq[seq > self._marked], flags[seq > self._marked])],
            tracked=self._turns.take(out.turns) if self._turns is not None else [],
        )

    def _alarms(self, out: MetalOutput) -> list[Alarm]:
        self._gates.append(out.gates)
        self._readings.append(out.readings)
        self._shares.append(out.soil_share)
        gates = out.gates.reshape(len(out.gates), self._stream.channels, self._stream.values)
        at = self._emitted["energy"]
        for stage, rows in (("gates", gates), ("energy", out.energy)):
            self._show(stage, self._emitted[stage], rows)
            self._emitted[stage] += len(rows)
        # all coils stand in one alarm stage: a target under one coil is heard by its neighbours too
        n, channels, self._cells = out.energy.shape
        if isinstance(self._stage, MetalPeaks):
            self._hidden = out.hidden if out.hidden is not None else self._hidden
            return self._described(self._stage.process(out.energy, self._track.places_m(at, at + n)))
        cells = out.energy.reshape(n, channels * self._cells)
        if self._stage is None:
            self._stage = AlarmStage(self._profile.metal_alarm, self._geometry.step_m, cells.shape[1], self._threshold)
            self._stage.seen = self._scored
        # against cells around it: noise as loud as a hundredth
        return self._describe(self._stage.process(cells, np.full(cells.shape[1], 0.01)))

    @property
    def _doubted(self) -> bool:
        """Whether the first ground has still to be judged by the ground that follows."""
        return self._chain.response.waits or self._hidden is not None

    def _described(self, peaks: list[Peak]) -> list[Alarm]:
        if self._doubted:
            self._early += [peak.row for peak in peaks]
        return self._describe(peaks)

    def _hidden_alarms(self, stage: MetalPeaks) -> list[Alarm]:
        """Metal that the first ground of the segment was taken for, where nothing has alarmed."""
        hidden = self._hidden
        if hidden is None or stage.decided < len(hidden):
            return []
        self._hidden = None
        places = self._track.places_m(0, len(hidden))
        return self._describe(stage.again(hidden, places, self._early))

    def _scored(self, first: int, scores: F8) -> None:
        self._show("score", first, scores[:, None, :1] / self._threshold)

    def _describe(self, peaks: list[Peak]) -> list[Alarm]:
        response, g = self._chain.response, self._geometry
        alarms = []
        for peak in peaks:
            coil, cell = divmod(peak.cell, self._cells)
            width = cell % len(response.widths_m)
            half, reach = int(response.halves[width]), int(response.halves.max())
            first = max(0, peak.row - reach)
            gates = self._gates.cut(first, self._at_hand(peak.row, reach))
            gates = gates[:, coil * g.values : (coil + 1) * g.values]
            soil = self._chain.search.state.nominal[coil]
            features = metal_shape(
                gates,
                peak.row - first,
                response.filters[width],
                half,
                g.axis if len(g.axis) == g.values else (),
                float(self._shares.cut(peak.row, peak.row + 1)[0, coil]),
                float(response.widths_m[width]),
                peak.score / self._threshold,
                g.step_m,
                g.axis if g.kind is StreamKind.METAL_CW else (),
                soil[0] if len(soil) else None,
            )
            located = self._locate(peak, coil, response.filters[width], half)
            if located is not None:
                for name, value in located.features.items():
                    features[FEATURES.index(name)] = value
            nan = float("nan")
            describe: Callable[[F8, float, float, float], Alarm] = alarm_at(
                peak, self._track, "metal", coil, g.step_m, self._threshold
            )
            metal = describe_metal(gates, peak.row - first, response.filters[width], half, g, soil)
            if located is not None:
                metal = located.told(metal)
            metal = replace(metal, hidden_m=peak.hidden_m)
            alarms.append(replace(describe(features, nan, nan, nan), metal=metal))
        return alarms

    def _at_hand(self, row: int, reach: int) -> int:
        """The end of `reach` readings after a row, as far as every cut of the input has them when it is decided.

        A fast head passes the ground that the decision waits for in fewer readings.
        """
        places = self._track.places_m(row, row + reach + 1)
        steps = np.abs(np.diff(places)) / self._geometry.step_m
        travelled = np.cumsum(np.where(np.isfinite(steps), steps, 1.0))
        return row + 1 + int(np.searchsorted(travelled, self._chain.response.ahead_steps, side="right"))

    def _locate(self, peak: Peak, coil: int, taps: F8, half: int) -> Dipole | None:
        """Where the metal lies from the alarm's place."""
        row = peak.row
        reach = min(self._geometry.rows(WINDOW_M), self._chain.response.latency)
        first = max(0, row - reach)
        readings = self._readings.cut(first, self._at_hand(row, reach))
        places = self._track.places_m(first, first + len(readings))
        coils, soil = self._profile.metal.coils, self._chain.search.state.nominal[coil]
        found = locate(readings, row - first, coil, taps, half, places, self._geometry, coils, soil)
        if found is None:
            return None
        there, alarmed = self._track.places_m(row, row + 1)[0], self._track.places_m(peak.middle, peak.middle + 1)[0]
        return replace(found, along_m=found.along_m + float(there - alarmed))
