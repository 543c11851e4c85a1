"""Lanes simulated by a field solver, gprMax or our own: HDF5 with A-scans in V/m, and a JSON truth file beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from detector.detections import TrueObject
from detector.errors import FormatError
from detector.formats.foreign import ForeignRecording, dominant_frequency, left_out, whole_block
from detector.formats.hdf5 import ERRORS, numbers, open_file
from detector.formats.lane_truth import NOTHING_THERE, lane_truth
from detector.samples import DeviceDescription, StreamDescription, StreamKind

NOMINAL_SPEED_M_PER_S = 0.25

SIMULATED: Final = "simulated"
"""What such a lane has as a head's firmware."""

_LONGEST_NAME: Final = 64

_UNNAMED: Final = "a simulator that the file does not name"


@dataclass(frozen=True, slots=True)
class Lane:
    """A simulated lane as stored: no receiver noise."""

    name: str
    """As the file states it (attribute `lane`), so that a renamed copy is known again; else the file's name."""
    ascans: NDArray[np.float32]
    """(n, samples), V/m."""
    x_m: NDArray[np.float64]
    """(n,) NaN where it is not known."""
    height_m: NDArray[np.float64]
    """(n,) NaN where the file does not say."""
    dt_s: float
    centre_frequency_hz: float
    step_m: float
    """Between A-scans; 0 where nothing says."""
    soil: str
    simulator: str
    """Name and version, as the file has them before any bracket."""
    truth: tuple[TrueObject, ...]
    assumed: str = ""
    """What the file did not say or contradicted, in sentences."""


def load_lane(path: Path) -> Lane:
    """Only the A-scans, dt_s and one of x_m and dx_m must be there. Raises FormatError if it is not such a lane."""
    try:
        with open_file(path) as f:
            ascans = np.asarray(numbers(f, "ascans"))
            x_m = np.asarray(numbers(f, "x_m"), np.float64) if "x_m" in f else None
            height_m = np.asarray(numbers(f, "antenna_height_m"), np.float64) if "antenna_height_m" in f else None
            said = {k: _attribute(f, k) for k in ("dt_s", "dx_m", "centre_frequency_hz")}
            soil = str(f.attrs.get("soil", ""))
            simulator = str(f.attrs.get("simulator", "")).split("(")[0].strip() or _UNNAMED
            name = _stated_name(f) or path.stem
    except ERRORS as e:
        raise FormatError(f"{path} is not a simulated lane of the kind that this reads ({e}).") from e
    assumed = []
    if ascans.ndim == 2 and x_m is not None and len(x_m) == ascans.shape[1] != ascans.shape[0]:
        ascans = ascans.T
        assumed.append("A-scans lie in columns.")
    n = len(ascans) if ascans.ndim == 2 else 0
    shapes = [v.shape for v in (x_m, height_m) if v is not None]
    if n == 0 or not 1 <= ascans.shape[1] <= 65535 or any(s != (n,) for s in shapes):
        raise FormatError(f"{path}: A-scans {ascans.shape}, x and height {shapes} do not fit.")
    for what, value in said.items():
        if value is not None and not (np.isfinite(value) and value > 0):
            raise FormatError(f"{path}: {what} is {value:g}; it is more than 0. Correct it, or leave it out.")
    dt_s = said["dt_s"]
    if dt_s is None:
        raise FormatError(f"{path} has no dt_s, the time between the samples of an A-scan in s. Add the attribute.")
    if x_m is None and said["dx_m"] is None:
        raise FormatError(f"{path} says neither where its A-scans lie (x_m) nor how far apart (dx_m). Add one.")
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(ascans, np.float32)
    x_m, step, said_step = _placed(n, x_m, said["dx_m"])
    frequency = said["centre_frequency_hz"]
    if frequency is None:
        frequency = dominant_frequency(narrow, dt_s)
        assumed.append(f"The centre frequency is the spectrum's, {frequency / 1e6:.0f} MHz.")
    truth = lane_truth(path.with_suffix(".json"))
    if truth == ():
        assumed.append(NOTHING_THERE)
    return Lane(
        name=name,
        ascans=narrow,
        x_m=x_m,
        height_m=np.full(n, np.nan) if height_m is None else height_m,
        dt_s=dt_s,
        centre_frequency_hz=frequency,
        step_m=step,
        soil=soil,
        simulator=simulator,
        truth=truth or (),
        assumed=" ".join([*assumed, *said_step]),
    )


def _attribute(f: h5py.File, name: str) -> float | None:
    value: Any = f.attrs.get(name)
    return None if value is None else float(np.asarray(value).reshape(()))


def _stated_name(f: h5py.File) -> str:
    """The lane's own name; '' where there is none that a person could have given."""
    value: Any = f.attrs.get("lane")
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    name = str(value).strip() if isinstance(value, str | int | np.integer) else ""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else ""


def _placed(
    n: int, x_m: NDArray[np.float64] | None, dx_m: float | None
) -> tuple[NDArray[np.float64], float, list[str]]:
    """(n,) places, the step between them, and what there is to say of them. Places go before a stated step."""
    if x_m is None:
        return (
            np.arange(n, dtype=np.float64) * (dx_m or 0.0),
            dx_m or 0.0,
            ["Places are counted from the first A-scan, dx_m apart."],
        )
    steps = np.abs(np.diff(x_m))
    steps = steps[np.isfinite(steps)]
    measured = float(np.median(steps)) if len(steps) else 0.0
    if measured == 0.0:
        if n > 1:
            return np.full(n, np.nan), dx_m or 0.0, ["x_m does not move: no A-scan has a place."]
        return x_m, dx_m or 0.0, []
    if dx_m is None:
        return x_m, measured, []
    if not 0.8 <= measured / dx_m <= 1.25:
        return x_m, measured, [f"dx_m says {dx_m:g} m and x_m steps by {measured:g} m, which is taken."]
    return x_m, dx_m, []


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
        rate_hz=NOMINAL_SPEED_M_PER_S / lane.step_m if lane.step_m >= 1e-4 else 50.0,
        unit="V/m",
        sampling_interval_s=lane.dt_s,
        centre_frequency_hz=lane.centre_frequency_hz,
        step_m=lane.step_m,
    )
    block = whole_block(stream, lane.ascans[:, None, :], 1e6, lane.x_m)
    device = DeviceDescription(lane.simulator, lane.name, SIMULATED, 1e6, (stream,))
    # the soil's name up to its first mark is what reports group lanes by
    soil = f" Soil: {lane.soil.replace(':', ';', 1)}." if lane.soil else ""
    assumed = f" {lane.assumed}" if lane.assumed else ""
    note = f"Simulated lane {lane.name}.{soil} No receiver noise.{assumed}{left_out(block, len(lane.ascans))}"
    return ForeignRecording(device, (block,), lane.truth, note)
