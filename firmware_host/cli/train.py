"""The command that makes a model: train."""

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
from detector.simulate.scene import dual_scene
from detector.training import collect
from detector.training import train as fit
from firmware_host.cli.opening import ProfileOption, console, is_ours


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(train)


def _load(file: Path) -> tuple[DeviceDescription, list[SampleBlock], list[TrueObject]]:
    if is_ours(file):
        with open_recording(file) as r:
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
