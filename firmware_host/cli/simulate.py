"""The command that makes lanes with known truth: simulate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from detector import __version__
from detector.recording.writer import RecordingWriter
from detector.simulate.scene import EPOCH_NS, HeadWish, MetalKind, RadarKind, Scene, Sensors, dual_scene
from firmware_host.cli.opening import console


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


def simulate(
    out: Annotated[Path, typer.Argument(help="Recording to write; with --count, the seed follows its name.")],
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
    count: Annotated[int, typer.Option(min=1, max=10_000, help="Lanes to make, of successive seeds.")] = 1,
) -> None:
    """Make lanes with known truth: radar and metal detector over one ground, in the recording format.

    The physics is approximate (docs/decisions-and-scoring.md): figures on such lanes are figures about simulation.
    """
    files = [out if count == 1 else out.with_name(f"{out.stem}{seed + i:04d}{out.suffix}") for i in range(count)]
    with Progress(console=console, transient=True) as bar:
        lanes = bar.add_task("lanes", total=count)
        scans = bar.add_task("A-scans", total=None)
        for i, file in enumerate(files):
            bar.reset(scans)
            wish = HeadWish(metal, coils, radar, antennas)
            scene = dual_scene(seed + i, length, per_metre, sensors, lambda n: bar.advance(scans, n), wish)
            write_scene(file, scene)
            bar.advance(lanes)
            bar.console.print(f"{file}: {len(scene.truth)} objects. {scene.note}", soft_wrap=True)
            for o, v, y in zip(scene.truth, scene.visibility, scene.across_m, strict=True):
                aside = "" if y != y else f", {100 * y:+.0f} cm across"
                bar.console.print(
                    f"  {o.x_m:7.3f} m  {o.kind}, {100 * o.depth_m:.0f} cm deep{aside}, stands out by "
                    f"{v.radar_db:.0f} dB (radar), {v.metal_db:.0f} dB (metal)",
                    highlight=False,
                )
