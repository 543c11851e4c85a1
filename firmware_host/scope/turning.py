"""Parameters turned while a head streams: wishes wait in a bounded queue, the session's own loop carries them out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from detector.samples import DeviceDescription, Event, Severity
from firmware_host.errors import HeadError
from firmware_host.live_source import LiveSource
from firmware_host.parameters import HeadParameters
from firmware_host.session import Item
from firmware_host.wire.messages import Parameter

_WAITING: Final = 64


@dataclass(frozen=True, slots=True)
class Wish:
    """A parameter to set."""

    name: str
    value: float
    who: str


class TurningSource:
    """A head as a source, whose parameters can be set from any thread; every change is told and recorded.

    A value is read back after it was set: what is shown and recorded is what the head holds.
    """

    def __init__(self, source: LiveSource, parameters: HeadParameters, clock: Callable[[], int]) -> None:
        self._source, self._parameters, self._clock = source, parameters, clock
        self._wishes: queue.Queue[Wish] = queue.Queue(_WAITING)
        self._lock = threading.Lock()
        self._table = {p.name: p for p in parameters.read()}

    @property
    def device(self) -> DeviceDescription:
        return self._source.device

    def table(self) -> list[Parameter]:
        """The head's parameters as last read, in its order."""
        with self._lock:
            return list(self._table.values())

    def wish(self, wish: Wish) -> str:
        """Ask for a change; why it cannot be, or ''. What the head itself refuses comes as an event."""
        with self._lock:
            known = self._table.get(wish.name)
        if known is None:
            return f"The head has no parameter {wish.name}."
        if refusal := known.refusal(wish.value):
            return refusal + "."
        try:
            self._wishes.put_nowait(wish)
        except queue.Full:
            return "Too many changes are waiting. Try again."
        return ""

    def items(self) -> Generator[Sequence[Item]]:
        stream = self._source.items()
        try:
            for got in stream:
                yield got
                while not self._wishes.empty():
                    yield [self._carry_out(self._wishes.get_nowait())]
        finally:
            stream.close()

    def _carry_out(self, wish: Wish) -> Event:
        try:
            before, now = self._parameters.set({wish.name: wish.value})[wish.name]
        except HeadError as e:
            return Event(self._clock(), Severity.WARNING, "parameter", f"{wish.who} could not set {wish.name}: {e}")
        with self._lock:
            known = self._table[wish.name]
            self._table[wish.name] = replace(known, value=now)
        text = f"{wish.who} set {wish.name} from {before:g} to {now:g} {known.unit}".rstrip()
        return Event(self._clock(), Severity.INFO, "parameter", f"{text}.")
