"""How long the disk lasts, and when that is little enough to say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LOW_H: Final = (4.0, 1.0, 0.25)
"""Hours left at which it is said, once each: half a day's work, time to change the disk, time to stop."""
REARM: Final = 1.25
"""A threshold is said again only after there was so much more than it: a rate that wavers must not chatter."""


@dataclass(frozen=True, slots=True)
class Room:
    """How long the disk lasts at the present rate."""

    free_bytes: int
    """Beyond the reserve with which a recording ends in order."""
    bytes_per_s: float
    """Written in the last minute; 0 before there is enough to tell."""

    @property
    def hours_left(self) -> float:
        """Infinite before there is a rate."""
        return self.free_bytes / self.bytes_per_s / 3600 if self.bytes_per_s > 0 else float("inf")

    @property
    def text(self) -> str:
        """For a person."""
        hours = self.hours_left
        if hours == float("inf"):
            return f"{self.free_bytes / 1e9:.1f} GB free"
        if hours < 1:
            return f"disk lasts {60 * hours:.0f} min"
        return f"disk lasts {hours:.0f} h" if hours >= 10 else f"disk lasts {hours:.1f} h"


def shown(room: Room | None, stalled_s: float) -> tuple[str, bool]:
    """What page and terminal show of the disk, and whether it is bad.

    room : None before the first flush
    stalled_s : how long the disk has kept a flush waiting, s; 0 while all is well
    """
    if stalled_s:
        return f"DISK STALLED {stalled_s:.0f} s, NOTHING IS SAFE", True
    return (room.text, room.hours_left < LOW_H[1]) if room else ("disk not measured yet", False)


class RoomWatch:
    """Says when the disk runs low: at each of LOW_H on the way down, and not again until it had recovered."""

    def __init__(self) -> None:
        self._below = 0
        """How many thresholds have been said."""

    def look(self, room: Room) -> str | None:
        """What to tell a person now; None if nothing has changed."""
        hours = room.hours_left
        while self._below and hours > REARM * LOW_H[self._below - 1]:
            self._below -= 1
        now = sum(hours <= low for low in LOW_H)
        if now <= self._below:
            return None
        self._below = now
        return (
            f"The disk runs low: {room.text} at the present rate. Then the recording ends, and nothing swept after "
            "that counts. Free some space, or change the disk between two sessions."
        )
