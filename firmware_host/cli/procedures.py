"""Sweeps of one lane, asked in the order of sweeping: what an earlier one's labels say was dug no longer lies there."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from detector.detections import LabelClass, TrueObject
from detector.errors import GroundsweepError
from detector.recording.reader import Recording
from detector.score.matching import match
from detector.score.procedure import in_sweeps, which
from detector.score.trial import soil_of
from detector.score.truth_file import LaneTruth
from firmware_host.cli.reading import reading
from firmware_host.cli.scoring_lanes import Failure, Question

_TAKEN_OUT = (LabelClass.MINE, LabelClass.ERW, LabelClass.METAL_CLUTTER, LabelClass.NONMETAL_CLUTTER)


def without_what_was_dug(asked: Sequence[Question | Failure]) -> list[Question | Failure]:
    """The same questions, each with the truth of what still lay there.

    Raises
    ------
    TruthError
        if two recordings are the same sweep.
    """
    out = list(asked)
    at = [(i, q) for i, q in enumerate(asked) if isinstance(q, Question)]
    for of in in_sweeps([q.file.stem for _, q in at]).values():
        gone: list[TrueObject] = []
        for i, q in (at[k] for k in of):
            # what cannot be opened is told when it is to be scored
            with contextlib.suppress(GroundsweepError):
                out[i], dug = _after(q, gone)
                gone += dug
    return out


def _after(q: Question, gone: Sequence[TrueObject]) -> tuple[Question, list[TrueObject]]:
    """The question without what is gone, and the objects at which its recording holds labels of what was dug."""
    with reading(q.file) as r:
        truth = q.truth or LaneTruth(tuple(r.truth()), soil_of(r.note))
        taken = {which(o) for o in gone}
        left = tuple(o for o in truth.objects if which(o) not in taken)
        if len(left) < len(truth.objects):
            q = replace(q, truth=replace(truth, objects=left))
        if not isinstance(r, Recording):
            return q, []
        # the last label of a detection counts
        labels = {label.detection_id: label for label in r.labels()}
        dug = [
            d
            for d in r.detections()
            if (said := labels.get(d.id)) is not None and said.ground_truth and said.label in _TAKEN_OUT
        ]
    return q, [left[i] for i in match(left, dug).found]
