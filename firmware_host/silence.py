"""Tells when a stream falls silent and when it is back, and when the others are to settle without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from detector.samples import NO_ODOMETER, DeviceDescription, Event, SampleBlock, Severity, Silence

SILENCE_S: Final = 1.0
"""A stream that sends nothing for this long is a fault, and says so; others that went on wait for it no longer."""

_AGAIN_S: Final = 0.25
"""How often a silence is extended while it lasts, s of the head's ticks: what a detection may wait longer for it."""

_MOVED_STEPS: Final = 10.0
"""Steps that an odometer must have gone before the silence of a stream that it triggers means anything."""


class SilenceWatch:
    """Hears every item of a source, in order.

    Parameters
    ----------
    device : its streams
    silence_s : without records for this long, a stream is told to be silent
    clock : host time, ns since 1970 UTC
    events : whether to tell people too, and not only the pipeline
    """

    def __init__(
        self,
        device: DeviceDescription,
        silence_s: float,
        clock: Callable[[], int],
        events: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._clock = clock
        self._now = monotonic
        self._events = events
        now = monotonic()
        # a slow stream is not silent between two of its own records
        self._limit = {s.stream_id: max(silence_s, 3.0 / s.rate_hz) for s in device.streams}
        self._heard = dict.fromkeys(self._limit, now)
        self._silent: set[int] = set()
        self._seq = dict.fromkeys(self._limit, -1)
        self._tick: dict[int, int] = {}
        self._until: dict[int, int] = {}
        self._odometer_um = NO_ODOMETER
        self._there_um = dict.fromkeys(self._limit, NO_ODOMETER)
        """Where the head was when a stream was heard last."""

    @property
    def all_silent(self) -> bool:
        return len(self._silent) == len(self._heard)

    def told(self, got: Sequence[Any]) -> list[Event | Silence]:
        """What is to be said before these items."""
        now = self._now()
        out: list[Event | Silence] = []
        blocks = [i for i in got if isinstance(i, SampleBlock)]
        for id_ in {b.stream.stream_id for b in blocks}:
            if id_ in self._silent:
                self._silent.remove(id_)
                text = (
                    f"{self._device.stream(id_).name}: samples are coming again after "
                    f"{now - self._heard[id_]:.1f} s of silence. The ground passed meanwhile was not swept."
                )
                out += self._event(Severity.WARNING, text)
            self._heard[id_] = now
            self._until.pop(id_, None)
        for b in blocks:
            self._hear(b)
        given_up = [s for id_ in self._heard if (s := self._give_up(id_)) is not None]
        for id_, last in self._heard.items():
            if id_ not in self._silent and now - last > self._limit[id_]:
                self._silent.add(id_)
                alone = any(s.stream_id == id_ for s in given_up)
                text = (
                    f"{self._device.stream(id_).name}: no samples for {now - last:.1f} s. Stop: nothing is being swept "
                    f"with it. Check the cable and the head's power."
                    + (" Places found by the others meanwhile are judged without it." if alone else "")
                )
                out += self._event(Severity.FAULT, text)
        return [*out, *given_up]

    def _hear(self, block: SampleBlock) -> None:
        id_ = block.stream.stream_id
        self._seq[id_] = int(block.seq[-1])
        self._tick[id_] = int(block.tick[-1])
        if block.odometer_um[-1] != NO_ODOMETER:
            self._odometer_um = int(block.odometer_um[-1])
        self._there_um[id_] = self._odometer_um

    def _give_up(self, id_: int) -> Silence | None:
        """A silence, new or longer, if others have gone on for so long without this stream."""
        limit, heard = self._limit[id_], self._heard[id_]
        newest = [t for other, t in self._tick.items() if other != id_ and self._heard[other] - heard > limit]
        if not newest or not self._due(id_):
            return None
        hz = self._device.tick_hz
        until = max(newest) - round(limit * hz)
        least = self._until[id_] + round(_AGAIN_S * hz) if id_ in self._until else self._tick.get(id_, until)
        if until < least:
            return None
        self._until[id_] = until
        return Silence(self._clock(), id_, self._seq[id_], until)

    def _due(self, id_: int) -> bool:
        """Whether the stream should have sent something: one that an odometer triggers is silent where it stands."""
        step_um = self._device.stream(id_).step_m * 1e6
        if not step_um:
            return True
        if NO_ODOMETER in (self._odometer_um, self._there_um[id_]):
            return False
        return abs(self._odometer_um - self._there_um[id_]) > _MOVED_STEPS * step_um

    def _event(self, severity: Severity, text: str) -> list[Event]:
        return [Event(self._clock(), severity, "head", text)] if self._events else []
