"""Nothing lost: whatever ends a session, samples older than a second are there and equal to what was sent."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from detector.errors import RecordingError
from detector.recording.integrity import verify
from detector.recording.journal import journal_of
from detector.recording.reader import open_recording
from detector.recording.recovery import recover

sys.path.insert(0, str(Path(__file__).parent))
from crash_child import DEVICE, METAL, RADAR, records

SAFE_S = 1.0
"""What a fault may cost, s."""

FAULTS = ("killed", "file cut", "journal cut", "power cut", "disk full")
SEED = 20261124


@dataclass
class Child:
    """A recording process, and what it told."""

    path: Path
    process: subprocess.Popen[bytes]
    sent: list[tuple[float, int, int]] = field(default_factory=list)
    synced: int = 0
    error: str = ""
    ended: float = 0.0

    def sent_before(self, moment: float) -> dict[str, int]:
        """Records of each stream that had been handed over by then."""
        before = [s for s in self.sent if s[0] <= moment]
        return {"metal": before[-1][1], "radar": before[-1][2]} if before else {"metal": 0, "radar": 0}


def record_until(path: Path, seconds: float, *, file_limit: int = 0, reserve: int = 0) -> Child:
    """Record in another process and kill it after so long, unless it ends by itself; then read what it told."""
    script = str(Path(__file__).with_name("crash_child.py"))
    command = [sys.executable, script, str(path), str(file_limit), str(reserve)]
    told = path.with_suffix(".told")
    with told.open("wb") as out:
        root = str(Path(__file__).parents[2])
        process = subprocess.Popen(command, stdout=out, env={**os.environ, "PYTHONPATH": root})
        child = Child(path, process)
        limit = time.monotonic() + 60
        while b"begun" not in told.read_bytes() and process.poll() is None:
            assert time.monotonic() < limit
            time.sleep(0.01)
        until = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        child.ended = time.monotonic()
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    for line in told.read_text().splitlines():
        kind, *rest = line.split(" ")
        if kind == "sent":
            child.sent.append((float(rest[0]), int(rest[1]), int(rest[2])))
        elif kind == "synced":
            child.synced = int(rest[0])
        elif kind == "error":
            child.ended, child.error = float(rest[0]), " ".join(rest[1:])
    return child


def cut(path: Path, dice: random.Random) -> None:
    """Cut a file at a random byte."""
    os.truncate(path, dice.randrange(path.stat().st_size + 1))


def lose_power(child: Child, dice: random.Random) -> None:
    """Only what was forced to disk is sure: the journal ends there or later, and any page of the file may be gone."""
    journal = journal_of(child.path)
    os.truncate(journal, dice.randint(child.synced, journal.stat().st_size))
    with child.path.open("r+b") as f:
        size = f.seek(0, 2)
        for _ in range(dice.randint(1, 20)):
            f.seek(4096 * dice.randrange(size // 4096 + 1))
            f.write(bytes(4096))


def check(child: Child, path: Path) -> None:
    """Every record that is there is as it was sent, none is missing before the last, and none that was due is."""
    due = child.sent_before(child.ended - SAFE_S)
    with open_recording(path) as r:
        assert r.closed
        for stream in (METAL, RADAR):
            n = r.n_records(stream.name)
            assert n >= due[stream.name], f"{stream.name}: {n} records of the {due[stream.name]} that were due"
            for start in range(0, n, 500):
                stop = min(n, start + 500)
                got, wanted = r.block(stream.name, start, stop), records(stream, start, stop)
                for column in ("seq", "tick", "utc_ns", "odometer_um", "raw"):
                    assert getattr(got, column).tobytes() == getattr(wanted, column).tobytes()
        assert r.device == DEVICE
        if due["metal"]:
            assert r.events()[0].text == "begun"
    assert verify(path).sound


def one_round(folder: Path, number: int) -> None:
    dice = random.Random(SEED + number)
    fault = FAULTS[number % len(FAULTS)]
    path = folder / f"{number}.h5"
    seconds = dice.uniform(0.2, 2.5)
    if fault == "disk full":
        child = record_until(path, 60, file_limit=dice.randint(5_200_000, 8_000_000))
        assert "cannot be written" in child.error
        assert child.process.returncode == 2
    else:
        child = record_until(path, seconds)
    if fault == "file cut":
        cut(path, dice)
    elif fault == "journal cut":
        cut(journal_of(path), dice)
    elif fault == "power cut":
        lose_power(child, dice)
    before = {p: p.read_bytes() for p in (path, journal_of(path))}
    out = folder / f"{number}-recovered.h5"
    try:
        recover(path, out, utc_ns=1)
    except RecordingError:
        # where a cut left less than the description, nothing can have been due
        assert sum(child.sent_before(child.ended - SAFE_S).values()) == 0
    else:
        check(child, out)
    assert {p: p.read_bytes() for p in before} == before
    for p in folder.iterdir():
        p.unlink()


@pytest.mark.parametrize("number", range(15))
def test_a_fault_costs_at_most_a_second(tmp_path: Path, number: int) -> None:
    one_round(tmp_path, number)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(1000, 1205, 41))
def test_no_fault_of_two_hundred_costs_more_than_a_second(tmp_path: Path, first: int) -> None:
    for number in range(first, first + 41):
        one_round(tmp_path, number)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"mounting a small file system needs rights that this user lacks: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_to_the_last_byte_costs_at_most_a_second(small_disk: Path, tmp_path: Path) -> None:
    child = record_until(small_disk / "a.h5", 60)
    assert "cannot be written" in child.error
    recover(child.path, tmp_path / "out.h5", utc_ns=1)
    check(child, tmp_path / "out.h5")


def test_the_reserve_ends_a_recording_in_order(small_disk: Path, tmp_path: Path) -> None:
    child = record_until(small_disk / "a.h5", 60, reserve=3 << 20)
    assert "What came before is whole" in child.error
    assert not journal_of(child.path).exists()
    check(child, child.path)
    with open_recording(child.path) as r:
        assert "less than 3 MB left" in r.events()[-1].text
