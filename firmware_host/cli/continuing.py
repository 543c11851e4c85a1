"""What 'groundsweep train --continue' does: learn from labels, compare, and refuse what is worse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track

from detector.collected import Collected, collect
from detector.continuing import continued, dug_objects, held_out, lessons
from detector.decide.classifier import Model, load_model, model_from, model_hash, model_text
from detector.errors import ModelError
from detector.model_change import LOSS, Comparison, Side, compare_by_heads
from detector.profile import Profile, load_profile
from detector.recording.reader import Recording
from detector.reference_set import ReferenceScene, reference_scenes
from detector.score.report import finite
from detector.score.trial import place_of
from detector.simulate.teaching import teaching_scene, teaching_seeds
from detector.taught import names_of, taught_by
from firmware_host.cli.batch import in_order
from firmware_host.cli.opening import console
from firmware_host.cli.reading import reading
from firmware_host.cli.teaching import collected

SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for."""

    files: Sequence[Path]
    before: str
    """A model file, or SHIPPED."""
    out: Path
    profile_name: str
    name: str
    reference: Sequence[Path]
    base_scenes: int | None
    """Scenes to make again; None = as many as the old model learned from."""
    reference_scenes: int
    report: Path | None
    jobs: int


def collected_scene(scene: ReferenceScene | int, profile_name: str) -> Collected:
    """A simulated scene under open thresholds: of the reference set, or a teaching one by its seed."""
    made = teaching_scene(scene) if isinstance(scene, int) else scene.made()
    name = f"scene{scene}" if isinstance(scene, int) else scene.name
    lane = collect(name, made.device, made.blocks, made.truth, load_profile(profile_name), made.soil.name, scene=True)
    assert lane is not None  # a simulated scene has places
    return lane


def collected_file(file: Path, profile: Profile) -> Collected | str:
    """A recording with its truth, or else with what was dug; or why it teaches nothing."""
    with reading(file) as r:
        if isinstance(r, Recording):
            r.refuse_training("teach or judge a model")
        objects = tuple(r.truth())
        said = ""
        if not objects:
            dug = dug_objects(r.detections(), r.labels())
            objects = dug.objects
            said = f"nothing found at {dug.nothing} places, {dug.opinions} opinions, {dug.without_place} without place"
        if not objects:
            return f"{file.name}: nothing that was dug and named ({said})"
        lane = collected(r, file.stem, objects, profile)
    return lane if lane is not None else f"{file.name}: records without a place"


