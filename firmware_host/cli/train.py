"""The command that makes a model: train."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from detector.collected import Collected, collect
from detector.decide.classifier import model_hash, model_text
from detector.errors import ModelError
from detector.profile import DEFAULT_PROFILE, Profile, load_profile
from detector.recording.reader import Recording
from detector.reference_set import REFERENCE_SEEDS
from detector.simulate.teaching import teaching_scene, teaching_seeds
from detector.training import train as fit
from firmware_host.cli.continuing import SHIPPED, Wish, continue_training
from firmware_host.cli.opening import ProfileOption, console
from firmware_host.cli.reading import reading
from firmware_host.cli.teaching import collected


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(train)


def _load(file: Path, profile: Profile) -> tuple[Collected | None, str]:
    """What it teaches, and who says that he made it."""
    with reading(file) as r:
        source = r.device.model
        if isinstance(r, Recording):
            r.refuse_training("teach a model")
            source = r.source
        return collected(r, file.stem, r.truth(), profile), source


def train(
    files: Annotated[list[Path], typer.Argument(help="Recordings with truth; 'NAME-seed.h5' share the lane NAME.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model file to write (JSON).")],
    profile_name: ProfileOption = DEFAULT_PROFILE,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "dual-1",
    scenes: Annotated[
        int | None, typer.Option(min=0, max=10_000, help="Simulated scenes of 12 m to learn from too.")
    ] = None,
    first_scene: Annotated[int, typer.Option(min=0, help="Seed of the first of them.")] = 2000,
    wave_scenes: Annotated[
        int | None,
        typer.Option(min=0, max=10_000, help="Further ones, of continuous-wave heads; as many unless given."),
    ] = None,
    continue_from: Annotated[
        str | None,
        typer.Option("--continue", help=f"Go on from this model ({SHIPPED} = the shipped one) with what was dug."),
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(help="With --continue: also judge on this recording, which is not trained on. Repeat it."),
    ] = None,
    reference_scenes: Annotated[
        int,
        typer.Option(
            min=0,
            max=len(REFERENCE_SEEDS),
            help="With --continue: scenes of the reference set to judge on, of each kind of head.",
        ),
    ] = len(REFERENCE_SEEDS),
    report: Annotated[
        Path | None, typer.Option(help="With --continue: write what changed as JSON, also if the model is refused.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="With --continue: processes.")] = 1,
) -> None:
    """Make a model: alarm tails from target-free ground, and a classifier from the known objects.

    Split by lane throughout; the same files and scenes give the same model, to the bit. With --continue the recordings
    may hold labels of what was dug instead of a truth, and a model that on the reference lanes finds fewer mines at
    equal false alarms, calls one clutter that was not before, or whose probabilities are worse beyond chance, is
    refused with exit code 1.
    """
    if continue_from is not None:
        continue_training(
            Wish(files, continue_from, out, profile_name, name, reference or [], scenes, reference_scenes, report, jobs)
        )
        return
    if reference or report is not None:
        raise ModelError("--reference and --report go with --continue: without an old model there is no change.")
    count = scenes or 0
    waves = count if wave_scenes is None else wave_scenes
    profile = load_profile(profile_name)
    lanes: list[Collected] = []
    sources: Counter[str] = Counter()
    for file in track(sorted(files), "recordings", console=console, transient=True):
        lane, source = _load(file, profile)
        sources[source or "not stated"] += 1
        if lane is not None:
            lanes.append(lane)
    seeds = teaching_seeds(first_scene, count, waves)
    for seed in track(seeds, "scenes", console=console, transient=True):
        scene = teaching_scene(seed)
        lane = collect(f"scene{seed}", scene.device, scene.blocks, scene.truth, profile, scene.soil.name, scene=True)
        assert lane is not None
        lanes.append(lane)
    data = fit(
        name,
        lanes,
        profile,
        {
            "recordings": [f.name for f in sorted(files)],
            "recordings_by_source": dict(sorted(sources.items())),
            "scenes": {"first": first_scene, "count": count, "waves": waves},
            "what": "simulated lanes only: claims made with this model are claims about simulation",
        },
    )
    try:
        out.write_text(model_text(data))
    except OSError as e:
        raise ModelError(f"{out} cannot be written ({e}). Choose another --out.") from e
    held = data["provenance"]["held_out_by_lane"]
    console.print(
        f"{held['alarms']} alarms on known objects; on lanes that the trees were not grown on: area under the curve "
        f"{held['auc_mine_clutter']:.3f}, log loss {held['log_loss']:.2f}, called clutter "
        f"{'/'.join(map(str, held['clutter_called_clutter']))} of clutter and "
        f"{'/'.join(map(str, held['mines_called_clutter']))} of mines. Wrote {out}, hash {model_hash(data)[:12]}."
    )
