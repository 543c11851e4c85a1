"""Readers of other people's files, against what is known of the real ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from detector.errors import FormatError
from detector.formats import registry
from detector.formats.registry import read_foreign, same_recording
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


@pytest.mark.parametrize(("name", "shape"), [("charisma_rebar.DZT", (332, 512)), ("dune.DZT", (1040, 512))])
def test_real_dzt_samples_equal_a_raw_parse(shared_data: Path, name: str, shape: tuple[int, int]) -> None:
    path = shared_data / "radar" / "real" / name
    data = path.read_bytes()
    raw = np.array(struct.unpack_from(f"<{shape[0] * shape[1]}H", data, 1024)).reshape(shape)
    b = read_foreign(path).blocks[0]
    assert b.raw.dtype == np.uint16
    np.testing.assert_array_equal(b.raw[:, 0], raw)
    assert b.stream.offset == -32768.0
    assert b.stream.step_m == pytest.approx(1 / struct.unpack_from("<f", data, 14)[0])


@pytest.mark.parametrize("which", ["geology.DT1", "geology.HD"])
def test_real_dt1_samples_and_feet_equal_a_raw_parse(shared_data: Path, which: str) -> None:
    data = (shared_data / "radar" / "real" / "geology.DT1").read_bytes()
    assert len(data) == 531 * (128 + 2 * 1500)
    starts = [i * 3128 for i in range(531)]
    raw = np.array([struct.unpack_from("<1500h", data, at + 128) for at in starts])
    feet = np.array([struct.unpack_from("<f", data, at + 4)[0] for at in starts])
    r = read_foreign(shared_data / "radar" / "real" / which)
    b = r.blocks[0]
    np.testing.assert_array_equal(b.raw[:, 0], raw)
    np.testing.assert_allclose(b.odometer_m, feet * 0.3048, atol=1e-6)
    assert b.odometer_m[-1] == pytest.approx(1060 * 0.3048)
    assert b.stream.sampling_interval_s == pytest.approx(1200e-9 / 1500)
    assert b.stream.centre_frequency_hz == 50e6


def test_real_mala_samples_equal_a_raw_parse(shared_data: Path) -> None:
    folder = shared_data / "radar" / "real"
    data = (folder / "utility.rd3").read_bytes()
    raw = np.array(struct.unpack(f"<{1287 * 528}h", data)).reshape(1287, 528)
    for name in ("utility.rd3", "utility.rad"):
        b = read_foreign(folder / name).blocks[0]
        np.testing.assert_array_equal(b.raw[:, 0], raw)
        assert b.odometer_m[-1] == pytest.approx(1286 * 0.008688, abs=1e-4)
        assert b.stream.sampling_interval_s == pytest.approx(1 / 6571.771484e6, rel=1e-4)


@pytest.mark.parametrize("k", range(1, 13))
def test_simulated_lanes_equal_plain_h5py(shared_data: Path, k: int) -> None:
    path = shared_data / "radar" / "simulated" / f"dev{k:02}.h5"
    r = read_foreign(path)
    with h5py.File(path) as f:
        np.testing.assert_array_equal(r.blocks[0].raw[:, 0], f["ascans"][:])
        np.testing.assert_allclose(r.blocks[0].odometer_m, f["x_m"][:], atol=1e-6)
    assert len(r.truth()) == len(json.loads(path.with_suffix(".json").read_text())["objects"])


@pytest.mark.parametrize("name", ["Mine01", "Metal01", "Metal02"])
def test_real_metal_grids_equal_a_plain_parse(shared_data: Path, name: str) -> None:
    folder = shared_data / "metal" / "hratc2014" / name
    raw = read_foreign(folder).blocks[0].raw
    for i, coil in enumerate("LMR"):
        for c in range(3):
            lines = (folder / f"coil{coil}ch{c}.csv").read_text().split()
            grid = [[int(float(x)) for x in line.split(",")] for line in lines]
            ny, nx = len(grid), len(grid[0])
            rows = [row[nx // 2 - 12 : nx // 2 + 13] for row in grid[ny // 2 - 12 : ny // 2 + 13]]
            played = [x for j, row in enumerate(rows) for x in (row if j % 2 == 0 else row[::-1])]
            assert raw[:, i, c].tolist() == played


def test_metal_map_plays_neighbouring_cells(recordings: Path) -> None:
    with open_recording(recordings / "metal_mine_real.h5") as r:
        b = r.block("metal", 0, r.n_records("metal"))
    assert b.raw.shape[1:] == (3, 3)
    assert np.isnan(b.odometer_m).all()  # the cell size is not settled, so no place is invented
    signal = b.raw[:, 1, 0].astype(float)
    jumps = np.abs(np.diff(signal))
    # there and back: going from one row to the next is no bigger step than going on within a row
    assert jumps[24::25].max() < 0.1 * np.ptp(signal)


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("tag", [0x00FF, 0x0700])
def test_dzt_of_any_width_and_permittivity_zero(tmp_path: Path, made: SimpleNamespace, bits: int, tag: int) -> None:
    raw = made.dzt(tmp_path / "a.dzt", bits=bits, tag=tag)
    r = read_foreign(tmp_path / "a.dzt")
    np.testing.assert_array_equal(r.blocks[0].raw, raw)
    assert r.device.streams[0].centre_frequency_hz == 400e6
    assert np.isnan(r.blocks[0].odometer_m).all()


@pytest.mark.parametrize(("at", "channels"), [(None, 1), (None, 3), (2, 1), (128, 1), (4, 4), (1024, 2)])
def test_dzt_scans_begin_where_the_header_says(
    tmp_path: Path, made: SimpleNamespace, at: int | None, channels: int
) -> None:
    raw = made.dzt(tmp_path / "a.dzt", at=at, channels=channels, scans=7)
    np.testing.assert_array_equal(read_foreign(tmp_path / "a.dzt").blocks[0].raw, raw)


def test_dzt_channels_of_differing_windows_become_streams_that_keep_step(
    tmp_path: Path, made: SimpleNamespace
) -> None:
    raw = made.dzt(tmp_path / "a.dzt", channels=2, scans=600, ranges=[40.0, 100.0])
    r = read_foreign(tmp_path / "a.dzt")
    assert [s.sampling_interval_s for s in r.device.streams] == pytest.approx([5e-9, 12.5e-9])
    for i, name in enumerate(("radar", "radar2")):
        np.testing.assert_array_equal(r.block(name, 0, 600).raw[:, 0], raw[:, i])
        np.testing.assert_array_equal(r.block(name, 250, 300).raw[:, 0], raw[250:300, i])
        assert r.n_records(name) == 600
    firsts = [int(b.tick[0]) for b in r.blocks]
    assert firsts == sorted(firsts)


def test_an_unknown_antenna_is_measured_and_said(tmp_path: Path, made: SimpleNamespace) -> None:
    made.dzt(tmp_path / "a.dzt", nsamp=256, antenna=b"homemade")
    r = read_foreign(tmp_path / "a.dzt")
    assert "not known" in r.note
    assert r.device.streams[0].centre_frequency_hz > 0


@pytest.mark.parametrize("case", ["empty", "zeros", "no scans", "no samples"])
def test_a_spoilt_dzt_is_explained(tmp_path: Path, made: SimpleNamespace, case: str) -> None:
    path = tmp_path / "a.DZT"
    made.dzt(path, nsamp=0 if case == "no samples" else 8)
    whole = path.read_bytes()
    content, said = {
        "empty": (b"", "too short"), "zeros": (bytes(2000), "not a DZT"), "no scans": (whole[:1024], "ends before"),
        "no samples": (whole, "not a DZT"),
    }[case]  # fmt: skip
    path.write_bytes(content)
    with pytest.raises(FormatError, match=said):
        read_foreign(path)


@pytest.mark.parametrize(("suffix", "style"), [("dzt", "dzg"), ("DT1", "gps"), ("rd3", "cor")])
def test_fixes_beside_a_radar_give_positions_and_times(
    tmp_path: Path, made: SimpleNamespace, suffix: str, style: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "dzt":
        made.dzt(path, scans=40)
    elif suffix == "DT1":
        made.dt1(path, n=40)
    else:
        made.mala(path, n=40)
    made.fixes(path.with_suffix(f".{style}"), [0, 10, 30, 99], style)
    r = read_foreign(path)
    assert len(r.positions()) == 3  # the last is of a trace that is not there
    assert [p.latitude_deg for p in r.positions()] == pytest.approx(
        [45.8 + k * (1e-6 if style == "cor" else 0.0005 / 60) for k in range(3)], abs=1e-9
    )
    utc = r.blocks[0].utc_ns
    noon = 1714558320  # 2024-05-01 10:12:00 UTC
    assert [int(utc[i]) for i in (0, 10, 20, 30)] == [int((noon + s) * 1e9) for s in (0, 1, 1.5, 2)]
    assert (np.diff(utc) > 0).all()
    # a .COR does not say how accurate it is, so its fixes place nothing
    assert all(p.sure == (style != "cor") for p in r.positions())
    assert "times" in r.note.lower()


@pytest.mark.parametrize("unit", ["ft", "feet", "m", "metres"])
@pytest.mark.parametrize("wide", [False, True])
def test_dt1_places_are_metres_whatever_its_units(
    tmp_path: Path, made: SimpleNamespace, unit: str, wide: bool
) -> None:
    samples = made.dt1(tmp_path / "a.DT1", unit=unit, wide=wide)
    for name in ("a.DT1", "a.HD"):
        b = read_foreign(tmp_path / name).blocks[0]
        np.testing.assert_array_equal(b.raw[:, 0], samples)
        assert b.odometer_m[1] == pytest.approx(0.6096 if unit.startswith("f") else 2.0, abs=1e-6)
    made.dt1(tmp_path / "b.dt1", unit="furlong")
    with pytest.raises(FormatError, match="furlong"):
        read_foreign(tmp_path / "b.dt1")


def test_a_dt1_with_traces_of_two_lengths_is_refused(tmp_path: Path, made: SimpleNamespace) -> None:
    made.dt1(tmp_path / "a.dt1", points=6)
    data = (tmp_path / "a.dt1").read_bytes()
    made.dt1(tmp_path / "a.dt1", points=8)
    (tmp_path / "a.dt1").write_bytes(data)
    with pytest.raises(FormatError, match="8 points"):
        read_foreign(tmp_path / "a.dt1")


@pytest.mark.parametrize("suffix", ["rd3", "rd7", "RD3"])
def test_mala_of_both_widths_with_marks(tmp_path: Path, made: SimpleNamespace, suffix: str) -> None:
    samples = made.mala(tmp_path / f"a.{suffix}")
    (tmp_path / "a.mrk").write_text("HEADER VERSION:100\r\n2\r\n4 kerb stone\r\n99\r\n")
    for name in (f"a.{suffix}", "a.rad"):
        r = read_foreign(tmp_path / name)
        np.testing.assert_array_equal(r.blocks[0].raw[:, 0], samples)
        assert r.device.streams[0].centre_frequency_hz == pytest.approx(1.2e9)
        assert [e.text for e in r.events()] == ["Mark at record 1.", "Mark at record 3: kerb stone."]


def test_a_mala_triggered_by_time_has_its_rate_and_no_place(tmp_path: Path, made: SimpleNamespace) -> None:
    made.mala(tmp_path / "a.rd3", step=0.0, every_s=0.05)
    b = read_foreign(tmp_path / "a.rd3").blocks[0]
    assert b.stream.rate_hz == pytest.approx(20)
    assert np.isnan(b.odometer_m).all()


@pytest.mark.parametrize("code", [1, 2, 3, 5, 8, 11, 16])
@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("rev", [0, 1])
def test_segy_of_any_sample_format_order_and_revision(
    tmp_path: Path, made: SimpleNamespace, code: int, order: str, rev: int
) -> None:
    values = made.segy(tmp_path / "a.sgy", code=code, order=order, rev=rev, ascii_text=order == "<")
    r = read_foreign(tmp_path / "a.sgy")
    b = r.blocks[0]
    np.testing.assert_array_equal(b.raw[:, 0], values)
    assert b.stream.sampling_interval_s == pytest.approx(100e-12)
    np.testing.assert_allclose(b.odometer_m, 5 + np.arange(4) * 0.02)
    assert b.stream.step_m == pytest.approx(0.02)
    assert "picoseconds" in r.note


def test_segy_written_by_an_independent_library_reads_the_same(tmp_path: Path) -> None:
    segyio = pytest.importorskip("segyio", reason="segyio is not installed (pip install 'groundsweep[dev]')")
    values = np.random.default_rng(1).normal(scale=1e3, size=(7, 50)).astype("f4")
    for code in (1, 5):
        spec = segyio.spec()
        spec.format, spec.samples, spec.tracecount = code, range(50), 7
        with segyio.create(tmp_path / f"{code}.sgy", spec) as f:
            f.trace = values
            f.bin.update({segyio.BinField.Interval: 200, segyio.BinField.Samples: 50, segyio.BinField.Format: code})
            for i in range(7):
                f.header[i] = {segyio.TraceField.TRACE_SAMPLE_COUNT: 50}
        with segyio.open(tmp_path / f"{code}.sgy", ignore_geometry=True) as f:
            theirs = f.trace.raw[:]
        ours = read_foreign(tmp_path / f"{code}.sgy").blocks[0].raw[:, 0]
        np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_allclose(ours, values, rtol=1e-6)


def test_what_segy_does_not_say_comes_from_a_description_beside_it(tmp_path: Path, made: SimpleNamespace) -> None:
    made.segy(tmp_path / "a.sgy", x_mm=0)
    (tmp_path / "a.toml").write_text(
        'kind = "radar"\nsampling_interval_s = 2e-10\ncentre_frequency_hz = 9e8\nstep_m = 0.01\nrate_hz = 20\n'
    )
    b = read_foreign(tmp_path / "a.sgy").blocks[0]
    assert (b.stream.sampling_interval_s, b.stream.centre_frequency_hz, b.stream.rate_hz) == (2e-10, 9e8, 20)
    np.testing.assert_allclose(b.odometer_m, np.arange(4) * 0.01)


def test_gprmax_output_alone_merged_and_as_a_series(tmp_path: Path, made: SimpleNamespace) -> None:
    merged = made.gprmax(tmp_path / "lane_merged.out", traces=5, receivers=2)
    r = read_foreign(tmp_path / "lane_merged.out")
    b = r.blocks[0]
    np.testing.assert_array_equal(b.raw[:, 0], merged.T)
    np.testing.assert_array_equal(b.raw[:, 1], 2 * merged.T)
    assert "Ez" in r.note
    np.testing.assert_allclose(b.odometer_m, np.arange(5) * 0.01, atol=1e-6)
    scans = [made.gprmax(tmp_path / f"scan{k}.out", source_x=0.1 + 0.02 * k, traces=1) for k in range(1, 12)]
    for name in ("scan1.out", "scan7.out"):
        r = read_foreign(tmp_path / name)
        np.testing.assert_array_equal(r.blocks[0].raw[:, 0], np.array(scans)[:, :, 0])
        assert r.device.streams[0].step_m == pytest.approx(0.02)
        assert "11 files" in r.note
    one = made.gprmax(tmp_path / "single.out")
    assert read_foreign(tmp_path / "single.out").blocks[0].raw.shape == (1, 1, 32)
    np.testing.assert_array_equal(read_foreign(tmp_path / "single.out").blocks[0].raw[0, 0], one[:, 0])
    made.gprmax(tmp_path / "scan5.out", iterations=40)
    with pytest.raises(FormatError, match="differs"):
        read_foreign(tmp_path / "scan1.out")


def test_a_missing_number_of_a_gprmax_series_is_a_gap_in_its_place(tmp_path: Path, made: SimpleNamespace) -> None:
    for k in (3, 4, 7, 8, 9):
        made.gprmax(tmp_path / f"scan{k}.out", source_x=0.1 + 0.02 * k)
    r = read_foreign(tmp_path / "scan4.out")
    assert r.blocks[0].seq.tolist() == [0, 1, 4, 5, 6]
    np.testing.assert_allclose(r.blocks[0].odometer_m, [0, 0.02, 0.08, 0.1, 0.12], atol=1e-6)
    assert r.device.streams[0].step_m == pytest.approx(0.02)
    assert [(g.first_seq, g.n_records) for g in r.gaps()] == [(2, 2)]


def test_merged_gprmax_lanes_are_lanes_whatever_number_their_name_ends_in(
    tmp_path: Path, made: SimpleNamespace
) -> None:
    lanes = {k: made.gprmax(tmp_path / f"lane{k}.out", traces=4 + k) for k in (1, 2)}
    made.gprmax(tmp_path / "lane3.h5")
    for k, merged in lanes.items():
        np.testing.assert_array_equal(read_foreign(tmp_path / f"lane{k}.out").blocks[0].raw[:, 0], merged.T)
    assert len(read_foreign(tmp_path / "lane3.h5").blocks[0]) == 1


PI = {"kind": "metal-pi", "rate_hz": 100, "gate_times_s": [1e-5, 2e-5, 4e-5], "unit": "V", "scale": 1e-3}


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", ">i2", "i4", "i8", "f4", "f8", ">f8"])
def test_an_array_keeps_its_values_whatever_its_type(tmp_path: Path, made: SimpleNamespace, dtype: str) -> None:
    samples = np.arange(30).reshape(10, 3).astype(dtype)
    made.array(tmp_path / "a.npy", PI, samples=samples)
    b = read_foreign(tmp_path / "a.npy").blocks[0]
    np.testing.assert_array_equal(b.raw[:, 0], samples)
    assert b.stream.axis == (1e-5, 2e-5, 4e-5)
    made.array(tmp_path / "b.npy", PI, samples=np.asfortranarray(samples))
    np.testing.assert_array_equal(read_foreign(tmp_path / "b.npy").blocks[0].raw[:, 0], samples)


def test_arrays_by_name_with_times_places_and_lost_records(tmp_path: Path, made: SimpleNamespace) -> None:
    n = 10
    arrays = {
        "samples": np.arange(n * 6, dtype="i4").reshape(n, 2, 3), "t_ns": np.arange(n) * 10_000_000 + 10**18,
        "x": np.linspace(0, 1, n), "number": np.array([0, 1, 2, 3, 4, 8, 9, 10, 11, 12]),
    }  # fmt: skip
    more = {"channels": 2, "time_column": "t_ns", "x_column": "x", "record_column": "number"}
    made.array(tmp_path / "a.npz", PI | more, **arrays)
    r = read_foreign(tmp_path / "a.npz")
    b = r.blocks[0]
    np.testing.assert_array_equal(b.raw, arrays["samples"])
    np.testing.assert_array_equal(b.utc_ns, arrays["t_ns"])
    np.testing.assert_allclose(b.odometer_m, arrays["x"], atol=1e-6)
    assert [(g.first_seq, g.n_records) for g in r.gaps()] == [(5, 3)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_loggers_table(tmp_path: Path, delimiter: str) -> None:
    rows = [["time", "note_col", "g1", "g2", "g3", "dist"]]
    rows += [[f"{1.7e9 + 0.01 * i:.2f}", "7", str(i), str(-i), "3", f"{0.01 * i}"] for i in range(8)]
    (tmp_path / "a.csv").write_text("# from a logger\n" + "\n".join(delimiter.join(r) for r in rows))
    (tmp_path / "a.toml").write_text(
        'kind = "metal-pi"\nrate_hz = 100\ngate_times_s = [1e-5, 2e-5, 4e-5]\nsample_type = "int32"\n'
        'value_columns = ["g1", "g2", "g3"]\ntime_column = "time"\nx_column = "dist"\n'
    )
    b = read_foreign(tmp_path / "a.csv").blocks[0]
    assert b.raw[:, 0].tolist() == [[i, -i, 3] for i in range(8)]
    assert b.utc_ns[3] - b.utc_ns[0] == pytest.approx(30_000_000, abs=500)
    assert b.odometer_m[3] == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate_hz": -1}, "rate_hz"),
        ({"rate": 5}, "rate"),
        ({"gate_times_s": [1e-5]}, "axis"),
        ({"kind": "sonar"}, "kind"),
        ({"scale": float("nan")}, "scale"),
        ({"channels": 2}, "channels = 2"),
        ({"sample_type": "int16"}, "float32"),
    ],
    ids=lambda x: str(x),
)
def test_a_wrong_description_names_what_is_wrong(
    tmp_path: Path, made: SimpleNamespace, change: dict, said: str
) -> None:
    made.array(tmp_path / "a.npy", PI | change, samples=np.full((4, 3), 70000))
    with pytest.raises(FormatError, match=said):
        read_foreign(tmp_path / "a.npy")


def test_an_array_without_a_description_says_what_to_write(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 3)))
    with pytest.raises(FormatError, match=r"a\.toml"):
        read_foreign(tmp_path / "a.npy")


def test_a_record_that_is_no_number_is_a_gap_and_not_a_signal(tmp_path: Path, made: SimpleNamespace) -> None:
    samples = np.arange(30.0).reshape(10, 3)
    samples[4, 1] = np.nan
    samples[7, 2] = 1e300  # beyond float32
    made.array(tmp_path / "a.npy", PI, samples=samples)
    r = read_foreign(tmp_path / "a.npy")
    assert r.blocks[0].seq.tolist() == [0, 1, 2, 3, 5, 6, 8, 9]
    assert [(g.first_seq, g.n_records) for g in r.gaps()] == [(4, 1), (7, 1)]
    assert "2 of 10 records" in r.note
    made.array(tmp_path / "b.npy", PI, samples=np.full((3, 3), np.nan))
    with pytest.raises(FormatError, match="Every one"):
        read_foreign(tmp_path / "b.npy")


def test_a_file_of_another_suffix_is_known_by_its_first_bytes(tmp_path: Path, made: SimpleNamespace) -> None:
    raw = made.dzt(tmp_path / "a.dzt")
    (tmp_path / "a.dzt").rename(tmp_path / "a.dat")
    np.testing.assert_array_equal(read_foreign(tmp_path / "a.dat").blocks[0].raw, raw)
    made.segy(tmp_path / "b.sgy")
    (tmp_path / "b.sgy").rename(tmp_path / "b")
    assert read_foreign(tmp_path / "b").device.model == "SEG-Y"
    made.gprmax(tmp_path / "c.out")
    (tmp_path / "c.out").rename(tmp_path / "c.h5")
    assert read_foreign(tmp_path / "c.h5").device.model.startswith("gprMax")


def test_a_plug_in_brings_a_reader_and_a_broken_one_is_named(
    tmp_path: Path, made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = made.dzt(tmp_path / "a.xyz")
    theirs = registry.Format("their radar", (".xyz",), registry.read_dzt)
    points = [SimpleNamespace(name="xyz", value="theirs:FORMAT", load=lambda: theirs)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "groundsweep.formats" else [])
    np.testing.assert_array_equal(read_foreign(tmp_path / "a.xyz").blocks[0].raw, raw)

    def broken() -> None:
        raise ImportError("no module named theirs")

    points[0].load = broken
    with pytest.raises(FormatError, match=r"'xyz'.*no module named theirs"):
        read_foreign(tmp_path / "a.xyz")


def test_a_mala_file_without_its_twin_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "a.rd3"
    path.write_bytes(bytes(100))
    with pytest.raises(FormatError, match="twin"):
        read_foreign(path)


def test_parts_of_one_recording_are_one_and_two_recordings_are_two(tmp_path: Path, made: SimpleNamespace) -> None:
    made.mala(tmp_path / "a.rd3")
    made.dt1(tmp_path / "a.dt1")
    for k in (1, 2):
        made.gprmax(tmp_path / f"scan{k}.out")
        made.gprmax(tmp_path / f"lane{k}.out", traces=3)
    names = ("a.rd3", "a.dt1", "scan1.out", "lane1.out", "lane2.out", "b.h5", "c.h5")
    one = [same_recording(tmp_path / n) for n in names]
    assert len(set(one)) == len(one)
    for a, b in (("a.rd3", "a.rad"), ("a.dt1", "a.HD"), ("scan1.out", "scan2.out"), ("b.h5", "../b.h5")):
        alike = same_recording(tmp_path / a) == same_recording(tmp_path / b)
        assert alike == (".." not in b)


def test_a_file_of_no_known_kind_names_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text("x")
    with pytest.raises(FormatError, match=r"\.dzt"):
        read_foreign(path)
