"""Files of every format with random sizes and random samples, against a parse that knows the published layout alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.formats.registry import read_foreign
from detector.samples import SampleBlock

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds, traces, points = st.integers(0, 2**32), st.integers(1, 40), st.integers(8, 70)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def refill(path: Path, seed: int, head: int, skip: int = 0, row: int = 0) -> bytes:
    """Random bytes for every sample byte of a file: `row` of them after each `skip`, or all after `head`."""
    data = bytearray(path.read_bytes())
    dice = np.random.default_rng(seed)
    at = head
    while at < len(data):
        n = row or len(data) - at - skip
        data[at + skip : at + skip + n] = dice.bytes(n)
        at += skip + n
    path.write_bytes(data)
    return bytes(data)


def samples(path: Path) -> np.ndarray:
    """(records, channels, values) of the only stream."""
    (block,) = read_foreign(path).blocks
    assert isinstance(block, SampleBlock)
    assert np.array_equal(block.seq, np.arange(len(block)))
    return block.raw


@few
@given(seed=seeds, n=traces, nsamp=points, bits=st.sampled_from([8, 16, 32]), channels=st.integers(1, 4))
def test_gssi(made: SimpleNamespace, seed: int, n: int, nsamp: int, bits: int, channels: int) -> None:
    """GSSI DZT: rh_nsamp at byte 4, rh_bits at 6, 1024 bytes of header a channel, scans of all channels in turn."""
    with folder() as f:
        made.dzt(f / "a.dzt", nsamp=nsamp, bits=bits, scans=n, channels=channels)
        data = refill(f / "a.dzt", seed, 1024 * channels)
        kind = {8: "u1", 16: "<u2", 32: "<i4"}[bits]
        wanted = np.frombuffer(data, kind, offset=1024 * channels).reshape(n, channels, nsamp)
        np.testing.assert_array_equal(samples(f / "a.dzt"), wanted)


@few
@given(seed=seeds, n=traces, nsamp=points, unit=st.sampled_from(["m", "ft"]))
def test_sensors_and_software(made: SimpleNamespace, seed: int, n: int, nsamp: int, unit: str) -> None:
    """DT1: for each trace 25 floats and 28 bytes, then the samples; its position is the second float."""
    with folder() as f:
        made.dt1(f / "a.dt1", n=n, points=nsamp, unit=unit, step=0.25)
        data = refill(f / "a.dt1", seed, 0, 128, 2 * nsamp)
        rows = np.frombuffer(data, np.dtype([("head", "<f4", 25), ("note", "S28"), ("raw", "<i2", nsamp)]))
        (block,) = read_foreign(f / "a.dt1").blocks
        np.testing.assert_array_equal(block.raw[:, 0], rows["raw"])
        feet = 0.3048 if unit == "ft" else 1.0
        np.testing.assert_allclose(block.odometer_m, rows["head"][:, 1] * feet, atol=1e-6)


@few
@given(seed=seeds, n=traces, nsamp=points, suffix=st.sampled_from(["rd3", "rd7"]))
def test_mala(made: SimpleNamespace, seed: int, n: int, nsamp: int, suffix: str) -> None:
    """RD3 and RD7: nothing but 16- or 32-bit samples, trace after trace."""
    with folder() as f:
        made.mala(f / f"a.{suffix}", n=n, nsamp=nsamp)
        data = refill(f / f"a.{suffix}", seed, 0)
        wanted = np.frombuffer(data, "<i2" if suffix == "rd3" else "<i4").reshape(n, 1, nsamp)
        np.testing.assert_array_equal(samples(f / f"a.{suffix}"), wanted)


@few
@given(seed=seeds, n=traces, nsamp=points, code=st.sampled_from([2, 3]), order=st.sampled_from("<>"))
def test_segy(made: SimpleNamespace, seed: int, n: int, nsamp: int, code: int, order: str) -> None:
    """SEG-Y: 3600 bytes, then for each trace 240 bytes and its samples; codes 2 and 3 are two's complement."""
    kind = {2: f"{order}i4", 3: f"{order}i2"}[code]
    width = np.dtype(kind).itemsize
    with folder() as f:
        made.segy(f / "a.sgy", code=code, n=n, points=nsamp, order=order)
        data = refill(f / "a.sgy", seed, 3600, 240, width * nsamp)
        rows = np.frombuffer(data, np.dtype([("head", "V240"), ("raw", kind, nsamp)]), offset=3600)
        np.testing.assert_array_equal(samples(f / "a.sgy")[:, 0], rows["raw"])


@few
@given(seed=seeds, n=st.integers(2, 20), iterations=points, receivers=st.integers(1, 3))
def test_gprmax(made: SimpleNamespace, seed: int, n: int, iterations: int, receivers: int) -> None:
    """A merged gprMax file: rxs/rxN/Ez is (iterations, traces); Ez is the strongest here."""
    fields = np.random.default_rng(seed).normal(scale=100, size=(receivers, iterations, n)).astype("f4")
    with folder() as f:
        made.gprmax(f / "a.out", traces=n, iterations=iterations, receivers=receivers)
        with h5py.File(f / "a.out", "r+") as out:
            for r in range(receivers):
                out[f"rxs/rx{r + 1}/Ez"][:] = fields[r]
        np.testing.assert_array_equal(samples(f / "a.out"), fields.transpose(2, 0, 1))


@few
@given(seed=seeds, n=traces, gates=st.integers(1, 6), kind=st.sampled_from(["i2", "u2", "i4", "f4"]),
       suffix=st.sampled_from(["npy", "npz", "csv"]))  # fmt: skip
def test_plain_arrays(made: SimpleNamespace, seed: int, n: int, gates: int, kind: str, suffix: str) -> None:
    dice = np.random.default_rng(seed)
    wanted = dice.integers(0, 30_000, size=(n, gates)).astype(kind)
    about = {"kind": "metal-pi", "rate_hz": 100, "gate_times_s": [1e-5 * (g + 1) for g in range(gates)],
             "sample_type": {"i2": "int16", "u2": "uint16", "i4": "int32", "f4": "float32"}[kind]}  # fmt: skip
    with folder() as f:
        path = f / f"a.{suffix}"
        made.array(f / ("a.npz" if suffix == "csv" else path.name), about, samples=wanted)
        if suffix == "csv":
            path.write_text("\n".join(",".join(map(str, row)) for row in wanted.tolist()))
        np.testing.assert_array_equal(samples(path)[:, 0], wanted)
