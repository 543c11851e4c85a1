"""A whole lane by its number: ground, objects, heights of the antennas, A-scans."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.errors import SampleError
from detector.simulate.full_wave.burying import bury
from detector.simulate.full_wave.echoes import echoes_db, rows_over
from detector.simulate.full_wave.ground import Ground
from detector.simulate.full_wave.kinds import drawn_depth_m
from detector.simulate.full_wave.plan import LanePlan, lane_plan
from detector.simulate.full_wave.sounding import Sounding
from detector.simulate.full_wave.uneven import uneven_line
from detector.simulate.lane import RADAR_NOISE

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FullWaveLane:
    """One lane; no receiver noise."""

    plan: LanePlan
    seed: int
    ascans: NDArray[np.float32]
    """(n, samples), electric field across the plane, V/m."""
    x_m: F8
    height_m: F8
    """(n,) of the antennas over the mean surface."""
    step_m: float
    cell_m: float
    dt_s: float
    separation_m: float
    ground: Ground
    objects: list[dict[str, Any]]
    """Entries of the truth."""


def full_wave_lane(
    number: int, told: Callable[[int, int], object] = lambda done, of: None, most: int | None = None
) -> FullWaveLane:
    """Lane `number`, 1 or more: everything follows from it, to the bit on one kind of processor.

    told : called after each A-scan with how many are done, and of how many; most : A-scans, to stop after so many.
    Entries of a whole lane's truth hold `radar_db`, see `echoes_db`: A-scans over its objects are computed twice.

    Raises
    ------
    SampleError
        if the number is less than 1, or a field is not finite.
    """
    if number < 1:
        raise SampleError(f"Full-wave lanes are numbered from 1; there is no lane {number}.")
    plan = lane_plan(number)
    seed = zlib.crc32(f"groundsweep {plan.name}".encode())
    rng = np.random.default_rng(seed)
    cell = plan.cell_m
    step = round(plan.step_m / cell) * cell
    # drawn for bars too, which do not use it: later draws hang on it
    drawn = float(rng.uniform(2.2, 2.5)) if plan.kinds or plan.bars else 2.2
    n = int((2.0 if plan.bars else drawn) / step) + 1
    length = (n - 1) * step
    ground = Ground(cell, length, plan.soil, rng)
    x: F8 = np.arange(n, dtype=np.float64) * step
    height = _heights(plan, ground, x, step)
    objects = _bars(ground, length) if plan.bars else _spread(ground, plan.kinds, length)
    ground.cover(float(height.min() * cell))

    sounding = Sounding(plan, ground, x, height).over(ground.ids)
    done = n if most is None else min(n, most)
    heard = [] if done < n else rows_over(objects, x)
    of = done + sum(len(rows) for rows in heard)
    rows = []
    for k in range(done):
        rows.append(sounding.ascan(k))
        told(k + 1, of)
    ascans = np.array(rows, np.float32)
    if not np.isfinite(ascans).all():
        raise SampleError(f"{plan.name}: a field is not finite. This is a fault of the solver: report it.")
    if heard:
        count = itertools.count(done + 1)
        db = echoes_db(sounding, ground, objects, ascans, x, RADAR_NOISE, lambda: told(next(count), of))
        objects = [{**o, "radar_db": round(v, 1)} if np.isfinite(v) else o for o, v in zip(objects, db, strict=True)]
    return FullWaveLane(
        plan,
        seed,
        ascans,
        x[:done],
        np.asarray(height[:done] * cell, np.float64),
        step,
        cell,
        sounding.dt_s,
        sounding.separation_m,
        ground,
        objects,
    )


def _heights(plan: LanePlan, ground: Ground, x_m: F8, step_m: float) -> NDArray[np.int64]:
    """(n,) of the antennas, cells over the mean surface: as a hand or a vehicle carries them, never in the ground."""
    h = np.full(len(x_m), plan.height_m)
    if plan.hand_held:
        h = plan.height_m + 0.012 * uneven_line(ground.rng, len(x_m), step_m, 0.25)
    h = np.clip(h, 0.02, 0.155)
    top = np.array([ground.surface_m[np.abs(ground.x_m - v) < 0.08].max() for v in x_m])
    return np.asarray(np.round(np.maximum(h, top + 2.5 * ground.cell_m) / ground.cell_m), dtype=np.int64)


def _bars(ground: Ground, length_m: float) -> list[dict[str, Any]]:
    rng = ground.rng
    at = rng.uniform(0.15, 0.25)
    gap = rng.uniform(0.15, 0.20)
    objects = []
    while at < length_m - 0.1:
        objects.append(bury(ground, "rebar", at, 0.06 + rng.normal() * 0.003))
        at += gap + rng.normal() * 0.006
    return objects


def _spread(ground: Ground, kinds: tuple[str, ...], length_m: float) -> list[dict[str, Any]]:
    """Each in its own stretch of the lane."""
    objects = []
    for i, kind in enumerate(kinds):
        at = 0.25 + (length_m - 0.5) / len(kinds) * (i + 0.5) + ground.rng.uniform(-0.12, 0.12)
        objects.append(bury(ground, kind, float(at), drawn_depth_m(kind, ground.rng)))
    return objects
