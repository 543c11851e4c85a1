"""GSSI DZT: impulse radar, one or more channels, 8, 16 or 32 bits.

Source: GSSI's header layout (rh_* names) as published in the SIR manuals and checked against four files.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np

from detector.errors import FormatError
from detector.formats.foreign import ForeignRecording, radar_labels, whole_block
from detector.samples import DeviceDescription, StreamDescription, StreamKind

_ANTENNAS_MHZ = {
    "3101": 900, "3100": 500, "3102": 500, "5103": 400, "50400": 400, "50400S": 400, "50270": 270, "50200": 200,
    "5106": 200, "62000": 2600, "62300": 2300, "52600": 2600, "5100": 1500, "5100B": 1600, "51600": 1600,
    "51600S": 1600, "42000S": 2000, "42000": 2000, "41000": 1000, "4105": 2000, "350HS": 350, "DF": 800,
}  # fmt: skip


def read_dzt(path: Path) -> ForeignRecording:
    """A DZT file; 16-bit samples stay unsigned as stored, their offset is in the stream's scale.

    Raises
    ------
    FormatError
        if the header makes no sense or the file ends before its first scan.
    """
    data = path.read_bytes()
    if len(data) < 1024:
        raise FormatError(f"{path} has {len(data)} bytes: too short for a DZT header of 1024. Copy it again.")
    tag, at, nsamp, bits, _zero = struct.unpack_from("<HHHHh", data, 0)
    scans_per_s, scans_per_m, _mpm, _position, range_ns = struct.unpack_from("<fffff", data, 10)
    (channels,) = struct.unpack_from("<H", data, 52)
    antenna = data[98:112].split(b"\0")[0].decode("ascii", "replace").strip()
    channels = max(1, channels)
    kinds = {8: ("u1", 128), 16: ("<u2", 32768), 32: ("<i4", 0)}
    if tag not in (0x00FF, 0x0700) or nsamp == 0 or bits not in kinds or not 0 < range_ns < 1e5 or channels > 16:
        raise FormatError(
            f"{path} is not a DZT file that can be read: tag {tag:#x}, {nsamp} samples of {bits} bits, "
            f"{range_ns:g} ns, {channels} channels. Check that it is whole."
        )
    # rh_data: a byte offset, or in older files a count of 1024-byte headers, one a channel
    start = at if at >= 1024 else 1024 * max(at, channels)
    dtype, middle = kinds[bits]
    itemsize = np.dtype(dtype).itemsize
    n = (len(data) - start) // (nsamp * itemsize * channels)
    if n <= 0:
        raise FormatError(f"{path} ends before its first scan: {len(data)} bytes, data from {start}. Copy it again.")
    raw = np.frombuffer(data, dtype, n * channels * nsamp, start).reshape(n, channels, nsamp)
    mhz = _antenna_mhz(antenna)
    guessed = ""
    if mhz == 0.0:
        mhz = 1e-6 * _dominant_frequency(raw[:, 0].astype(np.float64), range_ns * 1e-9 / nsamp)
        guessed = f" Antenna {antenna!r} is not known: its centre frequency is the spectrum's, {mhz:.0f} MHz."
    rate = float(scans_per_s) if 0 < scans_per_s < 1e5 else 50.0
    step = 1.0 / scans_per_m if 0 < scans_per_m < 1e5 else 0.0
    stream = StreamDescription(
        stream_id=0,
        name="radar",
        kind=StreamKind.RADAR,
        channels=channels,
        values=nsamp,
        sample_type={8: "uint16", 16: "uint16", 32: "int32"}[bits],
        rate_hz=rate,
        offset=-float(middle),
        sampling_interval_s=range_ns * 1e-9 / nsamp,
        centre_frequency_hz=mhz * 1e6,
        step_m=step,
    )
    x = np.arange(n) * step if step else None
    note = f"GSSI DZT {path.name}. Times are nominal.{guessed} The first two samples of a scan may be markers."
    block = whole_block(stream, raw, 1e6, x)
    device = DeviceDescription(f"GSSI {antenna or 'radar'}", path.stem, "", 1e6, (stream,))
    return ForeignRecording(device, (block,), radar_labels(path, step), note)


def _antenna_mhz(name: str) -> float:
    """Centre frequency from an antenna's name as written in the header, MHz; 0 if it does not say."""
    written = re.findall(r"([\d.]+)\s*([MG])HZ", name.upper())
    if written:
        number, unit = written[-1]
        return float(number) * (1000.0 if unit == "G" else 1.0)
    model = re.match(r"[0-9A-Z]+", name.upper())
    return float(_ANTENNAS_MHZ.get(model.group(0), 0)) if model else 0.0


def _dominant_frequency(ascans: np.ndarray, dt_s: float) -> float:
    """Power-weighted mean frequency of the mean spectrum, Hz; markers and offset left out."""
    clean = ascans[:, 2:] - ascans[:, 2:].mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(clean, axis=1)) ** 2).mean(axis=0)
    f = np.fft.rfftfreq(clean.shape[1], dt_s)
    power[f < 2.0 / (clean.shape[1] * dt_s)] = 0.0
    return float((power * f).sum() / power.sum())
