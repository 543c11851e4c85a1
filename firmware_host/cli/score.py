"""Commands on truth: score, train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from detector.decide.classifier import Model, model_hash
from detector.detections import Detection, TrueObject
from detector.errors import ModelError
from detector.formats.registry import read_foreign
from detector.pipeline import Pipeline
from detector.profile import DEFAULT_PROFILE, Profile, load_profile
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, SampleBlock
from detector.score.report import pool
from detector.score.trial import score_lane
from detector.simulate.scene import dual_scene
from detector.training import collect
from detector.training import train as fit
from firmware_host.cli.opening import ModelOption, ProfileOption, chain, console, is_ours


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(score)
    app.command()(train)


def _load(file: Path) -> tuple[DeviceDescription, list[SampleBlock], list[TrueObject]]:
    if is_ours(file):
        with open_recording(file) as r:
            r.refuse_training("be scored or trained on; 'groundsweep practice --history NAME' shows what was learned")
            return r.device, list(r.blocks(4096)), r.truth()
    foreign = read_foreign(file)
    return foreign.device, list(foreign.blocks), foreign.truth()


def _span(blocks: list[SampleBlock]) -> tuple[float, float] | None:
    """First and last place of a recording, m; None if any record has no place."""
    x = np.concatenate([b.odometer_m for b in blocks])
    return None if np.isnan(x).any() or len(x) == 0 else (float(x.min()), float(x.max()))


def _run(
    device: DeviceDescription, blocks: list[SampleBlock], profile: Profile, model: Model
) -> list[Detection]:
    pipeline = Pipeline(device, profile, model)
    outputs = [pipeline.process(b) for b in blocks]
    outputs.append(pipeline.finish())
    return [d for o in outputs for d in o.detections]


def score(
    files: Annotated[list[Path], typer.Argument(help="Recordings with truth, ours or of other programs.")],
    profile_name: ProfileOption = DEFAULT_PROFILE,
    model_path: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay recordings and score them against their truth: POD and false alarms with exact bounds."""
    profile, model = chain(profile_name, model_path)
    lanes = []
    for file in track(files, "scoring", console=console, transient=True, disable=as_json):
        device, blocks, truth = _load(file)
        detections = _run(device, blocks, profile, model)
        lanes.append(score_lane(file.stem, truth, detections, _span(blocks)))
    total = pool(lanes)
    if as_json:
        print(json.dumps(total.to_json(), indent=1))
        return
    for lane in lanes:
        hits = sum(o.found for o in lane.targets)
        alarmed = sum(o.found for o in lane.clutter)
        console.print(
            f"{lane.lane}: mines {hits}/{len(lane.targets)}, clutter alarmed {alarmed}/{len(lane.clutter)}, "
            f"outside {len(lane.alarms_outside)}"
        )
    console.print(total.to_text())


def train(
    files: Annotated[list[Path], typer.Argument(help="Recordings with truth; 'NAME-seed.h5' share the lane NAME.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model file to write (JSON).")],
    profile_name: ProfileOption = DEFAULT_PROFILE,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "dual-1",
    scenes: Annotated[int, typer.Option(min=0, max=10_000, help="Simulated scenes of 12 m to learn from too.")] = 0,
    first_scene: Annotated[int, typer.Option(min=0, help="Seed of the first of them.")] = 2000,
) -> None:
    """Make a model: alarm tails from target-free ground, and a classifier from the known objects.

    Split by lane throughout; the same files and scenes give the same model, to the bit.
    """
    profile = load_profile(profile_name)
    lanes = []
    for file in track(sorted(files), "recordings", console=console, transient=True):
        lane = collect(file.stem, *_load(file), profile)
        if lane is not None:
            lanes.append(lane)
    for seed in track(range(first_scene, first_scene + scenes), "scenes", console=console, transient=True):
        scene = dual_scene(seed)
        lane = collect(f"scene{seed}", scene.device, scene.blocks, scene.truth, profile, scene.soil.name)
        assert lane is not None
        lanes.append(lane)
    data = fit(
        name,
        lanes,
        profile,
        {
            "recordings": [f.name for f in sorted(files)],
            "scenes": {"first": first_scene, "count": scenes},
            "what": "simulated lanes only: claims made with this model are claims about simulation",
        },
    )
    try:
        out.write_text(json.dumps(data, indent=1) + "\n")
    except OSError as e:
        raise ModelError(f"{out} cannot be written ({e}). Choose another --out.") from e
    held = data["provenance"]["leave_one_lane_out"]
    console.print(
        f"{data['provenance']['examples']} examples; leave-one-lane-out accuracy {held['accuracy']:.2f} "
        f"(n = {held['n']}), log loss {held['log_loss']:.2f}. Wrote {out}, hash {model_hash(data)[:12]}."
    )
