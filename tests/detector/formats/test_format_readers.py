"""Readers of other people's files, against what is known of the real ones."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from detector.errors import FormatError
from detector.formats.registry import read_foreign
from detector.recording.reader import open_recording


@pytest.mark.parametrize(
    ("name", "shape", "window_ns", "mhz", "step_m", "objects"),
    [
        ("rebar_real.h5", (332, 1, 512), 8.0, 1600, 1 / 118.11, 14),
        ("pipes_real.h5", (1287, 1, 528), 80.34, 500, 0.008688, 3),
        ("dune_real.h5", (1040, 1, 512), 48.0, 400, 0.02, 0),
    ],
)
def test_shipped_radar_files_hold_what_their_owners_state(
    recordings: Path, name: str, shape: tuple[int, ...], window_ns: float, mhz: float, step_m: float, objects: int
) -> None:
    with open_recording(recordings / name) as r:
        s = r.device.streams[0]
        assert (r.n_records("radar"), s.channels, s.values) == shape
        assert s.sampling_interval_s * s.values == pytest.approx(window_ns * 1e-9, rel=1e-3)
        assert s.centre_frequency_hz == mhz * 1e6
        assert s.step_m == pytest.approx(step_m, rel=1e-4)
        assert len(r.truth()) == objects
        assert r.licence
        assert r.source


@pytest.mark.parametrize("name", ["rebar_real.h5", "dune_real.h5"])
def test_sixteen_bit_dzt_is_centred_by_its_offset(recordings: Path, name: str) -> None:
    with open_recording(recordings / name) as r:
        b = r.block("radar", 0, 100)
    physical = b.raw[:, 0, 10:].astype(float) * b.stream.scale + b.stream.offset
    assert abs(np.median(physical)) < 1500
    assert np.abs(physical).max() < 32768


def test_real_dzt_samples_equal_a_raw_parse(shared_data: Path) -> None:
    path = shared_data / "radar" / "real" / "charisma_rebar.DZT"
    raw = np.frombuffer(path.read_bytes()[1024:], "<u2").reshape(332, 512)
    np.testing.assert_array_equal(read_foreign(path).blocks[0].raw[:, 0], raw)


def test_metal_map_plays_neighbouring_cells(recordings: Path) -> None:
    with open_recording(recordings / "metal_mine_real.h5") as r:
        b = r.block("metal", 0, r.n_records("metal"))
    assert b.raw.shape[1:] == (3, 3)
    assert np.isnan(b.odometer_m).all()  # the cell size is not settled, so no place is invented
    signal = b.raw[:, 1, 0].astype(float)
    jumps = np.abs(np.diff(signal))
    # there and back: going from one row to the next is no bigger step than going on within a row
    assert jumps[24::25].max() < 0.1 * np.ptp(signal)


def dzt(nsamp: int = 8, bits: int = 16, scans: int = 3, range_ns: float = 10.0, antenna: bytes = b"5103") -> bytes:
    head = bytearray(1024)
    struct.pack_into("<HHHHh", head, 0, 0x00FF, 1024, nsamp, bits, 0)
    struct.pack_into("<fffff", head, 10, 50.0, 0.0, 0.0, 0.0, range_ns)
    struct.pack_into("<H", head, 52, 1)
    struct.pack_into("<f", head, 54, 0.0)  # permittivity zero, as old files have it
    head[98 : 98 + len(antenna)] = antenna
    body = np.arange(nsamp * scans).astype({8: "u1", 16: "<u2", 32: "<i4"}[bits])
    return bytes(head) + body.tobytes()


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_dzt_of_any_width_and_permittivity_zero(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "a.dzt"
    path.write_bytes(dzt(bits=bits))
    r = read_foreign(path)
    assert r.blocks[0].raw[:, 0].ravel().tolist() == list(range(24))
    assert r.device.streams[0].centre_frequency_hz == 400e6
    assert np.isnan(r.blocks[0].odometer_m).all()


def test_an_unknown_antenna_is_measured_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.dzt"
    path.write_bytes(dzt(nsamp=256, antenna=b"homemade"))
    r = read_foreign(path)
    assert "not known" in r.note
    assert r.device.streams[0].centre_frequency_hz > 0


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "too short"), (bytes(2000), "not a DZT"), (dzt()[:1024], "ends before"), (dzt(nsamp=0), "not a DZT")],
)
def test_a_spoilt_dzt_is_explained(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.DZT"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=said):
        read_foreign(path)


def test_a_mala_file_without_its_twin_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "a.rd3"
    path.write_bytes(bytes(100))
    with pytest.raises(FormatError, match="twin"):
        read_foreign(path)


def test_a_file_of_no_known_kind_names_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text("x")
    with pytest.raises(FormatError, match=r"\.dzt"):
        read_foreign(path)
