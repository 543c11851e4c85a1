"""Marks: at the head's place, and alarms labelled as mine; alarms kept from a learner who works unaided."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest

from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass
from detector.samples import DeviceDescription, Event, SampleBlock
from detector.simulate.scene import dual_scene
from firmware_host.practice.marks import Marks, Unaided
from firmware_host.practice.scene_source import SceneSource
from firmware_host.practice.way import Way
from firmware_host.session import Listener, Order

Head = tuple[DeviceDescription, list[SampleBlock]]


class Practised:
    """A learner's marks over the made-up head's metal stream."""

    def __init__(self, dual_head: Head) -> None:
        self.way = Way(1e6)
        self.events: list[Event] = []
        self.marks = Marks(dual_head[0], self.way, self.events.append, lambda: 99)
        self.metal = dual_head[1][0]

    def order(self, name: str) -> None:
        self.marks.order(Order(name, "A"))


@pytest.fixture
def practised(dual_head: Head) -> Practised:
    return Practised(dual_head)


def found_at(x_m: float, id_: int) -> Detection:
    return replace(Detection.from_row(np.zeros((), dtype=DETECTION_DTYPE)), id=id_, x_m=x_m)


def test_a_mark_stands_where_the_head_is_at_that_moment(practised: Practised) -> None:
    practised.order("practise")
    practised.marks.block(practised.metal[200:400])
    practised.order("mark")
    practised.marks.block(practised.metal[400:500])
    practised.order("mark")
    x = practised.metal.odometer_m
    assert [m.x_m for m in practised.marks.found] == pytest.approx([x[399] - x[200], x[499] - x[200]])
    assert practised.marks.span_m == pytest.approx((0.0, x[499] - x[200]))
    assert practised.marks.seconds == pytest.approx(299 / 200)
    assert [e.kind for e in practised.events] == ["practice"] * 3


def test_without_a_place_nothing_is_marked_and_the_learner_is_told(practised: Practised) -> None:
    practised.marks.block(practised.metal)
    practised.order("mark")
    assert not practised.marks.found
    assert practised.events[-1].text.startswith("NOT marked")


def test_an_alarm_labelled_mine_is_a_find_and_the_newest_label_counts(practised: Practised) -> None:
    practised.order("practise")
    practised.marks.block(practised.metal)
    practised.marks.detection(found_at(1.25, 1))
    practised.marks.detection(found_at(2.0, 2))
    for id_, label in ((1, LabelClass.MINE), (2, LabelClass.MINE), (2, LabelClass.METAL_CLUTTER)):
        practised.marks.label(Label(id_, label, "A", 5, True))
    assert [(m.x_m, m.how) for m in practised.marks.found] == [(1.25, "label")]


def test_unaided_a_listener_hears_everything_but_alarms_and_detections() -> None:
    heard: list[str] = []

    class All(Listener):
        pass

    names = [n for n, f in inspect.getmembers(Listener, inspect.isfunction) if not n.startswith("_")]
    for name in names:
        setattr(All, name, lambda self, *a, name=name: heard.append(name))
    unaided = Unaided(All())
    for name in names:
        getattr(unaided, name)(*([None] if name != "tick" else []))
    assert set(heard) == set(names) - {"alarm", "detection"}


def test_a_simulated_lane_waits_for_its_learner_and_then_comes_whole_in_order_and_in_time() -> None:
    scene = dual_scene(4, 2.0, 0.6)
    way = Way(scene.device.tick_hz)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    source = SceneSource(scene, way, 1.0, lambda: 10**18, lambda: now[0], sleep).items()
    assert [next(source) for _ in range(5)] == [[]] * 5
    way.begin()
    began = now[0]
    blocks = []
    for got in source:
        for b in got:
            assert now[0] - began >= int(b.tick[-1]) / scene.device.tick_hz - 1e-9
            blocks.append(b)
    for whole in scene.blocks:
        mine = [b for b in blocks if b.stream.stream_id == whole.stream.stream_id]
        assert np.concatenate([b.raw for b in mine]).tobytes() == whole.raw.tobytes()
    ends = [int(b.tick[-1]) for b in blocks]
    assert ends == sorted(ends)
    assert min(int(b.utc_ns[0]) for b in blocks) == 10**18
