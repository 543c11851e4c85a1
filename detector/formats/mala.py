"""MALA RD3 (16 bits) and RD7 (32 bits) with their RAD header: impulse radar."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from detector.errors import FormatError
from detector.formats.bounded import cut_off, fewer, read_bytes, read_text, records_in, twin
from detector.formats.fixes import placed_in_time, read_cor
from detector.formats.foreign import ForeignRecording, dominant_frequency, radar_labels, whole_block
from detector.samples import DeviceDescription, Event, Int64Array, Severity, StreamDescription, StreamKind

_SAMPLES = {".rd3": ("<i2", "int16"), ".rd7": ("<i4", "int32")}
_MARK = re.compile(r"^\s*(\d{1,9})(?:[\s,;:]+(.*))?$")


def read_mala(path: Path) -> ForeignRecording:
    """An RD3 or RD7 file; its RAD header must lie beside it. Give any of them; of a RAD with both, RD7 is read.

    A .COR beside it gives positions and times, a .MRK the operator's marks.

    Raises
    ------
    FormatError
        if one of the two is missing or the header lacks what is needed.
    """
    header = path if path.suffix.lower() == ".rad" else twin(path, ".rad")
    data = path if path.suffix.lower() != ".rad" else twin(path, ".rd7", ".rd3")
    if header is None or data is None:
        wanted = path.with_suffix(".rad" if header is None else ".rd3").name
        raise FormatError(f"{path} needs its twin {wanted} beside it. Copy both.")
    lines = (line.partition(":") for line in read_text(header).splitlines())
    fields = {key.strip().upper(): value.strip() for key, colon, value in lines if colon}
    try:
        nsamp = int(fields["SAMPLES"])
        window_ns = _number(fields["TIMEWINDOW"])
        signed_step = _number(fields["DISTANCE INTERVAL"])
        every_s = _number(fields.get("TIME INTERVAL", "0"))
        antenna = fields.get("ANTENNAS", "")
        found = re.search(r"(\d+(?:\.\d+)?)\s*([MG])Hz", antenna, re.IGNORECASE)
        mhz = float(found.group(1)) * (1000.0 if found.group(2).upper() == "G" else 1.0) if found else 0.0
    except (KeyError, ValueError) as e:
        raise FormatError(f"{header} is not a whole RAD header ({e!r}). Copy it again.") from e
    if fields.get("DISTANCE FLAG") == "0" and fields.get("TIME FLAG") == "1":
        signed_step = 0.0  # what stands there then is the setting of a wheel that was not used
    step = abs(signed_step)
    if not (1 <= nsamp <= 65535 and 0 < window_ns < 1e7 and 0 <= step < 1000 and math.isfinite(every_s)):
        raise FormatError(
            f"{header} is not a RAD header that can be used: {nsamp} samples, {window_ns:g} ns, {step:g} m, antenna "
            f"{antenna!r}. Copy it again."
        )
    stored, sample_type = _SAMPLES.get(data.suffix.lower(), _SAMPLES[".rd3"])
    content, trace = read_bytes(data), np.dtype((stored, (1, nsamp)))
    raw = records_in(data, content, 0, trace)
    n = len(raw)
    interval_s = window_ns * 1e-9 / nsamp
    assumed = cut_off(content, 0, trace)
    if (stated := fields.get("LAST TRACE", "")).isdecimal():
        assumed += fewer(header, int(stated), n)
    if signed_step < 0:
        assumed += " Its distance counts backwards: places are counted from the first trace on."
    if mhz == 0.0:
        mhz = 1e-6 * dominant_frequency(raw[:, 0], interval_s)
        assumed += f" Antenna {antenna!r} does not say its frequency: it is the spectrum's, {mhz:.0f} MHz."
    rate = 1.0 / every_s if 1e-5 < every_s < 1000 else 50.0
    cor = twin(path, ".cor")
    utc_ns, positions = placed_in_time(read_cor(cor) if cor else [], n, rate)
    stream = StreamDescription(
        stream_id=0,
        name="radar",
        kind=StreamKind.RADAR,
        channels=1,
        values=nsamp,
        sample_type=sample_type,
        rate_hz=rate,
        sampling_interval_s=interval_s,
        centre_frequency_hz=mhz * 1e6,
        step_m=step,
    )
    block = whole_block(stream, raw, 1e6, np.arange(n) * step if step else None, utc_ns)
    times = "Times and places are those of the .COR beside it" if utc_ns is not None else "Times are nominal"
    gives = "" if utc_ns is not None or every_s > 0 else ": the file gives distance only"
    note = f"MALA {data.suffix[1:].upper()} {data.name}. {times}{gives}.{assumed}"
    device = DeviceDescription(f"MALA {antenna}", path.stem, "", 1e6, (stream,))
    mrk = twin(path, ".mrk")
    marks = _marks(mrk, block.utc_ns) if mrk else ()
    return ForeignRecording(device, (block,), radar_labels(data, step), note, positions, marks)


def _number(written: str) -> float:
    """Of a header written under a locale whose decimal sign is the comma, too."""
    return float(written.replace(",", ".") if written.count(",") == 1 and "." not in written else written)


def _marks(path: Path, utc_ns: Int64Array) -> tuple[Event, ...]:
    """What the operator marked, a line a mark: number of the trace, then a word or nothing."""
    out = []
    for line in read_text(path).splitlines():
        mark = _MARK.match(line)
        if mark and 1 <= int(mark.group(1)) <= len(utc_ns):
            record = int(mark.group(1)) - 1
            words = (mark.group(2) or "").strip()[:200]
            text = f"Mark at record {record}{': ' * bool(words)}{words}."
            out.append(Event(int(utc_ns[record]), Severity.INFO, "operator", text))
    return tuple(out)
