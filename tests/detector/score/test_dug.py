"""What was dug: only the dug counts, mines called clutter are named, and drift is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass
from detector.score.bounds import clopper_pearson
from detector.score.dug import Hole, holes_of, statistics


def detection(id_: int, decision: str) -> Detection:
    row = np.zeros(1, DETECTION_DTYPE)[0]
    row["id"], row["decision"], row["x_m"] = id_, decision.encode(), id_
    return Detection.from_row(row)


def label(id_: int, what: LabelClass, dug: bool = True) -> Label:
    return Label(id_, what, "A. Deminer", 0, dug)


def hole(i: int = 0, what: LabelClass = LabelClass.MINE, decision: str = "unknown", novelty: float = 0.5) -> Hole:
    return Hole("head", "clay", f"r #{i}", i, what, decision, 1.0 + 0.01 * i, novelty)


def test_the_newest_label_counts_and_an_opinion_does_not() -> None:
    found = [detection(i, "mine-like") for i in (1, 2, 3)]
    said = [
        label(1, LabelClass.MINE),
        label(1, LabelClass.NOTHING),
        label(2, LabelClass.MINE, dug=False),
        label(9, LabelClass.MINE),
    ]
    holes = holes_of("r", "head", "clay", found, said)
    assert [(h.where, h.label) for h in holes] == [("r #1 at 1.00 m", LabelClass.NOTHING)]


def test_mines_that_were_called_clutter_are_named() -> None:
    holes = [
        hole(1),
        hole(2, decision="metal-clutter"),
        hole(3, LabelClass.METAL_CLUTTER, "metal-clutter"),
        hole(4, LabelClass.NOTHING),
        replace(hole(5), soil="sand"),
    ]
    clay, sand = statistics(holes)
    assert (clay.holes, clay.mines, clay.mines_first) == (4, 2, 1)
    assert clay.rejected == ("r #2",)
    assert (clay.clutter_called, clay.clutter, clay.nothing) == (1, 2, 1)
    assert clay.rejection_bounds == clopper_pearson(1, 2)
    assert sand.mines == 1
    assert "called clutter: 1" in clay.to_text()


def test_ground_that_the_model_does_not_know_is_told() -> None:
    known = [hole(i) for i in range(60)]
    strange = [hole(i, novelty=1.5 if i % 4 == 0 else 0.5) for i in range(60)]
    assert not any("unlike" in d for d in statistics(known)[0].drift)
    assert any("15 of 60" in d for d in statistics(strange)[0].drift)
    # too few to say anything
    assert statistics(strange[:16])[0].drift == ()


def test_scores_that_change_in_the_course_of_time_are_told() -> None:
    rng = np.random.default_rng(5)
    steady = [replace(hole(i), score=float(s)) for i, s in enumerate(rng.normal(2, 0.3, 80))]
    fading = [replace(h, score=h.score - (1.0 if h.utc_ns >= 40 else 0.0)) for h in steady]
    assert statistics(steady)[0].drift == ()
    assert any("have changed" in d for d in statistics(list(reversed(fading)))[0].drift)
