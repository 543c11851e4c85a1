"""What we write for other programs: read back by ours and by an independent library."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import tracemalloc
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from detector.detections import DETECTION_DTYPE, FEATURES, Detection, Label, LabelClass
from detector.errors import FormatError
from detector.formats.foreign import ForeignRecording
from detector.formats.out.described import Described, described, utc_text
from detector.formats.out.labelled import to_xarray, write_netcdf
from detector.formats.out.maps import (
    write_geojson,
    write_gpx,
    write_kml,
    write_position_geojson,
    write_position_gpx,
    write_position_kml,
)
from detector.formats.out.samples import write_sample_arrays, write_sample_table
from detector.formats.out.segy import write_segy
from detector.formats.out.tables import write_detection_table, write_position_table
from detector.formats.registry import read_foreign
from detector.positions import Places
from detector.samples import (
    NO_ODOMETER,
    DeviceDescription,
    FixQuality,
    Position,
    SampleBlock,
    StreamDescription,
    StreamKind,
)
from tests.detector.made_sweep import Sweep, fix

DualHead = tuple[DeviceDescription, list[SampleBlock]]
UTC = 1_700_000_000_123_456_789


def a_detection(id_: int) -> Detection:
    row = np.zeros((), DETECTION_DTYPE)
    row["id"], row["utc_ns"], row["decision"], row["level"] = id_, UTC + id_ * 10**9, b"unknown", 2
    row["depth_m"], row["x_m"], row["score"], row["radar_peak_seq"], row["metal_peak_seq"] = 0.08, 1.5, 2.25, 7, -1
    row["depth_sigma_m"] = np.nan
    return Detection.from_row(row[()])


def a_fix(second: int, quality: FixQuality, longitude: float = 15.975000123) -> Position:
    return fix(UTC + second * 10**9, 45.8000001234 + second * 1e-7, longitude, 101.5, quality, 0.02)


@pytest.fixture
def sweep(dual_head: DualHead) -> Sweep:
    """Three detections, one of them labelled twice with awkward words; the third has no place."""
    device, blocks = dual_head
    labels = (
        Label(1, LabelClass.UNKNOWN, "A", UTC, False),
        Label(1, LabelClass.MINE, "B. \"the\" Deminer <b@x>", UTC, True, 0.09, "PMN-2, 1 & 2\nčšž \x07 end"),
    )
    fixes = tuple(a_fix(i, FixQuality.NONE if i == 2 else FixQuality.RTK_FIXED) for i in range(5))
    return Sweep(device, tuple(blocks), (), "a test", fixes, (), tuple(a_detection(i) for i in (1, 2, 3)), labels)


@pytest.fixture
def rows(sweep: Sweep) -> list[Described]:
    nan = math.nan
    places = Places(
        np.array([45.81234567891, -33.5, nan]), np.array([15.975000123, -179.9999999, nan]), np.array([0.02, 0.5, nan])
    )
    return described(sweep, places)


def test_geojson_is_as_rfc_7946_wants_it(tmp_path: Path, rows: list[Described]) -> None:
    assert write_geojson(tmp_path / "a.geojson", rows) == 1

    def no_constants(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    content = json.loads((tmp_path / "a.geojson").read_text("utf-8"), parse_constant=no_constants)
    assert set(content) == {"type", "features"}
    assert content["type"] == "FeatureCollection"
    assert [f["type"] for f in content["features"]] == ["Feature"] * 3
    assert [f["id"] for f in content["features"]] == [1, 2, 3]
    # longitude first; nothing is lost by rounding
    assert content["features"][0]["geometry"] == {"type": "Point", "coordinates": [15.975000123, 45.812345679]}
    assert content["features"][1]["geometry"]["coordinates"] == [-179.9999999, -33.5]
    # a detection without a place is kept, without one
    assert content["features"][2]["geometry"] is None
    first = content["features"][0]["properties"]
    assert (first["label"], first["label_dug"], first["label_depth_m"], first["labels"]) == ("mine", True, 0.09, 2)
    assert first["accuracy_m"] == 0.02
    assert first["depth_sigma_m"] is None
    assert first["metal_peak_seq"] is None
    assert first["time"] == "2023-11-14T22:13:21.123456Z"


def test_gpx_reads_back_in_an_independent_library(tmp_path: Path, rows: list[Described]) -> None:
    gpxpy = pytest.importorskip("gpxpy", reason="gpxpy is not installed (pip install 'groundsweep[dev]')")
    assert write_gpx(tmp_path / "a.gpx", rows) == 1
    gpx = gpxpy.parse((tmp_path / "a.gpx").read_text("utf-8"))
    assert [(w.latitude, w.longitude) for w in gpx.waypoints] == [(45.812345679, 15.975000123), (-33.5, -179.9999999)]
    assert gpx.waypoints[0].name == "#1 mine"
    assert "PMN-2, 1 & 2" in gpx.waypoints[0].description
    assert gpx.waypoints[0].time.isoformat() == "2023-11-14T22:13:21.123456+00:00"
    assert "1 MORE HAVE NO POSITION" in gpx.description
    assert "#3" in gpx.description


def test_kml_reads_back(tmp_path: Path, rows: list[Described]) -> None:
    assert write_kml(tmp_path / "a.kml", rows) == 1
    k = "{http://www.opengis.net/kml/2.2}"
    document = ET.parse(tmp_path / "a.kml").getroot().find(f"{k}Document")
    marks = document.findall(f"{k}Placemark")
    assert [m.findtext(f"{k}Point/{k}coordinates") for m in marks] == [
        "15.975000123,45.812345679", "-179.999999900,-33.500000000",
    ]  # fmt: skip
    data = {d.get("name"): d.findtext(f"{k}value") for d in marks[0].iter(f"{k}Data")}
    assert data["label_who"] == 'B. "the" Deminer <b@x>'
    assert data["decision"] == "unknown"
    assert "#3" in document.findtext(f"{k}description")


def test_a_table_of_detections_keeps_every_one(tmp_path: Path, rows: list[Described]) -> None:
    write_detection_table(tmp_path / "a.csv", rows)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as f:
        table = list(csv.DictReader(f))
    assert [r["id"] for r in table] == ["1", "2", "3"]
    assert (table[0]["latitude_deg"], table[2]["latitude_deg"]) == ("45.812345679", "")
    assert table[0]["label_note"] == "PMN-2, 1 & 2\nčšž \x07 end"
    assert float(table[0]["x_m"]) == 1.5


@pytest.mark.parametrize("write", [write_geojson, write_gpx, write_kml])
def test_no_map_is_made_where_nothing_has_a_place(tmp_path: Path, sweep: Sweep, write) -> None:
    nowhere = np.full(3, math.nan)
    rows = described(sweep, Places(nowhere, nowhere, nowhere))
    with pytest.raises(FormatError, match="a place is not made up"):
        write(tmp_path / "a.x", rows)
    assert not (tmp_path / "a.x").exists()
    with pytest.raises(FormatError, match="no detection"):
        write(tmp_path / "a.x", [])


def test_what_alarmed_as_dense_echoes_says_so(tmp_path: Path, sweep: Sweep) -> None:
    """Its novelty, beyond all bounds, is an empty cell: nothing else would say why it is unknown."""
    leads = (0.4, math.nan)
    told = tuple(
        dataclasses.replace(d, features=tuple(v if n.startswith("dense_") else math.nan for n in FEATURES))
        for d, v in zip(sweep.detections(), leads, strict=False)
    )
    nowhere = Places(*np.full((3, 2), math.nan))
    out = tmp_path / "d.csv"
    write_detection_table(out, described(dataclasses.replace(sweep, found=told, said=()), nowhere))
    with out.open(newline="", encoding="utf-8") as f:
        assert [row["dense_echoes"] for row in csv.DictReader(f)] == ["True", "False"]


def test_positions_keep_their_breaks(tmp_path: Path, sweep: Sweep) -> None:
    gpxpy = pytest.importorskip("gpxpy", reason="gpxpy is not installed (pip install 'groundsweep[dev]')")
    fixes = sweep.positions()
    assert write_position_gpx(tmp_path / "a.gpx", fixes) == 1
    track = gpxpy.parse((tmp_path / "a.gpx").read_text()).tracks[0]
    assert [len(s.points) for s in track.segments] == [2, 2]
    assert track.segments[0].points[0].elevation == 101.5
    assert write_position_kml(tmp_path / "a.kml", fixes) == 1
    assert (tmp_path / "a.kml").read_text().count("<LineString>") == 2
    assert write_position_geojson(tmp_path / "a.geojson", fixes) == 1
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert [f["geometry"] is None for f in features] == [False, False, True, False, False]
    assert features[0]["geometry"]["coordinates"] == [15.975000123, 45.800000123]
    write_position_table(tmp_path / "a.csv", fixes)
    with (tmp_path / "a.csv").open() as f:
        table = list(csv.DictReader(f))
    assert [r["quality"] for r in table] == ["RTK fixed"] * 2 + ["no fix"] + ["RTK fixed"] * 2
    assert [int(r["utc_ns"]) for r in table] == [p.utc_ns for p in fixes]


def with_a_gap(blocks: list[SampleBlock]) -> list[SampleBlock]:
    """Records 30 to 39 lost, and the place of record 50 not known."""
    out = []
    for b in blocks:
        odometer = b.odometer_um.copy()
        odometer[50] = NO_ODOMETER
        keep = np.r_[0:30, 40 : len(b)]
        columns = [np.asarray(c)[keep] for c in (b.seq, b.tick, b.utc_ns, odometer, b.raw)]
        out.append(SampleBlock(b.stream, *columns))
    return out


@pytest.mark.parametrize("stream", ["metal", "radar"])
@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_samples_come_back_as_they_were(tmp_path: Path, dual_head: DualHead, stream: str, suffix: str) -> None:
    device, blocks = dual_head
    r = ForeignRecording(device, tuple(with_a_gap(blocks)), (), "")
    path = tmp_path / f"a{suffix}"
    done: list[int] = []
    (write_sample_table if suffix == ".csv" else write_sample_arrays)(path, r, stream, done.append)
    sent = r.block(stream, 0, 10**6)
    assert sum(done) == len(sent)
    back = read_foreign(path)
    b = back.blocks[0]
    assert dataclasses.replace(b.stream, stream_id=sent.stream.stream_id) == sent.stream
    for column in ("seq", "tick", "utc_ns", "odometer_um", "raw"):
        assert getattr(b, column).tobytes() == getattr(sent, column).tobytes(), column
    assert back.device.model == device.model
    assert [(g.first_seq, g.n_records) for g in back.gaps()] == [(30, 10)]


@pytest.mark.parametrize(
    ("sample_type", "offset"), [("int16", 0.0), ("int32", 0.0), ("float32", 0.0), ("uint16", -32768.0), ("uint16", 0.0)]
)
def test_segy_reads_back_here_and_in_an_independent_library(
    tmp_path: Path, sample_type: str, offset: float
) -> None:
    segyio = pytest.importorskip("segyio", reason="segyio is not installed (pip install 'groundsweep[dev]')")
    s = StreamDescription(
        0, "radar", StreamKind.RADAR, 2, 40, sample_type, 25.0, offset=offset, sampling_interval_s=8e-9 / 512,
        centre_frequency_hz=1.6e9, step_m=0.02,
    )  # fmt: skip
    limits = (-40000, 40000) if s.dtype.kind == "f" else (np.iinfo(s.dtype).min, np.iinfo(s.dtype).max)
    raw = np.random.default_rng(2).uniform(*limits, size=(90, 2, 40)).astype(s.dtype)
    n = np.arange(90, dtype=np.int64)
    block = with_a_gap([SampleBlock(s, n, n * 40_000, UTC + n * 40_000_000, n * 20_000, raw)])[0]
    r = ForeignRecording(DeviceDescription("čš radar", "1", "", 1e6, (s,)), (block,), (), "")
    write_segy(tmp_path / "a.sgy", r, channel=1)
    counts = block.raw[:, 1].astype(np.float64) + (offset if offset else 0.0)
    with segyio.open(tmp_path / "a.sgy", ignore_geometry=True) as f:
        assert f.bin[segyio.BinField.SEGYRevision] in (1, 0x100)
        np.testing.assert_array_equal(f.trace.raw[:].astype(np.float64), counts)
        assert f.attributes(segyio.TraceField.GroupX)[:3].tolist() == [0, 200, 400]
        assert f.header[0][segyio.TraceField.YearDataRecorded] == 2023
        assert "CENTRE FREQUENCY 1600000000.0 HZ" in f.text[0].decode("cp037" if f.text[0][:1] != b"C" else "ascii")
    b = read_foreign(tmp_path / "a.sgy").blocks[0]
    np.testing.assert_array_equal(b.raw[:, 0].astype(np.float64), counts)
    np.testing.assert_array_equal(b.seq, block.seq)
    np.testing.assert_array_equal(b.odometer_um, block.odometer_um)
    assert b.stream.sampling_interval_s == s.sampling_interval_s  # exact, though the field holds whole picoseconds
    assert (b.stream.rate_hz, b.stream.centre_frequency_hz) == (25.0, 1.6e9)


def test_segy_of_the_wrong_thing_is_refused(tmp_path: Path, sweep: Sweep) -> None:
    with pytest.raises(FormatError, match="metal detector"):
        write_segy(tmp_path / "a.sgy", sweep, "metal")
    with pytest.raises(FormatError, match="channels 0 to 0"):
        write_segy(tmp_path / "a.sgy", sweep, "radar", 1)
    with pytest.raises(FormatError, match="no stream"):
        write_segy(tmp_path / "a.sgy", sweep, "rader")
    assert not (tmp_path / "a.sgy").exists()
    (tmp_path / "b.sgy").write_text("mine")
    with pytest.raises(FormatError, match="not overwritten"):
        write_segy(tmp_path / "b.sgy", sweep)
    assert (tmp_path / "b.sgy").read_text() == "mine"


def test_xarray_has_coordinates_units_and_the_same_samples(tmp_path: Path, dual_head: DualHead) -> None:
    xarray = pytest.importorskip("xarray", reason="xarray is not installed (pip install 'groundsweep[xarray]')")
    pytest.importorskip("h5netcdf", reason="h5netcdf is not installed (pip install 'groundsweep[xarray]')")
    device, blocks = dual_head
    r = ForeignRecording(device, tuple(with_a_gap(blocks)), (), "a test")
    for name, axis in (("metal", "gate_time"), ("radar", "two_way_time")):
        sent = r.block(name, 0, 10**6)
        dataset = to_xarray(r, name)
        write_netcdf(tmp_path / f"{name}.nc", r, name)
        with xarray.open_dataset(tmp_path / f"{name}.nc", engine="h5netcdf") as back:
            for d in (dataset, back):
                assert d["samples"].dims == ("record", "channel", axis)
                assert d["samples"].dtype == sent.raw.dtype
                np.testing.assert_array_equal(d["samples"], sent.raw)
                np.testing.assert_array_equal(d["time"].values.view("i8"), sent.utc_ns)
                np.testing.assert_array_equal(d["seq"], sent.seq)
                np.testing.assert_allclose(d["distance"], sent.odometer_m)
                assert d[axis].attrs["units"] == "s"
                assert d["samples"].attrs["physical_units"] == sent.stream.unit
                assert d["samples"].attrs["scale"] == sent.stream.scale
    assert len(to_xarray(r, "radar", 3, 8)["record"]) == 5
    with pytest.raises(FormatError, match="Say which stream"):
        to_xarray(r)


class Endless(ForeignRecording):
    """A recording of many records that are made when they are asked for."""

    def n_records(self, stream_name: str) -> int:
        return 60_000

    def block(self, stream_name: str, start: int, stop: int) -> SampleBlock:
        n = np.arange(start, min(stop, 60_000), dtype=np.int64)
        s = self.device.streams[0]
        raw = np.broadcast_to((n % 1000).astype("<i2")[:, None, None], (len(n), 1, 512)).copy()
        return SampleBlock(s, n, n * 1000, n * 10**6, n * 1000, raw)


@pytest.mark.parametrize("suffix", [".npz", ".sgy", ".nc"])
def test_a_long_recording_is_written_in_little_memory(tmp_path: Path, suffix: str) -> None:
    if suffix == ".nc":
        pytest.importorskip("h5netcdf", reason="h5netcdf is not installed (pip install 'groundsweep[xarray]')")
        pytest.importorskip("xarray", reason="xarray is not installed (pip install 'groundsweep[xarray]')")
    s = StreamDescription(
        0, "radar", StreamKind.RADAR, 1, 512, "int16", 1000.0, sampling_interval_s=1e-10, centre_frequency_hz=1e9
    )
    r = Endless(DeviceDescription("x", "1", "", 1e6, (s,)), (), (), "")
    write = {".npz": write_sample_arrays, ".sgy": write_segy, ".nc": write_netcdf}[suffix]
    tracemalloc.start()
    write(tmp_path / f"a{suffix}", r)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 60_000 * 512 * 2 > 58 << 20
    assert peak < 36 << 20


def test_times_outside_the_calendar_are_left_empty() -> None:
    assert utc_text(UTC) == "2023-11-14T22:13:20.123456Z"
    assert utc_text(2**63 - 1) == "2262-04-11T23:47:16.854775Z"
    assert utc_text(10**22) == ""
