"""Which rows of a damaged file are as they were written: those of entries whose digest in its own chain fits."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from detector.errors import RecordingError
from detector.recording.entries import DIGEST_BYTES, chained
from detector.recording.reader import Recording
from detector.recording.tables import TABLES


class Proof:
    """Tests entries of a file against its chain of digests, each once, when it is asked for."""

    def __init__(self, file: Recording, digests: list[tuple[str, int, int, bytes, bytes]]) -> None:
        self._file = file
        self._entries: dict[str, list[tuple[int, int, bytes, bytes]]] = defaultdict(list)
        """Of each target: first row, row after the last, digest before, digest."""
        for target, first, n, before, digest in digests:
            self._entries[target].append((first, first + n, before, digest))
        for entries in self._entries.values():
            entries.sort(key=lambda e: e[0])
        self._sound: dict[tuple[str, int], bool] = {}

    def parts(self, target: str, start: int, stop: int) -> Iterator[tuple[int, int, bool]]:
        """(first, end, sound) pieces that make up rows start to stop - 1; rows without a digest are not sound."""
        entries = self._entries.get(target, [])
        at = start
        for i in range(max(0, bisect_right(entries, start, key=lambda e: e[0]) - 1), len(entries)):
            first, end, _, _ = entries[i]
            if first >= stop or at >= stop:
                break
            if end <= at:
                continue
            if first > at:
                yield at, first, False
                at = first
            yield at, min(end, stop), self._holds(target, i)
            at = min(end, stop)
        if at < stop:
            yield at, stop, False

    def _holds(self, target: str, i: int) -> bool:
        if (target, i) not in self._sound:
            first, end, before, digest = self._entries[target][i]
            try:
                self._sound[target, i] = chained(before, self._file.entry(target, first, end - first)) == digest
            except RecordingError:
                self._sound[target, i] = False
        return self._sound[target, i]


def proof_of(file: Recording, journal: bool, damage: list[str]) -> Proof | None:
    """What proves the rows of a file; None where nothing can, and they have to be taken as they are.

    That is so for files of a format older than the chain; and, which is added to `damage`, where the chain is gone and
    there is no journal either, so that there is nothing else to recover from.
    """
    if int(file.schema_version.partition(".")[2] or 0) < TABLES["digests"].since:
        return None
    digests: list[tuple[str, int, int, bytes, bytes]] = []
    before = b""
    try:
        for row in file.table("digests"):
            try:
                digest = bytes.fromhex(row["sha256"].decode())
            except ValueError:
                digest = b""
            if len(digest) == DIGEST_BYTES and row["n"] > 0 and row["first"] >= 0:
                target = row["target"].decode(errors="replace")
                digests.append((target, int(row["first"]), int(row["n"]), before, digest))
            before = digest
    except RecordingError as e:
        damage.append(str(e))
    if not digests and not journal:
        damage.append("the chain of digests is gone, and there is no journal: nothing proves what the file holds")
        return None
    return Proof(file, digests)
