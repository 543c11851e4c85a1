"""What counts of a lane while it is swept: by odometer, satellites, dead reckoning; what a failed test undoes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detector.coverage import CoverageSettings
from detector.errors import LaneError
from detector.ground_map import Ground
from detector.kept_ground import kept_ground
from detector.lane import typed_lane
from detector.pipeline import Stretch
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import NO_ODOMETER, DeviceDescription, Event, FixQuality, Position, SampleBlock, Severity
from firmware_host.console.lane_text import gaps_text, map_text, standing_of
from firmware_host.console.plan import Plan
from firmware_host.console.strips import Strips
from firmware_host.console.sweeping import Sweeping
from firmware_host.console.watch import Watch
from firmware_host.references import References
from firmware_host.session import Order
from firmware_host.startup import Readiness
from firmware_host.startup_judging import Outcome
from firmware_host.wire.messages import HeadState, HeadStatus

DualHead = tuple[DeviceDescription, list[SampleBlock]]
WIDE = {"metal": 0.3, "radar": 0.3}
"""A footprint as wide as the narrow lanes here."""
LANE = typed_lane("2x0.4", "45.8, 15.9", "90")


class Walk:
    """A head that is swept by hand over a lane: 6 s at 0.4 m/s."""

    def __init__(
        self, head: DualHead, folder: Path, plan: Plan, skip: str = "a test", counts: bool = True
    ) -> None:
        self.device, self.blocks = head
        self.now = 100.0
        self.told: list[Event] = []
        self.kept: list[tuple[str, Any]] = []
        self.readiness = Readiness(
            self.device, References(folder), self.told.append, None, "", skip, lambda: 7, lambda: self.now
        )
        self.watch = Watch(self.device, self.readiness, lambda: self.now)
        self.sweeping = Sweeping(
            self.device, self.watch, plan, self.readiness, self.told.append, lambda: 7, lambda: self.now, counts
        )
        self.sweeping.record(lambda table, rows: self.kept.append((table, rows)))
        self.later_s = 0.0

    def sweep(self, start_s: float = 0.0, end_s: float = 6.0, odometer: bool = True, bad: bool = False) -> None:
        """Every stream's records of that time, in blocks of a twentieth of a second, one stream after the other."""
        for t in np.arange(start_s, end_s, 0.05):
            self.now += 0.05
            self.watch.tick()
            for block in self.blocks:
                part = block[slice(*np.searchsorted(block.tick, [t * 1e6, (t + 0.05) * 1e6]))]
                if len(part) == 0:
                    continue
                seconds = round(self.later_s * 1e6)
                n = round(self.later_s * block.stream.rate_hz)
                um = part.odometer_um if odometer else np.full(len(part), NO_ODOMETER, np.int64)
                part = SampleBlock(
                    part.stream, part.seq + n, part.tick + seconds, part.utc_ns + 1000 * seconds, um, part.raw
                )
                self.watch.block(part)
                self.sweeping.block(part)
                marks = np.full((len(part), 1), 2 if bad else 0, np.uint8)
                self.sweeping.marks(SimpleNamespace(stream=part.stream.name, seq=part.seq, marks=marks))  # type: ignore[arg-type]
                self.sweeping.stretch(Stretch(part.stream.name, int(part.seq[0]), int(part.seq[-1]), tested=True))
            self.sweeping.tick()
        self.later_s += 10.0

    @property
    def ground(self) -> Any:
        self.now += 100.0
        self.sweeping.tick()
        return self.sweeping.standing.ground

    def test(self, outcome: Outcome) -> None:
        """A function test that ends so."""
        self.readiness.steps[-1].outcome = Outcome.RUNNING
        self.sweeping.tick()
        self.readiness.steps[-1].outcome = outcome
        self.sweeping.tick()


def fix(t_s: float, x_m: float, y_m: float, sigma: float, quality: FixQuality) -> Position:
    latitude, longitude = LANE.place_of(x_m, y_m)
    # the receiver's moment; its sentence comes 0.1 s later
    at = round(t_s * 1e9)
    nan = math.nan
    if not quality.measured:
        latitude = longitude = nan
    return Position(at + 100_000_000, at, latitude, longitude, nan, quality, sigma, "gst", 12, 0.8, nan, "")


# ---- odometer --------------------------------------------------------------------------------------------------


