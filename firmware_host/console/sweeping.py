"""How the lane fills: places of the records as they come, valid where nothing speaks against them.

Records wait here for the pipeline's marks and, with satellites, for the fix after them. What waits too long covers
nothing. Ground counts once the pipeline says that its records were tested, too: a piece between two losses that is too
short for that never does. The ground as it stands is kept in the recording now and then, at the end, and when some of
it falls in doubt.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.coverage import Coverage, CoverageSettings
from detector.errors import GroundsweepError, LaneError
from detector.ground_map import Ground, GroundMap
from detector.lane import Lane
from detector.pipeline import BlockMarks, Stretch
from detector.samples import DeviceDescription, Event, Position, SampleBlock, Severity
from firmware_host.console.lane_order import lane_of_order
from firmware_host.console.placer import OdometerPlacer, Placed, Placer, ReckoningPlacer, SatellitePlacer
from firmware_host.console.plan import Plan
from firmware_host.console.standing import Standing
from firmware_host.console.strips import Strips
from firmware_host.console.unjudged import Passed, Unjudged
from firmware_host.console.watch import Kind, Watch
from firmware_host.session import Listener, Order
from firmware_host.startup import Readiness
from firmware_host.startup_judging import Outcome
from firmware_host.wire.messages import HeadState, HeadStatus

_WAITING: Final = 4096
"""Blocks that may wait for marks and places, per session."""
_FIRST_M: Final = 20.0
"""Length of the grid at first where no lane was given, m; it doubles as the head goes on."""
_MOST_M: Final = 2000.0
_ALONG_M: Final = 0.05
"""Width of the grid where only the way along the track is known, m: one cell."""
_LOOK_S: Final = 0.5
"""The ground is looked at this often, s, and no more than a twentieth of the time goes into it."""
_AT_ONCE_CELLS: Final = 20_000
"""Ground of so many cells is looked at in the session's own turn: some milliseconds."""
_LOOKERS: Final = ThreadPoolExecutor(1, "lane")
_TELL_S: Final = 10.0
"""What came in too short pieces is told this often at most, s: a bad cable loses many times a second."""
_KEEP_S: Final = 300.0
"""The ground is kept in the recording this often, s: what a power cut may cost of the map, not of the samples."""
RECORDS_SEEN: Final = 5
"""Records that every sensor takes while its footprint passes a place, at least, or the sweep is too fast; assumed."""


@dataclass(slots=True)
class _Held:
    block: SampleBlock
    valid: NDArray[np.bool_]
    """What the state said when it came; with the marks once they have come."""
    placed: Placed | None
    marked: bool = False


