"""A recording as a lesson: what is learned from it is what a replay of it alarms on."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from detector.collected import Collected, decided
from detector.decide.classifier import Model
from detector.detections import Detection
from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.recording.playing import played
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import ParameterReading, SampleBlock, Silence, Soil
from detector.simulate.scene import Scene, dual_scene
from detector.training import examples_of
from firmware_host.cli.teaching import collected

PROFILE = load_profile("handheld-dual")
PULSE_US = 250.0


@cache
def swept() -> Scene:
    return dual_scene(43, 6.0, objects_per_m=1.2)


def recorded(out: Path, *, pulse: bool, soil: bool, silence: bool) -> Path:
    """A simulated sweep of 6 m. Over its last 2.5 m the radar is given up, where the metal detector goes on."""
    scene = swept()
    metal, radar = sorted(scene.blocks, key=lambda b: not b.stream.kind.is_metal)
    stop = int(np.searchsorted(radar.odometer_m, 3.5))
    gone = Silence(0, radar.stream.stream_id, int(radar.seq[stop - 1]), int(metal.tick[-1]))
    t = np.array(metal.stream.axis)
    direction = tuple((1 / t**1.2 / np.linalg.norm(1 / t**1.2)).tolist())
    n = metal.stream.channels
    one = (1.0,) * n
    at = int(np.searchsorted(metal.odometer_m, 1.0))
    learned = Soil(
        0, "A. Deminer", metal.stream.stream_id, 0, int(metal.seq[at - 1]), at, int(metal.seq[at]), (direction,) * n,
        one, one, one, one, one,
    )  # fmt: skip
    with RecordingWriter(out, scene.device, software="test", created_utc_ns=0, note=scene.note) as w:
        w.write(metal)
        w.write(radar[:stop] if silence else radar)
        if silence:
            w.silence(gone)
        if soil:
            w.soil(learned)
        if pulse:
            w.parameter(ParameterReading(0, "pulse_us", "us", PULSE_US, 1.0, 1e3, PULSE_US, False, False))
        w.truth(list(scene.truth))
    return out


def lesson(file: Path) -> Collected:
    with open_recording(file) as r:
        lane = collected(r, file.stem, r.truth(), PROFILE)
    assert lane is not None
    return lane


def replayed(file: Path, model: Model, pulse_us: float = math.nan) -> list[Detection]:
    with open_recording(file) as r:
        pipeline = Pipeline(r.device, PROFILE.with_pulse(pulse_us), model)
        found: list[Detection] = []
        for item in played(r, 4096):
            if isinstance(item, SampleBlock):
                found += pipeline.process(item).detections
            elif isinstance(item, Silence):
                found += pipeline.skip(item).detections
            else:
                found += pipeline.learn(item)[1].detections
        return found + pipeline.finish().detections


def judged(d: Detection) -> tuple[object, ...]:
    """All of it that a lesson is made of. A NaN is not equal to itself, its bytes are."""
    numbers = np.array([d.x_m, d.score, d.radar_llr, d.metal_llr, *d.probability, *d.features])
    return d.radar_peak_seq, d.metal_peak_seq, d.decision, np.round(numbers, 9).tobytes()


@pytest.mark.parametrize("told", ["pulse", "soil", "silence"])
def test_what_a_recording_says_of_its_session_is_learned_with_as_it_is_replayed_with(
    told: str, model: Model, tmp_path: Path
) -> None:
    file = recorded(tmp_path / "a.h5", **{k: k == told for k in ("pulse", "soil", "silence")})
    lane = lesson(file)
    found = decided(lane, model, PROFILE)
    assert found
    replay = replayed(file, model, PULSE_US if told == "pulse" else math.nan)
    assert [judged(d) for d in found] == [judged(d) for d in replay]
    # and it matters: without it other alarms, or the same ones with other numbers
    if told == "silence":
        bare = decided(replace(lane, absences=()), model, PROFILE)
    else:
        bare = replayed(recorded(tmp_path / "b.h5", pulse=False, soil=False, silence=False), model)
    assert [judged(d) for d in bare] != [judged(d) for d in found]


def test_a_sensor_that_was_given_up_teaches_nothing_about_its_silence(model: Model, tmp_path: Path) -> None:
    lane = lesson(recorded(tmp_path / "a.h5", pulse=False, soil=False, silence=True))
    flags = {float(e.object.split(":")[1]): float(e.inputs[-2]) for e in examples_of(lane, model, PROFILE)}
    late, early = (
        [f for x, f in flags.items() if (x > 3.5) == after and abs(x - 3.5) > 0.4] for after in (True, False)
    )
    assert late
    assert early
    assert all(math.isnan(f) for f in late)
    assert not any(math.isnan(f) for f in early)