def test_without_a_lane_the_track_along_the_odometer_counts(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan())
    walk.sweep()
    ground = walk.ground
    assert ground.counted_m2 / ground.cell_m == pytest.approx(2.4 + 0.2, abs=0.1)  # and the footprint at both ends
    assert walk.sweeping.standing.origin_m == pytest.approx(-0.1, abs=0.051)
    assert walk.sweeping.speed_m_per_s == pytest.approx(0.4, abs=0.02)


def test_no_ground_counts_under_a_session_that_is_no_survey(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(), counts=False)
    walk.sweep()
    ground = walk.ground
    assert ground.counted_m2 == 0.0
    assert ground.shares()[Ground.INVALID] > 0.9


def test_a_strip_covers_no_more_than_the_footprint(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(typed_lane("2x1.2")))
    walk.sweep()
    assert walk.sweeping.strips is not None
    assert walk.sweeping.strips.count == 8
    rows = np.flatnonzero(walk.ground.counts[20])
    assert rows.min() == 0
    assert rows.max() * 0.05 <= walk.sweeping.strips.y_m + CoverageSettings().radius_m
    assert "left edge" in walk.sweeping.standing.line(0)


def test_out_on_one_strip_and_back_on_the_next_fills_a_lane(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(typed_lane("2x0.4"), {"metal": 0.2, "radar": 0.2}))
    walk.sweep()
    first = walk.ground.percent
    assert 40.0 < first < 100.0
    walk.sweeping.order(Order("strip", "A. Deminer"))
    assert "back" in walk.told[-1].text
    assert "A. Deminer" in walk.told[-1].text
    for block in walk.blocks:  # the wheel goes on counting on the way back
        block.odometer_um[:] += 2_400_000
    walk.sweep()
    for block in walk.blocks:
        block.odometer_um[:] -= 2_400_000
    assert walk.ground.percent > first
    assert walk.ground.counts[20].all()


def test_strips_cover_the_whole_width() -> None:
    for width in (0.1, 0.5, 1.2, 1.5, 7.0):
        strips = Strips(width, 0.1)
        reached = np.zeros(round(width * 1000), bool)
        for _ in range(strips.count):
            across = (np.arange(len(reached)) + 0.5) / 1000
            reached |= np.abs(across - strips.y_m) < 0.1
            strips.passed += 1
        assert reached.all(), width
        assert strips.number == 1  # and then from the first again


# ---- trust -----------------------------------------------------------------------------------------------------


def test_ground_passed_while_not_ready_is_reached_and_does_not_count(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE), skip="")
    walk.sweep()
    assert walk.ground.counted_m2 == 0.0
    assert walk.ground.shares()[Ground.INVALID] > 0.9


