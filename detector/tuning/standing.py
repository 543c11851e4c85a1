"""How far targets stand out from the ground under a profile, without regard to any threshold that was fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.collected import OPEN, collect
from detector.detections import TrueObject
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock
from detector.score.bounds import clopper_pearson
from detector.score.matching import HALO_MARGIN_M, is_target
from detector.score.trial import place_of

DB: float = 10.0 / math.log(10.0)
"""Alarm scores are natural logarithms of an energy ratio."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A recording with truth, of one sensor."""

    name: str
    place: str
    """Ground that it is a sweep of."""
    device: DeviceDescription
    blocks: tuple[SampleBlock, ...]
    truth: tuple[TrueObject, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one lane under one profile; scores are ln of an energy ratio."""

    targets: tuple[float, ...]
    """Highest alarm in each target's halo; -inf where there is none."""
    names: tuple[str, ...]
    """Of the targets, 'lane: kind at place'."""
    ground: tuple[float, ...]
    """Alarms outside all halos."""
    free_m: float
    """Length outside all halos, m."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Lanes together, at one rate of false alarms."""

    found: int
    targets: int
    false: int
    free_m: float
    threshold: float
    """Score that the ground exceeds at the rate asked for."""
    margin_db: float
    """Mean over targets of how far they stand above the threshold; those without an alarm count as 10 dB below."""
    missed: tuple[str, ...]

    @property
    def pod(self) -> float:
        return self.found / self.targets if self.targets else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % Clopper-Pearson."""
        return clopper_pearson(self.found, self.targets)


def only(sensor: str, name: str, device: DeviceDescription, blocks: Sequence[SampleBlock],
         truth: Sequence[TrueObject]) -> Lane | None:  # fmt: skip
    """The lane as that sensor has it; None where the head lacks it."""
    streams = tuple(s for s in device.streams if s.kind.is_metal == (sensor == "metal"))
    if not streams:
        return None
    kept = tuple(b for b in blocks if b.stream in streams)
    head = DeviceDescription(device.model, device.serial, device.firmware, device.tick_hz, streams)
    return Lane(name, place_of(name), head, kept, tuple(truth))


def standing(lane: Lane, profile: Profile) -> Standing | None:
    """Run a lane with open thresholds; None if its records have no places."""
    seen = collect(lane.name, lane.device, lane.blocks, lane.truth, profile)
    if seen is None:
        return None
    radii = [(o.x_m, o.half_extent_m + HALO_MARGIN_M) for o in lane.truth]
    ground = tuple(a.score for a in seen.alarms if all(abs(a.x_m - x) > r for x, r in radii))
    grid = np.arange(*seen.span_m, 0.01)
    free = np.ones(len(grid), dtype=bool)
    for x, r in radii:
        free &= np.abs(grid - x) > r
    targets, names = [], []
    for o, (x, r) in zip(lane.truth, radii, strict=True):
        if is_target(o):
            near = [a.score for a in seen.alarms if abs(a.x_m - x) <= r]
            targets.append(max(near, default=-math.inf))
            names.append(f"{lane.name}: {o.kind} at {o.x_m:.2f} m")
    return Standing(tuple(targets), tuple(names), ground, 0.01 * int(free.sum()))


def reached(lanes: Sequence[Standing], false_alarms_per_m: float) -> Reached:
    """What is found where the threshold leaves no more false alarms than asked for."""
    free = sum(s.free_m for s in lanes)
    ground = sorted((g for s in lanes for g in s.ground), reverse=True)
    allowed = math.floor(false_alarms_per_m * free + 1e-9)
    # where even the open threshold of the collection leaves fewer, it is that one
    threshold = ground[allowed] if allowed < len(ground) else OPEN.threshold(1.0)
    scores = [t for s in lanes for t in s.targets]
    names = [n for s in lanes for n in s.names]
    margins = [max(-10.0, DB * (t - threshold)) for t in scores]
    return Reached(
        found=sum(t > threshold for t in scores),
        targets=len(scores),
        false=sum(g > threshold for g in ground),
        free_m=free,
        threshold=threshold,
        margin_db=float(np.mean(margins)) if margins else math.nan,
        missed=tuple(n for t, n in zip(scores, names, strict=True) if t <= threshold),
    )
