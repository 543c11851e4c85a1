"""The command that looks for a profile's best numbers: tune."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, track
from rich.table import Table

from detector import __version__
from detector.errors import ProfileError
from detector.profile import DEFAULT_PROFILE, load_profile
from detector.recording.reader import open_recording
from detector.simulate.scene import dual_scene
from detector.tuning.search import GOALS, Goal, Trial, Tuned, as_numbers, tune
from detector.tuning.space import SENSORS, Axis, axis, with_values
from detector.tuning.standing import Lane, only
from firmware_host.cli.opening import ProfileOption, console
from firmware_host.session import Interrupt


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(name="tune")(command)


def command(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings with truth; 'NAME-1.h5', 'NAME-2.h5' share the ground NAME.")
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", "-k", help="A profile's number: 'radar.bandpass.low', or with a range '...=0.2..0.5'."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Profile to write (TOML), if it holds.")] = None,
    report: Annotated[Path | None, typer.Option(help="Report to write (JSON): every trial.")] = None,
    profile_name: ProfileOption = DEFAULT_PROFILE,
    goal: Annotated[Goal, typer.Option(help="; ".join(f"{k}: {v}" for k, v in GOALS.items()) + ".")] = "pod",
    false_alarms: Annotated[
        float, typer.Option("--false-alarms", min=1e-3, max=10.0, help="Rate at which settings are compared, 1/m.")
    ] = 0.1,
    trials: Annotated[int, typer.Option(min=2, max=10_000, help="Settings to try.")] = 60,
    aside: Annotated[float, typer.Option(min=0.05, max=0.8, help="Share of the grounds kept aside.")] = 0.34,
    seed: Annotated[int, typer.Option(min=0, help="Of the search and of which grounds are kept aside.")] = 0,
    scenes: Annotated[int, typer.Option(min=0, max=1000, help="Simulated scenes of 12 m to tune on too.")] = 0,
    first_scene: Annotated[int, typer.Option(min=0, help="Seed of the first of them.")] = 5000,
) -> None:
    """Search a profile's numbers for what finds most at equal false alarms, and check it on grounds kept aside.

    The profile is written only if it is no worse there. Ctrl-C ends the search; the best so far is checked.
    """
    profile = load_profile(profile_name)
    if not keys:
        raise ProfileError(
            "Say what to tune, for example --key radar.bandpass.low --key radar.dewow.window_periods=2..5."
        )
    axes = [axis(profile, k) for k in keys]
    sensors = {SENSORS[a.key.split(".")[0]] for a in axes}
    if len(sensors) != 1:
        raise ProfileError("These keys are of both sensors. Tune one sensor at a time: they alarm apart.")
    lanes = _lanes(files or [], range(first_scene, first_scene + scenes), sensors.pop())
    with Interrupt() as interrupt, Progress(console=console, transient=True) as bar:
        task = bar.add_task("trials", total=trials)
        best: list[Trial] = []

        def told(trial: Trial) -> None:
            if not best or trial.goal > best[-1].goal:
                best.append(trial)
            at = best[-1].reached
            shown = f"best {at.found}/{at.targets}, {at.margin_db:+.1f} dB"
            bar.update(task, advance=1, description=f"trials ({shown})")

        tuned = tune(lanes, profile, axes, goal, false_alarms, trials, aside, seed, told, interrupt)
    _show(tuned, axes, false_alarms)
    if report is not None:
        origin = {
            "software": f"groundsweep {__version__}", "profile": profile.name, "profile_hash": profile.hash,
            "recordings": [f.name for f in files or []], "scenes": {"first": first_scene, "count": scenes},
            "goal": goal, "false_alarms_per_m": false_alarms, "seed": seed,
        }  # fmt: skip
        _write(report, json.dumps(as_numbers(tuned, axes, origin), indent=1) + "\n")
    if out is None:
        return
    if not tuned.holds:
        raise ProfileError(
            "On the grounds kept aside it is not better than the profile as it was, so no profile is written. "
            "The gain was of these lanes only: give more lanes, or fewer keys."
        )
    tuned_profile = with_values(profile, tuned.best.values).model_copy(update={"name": out.stem})
    _write(out, tuned_profile.to_toml())
    console.print(f"Wrote {out}. A model's thresholds belong to the profile that they were fitted with: train anew.")


def _lanes(files: list[Path], scenes: range, sensor: str) -> list[Lane]:
    lanes: list[Lane] = []
    for file in track(files, "recordings", console=console, transient=True):
        with open_recording(file) as r:
            r.refuse_training("be tuned on")
            lane = only(sensor, file.stem, r.device, list(r.blocks(4096)), r.truth())
        if lane is None:
            raise ProfileError(f"{file.name} holds no {sensor} stream, which these keys are about. Leave it out.")
        lanes.append(lane)
    for number in track(scenes, "scenes", console=console, transient=True):
        s = dual_scene(number, sensors="metal" if sensor == "metal" else "radar")
        lane = only(sensor, f"scene{number}", s.device, s.blocks, s.truth)
        assert lane is not None
        lanes.append(lane)
    return lanes


def _show(tuned: Tuned, axes: list[Axis], rate: float) -> None:
    table = Table("key", "was", "best", "unit", "tried from", "to")
    for a in axes:
        table.add_row(a.key, f"{a.now:g}", f"{tuned.best.values[a.key]:.4g}", a.unit, f"{a.low:g}", f"{a.high:g}")
    console.print(table)
    for where, was, now in (
        ("lanes for tuning", tuned.trials[0].reached, tuned.best.reached),
        (f"kept aside ({', '.join(tuned.aside)})", tuned.before, tuned.after),
    ):
        low, high = now.bounds
        console.print(
            f"{where}: at {rate:g} false alarms per metre {was.found}/{was.targets} found before, "
            f"{now.found}/{now.targets} after ({low:.3f} to {high:.3f}, 95 %); "
            f"margin {was.margin_db:+.2f} dB before, {now.margin_db:+.2f} after.",
            soft_wrap=True,
        )
    p = tuned.paired
    console.print(
        f"Kept aside: {p.only_b} gained, {p.only_a} lost; McNemar p = {p.p_value:.3g}. "
        + ("It holds there." if tuned.holds else "It does NOT hold there."),
        soft_wrap=True,
    )
    for name in tuned.after.missed:
        console.print(f"  missed after: {name}", soft_wrap=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as e:
        raise ProfileError(f"{path} cannot be written ({e}). Choose another place.") from e
