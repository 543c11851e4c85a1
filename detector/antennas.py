"""A radar head's antennas between record and peak: in groups, each worked on by a thread of its own.

Nothing passes from one antenna to another but what the segment's first record shows of all of them. So a group has a
chain, a search and an alarm stage of its own, and the bits are the same however many groups there are. The kernels
hold no lock of the interpreter's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import AlarmStage, Peak
from detector.decide.search import SearchStage
from detector.delay_line import Rows
from detector.dense_alarms import DenseAlarms
from detector.profile import Profile
from detector.radar.chain import Beginning, RadarChain, RadarOutput
from detector.radar.dense import DenseEcho, DenseEchoes
from detector.radar.geometry import RadarGeometry
from detector.radar.stepped import Stepped
from detector.samples import StreamDescription

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
T = TypeVar("T")

Watched = Callable[[str], bool]
"""Whether anybody watches the stage of that name."""
Stands = Callable[[int, int, int, float], bool]
"""Of :class:`AlarmStage`; asked from the thread of the antenna in question, about rows whose B-scan is held."""
Show = Callable[[str, NDArray[Any]], None]
"""Told a watched stage's name and its rows, (n, channels, width), of all antennas."""

_WORTH: Final = 1 << 17
"""Samples in a block from which threads are woken for it, some 4 ms of work: who follows with less needs no help."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What some records gave, of all antennas or of a group."""

    search: F8
    """(n, channels) of the records that came in, NaN where too little ground is behind."""
    marks: U1
    """(n, channels) Mark flags of the records that came in."""
    first: int
    """Row that `scores` begins with, counted from the start of the segment."""
    scores: F8
    """(k, channels) of the rows that were scored."""
    peaks: list[Peak]
    dense: list[DenseEcho]
    """What alarms by its shape, where no peak does."""