def continue_training(wish: Wish) -> None:
    """Writes the model, or refuses and ends with exit code 1."""
    profile = load_profile(wish.profile_name)
    before = load_model(None if wish.before == SHIPPED else Path(wish.before))
    scenes = before.provenance.get("scenes") or {"first": 0, "count": 0}
    first, count, waves = int(scenes["first"]), int(scenes["count"]), int(scenes.get("waves", 0))
    if wish.base_scenes is not None:
        count, waves = min(count, wish.base_scenes), min(waves, wish.base_scenes)
    learned = {Path(f).stem for f in before.provenance.get("recordings", [])}
    taught_on = {place_of(name) for name in (*learned, *(f.stem for f in wish.files))}
    if mixed := sorted(f.name for f in wish.reference if place_of(f.stem) in taught_on):
        raise ModelError(f"{', '.join(mixed)}: trained on too, so no reference. Take other ground for --reference.")
    labelled = _files(wish.files, profile)
    if not labelled:
        raise ModelError("There is nothing to learn from: label what was dug with 'groundsweep label', then train.")
    judges = reference_scenes(before, [c.device for c in labelled], wish.reference_scenes)
    if {s.seed for s in judges} & set(teaching_seeds(first, int(scenes["count"]), int(scenes.get("waves", 0)))):
        raise ModelError(f"{before.name} learned from scenes of the reference set: it cannot be judged on them.")
    reference = _files(wish.reference, profile)
    # by the head's serial number too, which a simulated lane keeps when its file is renamed
    own = frozenset().union(*(names_of(c.lane, c.device) for c in labelled))
    if mixed := sorted(
        c.lane for c in reference if own & names_of(c.lane, c.device) or taught_by(before.provenance, c.lane, c.device)
    ):
        raise ModelError(f"{', '.join(mixed)}: trained on too, so no reference. Take other ground for --reference.")
    teachers = teaching_seeds(first, count, waves)
    made = _scenes([*teachers, *judges], wish)
    base, reference = made[: len(teachers)], made[len(teachers) :] + reference
    if missing := sorted(learned - {f.stem for f in wish.files}):
        console.print(
            f"{before.name} also learned from {len(missing)} recordings that are not given: "
            f"{', '.join(missing[:4])}... What only they taught is gone; the reference says what that costs.",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    taught = lessons(before, base, labelled, profile, frozenset(learned))
    data = continued(
        wish.name,
        before,
        taught,
        profile,
        {
            "recordings": sorted(f.name for f in wish.files),
            "scenes": {"first": first, "count": count, "waves": waves},
            "labelled_objects": sum(len(c.truth) for c in labelled),
            "reference": {"scenes": [s.name for s in judges], "recordings": sorted(f.name for f in wish.reference)},
            "what": "simulated scenes and labelled recordings; judged on the reference lanes named here",
        },
    )
    after = model_from(data, wish.name)
    found = compare_by_heads(reference, before, after, profile)
    for one in found:
        console.print(one.to_text(), markup=False, soft_wrap=True)
    on_own = held_out(before, taught, labelled, profile)
    if on_own is None:
        console.print("On your own ground: not judged, it takes a dug mine and two places.")
    else:
        console.print("On your own ground, each place judged by a model that did not learn from it:")
        for when, s in zip(("before", "after"), on_own, strict=True):
            console.print(
                f"  {when:<7}mines called clutter {s.called_clutter}; clutter called clutter {s.clutter}; calibration "
                f"error {s.calibration_error:.3f}, ranking {s.ranking:.3f}",
                markup=False, soft_wrap=True,
            )  # fmt: skip
    worse = "; ".join(f"on {one.heads} {one.worse}" for one in found if one.worse)
    if worse and len(teachers) < int(scenes["count"]) + int(scenes.get("waves", 0)):
        worse += f". It learned from {len(teachers)} scenes only; leave --scenes out, that it forgets less"
    if wish.report is not None:
        _report(wish.report, before, after, found, worse, on_own)
    if worse:
        console.print(f"Refused: {worse}. {wish.out} is not written.", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    try:
        wish.out.write_text(model_text(data))
    except OSError as e:
        raise ModelError(f"{wish.out} cannot be written ({e}). Choose another --out.") from e
    console.print(f"Wrote {wish.out}, hash {model_hash(data)[:12]}.", markup=False, soft_wrap=True)
    if any(one.too_small for one in found):
        kinds = " and ".join(one.heads for one in found if one.too_small)
        console.print(
            f"WARNING: for {kinds} the reference has too few mines to show a loss of {100 * LOSS:.0f} in 100: that "
            f"none was lost on it proves nothing. Leave --reference-scenes out, or give lanes with --reference.",
            markup=False, soft_wrap=True,
        )  # fmt: skip


def _files(files: Sequence[Path], profile: Profile) -> list[Collected]:
    out = []
    for file in track(sorted(files), "recordings", console=console, transient=True):
        lane = collected_file(file, profile)
        if isinstance(lane, str):
            console.print(f"not used: {lane}", markup=False, soft_wrap=True)
        else:
            out.append(lane)
    return out


def _scenes(scenes: Sequence[ReferenceScene | int], wish: Wish) -> list[Collected]:
    def died(scene: ReferenceScene | int) -> Collected:
        raise ModelError(f"The process that made scene {scene} died, perhaps for want of memory. Try fewer --jobs.")

    errors = Console(stderr=True)
    answers = in_order(partial(collected_scene, profile_name=wish.profile_name), scenes, wish.jobs, died)
    if errors.is_terminal:
        return list(track(answers, "scenes", total=len(scenes), console=errors, transient=True))
    return list(answers)


def _report(
    path: Path, before: Model, after: Model, found: Sequence[Comparison], worse: str, on_own: tuple[Side, Side] | None
) -> None:
    data = {
        "format": "groundsweep-model-change",
        "version": 3,
        "before": {"name": before.name, "hash": before.hash},
        "after": {"name": after.name, "hash": after.hash},
        "refused": worse,
        "warnings": [f"on {one.heads} {one.too_small}" for one in found if one.too_small],
        "reference": [asdict(one) for one in found],
        "own_ground_held_out": None if on_own is None else {"before": asdict(on_own[0]), "after": asdict(on_own[1])},
    }
    try:
        path.write_text(json.dumps(finite(data), indent=1, allow_nan=False) + "\n")
    except OSError as e:
        raise ModelError(f"The report {path} cannot be written ({e}). Choose another --report.") from e
