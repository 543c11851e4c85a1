"""Writes docs/figures/sweeps-again.csv: what sweep, dig, sweep again finds on simulated scenes, metal detector alone.

    .venv/bin/python docs/figures/sweeps_again.py                       # 400 scenes of each kind of head
    .venv/bin/python docs/figures/sweeps_again.py --scenes 20 --undug   # the second sweep over ground that nobody dug

The shipped chain, model and thresholds at each rate asked. After a sweep all objects in whose halo it alarmed are taken
out; the lane is swept again, path and noise new, until nothing more is found or SWEEPS times. Counted as `score
--procedure` counts. Bounds of shares: the wider of Clopper-Pearson and a bootstrap by scene; of false alarms: Poisson.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.decide.classifier import load_model
from detector.profile import Profile, load_profile
from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.procedure import Procedure, as_procedures, number_of
from detector.score.trial import LaneScore, Outcome
from detector.score.truth_file import LaneTruth
from detector.scoring import Chain, score_recording
from detector.simulate.scene import HeadWish, Scene, dual_scene
from detector.simulate.sweeps import Sweep
from detector.simulate.teaching import DUAL_OF

FIRST_SEEDS = {"pulse induction": 2000, "continuous waves": 1_002_000}
ASKED_PER_M = (0.1, 0.05, 0.02)
SWEEPS = 4
TABLE = Path(__file__).parent / "sweeps-again.csv"
HEAD = (
    "head", "asked_per_m", "sweeps", "targets", "n", "found", "low", "high",
    "false_alarms", "lane_m", "per_lane_m", "per_lane_low", "per_lane_high", "swept_m",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """A piece of metal and the sweep that found it, 0 if none did."""

    db: float
    """Over noise, at the best single reading."""
    to_stronger_m: float
    """To the nearest metal that answers more strongly; infinite if there is none."""
    to_end_m: float
    viscosity: float
    found_in: int


CLASSES: dict[str, Callable[[Target], bool]] = {
    "10 dB or more": lambda t: True,
    "20 dB or more": lambda t: t.db >= 20,
    "30 dB or more": lambda t: t.db >= 30,
    "10 to 20 dB": lambda t: t.db < 20,
    "20 to 30 dB": lambda t: 20 <= t.db < 30,
    "stronger metal within 0.6 m": lambda t: t.to_stronger_m < 0.6,
    "stronger metal 0.6 to 1 m off": lambda t: 0.6 <= t.to_stronger_m < 1.0,
    "no stronger metal within 1 m": lambda t: t.to_stronger_m >= 1.0,
    "within 1 m of an end": lambda t: t.to_end_m < 1.0,
    "viscosity below 3e-6": lambda t: t.viscosity < 3e-6,
    "viscosity 3e-6 to 3e-5": lambda t: 3e-6 <= t.viscosity < 3e-5,
    "viscosity 3e-5 or more": lambda t: t.viscosity >= 3e-5,
}


def scene_of(head: str, seed: int, sweep: Sweep) -> Scene:
    wish = HeadWish()
    if head == "continuous waves":
        wish = HeadWish(metal="cw", coils=1 if seed % DUAL_OF == 0 else None)
    return dual_scene(seed, sensors="metal", wish=wish, sweep=sweep)


def procedure(
    head: str, seed: int, chain: Chain, dig: bool, scenes: dict[tuple[int, frozenset[int]], Scene]
) -> tuple[LaneScore, Procedure]:
    """The sweeps of one scene joined. `scenes` keeps those that were made."""
    dug: frozenset[int] = frozenset()
    sweeps: list[LaneScore] = []
    for number in range(1, (SWEEPS if dig else 2) + 1):
        if (number, dug) not in scenes:
            scenes[number, dug] = scene_of(head, seed, Sweep(number, dug))
        s = scenes[number, dug]
        left = [i for i in range(len(s.truth) + len(dug)) if i not in dug]
        scored = score_recording(f"{seed}-{number}", s.device, s.blocks, LaneTruth(s.truth, s.soil.name), chain).lane
        sweeps.append(scored)
        new = {i for i, o in zip(left, scored.outcomes, strict=True) if o.found}
        if not new:
            break
        dug |= new if dig else set()
    (lane,), told = as_procedures(sweeps)
    return lane, told


def targets(lane: LaneScore, first: Scene) -> Iterator[Target]:
    metal = [(o.x_m, v.metal_db) for o, v in zip(first.truth, first.visibility, strict=True)]
    assert lane.lane_m is not None
    for o, v in zip(lane.outcomes, first.visibility, strict=True):
        if v.metal_db >= 10:
            stronger = min((abs(x - o.x_m) for x, db in metal if db > v.metal_db), default=np.inf)
            end = min(o.x_m - lane.lane_m[0], lane.lane_m[1] - o.x_m)
            yield Target(v.metal_db, stronger, end, first.soil.viscosity, _found_in(o))


def _found_in(o: Outcome) -> int:
    return number_of(o.lane) if o.found else 0


def share_bounds(hits: list[list[bool]]) -> tuple[float, float]:
    """hits : by scene, of each target."""
    counts = np.array([(sum(h), len(h)) for h in hits])
    found, n = counts.sum(axis=0)
    low, high = clopper_pearson(int(found), int(n))
    drawn = counts[np.random.default_rng(0).integers(0, len(counts), (2000, len(counts)))].sum(axis=1)
    ends = np.quantile(drawn[:, 0] / np.maximum(drawn[:, 1], 1), (0.025, 0.975))
    return min(low, float(ends[0])), max(high, float(ends[1]))


def rows(head: str, asked: float, done: list[tuple[list[Target], LaneScore, Procedure]]) -> Iterator[list[object]]:
    """One for each number of sweeps and class of targets."""
    for k in range(1, SWEEPS + 1):
        made = [r for _, _, told in done for r in told.rows if r.number <= k]
        false, swept = sum(r.false_alarms for r in made), sum(r.metres for r in made)
        lane_m = sum(lane.free_m for _, lane, _ in done)
        rate = [f"{v:.4f}" for v in (false / lane_m, *poisson_rate(false, lane_m))]
        for name, within in CLASSES.items():
            hits = [[0 < t.found_in <= k for t in of if within(t)] for of, _, _ in done]
            if hits := [h for h in hits if h]:
                n, found = sum(len(h) for h in hits), sum(sum(h) for h in hits)
                low, high = share_bounds(hits)
                counts = [false, f"{lane_m:.0f}", *rate, f"{swept:.0f}"]
                yield [head, asked, k, name, n, found, f"{low:.4f}", f"{high:.4f}", *counts]


def asking(profile: Profile, per_m: float) -> Profile:
    return profile.model_copy(
        update={"metal_alarm": profile.metal_alarm.model_copy(update={"false_alarms_per_m": per_m})}
    )


def measure(scenes: int, dig: bool) -> Iterator[list[object]]:
    model = load_model()
    for head, start in FIRST_SEEDS.items():
        done: dict[float, list[tuple[list[Target], LaneScore, Procedure]]] = defaultdict(list)
        for seed in range(start, start + scenes):
            made: dict[tuple[int, frozenset[int]], Scene] = {}
            for asked in ASKED_PER_M:
                chain = Chain(asking(load_profile(), asked), model)
                lane, told = procedure(head, seed, chain, dig, made)
                done[asked].append((list(targets(lane, made[1, frozenset()])), lane, told))
            print(f"{head}, scene {seed}", flush=True)
        for asked in ASKED_PER_M:
            yield from rows(head, asked, done[asked])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What sweep, dig, sweep again finds, on simulated scenes.")
    parser.add_argument("--scenes", type=int, default=400, help="so many of each kind of head")
    parser.add_argument("--undug", action="store_true", help="dig nothing: a second sweep of the same ground")
    parser.add_argument("--out", type=Path, default=TABLE)
    words = parser.parse_args()
    with words.out.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(HEAD)
        table.writerows(measure(words.scenes, not words.undug))
