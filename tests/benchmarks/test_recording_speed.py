"""Speed of recording and of reading back, as ratios to plain h5py on the same array and to the disk itself.

Each writer is compared with a peer of the same duty: forced to the disk every megabyte, or never. What remains of the
ratio is what ours writes beside the samples: a journal, so everything twice, digests, numbers, times and places.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind

pytestmark = pytest.mark.benchmark

RADAR = StreamDescription(
    0, "radar", StreamKind.RADAR, 1, 512, "int16", 1000.0, sampling_interval_s=1e-10, centre_frequency_hz=1e9
)  # fmt: skip
DEVICE = DeviceDescription("m", "s", "f", 1e6, (RADAR,))
STATM = Path("/proc/self/statm")
"""Not the peak that getrusage gives: making the data has raised that before the replay begins."""
N, STEP = 60_000, 1000
"""61 MB, flushed every megabyte: a second of a head that sends that much."""


def blocks() -> list[SampleBlock]:
    raw = np.random.default_rng(1).integers(-9999, 9999, (N, 1, 512)).astype("<i2")
    seq = np.arange(N, dtype=np.int64)
    return [
        SampleBlock(RADAR, *(4 * (seq[i : i + STEP],)), raw[i : i + STEP]) for i in range(0, N, STEP)
    ]  # fmt: skip


def ours(path: Path, made: list[SampleBlock]) -> None:
    with RecordingWriter(path, DEVICE, software="t", created_utc_ns=1) as w:
        for b in made:
            w.write(b)
            w.flush()


def ours_unforced(path: Path, made: list[SampleBlock]) -> None:
    """All the work but the wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        ours(path, made)


def plain(path: Path, made: list[SampleBlock], force: bool = False) -> None:
    with h5py.File(path, "w") as f, path.open("rb") as same:
        d = f.create_dataset("raw", (0, 1, 512), "<i2", maxshape=(None, 1, 512), chunks=(64, 1, 512))
        for b in made:
            d.resize(len(d) + len(b), axis=0)
            d[-len(b) :] = b.raw
            f.flush()
            if force:
                os.fsync(same.fileno())


def plain_forced(path: Path, made: list[SampleBlock]) -> None:
    plain(path, made, force=True)


def disk(path: Path, made: list[SampleBlock]) -> None:
    with path.open("wb", buffering=0) as f:
        for b in made:
            f.write(b.raw.tobytes())
            os.fsync(f.fileno())


def read_ours(path: Path, _: list[SampleBlock]) -> None:
    with open_recording(path) as r:
        assert sum(len(b) for b in r.blocks(256)) == N


def read_plain(path: Path, _: list[SampleBlock]) -> None:
    with h5py.File(path, locking=False) as f:
        d = f["streams/radar/raw"]
        for i in range(0, N, 256):
            d[i : i + 256]


def timed(do: Callable[[Path, list[SampleBlock]], None], path: Path, made: list[SampleBlock]) -> float:
    start = time.perf_counter()
    do(path, made)
    return time.perf_counter() - start


def test_rates_and_size(tmp_path: Path) -> None:
    made = blocks()
    took: dict[str, list[float]] = {}
    for i in range(5):
        for do in (ours, plain_forced, disk, ours_unforced, plain):
            path = tmp_path / f"{do.__name__}{i}.h5"
            took.setdefault(do.__name__, []).append(timed(do, path, made))
            if do is not ours:
                path.unlink()
        kept = tmp_path / f"ours{i}.h5"
        for do in (read_ours, read_plain):
            took.setdefault(do.__name__, []).append(timed(do, kept, made))
    size = kept.stat().st_size / sum(b.raw.nbytes for b in made)
    t = {name: statistics.median(all_) for name, all_ in took.items()}
    megabytes = N * 1024 / 1e6
    for name, seconds in t.items():
        print(f"\n{name}: {megabytes / seconds:.0f} MB/s", end="")
    print(
        f"\nforced to the disk every megabyte, writing takes {t['ours'] / t['plain_forced']:.2f} x plain h5py and "
        f"{t['ours'] / t['disk']:.2f} x the disk's own append; never forced, "
        f"{t['ours_unforced'] / t['plain']:.2f} x plain h5py; reading takes "
        f"{t['read_ours'] / t['read_plain']:.2f} x h5py; size {size:.3f} x samples"
    )


@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
@pytest.mark.timeout(3600)
def test_memory_over_a_replay_is_flat(tmp_path: Path) -> None:
    """1.2 GB, the same 61 MB twenty times; GROUNDSWEEP_REPLAY_GB=10 for as many as that."""
    times = round(float(os.environ.get("GROUNDSWEEP_REPLAY_GB", "1.2")) * 1e9 / 61.44e6)
    path = tmp_path / "a.h5"
    made = blocks()
    with RecordingWriter(path, DEVICE, software="t", created_utc_ns=1, journal=False) as w:
        for i in range(times):
            for b in made:
                later = b.seq + i * N
                w.write(SampleBlock(RADAR, later, later, later, later, b.raw))
    with open_recording(path) as r:
        resident = []
        for i, _ in enumerate(r.blocks(256)):
            if i % 500 == 499:
                resident.append(int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    grown = max(resident) - resident[0]
    print(f"\nresident memory grew by at most {grown:.1f} MB from 0.13 GB to {times * 0.0614:.1f} GB of replay")
    assert grown < 64
