"""Sensors & Software DT1 with its HD header (pulseEKKO, Noggin): impulse radar, 16 bits.

Source: the DT1 trace header as printed in the pulseEKKO PRO user's guide: 25 floats and a comment of 28 bytes,
then the samples. Newer files may hold 32-bit floats, which the header's sixth number says (bytes a point).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from detector.errors import FormatError
from detector.formats.bounded import cut_off, fewer, read_bytes, read_text, records_in, twin
from detector.formats.fixes import placed_in_time, read_nmea_fixes
from detector.formats.foreign import ForeignRecording, left_out, radar_labels, whole_block
from detector.samples import DeviceDescription, StreamDescription, StreamKind

NOMINAL_SPEED_M_PER_S: Final = 0.5
"""These radars are read by distance; a cart is pushed about so fast. Times are made with it, and said nominal."""

_UNITS_M: Final = {
    "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0,
    "ft": 0.3048, "foot": 0.3048, "feet": 0.3048,
}  # fmt: skip

_TRACE_HEADER: Final = [
    ("number", "<f4"), ("position", "<f4"), ("points", "<f4"), ("topography", "<f4"), ("_5", "<f4"),
    ("bytes_per_point", "<f4"), ("_7", "<f4"), ("stacks", "<f4"), ("_gps", "<f8", 3), ("_15", "<f4", 11),
    ("comment", "S28"),
]  # fmt: skip


def read_dt1(path: Path) -> ForeignRecording:
    """A DT1 file with its HD beside it; give either. Positions in feet become metres.

    Each trace stands where its own header says. A .GPS beside it gives positions and times.

    Raises
    ------
    FormatError
        if one of the two is missing, the header lacks what is needed, or the traces differ in length.
    """
    header = path if path.suffix.lower() == ".hd" else twin(path, ".hd")
    data = path if path.suffix.lower() != ".hd" else twin(path, ".dt1")
    if header is None or data is None:
        wanted = path.with_suffix(".HD" if header is None else ".DT1").name
        raise FormatError(f"{path} needs its twin {wanted} beside it. Copy both.")
    lines = (line.partition("=") for line in read_text(header).splitlines())
    said = {key.strip().upper(): value.strip() for key, _, value in lines}
    try:
        stated = int(float(said["NUMBER OF TRACES"]))
        points = int(float(said["NUMBER OF PTS/TRC"]))
        window_ns = float(said["TOTAL TIME WINDOW"])
        step = abs(float(said["STEP SIZE USED"]))
        mhz = float(said["NOMINAL FREQUENCY"])
        unit = said["POSITION UNITS"].lower()
    except (KeyError, ValueError, OverflowError) as e:
        raise FormatError(f"{header} is not a whole HD header ({e!r}). Copy it again.") from e
    if unit not in _UNITS_M:
        raise FormatError(f"{header} gives positions in {unit!r}; metres and feet are known. Correct POSITION UNITS.")
    if not (1 <= points <= 65535 and 0 < window_ns < 1e7 and 0 <= step < 1000 and 0 < mhz < 1e5):
        raise FormatError(
            f"{header} is not an HD header that can be used: {points} points, {window_ns:g} ns, step {step:g} {unit}, "
            f"{mhz:g} MHz. Copy it again."
        )
    content = read_bytes(data)
    first = records_in(data, content, 0, np.dtype(_TRACE_HEADER))[0]
    if first["bytes_per_point"] not in (2.0, 4.0):
        raise FormatError(f"{data} says {first['bytes_per_point']:g} bytes a point; 2 and 4 are known. Copy it again.")
    wide = first["bytes_per_point"] == 4.0
    samples = ("samples", "<f4" if wide else "<i2", (1, points))
    traces = records_in(data, content, 0, np.dtype([*_TRACE_HEADER, samples]))
    if not (traces["points"] == points).all():
        raise FormatError(f"{data}: its traces do not all have the {points} points that {header.name} says. Copy both.")
    metres = _UNITS_M[unit]
    step = step if step * metres >= 1e-4 else 0.0
    n = len(traces)
    rate = NOMINAL_SPEED_M_PER_S / (step * metres) if step > 0 else 50.0
    gps = twin(path, ".gps")
    utc_ns, positions = placed_in_time(read_nmea_fixes(gps, 1) if gps else [], n, rate)
    stream = StreamDescription(
        stream_id=0,
        name="radar",
        kind=StreamKind.RADAR,
        channels=1,
        values=points,
        sample_type="float32" if wide else "int16",
        rate_hz=rate,
        sampling_interval_s=window_ns * 1e-9 / points,
        centre_frequency_hz=mhz * 1e6,
        step_m=step * metres,
    )
    x_m = traces["position"].astype(np.float64) * metres
    block = whole_block(stream, traces["samples"], 1e6, x_m if step > 0 else None, utc_ns)
    times = "Times and places are those of the .GPS beside it." if utc_ns is not None else "Times are nominal."
    cut = cut_off(content, 0, traces.dtype) + fewer(header, stated, n)
    back = " Its positions count backwards." if step > 0 and n > 1 and np.nanmedian(np.diff(x_m)) < 0 else ""
    written = "" if metres == 1.0 else f", positions in {unit} made into metres"
    note = f"Sensors & Software DT1 {data.name}{written}. {times}{back}{cut}{left_out(block, n)}"
    device = DeviceDescription(f"Sensors & Software {mhz:g} MHz", path.stem, "", 1e6, (stream,))
    return ForeignRecording(device, (block,), radar_labels(data, stream.step_m), note, positions)
