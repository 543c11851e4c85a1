"""One unbroken piece of a radar stream: chain, search and alarm stage, all antennas together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Alarm, AlarmStage, Peak, Tail
from detector.decide.features import radar_shape
from detector.decide.looked_scores import LookedScores
from detector.decide.search import UNFITTED, SearchStage
from detector.decide.second_look import SecondLook
from detector.delay_line import Rows
from detector.detections import FEATURES
from detector.errors import ProfileError
from detector.profile import Profile
from detector.radar.chain import RadarChain, RadarOutput
from detector.radar.geometry import RadarGeometry
from detector.radar.stepped import Stepped
from detector.samples import Mark, SampleBlock, StreamDescription, StreamKind
from detector.segment import COUNTS, Given, Tapped, Track, Watcher, alarm_at, signals_of

_PATCH_M = 0.2
"""Half width of the B-scan patch that features are taken from, m (Malof et al. 2018 use about 0.4 m)."""

_SCORE = FEATURES.index("radar_score")

_CHUNK_SAMPLES = 1 << 18
"""Samples worked on at a time: about what a processor keeps near. The cut changes nothing but speed."""


class RadarSegment:
    """Settled up to `settled_tick`; `watchers` is read whenever a stage has run.

    look : what the model has learned of candidates, None if nothing; the profile says whether it counts
    """

    def __init__(
        self,
        stream: StreamDescription,
        profile: Profile,
        tails: Mapping[str, Tail],
        watchers: Mapping[str, list[Watcher]],
        look: SecondLook | None = None,
    ) -> None:
        stepped: Stepped | None = None
        if stream.kind is StreamKind.RADAR_SFCW:
            stepped = Stepped(profile.radar.stepped, stream.name, stream.axis, stream.scale)
        dt_s = stepped.dt_s if stepped else stream.sampling_interval_s
        fc = profile.radar.centre_frequency_mhz * 1e6 or stream.centre_frequency_hz
        if stepped:
            fc = fc or stepped.centre_frequency_hz
        if fc <= 0:
            raise ProfileError(
                f"The stream {stream.name!r} does not say its antenna's centre frequency. "
                "Set radar.centre_frequency_mhz in the profile (it is printed on the antenna)."
            )
        if 2.0 * fc * dt_s > 1.0:
            raise ProfileError(
                f"The centre frequency of {stream.name!r}, {fc / 1e6:g} MHz, is above half its sampling rate "
                f"({0.5e-6 / dt_s:g} MHz). Set radar.centre_frequency_mhz in the profile."
            )
        samples = stepped.samples if stepped else stream.values
        if samples < 16:
            raise ProfileError(
                f"The A-scans of {stream.name!r} have {samples} samples; fewer than 16 hold no echo and its surface. "
                "Let the head send longer A-scans."
            )
        periods = samples * dt_s * fc
        bins = profile.radar.prescreener
        if periods < max(2.0, bins.bin_periods + bins.bin_ns * 1e-9 * fc):
            raise ProfileError(
                f"The A-scans of {stream.name!r} are {samples * dt_s * 1e9:.3g} ns long, {periods:.2g} periods of "
                f"{fc / 1e6:g} MHz: too short for a surface and an echo below it. Check the units of interval and "
                "centre frequency, or let the head send longer A-scans."
            )
        self.geometry = RadarGeometry(
            channels=stream.channels,
            samples=samples,
            dt_s=dt_s,
            centre_frequency_hz=fc,
            step_m=stream.step_m or profile.nominal_speed_m_per_s / stream.rate_hz,
            lsb=(stepped.lsb if stepped else 1.0) if COUNTS[stream.sample_type] else 0.0,
        )
        g = self.geometry
        self._profile, self._stream = profile, stream
        self._look = look if profile.radar_second_look.use == "yes" else None
        tail = tails["radar"] if self._look is None else self._look.tail
        self._threshold = tail.threshold(profile.radar_alarm.false_alarms_per_m)
        reach = 2 * max(1, round(profile.radar_alarm.radius_m / g.step_m))
        self._looked = LookedScores(g.channels, reach, self._scored)
        self._search_threshold = max(
            1e-3, tails.get("radar-search", UNFITTED).threshold(profile.radar_search.false_alarms_per_m)
        )
        self._track = Track()
        self._watchers = watchers
        self._stepped = stepped is not None
        self.chain = RadarChain(profile.radar, g, stream.dtype, stream.values, stepped, self.watcher)
        self._stage: AlarmStage | None = None
        self._search: SearchStage | None = None
        self._bscan = Rows(g.width, np.float32)
        self._before = 0
        self._silent = 0
        self._settled: int | None = None
        self._chunk = max(1, _CHUNK_SAMPLES // g.width)
        self._early = dict(
            zip(self.chain.latencies, accumulate(self.chain.latencies.values()), strict=True)
        ) | {"ascans": 0, "search": 0, "strength": 0}
        self._early["energy"] = self._early["speed"] = self.chain.latency

    @property
    def latencies(self) -> dict[str, int]:
        """A-scans that each stage of the decision holds back."""
        alarm, step = self._profile.radar_alarm, self.geometry.step_m
        return {
            **self.chain.latencies,
            "cfar": round(alarm.ahead_m / step),
            "peak": max(1, round(alarm.radius_m / step)),
        }

    @property
    def search_delay(self) -> float:
        """A-scans by which the search statistic is late on average."""
        return self._profile.radar_search.smooth_m / self.geometry.step_m

    @property
    def taps(self) -> tuple[str, ...]:
        first = ("ascans",) if self._stepped else ()
        return (*first, *self._profile.radar.stages, "energy", "speed", "score", "search", "strength")

    @property
    def settled_tick(self) -> int | None:
        return self._settled

    @property
    def untested(self) -> int:
        return self._silent + (self._stage.untested if self._stage else 0)

    def watcher(self, stage: str, first: int = -1) -> Callable[[NDArray[Any]], None] | None:
        """Who must be given the rows of that stage, None if nobody watches; first : number of the first row."""
        watching = self._watchers.get(stage)
        if not watching:
            return None
        if first < 0:
            first = max(0, self._before - self._early[stage])

        def show(rows: NDArray[Any]) -> None:
            if len(rows) == 0:
                return
            seq = self._track.seq(first, len(rows))
            for fn in watching:
                fn(Tapped(self._stream.name, stage, seq, rows.reshape(len(rows), self.geometry.channels, -1).copy()))

        return show

    def process(self, block: SampleBlock) -> Given:
        given = Given()
        if self._stage is None:
            dead = self._dead(block)
            if dead:
                given.marks.append(self._never_lived(block[:dead]))
                block = block[dead:]
        for at in range(0, len(block), self._chunk):
            given.add(self._piece(block[at : at + self._chunk]))
        return given

    def _dead(self, block: SampleBlock) -> int:
        """Records at the start of the segment in which no antenna lives: time zero must not stand on them."""
        lives = np.any(block.raw != block.raw[:, :, :1], axis=(1, 2))
        return int(np.argmax(lives)) if lives.any() else len(block)

    def _never_lived(self, block: SampleBlock) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        self._silent += len(block) * self._stream.channels
        self._settled = int(block.tick[-1])
        flags = np.full((len(block), self._stream.channels), Mark.FROZEN | Mark.SURFACE_LOST, np.uint8)
        return block.seq, flags

    def _piece(self, block: SampleBlock) -> Given:
        self._before = self._track.end
        self._track.append(block)
        out = self.chain.process(block.raw)
        if self._stage is None or self._search is None:
            g, cells = self.geometry, self.chain.floor.size
            least = self._threshold - (self._look.reach if self._look else 0.0)
            self._stage = AlarmStage(self._profile.radar_alarm, g.step_m, cells, self._threshold, g.channels, least)
            self._stage.seen = self._peak_scored
            self._search = SearchStage(self._profile.radar_search, g.step_m, cells, g.channels)
        scores = self._search.process(out.search, self.chain.floor)
        delay = self.search_delay
        show = self.watcher("strength")
        if show is not None:
            show(scores / self._search_threshold)
        given = Given(
            self._alarms(out),
            signals_of(scores, self._search_threshold, self._track, self._before, self._stream.name, "radar", delay),
            [(block.seq, out.marks)],
        )
        self._after(self._stage.decided)
        return given

    def finish(self) -> Given:
        if self._stage is None:
            return Given()
        self._before = self._track.end
        given = Given(self._alarms(self.chain.finish()) + self._describe(self._stage.finish()))
        self._looked.settle(self._stage.decided, last=True)
        return given

    def _peak_scored(self, first: int, scores: NDArray[Any]) -> None:
        own = scores[:, : self.geometry.channels]
        if self._look is None:
            self._scored(first, own)
        else:
            self._looked.append(own)

    def _scored(self, first: int, scores: NDArray[Any]) -> None:
        show = self.watcher("score", first)
        if show is not None:
            show(scores / self._threshold)

    def _alarms(self, out: RadarOutput) -> list[Alarm]:
        assert self._stage is not None
        self._bscan.append(out.bscan)
        alarms = self._describe(self._stage.process(out.energy, self.chain.floor))
        self._looked.settle(self._stage.decided)
        return alarms

    def _after(self, decided: int) -> None:
        if decided:
            self._settled = int(self._track.at(decided - 1)[1])
        keep = decided - self.geometry.rows(self._profile.radar_alarm.radius_m) - self._patch - 1
        self._track.trim(min(keep, self._looked.next) if self._look else keep)
        self._bscan.trim(keep)

    @property
    def _patch(self) -> int:
        """Half width of the feature patch; never more than has come in when an alarm is reported."""
        late = self.latencies
        return min(self.geometry.rows(_PATCH_M), late["prescreener"] + late["cfar"] + late["peak"])

    def _describe(self, peaks: list[Peak]) -> list[Alarm]:
        chain, g = self.chain, self.geometry
        alarms = []
        for peak in peaks:
            channel = peak.group
            first = max(0, peak.row - self._patch)
            patch = self._bscan.cut(first, peak.row + self._patch + 1)
            patch = patch[:, channel * g.samples : (channel + 1) * g.samples].astype(np.float64)
            bin_first, bin_length = chain.bins.span(channel, peak.cell)
            surface = int(chain.surface[channel])
            beside = max(2, round(g.period_samples))
            pulse = chain.first_scan[channel, max(0, surface - beside) : surface + beside + 1].astype(np.float64)
            shape = radar_shape(
                patch,
                peak.row - first,
                bin_first,
                bin_length,
                surface,
                g.dt_s,
                g.step_m,
                peak.score / self._threshold,
                self._profile.radar.height.antenna_m,
                1.0 / g.centre_frequency_hz,
                pulse,
            )
            if self._look is not None:
                shift = self._look.shift(shape.features)
                self._looked.looked(peak.row, channel, shift)
                peak = replace(peak, score=peak.score + shift)
                if peak.score < self._threshold:
                    continue
                shape.features[_SCORE] = peak.score / self._threshold
            depth = 0.5 * shape.speed_m_per_s * shape.two_way_s
            # the surface echo and the ground bounce under a raised antenna differ by up to half a period
            pick = 0.25 * shape.speed_m_per_s / g.centre_frequency_hz
            sigma = float(np.hypot(depth * self._profile.radar.velocity_sigma, pick))
            describe = alarm_at(peak, self._track, "radar", channel, g.step_m, self._threshold)
            alarms.append(describe(shape.features, shape.two_way_s, depth, sigma))
        return alarms
