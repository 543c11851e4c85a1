"""What each learner did in training: one file a learner, one JSON line a session, only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detector.score.practice import rate, share
from firmware_host.errors import HistoryError
from firmware_host.references import default_folder


@dataclass(frozen=True, slots=True)
class Session:
    """One practice session as it is kept."""

    utc_ns: int
    learner: str
    head: str
    """Model and serial number."""
    aided: bool
    """Whether alarms were shown."""
    seed: int
    recording: str
    score: dict[str, Any]
    """As PracticeScore.to_json gives it."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """Several sessions together."""

    sessions: int
    hits: int
    tried: int
    false_marks: int
    free_m: float
    swept_m: float
    seconds: float

    @property
    def pod(self) -> tuple[float, float, float]:
        """With 95 % Clopper-Pearson bounds."""
        return share(self.hits, self.tried)

    @property
    def false_per_m(self) -> tuple[float, float, float]:
        """With 95 % Garwood bounds."""
        return rate(self.false_marks, self.free_m)


def pooled(sessions: Sequence[Session]) -> Pooled:
    """Counts of several sessions, added up."""
    total = {k: sum(s.score[k] for s in sessions) for k in Pooled.__dataclass_fields__ if k != "sessions"}
    return Pooled(len(sessions), **total)


def trend(sessions: Sequence[Session]) -> tuple[Pooled, Pooled] | None:
    """The earlier and the later half of the sessions; None of fewer than two."""
    half = len(sessions) // 2
    return (pooled(sessions[:half]), pooled(sessions[half:])) if half else None


class History:
    """A folder of learners."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or default_folder().parent / "practice"

    def add(self, session: Session) -> None:
        """Append one session, and see it onto the disk.

        Raises
        ------
        HistoryError
            if it cannot be written.
        """
        path = self._path(session.learner)
        line = json.dumps(asdict(session), allow_nan=False) + "\n"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as f:
                f.write(line)
                f.flush()
                os.fsync(f.fileno())
        except OSError as e:
            raise HistoryError(f"The session of {session.learner} cannot be kept in {path} ({e}).") from e

    def sessions(self, learner: str) -> list[Session]:
        """All of a learner's, oldest first; empty if there are none.

        Raises
        ------
        HistoryError
            if the file is damaged.
        """
        path = self._path(learner)
        if not path.exists():
            return []
        out = []
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as e:
            raise HistoryError(f"The history {path} cannot be read ({e}).") from e
        for number, line in enumerate(lines, 1):
            try:
                session = Session(**json.loads(line))
                pooled([session])
            except (ValueError, TypeError, KeyError) as e:
                raise HistoryError(
                    f"Line {number} of the history {path} is damaged ({e}). Move the line to another file; the others "
                    "stay good."
                ) from e
            out.append(session)
        return out

    def _path(self, learner: str) -> Path:
        # a name is whatever a person types: it must not lead out of the folder, nor to another learner's file
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else f"%{ord(c):06x}" for c in learner)
        return self._folder / f"{name or '%'}.jsonl"