def test_marked_records_do_not_count_and_the_others_do(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    walk.sweep(0.0, 2.5)
    walk.sweep(2.5, 6.0, bad=True)
    (hole,) = walk.sweeping.standing.holes if walk.ground else ()
    assert hole.state is Ground.INVALID
    assert hole.x_m[0] == pytest.approx(1.0 + 0.27, abs=0.1)


def test_records_whose_marks_never_come_do_not_count(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    for block in walk.blocks:
        walk.watch.block(block)
        walk.sweeping.block(block)
    walk.sweeping.tick()
    walk.sweeping.finish()
    assert walk.sweeping.standing.ground is not None
    assert walk.sweeping.standing.ground.counted_m2 == 0.0


def test_a_fault_makes_the_ground_invalid_from_that_moment(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    walk.sweep(0.0, 3.0)
    walk.watch.event(Event(0, Severity.FAULT, "head", "The transmitter is off."))
    walk.sweep(3.0, 4.0)
    share = walk.ground.shares()
    assert share[Ground.INVALID] > 0.02
    assert share[Ground.VALID] > 0.5


def test_a_failed_repeat_takes_back_what_was_swept_since_the_last_passed_test(
    dual_head: DualHead, tmp_path: Path
) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    walk.sweep(0.0, 2.0)
    walk.test(Outcome.PASSED)
    sure = walk.ground.counted_m2
    walk.sweep(2.0, 6.0)
    assert walk.ground.percent == 100.0
    walk.test(Outcome.FAILED)
    assert walk.ground.counted_m2 == pytest.approx(sure)
    assert any(h.doubted for h in walk.sweeping.standing.holes)
    fault = walk.told[-1]
    assert fault.severity is Severity.FAULT
    assert "in doubt" in fault.text
    assert f"{0.8 - sure:.2f} m²" in fault.text
    table, rows = walk.kept[-1]
    assert table == "ground"
    assert rows["doubted"].any()
    # mended, tested again, swept again: it counts
    walk.test(Outcome.PASSED)
    walk.sweep(2.0, 6.0)
    assert walk.ground.percent == 100.0
    assert not walk.sweeping.standing.holes


def test_records_that_still_wait_when_a_test_fails_do_not_count_later(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    for block in walk.blocks:
        walk.watch.block(block)
        walk.sweeping.block(block)
    walk.test(Outcome.FAILED)
    for b in walk.blocks:
        marks = SimpleNamespace(stream=b.stream.name, seq=b.seq, marks=np.zeros((len(b), 1), np.uint8))
        walk.sweeping.marks(marks)  # type: ignore[arg-type]
    assert walk.ground.counted_m2 == 0.0


# ---- satellites ------------------------------------------------------------------------------------------------


def satellites(walk: Walk, sigma: float = 0.02, quality: FixQuality = FixQuality.RTK_FIXED) -> None:
    """The walk with fixes between its blocks, each as late as it would come; no odometer."""
    told = 0.0
    for t in np.arange(0.0, 6.0, 0.1):
        while told <= t:
            walk.sweeping.position(fix(told, 0.4 * told - 0.1, 0.2, sigma, quality))
            told += 0.2
        walk.sweep(t, t + 0.1, odometer=False)
        walk.later_s = 0.0
    walk.sweeping.position(fix(told, 0.4 * told - 0.1, 0.2, sigma, quality))
    walk.sweeping.finish()


def test_sure_fixes_place_the_sweep_in_the_lane(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE, satellites=True))
    satellites(walk)
    assert walk.ground.percent > 95.0
    assert walk.sweeping.speed_m_per_s == pytest.approx(0.4, abs=0.05)
    assert "satellites" in walk.sweeping.how
    assert "±" in walk.sweeping.how


@pytest.mark.parametrize(
    ("sigma", "quality"),
    [
        (0.5, FixQuality.DIFFERENTIAL), (math.nan, FixQuality.RTK_FIXED), (0.02, FixQuality.ESTIMATED),
        (0.02, FixQuality.NONE),
    ],
)  # fmt: skip
def test_fixes_that_are_not_sure_enough_cover_nothing(
    dual_head: DualHead, tmp_path: Path, sigma: float, quality: FixQuality
) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE, satellites=True))
    satellites(walk, sigma, quality)
    assert walk.ground.counted_m2 == 0.0
    assert walk.sweeping.unplaced > 0
    assert walk.sweeping.placed == 0


def test_ground_between_lost_fixes_is_a_gap(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, {"metal": 0.2, "radar": 0.2}, satellites=True))
    sweeping_position = walk.sweeping.position

    def shaded(p: Position) -> None:
        if not 2.0 <= p.receiver_utc_ns * 1e-9 <= 4.0:
            sweeping_position(p)
        else:
            sweeping_position(replace(p, quality=FixQuality.NONE, latitude_deg=math.nan, longitude_deg=math.nan))

    walk.sweeping.position = shaded  # type: ignore[method-assign]
    satellites(walk)
    middle = [h for h in walk.sweeping.standing.holes if h.x_m[0] < 1.1 < h.x_m[1]]
    assert middle
    assert middle[0].area_m2 > 0.1


def test_satellites_need_a_lane_with_a_place(dual_head: DualHead, tmp_path: Path) -> None:
    with pytest.raises(LaneError, match="no place on Earth"):
        Walk(dual_head, tmp_path, Plan(typed_lane("2x0.4"), satellites=True))


# ---- dead reckoning --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [False, True])
def test_dead_reckoning_counts_only_as_the_user_allows(dual_head: DualHead, tmp_path: Path, count: bool) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE, reckon_m_per_s=0.4, count_reckoned=count))
    walk.sweep(odometer=False)
    assert walk.ground.counted_m2 == 0.0  # nobody has begun a strip
    walk.sweeping.order(Order("strip", "A. Deminer"))
    walk.sweep(odometer=False)
    assert (walk.ground.percent > 95.0) is count
    assert walk.ground.shares()[Ground.INVALID] + walk.ground.shares()[Ground.VALID] > 0.95
    assert "DEAD RECKONING" in walk.sweeping.how
    assert ("does not count" in walk.sweeping.how) is not count


