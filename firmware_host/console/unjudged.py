"""Ground that was passed and of which it is not known yet whether it was tested: it does not count until it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.pipeline import Stretch

F8 = NDArray[np.float64]

_MOST_RECORDS: Final = 200_000
"""That wait, of one stream: far more than any piece that a segment needs. The oldest do not count then."""
_MOST_VERDICTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Passed:
    """Records with a place that can be trusted.

    seq : (n,) record numbers; x_m, y_m, sigma_m, t_s : (n,) of :meth:`Coverage.add`
    """

    seq: NDArray[np.int64]
    x_m: F8
    y_m: F8
    sigma_m: F8
    t_s: F8

    def __len__(self) -> int:
        return len(self.seq)

    def __getitem__(self, part: slice | NDArray[np.bool_]) -> Passed:
        return Passed(self.seq[part], self.x_m[part], self.y_m[part], self.sigma_m[part], self.t_s[part])


class Unjudged:
    """Of one stream. Places and verdicts each come in the order of the records, in either order of the two."""

    def __init__(self) -> None:
        self._waiting: deque[Passed] = deque()
        self._verdicts: deque[Stretch] = deque(maxlen=_MOST_VERDICTS)

    def passed(self, passed: Passed) -> None:
        """Take records that count once they are said to have been tested."""
        if len(passed):
            self._waiting.append(passed)
        while sum(map(len, self._waiting)) > _MOST_RECORDS:
            self._waiting.popleft()

    def judged(self, verdict: Stretch) -> None:
        """Take what was said of records; what lies before it and had nothing said of it was not tested."""
        last = self._verdicts[-1] if self._verdicts else None
        if last is not None and last.tested == verdict.tested and last.last_seq + 1 == verdict.first_seq:
            self._verdicts[-1] = Stretch(last.stream, last.first_seq, verdict.last_seq, last.tested)
        else:
            self._verdicts.append(verdict)

    def forget(self) -> None:
        """None of what waits counts any more."""
        self._waiting.clear()

    def take(self) -> list[tuple[Passed, bool]]:
        """Of which all is known by now, in order, and whether they were tested; each comes once.

        What one verdict says comes in one piece, however small the blocks were that it came in.
        """
        out: list[tuple[Passed, bool]] = []
        while self._waiting and self._verdicts:
            verdict = self._verdicts[0]
            before: list[Passed] = []
            said: list[Passed] = []
            over = False
            while self._waiting and not over:
                first = self._waiting.popleft()
                begin = int(np.searchsorted(first.seq, verdict.first_seq))
                end = int(np.searchsorted(first.seq, verdict.last_seq, side="right"))
                before.append(first[:begin])
                said.append(first[begin:end])
                over = end < len(first)
                if over:
                    self._waiting.appendleft(first[end:])
                    self._verdicts.popleft()
            pieces = ((_together(before), False), (_together(said), verdict.tested))
            out += [(piece, tested) for piece, tested in pieces if len(piece)]
        return out


def _together(parts: list[Passed]) -> Passed:
    """At least one."""
    columns = ("seq", "x_m", "y_m", "sigma_m", "t_s")
    return Passed(*(np.concatenate([getattr(p, name) for p in parts]) for name in columns))
