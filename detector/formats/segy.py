"""SEG-Y, revisions 0 and 1, as radars write it: IBM and IEEE floats, 32-, 16- and 8-bit integers, either byte order.

Source: SEG Technical Standards Committee, SEG-Y rev 1 data exchange format, 2002. The interval between samples is
an integer field meant for microseconds; radar programs put picoseconds there, and so it is read here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import FormatError
from detector.formats.bounded import cut_off, read_bytes, records_in, twin
from detector.formats.description import checked, describe
from detector.formats.foreign import (
    ForeignRecording,
    dominant_frequency,
    left_out,
    radar_labels,
    renumbered,
    whole_block,
)
from detector.samples import DeviceDescription, StreamDescription, StreamKind

TEXT_BYTES: Final = 3200
HEADER_BYTES: Final = 3600
TRACE_HEADER_BYTES: Final = 240

FORMATS: Final = {
    1: ("u4", "float32"), 2: ("i4", "int32"), 3: ("i2", "int16"), 5: ("f4", "float32"), 8: ("i1", "int16"),
    11: ("u2", "uint16"), 16: ("u1", "int16"),
}  # fmt: skip
"""By format code: as stored (IBM floats as their bits), and as given."""

EXACT: Final = {
    "sampling_interval_s": re.compile(r"SAMPLING INTERVAL\s+([0-9.E+-]+)\s+S\b"),
    "centre_frequency_hz": re.compile(r"CENTRE FREQUENCY\s+([0-9.E+-]+)\s+HZ\b"),
    "rate_hz": re.compile(r"RECORD RATE\s+([0-9.E+-]+)\s+HZ\b"),
}
"""What our own SEG-Y says in its text header, where the binary one has no room."""


COUNTED: Final = "TRACE NUMBER IS THE RECORD NUMBER PLUS ONE"
"""... so that what was lost stays a gap. Other programs number traces without meaning that."""


def read_segy(path: Path) -> ForeignRecording:
    """A SEG-Y file of radar traces of one length.

    Receiver coordinates in units of length place the traces along their track. NAME.toml beside the file may
    say sampling_interval_s, centre_frequency_hz, rate_hz and step_m, which then go before the file's own.

    Raises
    ------
    FormatError
        if the header makes no sense, the traces differ in length, or the file ends before its first trace.
    """
    data = read_bytes(path)
    if len(data) < HEADER_BYTES + TRACE_HEADER_BYTES:
        raise FormatError(f"{path} has {len(data)} bytes: too short for SEG-Y headers of 3840. Copy it again.")
    order = byte_order(data)
    interval, points, code = (_field(data, at, f"{order}u2") for at in (3216, 3220, 3224))
    extended = _field(data, 3504, f"{order}i2") if _field(data, 3500, f"{order}u2") in (0x0100, 0x0200) else 0
    if code not in FORMATS or not 0 <= extended <= 1000:
        raise FormatError(
            f"{path} is not a SEG-Y file that can be read: format code {code}, {extended} extended headers. Known "
            f"codes are {', '.join(map(str, FORMATS))}."
        )
    start = HEADER_BYTES + TEXT_BYTES * extended
    if len(data) < start + TRACE_HEADER_BYTES:
        raise FormatError(f"{path} ends before its first trace. Copy it again.")
    points = points or _field(data, start + 114, f"{order}u2")
    if points == 0:
        raise FormatError(f"{path} says that its traces have no samples. Copy it again.")
    stored, sample_type = FORMATS[code]
    fields = ("u2", "i2", "i4", "i4", "i2", "i4")
    layout: Any = {
        "names": ["points", "scalar", "x", "y", "units", "number", "samples"],
        "formats": [*(order + f for f in fields), (order + stored, (1, points))],
        "offsets": [114, 70, 80, 84, 88, 4, TRACE_HEADER_BYTES],
        "itemsize": TRACE_HEADER_BYTES + points * np.dtype(stored).itemsize,
    }
    traces = records_in(path, data, start, np.dtype(layout))
    if not np.isin(traces["points"], (0, points)).all():
        raise FormatError(f"{path}: its traces differ in length, which is not read here. Pad them to one length.")
    n = len(traces)
    text = text_header(data)
    beside = describe(path) if twin(path, ".toml", ".json") else checked({"kind": "radar"}, str(path))
    if beside.kind.is_metal:
        raise FormatError(f"{path.stem}.toml beside {path.name} describes a metal detector; SEG-Y holds radar traces.")
    raw: NDArray[Any] = traces["samples"]
    if code == 1:
        raw = ibm_to_float32(raw)
    interval_s = beside.sampling_interval_s or _said(text, "sampling_interval_s") or interval * 1e-12
    if interval_s <= 0:
        raise FormatError(f"{path} says no interval between samples. Write it in {path.stem}.toml beside the file.")
    mhz_known = beside.centre_frequency_hz or _said(text, "centre_frequency_hz")
    frequency = mhz_known or dominant_frequency(raw[:, 0], interval_s)
    x_m = _along_track(traces)
    step = beside.step_m
    if x_m is None and step:
        x_m = np.arange(n, dtype=np.float64) * step
    if x_m is not None and not step and n > 1:
        steps = np.abs(np.diff(x_m))
        steps = steps[np.isfinite(steps)]
        step = float(np.median(steps)) if len(steps) else 0.0
    stream = StreamDescription(
        stream_id=0,
        name="radar",
        kind=StreamKind.RADAR,
        channels=1,
        values=points,
        sample_type=sample_type,
        rate_hz=beside.rate_hz or _said(text, "rate_hz") or 50.0,
        scale=beside.scale,
        offset=beside.offset,
        unit=beside.unit,
        sampling_interval_s=interval_s,
        centre_frequency_hz=frequency,
        step_m=step,
    )
    block = whole_block(stream, raw, 1e6, x_m)
    if COUNTED in text:
        block = renumbered(path, block, traces["number"] - 1)
    taken = "" if beside.sampling_interval_s or _said(text, "sampling_interval_s") else (
        f" Its sample interval field, {interval}, is taken as picoseconds."
    )  # fmt: skip
    guessed = "" if mhz_known else f" The centre frequency is the spectrum's, {frequency / 1e6:.0f} MHz."
    cut = cut_off(data, start, traces.dtype)
    note = f"SEG-Y {path.name}, format {code}. Times are nominal.{taken}{guessed}{cut}{left_out(block, n)}"
    device = DeviceDescription("SEG-Y", path.stem, "", 1e6, (stream,))
    return ForeignRecording(device, (block,), radar_labels(path, step), note)


def byte_order(data: bytes) -> str:
    """'>' as the standard wants it, or '<' where only that makes sense of the format code."""
    return "<" if _field(data, 3224, ">u2") not in FORMATS and _field(data, 3224, "<u2") in FORMATS else ">"


def text_header(data: bytes) -> str:
    """The 3200 bytes in words: EBCDIC or ASCII, whichever has the more letters and spaces."""
    kinds = [data[:TEXT_BYTES].decode(code, "replace") for code in ("cp037", "ascii")]
    return max(kinds, key=lambda t: sum(c.isascii() and (c.isalnum() or c == " ") for c in t))


def ibm_to_float32(bits: NDArray[np.uint32]) -> NDArray[np.float32]:
    """IBM System/360 hexadecimal floats: sign, 7 bits of exponent of 16 less 64, 24 bits of fraction.

    bits : any shape; what is beyond float32 becomes infinite.
    """
    out = np.empty(bits.shape, np.float32)
    for at in range(0, len(bits), 1024):
        word = bits[at : at + 1024].astype(np.uint32)
        exponent = 4 * ((word >> 24 & 0x7F).astype(np.int32) - 64) - 24
        value = np.ldexp((word & 0xFFFFFF).astype(np.float64), exponent)
        with np.errstate(over="ignore"):
            out[at : at + 1024] = np.where(word >> 31, -value, value)
    return out


def _field(data: bytes, at: int, kind: str) -> int:
    return int(np.frombuffer(data, kind, 1, at)[0])


def _said(text: str, key: str) -> float:
    found = EXACT[key].search(text)
    try:
        value = float(found.group(1)) if found else 0.0
    except ValueError:
        return 0.0
    return value if 1e-15 < value < 1e15 else 0.0


def _along_track(traces: NDArray[Any]) -> NDArray[np.float64] | None:
    """(n,) m from the receivers' coordinates; None if they are angles, or all the same."""
    if not np.isin(traces["units"], (0, 1)).all():
        return None
    scalar = traces["scalar"].astype(np.float64)
    scale = np.where(scalar < 0, -1.0 / np.minimum(scalar, -1), np.maximum(scalar, 1))
    x, y = traces["x"] * scale, traces["y"] * scale
    if not (np.ptp(x) or np.ptp(y)):
        return None
    stated = traces["units"] == 1
    if stated.any() and not stated.all():
        # our own: no unit where there is no place
        return np.where(stated, x, np.nan)
    if not np.ptp(y):
        return np.asarray(x, np.float64)
    return np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))))
