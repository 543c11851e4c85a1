"""Damaged and hostile files: a sentence, no hang, no memory beyond the file's own size, nothing read from elsewhere."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.errors import FormatError
from detector.formats.registry import read_foreign

PI = {"kind": "metal-pi", "rate_hz": 100, "gate_times_s": [1e-5, 2e-5], "time_column": "t_ns", "x_column": "x"}

KINDS = (
    "a.dzt", "two.dzt", "a.dzg", "a.dt1", "a.hd", "a.gps", "a.rd3", "a.rad", "a.rd7", "a.cor", "a.mrk", "a.sgy",
    "ibm.sgy", "a.out", "a1.out", "lane.h5", "lane.json", "p.npy", "p.json", "q.npz", "t.csv", "t.toml",
    "labels.json", "coilMch1.csv",
)  # fmt: skip

EXTREMES = (
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f", b"\0\0\x80\x7f",
    b"\x80\0\0\0", b"-1\n ", b"nan,", b"1e99", b"inf\n", b"9999", b": -5", b"[[[[",
)  # fmt: skip
"""Whole-number and floating-point extremes, NaN and infinity in both byte orders, and such words."""


def a_folder_of_everything(folder: Path, made: SimpleNamespace) -> dict[str, Path]:
    """One small file of each kind with all its companions; name of a part -> the file to read."""
    folder.mkdir(parents=True)
    made.dzt(folder / "a.dzt", scans=20)
    made.fixes(folder / "a.dzg", [0, 5, 9], "dzg")
    made.dzt(folder / "two.dzt", channels=2, ranges=[20.0, 50.0], scans=20)
    made.dt1(folder / "b.dt1", n=12)
    (folder / "b.HD").rename(folder / "b.hd")
    made.fixes(folder / "b.gps", [0, 5, 9], "gps")
    made.mala(folder / "c.rd3", n=12)
    made.fixes(folder / "c.cor", [0, 5, 9], "cor")
    (folder / "c.mrk").write_text("HEADER VERSION:100\n2 word\n5\n")
    made.mala(folder / "d.rd7", n=12)
    made.segy(folder / "e.sgy", n=8)
    made.segy(folder / "f.sgy", n=8, code=1)
    made.gprmax(folder / "g.out", traces=4)
    for k in (1, 2):
        made.gprmax(folder / f"h{k}.out", source_x=0.01 * k)
    with h5py.File(folder / "i.h5", "w") as f:
        f.attrs.update({"dt_s": 1e-11, "centre_frequency_hz": 1e9, "dx_m": 0.02, "soil": "sand"})
        f["ascans"], f["x_m"], f["antenna_height_m"] = np.ones((6, 9), "f4"), np.arange(6.0), np.zeros(6)
    (folder / "i.json").write_text(
        '{"objects": [{"class": "mine", "kind": "PMN", "x_m": 1, "width_m": 0.1, "depth_m": 0.1, "metal": true}]}'
    )
    arrays = {"samples": np.arange(24, dtype="i2").reshape(12, 2), "t_ns": np.arange(12), "x": np.arange(12.0)}
    made.array(folder / "p.npy", {k: PI[k] for k in ("kind", "rate_hz", "gate_times_s")}, samples=arrays["samples"])
    made.array(folder / "q.npz", PI, **arrays)
    (folder / "t.csv").write_text("t_ns,x,a,b\n" + "\n".join(f"{i},{i / 2},{i},{-i}" for i in range(12)))
    (folder / "t.toml").write_text(
        'kind = "metal-pi"\nrate_hz = 100.0\ngate_times_s = [1e-5, 2e-5]\ntime_column = "t_ns"\nx_column = "x"\n'
    )
    (folder / "labels.json").write_text(
        '{"c.rd3": {"kind": "eye", "tol_traces": 3, "targets": [{"trace": 5, "t_ns": 3.0}]}}'
    )
    made.hratc(folder / "grids", 6)
    parts = {
        "a.dzt": "a.dzt", "a.dzg": "a.dzt", "two.dzt": "two.dzt", "a.dt1": "b.dt1", "a.hd": "b.dt1", "a.gps": "b.dt1",
        "a.rd3": "c.rd3", "a.rad": "c.rd3", "a.rd7": "d.rd7", "a.cor": "c.rd3", "a.mrk": "c.rd3", "a.sgy": "e.sgy",
        "ibm.sgy": "f.sgy", "a.out": "g.out", "a1.out": "h1.out", "lane.h5": "i.h5", "lane.json": "i.h5",
        "p.npy": "p.npy", "p.json": "p.npy", "q.npz": "q.npz", "t.csv": "t.csv", "t.toml": "t.csv",
        "labels.json": "c.rd3", "coilMch1.csv": "grids",
    }  # fmt: skip
    return {part: folder / name for part, name in parts.items()}


def part_of(read: Path, part: str) -> Path:
    """The file that is spoilt, to read `read`."""
    if part == "labels.json":
        return read.parent / part
    return read / part if read.is_dir() else read.with_suffix(Path(part).suffix)


def try_to_read(path: Path, size: int) -> None:
    """Reading ends with samples or a sentence, and takes little memory."""
    said = ""
    tracemalloc.start()
    try:
        r = read_foreign(path)
    except FormatError as e:
        said = str(e)
    else:
        for b in r.blocks:
            assert len(b)
            assert b.raw.dtype.kind != "f" or np.isfinite(b.raw).all()
        r.gaps()
        r.positions()
        r.truth()
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < (16 << 20) + 60 * size, f"{peak} bytes of memory for {size} in the file"
    assert not said or (len(said) > 20 and said.rstrip().endswith((".", ")"))), said


def test_the_files_that_are_spoilt_below_are_sound(tmp_path: Path, made: SimpleNamespace) -> None:
    parts = a_folder_of_everything(tmp_path / "x", made)
    assert set(parts) == set(KINDS)
    for part, path in parts.items():
        assert part_of(path, part).is_file(), part
        assert len(read_foreign(path).blocks[0]) > 1
    assert len(read_foreign(parts["a.rd3"]).truth()) == 1
    assert len(read_foreign(parts["a.dzt"]).positions()) == 3


@pytest.mark.parametrize("part", KINDS)
def test_a_spoilt_file_is_read_or_explained(
    tmp_path_factory: pytest.TempPathFactory, made: SimpleNamespace, part: str
) -> None:
    folder = tmp_path_factory.mktemp("spoilt") / "x"
    path = a_folder_of_everything(folder, made)[part]
    spoilt = part_of(path, part)
    whole = spoilt.read_bytes()
    # headers are where damage can mislead
    places = st.one_of(st.integers(0, min(len(whole) - 1, 200)), st.integers(0, len(whole) - 1))
    damage = st.one_of(
        st.tuples(st.just("set"), places, st.sampled_from(EXTREMES)),
        st.tuples(st.just("set"), places, st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("flip"), places, st.integers(0, 7)),
        st.tuples(st.just("cut"), places, st.none()),
        st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=40)),
    )

    @settings(
        max_examples=int(os.environ.get("GROUNDSWEEP_FUZZ", "60")), deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
    @given(st.lists(damage, min_size=1, max_size=4))
    def spoil(harms: list[tuple[str, int, object]]) -> None:
        data = bytearray(whole)
        for how, at, what in harms:
            if how == "set":
                data[at : at + len(what)] = what
            elif how == "flip" and at < len(data):
                data[at] ^= 1 << what
            elif how == "cut":
                del data[at:]
            elif how == "insert":
                data[at:at] = what
        spoilt.write_bytes(data)
        try_to_read(path, len(whole))

    spoil()


@pytest.mark.parametrize("suffix", ["dzt", "dt1", "rd3", "sgy", "out", "h5", "npy", "npz", "csv"])
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=5000))
def test_any_bytes_at_all(tmp_path_factory: pytest.TempPathFactory, suffix: str, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / f"a.{suffix}"
    path.write_bytes(data)
    if suffix in ("npy", "npz", "csv"):
        path.with_suffix(".toml").write_text('kind = "metal"\nrate_hz = 10.0')
    try_to_read(path, len(data))


@pytest.mark.parametrize(
    ("part", "companion"), [("a.dt1", "b.hd"), ("a.rd3", "c.rad"), ("p.npy", "p.json"), ("t.csv", "t.toml")]
)
def test_a_missing_companion_is_named(tmp_path: Path, made: SimpleNamespace, part: str, companion: str) -> None:
    path = a_folder_of_everything(tmp_path / "x", made)[part]
    (path.parent / companion).unlink()
    with pytest.raises(FormatError, match=Path(companion).stem):
        read_foreign(path)


def npy(shape: tuple[int, ...], body: bytes, descr: str = "<f8") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", npy((10**12, 8), bytes(64))),
        ("a.npy", npy((2**62, 2**62), bytes(64))),
        ("a.npy", npy((-4, -2), bytes(64))),
        ("a.npy", npy((0, 3), b"")),
        ("a.npy", npy((2, 4), bytes(64), "|O")),
        ("a.npy", npy((2, 4), bytes(64), "|V8")),
    ],
)
def test_an_array_that_declares_what_it_does_not_hold(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "a.toml").write_text('kind = "metal"\nrate_hz = 10.0')
    with pytest.raises(FormatError):
        try_to_raise(tmp_path / name)


def try_to_raise(path: Path) -> None:
    """As :func:`try_to_read`, and the error goes on."""
    tracemalloc.start()
    try:
        read_foreign(path)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < (16 << 20) + 60 * path.stat().st_size


def test_an_archive_that_expands_without_end_is_not_expanded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples.npy", npy((1 << 25, 1), bytes(8 << 25)))
    assert path.stat().st_size < 1 << 20
    (tmp_path / "a.toml").write_text('kind = "metal"\nrate_hz = 10.0')
    with pytest.raises(FormatError, match="expands"):
        try_to_raise(path)


def _lane(path: Path, fill: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "w") as f:
        f.attrs.update({"dt_s": 1e-11, "centre_frequency_hz": 1e9, "dx_m": 0.02, "soil": "sand"})
        f["x_m"], f["antenna_height_m"] = np.arange(6.0), np.zeros(6)
        fill(f)


def _huge(f: h5py.File) -> None:
    f.create_dataset("ascans", (6, 10**12), "f4", chunks=(1, 1024))


def _bomb(f: h5py.File) -> None:
    f.create_dataset("ascans", data=np.zeros((6, 1 << 22), "f4"), chunks=(1, 1 << 20), compression="gzip")


def test_hdf5_links_out_of_the_file_are_not_followed(tmp_path: Path, made: SimpleNamespace) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as f:
        f["ascans"] = np.ones((6, 9), "f4")
    (tmp_path / "secret.bin").write_bytes(np.ones((6, 9), "f4").tobytes())
    layout = h5py.VirtualLayout((6, 9), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "ascans", (6, 9))
    cases: dict[str, Callable[[h5py.File], None]] = {
        "external link": lambda f: f.__setitem__("ascans", h5py.ExternalLink(str(secret), "ascans")),
        "soft link": lambda f: f.__setitem__("ascans", h5py.SoftLink("/x_m")),
        "dangling": lambda f: f.__setitem__("ascans", h5py.SoftLink("/nowhere")),
        "external storage": lambda f: f.create_dataset(
            "ascans", (6, 9), "f4", external=[(str(tmp_path / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
        ),
        "virtual": lambda f: f.create_virtual_dataset("ascans", layout),
        "group": lambda f: f.create_group("ascans"),
        "text": lambda f: f.__setitem__("ascans", "hello"),
        "huge": _huge,
        "bomb": _bomb,
    }
    for name, fill in cases.items():
        path = tmp_path / f"{name}.h5"
        _lane(path, fill)
        with pytest.raises(FormatError):
            try_to_raise(path)
    made.gprmax(tmp_path / "a.out")
    with h5py.File(tmp_path / "a.out", "r+") as f:
        del f["rxs/rx1/Ez"]
        f["rxs/rx1/Ez"] = h5py.ExternalLink(str(secret), "ascans")
    with pytest.raises(FormatError, match="not followed"):
        read_foreign(tmp_path / "a.out")


def test_a_device_or_a_pipe_is_not_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.dzt")
    with pytest.raises(FormatError, match="not a file"):
        read_foreign(tmp_path / "a.dzt")
    (tmp_path / "b.dzt").symlink_to("/dev/zero")
    with pytest.raises(FormatError, match="not a file"):
        read_foreign(tmp_path / "b.dzt")
