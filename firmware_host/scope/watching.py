"""The scope's listener: feeds the traces, keeps the last events, and counts what is missing."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from detector.pipeline import Coverage, Output
from detector.samples import DeviceDescription, Event, Gap, SampleBlock, Silence, Soil
from firmware_host.scope.traces import StreamTraces
from firmware_host.session import Listener

_EVENTS: Final = 50


class NothingDecided:
    """In place of a pipeline: a scope only looks. No ground counts as swept."""

    def process(self, block: SampleBlock) -> Output:
        return Output([], [])

    def skip(self, silence: Silence) -> Output:
        return Output([], [])

    def learn(self, soil: Soil) -> tuple[Soil, Output]:
        return soil, Output([], [])

    def finish(self) -> Output:
        return Output([], [])

    def coverage(self) -> list[Coverage]:
        return []


class ScopeListener(Listener):
    """What a head sends, as it comes. `state` and the traces may be read from any thread."""

    def __init__(self, device: DeviceDescription) -> None:
        self.device = device
        self.traces = {s.name: StreamTraces(s) for s in device.streams}
        self._events: deque[tuple[int, Event]] = deque(maxlen=_EVENTS)
        self._told = 0
        self._received = {s.name: 0 for s in device.streams}
        self._missing = {s.name: 0 for s in device.streams}
        self._last = {s.name: 0.0 for s in device.streams}

    def block(self, block: SampleBlock) -> None:
        name = block.stream.name
        self.traces[name].add(block)
        self._received[name] += len(block)
        self._last[name] = time.monotonic()

    def gap(self, gap: Gap) -> None:
        self._missing[self.device.stream(gap.stream_id).name] += gap.n_records

    def event(self, event: Event) -> None:
        self._told += 1
        self._events.append((self._told, event))

    def state(self) -> list[dict[str, Any]]:
        """Of each stream: whether samples come, what came, what is missing, whether the converter was at its end."""
        now = time.monotonic()
        return [
            {
                "stream": s.name,
                "live": now - self._last[s.name] < max(1.0, 3.0 / s.rate_hz),
                "received": self._received[s.name],
                "missing": self._missing[s.name],
                "saturated": self.traces[s.name].saturated,
            }
            for s in self.device.streams
        ]

    def events_since(self, cursor: int) -> tuple[int, list[Event]]:
        """Events after a cursor, and the next one."""
        kept = list(self._events)
        return (kept[-1][0] if kept else cursor), [e for n, e in kept if n > cursor]