class _Group:
    """Antennas `at` on of a head, as many as geometry says."""

    def __init__(
        self, at: int, stream: StreamDescription, profile: Profile, geometry: RadarGeometry, stepped: Stepped | None,
        threshold: float, least: float, watched: Watched, stands: Stands | None, beginning: Beginning | None,
    ) -> None:  # fmt: skip
        self.at, self.geometry = at, geometry
        self.seen: dict[str, NDArray[Any]] = {}
        """Rows of watched stages since it was last emptied."""
        self._watched, self._stands = watched, stands
        self.chain = RadarChain(profile.radar, geometry, stream.dtype, stream.values, stepped, self._watcher, beginning)
        self.bscan = Rows(geometry.width, np.float32)
        self.stage: AlarmStage | None = None
        self._search: SearchStage | None = None
        self._dense: DenseAlarms | None = None
        self._profile, self._threshold, self._least = profile, threshold, least
        self._first, self._scores = 0, np.empty((0, 2 * geometry.channels))

    def _watcher(self, name: str) -> Callable[[NDArray[Any]], None] | None:
        return self._keep(name) if self._watched(name) else None

    def _keep(self, name: str) -> Callable[[NDArray[Any]], None]:
        def keep(rows: NDArray[Any]) -> None:
            if len(rows):
                # a later stage may work where these stand
                self.seen[name] = rows.reshape(len(rows), self.geometry.channels, -1).copy()

        return keep

    def process(self, raw: NDArray[Any]) -> Judged:
        """(n, channels of the head, values)."""
        g = self.geometry
        out = self.chain.process(raw[:, self.at : self.at + g.channels])
        if self.stage is None or self._search is None:
            p, cells = self._profile, self.chain.floor.size
            stands = self._stands_here if self._stands is not None else None
            self.stage = AlarmStage(p.radar_alarm, g.step_m, cells, self._threshold, g.channels, self._least, stands)
            self.stage.seen = self._scored
            if p.radar_dense.use == "yes":
                self.stage.beside = self._dense = self._dense_alarms()
            self._search = SearchStage(p.radar_search, g.step_m, cells, g.channels)
        search = self._search.process(out.search, self.chain.floor)
        return self._judged(self._alarms(out), search, out.marks)

    def _dense_alarms(self) -> DenseAlarms:
        """What looks beside the alarm stage; it holds nothing back for longer than that does."""
        p, g, chain = self._profile, self.geometry, self.chain
        assert self.stage is not None
        late = chain.latencies["prescreener"]
        ahead = self.stage.latency
        echoes = DenseEchoes(
            p.radar_dense, g, chain.bins, chain.surface, chain.curve, p.radar.height.antenna_m, ahead, ahead + late,
            self.stage.slope,
        )  # fmt: skip
        return DenseAlarms(echoes, g.channels, self.stage)

    @property
    def behind(self) -> int:
        """B-scan rows before those decided that are still needed."""
        return self._dense.behind if self._dense is not None else 0

    def flush(self) -> Judged:
        """What the chain still owes."""
        return self._judged(self._alarms(self.chain.finish()))

    def settle(self) -> Judged:
        """What the alarm stage still owes."""
        assert self.stage is not None
        return self._judged(self.stage.finish())

    def _alarms(self, out: RadarOutput) -> list[Peak]:
        assert self.stage is not None
        self.bscan.append(out.bscan)
        return self.stage.process(out.energy, self.chain.floor)

    def _stands_here(self, row: int, own: int, cell: int, score: float) -> bool:
        assert self._stands is not None
        return self._stands(row, self.at + own, cell, score)

    def _scored(self, first: int, scores: F8) -> None:
        self._first, self._scores = first, scores
        if self._dense is not None:
            self._dense.scored(scores)

    def _judged(self, peaks: list[Peak], search: F8 | None = None, marks: U1 | None = None) -> Judged:
        c = self.geometry.channels
        dense: list[DenseEcho] = []
        if self._dense is not None and self.stage is not None:
            dense = self._dense.process(self.stage.decided, self.bscan)
        return Judged(
            np.empty((0, c)) if search is None else search,
            np.empty((0, c), np.uint8) if marks is None else marks,
            self._first,
            self._scores[:, :c],
            [replace(peak, group=self.at + peak.group) for peak in peaks] if self.at else peaks,
            [replace(echo, channel=self.at + echo.channel) for echo in dense] if self.at else dense,
        )


