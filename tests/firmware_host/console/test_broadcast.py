"""What viewers are told: everything once, whole pictures for the slow, and memory that does not grow."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from detector.decide.classifier import Model
from detector.detections import Label, LabelClass
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, Event, Gap, SampleBlock, Severity
from firmware_host.console.broadcast import MOST_CELLS_SHOWN, Broadcast
from firmware_host.console.picture import MetalPicture, RadarPicture
from firmware_host.console.sweeping import Sweeping
from firmware_host.console.terminal import detection_line
from firmware_host.console.watch import Watch
from firmware_host.references import References
from firmware_host.session import Order, RecordingSource, run
from firmware_host.startup import Readiness
from firmware_host.wire.framing import FrameCounters

DualHead = tuple[DeviceDescription, list[SampleBlock]]


class Scene:
    def __init__(self, device: DeviceDescription, folder: Path) -> None:
        self.readiness = Readiness(device, References(folder), lambda e: None, skip_reason="a test")
        self.watch = Watch(device, self.readiness)
        self.sweeping = Sweeping(device, self.watch)
        self.broadcast = Broadcast(
            device, self.watch, self.readiness, self.sweeping, lambda: [FrameCounters(bad_crc=2, lost=1)]
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
    # a recording goes through in less than the pause between two looks at the ground
    scene.sweeping.finish()
    scene.broadcast._slow_at = float("-inf")
    scene.broadcast.tick()
    return scene


def test_a_new_viewer_gets_everything_and_then_only_what_is_new(swept: Scene) -> None:
    cursor, message = swept.broadcast.since(-1)
    assert message["full"]
    assert {"about", "state", "startup", "metal", "bscan", "alarm", "detection", "lane", "ground"} <= set(message)
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


@pytest.mark.parametrize(
    ("first", "last", "told"), [(2, 4, " (antennas 2 to 4)"), (3, 3, " (antenna 3)"), (0, 0, ""), (-1, -1, "")]
)
def test_an_operator_is_told_under_which_antennas_of_an_array_it_lies(
    swept: Scene, recordings: Path, model: Model, first: int, last: int, told: str
) -> None:
    """What several antennas saw is one detection: who digs must know how far it reaches across."""
    with open_recording(recordings / "lane_dev01.h5") as r:
        found = run(RecordingSource(r), Pipeline(r.device, Profile(), model), []).detections
    d = replace(next(d for d in found if d.radar_peak_seq >= 0), radar_first_channel=first, radar_last_channel=last)
    cursor, _ = swept.broadcast.since(-1)
    swept.broadcast.detection(d)
    _, message = swept.broadcast.since(cursor)
    assert message["detection"][0]["seen_by"] == d.seen_by + told
    line = detection_line(d).plain
    assert d.seen_by + told in line
    assert ("antenna" in line) == bool(told)


def test_detections_carry_depth_as_an_interval_and_are_known(swept: Scene) -> None:
    _, message = swept.broadcast.since(-1)
    assert message["detection"]
    for d in message["detection"]:
        assert (d["depth_cm"] is None) == (d["depth_sigma_cm"] is None)
        assert d["id"] in swept.broadcast.known_detections()


def test_the_ground_is_sent_once_and_again_only_when_it_has_changed(swept: Scene) -> None:
    swept.sweeping.finish()
    swept.broadcast._slow_at = -math.inf
    swept.broadcast.tick()
    cursor, message = swept.broadcast.since(-1)
    ground = message["ground"]
    assert set(ground["cells"]) <= set(" 0123")
    assert len(ground["cells"]) == ground["columns"] * ground["rows"] <= MOST_CELLS_SHOWN
    assert [g["text"] for g in ground["gaps"]] == [
        swept.sweeping.standing.line(k) for k in range(len(swept.sweeping.standing.holes))
    ]
    assert "ground" not in swept.broadcast.since(cursor)[1]
    swept.sweeping.order(Order("lane", "A. Deminer", '{"size": "9x2"}'))
    swept.sweeping.tick()
    swept.broadcast._slow_at = -math.inf
    swept.broadcast.tick()
    _, message = swept.broadcast.since(cursor)
    assert (message["ground"]["length_m"], message["ground"]["width_m"]) == (9.0, 2.0)
    assert message["lane"]["strip"]["number"] == 1


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
