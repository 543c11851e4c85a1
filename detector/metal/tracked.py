"""What the ground balance tracked of the soil, told now and then: how far its direction has turned, and on what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.samples import TrackedSoil

F8 = NDArray[np.float64]

TOLD_S: Final = 10.0
"""Time between two that are told, s at the nominal rate; to the nearest taking over of what was learned."""
_TAKEN_ROWS: Final = 256
"""Readings between two takings over, see detector.kernels.gates.refresh_rows."""


class Turn(NamedTuple):
    """The directions in use from a reading on."""

    row: int
    """Readings of the segment before it."""
    direction: F8
    """(coils, values), any scale."""
    tangent: F8
    """(coils,)"""
    snr: F8
    """(coils,)"""
    learned: F8
    """(coils,) readings that taught it."""


class TurnLog:
    """Which turns of a segment are told: one about every TOLD_S, and the last, if they differ from the last told.

    The readings at which that is are counted from the segment's first, so that no cut of the input moves them.

    Parameters
    ----------
    given : (coils, values) directions before any turn
    rate_hz : nominal record rate
    record_at : seq, tick, utc_ns, ... of a reading of the segment, while it is new
    """

    def __init__(
        self, stream_id: int, given: F8, rate_hz: float, record_at: Callable[[int], NDArray[np.int64]]
    ) -> None:
        self._stream_id = stream_id
        self._told = given
        self._record_at = record_at
        self._every = _TAKEN_ROWS * max(1, round(TOLD_S * rate_hz / _TAKEN_ROWS))
        self._since: int | None = None
        self._last: tuple[Turn, int, int] | None = None
        """With record number and time of its reading."""

    def take(self, turns: Sequence[Turn]) -> list[TrackedSoil]:
        """Of the readings that came last, in order."""
        told = []
        for turn in turns:
            if self._since is None:
                self._since = int(self._record_at(0)[0])
            record = self._record_at(turn.row)
            self._last = turn, int(record[0]), int(record[2])
            if turn.row % self._every == 0:
                told += self.end()
        return told

    def end(self) -> list[TrackedSoil]:
        """The newest, if it differs from what was told last."""
        if self._last is None or self._since is None or np.array_equal(self._last[0].direction, self._told):
            return []
        turn, seq, utc_ns = self._last
        self._told = turn.direction
        unit = turn.direction / np.sqrt(np.sum(turn.direction**2, axis=1, keepdims=True))
        return [
            TrackedSoil(
                utc_ns=utc_ns,
                stream_id=self._stream_id,
                since_seq=self._since,
                from_seq=seq,
                direction=tuple(tuple(coil) for coil in unit.tolist()),
                tangent=tuple(turn.tangent.tolist()),
                snr=tuple(turn.snr.tolist()),
                n_records=tuple(int(n) for n in turn.learned),
            )
        ]
