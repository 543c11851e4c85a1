"""The depth that is told of a radar echo: whoever digs must not be told that a mine lies deeper than it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.decide.classifier import Model
from detector.detections import Detection, TrueObject
from detector.pipeline import Pipeline
from detector.profile import Profile, load_profile
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, SampleBlock
from detector.score.matching import match
from detector.simulate.scene import dual_scene

LANES = ("lane_dev01.h5", "lane_dev04.h5", "lane_dev11.h5")
SCENES = (9160, 9161, 9162, 9163)


def detections(
    device: DeviceDescription, blocks: list[SampleBlock], model: Model, profile: Profile
) -> list[Detection]:
    pipeline = Pipeline(device, profile, model)
    found = [d for b in blocks for d in pipeline.process(b).detections]
    return found + list(pipeline.finish().detections)


def told(truth: list[TrueObject], found: list[Detection]) -> list[tuple[float, float]]:
    """Error of the depth, m, and its stated deviation, m, of what the radar saw; a filled hole has no top to tell."""
    return [
        (found[j].depth_m - truth[i].depth_m, found[j].depth_sigma_m)
        for i, j in match(truth, found).found.items()
        if found[j].radar_peak_seq >= 0 and truth[i].kind != "backfilled_hole"
    ]


def test_depths_under_raised_antennas_are_near_and_their_intervals_hold(recordings: Path, model: Model) -> None:
    profile = load_profile("handheld-dual")
    errors = []
    for name in LANES:
        with open_recording(recordings / name) as r:
            blocks = [r.block(s.name, 0, r.n_records(s.name)) for s in r.device.streams]
            errors += told(r.truth(), detections(r.device, blocks, model, profile))
    for seed in SCENES:
        scene = dual_scene(seed, sensors="radar")
        errors += told(list(scene.truth), detections(scene.device, list(scene.blocks), model, profile))
    error, sigma = np.array(errors).T
    assert len(error) >= 15
    # of measured objects 71 % lay within one deviation and 95 % within two; a hyperbola's own speed gives 12 and 35 %
    assert abs(np.median(error)) < 0.025
    assert np.median(np.abs(error)) < 0.04
    assert np.mean(np.abs(error) < 2 * sigma) >= 0.85


def test_an_antenna_on_the_ground_may_take_the_speed_of_the_hyperbola(
    dual_head: tuple[DeviceDescription, list[SampleBlock]], model: Model
) -> None:
    profile = load_profile("handheld-dual")
    on_ground = profile.model_copy(update={"radar": profile.radar.model_copy(update={"depth_speed_m_per_ns": 0.0})})
    told_of = [d for d in detections(*dual_head, model, on_ground) if d.radar_peak_seq >= 0]
    found = [d for d in told_of if min(abs(d.x_m - 0.9), abs(d.x_m - 1.7)) < 0.1]
    # 2.0 ns at 0.1 m/ns
    assert len(found) == 2
    assert [d.depth_m for d in found] == pytest.approx([0.10, 0.10], abs=0.02)
