"""Small files of other programs, made byte by byte from their published layouts: no code of ours writes them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

GGA = "$GPGGA,{time},45{minute:07.4f},N,01558.5000,E,1,09,0.8,100.0,M,45.0,M,,"


def nmea(body: str) -> str:
    total = 0
    for c in body[1:]:
        total ^= ord(c)
    return f"{body}*{total:02X}"


def write_dzt(
    path: Path, *, nsamp: int = 8, bits: int = 16, scans: int = 3, range_ns: float = 10.0, antenna: bytes = b"5103",
    channels: int = 1, scans_per_m: float = 0.0, at: int | None = None, tag: int = 0x00FF,
    ranges: list[float] | None = None, permittivity: float = 0.0,
) -> np.ndarray:  # fmt: skip
    heads = b""
    for c in range(channels):
        head = bytearray(1024)
        struct.pack_into("<HHHHh", head, 0, tag, 1024 * channels if at is None else at, nsamp, bits, 0)
        struct.pack_into("<fffff", head, 10, 50.0, scans_per_m, 0.0, 0.0, (ranges or [range_ns] * channels)[c])
        struct.pack_into("<H", head, 52, channels)
        struct.pack_into("<f", head, 54, permittivity)
        head[98 : 98 + len(antenna)] = antenna
        heads += bytes(head)
    pad = b"" if at is None or at >= 1024 else bytes(1024 * at - len(heads))
    body = (np.arange(nsamp * scans * channels) * 997 % 251).astype({8: "u1", 16: "<u2", 32: "<i4"}[bits])
    path.write_bytes(heads + pad + body.tobytes())
    return body.reshape(scans, channels, nsamp)


def write_dt1(path: Path, *, n: int = 4, points: int = 6, unit: str = "ft", step: float = 2.0, wide: bool = False):
    rng = np.random.default_rng(3)
    samples = rng.normal(scale=500, size=(n, points)).astype("<f4" if wide else "<i2")
    out = b""
    for i in range(n):
        head = struct.pack("<8f", i + 1, i * step, points, 0, 0, 4 if wide else 2, 48.0, 8) + bytes(24)
        out += head + bytes(4 * 11) + b"F1".ljust(28, b"\0") + samples[i].tobytes()
    path.write_bytes(out)
    lines = [
        "1234", "Data Collected with a test", "2020-01-01", f"NUMBER OF TRACES   = {n}",
        f"NUMBER OF PTS/TRC  = {points}", "TIMEZERO AT POINT  = 1", "TOTAL TIME WINDOW  = 48.0",
        "STARTING POSITION  = 0.0", f"FINAL POSITION     = {(n - 1) * step}", f"STEP SIZE USED     = {step}",
        f"POSITION UNITS     = {unit}", "NOMINAL FREQUENCY  = 100.0", "ANTENNA SEPARATION = 1.0",
    ]  # fmt: skip
    path.with_suffix(".HD").write_text("\r\n".join(lines))
    return samples


def write_mala(path: Path, *, n: int = 5, nsamp: int = 8, step: float = 0.02, every_s: float = 0.0) -> np.ndarray:
    wide = path.suffix.lower() == ".rd7"
    samples = np.random.default_rng(4).normal(scale=300, size=(n, nsamp)).astype("<i4" if wide else "<i2")
    path.write_bytes(samples.tobytes())
    path.with_suffix(".rad").write_text(
        f"SAMPLES:{nsamp}\r\nFREQUENCY:6571.7\r\nTIME INTERVAL:{every_s}\r\nDISTANCE INTERVAL:{step}\r\n"
        f"ANTENNAS: 1.2 GHz shielded\r\nTIMEWINDOW:16.0\r\nLAST TRACE:{n}\r\n"
    )
    return samples


def ibm(value: float) -> int:
    """A System/360 float, digit by digit."""
    if value == 0:
        return 0
    sign, value, exponent = (0x80000000, -value, 64) if value < 0 else (0, value, 64)
    while value >= 1:
        value, exponent = value / 16, exponent + 1
    while value < 1 / 16:
        value, exponent = value * 16, exponent - 1
    return sign | exponent << 24 | round(value * 2**24)


def write_segy(
    path: Path, *, code: int = 5, n: int = 4, points: int = 6, order: str = ">", rev: int = 1, dt_ps: int = 100,
    ascii_text: bool = False, x_mm: int = 20,
) -> np.ndarray:  # fmt: skip
    values = np.arange(n * points).reshape(n, points) * 3.5 - 20
    values = values if code in (1, 5) else np.round(values)
    if code in (11, 16):
        values = np.abs(values)
    text = "".join(f"C{i + 1:2} a test".ljust(80) for i in range(40)).encode("ascii" if ascii_text else "cp037")
    binary = bytearray(400)
    struct.pack_into(f"{order}HH", binary, 16, dt_ps, dt_ps)
    struct.pack_into(f"{order}HHH", binary, 20, points, points, code)
    if rev:
        struct.pack_into(f"{order}HHh", binary, 300, 0x0100, 1, 0)
    out = text + bytes(binary)
    kinds = {1: "I", 2: "i", 3: "h", 5: "f", 8: "b", 11: "H", 16: "B"}
    for i in range(n):
        head = bytearray(240)
        struct.pack_into(f"{order}i", head, 0, i + 1)
        struct.pack_into(f"{order}h", head, 70, -1000)
        struct.pack_into(f"{order}i", head, 80, 5000 + i * x_mm)
        struct.pack_into(f"{order}hH", head, 88, 1, 0)
        struct.pack_into(f"{order}HH", head, 114, points, dt_ps)
        row = [ibm(v) for v in values[i]] if code == 1 else [float(v) if code == 5 else int(v) for v in values[i]]
        out += bytes(head) + struct.pack(f"{order}{points}{kinds[code]}", *row)
    path.write_bytes(out)
    return values


def write_gprmax(path: Path, *, traces: int = 1, iterations: int = 32, receivers: int = 1, source_x: float = 0.1):
    t = np.arange(iterations)[:, None] - 10 - np.arange(traces)
    pulse = ((1 - 2 * (t / 3) ** 2) * np.exp(-((t / 3) ** 2))).astype("f4")
    with h5py.File(path, "w") as f:
        f.attrs.update({
            "Title": "half space", "gprMax": "3.1.7", "Iterations": iterations, "dt": 5e-12, "nrx": receivers,
            "nsrc": 1, "nx_ny_nz": (100, 100, 1), "dx_dy_dz": (0.002, 0.002, 0.002), "srcsteps": (5, 0, 0),
            "rxsteps": (5, 0, 0),
        })  # fmt: skip
        f.create_group("srcs/src1").attrs["Position"] = (source_x, 0.1, 0.0)
        for r in range(receivers):
            for k, c in enumerate(("Ex", "Ey", "Ez", "Hx", "Hy", "Hz")):
                field = pulse * (r + 1) * (1 if c == "Ez" else 0.001 * k)
                f[f"rxs/rx{r + 1}/{c}"] = field[:, 0] if traces == 1 else field
    return pulse


def write_array(path: Path, description: dict, **arrays: np.ndarray) -> None:
    if path.suffix == ".npy":
        np.save(path, arrays["samples"])
    else:
        np.savez(path, **arrays)
    path.with_suffix(".json").write_text(json.dumps(description))


def write_hratc(folder: Path, cells: int = 30) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    grids = np.random.default_rng(5).integers(-200000, 200000, size=(3, 3, cells, cells))
    for i, coil in enumerate("LMR"):
        for channel in range(3):
            text = "\n".join(",".join(map(str, row)) for row in grids[i, channel])
            (folder / f"coil{coil}ch{channel}.csv").write_text(text)
    return grids


def write_fixes(path: Path, traces: list[int], style: str) -> None:
    lines = []
    for k, trace in enumerate(traces):
        time = f"1012{k:02}.00"
        if style == "cor":
            lines.append(f"{trace + 1}\t2024-05-01\t10:12:{k:02}\t{45.8 + k * 1e-6:.8f}\tN\t15.975\tE\t100.0\tM\t1")
            continue
        lines.append(f"$GSSIS,{trace},-1" if style == "dzg" else f"Trace #{trace + 1} at position {trace}.000000")
        lines.append(nmea(f"$GPRMC,{time},A,4548.0000,N,01558.5000,E,1.0,0.0,010524,,,A"))
        lines.append(nmea(GGA.format(time=time, minute=48 + k * 0.0005)))
    path.write_text("\r\n".join(lines))


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """Writers of small files, one a kind."""
    return SimpleNamespace(
        dzt=write_dzt, dt1=write_dt1, mala=write_mala, segy=write_segy, gprmax=write_gprmax, array=write_array,
        hratc=write_hratc, fixes=write_fixes,
    )  # fmt: skip
