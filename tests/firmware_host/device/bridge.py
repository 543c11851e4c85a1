"""The C device library in a process of its own, built with sanitizers, driven from Python."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.samples import DeviceDescription
from firmware_host.device.build import SOURCES, WARNINGS
from firmware_host.wire.messages import Parameter, pack_device, pack_parameter, pack_stream

HERE = Path(__file__).parent
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
UNLIMITED = 0xFFFFFFFF


@dataclass(frozen=True)
class Counts:
    """What the head says of what it received, and of itself."""

    commands: int
    bad_cobs: int
    bad_crc: int
    too_short: int
    too_long: int
    wrong_version: int
    unknown: int
    senseless: int
    state: int
    dropped: int
    longest_frame: int

    @property
    def damaged(self) -> int:
        return self.bad_cobs + self.bad_crc + self.too_short + self.too_long


def build_bridge(out: Path) -> Path:
    """bridge.c and the library, with AddressSanitizer and UBSan."""
    subprocess.run(
        ["gcc", *WARNINGS, *SANITIZED, f"-I{SOURCES}", str(HERE / "bridge.c"), str(SOURCES / "groundsweep_device.c"),
         "-o", str(out)],
        check=True,
    )  # fmt: skip
    return out


class DeviceInC:
    """One head in C. Whatever a method returns in bytes is what the head sent meanwhile."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._begin()

    def _begin(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [str(self._program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0
        )

    def close(self) -> None:
        """Ends it; its sanitizers say whether memory leaked."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=10) == 0, self._said()

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def _ask(self, what: str, body: bytes = b"") -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(struct.pack("<I", 1 + len(body)) + what.encode() + body)
            (size,) = struct.unpack("<I", self._read(4))
            return self._read(size)
        except (BrokenPipeError, EOFError):
            self._process.wait(timeout=10)
            said = self._said()
            self._begin()  # so that the shrinking of what killed it can go on
            raise AssertionError(f"the C code died of this {what}:\n{said}") from None

    def _read(self, n: int) -> bytes:
        assert self._process.stdout is not None
        got = bytearray()
        while len(got) < n:
            piece = self._process.stdout.read(n - len(got))
            if not piece:
                raise EOFError
            got += piece
        return bytes(got)

    def define(
        self,
        device: DeviceDescription,
        parameters: Sequence[Parameter] = (),
        capacities: Sequence[int] | None = None,
        odometer: bool = True,
        status_ticks: int = 250_000,
    ) -> str:
        """Make it this head; '' or what gs_init finds wrong with it."""
        body = struct.pack("<IH", status_ticks, len(parameters)) + pack_device(device)
        for i, s in enumerate(device.streams):
            body += pack_stream(s) + struct.pack("<HB", capacities[i] if capacities else 1, odometer)
        for p in parameters:
            body += pack_parameter(p, len(parameters))
        return self._ask("D", body).decode()

    def feed(self, data: bytes, piece: int = 1 << 20) -> tuple[int, bytes]:
        """Bytes from the host, so many at once. How many it took, and what it sent."""
        answer = self._ask("F", struct.pack("<I", piece) + data)
        return struct.unpack_from("<I", answer)[0], answer[4:]

    def record(self, stream: int, tick: int, odometer_um: int, raw: np.ndarray) -> bytes:
        return self._ask("R", struct.pack("<BIi", stream, tick, odometer_um) + raw.tobytes())

    def service(self, tick: int, faults: int = 0, battery_mv: int = 0, temperature: int = 0) -> bytes:
        return self._ask("S", struct.pack("<IIHh", tick, faults, battery_mv, temperature))

    def missed(self, stream: int, n: int) -> bytes:
        return self._ask("M", struct.pack("<BI", stream, n))

    def last_records(self, n: int) -> None:
        """So many records of stream 0 are still handed over when it is stopped."""
        self._ask("P", struct.pack("<I", n))

    def flush(self) -> bytes:
        return self._ask("X")

    def end(self, state: int) -> bytes:
        return self._ask("E", bytes([state]))

    def room(self, n: int = UNLIMITED) -> None:
        """From now on the line takes so many bytes in all; more than that aborts."""
        self._ask("L", struct.pack("<I", n))

    def next(self, run: int, sequence: int) -> None:
        """The run of the next START, and the sequence of the next frame."""
        self._ask("N", struct.pack("<IH", run, sequence))

    def refuse(self, start: str = "", change: str = "", save: str = "") -> None:
        """What the board answers from now on; '' is that it obeys."""
        for i, words in enumerate((start, change, save)):
            self._ask("H", bytes([i]) + words.encode())

    def counts(self) -> Counts:
        return Counts(*struct.unpack("<11I", self._ask("C")))

    def values(self) -> list[float]:
        return np.frombuffer(self._ask("V"), "<f8").tolist()

    def format(self, values: Sequence[float]) -> list[str]:
        return self._ask("G", np.array(values, "<f8").tobytes()).decode().splitlines()
