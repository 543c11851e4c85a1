"""The ground learned on command: from the operator's key into the chain, the record, and its replay."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.decide.classifier import Model
from detector.detections import Detection, detection_table
from detector.errors import ProfileError
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.recording.playing import played
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import Event, SampleBlock, Soil
from firmware_host.cli.main import app
from firmware_host.console.desk import AttendedSource, Desk
from firmware_host.console.keys import Keyboard
from firmware_host.recorder import Recorder
from firmware_host.references import References
from firmware_host.session import Item, Listener, Order, RecordingSource, run
from firmware_host.startup import Readiness
from tests.firmware_host.console.staged_head import DEVICE, METAL, Stage


class Scene:
    """A staged head as a source: soil is pumped over first, then a lane is swept."""

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard
        self.device = DEVICE

    def items(self) -> Generator[list[Item]]:
        stage = Stage()
        blocks: Iterator[SampleBlock] = stage.blocks()
        for k in range(2 * 20 * 11):
            if k == 40:
                stage.scene = "soil"
                self._keyboard.press("g")
            elif k == 40 + 40 * 5:
                stage.scene = "lane"
            yield [next(blocks)]


class Heard(Listener):
    def __init__(self) -> None:
        self.soils: list[Soil] = []
        self.texts: list[str] = []

    def soil(self, soil: Soil) -> None:
        self.soils.append(soil)

    def event(self, event: Event) -> None:
        self.texts.append(event.text)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, model: Model) -> tuple[Path, Heard, list[Detection]]:
    folder = tmp_path_factory.mktemp("soil")
    desk, heard, out = Desk(), Heard(), folder / "sweep.h5"
    source = AttendedSource(Scene(Keyboard(desk, "A. Deminer")), desk)
    readiness = Readiness(
        DEVICE, References(folder), desk.put, skip_reason="a test", monotonic=lambda: 0.0, profile=Profile()
    )
    with RecordingWriter(out, DEVICE, software="t", created_utc_ns=1) as writer, Recorder(writer) as recorder:
        summary = run(source, Pipeline(DEVICE, Profile(), model), [recorder, heard, readiness])
    return out, heard, summary.detections


def test_the_operators_key_learns_the_soils_own_direction(session: tuple[Path, Heard, list[Detection]]) -> None:
    _, heard, _ = session
    (learned,) = heard.soils
    soil = 1.0 / np.array(METAL.axis)
    angle = np.arccos(abs(np.array(learned.direction[0]) @ soil) / np.linalg.norm(soil))
    assert angle < 0.02
    assert learned.exponent[0] == pytest.approx(1.0, abs=0.05)
    assert learned.who == "A. Deminer"
    assert learned.share[0] > 0.9
    # it counts from after the records that it was learned from
    assert learned.from_seq > learned.last_seq
    assert any("learned its direction" in t and "uses it from now on" in t for t in heard.texts)


def test_what_was_learned_is_recorded_and_its_replay_is_the_session_to_the_bit(
    session: tuple[Path, Heard, list[Detection]], model: Model
) -> None:
    out, heard, found = session
    with open_recording(out) as r:
        assert r.soils() == heard.soils
        again = run(RecordingSource(r), Pipeline(r.device, Profile(), model), []).detections
        for size in (1, 7, 1000):
            cut = take(Pipeline(r.device, Profile(), model), list(played(r, size)))
            assert bits(cut) == bits(found), size
        without = take(Pipeline(r.device, Profile(), model), [p for p in played(r) if not isinstance(p, Soil)])
    assert found
    assert bits(again) == bits(found)
    assert bits(without) != bits(found), "what was learned is used"


def test_what_was_learned_and_how_the_metal_answers_is_shown(session: tuple[Path, Heard, list[Detection]]) -> None:
    out, heard, found = session
    said = CliRunner().invoke(app, ["show", "--no-picture", str(out)])
    assert said.exit_code == 0
    words = " ".join(said.output.split())
    assert f"by A. Deminer on metal: 1/t^{heard.soils[0].exponent[0]:.2f}" in words
    assert f"used from record {heard.soils[0].from_seq} on" in words
    metal = next(d for d in found if d.metal is not None)
    assert metal.metal is not None
    assert f"metal #{metal.id}: {metal.metal.snr:.0f} sigma; tau {1e6 * metal.metal.tau_s:.3g}" in words


def test_nothing_is_learned_over_metal(tmp_path: Path) -> None:
    """A balance there would leave out the very answer that is looked for."""
    told: list[Event | Soil] = []
    readiness = Readiness(
        DEVICE, References(tmp_path), told.append, skip_reason="a test", monotonic=lambda: 0.0, profile=Profile()
    )
    stage = Stage()
    stage.scene = "piece"
    readiness.order(Order("begin", "A. Deminer", "ground balance"))
    blocks = stage.blocks()
    for _ in range(2 * 20 * 5):
        readiness.block(next(blocks))
    assert not any(isinstance(t, Soil) for t in told)
    assert "this is not soil" in readiness.steps[2].text


def test_a_radar_stream_has_no_ground_balance(session: tuple[Path, Heard, list[Detection]], model: Model) -> None:
    _, heard, _ = session
    wrong = Soil(0, "x", 1, 0, 1, 2, -1, *([heard.soils[0].direction] + 5 * [(1.0,)]))
    with pytest.raises(ProfileError, match="no metal stream"):
        Pipeline(DEVICE, Profile(), model).learn(wrong)


def test_a_coil_of_many_values_keeps_them_all(tmp_path: Path) -> None:
    direction = tuple(tuple(float(v) for v in row) for row in np.random.default_rng(0).normal(size=(3, 150)))
    figures = tuple((0.5, float(k), 1.0) for k in range(5))
    learned = [Soil(at, "A", 0, at, at + 9, 9, at + 12, direction, *figures) for at in (5, 30)]
    with RecordingWriter(tmp_path / "g.h5", DEVICE, software="t", created_utc_ns=1) as writer:
        for g in learned:
            writer.soil(g)
    with open_recording(tmp_path / "g.h5") as r:
        assert r.soils() == learned


def take(pipeline: Pipeline, pieces: list[Item]) -> list[Detection]:
    found: list[Detection] = []
    for p in pieces:
        if isinstance(p, Soil):
            found += pipeline.learn(p)[1].detections
        elif isinstance(p, SampleBlock):
            found += pipeline.process(p).detections
    return [*found, *pipeline.finish().detections]


def bits(found: list[Detection]) -> bytes:
    return detection_table(found).tobytes()
