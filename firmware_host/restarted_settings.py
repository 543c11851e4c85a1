"""What a head that restarted, or was away, is set to: read again beside its samples, told if not as before."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Final

from detector.samples import Event, ParameterReading, SampleBlock, Severity
from firmware_host.errors import LinkError
from firmware_host.head import Head, Item
from firmware_host.parameters import PULSE_PARAMETER
from firmware_host.wire.messages import Parameter, same_value

ASK_AGAIN_S: Final = 2.0
"""A table that has not come whole by then is asked for again, s, until it has."""

OVERDUE_S: Final = 6.0
"""Settings that are not known for so long are a fault, s, told anew as often."""

_NAMED: Final = 4
"""How many of those are named."""


class RestartedSettings:
    """Asks a head for its parameters after a restart, and waits for nothing: samples go on meanwhile.

    A head that lost its power is back at what it had saved, and the rest at defaults. Each value that it gives is on
    record by `Head.read`; here they are compared with those under which the last samples before were taken. What a
    head only reports (a temperature) may differ, but for the length of the pulse that the ground balance goes by.

    Parameters
    ----------
    head : open and described
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        self._in_force: Mapping[str, Parameter] = head.settings
        """As of the last samples whose settings are beyond doubt."""
        self._run: int | None = None
        self._since = ""
        """What happened, for a person; '' while nothing is open."""
        self._missing: set[str] = set()
        self._changed: dict[str, str] = {}
        self._told: list[str] | None = None
        """What has been found to differ from `_in_force`; None before it was compared."""
        self._asked_at = self._told_at = 0.0

    def ask(self, since: str) -> None:
        """Ask for the whole table. since : what happened to the head, as in 'since it restarted'."""
        self._since = since
        self._missing = set(self._in_force)
        self._told_at = time.monotonic()
        self._send()

    def news(self, got: Sequence[Item]) -> list[Event]:
        """What there is to tell by what the head has just sent."""
        run = self._head.run
        if self._run is not None and run != self._run and not self._since:
            self.ask("since it restarted")
        self._run = run
        if not self._since:
            if run is None or any(isinstance(i, SampleBlock) for i in got):
                self._in_force, self._told = self._head.settings, None
            return []
        for item in got:
            if isinstance(item, ParameterReading):
                self._take(item)
        if not self._missing:
            return self._outcome()
        now = time.monotonic()
        events = []
        if now - self._told_at > OVERDUE_S:
            self._told_at = now
            events = self.open()
        if now - self._asked_at > ASK_AGAIN_S:
            self._send()
        return events

    def open(self) -> list[Event]:
        """A fault if settings were asked for and are not known."""
        if not self._since:
            return []
        some = sorted(self._missing)[:_NAMED]
        more = f" and {len(self._missing) - len(some)} more" if len(self._missing) > len(some) else ""
        text = (
            f"{self._device}: the head has not said {self._since} what it has for {', '.join(some)}{more}. "
            f"It may run with other settings than before{self._so_far()}. Ground swept since then was swept with "
            "settings that nobody knows: end this sweep, check them and start a new one."
        )
        return [self._event(Severity.FAULT, text)]

    @property
    def _device(self) -> str:
        return self._head.device.serial

    def _send(self) -> None:
        self._asked_at = time.monotonic()
        with contextlib.suppress(LinkError):  # the next reading of the line finds that out
            self._head.ask_parameters()

    def _take(self, reading: ParameterReading) -> None:
        self._missing.discard(reading.name)
        before = self._in_force.get(reading.name)
        self._changed.pop(reading.name, None)
        if before is None or not (reading.writable or reading.name == PULSE_PARAMETER):
            return
        if not same_value(before.value, reading.value):
            unit = f" {reading.unit}" if reading.unit else ""
            self._changed[reading.name] = f"{reading.name} is {reading.value:g}{unit}, was {before.value:g}{unit}"

    def _so_far(self) -> str:
        return f", and does: {'; '.join(self._changed.values())}" if self._changed else ""

    def _outcome(self) -> list[Event]:
        since, changed = self._since, list(self._changed.values())
        self._since = ""
        self._changed.clear()
        # one restart may be noticed twice, by what the head says and by its samples; without a table is nothing to tell
        if not self._in_force or changed == self._told:
            return []
        self._told = changed
        if not changed:
            return [self._event(Severity.INFO, f"{self._device}: its settings were read again {since}: as before.")]
        text = (
            f"{self._device}: {since} the head runs with other settings than before: {'; '.join(changed)}. Ground "
            "swept since then was swept with these. End this sweep, set them again (groundsweep params) and start a "
            "new one; or repeat the start-up steps with the settings as they are."
        )
        return [self._event(Severity.FAULT, text)]

    def _event(self, severity: Severity, text: str) -> Event:
        return Event(self._head.now_ns(), severity, "head", text)
