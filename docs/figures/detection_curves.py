"""Draws docs/figures/detection-curves.svg: mines and metal found against false alarms per metre, on simulated scenes.

    .venv/bin/python docs/figures/detection_curves.py             # runs the scenes, writes two CSV, draws the SVG
    .venv/bin/python docs/figures/detection_curves.py --draw      # draws detection-curves.csv as it is

found-by.csv says which mines each sensor and both together find at ASKED_PER_M, by kind, soil, depth, echo.

The scenes (SEEDS) were used for nothing else: no number, forest or threshold was chosen on them. The chains run with
open thresholds (`detector.collected`), the radar's peaks with the second look of the shipped model. Each object counts
with the highest peak in its halo, everything outside all halos is false. So that two sensors stand on one axis, a
peak's height is the false-alarm rate at which it would just sound by the shipped tail of its sensor. Of a dual head
a place where both alarm at ASKED_PER_M counts once, by the rate of both at once as `score` ranks it; below that every
peak of either sensor counts. Bands: the wider of Clopper-Pearson and a bootstrap by scene, 95 %.
"""

from __future__ import annotations

import argparse
import csv
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detector.collected import collect, decided
from detector.decide.alarm import Tail
from detector.decide.classifier import Model, load_model
from detector.decide.evidence import WAVE
from detector.detections import TrueObject
from detector.profile import load_profile
from detector.ranking import rarities_of
from detector.score.matching import HALO_MARGIN_M, halo_length_m, is_target
from detector.score.roc import Ranked, curve
from detector.simulate.scene import HeadWish, Scene, dual_scene

SEEDS = range(31_000, 31_100)
RATES_PER_M = tuple(float(r) for r in np.round(np.geomspace(0.01, 0.5, 18), 4))
LEAST_DB = 10.0
"""Metal is asked for where it stands this far out of the noise of the best single reading."""

ASKED_PER_M = 0.1
"""False alarms per metre that found-by.csv asks of each sensor, by its shipped tail."""

HERE = Path(__file__).parent
TABLE = HERE / "detection-curves.csv"
FOUND_BY = HERE / "found-by.csv"
PICTURE = HERE / "detection-curves.svg"

MINES = "all mines and other explosives"
METAL = f"metal, {LEAST_DB:g} dB or more over noise"
CURVES = (
    (MINES, "radar and metal detector"),
    (MINES, "radar alone"),
    (MINES, "metal detector alone (pulse induction)"),
    (METAL, "pulse induction"),
    (METAL, "continuous waves, one coil"),
)

Peaks = list[tuple[float, float]]
"""(x m, height) of one sweep."""


def height(score: float, tail: Tail) -> float:
    """Minus the logarithm of the rate per metre at which clean ground reaches that score, by the tail."""
    return (score - tail.level) / tail.scale - math.log(tail.rate_per_m)


def peaks(scene: Scene, model: Model, profile_name: str) -> dict[str, Peaks]:
    """Every peak of each sensor with open thresholds, and of 'both' sensors together."""
    profile = load_profile(profile_name)
    found = collect(f"scene{scene.seed}", scene.device, scene.blocks, scene.truth, profile)
    assert found is not None
    assert model.second_look is not None
    metal = model.tails[WAVE] if WAVE in found.kinds else model.tails["metal"]
    out: dict[str, Peaks] = {"radar": [], "metal": []}
    for a in found.alarms:
        if a.sensor == "radar":
            out["radar"].append((a.x_m, height(a.score + model.second_look.shift(a.features), model.second_look.tail)))
        else:
            out["metal"].append((a.x_m, height(a.score, metal)))
    asked = {"false_alarms_per_m": ASKED_PER_M}
    stages = {s: getattr(profile, s).model_copy(update=asked) for s in ("radar_alarm", "metal_alarm")}
    profile = profile.model_copy(update=stages)
    rarities = rarities_of(found.device, profile, model)
    alarms = [(d.x_m, rarities.of(d)) for d in decided(found, model, profile)]
    quiet = [p for each in (out["radar"], out["metal"]) for p in each if p[1] < -math.log(ASKED_PER_M)]
    return {**out, "both": alarms + quiet}


def ranked(scene: Scene, found: Peaks, truth: Sequence[TrueObject], asked: Sequence[bool]) -> Ranked:
    """Each asked object's highest peak in its halo, and the peaks outside the halos of all `truth`."""
    x = scene.blocks[0].odometer_m
    span = float(x.min()), float(x.max())
    reach = [(o.x_m, o.half_extent_m + HALO_MARGIN_M) for o in truth]
    best = [max((h for at, h in found if abs(at - place) <= r), default=-np.inf) for place, r in reach]
    outside = [h for at, h in found if all(abs(at - place) > r for place, r in reach)]
    free_m = span[1] - span[0] - halo_length_m(truth, span)
    targets = [b for b, wanted in zip(best, asked, strict=True) if wanted]
    return Ranked(f"scene{scene.seed}", np.array(targets), np.array(outside), free_m)


def band(value: float, edges: Sequence[float], unit: str) -> str:
    """'3 to 5 cm' and the like."""
    i = bisect_right(edges, value)
    if i == 0:
        return f"below {edges[0]:g} {unit}"
    return f"{edges[i - 1]:g} {unit} or more" if i == len(edges) else f"{edges[i - 1]:g} to {edges[i]:g} {unit}"


