"""What we write, held against published schemas and against libraries that share no code with ours."""

from __future__ import annotations

import dataclasses
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass
from detector.formats.foreign import ForeignRecording
from detector.formats.out.described import described
from detector.formats.out.labelled import write_netcdf
from detector.formats.out.maps import write_gpx, write_kml, write_position_gpx, write_position_kml
from detector.positions import Places
from detector.samples import DeviceDescription, FixQuality, SampleBlock
from tests.detector.made_sweep import Sweep, fix

DualHead = tuple[DeviceDescription, list[SampleBlock]]


@pytest.fixture
def sweep(dual_head: DualHead) -> Sweep:
    """Two detections of which one has a place, a label with every awkward character, fixes with a break."""
    row = np.zeros(2, DETECTION_DTYPE)
    row["id"], row["utc_ns"], row["decision"], row["x_m"] = (1, 2), 1_700_000_000_123_456_789, b"unknown", math.nan
    note = "PMN-2, 1 & 2 <b>\nčšž ]]> \x07\ud800 end"
    label = Label(1, LabelClass.MINE, 'B. "the" Deminer <b@x>', 5, True, 0.09, note)
    qualities = (FixQuality.RTK_FIXED, FixQuality.SINGLE, FixQuality.NONE, FixQuality.RTK_FLOAT, FixQuality.RTK_FIXED)
    fixes = tuple(fix(10**9 * i, -33.5 + i * 1e-6, -179.9999999, -12.25, q, 0.02) for i, q in enumerate(qualities))
    device, blocks = dual_head
    return Sweep(device, tuple(blocks), (), "a test", fixes, (), tuple(map(Detection.from_row, row)), (label,))


def written(sweep: Sweep, path: Path, of: str) -> Path:
    places = Places(np.array([45.812345679, math.nan]), np.array([15.975, math.nan]), np.array([0.02, math.nan]))
    write: dict[str, Callable[[], object]] = {
        "detections.kml": lambda: write_kml(path / of, described(sweep, places)),
        "positions.kml": lambda: write_position_kml(path / of, sweep.positions()),
        "detections.gpx": lambda: write_gpx(path / of, described(sweep, places)),
        "positions.gpx": lambda: write_position_gpx(path / of, sweep.positions()),
    }
    write[of]()
    return path / of


@pytest.mark.parametrize("of", ["detections.kml", "positions.kml"])
def test_kml_is_valid_by_its_schema(sweep: Sweep, tmp_path: Path, of: str) -> None:
    """OGC KML 2.2, OGC 07-147r2: the schema that fastkml brings."""
    pytest.importorskip("fastkml", reason="fastkml is not installed (pip install 'groundsweep[dev]')")
    pytest.importorskip("lxml", reason="lxml is not installed (pip install 'groundsweep[dev]')")
    from fastkml import KML
    from fastkml.validator import validate

    path = written(sweep, tmp_path, of)
    assert validate(file_to_validate=path) is True
    (document,) = KML.parse(path, strict=True).features
    if of == "detections.kml":
        (mark,) = document.features
        assert (mark.geometry.x, mark.geometry.y) == (15.975, 45.812345679)
    spoilt = tmp_path / "spoilt.kml"
    spoilt.write_text(path.read_text("utf-8").replace("<coordinates>", "<coordinate>").replace(
        "</coordinates>", "</coordinate>"), "utf-8")  # fmt: skip
    with pytest.raises(AssertionError):
        assert validate(file_to_validate=spoilt)


GPX = "{http://www.topografix.com/GPX/1/1}"
ORDER = {
    "gpx": "metadata wpt rte trk extensions",
    "metadata": "name desc author copyright link time keywords bounds extensions",
    "trk": "name cmt desc src link number type extensions trkseg",
    "trkseg": "trkpt extensions",
    "wpt": "ele time magvar geoidheight name cmt desc src link sym type fix sat hdop vdop pdop ageofdgpsdata dgpsid "
    "extensions",
}
ORDER["trkpt"] = ORDER["wpt"]


@pytest.mark.parametrize("of", ["detections.gpx", "positions.gpx"])
def test_gpx_has_only_what_its_schema_has_and_in_its_order(sweep: Sweep, tmp_path: Path, of: str) -> None:
    """GPX 1.1 (topografix.com/GPX/1/1/gpx.xsd): sequences, attributes and their ranges, written out here."""
    root = ET.parse(written(sweep, tmp_path, of)).getroot()
    assert root.tag == f"{GPX}gpx"
    assert root.get("version") == "1.1"
    assert root.get("creator")
    points = 0
    for element in root.iter():
        name = element.tag.removeprefix(GPX)
        if name not in ORDER:
            assert len(element) == 0 or name == "extensions", name
            continue
        order = ORDER[name].split()
        children = [order.index(child.tag.removeprefix(GPX)) for child in element]
        assert children == sorted(children), name
        if name in ("wpt", "trkpt"):
            points += 1
            assert -90 <= float(element.attrib["lat"]) <= 90
            assert -180 <= float(element.attrib["lon"]) < 180
            kind = element.findtext(f"{GPX}fix")
            assert kind in (None, "none", "2d", "3d", "dgps", "pps")
    assert points == (1 if of == "detections.gpx" else 4)


def test_netcdf_is_read_by_the_c_library(dual_head: DualHead, tmp_path: Path) -> None:
    netcdf = pytest.importorskip("netCDF4", reason="netCDF4 is not installed (pip install 'groundsweep[dev]')")
    pytest.importorskip("h5netcdf", reason="h5netcdf is not installed (pip install 'groundsweep[xarray]')")
    device, blocks = dual_head
    recording = ForeignRecording(device, tuple(dataclasses.replace(b) for b in blocks), (), "a test")
    for sent, axis in zip(blocks, ("gate_time", "two_way_time"), strict=True):
        path = tmp_path / f"{sent.stream.name}.nc"
        write_netcdf(path, recording, sent.stream.name)
        with netcdf.Dataset(path) as d:
            d.set_auto_maskandscale(False)
            assert d.variables["samples"].dimensions == ("record", "channel", axis)
            assert d.variables["samples"][:].tobytes() == sent.raw.tobytes()
            assert d.variables["seq"][:].tobytes() == sent.seq.tobytes()
            time = d.variables["time"]
            assert time.units.startswith("nanoseconds since 1970-01-01")
            assert time[:].tobytes() == sent.utc_ns.tobytes()
            assert d.variables[axis].units == "s"


def test_the_c_library_of_netcdf_reads_a_recording_itself(recordings: Path) -> None:
    netcdf = pytest.importorskip("netCDF4", reason="netCDF4 is not installed (pip install 'groundsweep[dev]')")
    with netcdf.Dataset(recordings / "rebar_real.h5") as d:
        stream = d.groups["streams"].groups["radar"]
        assert stream.variables["raw"].shape == (332, 1, 512)
        assert stream.variables["raw"].unit == "count"
        assert stream.sampling_interval_s == pytest.approx(8e-9 / 512)
        assert d.variables["truth"].shape == (14,)
