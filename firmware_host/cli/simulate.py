"""The command that makes lanes with known truth: simulate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from detector import __version__
from detector.errors import SampleError
from detector.profile import DEFAULT_PROFILE
from detector.recording.writer import RecordingWriter
from detector.simulate.scene import EPOCH_NS, HeadWish, MetalKind, RadarKind, Scene, Sensors, dual_scene
from detector.simulate.sweeps import FIRST
from firmware_host.cli.full_wave import make_lanes
from firmware_host.cli.next_sweep import sweep_after
from firmware_host.cli.opening import ModelOption, ProfileOption, console


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(simulate)


def write_scene(path: Path, scene: Scene) -> None:
    """A recording of the scene, with its truth."""
    with RecordingWriter(
        path, scene.device, software=f"groundsweep {__version__}", created_utc_ns=EPOCH_NS,
        note=scene.note, licence="Apache-2.0", source="groundsweep, simulated", compress=True,
    ) as writer:  # fmt: skip
        for block in scene.blocks:
            writer.write(block)
        writer.truth(list(scene.truth))


def stands_out(db: float) -> str:
    """By how much an object stands out, as words: -inf where it gives no answer at all."""
    return "nothing" if db == -math.inf else f"{db:.0f} dB"


def _refuse_of_scenes(context: typer.Context) -> None:
    """What was given that full-wave lanes do not take; their number says all."""
    given = [
        "the recording" if name == "out" else f"--{name.removesuffix('_name').removesuffix('_path').replace('_', '-')}"
        for name in context.params
        if name not in ("full_wave", "folder") and getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"
    ]
    if given:
        raise SampleError(f"--full-wave takes --out and nothing else; leave out {', '.join(given)}.")


def simulate(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Argument(help="Recording to write; with --count, the seed follows its name.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Everything follows from it: soil, objects, head, noise.")] = 1,
    length: Annotated[float, typer.Option(min=2.0, max=100.0, help="Length of the lane, m.")] = 12.0,
    per_metre: Annotated[
        float, typer.Option(min=0.0, max=1.5, help="Objects per metre outside the clean third of the lane.")
    ] = 0.6,
    sensors: Annotated[Sensors, typer.Option(help="Streams of the head.")] = "dual",
    metal: Annotated[MetalKind, typer.Option(help="Metal detector: pulse induction or continuous wave.")] = "pi",
    coils: Annotated[
        int | None, typer.Option(min=1, max=5, help="Abreast; drawn unless given. Objects lie across the head's width.")
    ] = None,
    radar: Annotated[RadarKind, typer.Option(help="Radar: impulse or stepped frequency.")] = "impulse",
    antennas: Annotated[int, typer.Option(min=1, max=5, help="Abreast, 12 cm apart.")] = 1,
    salinity: Annotated[
        float | None,
        typer.Option(min=0.0, max=5.0, help="Of the soil, S/m; sea water has 4. Left out: drawn, and not heard by PI."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="Lanes to make, of successive seeds.")] = 1,
    dug: Annotated[
        Path | None,
        typer.Option(
            metavar="BEFORE", help="The next sweep of the scene of this recording: what alarms in it is gone."
        ),
    ] = None,
    profile_name: ProfileOption = DEFAULT_PROFILE,
    model_path: ModelOption = None,
    full_wave: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Instead: radar lanes 1 to N (or '7-9') by Maxwell's equations in a plane; some 20 s of a core each.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="With --full-wave: folder to write to; lanes that are there are kept."),
    ] = None,
) -> None:
    """Make lanes with known truth: radar and metal detector over one ground, in the recording format.

    The physics is approximate (docs/simulation.md): figures on such lanes are figures about simulation.

    With --dug, what alarms in a sweep before, under --profile and --model, is taken out; ground, head and the other
    objects are the same, path and noise are new. Give the options that the sweep before was made with. 'score
    --procedure' joins such sweeps, named LANE-1, LANE-2 and so on.

    With --full-wave: radar alone by a field solver, without noise, as A-scans with a truth file beside them, to
    'import', 'score' or train from.
    """
    if full_wave is not None:
        _refuse_of_scenes(context)
        if folder is None:
            raise SampleError("--full-wave needs a folder to write to: give it with --out.")
        make_lanes(full_wave, folder)
        return
    if out is None or folder is not None:
        raise SampleError("A scene is written to a recording, which is named without an option: simulate scene.h5.")
    if dug is not None and count != 1:
        raise SampleError("--dug makes one sweep after another of one scene: leave out --count.")
    wish = HeadWish(metal, coils, radar, antennas)
    sweep = FIRST
    if dug is not None:
        laid = dual_scene(seed, length, per_metre, "metal", wish=wish, salinity_s_per_m=salinity)
        sweep, taken = sweep_after(dug, seed, laid, (profile_name, model_path))
        gone = ", ".join(f"{o.kind} at {o.x_m:.2f} m" for o in taken)
        console.print(f"Dug after {dug}: {gone or 'nothing'}.", soft_wrap=True)
    files = [out if count == 1 else out.with_name(f"{out.stem}{seed + i:04d}{out.suffix}") for i in range(count)]
    with Progress(console=console, transient=True) as bar:
        lanes = bar.add_task("lanes", total=count)
        scans = bar.add_task("A-scans", total=None)
        for i, file in enumerate(files):
            bar.reset(scans)
            scene = dual_scene(
                seed + i, length, per_metre, sensors, lambda n: bar.advance(scans, n), wish, sweep, salinity
            )
            write_scene(file, scene)
            bar.advance(lanes)
            bar.console.print(f"{file}: {len(scene.truth)} object(s). {scene.note}", soft_wrap=True)
            for o, v, y in zip(scene.truth, scene.visibility, scene.across_m, strict=True):
                aside = "" if y != y else f", {100 * y:+.0f} cm across"
                bar.console.print(
                    f"  {o.x_m:7.3f} m  {o.kind}, {100 * o.depth_m:.0f} cm deep{aside}, stands out by "
                    f"{stands_out(v.radar_db)} (radar), {stands_out(v.metal_db)} (metal)",
                    highlight=False,
                )
