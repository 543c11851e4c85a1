"""Metal-detector grids of the HRATC 2014 field trials: coil{L,M,R}ch{0,1,2}.csv in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.detections import LabelClass, TrueObject
from detector.errors import FormatError
from detector.formats.bounded import read_text
from detector.formats.foreign import ForeignRecording, whole_block
from detector.samples import DeviceDescription, StreamDescription, StreamKind

_COILS = ("L", "M", "R")
_RATE_HZ = 10.0


def read_hratc(folder: Path) -> ForeignRecording:
    """A folder of nine grids, as one stream of 3 coils x 3 channels.

    The grid is read row by row, there and back, as an arm sweeps, so that successive records are
    neighbours. Outside its measured middle the map was extrapolated to a constant edge: only the
    cells round the middle are played. The cell size is not settled (1 or 5 cm), so no place is
    given; what the sensor measures is not stated, so the stream is plain `metal`.

    Raises
    ------
    FormatError
        if grids are missing, differ in shape or hold something else than numbers.
    """
    grids: list[list[NDArray[np.int64]]] = []
    for coil in _COILS:
        row = []
        for channel in range(3):
            path = folder / f"coil{coil}ch{channel}.csv"
            if not path.exists():
                raise FormatError(
                    f"{folder} has no {path.name}: a folder is read as HRATC grids, and all nine are needed. Else name "
                    "the files in it."
                )
            row.append(_grid(path))
        grids.append(row)
    if len({g.shape for row in grids for g in row}) != 1 or grids[0][0].ndim != 2:
        raise FormatError(f"The grids in {folder} differ in shape.")
    if min(grids[0][0].shape) < 2:
        raise FormatError(f"The grids in {folder} have {grids[0][0].shape} cells: too few for a map.")
    cube = np.array(grids)  # coil, channel, row, column
    ny, nx = cube.shape[2:]
    half = 12
    cy, cx = ny // 2, nx // 2
    cube = cube[:, :, max(0, cy - half) : cy + half + 1, max(0, cx - half) : cx + half + 1]
    ny, nx = cube.shape[2:]
    lines = cube.transpose(2, 3, 0, 1)  # row, column, coil, channel
    raw = np.concatenate([line if i % 2 == 0 else line[::-1] for i, line in enumerate(lines)])
    stream = StreamDescription(
        stream_id=0,
        name="metal",
        kind=StreamKind.METAL,
        channels=3,
        values=3,
        sample_type="int32",
        rate_hz=_RATE_HZ,
    )
    strength = np.abs(cube - np.median(cube, axis=(2, 3), keepdims=True)).astype(np.float64)
    strength /= strength.max(axis=(2, 3), keepdims=True) + 1.0
    rows = np.nonzero(strength.mean(axis=(0, 1)).max(axis=1) > 0.5)[0]
    mine = "mine" in folder.name.lower()
    truth = TrueObject(
        label=LabelClass.MINE if mine else LabelClass.METAL_CLUTTER,
        kind=folder.name,
        stream="metal",
        x_m=float("nan"),
        first_seq=int(rows[0]) * nx,
        last_seq=(int(rows[-1]) + 1) * nx - 1,
        half_extent_m=float("nan"),
        depth_m=float("nan"),
        two_way_s=float("nan"),
        contains_metal=True,
        confidence="surveyed",
    )
    note = (
        f"HRATC 2014 map {folder.name}: 3 coils (L, M, R) x 3 channels over one object, {ny} rows of {nx} cells read "
        "there and back. Order, rate and times are nominal; cell size and sensor model are not known. The truth "
        "spans the rows on which the object is strongest."
    )
    device = DeviceDescription("HRATC 2014 three-coil detector", folder.name, "", 1e6, (stream,))
    return ForeignRecording(device, (whole_block(stream, raw, 1e6, None),), (truth,), note)


def _grid(path: Path) -> NDArray[np.int64]:
    text = read_text(path)
    if not text.strip():
        raise FormatError(f"{path} is empty. Copy it again.")
    try:
        cells = np.loadtxt(text.splitlines(), delimiter=",", dtype=np.float64, ndmin=2)
    except ValueError as e:
        raise FormatError(f"{path} holds something else than numbers ({e}).") from e
    if not (np.abs(cells) < 2**31).all():
        raise FormatError(f"{path} holds numbers that are no counts of a converter (not finite, or over 2^31).")
    return cells.astype(np.int64)
