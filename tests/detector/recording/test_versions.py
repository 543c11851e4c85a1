"""The promise: a file of every version of the format is read by this software, whole."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from detector.detections import FEATURES, LabelClass
from detector.kept_ground import kept_ground
from detector.recording import schema
from detector.recording.integrity import verify
from detector.recording.reader import open_recording
from detector.recording.tables import TABLES
from detector.samples import FixQuality, TrackedSoil

VERSIONS = sorted((Path(__file__).parent / "versions").glob("*.h5"))

TRACKED = TrackedSoil(7, 0, 1, 2048, ((0.6, 0.8, 0.0),), (0.03125,), (25.0,), (1234,))


def test_there_is_a_file_of_every_version() -> None:
    latest = int(schema.SCHEMA_VERSION.partition(".")[2])
    assert [p.stem for p in VERSIONS] == [f"1.{minor}" for minor in range(latest + 1)]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda p: p.stem)
def test_a_file_of_each_version_is_read_whole(path: Path) -> None:
    with open_recording(path) as r:
        assert r.schema_version == path.stem
        assert r.closed
        stream = r.device.streams[0]
        n = r.n_records(stream.name)
        assert n >= 4
        assert sum(len(b) for b in r.blocks()) == n
        with h5py.File(path, locking=False) as f:
            assert np.array_equal(r.block(stream.name, 0, n).raw, f[f"streams/{stream.name}/raw"][:])
        for name in TABLES:
            assert r.table(name).dtype == TABLES[name].dtype
        assert r.truth()
        if path.stem != "1.0":
            assert r.gaps()[0].cause == "lost between head and host"
            assert r.events()[0].text == "battery low"
            assert r.clock_fits()[0].head == "T-1"
            assert r.parameters()[0].high == 9.0
            assert r.positions()[0].quality is FixQuality.RTK_FIXED
            found = r.detections()[0]
            assert found.metal_peak_seq == 40
            assert len(found.features) == len(FEATURES)
            if path.stem in ("1.1", "1.2"):
                # what those could not hold is not known, and what they held stands where it stood
                assert np.isfinite(found.features[:20]).any()
                assert np.isnan([*found.features[20:], found.radar_llr, found.metal_llr]).all()
            else:
                # 1.3 had 69 features when that file was made; those that came later are not known
                assert (found.features[68], found.radar_llr, found.metal_llr) == (68, -0.5, 1.25)
                assert len(found.features) == len(FEATURES)
                assert np.isnan(found.features[69:]).all()
            assert (found.radar_first_channel, found.radar_last_channel, found.antennas) == (-1, -1, "")
            assert r.labels()[0].label is LabelClass.MINE
        if path.stem not in ("1.0", "1.1"):
            assert r.coverage()[0].received == 9
            assert r.checks()[0].passed
        if path.stem not in ("1.0", "1.1", "1.2"):
            assert r.silences()[0].until_tick == 5000
            assert r.soils()[0].exponent[0] == 1.02
            assert r.metal_descriptions()[r.detections()[0].id].log_slopes == (-1.5, -2.0)
            assert math.isnan(r.metal_descriptions()[r.detections()[0].id].depth_m)
            (kept,) = kept_ground(r)
            assert kept.lane is not None
            assert kept.lane.text.startswith("2.00 by 0.50 m, at 45.8123456, 15.9765432")
            assert kept.ground.counted_m2 == pytest.approx(0.4875)
            assert r.tracked_soils() == ([] if path.stem == "1.3" else [TRACKED])
        else:
            assert (r.silences(), r.tracked_soils(), r.soils(), r.metal_descriptions()) == ([], [], [], {})


@pytest.mark.parametrize("path", VERSIONS, ids=lambda p: p.stem)
def test_a_file_verifies_or_is_older_than_digests(path: Path) -> None:
    verdict = verify(path)
    assert verdict.problems == []
    assert verdict.sound == (path.stem not in ("1.0", "1.1"))


@pytest.mark.parametrize("path", [p for p in VERSIONS if p.stem not in ("1.0", "1.1")], ids=lambda p: p.stem)
def test_a_file_holds_no_type_that_other_programs_cannot_read(path: Path) -> None:
    """MATLAB's h5read and HDFView read integers, floats, fixed-length strings, and flat compounds of those."""

    def plain(dtype: np.dtype) -> bool:
        if dtype.names:
            return all(plain(dtype[name]) for name in dtype.names)
        return dtype.base.kind in "iufS" and dtype.base.isnative

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        for attribute in item.attrs:
            assert plain(item.attrs.get_id(attribute).dtype), f"{name}: {attribute}"
        if isinstance(item, h5py.Dataset):
            assert plain(item.dtype), name
            assert item.attrs["description"], name
            assert item.compression in (None, "gzip")
            for column in item.dtype.names or ():
                assert item.attrs[f"column_{column}"], f"{name}: {column}"

    with h5py.File(path) as f:
        look("/", f)
        f.visititems(look)
