"""Writes vectors/wire.json: messages and their bytes, which the Python code and the C code must both keep to.

Made once, by the Python code, and checked in; made again only if the protocol itself changes. Numbers
that are not whole are written as C99 hexadecimal floats, exactly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from detector.samples import DeviceDescription, StreamDescription, StreamKind
from firmware_host.wire import messages as m
from firmware_host.wire.framing import encode_frame

OUT = Path(__file__).parent / "vectors" / "wire.json"


def stream_fields(s: StreamDescription) -> dict[str, Any]:
    numbers = ("rate_hz", "scale", "offset", "sampling_interval_s", "centre_frequency_hz", "step_m")
    return {
        "stream_id": s.stream_id, "name": s.name, "kind": s.kind.value, "channels": s.channels, "values": s.values,
        "sample_type": s.sample_type, "unit": s.unit, "axis": [a.hex() for a in s.axis],
        **{n: float(getattr(s, n)).hex() for n in numbers},
    }  # fmt: skip


def parameter_fields(p: m.Parameter) -> dict[str, Any]:
    return {
        "index": p.index, "name": p.name, "unit": p.unit, "description": p.description, "kind": int(p.kind),
        "writable": p.writable, "persistent": p.persistent,
        **{n: float(getattr(p, n)).hex() for n in ("low", "high", "default", "value")},
    }  # fmt: skip


def samples(about: str, s: StreamDescription, raw: np.ndarray, odometer: list[int] | None, run: int, first: int,
            sequence: int, tick: int = 0) -> dict[str, Any]:  # fmt: skip
    raw = raw.astype(s.dtype).reshape(-1, s.channels, s.values)
    ticks = [(tick + 5000 * i) % 2**32 for i in range(len(raw))]
    places = None if odometer is None else np.array(odometer)
    payload = m.pack_samples(s, run, first, np.array(ticks), places, raw)
    return {
        "about": about, "stream": stream_fields(s), "run": run, "first": first, "sequence": sequence, "ticks": ticks,
        "odometer_um": odometer, "raw": raw.tobytes().hex(), "frame": encode_frame(3, sequence, payload).hex(),
    }  # fmt: skip


def all_samples() -> list[dict[str, Any]]:
    gates = StreamDescription(0, "metal", StreamKind.METAL_PI, 1, 3, "int32", 200.0, axis=(1e-5, 2e-5, 4e-5))
    two_coils = StreamDescription(7, "iq", StreamKind.METAL_CW, 2, 4, "float32", 50.0, axis=(3e3, 1.1e4))
    found = [
        samples("int32, nothing but zeros", gates, np.zeros(6), [0, 0], 0, 0, 0),
        samples("int32, ends of the range", gates, np.array([-(2**31), 2**31 - 1, -1]), None,
                2**32 - 1, 2**32 - 1, 65535),
        samples("float32, two coils, a NaN and an infinity", two_coils,
                np.array([1.5, -0.0, np.nan, np.inf, 1e-45, 3.4e38, 0, 1]), [-(2**31)], 3, 9, 258),
        samples("odometer goes back through zero, ticks wrap", gates, np.arange(12), [1000, 0, -1000, 2**31 - 1],
                5, 10, 77, 2**32 - 6000),
    ]  # fmt: skip
    # around the 254 bytes after which COBS begins a block anew, and bodies that end there
    run = first = tick = 0x01010101
    for width in (118, 119, 120, 240, 373, 374):
        scan = StreamDescription(255, "radar", StreamKind.RADAR, 1, width, "uint16", 20.0, sampling_interval_s=1e-10)
        full = np.full(width, 0x0101)
        found.append(samples(f"{width} values without a zero byte", scan, full, None, run, first, 0x0101, tick))
        full[width // 2] = 0x0100
        found.append(samples(f"{width} values with one zero byte", scan, full, None, run, first, 0x0101, tick))
    return found


DEVICES: list[tuple[str, DeviceDescription, list[m.Parameter]]] = [
    ("a head without streams and parameters, without a name", DeviceDescription("", "", "", 1.0, ()), []),
    (
        "texts as long as they may be, in more than ASCII; numbers at their ends",
        DeviceDescription("m" * 255, "Ser·" * 51, "ü", 1.7976931348623157e308, (
            StreamDescription(0, "n" * 255, StreamKind.METAL, 32000, 1, "uint16", 5e-324, -0.5, -1e308, "µV" * 60),
            StreamDescription(255, "a_b-C9", StreamKind.METAL_CW, 1, 3, "float32", 1 / 3, unit="", axis=(1e-300,)),
        )),
        [
            m.Parameter(0, "x" * 255, "Ω", "d" * 255, -1e300, 1e300, 0.1, -0.0),
            m.Parameter(1, "n", "", "", 0, 2**53, 7, 9, m.ParameterKind.WHOLE, False, False),
            m.Parameter(2, "on", "", "a switch", 0, 1, 0, 1, m.ParameterKind.SWITCH, True, True),
        ],
    ),
]  # fmt: skip

TABLE = [
    m.Parameter(0, "tx_current", "A", "transmitter current", 0.5, 2.0, 1.0, 1.5, persistent=True),
    m.Parameter(1, "gates", "", "", 1, 64, 8, 8, m.ParameterKind.WHOLE),
    m.Parameter(2, "filter", "", "", 0, 1, 1, 1, m.ParameterKind.SWITCH),
    m.Parameter(3, "uptime", "s", "", 0, 1e9, 0, 12.5, writable=False),
    m.Parameter(4, "bandwidth", "Hz", "", 1e-7, 123456789.0, 1, 1),
]
COMMANDS = [
    m.Command(1, m.Opcode.SET, "tx_current", 9.0), m.Command(2, m.Opcode.SET, "tx_current", 0.5),
    m.Command(3, m.Opcode.SET, "tx_current", float("nan")), m.Command(4, m.Opcode.SET, "tx_current", float("-inf")),
    m.Command(5, m.Opcode.SET, "tx_current", 2.0000001), m.Command(6, m.Opcode.SET, "gates", 2.5),
    m.Command(7, m.Opcode.SET, "gates", 64.0), m.Command(8, m.Opcode.SET, "gates", 65.0),
    m.Command(9, m.Opcode.SET, "filter", 0.5), m.Command(10, m.Opcode.SET, "filter", -1.0),
    m.Command(65535, m.Opcode.SET, "uptime", 1.0), m.Command(0, m.Opcode.GET, "uptime"),
    m.Command(256, m.Opcode.GET, "nothing"), m.Command(11, m.Opcode.GET, ""),
    m.Command(12, m.Opcode.SET, "bandwidth", 0.0), m.Command(13, m.Opcode.SET, "bandwidth", 1e22),
    m.Command(14, 200), m.Command(15, 0), m.Command(16, m.Opcode.STOP),
    m.Command(17, m.Opcode.DEFAULTS), m.Command(18, m.Opcode.SAVE),
]  # fmt: skip


def reply_to(c: m.Command) -> m.Reply:
    """What docs/wire-protocol.md says a head with TABLE answers."""
    p = next((p for p in TABLE if p.name == c.name), None)
    if c.opcode in (m.Opcode.GET, m.Opcode.SET):
        if p is None:
            return m.Reply(c.request, m.Result.UNKNOWN_PARAMETER, 0.0, f"there is no parameter {c.name}")
        words = p.refusal(c.value) if c.opcode == m.Opcode.SET else ""
        if words:
            result = m.Result.OUT_OF_RANGE if p.writable else m.Result.READ_ONLY
            return m.Reply(c.request, result, p.value, words)
        return m.Reply(c.request, m.Result.OK, c.value if c.opcode == m.Opcode.SET else p.value, "")
    if c.opcode not in list(m.Opcode):
        return m.Reply(c.request, m.Result.UNKNOWN_COMMAND, 0.0, f"command {c.opcode} is not known")
    return m.Reply(c.request, m.Result.OK, 0.0, "")


def description(about: str, device: DeviceDescription, table: list[m.Parameter]) -> dict[str, Any]:
    payloads = [(1, m.pack_device(device, m.parameter_hash(table)))]
    payloads += [(2, m.pack_stream(s)) for s in device.streams]
    payloads += [(5, m.pack_parameter(p, len(table))) for p in table]
    return {
        "about": about, "model": device.model, "serial": device.serial, "firmware": device.firmware,
        "tick_hz": device.tick_hz.hex(), "streams": [stream_fields(s) for s in device.streams],
        "parameters": [parameter_fields(p) for p in table],
        "frames": [encode_frame(kind, i, p).hex() for i, (kind, p) in enumerate(payloads)],
    }  # fmt: skip


def command(c: m.Command) -> dict[str, Any]:
    return {
        "request": c.request, "opcode": int(c.opcode), "name": c.name, "value": float(c.value).hex(),
        "frame": encode_frame(0x80, c.request, m.pack_command(c)).hex(),
        "reply": encode_frame(6, c.request, m.pack_reply(reply_to(c))).hex(),
    }  # fmt: skip


def status(state: int, faults: int, tick: int, dropped: int, battery_mv: int, centidegrees: int) -> dict[str, Any]:
    s = m.HeadStatus(m.HeadState(state), faults, tick, dropped, battery_mv, centidegrees / 100.0)
    return {
        "state": state, "faults": faults, "tick": tick, "dropped": dropped, "battery_mv": battery_mv,
        "centidegrees": centidegrees, "frame": encode_frame(4, 0x1234, m.pack_status(s)).hex(),
    }  # fmt: skip


NUMBERS = [
    0.0, -0.0, 1.0, 0.1, -2.5, 100000.0, 999999.0, 999999.5, 1000000.0, 123456.5, 1234565.0, 1e-4, 9.99999e-5,
    9.999995e-5, 1e-5, 1e22, 1e23, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.3, 1 / 3, 2 / 3,
    4294967295.0, float("inf"), float("-inf"), float("nan"),
]  # fmt: skip


def main() -> None:
    vectors = {
        "samples": all_samples(),
        "descriptions": [description(*d) for d in DEVICES],
        "parameters": [parameter_fields(p) for p in TABLE],
        "commands": [command(c) for c in COMMANDS],
        "status": [
            status(0, 0, 0, 0, 0, 0), status(1, 2**32 - 1, 2**32 - 1, 2**32 - 1, 65535, -32768),
            status(1, 0b1010001, 5000, 3, 7350, 2150),
        ],
        "numbers": [[v.hex(), f"{v:g}"] for v in NUMBERS],
    }  # fmt: skip
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
