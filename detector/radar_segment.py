"""One unbroken piece of a radar stream: chain, search and alarm stage, all antennas together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.antennas import Antennas, Judged
from detector.cores import threads_for
from detector.decide.abreast import Abreast
from detector.decide.alarm import Alarm, Peak, Tail
from detector.decide.features import RadarShape, radar_shape
from detector.decide.looked_scores import LookedScores
from detector.decide.search import UNFITTED
from detector.decide.second_look import SecondLook
from detector.detections import FEATURES
from detector.errors import ProfileError
from detector.profile import Profile
from detector.radar.dense import DenseEcho
from detector.radar.geometry import RadarGeometry
from detector.radar.stepped import Stepped
from detector.samples import Mark, SampleBlock, StreamDescription, StreamKind, joined
from detector.segment import COUNTS, Given, Stretch, Tapped, Track, Verdicts, Watcher, alarm_at, signals_of

_PATCH_M = 0.2
"""Half width of the B-scan patch that features are taken from, m (Malof et al. 2018 use about 0.4 m)."""

_SCORE = FEATURES.index("radar_score")

_DENSE = [FEATURES.index(f"dense_{part}") for part in ("lead", "likeness", "companions", "louder_db")]

_CHUNK_SAMPLES = 1 << 18
"""Samples worked on at a time: about what a processor keeps near. The cut changes nothing but speed."""


_LOOKED_AT = 5
"""First A-scans of a segment that are compared with each other before its chain begins."""


def _off_median(raw: NDArray[Any]) -> NDArray[np.float64]:
    """(n, channels, values) each A-scan less its median; no number is none."""
    x = np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    out: NDArray[np.float64] = x - np.median(x, axis=2, keepdims=True)
    return out


class RadarSegment:
    """Settled up to `settled_tick`; `watchers` is read whenever a stage has run.

    look : what the model has learned of candidates, None if nothing; the profile says whether it counts
    threads : that the antennas are shared out to; by size and environment unless given. The bits are the same.
    """

    def __init__(
        self,
        stream: StreamDescription,
        profile: Profile,
        tails: Mapping[str, Tail],
        watchers: Mapping[str, list[Watcher]],
        look: SecondLook | None = None,
        threads: int | None = None,
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
                f"({0.5e-6 / dt_s:g} MHz). Is the interval between its samples ({dt_s:g} s) in another unit? Else set "
                "radar.centre_frequency_mhz in the profile."
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
        self._abreast = Abreast(profile.radar_abreast, g.channels, g.step_m, 1.0 / fc)
        self._search_threshold = max(
            1e-3, tails.get("radar-search", UNFITTED).threshold(profile.radar_search.false_alarms_per_m)
        )
        self._track = Track()
        self._verdicts = Verdicts(stream.name, self._track)
        self._watchers = watchers
        self._stepped = stepped is not None
        threads = min(g.channels, threads_for(g.width) if threads is None else threads)
        self._antennas = Antennas(
            stream, profile, g, stepped, self._threshold, self._threshold - (self._look.reach if self._look else 0.0),
            lambda stage: bool(watchers.get(stage)), self._show, threads, self._stands if self._look else None,
        )  # fmt: skip
        self._looks: dict[tuple[int, int], tuple[RadarShape, float]] = {}
        self._before = 0
        self._silent = 0
        self._waiting: list[SampleBlock] = []
        """Records at the start of which it is not known yet whether time zero may stand on them."""
        self._settled: int | None = None
        self._chunk = max(1, _CHUNK_SAMPLES * threads // g.width)
        early = self._antennas.latencies
        self._early = dict(zip(early, accumulate(early.values()), strict=True)) | {
            "ascans": 0, "search": 0, "strength": 0
        }  # fmt: skip
        self._early["energy"] = self._early["speed"] = self._antennas.latency

    @property
    def latencies(self) -> dict[str, int]:
        """A-scans that each stage of the decision holds back."""
        alarm, step = self._profile.radar_alarm, self.geometry.step_m
        return {
            **self._antennas.latencies,
            "cfar": round(alarm.ahead_m / step),
            "peak": max(1, round(alarm.radius_m / step)),
            "abreast": self._abreast.latency,
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
        return self._silent + self._antennas.untested

    @property
    def blind(self) -> bool:
        scans = self._silent + self._track.end * self._stream.channels
        return 0 < scans <= self.untested

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

    def _show(self, stage: str, rows: NDArray[Any]) -> None:
        show = self.watcher(stage)
        if show is not None:
            show(rows)

    def process(self, block: SampleBlock) -> Given:
        given = Given()
        if not self._antennas.begun:
            dead = 0 if self._waiting else self._dead(block)
            if dead:
                self._not_begun(block[:dead], Mark.FROZEN | Mark.SURFACE_LOST, given)
                block = block[dead:]
            block = self._begin(block, given)
        for at in range(0, len(block), self._chunk):
            given.add(self._piece(block[at : at + self._chunk]))
        return given

    def _dead(self, block: SampleBlock) -> int:
        """Records at the start of the segment in which no antenna lives: time zero must not stand on them."""
        lives = np.any(block.raw != block.raw[:, :, :1], axis=(1, 2))
        return int(np.argmax(lives)) if lives.any() else len(block)

    def _begin(self, block: SampleBlock, given: Given, last: bool = False) -> SampleBlock:
        """Records from the first that time zero may stand on; none while that is not known.

        The first few wait for each other: one far weaker than those after it is next to empty, and shows no surface.
        """
        if self._stepped or (len(block) == 0 and not self._waiting):
            return block
        block = joined([*self._waiting, block]) if self._waiting else block
        self._waiting = []
        if len(block) < _LOOKED_AT and not last:
            self._waiting = [block]
            return block[:0]
        peaks = np.abs(_off_median(block.raw[:_LOOKED_AT])).max(axis=(1, 2))
        # the second: one spike is no surface
        usual = np.sort(peaks)[-min(2, len(peaks))]
        weak = int(np.argmax(peaks >= self._profile.radar.time_zero.min_level * usual))
        if weak:
            self._not_begun(block[:weak], Mark.SURFACE_LOST, given)
        return block[weak:]

    def _not_begun(self, block: SampleBlock, why: Mark, given: Given) -> None:
        """Records before the chain begins: marked, and not tested."""
        self._silent += len(block) * self._stream.channels
        self._settled = int(block.tick[-1])
        given.marks.append((block.seq, np.full((len(block), self._stream.channels), why, np.uint8)))
        given.stretches.append(Stretch.untested(block))
        given.absent.append((int(block.tick[0]) - 1, int(block.tick[-1]) + 1))

    def _piece(self, block: SampleBlock) -> Given:
        self._before = self._track.end
        self._track.append(block)
        out = self._antennas.process(block.raw)
        scores = out.search
        delay = self.search_delay
        show = self.watcher("strength")
        if show is not None:
            show(scores / self._search_threshold)
        given = Given(
            self._alarms(out),
            signals_of(scores, self._search_threshold, self._track, self._before, self._stream.name, "radar", delay),
            [(block.seq, out.marks)],
            stretches=self._verdicts.tell(self._antennas.ground(self._verdicts.told, self._track.end)),
        )
        self._after(self._antennas.decided)
        return given

    def finish(self) -> Given:
        given = Given()
        if self._waiting:
            block = self._begin(self._waiting.pop(), given, last=True)
            given.add(self._piece(block))
        if not self._antennas.begun:
            return given
        self._before = self._track.end
        given.alarms += self._alarms(self._antennas.flush()) + self._alarms(self._antennas.settle())
        given.alarms += self._abreast.finish()
        given.stretches += self._verdicts.tell(self._antennas.ground(self._verdicts.told, self._track.end))
        given.stretches += self._verdicts.end()
        self._looked.settle(self._antennas.decided, last=True)
        return given

    def _scored(self, first: int, scores: NDArray[Any]) -> None:
        show = self.watcher("score", first)
        if show is not None:
            show(scores / self._threshold)

    def _alarms(self, out: Judged) -> list[Alarm]:
        if self._look is None:
            self._scored(out.first, out.scores)
        else:
            self._looked.append(out.scores)
        found = self._describe(out.peaks) + [(echo.row, self._dense(echo)) for echo in out.dense]
        self._looked.settle(self._antennas.decided)
        return self._abreast.process(found, self._antennas.decided)

    def _after(self, decided: int) -> None:
        if self._abreast.decided > self._track.base:
            self._settled = int(self._track.at(self._abreast.decided - 1)[1])
        keep = decided - self.geometry.rows(self._profile.radar_alarm.radius_m) - self._patch - 1
        self._track.trim(min(keep, self._abreast.decided - 1, self._looked.next if self._look else keep))
        self._antennas.trim(keep)
        self._looks = {k: v for k, v in self._looks.items() if k[0] >= keep}

    @property
    def _patch(self) -> int:
        """Half width of the feature patch; never more than has come in when the alarm stage scores a row."""
        late = self.latencies
        return min(self.geometry.rows(_PATCH_M), late["prescreener"] + late["cfar"])

    def _shape(self, row: int, channel: int, cell: int, score: float) -> RadarShape:
        antennas, g = self._antennas, self.geometry
        first = max(0, row - self._patch)
        patch = antennas.patch(channel, first, row + self._patch + 1).astype(np.float64)
        bin_first, bin_length = antennas.span(channel, cell)
        surface = antennas.surface(channel)
        beside = max(2, round(g.period_samples))
        pulse = antennas.first_scan(channel)[max(0, surface - beside) : surface + beside + 1].astype(np.float64)
        return radar_shape(
            patch,
            row - first,
            bin_first,
            bin_length,
            surface,
            g.dt_s,
            g.step_m,
            score / self._threshold,
            self._profile.radar.height.antenna_m,
            1.0 / g.centre_frequency_hz,
            pulse,
        )

    def _seen(self, row: int, channel: int, cell: int, score: float) -> tuple[RadarShape, float]:
        """What stands at a place, and what the second look adds to its score; a place is looked at once."""
        place = (row, channel)
        if place not in self._looks:
            shape = self._shape(row, channel, cell, score)
            self._looks[place] = (shape, self._look.shift(shape.features) if self._look else 0.0)
        return self._looks[place]

    def _stands(self, row: int, channel: int, cell: int, score: float) -> bool:
        return score + self._seen(row, channel, cell, score)[1] >= self._threshold

    def _describe(self, peaks: list[Peak]) -> list[tuple[int, Alarm]]:
        g = self.geometry
        alarms = []
        for peak in peaks:
            channel = peak.group
            shape, shift = self._seen(peak.row, channel, peak.cell, peak.score)
            if self._look is not None:
                self._looked.looked(peak.row, channel, shift)
                peak = replace(peak, score=peak.score + shift)
                if peak.score < self._threshold:
                    continue
                shape.features[_SCORE] = peak.score / self._threshold
            depth, sigma = self._depth(shape.two_way_s, shape.speed_m_per_s)
            describe = alarm_at(peak, self._track, "radar", channel, g.step_m, self._threshold)
            alarms.append((peak.row, describe(shape.features, shape.two_way_s, depth, sigma)))
        return alarms

    def _dense(self, echo: DenseEcho) -> Alarm:
        """With nothing that a classifier knows: no model has learned of echoes that stand out of nothing."""
        features = np.full(len(FEATURES), np.nan)
        features[_DENSE] = (echo.lead, echo.likeness, echo.companions, echo.louder_db)
        depth, sigma = self._depth(echo.two_way_s, echo.speed_m_per_s)
        score = echo.lead / self._profile.radar_dense.lead
        # nearer than that two places are not told apart
        half = self.geometry.rows(min(self._profile.radar_dense.radius_m, self._profile.radar_alarm.radius_m))
        first, last = max(0, echo.row - half), min(self._track.end - 1, echo.row + half)
        peak = Peak(echo.row, first, last, score, echo.cell, echo.channel, echo.row)
        describe = alarm_at(peak, self._track, "radar", echo.channel, self.geometry.step_m, 1.0)
        return replace(describe(features, echo.two_way_s, depth, sigma), dense=True)

    def _depth(self, two_way_s: float, speed_m_per_s: float) -> tuple[float, float]:
        """Depth and its deviation, m; speed_m_per_s : of the hyperbola, where the profile says no other."""
        speed = 1e9 * self._profile.radar.depth_speed_m_per_ns or speed_m_per_s
        depth = 0.5 * speed * two_way_s
        # the surface echo and the ground bounce under a raised antenna differ by up to half a period
        pick = 0.25 * speed / self.geometry.centre_frequency_hz
        return depth, float(np.hypot(depth * self._profile.radar.velocity_sigma, pick))
