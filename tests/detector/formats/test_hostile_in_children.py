"""Spoilt files of other programs in processes with little memory and time: none crashes, hangs, or leads elsewhere."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from tests.detector.formats.test_hostile_files import EXTREMES, KINDS, a_folder_of_everything, part_of

READ_ALL = """
import resource, sys
from pathlib import Path
from detector.errors import FormatError
from detector.formats.registry import read_foreign
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (90, 90))
for name in sys.argv[1:]:
    try:
        r = read_foreign(Path(name))
        for b in r.blocks:
            b.raw.sum()
        r.gaps(), r.positions(), r.truth(), r.events()
        print("read", name)
    except FormatError as e:
        assert len(str(e)) > 20
        print("refused", name)
"""


def read_all(paths: list[Path]) -> list[str]:
    """'read' or 'refused' for each."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *map(str, paths)], capture_output=True, text=True, timeout=200,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = [line.split()[0] for line in done.stdout.splitlines()]
    assert len(told) == len(paths)
    return told


def spoil(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice([1, 2, 5, 30])):
        # headers are where damage can mislead
        at = dice.randrange(min(len(data), 200) if dice.random() < 0.5 else len(data))
        how = dice.random()
        if how < 0.5:
            data[at] = dice.randrange(256)
        elif how < 0.9:
            what = dice.choice(EXTREMES)
            data[at : at + len(what)] = what
        elif how < 0.95:
            del data[max(1, at) :]
        else:
            data[at:at] = dice.randbytes(dice.randrange(1, 40))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_spoilt_part_of_any_format_crashes_or_hangs(tmp_path: Path, made: SimpleNamespace) -> None:
    """30 spoilt versions of each of two dozen parts."""
    dice = random.Random(20261125)
    whole = a_folder_of_everything(tmp_path / "whole", made)
    for part in KINDS:
        paths = []
        for i in range(30):
            folder = tmp_path / f"{KINDS.index(part)}-{i}"
            shutil.copytree(tmp_path / "whole", folder)
            path = folder / whole[part].name
            target = part_of(path, part)
            data = bytearray(target.read_bytes())
            spoil(data, dice)
            target.write_bytes(data)
            paths.append(path)
        read_all(paths)
        for path in paths:
            shutil.rmtree(path.parent)


def test_hdf5_of_others_that_leads_to_a_pipe_is_refused_and_not_waited_for(
    tmp_path: Path, made: SimpleNamespace
) -> None:
    """Nobody writes to the pipe: who only opened it would wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    layout = h5py.VirtualLayout((6, 9), "f4")
    layout[:] = h5py.VirtualSource(str(pipe), "ascans", (6, 9))
    paths = []
    for name in ("link", "storage", "virtual", "places"):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as f:
            f.attrs.update({"dt_s": 1e-11, "centre_frequency_hz": 1e9, "dx_m": 0.02, "soil": "sand"})
            f["antenna_height_m"] = np.zeros(6)
            if name == "places":
                f["ascans"], f["x_m"] = np.ones((6, 9), "f4"), h5py.ExternalLink(str(pipe), "x_m")
            else:
                f["x_m"] = np.arange(6.0)
            if name == "link":
                f["ascans"] = h5py.ExternalLink(str(pipe), "ascans")
            elif name == "storage":
                f.create_dataset("ascans", (6, 9), "f4", external=[(str(pipe), 0, h5py.h5f.UNLIMITED)])
            elif name == "virtual":
                f.create_virtual_dataset("ascans", layout)
        paths.append(path)
    for name, place in (("field", "rxs/rx1/Ez"), ("receivers", "rxs"), ("sources", "srcs")):
        path = tmp_path / f"{name}.out"
        made.gprmax(path)
        with h5py.File(path, "r+") as f:
            del f[place]
            f[place] = h5py.ExternalLink(str(pipe), place)
        paths.append(path)
    # where the transmitter was is not needed: without it the file is read
    assert read_all(paths) == ["refused"] * 6 + ["read"]
