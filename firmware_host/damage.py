"""Damage on the way from a head, told in sentences: what was lost, spoiled or not understood."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from detector.samples import Event, Severity
from firmware_host.clock import HostClock
from firmware_host.exchange import Exchange
from firmware_host.wire.framing import FrameCounters

_REPORT_S: Final = 1.0
"""Damage is told at most this often, with its count; it is always counted."""


class Damage:
    """What of it has been told."""

    def __init__(self) -> None:
        self._told = FrameCounters()
        self._told_unknown = 0
        self._told_at = float("-inf")

    def due(self) -> None:
        """Whatever there is to tell is told the next time."""
        self._told_at = float("-inf")

    def news(self, exchange: Exchange, unknown: int, utc_ns: int, clock: Callable[[], int]) -> list[Event]:
        """What has not been told yet, if it is time again.

        unknown : messages of unknown types so far; utc_ns : time of the events; clock : the host's, which may be set
        """
        now = time.monotonic()
        c, told = exchange.counters, self._told
        if now - self._told_at < _REPORT_S:
            return []
        self._told_at = now
        damaged, lost = c.damaged - told.damaged, c.lost - told.lost
        news = unknown - self._told_unknown
        self._told, self._told_unknown = replace(c), unknown
        items: list[Event] = []
        if exchange.dropped_bytes or exchange.dropped_frames:
            text = (
                f"This computer did not keep up: {exchange.dropped_bytes} bytes and {exchange.dropped_frames} frames "
                f"from {exchange.reader.port} were thrown away. That ground was not swept. Close other programs."
            )
            items.append(Event(utc_ns, Severity.FAULT, "link", text))
            exchange.dropped_bytes = exchange.dropped_frames = 0
        jump_ns = clock.jumped() if isinstance(clock, HostClock) else 0
        if jump_ns:
            text = (
                f"Somebody set this computer's clock by {jump_ns * 1e-9:+.3f} s. The times of this sweep go on by the "
                "clock as it was at the start."
            )
            items.append(Event(utc_ns, Severity.WARNING, "clock", text))
        if damaged or lost:
            text = f"{damaged} damaged frames and {lost} lost ones on {exchange.reader.port} since the last report."
            items.append(Event(utc_ns, Severity.WARNING, "wire", text + " Check cable and baud rate."))
        if exchange.senseless:
            text = f"{exchange.senseless} messages made no sense. {exchange.last_senseless}"
            items.append(Event(utc_ns, Severity.FAULT, "wire", text))
            exchange.senseless = 0
        if news:
            text = f"{news} messages of an unknown type were skipped: the firmware may be newer than this software."
            items.append(Event(utc_ns, Severity.INFO, "wire", text))
        return items