def test_dead_reckoning_stands_still_while_the_operator_does(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, {"metal": 0.2, "radar": 0.2}, reckon_m_per_s=0.4, count_reckoned=True))
    walk.sweeping.order(Order("strip", "A. Deminer"))
    walk.sweep(0.0, 2.0, odometer=False)
    walk.sweeping.order(Order("hold", "A. Deminer"))
    before = walk.ground.counted_m2
    walk.sweep(odometer=False)
    assert walk.ground.counted_m2 == before
    walk.sweeping.order(Order("hold", "A. Deminer"))
    walk.sweep(0.0, 1.0, odometer=False)
    assert walk.sweeping.place_m[0] == pytest.approx(1.2, abs=0.03)


def test_dead_reckoning_ends_with_the_lane(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE, reckon_m_per_s=2.0, count_reckoned=True))
    walk.sweeping.order(Order("strip", "A. Deminer"))
    walk.sweep(odometer=False)
    assert walk.sweeping.place_m[0] <= LANE.length_m
    assert walk.sweeping.unplaced > 0


# ---- lanes and what is kept ------------------------------------------------------------------------------------


def test_a_new_lane_begins_unswept_and_the_old_one_is_kept(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    walk.sweep()
    walk.sweeping.order(Order("lane", "A. Deminer", json.dumps({"size": "3x0.5"})))
    assert walk.ground.counted_m2 == 0.0
    assert walk.ground.area_m2 == pytest.approx(1.5)
    walk.sweeping.order(Order("lane", "A. Deminer", json.dumps({"size": "3 by 5"})))
    assert "not taken" in walk.told[-1].text
    assert walk.ground.area_m2 == pytest.approx(1.5)
    walk.sweeping.finish()
    assert [rows["lane"][0] for table, rows in walk.kept if table == "lanes"] == [1, 2]
    first, *_, last = [rows for table, rows in walk.kept if table == "ground"]
    assert set(first["lane"]) == {1}
    assert len(last) == 0


def test_lane_and_ground_stand_in_the_recording(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    walk.sweep(0.0, 3.0)
    walk.sweeping.finish()
    walk.sweep(3.0, 4.0)
    walk.sweeping._clock = lambda: 8
    walk.sweeping.finish()
    path = tmp_path / "sweep.h5"
    with RecordingWriter(path, walk.device, software="a test", created_utc_ns=1) as writer:
        for table, rows in walk.kept:
            writer.rows(table, rows)
    with open_recording(path) as r:
        (kept,) = kept_ground(r)
    assert kept.lane is not None
    assert kept.lane.anchor == LANE.anchor
    standing = walk.sweeping.standing
    assert standing.ground is not None
    np.testing.assert_array_equal(kept.ground.states, standing.ground.states)
    assert gaps_text(standing_of(kept)).plain == gaps_text(standing).plain


def test_a_track_is_kept_where_it_was(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan())
    walk.sweep()
    walk.sweeping.finish()
    path = tmp_path / "sweep.h5"
    with RecordingWriter(path, walk.device, software="a test", created_utc_ns=1) as writer:
        for table, rows in walk.kept:
            writer.rows(table, rows)
    with open_recording(path) as r:
        (kept,) = kept_ground(r)
    assert kept.lane is None
    assert kept.origin_m == pytest.approx(walk.sweeping.standing.origin_m)
    assert standing_of(kept).text == walk.sweeping.standing.text


def test_the_ground_is_kept_now_and_then(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    walk.sweep(0.0, 1.0)
    walk.now += 400.0
    walk.sweeping.tick()
    assert [table for table, _ in walk.kept] == ["lanes", "ground"]


def test_terminal_shows_the_same_words_as_the_map(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    walk.sweep(0.0, 3.0)
    assert walk.ground is not None
    drawn = map_text(walk.sweeping.standing).plain
    for g in Ground:
        assert g.text in drawn
    assert drawn.splitlines()[0].startswith("----")
    assert drawn.splitlines()[0].rstrip().endswith("··")
    assert "GAP 1: 1." in gaps_text(walk.sweeping.standing).plain


def test_too_fast_is_when_a_sensor_takes_too_few_records_of_a_place(dual_head: DualHead, tmp_path: Path) -> None:
    slow = Walk(dual_head, tmp_path, Plan(LANE, {"metal": 0.02, "radar": 0.2}))
    assert slow.sweeping.fastest_m_per_s == pytest.approx(1.0)  # twice the profile's speed; radar steps by odometer
    slow = Walk(dual_head, tmp_path, Plan(LANE, {"metal": 0.01, "radar": 0.2}, nominal_m_per_s=2.0))
    assert slow.sweeping.fastest_m_per_s == pytest.approx(2 * 0.01 * 200 / 5)
    radar_alone = replace(dual_head[0], streams=dual_head[0].streams[1:])
    stepped = Walk((radar_alone, dual_head[1][1:]), tmp_path, Plan(LANE))
    assert stepped.sweeping.fastest_m_per_s == pytest.approx(1.0)


# ---- a place that is lost --------------------------------------------------------------------------------------


def streaming(state: HeadState = HeadState.STREAMING) -> HeadStatus:
    return HeadStatus(state, 0, 0, 0, 0, 20.0, "T-1")


def test_after_a_restart_the_odometer_places_nothing_until_the_strip_is_begun_anew(
    dual_head: DualHead, tmp_path: Path
) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE))
    walk.sweeping.status(streaming())
    walk.sweep(0.0, 2.0)
    before = walk.ground.counted_m2
    walk.sweeping.status(streaming(HeadState.IDLE))
    walk.sweeping.status(streaming())
    assert "PLACE LOST" in walk.told[-1].text
    walk.sweep(2.0, 6.0)
    assert walk.ground.counted_m2 == before
    assert "PLACE LOST" in walk.sweeping.how
    walk.sweeping.order(Order("strip", "A. Deminer"))
    assert "beginning of strip 1 of 1" in walk.told[-1].text
    for block in walk.blocks:
        block.odometer_um[:] += 2_400_000
    walk.sweep(0.0, 6.0)
    for block in walk.blocks:
        block.odometer_um[:] -= 2_400_000
    assert walk.ground.percent == 100.0


def test_an_odometer_that_jumps_has_lost_the_place_and_one_that_rolls_on_has_not(
    dual_head: DualHead, tmp_path: Path
) -> None:
    walk = Walk(dual_head, tmp_path, Plan())
    walk.sweep(0.0, 2.0)
    walk.later_s = 0.2  # a short loss
    walk.sweep(2.2, 3.0)
    assert walk.sweeping.place_m[0] == pytest.approx(1.2, abs=0.03)
    for block in walk.blocks:
        block.odometer_um[:] += 70_000_000
    walk.later_s = 0.4
    walk.sweep(3.0, 6.0)
    for block in walk.blocks:
        block.odometer_um[:] -= 70_000_000
    assert walk.sweeping.place_m[0] == pytest.approx(1.2, abs=0.03)
    assert "PLACE LOST" in walk.sweeping.how


def test_dead_reckoning_ends_with_a_restart(dual_head: DualHead, tmp_path: Path) -> None:
    walk = Walk(dual_head, tmp_path, Plan(LANE, WIDE, reckon_m_per_s=0.4, count_reckoned=True))
    walk.sweeping.status(streaming())
    walk.sweeping.order(Order("strip", "A. Deminer"))
    walk.sweep(0.0, 1.0, odometer=False)
    before = walk.ground.counted_m2
    walk.sweeping.status(streaming(HeadState.IDLE))
    walk.sweep(1.0, 6.0, odometer=False)
    assert walk.ground.counted_m2 == before


def test_wide_ground_is_looked_at_beside_the_session_and_shown_when_that_is_done(
    dual_head: DualHead, tmp_path: Path
) -> None:
    walk = Walk(dual_head, tmp_path, Plan(typed_lane("30x30"), WIDE))
    walk.sweep()
    walk.now += 100.0
    walk.sweeping.tick()
    looking = walk.sweeping._looking
    assert looking is not None
    seen = looking.result(timeout=60)
    walk.sweeping.tick()
    assert walk.sweeping.standing is seen or walk.sweeping.standing.number > seen.number
    walk.sweeping.finish()
    assert walk.sweeping.standing.ground is not None
    assert walk.sweeping.standing.ground.counted_m2 == pytest.approx(2.4 * 0.6, abs=0.5)
