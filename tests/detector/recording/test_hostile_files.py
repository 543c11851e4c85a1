"""Files that nobody vouches for: an error that says so, in a moment, and nothing read from elsewhere.

Each file is read in a process of its own, with little memory and a time limit.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import RecordingError
from detector.recording import schema
from detector.recording.reader import open_recording
from detector.recording.tables import TABLES

VERSIONS = Path(__file__).parent / "versions"
EVENTS = TABLES["events"].dtype
SECRET = 424242

READ_ALL = """
import resource, sys
from pathlib import Path
from detector.errors import RecordingError
from detector.recording.integrity import verify
from detector.recording.reader import open_recording
from detector.recording.tables import TABLES
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (90, 90))
for name in sys.argv[1:]:
    path = Path(name)
    try:
        with open_recording(path) as r:
            for block in r.blocks():
                assert not (block.raw == 424242).any()
            for table in TABLES:
                r.table(table)
            r.events(), r.gaps(), r.labels(), r.truth(), r.detections(), r.positions(), r.parameters(), r.clock_fits()
        verify(path)
        print("read", name)
    except RecordingError as e:
        print("refused", name, str(e)[:200].replace(chr(10), " "))
"""


def read_all(*paths: Path, seconds: float = 100) -> list[str]:
    """What became of each file: 'read ...' or 'refused ...'."""
    command = [sys.executable, "-c", READ_ALL, *map(str, paths)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths)
    return lines


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 1 << 30), version=st.sampled_from(["1.0", "1.1", "1.2", "1.3"]))
def test_flipped_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, seed: int, version: str) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    good = (VERSIONS / f"{version}.h5").read_bytes()
    dice = random.Random(seed)
    paths = []
    for i in range(40):
        data = bytearray(good)
        for _ in range(dice.choice([1, 3, 30])):
            at = dice.randrange(len(data) if dice.random() < 0.5 else 20_000)
            data[at] = dice.randrange(256)
        if dice.random() < 0.2:
            del data[dice.randrange(len(data)) :]
        elif dice.random() < 0.2:
            at = 4096 * dice.randrange(len(data) // 4096)
            data[at : at + 4096] = bytes(4096)
        paths.append(folder / f"{i}.h5")
        paths[-1].write_bytes(data)
    read_all(*paths)
    shutil.rmtree(folder)


def external_link(f: h5py.File, other: Path) -> None:
    del f["streams/mine/raw"]
    f["streams/mine/raw"] = h5py.ExternalLink(str(other), "raw")


def external_group(f: h5py.File, other: Path) -> None:
    del f["events"]
    f["events"] = h5py.ExternalLink(str(other), "events")


def soft_link(f: h5py.File, other: Path) -> None:
    del f["streams/mine/raw"]
    f["streams/mine/raw"] = h5py.SoftLink("/streams/mine/seq")


def virtual(f: h5py.File, other: Path) -> None:
    raw = f["streams/mine/raw"]
    layout = h5py.VirtualLayout(raw.shape, raw.dtype, maxshape=(None, *raw.shape[1:]))
    layout[:] = h5py.VirtualSource(str(other), "raw", raw.shape, raw.dtype)
    del f["streams/mine/raw"]
    f.create_virtual_dataset("streams/mine/raw", layout)


def external_storage(f: h5py.File, other: Path) -> None:
    raw = f["streams/mine/raw"]
    shape, dtype = raw.shape, raw.dtype
    del f["streams/mine/raw"]
    f.create_dataset("streams/mine/raw", shape, dtype, external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def huge_size(f: h5py.File, other: Path) -> None:
    for name in (*schema.COLUMNS, "raw"):
        f[f"streams/mine/{name}"].resize(1 << 50, axis=0)


def huge_table(f: h5py.File, other: Path) -> None:
    f["events"].resize(1 << 50, axis=0)


def huge_chunk(f: h5py.File, other: Path) -> None:
    del f["events"]
    f.create_dataset("events", (0,), EVENTS, maxshape=(None,), chunks=(1 << 22,), compression="gzip")


def missing_group(f: h5py.File, other: Path) -> None:
    del f["streams"]


def missing_column(f: h5py.File, other: Path) -> None:
    del f["streams/mine/tick"]


def wrong_type(f: h5py.File, other: Path) -> None:
    del f["streams/mine/raw"]
    f["streams/mine/raw"] = np.zeros((3, 1, 3), "<f8")


def table_is_group(f: h5py.File, other: Path) -> None:
    del f["labels"]
    f.create_group("labels")


def wrong_columns(f: h5py.File, other: Path) -> None:
    del f["gaps"]
    f["gaps"] = np.zeros(3, [("stream_id", "<f4")])


def group_in_itself(f: h5py.File, other: Path) -> None:
    f["streams/again"] = f["streams"]


def text_for_number(f: h5py.File, other: Path) -> None:
    f["streams/mine"].attrs["rate_hz"] = "fast"


def links_round_in_circles(f: h5py.File, other: Path) -> None:
    del f["streams/mine/seq"]
    f["streams/mine/seq"] = h5py.SoftLink("/streams/mine/seq")


def streams_elsewhere(f: h5py.File, other: Path) -> None:
    del f["streams"]
    f["streams"] = h5py.ExternalLink(str(other), "/")


def device_elsewhere(f: h5py.File, other: Path) -> None:
    del f["device"]
    f["device"] = h5py.SoftLink("/streams/mine")


def end_elsewhere(f: h5py.File, other: Path) -> None:
    del f["closed"]
    f["closed"] = h5py.ExternalLink(str(other), "raw")


def table_elsewhere(f: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((3,), EVENTS, maxshape=(None,))
    layout[:] = h5py.VirtualSource(str(other), "events", (3,), EVENTS)
    del f["events"]
    f.create_virtual_dataset("events", layout)


def table_stored_elsewhere(f: h5py.File, other: Path) -> None:
    del f["labels"]
    f.create_dataset("labels", (3,), TABLES["labels"].dtype, external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def table_without_space(f: h5py.File, other: Path) -> None:
    del f["events"]
    f.create_dataset("events", dtype=EVENTS, data=h5py.Empty(EVENTS))


def texts_of_any_length(f: h5py.File, other: Path) -> None:
    fields = [(n, h5py.string_dtype() if n == "text" else EVENTS[n]) for n in EVENTS.names]
    del f["events"]
    f.create_dataset("events", (2,), np.dtype(fields), maxshape=(None,))


def numbers_by_thousands(f: h5py.File, other: Path) -> None:
    f["streams/mine"].attrs["scale"] = np.ones(5000)


def a_width_that_is_not_there(f: h5py.File, other: Path) -> None:
    f["streams/mine"].attrs["values"] = (1 << 31) - 1


def a_reference_for_a_text(f: h5py.File, other: Path) -> None:
    f.attrs["profile"] = f["streams"].ref


def a_stream_under_another_name(f: h5py.File, other: Path) -> None:
    f["streams/other"] = f["streams/mine"]


ATTACKS: list[Callable[[h5py.File, Path], None]] = [
    external_link, external_group, soft_link, virtual, external_storage, huge_size, huge_table, huge_chunk,
    missing_group, missing_column, wrong_type, table_is_group, wrong_columns, group_in_itself, text_for_number,
    links_round_in_circles, streams_elsewhere, device_elsewhere, end_elsewhere, table_elsewhere,
    table_stored_elsewhere, table_without_space, texts_of_any_length, numbers_by_thousands,
    a_width_that_is_not_there, a_stream_under_another_name,
]  # fmt: skip


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "a.h5"
    shutil.copy(VERSIONS / "1.2.h5", path)
    return path


def attacked(path: Path, version: str, attacks: list[Callable[[h5py.File, Path], None]], other: Path) -> Path:
    """A file of that version, spoilt."""
    shutil.copy(VERSIONS / f"{version}.h5", path)
    with h5py.File(path, "r+", locking=False) as f:
        name = next(iter(f["streams"]))
        if name != "mine":
            f.move(f"streams/{name}", "streams/mine")
            f["streams/mine"].attrs["name"] = "mine"
        for attack in attacks:
            # one attack may have taken away what the next one spoils
            with contextlib.suppress(KeyError, ValueError, OSError, AttributeError, RuntimeError, TypeError):
                attack(f, other)
    return path


@pytest.mark.parametrize("lure", ["file", "pipe"])
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_every_attack_is_refused(tmp_path: Path, version: str, lure: str) -> None:
    """Where links lead to a pipe that nobody writes to, who only opened it would wait for ever."""
    other = tmp_path / "other.h5"
    if lure == "pipe":
        os.mkfifo(other)
    else:
        with h5py.File(other, "w", locking=False) as f:
            f["raw"] = np.full((4096, 3, 3), SECRET, "<i4")
            f["events"] = np.zeros(3, EVENTS)
    paths = [attacked(tmp_path / f"{a.__name__}.h5", version, [a], other) for a in ATTACKS]
    told = read_all(*paths)
    assert [line.split()[0] for line in told] == ["refused"] * len(ATTACKS), "\n".join(told)


def test_a_link_out_of_the_file_is_called_one(victim: Path, tmp_path: Path) -> None:
    with h5py.File(victim, "r+", locking=False) as f:
        external_group(f, tmp_path / "other.h5")
    with open_recording(victim) as r, pytest.raises(RecordingError, match="a link to elsewhere"):
        r.events()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_attacks_together_and_flipped_bytes_neither_hang_nor_crash_nor_read_elsewhere(tmp_path: Path) -> None:
    """600 files, each of one to three attacks and, two times in three, of up to 30 changed bytes."""
    dice = random.Random(20261125)
    other = tmp_path / "other.h5"
    os.mkfifo(other)
    for batch in range(15):
        paths = []
        for i in range(40):
            chosen = dice.sample([*ATTACKS, a_reference_for_a_text], dice.randint(1, 3))
            path = attacked(tmp_path / f"{batch}-{i}.h5", dice.choice(["1.0", "1.1", "1.2"]), chosen, other)
            data = bytearray(path.read_bytes())
            for _ in range(dice.choice([0, 3, 30])):
                data[dice.randrange(min(len(data), 40_000))] = dice.randrange(256)
            path.write_bytes(data)
            paths.append(path)
        read_all(*paths)
        for path in paths:
            path.unlink()


def test_a_text_heap_of_zeros_does_not_hang(tmp_path: Path) -> None:
    data = bytearray((VERSIONS / "1.1.h5").read_bytes())
    at = data.find(b"GCOL")
    assert at > 0
    data[at + 16 : at + 4000] = bytes(3984)
    path = tmp_path / "a.h5"
    path.write_bytes(data)
    assert read_all(path)[0].startswith("refused")
