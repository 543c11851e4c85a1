"""An empty recording: its groups, columns and tables, and the attributes that say what each holds."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import h5py
import numpy as np

from detector.recording import schema
from detector.recording.rows import stored
from detector.recording.tables import TABLES
from detector.samples import NO_ODOMETER, DeviceDescription, StreamDescription

CHUNK_BYTES: Final = 1 << 16
"""Of the samples of a stream, at most, if one record is not more."""


def lay_out(
    file: h5py.File, attributes: dict[str, Any], device: DeviceDescription, several_heads: bool, compress: bool
) -> None:
    """Everything that a recording holds before the first sample; from then on nothing is added but rows.

    attributes : of the file itself; several_heads : records keep their own head's ticks too; compress : gzip, shuffle
    """
    file.attrs.update(_fixed(attributes))
    group = file.create_group(schema.DEVICE)
    about = {"model": device.model, "serial": device.serial, "firmware": device.firmware, "tick_hz": device.tick_hz}
    group.attrs.update(_fixed({"description": "the detector head", **about}))
    filters: dict[str, Any] = {"compression": "gzip", "shuffle": True} if compress else {}
    for stream in device.streams:
        _lay_out_stream(file, stream, filters, several_heads)
    for name, table in TABLES.items():
        dataset = file.create_dataset(
            name, (0,), stored(table.dtype), maxshape=(None,), chunks=(max(1, 8192 // table.dtype.itemsize),),
            **filters,
        )  # fmt: skip
        columns = {f"column_{column}": meaning for column, meaning in table.meanings.items()}
        dataset.attrs.update(_fixed({"description": table.text, **table.notes, **columns}))
    closed = file.create_dataset(schema.CLOSED, data=np.uint8(0))
    closed.attrs.update(_fixed({"description": "1 once the session ended in order"}))


def _lay_out_stream(file: h5py.File, s: StreamDescription, filters: dict[str, Any], head_tick: bool) -> None:
    group = file.create_group(f"{schema.STREAMS}/{s.name}")
    for field in fields(s):
        value = getattr(s, field.name)
        if field.name == "axis":
            value = np.array(value, "<f8")
        group.attrs.update(_fixed({field.name: value}))
    rows = max(1, min(4096, CHUNK_BYTES // (s.width * s.dtype.itemsize)))
    raw = group.create_dataset(
        "raw", (0, s.channels, s.values), s.dtype, maxshape=(None, s.channels, s.values),
        chunks=(rows, s.channels, s.values), **filters,
    )  # fmt: skip
    text = f"samples as received; raw * {s.scale!r} + {s.offset!r} in {s.unit}"
    raw.attrs.update(_fixed({"unit": "count", "description": text}))
    for name, text in schema.COLUMNS.items():
        fill = NO_ODOMETER if name == "odometer_um" else 0
        column = group.create_dataset(name, (0,), "<i8", maxshape=(None,), chunks=(4096,), fillvalue=fill, **filters)
        column.attrs.update(_fixed({"unit": schema.COLUMN_UNITS[name], "description": text}))
    if head_tick:
        column = group.create_dataset(schema.HEAD_TICK, (0,), "<i8", maxshape=(None,), chunks=(4096,), **filters)
        text = "tick counter of this stream's own head, unwrapped"
        column.attrs.update(_fixed({"unit": "tick", "description": text}))


def _fixed(attributes: dict[str, Any]) -> dict[str, Any]:
    """Texts as fixed-length UTF-8: variable ones lie in a part of the file over whose damage HDF5 hangs."""
    out = {}
    for name, value in attributes.items():
        if isinstance(value, str):
            data = str(value).encode()
            value = np.array(data, h5py.string_dtype("utf-8", max(1, len(data))))
        out[name] = value
    return out
