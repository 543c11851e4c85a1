"""The sweep after a simulated one: what alarmed in that one was dug and does not lie there any more."""

from __future__ import annotations

import re
from pathlib import Path

from detector.detections import TrueObject
from detector.errors import SampleError
from detector.score.procedure import which
from detector.simulate.scene import Scene
from detector.simulate.sweeps import Sweep
from firmware_host.cli.reading import reading
from firmware_host.cli.scoring_lanes import Failure, Named, Question, answer


def sweep_after(before: Path, seed: int, laid: Scene, named: Named) -> tuple[Sweep, list[TrueObject]]:
    """The next sweep of the scene of that seed, and what `before` had dug: all that alarmed in its halo.

    Parameters
    ----------
    before : recording of a sweep of that scene
    laid : the scene's first sweep, by its metal detector alone
    named : the profile and model that alarm

    Raises
    ------
    SampleError
        if it is no sweep of that scene, or cannot be scored.
    """
    with reading(before) as r:
        there = {which(o): o for o in r.truth()}
        again = re.search(r", sweep (\d+)\. ", r.note)
        head = r.device
    metal = [(s.kind, s.channels, s.axis) for s in head.streams if s.kind.is_metal]
    same_head = head.serial == f"SIM-{seed}" and metal in (
        [],
        [(s.kind, s.channels, s.axis) for s in laid.device.streams],
    )
    if not same_head or not set(there) <= {which(o) for o in laid.truth}:
        raise SampleError(
            f"{before} is no sweep of this scene: it has another head or other objects. Give the same --seed, "
            "--length, --per-metre, --metal and --coils that it was made with."
        )
    scored = answer(Question(before, named, None, None, float("nan")))
    if isinstance(scored, Failure):
        raise SampleError(f"What {before} would have had dug cannot be said. {scored.why}")
    found = {which(o) for o in scored.lane.outcomes if o.found}
    dug = [i for i, o in enumerate(laid.truth) if which(o) not in there or which(o) in found]
    number = int(again.group(1)) if again else 1
    return Sweep(number + 1, frozenset(dug)), [o for o in there.values() if which(o) in found]
