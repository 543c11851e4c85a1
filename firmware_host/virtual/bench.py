"""A virtual head on a virtual bench: simulated physics with known answers, and a script that moves the test pieces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from detector.bench.steps import Planned
from detector.samples import SampleBlock
from detector.simulate.bench import Bench, BenchHead, Scene, steel_ball
from detector.simulate.bench_radar import BenchRadar, RadarBench
from firmware_host.virtual.head import Faults, VirtualHead

Arrange = Callable[[Planned], Scene]
ArrangeRadar = Callable[[Planned], float | None]

BALL_M = 0.010
HEIGHT_M = 0.08
SPEED_M_PER_S = 0.5
SOIL_NOISE = 1.5


def arranged(step: Planned) -> Scene:
    """What an honest hand puts before the head for a step: the 10 mm ball unless the step names another."""

    def number(name: str, otherwise: float) -> float:
        value = step.at.get(name, otherwise)
        return float(value) if isinstance(value, int | float) else otherwise

    metal = steel_ball(number("diameter_m", BALL_M))
    # soil answers unevenly, and so adds to the noise
    noise = SOIL_NOISE if step.at.get("medium") == "soil" else 1.0
    below = number("height_m", HEIGHT_M)
    match step.role:
        case "item":
            return Scene(((metal, 0.0, 0.0, below),))
        case "point":
            return Scene(((metal, number("x_m", 0.0), number("y_m", 0.0), below),))
        case "pass" | "pair":
            v = number("speed_m_per_s", SPEED_M_PER_S) * number("direction", 1.0)
            half = number("spacing_m", 0.0) / 2
            places = (-half, half) if half else (0.0,)
            pieces = tuple((metal, x, 0.0, below) for x in places)
            return Scene(pieces, v, -v * step.seconds / 2, True, noise)
        case "on":
            return Scene(noise_factor=float(np.sqrt(1 + (1.0 / number("distance_m", 1.0)) ** 6)))
    return Scene(has_odometer=True, noise_factor=noise)


def plate_arranged(step: Planned) -> float | None:
    """Where an honest hand puts the plate for a step, m; None = away."""
    distance = step.at.get("distance_m")
    return float(distance) if step.role == "plate" and isinstance(distance, int | float) else None


class VirtualBench:
    """A bench head behind a pseudo-terminal, with a hand that does what each step asks. A context manager.

    `path` is the port to open; the object itself is the hand of a session. Steps need no waiting: the scene changes
    at a record that is known, and the step counts from there.

    Parameters
    ----------
    head : the physics: a metal detector's or a radar's
    arrange : what the hand puts there for a step, or at what distance the plate; by default what is asked for
    speed : of time; 0 = as fast as the line takes it
    mark_error_m : standard deviation of the marks of a pinpointing operator
    """

    def __init__(
        self,
        head: BenchHead | BenchRadar,
        seed: int = 0,
        arrange: Arrange | ArrangeRadar | None = None,
        speed: float = 1.0,
        faults: Faults | None = None,
        mark_error_m: float = 0.02,
    ) -> None:
        self._bench = Bench(head, seed) if isinstance(head, BenchHead) else RadarBench(head, seed)
        self._lock = threading.Lock()
        self._arrange: Callable[[Planned], Any] = arrange or (
            arranged if isinstance(head, BenchHead) else plate_arranged
        )
        self._rng = np.random.default_rng(seed + 1)
        self._mark_error_m = mark_error_m
        self._from_tick = 0
        self._at_once = max(1, min(8, round(0.08 * head.rate_hz)))
        self._tick_per_record = 1e6 / head.rate_hz
        self._head = VirtualHead(head.device(), self._blocks, speed, faults)
        self.path = self._head.path
        self.said: list[str] = []
        """What the hand was told."""

    def __enter__(self) -> VirtualBench:
        self._head.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._head.unplug()

    def _blocks(self) -> Iterator[SampleBlock]:
        while True:
            with self._lock:
                block = self._bench.take(self._at_once)
            yield block

    def show(self, step: Planned, number: int, total: int) -> None:
        with self._lock:
            self._bench.show(self._arrange(step))
            # the pass is in the middle of the step, which begins once the scene has settled
            self._from_tick = round(self._bench.n * self._tick_per_record)

    def ready(self, tick: int) -> int | None:
        return self._from_tick if tick >= self._from_tick else None

    def answers(self, step: Planned) -> Mapping[str, float] | None:
        true = self._rng.uniform(-0.5, 0.5, 2)
        mark = true + self._mark_error_m * self._rng.normal(size=2)
        known = {"true_x_m": true[0], "true_y_m": true[1], "mark_x_m": mark[0], "mark_y_m": mark[1]}
        return {name: round(float(known.get(name, 0.0)), 6) for name in step.ask}

    def progress(self, share: float) -> None:
        """The script needs none."""

    def told(self, text: str) -> None:
        self.said.append(text)
