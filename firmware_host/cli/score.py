"""Commands on truth: score, train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from detector.decide.alarm import Alarm, Tail
from detector.decide.classifier import FLAGS, Model, load_model, model_hash
from detector.decide.search import Signal
from detector.decide.training import Example, fit_model, fit_tail, signal_peaks, untrained
from detector.detections import CLASSES, Detection, LabelClass, TrueObject
from detector.errors import ModelError
from detector.formats.registry import read_foreign
from detector.pipeline import Pipeline
from detector.profile import DEFAULT_PROFILE, Profile, load_profile
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, SampleBlock
from detector.score.matching import HALO_MARGIN_M, match
from detector.score.report import pool
from detector.score.trial import score_lane
from firmware_host.cli.opening import ModelOption, ProfileOption, chain, console, is_ours

SEARCH_RADIUS_M = 0.15
"""Search signals nearer than this are one sounding."""


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(score)
    app.command()(train)


def _load(file: Path) -> tuple[DeviceDescription, list[SampleBlock], list[TrueObject]]:
    if is_ours(file):
        with open_recording(file) as r:
            return r.device, list(r.blocks(4096)), r.truth()
    foreign = read_foreign(file)
    return foreign.device, list(foreign.blocks), list(foreign.truth)


def _span(blocks: list[SampleBlock]) -> tuple[float, float] | None:
    """First and last place of a recording, m; None if any record has no place."""
    x = np.concatenate([b.odometer_m for b in blocks])
    return None if np.isnan(x).any() or len(x) == 0 else (float(x.min()), float(x.max()))


def _run(
    device: DeviceDescription, blocks: list[SampleBlock], profile: Profile, model: Model
) -> tuple[list[Alarm], list[Detection], list[Signal]]:
    pipeline = Pipeline(device, profile, model)
    outputs = [pipeline.process(b) for b in blocks]
    outputs.append(pipeline.finish())
    return (
        [a for o in outputs for a in o.alarms],
        [d for o in outputs for d in o.detections],
        [s for o in outputs for s in o.signals],
    )


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
        _, detections, _ = _run(device, blocks, profile, model)
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


def _class_of(label: LabelClass) -> int | None:
    return {
        LabelClass.MINE: CLASSES.index("mine-like"),
        LabelClass.ERW: CLASSES.index("mine-like"),
        LabelClass.METAL_CLUTTER: CLASSES.index("metal-clutter"),
        LabelClass.NONMETAL_CLUTTER: CLASSES.index("nonmetal-clutter"),
    }.get(label)


def train(
    files: Annotated[list[Path], typer.Argument(help="Recordings with truth; 'NAME-seed.h5' share the lane NAME.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Model file to write (JSON).")],
    profile_name: ProfileOption = DEFAULT_PROFILE,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "dual-1",
) -> None:
    """Make a model: alarm tails from target-free ground, and a classifier from the known objects.

    Split by lane throughout; the same files give the same model, to the bit.
    """
    profile = load_profile(profile_name)
    loaded = [(f, *_load(f)) for f in track(sorted(files), "reading", console=console, transient=True)]

    # every peak alarms at first: the tails are fitted to what clean ground does
    low = dict.fromkeys(("radar", "metal", "radar-search", "metal-search"), Tail(0.2, 0.3, 1.0))
    stages = ("radar_alarm", "metal_alarm", "radar_search", "metal_search")
    open_profile = profile.model_copy(
        update={s: getattr(profile, s).model_copy(update={"false_alarms_per_m": 1.0}) for s in stages}
    )
    bare = _model(untrained(low), out)
    peaks: dict[str, list[float]] = {s: [] for s in low}
    clean_m = dict.fromkeys(low, 0.0)
    for _, device, blocks, truth in track(loaded, "clean ground", console=console, transient=True):
        span = _span(blocks)
        if span is None:
            continue
        # an echo's tails reach further than its halo: ground within 15 cm of a halo is not clean
        far = [(o.x_m, o.half_extent_m + HALO_MARGIN_M + 0.15) for o in truth]
        alarms, _, signals = _run(device, blocks, open_profile, bare)
        for a in alarms:
            if all(abs(a.x_m - x) > r for x, r in far):
                peaks[a.sensor].append(a.score * low[a.sensor].threshold(1.0))
        for sensor in ("radar", "metal"):
            for x_m, strength in signal_peaks([s for s in signals if s.sensor == sensor], SEARCH_RADIUS_M):
                if all(abs(x_m - x) > r for x, r in far):
                    peaks[f"{sensor}-search"].append(strength * low[f"{sensor}-search"].threshold(1.0))
        grid = np.arange(span[0], span[1], 0.01)
        metres = 0.01 * int(sum(all(abs(x - ox) > r for ox, r in far) for x in grid))
        for sensor in {"metal" if s.kind.is_metal else "radar" for s in device.streams}:
            clean_m[sensor] += metres
            clean_m[f"{sensor}-search"] += metres
    # a search path that hardly ever stands out on clean ground keeps the threshold for models without a tail
    tails = {s: fit_tail(p, clean_m[s]) for s, p in peaks.items() if len(p) >= 8 or not s.endswith("-search")}
    for s, t in tails.items():
        console.print(
            f"{s}: {len(peaks[s])} peaks on {clean_m[s]:.1f} m of clean ground, "
            f"level {t.level:.2f}, scale {t.scale:.2f}"
        )

    start = _model(untrained(tails), out)
    examples = []
    for file, device, blocks, truth in track(loaded, "examples", console=console, transient=True):
        _, detections, _ = _run(device, blocks, profile, start)
        sensors = {"metal" if s.kind.is_metal else "radar" for s in device.streams}
        for i, j in match(truth, detections).found.items():
            label = _class_of(truth[i].label)
            if label is None:
                continue
            d = detections[j]
            flags = [
                float("nan") if s not in sensors else float(q >= 0)
                for s, q in (("radar", d.radar_peak_seq), ("metal", d.metal_peak_seq))
            ]
            inputs = np.array([*d.features, *flags])
            assert len(flags) == len(FLAGS)
            examples.append(Example(file.stem.split("-")[0], inputs, label))
    data = fit_model(
        name,
        examples,
        tails,
        {
            "recordings": [f.name for f, *_ in loaded],
            "profile_hash": profile.hash,
            "clean_ground_m": {s: round(m, 2) for s, m in clean_m.items()},
            "what": "simulated lanes only: claims made with this model are claims about simulation",
        },
    )
    out.write_text(json.dumps(data, indent=1) + "\n")
    held = data["provenance"]["leave_one_lane_out"]
    console.print(
        f"{len(examples)} examples; leave-one-lane-out accuracy {held['accuracy']:.2f} (n = {held['n']}), "
        f"log loss {held['log_loss']:.2f}. Wrote {out}, hash {model_hash(data)[:12]}."
    )


def _model(data: dict[str, object], beside: Path) -> Model:
    """A model that exists in memory only, by way of a file, so that it passes the same checks."""
    scratch = beside.with_suffix(".tmp")
    try:
        scratch.write_text(json.dumps(data))
        return load_model(scratch)
    except OSError as e:
        raise ModelError(f"{beside} cannot be written ({e}). Choose another --out.") from e
    finally:
        scratch.unlink(missing_ok=True)
