"""Lanes simulated with gprMax: HDF5 with A-scans in V/m, and a JSON truth file beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.detections import LabelClass, TrueObject
from detector.errors import FormatError
from detector.formats.bounded import read_text
from detector.formats.foreign import ForeignRecording, left_out, whole_block
from detector.formats.hdf5 import ERRORS, numbers, open_file
from detector.samples import DeviceDescription, StreamDescription, StreamKind

NOMINAL_SPEED_M_PER_S = 0.25


@dataclass(frozen=True, slots=True)
class Lane:
    """A simulated lane as stored: no receiver noise."""

    name: str
    ascans: NDArray[np.float32]
    """(n, samples), V/m."""
    x_m: NDArray[np.float64]
    height_m: NDArray[np.float64]
    dt_s: float
    centre_frequency_hz: float
    step_m: float
    soil: str
    truth: tuple[TrueObject, ...]


def load_lane(path: Path) -> Lane:
    """Raises FormatError if the file is not such a lane."""
    try:
        with open_file(path) as f:
            a = f.attrs
            ascans = np.asarray(numbers(f, "ascans"), np.float32)
            x_m, height_m = (np.asarray(numbers(f, name), np.float64) for name in ("x_m", "antenna_height_m"))
            lane = Lane(
                name=path.stem,
                ascans=ascans,
                x_m=x_m,
                height_m=height_m,
                dt_s=float(a["dt_s"]),
                centre_frequency_hz=float(a["centre_frequency_hz"]),
                step_m=float(a["dx_m"]),
                soil=str(a["soil"]),
                truth=lane_truth(path.with_suffix(".json")),
            )
    except ERRORS as e:
        raise FormatError(f"{path} is not a simulated lane of the kind that this reads ({e}).") from e
    sizes = (lane.dt_s, lane.centre_frequency_hz, lane.step_m)
    if ascans.ndim != 2 or x_m.shape != height_m.shape or x_m.shape != ascans.shape[:1] or not len(ascans):
        raise FormatError(f"{path}: A-scans {ascans.shape}, x {x_m.shape} and height {height_m.shape} do not fit.")
    if not all(np.isfinite(v) and v > 0 for v in sizes):
        raise FormatError(f"{path}: interval, frequency and step are {sizes}; all three are more than 0.")
    return lane


def lane_truth(path: Path) -> tuple[TrueObject, ...]:
    """Objects of a lane; () if the truth file is not there. FormatError if it cannot be understood."""
    if not path.is_file():
        return ()
    try:
        return tuple(_true_object(o) for o in json.loads(read_text(path))["objects"])
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise FormatError(f"{path} is not a whole truth file ({type(e).__name__}: {e}). Mend it or move it.") from e


def _true_object(o: dict[str, Any]) -> TrueObject:
    metal = bool(o.get("contains_metal", o["metal"]))
    clutter = LabelClass.METAL_CLUTTER if metal else LabelClass.NONMETAL_CLUTTER
    return TrueObject(
        label=LabelClass.MINE if o["class"] == "mine" else clutter,
        kind=o["kind"],
        stream="",
        x_m=float(o["x_m"]),
        first_seq=-1,
        last_seq=-1,
        half_extent_m=float(o["width_m"]) / 2,
        depth_m=float(o["depth_m"]),
        two_way_s=float("nan"),
        contains_metal=metal,
        confidence="simulated",
    )


def read_gprmax_lane(path: Path) -> ForeignRecording:
    """The lane as it is: float A-scans without receiver noise, placed by x."""
    lane = load_lane(path)
    stream = StreamDescription(
        stream_id=0,
        name="radar",
        kind=StreamKind.RADAR,
        channels=1,
        values=lane.ascans.shape[1],
        sample_type="float32",
        rate_hz=NOMINAL_SPEED_M_PER_S / lane.step_m,
        unit="V/m",
        sampling_interval_s=lane.dt_s,
        centre_frequency_hz=lane.centre_frequency_hz,
        step_m=lane.step_m,
    )
    block = whole_block(stream, lane.ascans[:, None, :], 1e6, lane.x_m)
    device = DeviceDescription("gprMax 3.1.7", lane.name, "", 1e6, (stream,))
    note = f"Simulated lane {lane.name}, {lane.soil}. No receiver noise.{left_out(block, len(lane.ascans))}"
    return ForeignRecording(device, (block,), lane.truth, note)