def strata(scene: Scene) -> list[list[str]]:
    """What each mine of a scene is counted under."""
    return [
        [
            "all",
            f"kind {o.kind}",
            f"soil {scene.soil.name}",
            f"depth {band(100 * o.depth_m, (3, 5, 10, 15, 20), 'cm')}",
            f"metal {'in it' if o.contains_metal else 'none'}",
            f"echo {band(v.radar_db, (5, 10, 15, 20, 30), 'dB')}",
        ]
        for o, v in zip(scene.truth, scene.visibility, strict=True)
        if is_target(o)
    ]


def measure(seeds: Sequence[int]) -> dict[tuple[str, str], list[Ranked]]:
    """The curves' peaks; writes found-by.csv on the way."""
    model = load_model()
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    lanes: dict[tuple[str, str], list[Ranked]] = {c: [] for c in CURVES}
    for seed in seeds:
        dual = dual_scene(seed)
        one = peaks(dual, model, "handheld-dual")
        mines = [is_target(o) for o in dual.truth]
        each = (one["both"], one["radar"], one["metal"])
        for of_mines, found in zip(CURVES[:3], each, strict=True):
            lanes[of_mines].append(ranked(dual, found, dual.truth, mines))
        both, radar, alone = ([h >= -math.log(ASKED_PER_M) for h in lanes[c][-1].targets] for c in CURVES[:3])
        for under, *seen in zip(strata(dual), radar, alone, both, strict=True):
            for name in under:
                counts[name] = [n + k for n, k in zip(counts[name], (1, *seen), strict=True)]
        wave = dual_scene(seed, sensors="metal", wish=HeadWish(metal="cw", coils=1))
        two = peaks(wave, model, "handheld-cw")
        for of_metal, scene, found in ((CURVES[3], dual, one["metal"]), (CURVES[4], wave, two["metal"])):
            metal = [(o, v) for o, v in zip(scene.truth, scene.visibility, strict=True) if o.contains_metal]
            asked = [v.metal_db >= LEAST_DB for _, v in metal]
            lanes[of_metal].append(ranked(scene, found, [o for o, _ in metal], asked))
        print(f"scene {seed} of {seeds[-1]}", flush=True)
    with FOUND_BY.open("w", newline="", encoding="utf-8") as f:
        rows = csv.writer(f, lineterminator="\n")
        rows.writerow(["mines", "n", "radar", "metal", "either"])
        rows.writerows([name, *counts[name]] for name in sorted(counts))
    for c in CURVES[:3]:
        false = sum(int((r.outside >= -math.log(ASKED_PER_M)).sum()) for r in lanes[c])
        clean_m = sum(r.free_m for r in lanes[c])
        print(f"{c[1]}: {false} false alarms on {clean_m:.0f} m at {ASKED_PER_M:g}/m asked of each")
    return lanes


def write(lanes: dict[tuple[str, str], list[Ranked]]) -> None:
    with TABLE.open("w", newline="", encoding="utf-8") as f:
        rows = csv.writer(f, lineterminator="\n")
        rows.writerow(["targets", "detector", "n", "clean_m", "false_alarms_per_m", "pod", "low", "high"])
        for (targets, detector), each in lanes.items():
            c = curve(each, RATES_PER_M)
            n, clean = sum(len(r.targets) for r in each), sum(r.free_m for r in each)
            for row in zip(c.far_per_m, c.pod, c.low, c.high, strict=True):
                if row[0] <= c.reached_per_m:
                    rows.writerow([targets, detector, n, f"{clean:.0f}", *(f"{v:.4f}" for v in row)])


def draw() -> None:
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "groundsweep", "font.size": 9})
    with TABLE.open(encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 4.2), sharey=True, layout="constrained")
    for panel, targets in zip(panels, (MINES, METAL), strict=True):
        for colour, detector in enumerate(d for t, d in CURVES if t == targets):
            c = [r for r in rows if (r["targets"], r["detector"]) == (targets, detector)]
            x, pod, low, high = (
                np.array([float(r[k]) for r in c]) for k in ("false_alarms_per_m", "pod", "low", "high")
            )
            style = ("-", "--", ":")[colour]
            panel.plot(x, pod, style, color=f"C{colour}", label=f"{detector} ({c[0]['n']} targets)")
            panel.fill_between(x, low, high, color=f"C{colour}", alpha=0.15, linewidth=0)
        panel.set(xscale="log", xlabel="false alarms per metre of clean ground", title=targets, ylim=(0, 1))
        panel.set_xticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5], ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5"])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.legend(loc="lower right", fontsize=8)
    panels[0].set_ylabel("share found (POD)")
    figure.suptitle("Simulation, not real mines. Band: 95 %, exact or by bootstrap, the wider.", fontsize=9)
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Mines found against false alarms per metre, on simulated scenes.")
    parser.add_argument("--draw", action="store_true", help="draw the CSV that is there")
    parser.add_argument("--scenes", type=int, default=len(SEEDS), help="so many of the scenes")
    words = parser.parse_args()
    if not words.draw:
        write(measure(SEEDS[: words.scenes]))
    draw()
