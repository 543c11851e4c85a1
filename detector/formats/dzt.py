"""GSSI DZT: impulse radar, one or more channels, 8, 16 or 32 bits.

Source: GSSI's header layout (rh_* names) as published in the SIR manuals and checked against four files.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from detector.errors import FormatError
from detector.formats.bounded import cut_off, read_bytes, records_in, twin
from detector.formats.fixes import placed_in_time, read_nmea_fixes
from detector.formats.foreign import ForeignRecording, dominant_frequency, interleaved, radar_labels, whole_block
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind

HEADER_BYTES: Final = 1024
TAGS: Final = (0x00FF, 0x0700)

_ANTENNAS_MHZ = {
    "3101": 900, "3100": 500, "3102": 500, "5103": 400, "50400": 400, "50400S": 400, "50270": 270, "50200": 200,
    "5106": 200, "62000": 2600, "62300": 2300, "52600": 2600, "5100": 1500, "5100B": 1600, "51600": 1600,
    "51600S": 1600, "42000S": 2000, "42000": 2000, "41000": 1000, "4105": 2000, "350HS": 350, "DF": 800,
}  # fmt: skip

_TYPES = {8: ("u1", "uint16", -128.0), 16: ("<u2", "uint16", -32768.0), 32: ("<i4", "int32", 0.0)}
"""By bits: as stored, as given, and the offset that centres it."""


@dataclass(frozen=True, slots=True)
class _Channel:
    range_ns: float
    antenna: str


def read_dzt(path: Path) -> ForeignRecording:
    """A DZT file; 16-bit samples stay unsigned as stored, their offset is in the stream's scale.

    Channels of one time window become channels of one stream; with windows that differ (a two-frequency
    antenna) each is a stream of its own. A .DZG beside the file gives positions and times. The header's
    permittivity is not used: it is a setting of the display, and zero in old files.

    Raises
    ------
    FormatError
        if the header makes no sense or the file ends before its first scan.
    """
    data = read_bytes(path)
    if len(data) < HEADER_BYTES:
        raise FormatError(f"{path} has {len(data)} bytes: too short for a DZT header of 1024. Copy it again.")
    tag, at, nsamp, bits, _zero = struct.unpack_from("<HHHHh", data, 0)
    scans_per_s, scans_per_m = struct.unpack_from("<ff", data, 10)
    n_channels = max(1, struct.unpack_from("<H", data, 52)[0])
    known = tag in TAGS and nsamp > 0 and bits in _TYPES and n_channels <= 16
    channels = [_channel(data, HEADER_BYTES * c) for c in range(n_channels if known else 1)]
    if not known or not 0 < channels[0].range_ns < 1e5:
        raise FormatError(
            f"{path} is not a DZT file that can be read: tag {tag:#x}, {nsamp} samples of {bits} bits, "
            f"{channels[0].range_ns:g} ns, {n_channels} channels. Check that it is whole."
        )
    # old programs leave the headers of further channels empty: they are as the first
    channels = [c if 0 < c.range_ns < 1e5 else channels[0] for c in channels]
    stored, sample_type, offset = _TYPES[bits]
    scan = np.dtype((stored, (n_channels, nsamp)))
    start = _start(len(data), at, n_channels, scan.itemsize)
    raw = records_in(path, data, start, scan)
    n = len(raw)
    rate = float(scans_per_s) if 0.01 < scans_per_s < 1e5 else 50.0
    step = 1.0 / abs(scans_per_m) if 0.01 < abs(scans_per_m) < 1e5 else 0.0
    beside = twin(path, ".dzg")
    utc_ns, positions = placed_in_time(read_nmea_fixes(beside, 0) if beside else [], n, rate)
    x_m = np.arange(n) * step if step else None
    guessed = ""
    if not step:
        guessed = " The header gives no scans per metre: marks in the scans place nothing."
    elif scans_per_m < 0:
        guessed = " Its distance counts backwards: places are counted from the first scan on."
    alike = len({c.range_ns for c in channels}) == 1
    groups = [list(range(n_channels))] if alike else [[c] for c in range(n_channels)]
    blocks: list[SampleBlock] = []
    for i, group in enumerate(groups):
        channel = channels[group[0]]
        interval_s = channel.range_ns * 1e-9 / nsamp
        mhz = _antenna_mhz(channel.antenna)
        if mhz == 0.0:
            mhz = 1e-6 * dominant_frequency(raw[:, group[0]], interval_s)
            guessed += (
                f" Antenna {channel.antenna!r} is not known: its centre frequency is the spectrum's, {mhz:.0f} MHz."
            )
        stream = StreamDescription(
            stream_id=i,
            name="radar" if i == 0 else f"radar{i + 1}",
            kind=StreamKind.RADAR,
            channels=len(group),
            values=nsamp,
            sample_type=sample_type,
            rate_hz=rate,
            offset=offset,
            sampling_interval_s=interval_s,
            centre_frequency_hz=mhz * 1e6,
            step_m=step,
        )
        blocks.append(whole_block(stream, raw[:, group], 1e6, x_m, utc_ns))
    times = "Times and places are those of the .DZG beside it." if utc_ns is not None else "Times are nominal."
    cut = cut_off(data, start, scan)
    note = f"GSSI DZT {path.name}. {times}{guessed}{cut} The first two samples of a scan may be markers."
    model = f"GSSI {channels[0].antenna or 'radar'}"
    device = DeviceDescription(model, path.stem, "", 1e6, tuple(b.stream for b in blocks))
    parts = tuple(blocks) if alike else interleaved(blocks)
    return ForeignRecording(device, parts, radar_labels(path, step), note, positions)


def _channel(data: bytes, start: int) -> _Channel:
    if start + HEADER_BYTES > len(data):
        return _Channel(0.0, "")
    (range_ns,) = struct.unpack_from("<f", data, start + 26)
    antenna = data[start + 98 : start + 112].split(b"\0")[0].decode("ascii", "replace").strip()
    return _Channel(range_ns if math.isfinite(range_ns) else 0.0, antenna)


def _start(size: int, at: int, channels: int, scan_bytes: int) -> int:
    """Where the scans begin.

    rh_data below 1024 counts headers of 1024 bytes, else there is one a channel; some programs write the offset
    itself instead. Whole scans have to fit behind it, which tells the two apart.
    """
    if at < HEADER_BYTES:
        return HEADER_BYTES * max(at, channels)
    stated = HEADER_BYTES * channels
    return at if (size - stated) % scan_bytes and (size - at) % scan_bytes == 0 else stated


def _antenna_mhz(name: str) -> float:
    """Centre frequency from an antenna's name as written in the header, MHz; 0 if it does not say."""
    written = re.findall(r"(\d+(?:\.\d+)?)\s*([MG])HZ", name.upper())
    if written:
        number, unit = written[-1]
        return float(number) * (1000.0 if unit == "G" else 1.0)
    model = re.match(r"[0-9A-Z]+", name.upper())
    return float(_ANTENNAS_MHZ.get(model.group(0), 0)) if model else 0.0
