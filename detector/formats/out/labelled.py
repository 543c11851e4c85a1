"""xarray and netCDF-4: a stream with its coordinates, units and description. Needs the extra `xarray`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.errors import FormatError
from detector.formats.out.creating import creating
from detector.formats.out.samples import BLOCK_BYTES, Progress, silent, stream_of
from detector.formats.readable import Readable
from detector.samples import SampleBlock, StreamDescription, StreamKind

if TYPE_CHECKING:
    import xarray

_VALUE_AXIS = {
    StreamKind.RADAR: ("two_way_time", "s", "two-way travel time from the first sample"),
    StreamKind.METAL_PI: ("gate_time", "s", "centre of the receive gate after switch-off"),
    StreamKind.METAL_CW: ("value", "1", "in-phase and quadrature, a pair for each frequency"),
    StreamKind.METAL: ("value", "1", "channel of the instrument"),
}


def to_xarray(recording: Readable, name: str = "", start: int = 0, stop: int | None = None) -> xarray.Dataset:
    """A stream, or records `start` to `stop` - 1 of it, as a Dataset in memory.

    ``samples`` (record, channel, two_way_time | gate_time | value) are raw counts; a physical value is
    ``samples * samples.scale + samples.offset`` in ``samples.physical_units``. Coordinates of a record: ``time`` (UTC),
    ``seq``, ``tick`` and ``distance`` (m along the track, NaN where it is not known).

    Parameters
    ----------
    recording : an open Recording, or a ForeignRecording
    name : of the stream; '' for the only one

    Raises
    ------
    FormatError
        if there is no such stream, or xarray is not installed.
    """
    s = stream_of(recording, name)
    return _dataset(recording, s, recording.block(s.name, start, recording.n_records(s.name) if stop is None else stop))


def _dataset(recording: Readable, s: StreamDescription, b: SampleBlock) -> xarray.Dataset:
    xr = _xarray()
    axis, unit, meaning = _VALUE_AXIS[s.kind]
    steps = {
        StreamKind.RADAR: np.arange(s.values) * s.sampling_interval_s,
        StreamKind.METAL_PI: np.array(s.axis),
    }.get(s.kind, np.arange(s.values))
    samples = xr.DataArray(
        b.raw,
        dims=("record", "channel", axis),
        attrs={
            "long_name": f"samples of {s.name} as received", "units": "count", "scale": s.scale, "offset": s.offset,
            "physical_units": s.unit, "kind": str(s.kind),
        },
    )  # fmt: skip
    coordinates: dict[str, Any] = {
        "time": ("record", b.utc_ns.view("datetime64[ns]"), {"standard_name": "time", "long_name": "time, UTC"}),
        "seq": ("record", b.seq, {"long_name": "record number counted by the head", "units": "1"}),
        "tick": ("record", b.tick, {"long_name": "tick counter of the head", "frequency_hz": recording.device.tick_hz}),
        "distance": ("record", b.odometer_m, {"long_name": "distance along the track", "units": "m"}),
        "channel": ("channel", np.arange(s.channels), {"long_name": "coil or antenna", "units": "1"}),
        axis: (axis, steps, {"long_name": meaning, "units": unit}),
    }
    attributes = {
        "Conventions": "CF-1.11", "title": recording.note or s.name, "device_model": recording.device.model,
        "device_serial": recording.device.serial, "rate_hz": s.rate_hz, "centre_frequency_hz": s.centre_frequency_hz,
        "step_m": s.step_m,
    } | ({"frequencies_hz": np.array(s.axis)} if s.kind is StreamKind.METAL_CW else {})  # fmt: skip
    dataset: xarray.Dataset = xr.Dataset({"samples": samples}, coords=coordinates, attrs=attributes)
    dataset["time"].encoding |= {"units": "nanoseconds since 1970-01-01", "dtype": "int64"}
    return dataset


def write_netcdf(path: Path, recording: Readable, name: str = "", progress: Progress = silent) -> None:
    """The Dataset of :func:`to_xarray` as netCDF-4, a block at a time.

    FormatError as there, or if the file cannot be written.
    """
    s = stream_of(recording, name)
    _xarray()
    try:
        import h5netcdf
    except ImportError as e:
        raise _missing() from e
    n = recording.n_records(s.name)
    step = max(1, min(n, BLOCK_BYTES // (s.width * s.dtype.itemsize)))
    with creating(path):
        first = to_xarray(recording, s.name, 0, step)
        # netCDF has no unsigned 16-bit fill value of its own accord, and samples have none
        coding: dict[str, dict[str, Any]] = {"samples": {"_FillValue": None}, "distance": {"_FillValue": np.nan}}
        first.to_netcdf(path, engine="h5netcdf", unlimited_dims=["record"], encoding=coding)
        progress(min(step, n))
        with h5netcdf.File(path, "a") as file:
            for start in range(step, n, step):
                b = recording.block(s.name, start, start + step)
                end = start + len(b)
                file.resize_dimension("record", end)
                columns = {"samples": b.raw, "time": b.utc_ns, "seq": b.seq, "tick": b.tick, "distance": b.odometer_m}
                for column, values in columns.items():
                    file.variables[column][start:end] = values
                progress(len(b))


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as e:
        raise _missing() from e
    return xarray


def _missing() -> FormatError:
    return FormatError("This needs xarray and h5netcdf. Install them with: pip install 'groundsweep[xarray]'")
