"""MALA RD3 with its RAD header: impulse radar, 16 bits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from detector.errors import FormatError
from detector.formats.foreign import ForeignRecording, radar_labels, whole_block
from detector.samples import DeviceDescription, StreamDescription, StreamKind


def read_mala(path: Path) -> ForeignRecording:
    """An RD3 file; its RAD header must lie beside it. Give either.

    Raises
    ------
    FormatError
        if one of the two is missing or the header lacks what is needed.
    """
    header, data = path, path
    for suffix, upper in ((".rad", ".RAD"), (".rd3", ".RD3")):
        twin = next((path.with_suffix(s) for s in (suffix, upper) if path.with_suffix(s).exists()), None)
        if twin is None:
            raise FormatError(f"{path} needs its twin {path.with_suffix(suffix).name} beside it. Copy both.")
        header, data = (twin, data) if suffix == ".rad" else (header, twin)
    fields = dict(line.split(":", 1) for line in header.read_text(errors="replace").splitlines() if ":" in line)
    try:
        nsamp = int(fields["SAMPLES"])
        window_ns = float(fields["TIMEWINDOW"])
        step = float(fields["DISTANCE INTERVAL"])
        found = re.search(r"(\d+)\s*MHz", fields["ANTENNAS"])
        mhz = float(found.group(1)) if found else 0.0
        if nsamp < 1 or window_ns <= 0 or mhz <= 0:
            raise ValueError
    except (KeyError, ValueError) as e:
        raise FormatError(f"{header} is not a whole RAD header ({e!r}). Copy it again.") from e
    raw = np.fromfile(data, "<i2")
    n = len(raw) // nsamp
    if n == 0:
        raise FormatError(f"{data} ends before its first trace. Copy it again.")
    stream = StreamDescription(
        stream_id=0,
        name="radar",
        kind=StreamKind.RADAR,
        channels=1,
        values=nsamp,
        sample_type="int16",
        rate_hz=50.0,
        sampling_interval_s=window_ns * 1e-9 / nsamp,
        centre_frequency_hz=mhz * 1e6,
        step_m=step,
    )
    x = np.arange(n) * step if step else None
    block = whole_block(stream, raw[: n * nsamp].reshape(n, 1, nsamp), 1e6, x)
    device = DeviceDescription(f"MALA {fields['ANTENNAS'].strip()}", path.stem, "", 1e6, (stream,))
    note = f"MALA RD3 {data.name}. Times are nominal: the file gives distance only."
    return ForeignRecording(device, (block,), radar_labels(data, step), note)
