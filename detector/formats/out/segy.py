"""SEG-Y revision 1 of one channel of a radar, a trace at a time.

The interval field is in picoseconds, as radar programs have it; what does not fit there stands in words in the
text header: the exact interval, the centre frequency, the record rate, and how counts become physical values.
"""

from __future__ import annotations

import datetime
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np

from detector.errors import FormatError
from detector.formats.out.creating import creating
from detector.formats.out.samples import Progress, blocks_of, silent, stream_of
from detector.formats.readable import Readable
from detector.formats.segy import COUNTED, TRACE_HEADER_BYTES
from detector.samples import NO_ODOMETER, SampleBlock, StreamDescription, StreamKind

_CODES: Final = {"int16": (3, ">i2"), "int32": (2, ">i4"), "float32": (5, ">f4")}
_MOST_SAMPLES: Final = 32767
_UM_PER_UNIT: Final = 100
"""Coordinates are whole 0.1 mm (scalar -10000), so that 214 km fit in 32 bits."""

_TRACE: Final[Any] = [
    ("sequence_line", ">i4"), ("sequence_file", ">i4"), ("record", ">i4"), ("_13", "V16"), ("kind", ">i2"),
    ("_31", "V40"), ("scalar", ">i2"), ("_73", "V8"), ("x", ">i4"), ("y", ">i4"), ("units", ">i2"), ("_91", "V24"),
    ("points", ">u2"), ("interval", ">u2"), ("_119", "V38"), ("year", ">i2"), ("day", ">i2"), ("hour", ">i2"),
    ("minute", ">i2"), ("second", ">i2"), ("time_basis", ">i2"), ("_169", "V72"),
]  # fmt: skip


def write_segy(
    path: Path, recording: Readable, name: str = "", channel: int | None = None, progress: Progress = silent
) -> None:
    """One channel of a radar stream.

    Unsigned counts are written less 32768 where that is the stream's offset, else as 32-bit integers. Traces are
    numbered by record, so that lost ones leave a gap in the numbers.

    Parameters
    ----------
    name : of the stream; '' for the only radar
    channel : of the stream; None for the only one

    Raises
    ------
    FormatError
        if there is no such radar or channel, its A-scans are too long for SEG-Y, or the file cannot be written.
    """
    radars = [s for s in recording.device.streams if s.kind is StreamKind.RADAR]
    s = radars[0] if not name and len(radars) == 1 else stream_of(recording, name)
    if s.kind is not StreamKind.RADAR:
        raise FormatError(f"SEG-Y holds radar traces; {s.name!r} is a metal detector. Export it as .csv or .npz.")
    if channel is None and s.channels > 1:
        raise FormatError(
            f"A SEG-Y file holds one channel, and {s.name!r} has {s.channels}. Say which with --channel (0 is first)."
        )
    channel = channel or 0
    if not 0 <= channel < s.channels:
        raise FormatError(f"{s.name!r} has channels 0 to {s.channels - 1}, not {channel}.")
    if s.values > _MOST_SAMPLES:
        raise FormatError(f"A SEG-Y trace holds {_MOST_SAMPLES} samples; those of {s.name!r} have {s.values}.")
    centred = s.sample_type == "uint16" and s.offset == -32768.0 and s.scale == 1.0
    code, dtype = _CODES["int16" if centred else "int32" if s.sample_type == "uint16" else s.sample_type]
    with creating(path), path.open("wb") as f:
        f.write(_headers(recording, s, channel, code, centred))
        for b in blocks_of(recording, s):
            f.write(_traces(b, channel, dtype, centred).tobytes())
            progress(len(b))


def _interval(s: StreamDescription) -> int:
    """In ps; 0 where that does not fit the field."""
    ps = round(s.sampling_interval_s * 1e12)
    return ps if ps <= 32767 else 0


def _headers(recording: Readable, s: StreamDescription, channel: int, code: int, centred: bool) -> bytes:
    physical = "" if centred else f"PHYSICAL VALUE = SAMPLE * {s.scale!r} + {s.offset!r}"
    cards = [
        "GROUNDSWEEP RADAR", f"DEVICE {recording.device.model}", f"SERIAL {recording.device.serial}",
        f"STREAM {s.name} CHANNEL {channel} UNIT {s.unit}", physical,
        "TRACE INTERVAL FIELDS ARE PICOSECONDS", f"SAMPLING INTERVAL {s.sampling_interval_s!r} S".upper(),
        f"CENTRE FREQUENCY {s.centre_frequency_hz!r} HZ".upper(), f"RECORD RATE {s.rate_hz!r} HZ".upper(),
        "RECEIVER X IS THE DISTANCE ALONG THE TRACK", COUNTED,
    ]  # fmt: skip
    lines = [f"C{i + 1:2} {cards[i] if i < len(cards) else ''}" for i in range(38)]
    lines += ["C39 SEG Y REV1", "C40 END TEXTUAL HEADER"]
    text = "".join(line[:80].ljust(80) for line in lines).encode("cp037", "replace")
    binary = bytearray(400)
    struct.pack_into(">3i", binary, 0, 1, 1, 1)
    struct.pack_into(">hh", binary, 12, 1, 0)
    struct.pack_into(">HH", binary, 16, _interval(s), _interval(s))
    struct.pack_into(">HH", binary, 20, s.values, s.values)
    struct.pack_into(">h", binary, 24, code)
    struct.pack_into(">h", binary, 54, 1)  # metres
    struct.pack_into(">HH", binary, 300, 0x0100, 1)  # revision 1, traces of one length
    return text + bytes(binary)


def _traces(b: SampleBlock, channel: int, dtype: str, centred: bool) -> np.ndarray[Any, Any]:
    s = b.stream
    out = np.zeros(len(b), np.dtype([*_TRACE, ("samples", dtype, (s.values,))]))
    assert out.dtype.fields is not None
    assert out.dtype.fields["samples"][1] == TRACE_HEADER_BYTES
    number = np.minimum(b.seq + 1, 2**31 - 1)
    out["sequence_line"] = out["sequence_file"] = out["record"] = number
    out["kind"] = 1
    out["scalar"] = -10000
    where = np.round(b.odometer_um / _UM_PER_UNIT)
    known = (b.odometer_um != NO_ODOMETER) & (np.abs(where) < 2**31)
    out["x"] = np.where(known, where, 0).astype(np.int32)
    out["units"] = known  # 1: metres; 0 where the place is not known
    out["points"], out["interval"] = s.values, _interval(s)
    seconds = (b.utc_ns // 1_000_000_000).tolist()
    times = [datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=t) for t in seconds]
    out["year"] = [t.year for t in times]
    out["day"] = [t.timetuple().tm_yday for t in times]
    out["hour"], out["minute"], out["second"] = ([getattr(t, p) for t in times] for p in ("hour", "minute", "second"))
    out["time_basis"] = 4  # UTC
    samples = b.raw[:, channel]
    out["samples"] = samples.astype(np.int32) - 32768 if centred else samples
    return out
