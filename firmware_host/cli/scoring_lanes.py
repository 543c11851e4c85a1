"""Recordings in, scored lanes out: one file at a time, in this process or in several."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from rich.console import Console
from rich.progress import track

from detector.errors import GroundsweepError
from detector.formats.bounded import not_whole
from detector.formats.foreign import LEFT_OUT
from detector.formats.lane_truth import NOTHING_THERE
from detector.formats.readable import Readable
from detector.recording.reader import Recording
from detector.score.matching import refuse_too_wide
from detector.score.trial import place_of, soil_of
from detector.score.truth_file import LaneTruth
from detector.scoring import Chain, Scored, score_recording
from detector.taught import taught_by
from firmware_host.cli.batch import in_order
from firmware_host.cli.judged import not_so_deep, unlike_known_heads
from firmware_host.cli.opening import chain
from firmware_host.cli.reading import as_played, reading

Named = tuple[str, Path | None]
"""A profile's name and a model file: what a chain is made of anew in each process."""

_TELL_EVERY = 100
_COLLECT_EVERY = 20
_asked = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Question:
    """A file to be scored."""

    file: Path
    chain: Named
    rival: Named | None
    truth: LaneTruth | None
    """None: what the file itself says."""
    width_m: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be scored."""

    file: Path
    why: str


@lru_cache(maxsize=4)
def _chain(named: Named) -> Chain:
    return Chain(*chain(*named))


def answer(q: Question) -> Scored | Failure:
    """Score one file. Whatever is wrong with it concerns it alone."""
    if next(_asked) % _COLLECT_EVERY == 0:
        # a pipeline refers to itself: left to itself Python keeps some hundred of them before it looks
        gc.collect()
    try:
        with reading(q.file) as r:
            truth = q.truth or LaneTruth(tuple(r.truth()), soil_of(r.note))
            refuse_too_wide(truth.objects)
            if not truth.soil:
                truth = replace(truth, soil=soil_of(r.note))
            if not truth.width_m > 0:
                truth = replace(truth, width_m=q.width_m)
            items, pulse_us = as_played(r)
            rival = None if q.rival is None else _chain(q.rival).with_pulse(pulse_us)
            scored = score_recording(q.file.stem, r.device, items, truth, _chain(q.chain).with_pulse(pulse_us), rival)
            return replace(scored, cautions=tuple(_cautions(r, q)))
    except GroundsweepError as e:
        return Failure(q.file, str(e))
    except Exception as e:
        return Failure(q.file, f"{q.file}: a fault of this software ({type(e).__name__}: {e}). Please report it.")


def _cautions(r: Readable, q: Question) -> Iterator[str]:
    if q.truth is None and not r.truth() and NOTHING_THERE not in r.note:
        yield (
            "No truth is stated, neither objects nor that there are none. It was taken that nothing lies there, and "
            "every alarm counts as false; else give --truth."
        )
    for model in {c.model.name: c.model for c in (_chain(n) for n in (q.chain, q.rival) if n is not None)}.values():
        if taught_by(model.provenance, q.file.stem, r.device):
            yield (
                f"The model {model.name} learned from this ground, by the name of it. What it finds there flatters "
                "and shows nothing of ground that it has not seen: take other lanes."
            )
    if LEFT_OUT in r.note:
        yield "Some records hold values that are not numbers. They are left out, and the ground under them too."
    foreign = not isinstance(r, Recording)
    if not_whole(r.note):
        yield f"It is not whole, and was scored as far as it goes: {r.note}"
    yield from unlike_known_heads(r.device, q.chain[0], foreign)
    yield from not_so_deep(r.device, _chain(q.chain).profile)


def scored_files(questions: Sequence[Question], jobs: int, errors: Console) -> Iterator[Scored | Failure]:
    """All of them, in order, with progress on stderr."""

    def died(q: Question) -> Scored | Failure:
        return Failure(q.file, f"{q.file}: the process that scored it died, perhaps for want of memory.")

    answers = in_order(answer, questions, jobs, died)
    if errors.is_terminal:
        yield from track(answers, "scoring", total=len(questions), console=errors, transient=True)
        return
    for i, a in enumerate(answers, 1):
        if i % _TELL_EVERY == 0:
            errors.print(f"{i} of {len(questions)} scored")
        yield a


def question_of(
    file: Path, named: Named, rival: Named | None, lanes: Mapping[str, LaneTruth] | None, width_m: float = math.nan
) -> Question | Failure:
    """With the truth of its lane: of its name, or of the ground that it is a sweep of."""
    truth = None
    if lanes is not None:
        truth = lanes.get(file.stem, lanes.get(place_of(file.stem)))
        if truth is None:
            return Failure(
                file,
                f"{file}: the truth file has no lane {file.stem!r}. Name its lanes as the recordings, without suffix.",
            )
    return Question(file, named, rival, truth, width_m)
