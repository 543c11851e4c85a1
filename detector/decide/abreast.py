"""One object under several antennas of an array is one alarm, with its extent across."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detector.decide.alarm import Alarm
from detector.errors import ProfileError
from detector.settings import Settings, listed, quantity

_Found = tuple[int, Alarm]
"""An alarm behind the row of its peak."""


class AbreastSettings(Settings):
    along_m: float = quantity(
        0.1, "m", 0.01, 2.0, "alarms of neighbouring antennas nearer than this along the track may be of one object"
    )
    reach_antennas: int = quantity(
        2, "antennas", 0, 50, "an object's alarms lie at most so far across from its strongest; 0 = none are joined"
    )
    reach_m: float = quantity(
        0.25, "m", 0.0, 2.0, "the same where the antennas' places are known: an anti-tank mine is 0.3 m wide"
    )
    periods: float = quantity(
        2.5, "periods", 0.1, 100.0, "of the centre frequency: echoes further apart in time are of two objects"
    )
    across_m: tuple[float, ...] = listed("m", "place of each antenna across the track; empty = not known")


class Abreast:
    """Joins alarms of neighbouring antennas to the strongest of them, as water runs up a hill.

    An alarm that has a stronger one beside it, under a neighbouring antenna, near along the track and in time, goes
    with the strongest such. One that has none is a summit and keeps whatever came up to it, at most so far across,
    along and in time. Between two objects the score falls: each keeps its summit. What is too far from the summit it
    runs to stands by itself. No alarm is dropped: each is an alarm or lies in the extent of one.

    Latency: (reach in antennas + 1) times `along_m` in rows; none of a single antenna. The fate of an alarm depends on
    those within that distance only, so that no cut of the input changes it.

    Parameters
    ----------
    channels : antennas of the stream
    step_m : between rows, m
    period_s : of the centre frequency, s

    Raises
    ------
    ProfileError
        when there are places of another number of antennas.
    """

    def __init__(self, settings: AbreastSettings, channels: int, step_m: float, period_s: float) -> None:
        places = np.array(settings.across_m, np.float64)
        if places.size and places.size != channels:
            raise ProfileError(
                f"radar_abreast.across_m has {places.size} places, the stream {channels} antennas. Give one of each, "
                "in the order of the stream, or none."
            )
        self._places = places
        self._reach_m = settings.reach_m
        self._rank = np.argsort(np.argsort(places, kind="stable")) if places.size else np.arange(channels)
        self._reach = min(settings.reach_antennas, channels - 1)
        if places.size:
            apart = np.abs(self._rank[:, None] - self._rank[None, :])
            self._reach = int(np.max(apart[np.abs(places[:, None] - places[None, :]) <= settings.reach_m]))
        self._rows = max(1, round(settings.along_m / step_m))
        self._late_s = settings.periods * period_s
        self._held: list[_Found] = []
        self.decided = 0
        """Rows of this segment for which no alarm can come any more."""

    @property
    def latency(self) -> int:
        """Rows for which an alarm is held back."""
        return (self._reach + 1) * self._rows if self._reach else 0

    def process(self, found: list[tuple[int, Alarm]], decided: int) -> list[Alarm]:
        """Alarms with the rows of their peaks; none comes any more before row `decided`."""
        self._held = sorted([*self._held, *found], key=lambda f: (f[0], f[1].channel))
        return self._release(decided - self.latency)

    def finish(self) -> list[Alarm]:
        """Those still owed at the end of the segment."""
        return self._release(max([r for r, _ in self._held], default=-1) + 1)

    def _release(self, end: int) -> list[Alarm]:
        first, self.decided = self.decided, max(self.decided, end)
        if self._reach == 0 or not self._held:
            out = [a for r, a in self._held if first <= r < self.decided]
        elif not any(first <= r < self.decided for r, _ in self._held):
            out = []
        else:
            heads = [self._head(i) for i in range(len(self._held))]
            out = [
                self._with([self._held[m][1] for m, h in enumerate(heads) if h == i], alarm)
                for i, (row, alarm) in enumerate(self._held)
                if heads[i] == i and first <= row < self.decided
            ]
        self._held = [f for f in self._held if f[0] >= self.decided - self.latency]
        return out

    def _head(self, of: int) -> int:
        """The summit that an alarm belongs to; itself where it is one, or is too far from the one it runs to."""
        at = of
        for _ in range(self._reach + 1):
            up = self._up(at)
            if up == at:
                return at if self._one_place(self._held[of], self._held[at]) else of
            at = up
        return of

    def _up(self, at: int) -> int:
        best = at
        rank = self._rank[self._held[at][1].channel]
        for i, found in enumerate(self._held):
            beside = abs(int(self._rank[found[1].channel]) - int(rank)) == 1
            if beside and self._near(found, self._held[at]) and _height(found[1]) > _height(self._held[best][1]):
                best = i
        return best

    def _near(self, one: _Found, other: _Found) -> bool:
        """Along the track and in time."""
        late = abs(one[1].two_way_s - other[1].two_way_s) > self._late_s
        return not late and abs(one[0] - other[0]) <= self._rows

    def _one_place(self, one: _Found, other: _Found) -> bool:
        """Whether they are near in every way, however the way from one to the other went, and not of one antenna."""
        a, b = one[1].channel, other[1].channel
        across = not self._places.size or abs(self._places[a] - self._places[b]) <= self._reach_m
        return one is other or (a != b and across and self._near(one, other))

    def _with(self, members: list[Alarm], summit: Alarm) -> Alarm:
        channels = [m.channel for m in members]
        return replace(
            summit,
            first_seq=min(m.first_seq for m in members),
            last_seq=max(m.last_seq for m in members),
            first_tick=min(m.first_tick for m in members),
            last_tick=max(m.last_tick for m in members),
            first_channel=min(channels),
            last_channel=max(channels),
            members=tuple(m for m in members if m is not summit),
        )


def _height(a: Alarm) -> tuple[bool, float, int, int]:
    """By score; of equal ones the earlier, then the lower antenna, is higher. Dense echoes, whose score is of another
    kind, lie below all that alarms by its own height: they take none of these in."""
    return not a.dense, a.score, -a.peak_seq, -a.channel