class Antennas:
    """All antennas of one segment of a radar stream.

    Parameters
    ----------
    geometry : of all of them
    threshold, least, stands : of :class:`AlarmStage`
    watched, show : who watches; `show` is called from the caller's thread, when all antennas are through
    groups : into which the antennas are shared out, each in a thread of its own, of which one is the caller's
    """

    def __init__(
        self, stream: StreamDescription, profile: Profile, geometry: RadarGeometry, stepped: Stepped | None,
        threshold: float, least: float, watched: Watched, show: Show, groups: int, stands: Stands | None = None,
    ) -> None:  # fmt: skip
        self._stream, self._profile, self._geometry, self._stepped = stream, profile, geometry, stepped
        self._threshold, self._least = threshold, least
        self._watched, self._show, self._stands = watched, show, stands
        groups = max(1, min(groups, geometry.channels))
        self._bounds = [geometry.channels * i // groups for i in range(groups + 1)]
        self._begun = groups == 1
        self._groups = self._fresh(None)
        self._pool: ThreadPoolExecutor | None = None

    def _fresh(self, beginning: Beginning | None) -> list[_Group]:
        return [
            _Group(
                a, self._stream, self._profile, replace(self._geometry, channels=b - a), self._stepped,
                self._threshold, self._least, self._watched, self._stands, beginning,
            )
            for a, b in pairwise(self._bounds)
        ]  # fmt: skip

    @property
    def latencies(self) -> dict[str, int]:
        """A-scans that each stage of the chain holds back."""
        return self._groups[0].chain.latencies

    @property
    def latency(self) -> int:
        """A-scans between record and energy."""
        return self._groups[0].chain.latency

    @property
    def begun(self) -> bool:
        """Whether a record has come."""
        return self._groups[0].stage is not None

    @property
    def decided(self) -> int:
        """Rows of this segment for which no peak can come any more."""
        stage = self._groups[0].stage
        return stage.decided if stage is not None else 0

    def ground(self, first: int, rows: int) -> NDArray[np.bool_]:
        """Of :meth:`AlarmStage.ground`; the same for every antenna."""
        stage = self._groups[0].stage
        assert stage is not None
        return stage.ground(first, rows)

    @property
    def untested(self) -> int:
        """Rows that had too little ground around them to be tested, over all antennas."""
        return sum(group.stage.untested for group in self._groups if group.stage is not None)

    def process(self, raw: NDArray[Any]) -> Judged:
        """(n, channels, values) as they came; n at least 1."""
        if not self._begun:
            self._groups = self._fresh(self._beginning(raw[:1]))
            self._begun = True
        return self._joined(self._each(lambda group: group.process(raw), raw.shape[0] * self._geometry.width))

    def _beginning(self, raw: NDArray[Any]) -> Beginning:
        """What the first record shows to all antennas together."""
        chain = RadarChain(self._profile.radar, self._geometry, self._stream.dtype, self._stream.values, self._stepped)
        chain.process(raw)
        return chain.beginning

    def flush(self) -> Judged:
        """What the chain still owes at the end of the segment."""
        return self._joined(self._each(lambda group: group.flush(), 0))

    def settle(self) -> Judged:
        """What the alarm stage still owes, after :meth:`flush`; the threads end."""
        out = self._joined(self._each(lambda group: group.settle(), 0))
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        return out

    def trim(self, first: int) -> None:
        """Forget B-scan rows before that one."""
        for group in self._groups:
            group.bscan.trim(first - group.behind)

    def patch(self, channel: int, first: int, last: int) -> F4:
        """B-scan of one antenna, rows first to last - 1 as far as they are held: (n, samples)."""
        group, own = self._group_of(channel)
        m = self._geometry.samples
        rows: F4 = group.bscan.cut(first, last)
        return rows[:, own * m : (own + 1) * m]

    def span(self, channel: int, cell: int) -> tuple[int, int]:
        """First sample and length of a depth bin."""
        group, own = self._group_of(channel)
        return group.chain.bins.span(own, cell)

    def surface(self, channel: int) -> int:
        """Sample of the surface echo."""
        group, own = self._group_of(channel)
        return int(group.chain.surface[own])

    def first_scan(self, channel: int) -> F4:
        """(samples,) the segment's first aligned A-scan of that antenna."""
        group, own = self._group_of(channel)
        scan: F4 = group.chain.first_scan[own]
        return scan

    def _group_of(self, channel: int) -> tuple[_Group, int]:
        group = next(group for group in reversed(self._groups) if group.at <= channel)
        return group, channel - group.at

    def _each(self, ask: Callable[[_Group], T], samples: int) -> list[T]:
        """The answers of all groups, when the last of them has answered, whatever went wrong in another."""
        mine, *others = self._groups
        if not others or samples < _WORTH:
            return [ask(group) for group in self._groups]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(len(others), thread_name_prefix="antennas")
        waiting = [self._pool.submit(ask, group) for group in others]
        try:
            first = ask(mine)
        finally:
            wait(waiting)
        return [first, *(answer.result() for answer in waiting)]

    def _joined(self, parts: list[Judged]) -> Judged:
        for name in self._groups[0].seen:
            # who began to watch while the groups were at work begins with the next block
            if all(name in group.seen for group in self._groups):
                self._show(name, np.concatenate([group.seen[name] for group in self._groups], axis=1))
        for group in self._groups:
            group.seen.clear()
        if len(parts) == 1:
            return parts[0]
        return Judged(
            np.concatenate([part.search for part in parts], axis=1),
            np.concatenate([part.marks for part in parts], axis=1),
            parts[0].first,
            np.concatenate([part.scores for part in parts], axis=1),
            [peak for part in parts for peak in part.peaks],
            [echo for part in parts for echo in part.dense],
        )
