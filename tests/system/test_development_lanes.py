"""The development lanes, scored by models that never saw them: lanes are split, samples never are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from detector import __version__
from detector.detections import TrueObject
from detector.formats.foreign import EPOCH_NS
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, SampleBlock
from detector.score.bounds import clopper_pearson, poisson_rate
from detector.simulate.lane import clean_metal_lane, dual_sensor_lane

LANES = Path(__file__).parents[3] / "shared" / "data" / "radar" / "simulated"
COMMAND = [sys.executable, "-m", "firmware_host.cli.main"]
FOLDS = 4
TRAINING_SEEDS = (1, 2, 3)
CLEAN_SEEDS = range(1, 9)
SCORED_SEEDS = (101, 102, 103)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(
        not LANES.is_dir(), reason=f"the development lanes are not at {LANES}: they are not part of the project"
    ),
]


def record(lane: Path, seed: int, out: Path) -> Path:
    """A lane swept by the simulated dual head, with that seed's noise."""
    device, blocks, truth, _ = dual_sensor_lane(lane, seed)
    return write(out, device, blocks, truth)


def write(out: Path, device: DeviceDescription, blocks: list[SampleBlock], truth: list[TrueObject]) -> Path:
    with RecordingWriter(out, device, software=f"groundsweep {__version__}", created_utc_ns=EPOCH_NS) as writer:
        for block in blocks:
            writer.write(block)
        writer.truth(truth)
    return out


def record_clean(seed: int, out: Path) -> Path:
    """Ground in which nothing lies, for the metal detector's alarm tail."""
    device, block = clean_metal_lane(seed)
    return write(out, device, [block], [])


def groundsweep(*words: object) -> str:
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mines_on_lanes_that_the_model_never_saw(tmp_path: Path) -> None:
    lanes = sorted(LANES.glob("dev*.h5"))
    training = {p: [record(p, s, tmp_path / f"{p.stem}-{s}.h5") for s in TRAINING_SEEDS] for p in lanes}
    scored = {p: [record(p, s, tmp_path / f"{p.stem}-{s}.h5") for s in SCORED_SEEDS] for p in lanes}
    clean = [record_clean(s, tmp_path / f"clean{s:02}-{s}.h5") for s in CLEAN_SEEDS]
    targets = found = alarms = clutter = alarmed = 0
    free_m = 0.0
    for fold in range(FOLDS):
        held_out = lanes[fold::FOLDS]
        model = tmp_path / f"model-{fold}.json"
        known = [f for p in lanes if p not in held_out for f in training[p]]
        groundsweep("train", *known, *clean, "--scenes", 60, "--wave-scenes", 0, "--out", model)
        files = [f for p in held_out for f in scored[p]]
        report = json.loads(groundsweep("score", "--json", "-", "--model", model, *files))
        targets, found = targets + report["targets"], found + report["found"]
        alarms, free_m = alarms + report["false_alarms"], free_m + report["free_m"]
        clutter, alarmed = clutter + report["clutter"], alarmed + report["clutter_alarmed"]
    # three sweeps of one lane are not three lanes: the bounds are those of as many independent mines as there are
    repeats = len(SCORED_SEEDS)
    pod_low, pod_high = clopper_pearson(round(found / repeats), round(targets / repeats))
    far_low, far_high = poisson_rate(round(alarms / repeats), free_m / repeats)
    print(
        f"{len(lanes)} lanes, {FOLDS} folds by lane, {repeats} noise seeds each: "
        f"POD {found}/{targets} = {found / targets:.3f}, 95 % of {targets // repeats} mines "
        f"{pod_low:.3f} to {pod_high:.3f}; false alarms {alarms} on {free_m:.1f} m = {alarms / free_m:.3f}/m, "
        f"95 % of {free_m / repeats:.1f} m {far_low:.3f} to {far_high:.3f}; clutter alarmed {alarmed}/{clutter}"
    )
    assert targets == 19 * repeats
    # far below what is measured today, far above a chain that alarms at random or not at all
    assert found / targets >= 0.9
    assert alarms / free_m <= 1.0
