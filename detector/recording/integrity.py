"""Verifying a recording: is every row that was written still there, and as it was?

The chain of digests finds what broke by accident, and says where. Against someone who rewrites the chain as well,
only a signature helps: detector/recording/signing.py.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from detector.errors import RecordingError
from detector.recording.entries import ENDED, RECORDING, chained, stream_target
from detector.recording.journal import JournalReader, journal_of
from detector.recording.reader import Recording, open_recording
from detector.recording.tables import TABLES, UNCHAINED


@dataclass(slots=True)
class Verdict:
    """What `verify` found."""

    path: Path
    n_digests: int = 0
    """0 in a file of a format older than the chain: nothing can be said of it."""
    digests: list[str] = field(default_factory=list)
    """The chain, hex, oldest first."""
    closed: bool = False
    problems: list[str] = field(default_factory=list)
    """What is not as it was written, each with its place."""

    @property
    def sound(self) -> bool:
        """Whether everything is as it was written."""
        return self.n_digests > 0 and not self.problems


def verify(path: Path) -> Verdict:
    """Compare a recording with its chain of digests, entry by entry.

    Raises
    ------
    RecordingError
        if the file cannot be opened at all.
    """
    with open_recording(path) as recording:
        verdict = Verdict(path, closed=recording.closed)
        chain = recording.table("digests")
        minor = int(recording.schema_version.partition(".")[2] or 0)
        if len(chain):
            _follow(recording, verdict)
        elif minor >= TABLES["digests"].since:
            verdict.problems.append("the chain of digests is empty: it was taken out, or the file was never begun")
    journal = journal_of(path)
    if journal.exists():
        reader = JournalReader(journal)
        for _ in reader:
            pass
        verdict.problems += [f"journal: {d} make no sound entry" for d in reader.damage]
    return verdict


def _follow(recording: Recording, verdict: Verdict) -> None:
    chain = recording.table("digests")
    names = {stream_target(s): f"stream {s.name!r}" for s in recording.device.streams}
    rows: dict[str, int] = defaultdict(int)
    before = b""
    ended = False
    for i, row in enumerate(chain):
        target, first, n = row["target"].decode(errors="replace"), int(row["first"]), int(row["n"])
        what = "records" if target in names else "rows"
        place = f"{names.get(target, f'table {target!r}')}, {what} {first} to {first + n - 1} (digest {i})"
        try:
            stored = bytes.fromhex(row["sha256"].decode())
        except ValueError:
            verdict.problems.append(f"digest {i} is no digest")
            continue
        if (target == RECORDING) != (i == 0):
            verdict.problems.append(f"digest {i} is of {target!r}, which is out of order")
        if target not in (RECORDING, ENDED):
            if first != rows[target]:
                verdict.problems.append(f"{place}: rows {rows[target]} to {first - 1} before it have no digest")
            rows[target] = max(rows[target], first + n)
        ended = ended or target == ENDED
        try:
            entry = recording.entry(target, first, n)
            if chained(before, entry) != stored:
                if target == RECORDING:
                    place = "the description of the recording, its head or its streams (attributes)"
                elif target == ENDED:
                    place = f"the end of the session (digest {i})"
                verdict.problems.append(f"{place}: not as it was written")
        except RecordingError as e:
            verdict.problems.append(f"{place}: {e}")
        before = stored  # so that one damage does not hide what comes after it
        verdict.digests.append(stored.hex())
    verdict.n_digests = len(chain)
    for target in [*names, *(t for t in TABLES if t not in UNCHAINED)]:
        surplus = recording.n_rows(target) - rows[target]
        if surplus > 0 and verdict.closed:
            verdict.problems.append(
                f"{names.get(target, f'table {target!r}')}: the last {surplus} rows have no digest: they were added by "
                "other means"
            )
    if verdict.closed and not ended:
        verdict.problems.append("the chain of digests does not reach the end of the session: its end was taken off")
