"""Leads a hand through trying settings on a live head: all without the test piece, then all with it, then once more."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.bench.steps import Planned
from detector.samples import Gap, SampleBlock, StreamDescription
from detector.tuning.settings_on_head import Gain, Stands, gain, stands
from firmware_host.bench.hand import Hand
from firmware_host.bench.session import recorded
from firmware_host.head import Head
from firmware_host.live_source import LiveSource
from firmware_host.parameters import HeadParameters
from firmware_host.recorder import Recorder

REPEATS: Final = 3
"""Pairs of the present and the best setting at the end, each without and with the piece."""

SETTLE_S: Final = 0.3
"""Samples after a change that are not used, s."""

_WITHOUT = "Take the test piece and all other metal away from the head. Neither is moved until it is asked for."
_WITH = "Put the test piece at its place before the head, and leave both still."

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it."""

    trials: tuple[Stands, ...]
    """In the order of the design; the first is the present setting."""
    best: Stands
    gain: Gain | None
    """None where the present setting was best."""


class HeadTuning:
    """Tries settings; everything is recorded, every change of a parameter too.

    Raises
    ------
    HeadError
        if the head refuses a setting.
    BenchError
        if the piece is not seen, or a step has too few records.
    """

    def __init__(self, head: Head, stream: StreamDescription, seconds: float, hand: Hand) -> None:
        self._head, self._stream, self._seconds, self._hand = head, stream, seconds, hand
        self._parameters = HeadParameters(head)
        self._kept: list[F8] | None = None
        self._tick = 0
        self._fault = ""
        self._steps = 0
        self._total = 4

    def run(self, settings: Sequence[Mapping[str, float]], recorder: Recorder, keep: bool = False) -> Tried:
        """settings : the present one first; keep : leave the best in the head, else it is put back as it was."""
        source = LiveSource(self._head, give_up_s=30.0)
        items = source.items()
        pump = self._pump(items, recorder)
        best = settings[0]
        try:
            without = self._phase(_WITHOUT, settings, pump)
            with_piece = self._phase(_WITH, settings, pump)
            trials = tuple(stands(v, a, b) for v, a, b in zip(settings, without, with_piece, strict=True))
            found = max(trials, key=lambda t: t.snr_db)
            told = None
            if found.values != settings[0]:
                pairs = [v for _ in range(REPEATS) for v in (settings[0], found.values)]
                without = self._phase(_WITHOUT, pairs, pump)
                with_piece = self._phase(_WITH, pairs, pump)
                again = [stands(v, a, b) for v, a, b in zip(pairs, without, with_piece, strict=True)]
                told = gain(again[0::2], again[1::2])
                best = found.values if keep and told.real else best
            return Tried(trials, found, told)
        finally:
            self._parameters.set(best)
            items.close()

    def _phase(
        self, instruction: str, settings: Sequence[Mapping[str, float]], pump: Generator[None]
    ) -> list[F8]:
        self._steps += 1
        each = self._seconds + SETTLE_S
        self._hand.show(Planned("still", instruction, each * len(settings)), self._steps, self._total)
        while self._hand.ready(self._tick) is None:
            next(pump)
        out = []
        for i, values in enumerate(settings):
            out.append(self._one(values, pump))
            self._hand.progress((i + 1) / len(settings))
        return out

    def _one(self, values: Mapping[str, float], pump: Generator[None]) -> F8:
        """Records (n, width) under one setting; taken again after a fault of head or line."""
        while True:
            self._parameters.set(values)
            self._fault = ""
            hz = self._head.device.tick_hz
            begin = self._tick + round(SETTLE_S * hz)
            while self._tick < begin:
                next(pump)
            self._kept = []
            end = self._tick + round(self._seconds * hz)
            while self._tick < end and not self._fault:
                next(pump)
            taken, self._kept = self._kept, None
            if not self._fault:
                return np.concatenate(taken) if taken else np.empty((0, self._stream.width))
            self._hand.told(f"This setting is measured again: {self._fault}")

    def _pump(self, items: Iterable[Sequence[object]], recorder: Recorder) -> Generator[None]:
        """One list of the source a turn: recorded, and kept where it is asked for."""
        for got in items:
            for item in got:
                self._fault = recorded(recorder, item) or self._fault
                if isinstance(item, Gap):
                    self._fault = f"{item.n_records} records were lost"
                elif isinstance(item, SampleBlock) and item.stream.stream_id == self._stream.stream_id:
                    self._tick = int(item.tick[-1])
                    if self._kept is not None:
                        raw = item.raw.reshape(len(item), -1).astype(np.float64)
                        self._kept.append(raw * self._stream.scale + self._stream.offset)
            recorder.tick()
            yield

