"""What each stage of the chain made of a recording, for pictures before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.classifier import Model
from detector.errors import PlotError
from detector.formats.readable import Readable
from detector.pipeline import Pipeline
from detector.profile import Profile

_BLOCK: Final = 256
_MOST_BYTES: Final = 1 << 30
"""Held of all stages together: the pictures of a stretch, not of a day."""


@dataclass(frozen=True, slots=True)
class StageOutput:
    stage: str
    """As in the profile: 'background', 'gain', ..."""
    seq: NDArray[np.int64]
    """(n,) record numbers, growing."""
    values: NDArray[Any]
    """(n, channels, width)"""


def stages(
    recording: Readable, profile: Profile, model: Model, stream: str, first: int = 0, last: int | None = None
) -> list[StageOutput]:
    """Every stage of one stream's chain that gives samples as they came, in order, run anew over records `first`
    to `last` - 1: what :meth:`detector.pipeline.Pipeline.tap` gives, less depth bins and scores.

    Raises
    ------
    PlotError
        if the outputs would take more than 1 GiB.
    """
    pipeline = Pipeline(recording.device, profile, model)
    values = next(s.values for s in recording.device.streams if s.name == stream)
    kept: dict[str, list[Any]] = {}
    held = 0

    def keep(name: str) -> Callable[[Any], None]:
        def take(tapped: Any) -> None:
            nonlocal held
            held += tapped.values.nbytes
            if held > _MOST_BYTES:
                raise PlotError(f"The stages of {stream!r} fill more than 1 GiB. Choose a shorter stretch.")
            kept[name].append(tapped)

        return take

    for name in pipeline.taps():
        if name.partition(".")[0] == stream:
            kept[name] = []
            pipeline.tap(name, keep(name))
    stop = recording.n_records(stream) if last is None else min(last, recording.n_records(stream))
    for start in range(first, stop, _BLOCK):
        pipeline.process(recording.block(stream, start, min(stop, start + _BLOCK)))
    pipeline.finish()
    return [
        StageOutput(name.partition(".")[2], *(np.concatenate([getattr(t, part) for t in pieces])
                                              for part in ("seq", "values")))
        for name, pieces in kept.items()
        if pieces and pieces[0].values.shape[2] == values
    ]  # fmt: skip
