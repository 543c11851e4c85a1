"""What viewers are told: everything once, whole pictures for the slow, and memory that does not grow."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from detector.decide.classifier import Model
from detector.detections import Label, LabelClass
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, Event, Gap, SampleBlock, Severity
from firmware_host.console.broadcast import Broadcast
from firmware_host.console.picture import MetalPicture, RadarPicture
from firmware_host.console.sweeping import Sweeping
from firmware_host.console.watch import Watch
from firmware_host.references import References
from firmware_host.session import RecordingSource, run
from firmware_host.startup import Readiness
from firmware_host.wire.framing import FrameCounters

DualHead = tuple[DeviceDescription, list[SampleBlock]]


class Scene:
    def __init__(self, device: DeviceDescription, folder: Path) -> None:
        self.readiness = Readiness(device, References(folder), lambda e: None, skip_reason="a test")
        self.watch = Watch(device, self.readiness)
        self.sweeping = Sweeping(device, self.watch)
        self.broadcast = Broadcast(
            device, self.watch, self.readiness, self.sweeping, folder, lambda: [FrameCounters(bad_crc=2, lost=1)]
        )
        self.listeners = [self.readiness, self.watch, self.sweeping, self.broadcast]


@pytest.fixture
def scene(dual_head: DualHead, tmp_path: Path) -> Scene:
    return Scene(dual_head[0], tmp_path)


@pytest.fixture
def swept(scene: Scene, recordings: Path, model: Model, tmp_path: Path) -> Scene:
    """After a whole recording has gone through."""
    with open_recording(recordings / "lane_dev01.h5") as r:
        scene = Scene(r.device, tmp_path)
        run(RecordingSource(r), Pipeline(r.device, Profile(), model), scene.listeners)
    return scene


def test_a_new_viewer_gets_everything_and_then_only_what_is_new(swept: Scene) -> None:
    cursor, message = swept.broadcast.since(-1)
    assert message["full"]
    assert {"about", "state", "startup", "metal", "bscan", "alarm", "detection", "coverage"} <= set(message)
    again, message = swept.broadcast.since(cursor)
    assert again == cursor
    assert not message["full"]
    assert not {"metal", "bscan", "detection"} & set(message)
    swept.broadcast.event(Event(0, Severity.INFO, "operator", "hello"))
    _, message = swept.broadcast.since(cursor)
    assert [e["text"] for e in message["event"]] == ["hello"]


def test_every_message_is_plain_json_without_nan(swept: Scene) -> None:
    _, message = swept.broadcast.since(-1)
    json.dumps(message, allow_nan=False)


def test_a_viewer_behind_the_memory_gets_the_whole_picture_anew(scene: Scene) -> None:
    cursor, _ = scene.broadcast.since(-1)
    for k in range(150):
        scene.broadcast.event(Event(k, Severity.INFO, "operator", str(k)))
    _, message = scene.broadcast.since(cursor)
    assert message["full"]
    assert [e["text"] for e in message["event"]] == [str(k) for k in range(50, 150)]


def test_a_viewer_who_keeps_up_sees_each_item_once_in_order(scene: Scene) -> None:
    cursor, _ = scene.broadcast.since(-1)
    seen = []
    for k in range(1000):
        scene.broadcast.event(Event(k, Severity.INFO, "operator", str(k)))
        if k % 37 == 0:
            cursor, message = scene.broadcast.since(cursor)
            assert not message["full"]
            seen += [e["text"] for e in message["event"]]
    assert seen == [str(k) for k in range(len(seen))]


def test_viewers_read_while_the_session_writes(scene: Scene, dual_head: DualHead) -> None:
    done = threading.Event()
    troubles: list[Exception] = []

    def view() -> None:
        cursor = -1
        try:
            while not done.is_set():
                cursor, message = scene.broadcast.since(cursor)
                json.dumps(message)
        except Exception as e:
            troubles.append(e)

    viewers = [threading.Thread(target=view) for _ in range(3)]
    for v in viewers:
        v.start()
    try:
        for block in dual_head[1]:
            for start in range(0, len(block), 3):
                for listener in scene.listeners:
                    listener.block(block[start : start + 3])
                    listener.tick()
    finally:
        done.set()
        for v in viewers:
            v.join()
    assert not troubles


def test_the_heartbeat_counts_turns_of_the_session_only(scene: Scene) -> None:
    _, before = scene.broadcast.since(-1)
    _, same = scene.broadcast.since(-1)
    assert same["beat"] == before["beat"]
    scene.broadcast.tick()
    _, after = scene.broadcast.since(-1)
    assert after["beat"] == before["beat"] + 1


def test_link_quality_counts_losses_and_damage(scene: Scene) -> None:
    scene.broadcast.gap(Gap(0, 5, 3, 0, 1, 0, "lost"))
    scene.broadcast.tick()
    _, message = scene.broadcast.since(-1)
    assert message["link"] == {"missing": 3, "gaps": 1, "damaged": 2, "lost": 1}


def test_labels_come_back_to_every_viewer(scene: Scene) -> None:
    scene.broadcast.label(Label(4, LabelClass.ERW, "A. Deminer", 0, True, 0.1, "fuze"))
    _, message = scene.broadcast.since(-1)
    assert message["label"] == [{"id": 4, "label": "erw", "who": "A. Deminer", "depth_cm": 10.0, "note": "fuze"}]


def test_detections_carry_depth_as_an_interval_and_are_known(swept: Scene) -> None:
    _, message = swept.broadcast.since(-1)
    assert message["detection"]
    for d in message["detection"]:
        assert (d["depth_cm"] is None) == (d["depth_sigma_cm"] is None)
        assert d["id"] in swept.broadcast.known_detections()


def test_coverage_of_the_whole_lane_comes_from_the_odometer(swept: Scene) -> None:
    coverage = swept.sweeping.summary()
    assert coverage["placed"]
    assert set(str(coverage["cells"])) <= set("0123")


def test_pictures_hold_a_bounded_number_of_points_whatever_the_rate(dual_head: DualHead) -> None:
    device, (metal, radar) = dual_head
    points = MetalPicture(metal.stream, device.tick_hz).add(metal)
    assert 170 <= len(points) <= 180  # six seconds at thirty a second
    assert max(p.strength for p in points) > 5
    columns = RadarPicture(radar.stream, device.tick_hz).add(radar)
    assert 115 <= len(columns) <= 120


def test_the_metal_picture_peaks_where_the_target_is(dual_head: DualHead) -> None:
    device, (metal, _) = dual_head
    picture = MetalPicture(metal.stream, device.tick_hz)
    points = [p for k in range(0, len(metal), 7) for p in picture.add(metal[k : k + 7])]
    peak = max(points, key=lambda p: p.strength)
    # targets at 0.9 and 1.7 m, passed at 0.4 m/s
    assert min(abs(peak.t_s - t) for t in (2.25, 4.25)) < 0.1


def test_speed_is_what_the_odometer_says(scene: Scene, dual_head: DualHead) -> None:
    for block in dual_head[1]:
        for start in range(0, len(block), 5):
            scene.sweeping.block(block[start : start + 5])
            scene.sweeping.tick()
    assert scene.sweeping.speed_m_per_s == pytest.approx(0.4, abs=0.02)


def test_ground_passed_while_not_valid_is_reached_and_does_not_count(dual_head: DualHead, tmp_path: Path) -> None:
    device, blocks = dual_head
    readiness = Readiness(device, References(tmp_path), lambda e: None)  # nothing passed, nothing skipped
    watch = Watch(device, readiness)
    sweeping = Sweeping(device, watch)
    for block in blocks:
        watch.block(block)
        sweeping.block(block)
    sweeping.tick()
    metres = sweeping.summary()["metres"]
    assert isinstance(metres, dict)
    assert metres["valid"] == metres["overlapped"] == 0
    assert metres["invalid"] > 2.0


def test_no_ground_counts_under_a_session_that_is_no_survey(swept: Scene, recordings: Path, model: Model) -> None:
    assert swept.sweeping.summary()["metres"]["valid"] > 0.5
    with open_recording(recordings / "lane_dev01.h5") as r:
        watch = Watch(r.device, swept.readiness)
        training = Sweeping(r.device, watch, counts=False)
        run(RecordingSource(r), Pipeline(r.device, Profile(), model), [watch, training])
    metres = training.summary()["metres"]
    assert metres["valid"] == metres["overlapped"] == 0
    assert metres["invalid"] > 0.5


def test_marked_records_do_not_count_and_the_others_do(scene: Scene, dual_head: DualHead) -> None:
    for block in dual_head[1]:
        scene.watch.block(block[:1])
    for block in dual_head[1]:
        for listener in scene.listeners:
            listener.block(block)
        marks = np.zeros((len(block), 1), np.uint8)
        if block.stream.name == "radar":
            marks[len(marks) // 2 :] = 16
        scene.sweeping.marks(SimpleNamespace(stream=block.stream.name, seq=block.seq, marks=marks))
    metres = scene.sweeping.summary()["metres"]
    assert isinstance(metres, dict)
    # half of 2.4 m, and the footprint's radius on each side
    assert metres["valid"] == pytest.approx(1.2 + 0.2, abs=0.1)
    assert metres["invalid"] == pytest.approx(1.2, abs=0.1)