class Sweeping(Listener):
    """Coverage of a lane, or along the track where there is none. Records without a place cover nothing.

    Parameters
    ----------
    watch : stands before this one among the listeners
    readiness : its function test confirms ground or puts it in doubt; None = nothing does
    publish : takes events that belong into the record
    keep : takes rows for a table of the recording
    counts : False where the session is no survey: nothing under it is swept then
    """

    def __init__(
        self,
        device: DeviceDescription,
        watch: Watch,
        plan: Plan | None = None,
        readiness: Readiness | None = None,
        publish: Callable[[Event], object] = lambda event: None,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        counts: bool = True,
    ) -> None:
        self._counts = counts
        self.plan = plan or Plan()
        self.keep: Callable[[str, NDArray[Any]], None] | None = None
        """Where lanes and ground are kept, once there is a recording."""
        self._device, self._watch, self._publish, self._clock, self._now = device, watch, publish, clock, monotonic
        self._test = readiness.steps[-1] if readiness else None
        self._test_outcome = Outcome.OPEN
        self._settings = CoverageSettings(passes=self.plan.passes)
        self._names = [s.name for s in device.streams]
        # a stream that an odometer triggers takes as many records of a place at any speed
        timed = [2.0 * self._radius(s.name) * s.rate_hz / RECORDS_SEEN for s in device.streams if not s.step_m]
        self.fastest_m_per_s = min([2.0 * self.plan.nominal_m_per_s, *timed])
        self.speed_m_per_s = float("nan")
        self.place_m: tuple[float, float] = (float("nan"), float("nan"))
        """Along and across, of the newest record with a place."""
        self.unplaced = self.placed = 0
        """Records without and with a place so far."""
        self.lane_number = 0
        self._held: deque[_Held] = deque(maxlen=_WAITING)
        self._unjudged = {n: Unjudged() for n in self._names}
        self._too_short = dict.fromkeys(self._names, 0.0)
        """Way passed in pieces too short to be tested, not told yet, m, by stream."""
        self._tell_at = float("-inf")
        self._states: dict[str, HeadState] = {}
        self._standing = Standing()
        self._looking: Future[Standing] | None = None
        self._changed = True
        self._look_at = float("-inf")
        self._keep_at = monotonic() + _KEEP_S
        self._way: deque[tuple[float, float, float]] = deque(maxlen=200)
        self._set_lane(self.plan.lane)
        # compiled here, on scratch ground, so that no sample waits for the compiler
        one = np.zeros(1)
        Coverage(1.0, 1.0, ["scratch"]).add("scratch", one, one, one, one > 0)

    @property
    def standing(self) -> Standing:
        """As of the last look. From any thread."""
        return self._standing

    @property
    def how(self) -> str:
        """Where places come from, for a person."""
        text = self._placer.text if self._placer is not None else "satellites, but no lane was given"
        asked = ", two passes asked for" if self.plan.passes > 1 else ""
        assumed = [n for n in self._names if n not in self.plan.radii_m]
        footprints = ", ".join(f"{n} {200 * self._radius(n):.0f} cm" for n in self._names)
        sure = f" ({', '.join(assumed)}: ASSUMED)" if assumed else ""
        return f"{text}{asked}; footprint {footprints}{sure}"

    @property
    def strips(self) -> Strips | None:
        """Where the operator says across which strip the head goes; None where places say it themselves."""
        return self._strips

    def record(self, keep: Callable[[str, NDArray[Any]], None]) -> None:
        """Keep lanes and ground from now on."""
        self.keep = keep
        if self._lane is not None:
            keep("lanes", self._lane.rows(self.lane_number, self._clock(), self.plan.passes))

    def block(self, block: SampleBlock) -> None:
        valid = self._counts and self._watch.state().kind is not Kind.NOT_VALID
        counts = self._placer is not None and self._placer.counts
        placed = self._placer.where(block) if self._placer is not None else None
        self._held.append(_Held(block, np.full(len(block), valid and counts), placed))

    def position(self, position: Position) -> None:
        if self._placer is not None:
            self._placer.position(position)

    def status(self, status: HeadStatus) -> None:
        before = self._states.get(status.head)
        self._states[status.head] = status.state
        if before is HeadState.STREAMING and status.state is HeadState.IDLE and self._placer is not None:
            told = self._placer.restarted()
            if told:
                self._tell(Severity.WARNING, told)

    def marks(self, marks: BlockMarks) -> None:
        if len(marks.seq) == 0:
            return
        bad = marks.seq[marks.marks.any(axis=1)]
        last = int(marks.seq[-1])
        kept: deque[_Held] = deque(maxlen=_WAITING)
        for h in self._held:
            n = int(np.searchsorted(h.block.seq, last, side="right"))
            if h.marked or h.block.stream.name != marks.stream or n == 0:
                kept.append(h)
                continue
            seq = h.block.seq[:n]
            valid = h.valid[:n] & np.isin(seq, marks.seq) & ~np.isin(seq, bad)
            kept.append(_Held(h.block[:n], valid, h.placed[:n] if h.placed else None, marked=True))
            if n < len(h.block):
                kept.append(_Held(h.block[n:], h.valid[n:], h.placed[n:] if h.placed else None))
        self._held = kept
        self._settle()

    def stretch(self, stretch: Stretch) -> None:
        self._unjudged[stretch.stream].judged(stretch)
        self._count(stretch.stream)

    def order(self, order: Order) -> None:
        told = ""
        match order.name:
            case "strip" if self._placer is not None:
                told = self._placer.next_strip()
            case "hold" if self._placer is not None:
                told = self._placer.hold()
            case "lane":
                try:
                    told = self._change_lane(lane_of_order(order.text))
                except GroundsweepError as e:
                    self._tell(Severity.WARNING, f"The lane was not taken. {e}")
        if told:
            self._tell(Severity.INFO, f"{told} ({order.who})")

    def tick(self) -> None:
        if self._test is not None and self._test.outcome is not self._test_outcome:
            self._test_outcome = self._test.outcome
            if self._test_outcome is Outcome.PASSED:
                self.coverage.confirm()
            elif self._test_outcome is Outcome.FAILED:
                self._doubt()
        self._settle()
        if self._looking is not None and self._looking.done():
            self._standing, self._looking = self._looking.result(), None
        now = self._now()
        if any(self._too_short.values()) and now >= self._tell_at:
            self._tell_too_short()
            self._tell_at = now + _TELL_S
        if self._changed and now >= self._look_at:
            self._look()
            self._look_at = now + max(_LOOK_S, 20.0 * (self._now() - now))
        if now >= self._keep_at:
            self._keep_ground()

    def finish(self) -> None:
        """No more comes: what still waits is settled with what is known, and the ground is kept."""
        self._settle(last=True)
        self._look(wait=True)
        self._keep_ground()

    def _radius(self, name: str) -> float:
        return self.plan.radii_m.get(name, self._settings.radius_m)

    def _set_lane(self, lane: Lane | None) -> None:
        plan = self.plan
        if lane is None:
            self.origin_m: float | None = None
            """Where the grid begins along the track; None before there was any place."""
            self._strips: Strips | None = None
            self._lane = None
            self.coverage = Coverage(_FIRST_M, _ALONG_M, self._names, self._settings, radii_m=plan.radii_m)
            self._placer: Placer | None = None
            if not plan.satellites:
                self._placer = OdometerPlacer(None, across_m=0.5 * _ALONG_M)
            return
        if plan.satellites and lane.anchor is None:
            raise LaneError(
                "Satellites place nothing in a lane that has no place on Earth. Give its start and heading, or a "
                "GeoJSON file."
            )
        self.coverage = Coverage(
            lane.length_m, lane.width_m, self._names, self._settings, lane.rings_m, plan.radii_m
        )
        self._lane, self.origin_m, self._strips = lane, 0.0, None
        if plan.satellites:
            self._placer = SatellitePlacer(lane)
        else:
            self._strips = Strips(lane.width_m, min(self._radius(n) for n in self._names))
            self._placer = OdometerPlacer(lane, self._strips)
            if plan.reckon_m_per_s > 0:
                tick_hz = self._device.tick_hz
                self._placer = ReckoningPlacer(lane, self._strips, plan.reckon_m_per_s, tick_hz, plan.count_reckoned)
        self.lane_number += 1

    def _change_lane(self, lane: Lane) -> str:
        self._settle(last=True)
        self._keep_ground()
        self._set_lane(lane)
        self._held.clear()
        for unjudged in self._unjudged.values():
            unjudged.forget()
        self.unplaced = self.placed = 0
        self._way.clear()
        self.speed_m_per_s, self.place_m = float("nan"), (float("nan"), float("nan"))
        if self.keep is not None:
            self.keep("lanes", lane.rows(self.lane_number, self._clock(), self.plan.passes))
        self._look(wait=True)
        return f"The lane is now {lane.text}. Nothing of it has been swept."

    def _settle(self, last: bool = False) -> None:
        """Pass what has its marks and its place; at the end what has no place has none."""
        kept: deque[_Held] = deque(maxlen=_WAITING)
        for h in self._held:
            if h.placed is None and h.marked and self._placer is not None:
                h.placed = self._placer.where(h.block)
            if not h.marked or (h.placed is None and not last and self._placer is not None):
                if not last:
                    kept.append(h)
                continue
            if h.placed is None:
                self.unplaced += len(h.block)
            else:
                self._pass(h.block, h.placed, h.valid)
        self._held = kept

    def _pass(self, block: SampleBlock, placed: Placed, valid: NDArray[np.bool_]) -> None:
        radius = self._radius(block.stream.name)
        known = np.isfinite(placed.x_m) & np.isfinite(placed.y_m) & (placed.sigma_m < radius)
        self.unplaced += int(np.count_nonzero(~known))
        if not known.any():
            return
        self.placed += int(np.count_nonzero(known))
        x, t = placed.x_m, block.tick / self._device.tick_hz
        self._speed(float(t[known][-1]), float(x[known][-1]), float(placed.y_m[known][-1]))
        if self.origin_m is None:
            cell = self._settings.cell_m
            self.origin_m = (round(float(x[known][0]) / cell) - 20) * cell
        if self._lane is None:
            while float(np.nanmax(x)) - self.origin_m > self.coverage.length_m and self.coverage.length_m < _MOST_M:
                self.coverage.extend(2.0 * self.coverage.length_m)
        passed = Passed(block.seq, x - self.origin_m, placed.y_m, placed.sigma_m, t)
        self._mark(block.stream.name, passed, counts=False)
        self._unjudged[block.stream.name].passed(passed[known & valid])
        self._count(block.stream.name)

    def _count(self, name: str) -> None:
        """Let ground count of which it is known by now that it was tested."""
        for passed, tested in self._unjudged[name].take():
            if tested:
                self._mark(name, passed, counts=True)
            else:
                self._too_short[name] += float(np.hypot(np.diff(passed.x_m), np.diff(passed.y_m)).sum())

    def _mark(self, name: str, p: Passed, counts: bool) -> None:
        self.coverage.add(name, p.x_m, p.y_m, p.t_s, np.full(len(p), counts), p.sigma_m)
        self._changed = True

    def _tell_too_short(self) -> None:
        said = ", ".join(f"{m:.2f} m with {name}" for name, m in self._too_short.items() if m)
        self._too_short = dict.fromkeys(self._names, 0.0)
        self._tell(
            Severity.WARNING,
            f"Passed in pieces too short to be tested: {said}. They do not count. Sweep them again in one longer go, "
            "without a loss.",
        )

    def _speed(self, t_s: float, x_m: float, y_m: float) -> None:
        self.place_m = (x_m, y_m)
        if self._way and t_s < self._way[-1][0]:
            return  # the other stream's records of the same moments
        self._way.append((t_s, x_m, y_m))
        while len(self._way) > 2 and t_s - self._way[0][0] > 0.7:
            self._way.popleft()
        t0, x0, y0 = self._way[0]
        self.speed_m_per_s = float(np.hypot(x_m - x0, y_m - y0)) / (t_s - t0) if t_s - t0 > 0.1 else float("nan")

    def _doubt(self) -> None:
        for h in self._held:
            h.valid[:] = False
        for unjudged in self._unjudged.values():
            unjudged.forget()
        lost = self.coverage.doubt()
        self._changed, self._look_at = True, float("-inf")
        if lost > 0:
            much = f"{lost:.2f} m²" if self._lane else f"{lost / self._settings.cell_m:.1f} m"
            self._tell(
                Severity.FAULT,
                f"The function test failed: {much} that were swept since the last one that passed are in doubt and do "
                "not count any more. Sweep them again with a head that passes.",
            )
            self._keep_ground()

    def _look(self, wait: bool = False) -> None:
        """Take stock: at once of little ground, else on a thread of its own, for many gaps take long to be found."""
        if self.origin_m is None or (self._looking is not None and not wait):
            return
        self._changed = False
        ground, origin = self._ground(self.origin_m)
        number, lane = self._standing.number + 1, self._lane
        if wait or ground.states.size <= _AT_ONCE_CELLS:
            self._looking = None
            self._standing = Standing(number, ground, tuple(ground.holes()), origin, lane)
        else:
            self._looking = _LOOKERS.submit(lambda: Standing(number, ground, tuple(ground.holes()), origin, lane))

    def _ground(self, origin_m: float) -> tuple[GroundMap, float]:
        """The map, and where it begins; of a track only the part that was reached."""
        ground = self.coverage.map()
        if self._lane is not None:
            return ground, origin_m
        reached = np.flatnonzero(ground.states[:, 0] != Ground.NOT_REACHED)
        part = slice(int(reached[0]), int(reached[-1]) + 1) if len(reached) else slice(0, 1)
        cut = replace(ground, states=ground.states[part], inside=ground.inside[part], doubted=ground.doubted[part])
        return cut, origin_m + part.start * ground.cell_m

    def _keep_ground(self) -> None:
        self._keep_at = self._now() + _KEEP_S
        if self.keep is None or self.origin_m is None:
            return
        ground, origin = self._ground(self.origin_m)
        rows = ground.runs(self.lane_number, self._clock())
        if self._lane is None:
            first = round(origin / ground.cell_m)
            rows["first"] += first
            rows["last"] += first
        self.keep("ground", rows)

    def _tell(self, severity: Severity, text: str) -> None:
        self._publish(Event(self._clock(), severity, "lane", text))

