"""A source whose samples get hidden objects mixed in, between the head and the session.

The recording of such a session is of type training and holds every hidden object as truth. What the head itself sent
goes, as it came, to `unmixed`: what reached the host is never lost to practice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Final

import numpy as np

from detector.detections import TrueObject
from detector.errors import SampleError
from detector.samples import DeviceDescription, Event, SampleBlock, Severity
from detector.simulate.buried import Buried
from detector.simulate.hidden import (
    LEAD_IN_M,
    REACH_M,
    HiddenResponse,
    learn,
    records_to_learn,
    reference_counts,
    refuse_unmixable,
    truth_of,
)
from firmware_host.practice.way import Way
from firmware_host.session import Item, Order, Source

_FIRST_M: Final = LEAD_IN_M - REACH_M
"""Before this place no hidden object answers, m."""


def refuse_head(device: DeviceDescription) -> None:
    """Raises SampleError, before anything is opened or recorded, for a head that objects cannot be mixed into."""
    for s in device.streams:
        refuse_unmixable(s)
        if s.channels > 1:
            parts = "coils" if s.kind.is_metal else "antennas"
            raise SampleError(
                f"{s.name} has {s.channels} {parts}: how a hidden object answers in each of them depends on where it "
                "lies across the lane, which practice does not know. Practise with a head of one coil and one antenna, "
                "or without --port, where all is simulated."
            )


class MixedSource:
    """Another source's items, in which hidden objects answer once the lane was begun.

    Each stream is learned on the first records of the lane, before anything is hidden. Until the order 'practise'
    the samples pass as they are: start-up steps are measured on the head itself.

    Parameters
    ----------
    source : with its people's orders in between
    way : shared with whoever wants to know the place
    objects : at places along the way
    references : by stream name, the test piece's response in physical units; {} = none
    unmixed : gets every block as it came, before anything is added
    hidden : told once what is hidden, in the recording's own places, before the first changed record goes out
    clock : host time, ns since 1970 UTC
    hindrance : why the lane may not be begun yet, for a person; '' = it may
    seed : see HiddenResponse

    Raises
    ------
    SampleError
        see refuse_head
    """

    def __init__(
        self,
        source: Source,
        way: Way,
        objects: Sequence[Buried],
        references: Mapping[str, Sequence[float]],
        unmixed: Callable[[SampleBlock], None],
        hidden: Callable[[list[TrueObject]], None],
        clock: Callable[[], int],
        hindrance: Callable[[], str] = lambda: "",
        seed: int = 0,
    ) -> None:
        refuse_head(source.device)
        self._source, self._way, self._objects = source, way, objects
        self._references, self._unmixed, self._hidden, self._clock = references, unmixed, hidden, clock
        self._hindrance, self._seed = hindrance, seed
        self._learning: dict[int, list[SampleBlock]] = {s.stream_id: [] for s in source.device.streams}
        self._responses: dict[int, HiddenResponse] = {}
        self._told = self._nowhere = False
        self._late: set[int] = set()

    @property
    def device(self) -> DeviceDescription:
        return self._source.device

    def items(self) -> Generator[list[Item]]:
        stream = self._source.items()
        try:
            for got in stream:
                out: list[Item] = []
                for item in got:
                    if isinstance(item, SampleBlock):
                        self._unmixed(item)
                        self._nowhere = not self._way.places(item)
                        out += self._mixed(item)
                        continue
                    refused = self._refused(item) if isinstance(item, Order) else ""
                    out.append(Event(self._clock(), Severity.WARNING, "practice", refused) if refused else item)
                yield out
        finally:
            stream.close()

    def _refused(self, order: Order) -> str:
        """Why an order is not taken; '' = it is."""
        if order.name == "practise":
            refused = self._hindrance()
            if not refused and self._nowhere and not self._way.begun:
                refused = (
                    "The lane was not begun. The head's records have no place: connect its odometer, or end this and "
                    "start again with --reckon and the speed that you will go at, in m/s."
                )
            if not refused:
                self._way.begin()
            return refused
        if order.name in ("begin", "store") and self._way.begun:
            # what is measured or stored now would be of objects that are not there
            return "Start-up steps measure the head itself: not while hidden objects are mixed in. End the practice."
        return ""

    def _mixed(self, block: SampleBlock) -> list[Item]:
        known_before = self._way.known
        x = self._way.x_m(block)
        if not self._way.known:
            return [block]
        if not known_before and (start := int(np.flatnonzero(np.isfinite(x))[0])):
            # the lane begins within this block: what came before is no part of it, however the stream was cut
            return [block[:start], *self._mixed(block[start:])]
        if not self._told:
            self._told = True
            self._hidden(truth_of(self._objects, self._way.origin_m))
        id_ = block.stream.stream_id
        response = self._responses.get(id_)
        if response is not None:
            return [response.mixed(block, x)]
        kept = self._learning[id_]
        left = records_to_learn(block.stream) - sum(len(b) for b in kept)
        kept.append(block[:left])
        if len(block) < left:
            return [block, *self._too_late(block, float(np.nanmax(x, initial=-np.inf)))]
        self._responses[id_] = self._learned(block)
        kept.clear()
        rest = block[left:]
        return [block[:left], *([self._responses[id_].mixed(rest, x[left:])] if len(rest) else [])]

    def _learned(self, block: SampleBlock) -> HiddenResponse:
        s = block.stream
        raw = np.concatenate([b.raw for b in self._learning[s.stream_id]])
        return HiddenResponse(s, self._objects, learn(s, raw), reference_counts(s, self._references), self._seed)

    def _too_late(self, block: SampleBlock, x_m: float) -> list[Item]:
        """Say once that hidden objects were passed before the stream was learned."""
        if x_m < _FIRST_M or block.stream.stream_id in self._late:
            return []
        self._late.add(block.stream.stream_id)
        text = (
            f"{block.stream.name}: too few records came on the first {_FIRST_M:.1f} m to learn this head. The first "
            "hidden objects are not in it: begin anew, and slower."
        )
        return [Event(self._clock(), Severity.WARNING, "practice", text)]
