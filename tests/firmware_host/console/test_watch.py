"""The state of a sweep: what makes it not valid, for how long, and that it never says clear."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detector.samples import DeviceDescription, Event, Gap, Mark, SampleBlock, Severity
from firmware_host.console.watch import LOSS_S, SIGNAL_S, SILENCE_S, Kind, Watch, stage_of
from firmware_host.wire.messages import HeadState, HeadStatus

DualHead = tuple[DeviceDescription, list[SampleBlock]]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(dual_head: DualHead, clock: Clock) -> Watch:
    watch = Watch(dual_head[0], monotonic=clock)
    feed(watch, dual_head)
    return watch


def feed(watch: Watch, dual_head: DualHead) -> None:
    watch.tick()
    for block in dual_head[1]:
        watch.block(block[:1])


def alarm(sensor: str = "metal", score: float = 3.0, depth_m: float = math.nan) -> Any:
    return SimpleNamespace(sensor=sensor, score=score, depth_m=depth_m)


def test_a_watch_that_has_seen_nothing_is_not_valid(dual_head: DualHead, clock: Clock) -> None:
    state = Watch(dual_head[0], monotonic=clock).state()
    assert state.kind is Kind.NOT_VALID
    assert state.fault
    assert "metal: no samples yet" in state.reasons


def test_while_the_link_is_down_its_cause_stands_first_for_as_long_as_that_lasts(
    watch: Watch, dual_head: DualHead, clock: Clock
) -> None:
    watch.event(Event(0, Severity.FAULT, "link", "The head is unplugged."))
    clock.now += 60.0
    watch.tick()
    assert watch.state().reasons[:2] == ("The head is unplugged.", "metal: no samples for 60.0 s")
    watch.event(Event(0, Severity.FAULT, "link", "On the port is another head."))
    assert watch.state().reasons[0] == "On the port is another head."
    watch.event(Event(0, Severity.WARNING, "link", "It is back."))
    feed(watch, dual_head)
    clock.now += LOSS_S + SILENCE_S + 1.0
    watch.tick()
    assert watch.state().reasons[0] == "metal: no samples for 3.4 s"


def test_samples_of_every_stream_make_it_searching(watch: Watch) -> None:
    assert watch.state().kind is Kind.SEARCHING


def test_no_state_is_called_clear_or_safe() -> None:
    assert {k.value for k in Kind} == {"searching", "signal", "not valid"}


def test_one_silent_stream_is_a_fault(watch: Watch, clock: Clock, dual_head: DualHead) -> None:
    clock.now += SILENCE_S + 0.01
    watch.tick()
    watch.block(dual_head[1][0][:1])
    state = watch.state()
    assert state.fault
    assert state.reasons == (f"radar: no samples for {SILENCE_S + 0.01:.1f} s",)
    watch.block(dual_head[1][1][:1])
    assert watch.state().kind is Kind.SEARCHING


def test_a_session_that_stands_still_is_a_fault_whoever_asks(watch: Watch, clock: Clock) -> None:
    clock.now += SILENCE_S + 0.01
    assert any("stood still" in r for r in watch.state().reasons)


def test_lost_records_are_not_valid_for_a_while(watch: Watch, clock: Clock, dual_head: DualHead) -> None:
    watch.gap(Gap(0, 5, 3, 0, 100, 0, "lost on the wire"))
    assert watch.state().reasons == ("metal: records lost",)
    clock.now += LOSS_S + 0.01
    feed(watch, dual_head)
    assert watch.state().kind is Kind.SEARCHING


def test_a_fault_that_the_head_reports_holds_until_it_reports_none(watch: Watch) -> None:
    watch.status(HeadStatus(HeadState.STREAMING, 1, 0, 0, 0, 20.0, "T-1"))
    state = watch.state()
    assert state.fault
    assert "T-1" in state.reasons[0]
    watch.status(HeadStatus(HeadState.STREAMING, 0, 0, 0, 0, 20.0, "T-1"))
    assert watch.state().kind is Kind.SEARCHING


@pytest.mark.parametrize("mark", list(Mark))
def test_every_mark_of_the_pipeline_is_a_fault(watch: Watch, mark: Mark) -> None:
    watch.marks(SimpleNamespace(stream="radar", seq=np.array([7]), marks=np.array([[int(mark)]], np.uint8)))
    assert watch.state().fault
    assert watch.state().reasons[0].startswith("radar: ")


def test_trusted_records_are_no_fault(watch: Watch) -> None:
    watch.marks(SimpleNamespace(stream="radar", seq=np.array([7]), marks=np.zeros((1, 1), np.uint8)))
    assert watch.state().kind is Kind.SEARCHING


def test_an_alarm_is_a_signal_with_strength_and_depth(watch: Watch, clock: Clock, dual_head: DualHead) -> None:
    watch.alarm(alarm("radar", 4.5, 0.12))
    state = watch.state()
    assert (state.kind, state.metal, state.radar, state.depth_m) == (Kind.SIGNAL, 0.0, 4.5, 0.12)
    assert state.stage == 2
    clock.now += SIGNAL_S + 0.01
    feed(watch, dual_head)
    assert watch.state().kind is Kind.SEARCHING


def test_a_signal_of_the_search_path_follows_its_strength_down(watch: Watch) -> None:
    for strength in (2.0, 9.0, 3.0):
        watch.signal(SimpleNamespace(sensor="metal", strength=strength, x_m=0.0))
        assert watch.state().metal == strength


def test_a_fault_outranks_a_signal(watch: Watch) -> None:
    watch.alarm(alarm())
    watch.event(Event(0, Severity.FAULT, "wire", "Bytes were thrown away."))
    state = watch.state()
    assert state.kind is Kind.NOT_VALID
    assert state.metal == 3.0  # it is shown all the same


def test_the_end_is_not_valid(watch: Watch) -> None:
    watch.end()
    assert watch.state().reasons[0] == "the sweep has ended"


def test_stages_rise_with_strength() -> None:
    assert [stage_of(s) for s in (0.5, 1.0, 1.9, 2.0, 4.0, 7.9, 8.0, 1e9)] == [0, 0, 0, 1, 2, 2, 3, 3]
