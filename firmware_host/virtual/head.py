"""A detector head without hardware, behind a real pseudo-terminal.

The host opens its path with pyserial as it would /dev/ttyUSB0: descriptions, commands and samples
all go through the kernel's terminal, byte by byte. It can lose, damage and withhold frames on purpose.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from detector.samples import NO_ODOMETER, DeviceDescription, SampleBlock
from firmware_host.errors import WireError
from firmware_host.virtual.port import VirtualPort
from firmware_host.wire.framing import FrameDecoder, encode_frame, warm_up
from firmware_host.wire.messages import (
    Command,
    HeadState,
    HeadStatus,
    Kind,
    Opcode,
    Parameter,
    ParameterKind,
    Reply,
    Result,
    pack_device,
    pack_parameter,
    pack_reply,
    pack_samples,
    pack_status,
    pack_stream,
    parameter_hash,
    read_command,
    records_per_frame,
)

_FRAME_BYTES: Final = 4096
_FRAME_S: Final = 0.02
"""A frame holds at most this much of a stream's time, s: what waiting to fill it may cost in latency."""
_STATUS_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on purpose; all by count, so a run can be repeated."""

    drop_every: int = 0
    """Every n-th sample frame is never sent."""
    damage_every: int = 0
    """Every n-th sample frame has a byte changed."""
    garbage_every: int = 0
    """Before every n-th sample frame come 40 bytes of noise."""
    hang_after: int = 0
    """After n sample frames the head falls silent, without closing its port."""
    repeat_every: int = 0
    """Every n-th sample frame is sent twice."""
    unknown_every: int = 0
    """Before every n-th sample frame comes a message of a type that no host knows."""
    first_tick: int = 0
    """Added to ticks: near 2^32 it exercises the wrap."""
    fault_bits: int = 0
    """Faults that its status reports."""
    other_firmware_after: int = 0
    """After n sample frames it restarts by itself, with other firmware."""


class VirtualHead(VirtualPort):
    """Plays records as a head would. A context manager; `path` is the port to open.

    Parameters
    ----------
    device : who it says it is
    blocks : gives the records to play, time ordered across streams, anew at every START
    speed : 1 = real time by the records' ticks, 0 = as fast as the terminal takes them
    faults : what goes wrong on purpose
    pulse_us : length of the transmit pulse that it states, us; None = it does not say
    """

    def __init__(
        self,
        device: DeviceDescription,
        blocks: Callable[[], Iterable[SampleBlock]],
        speed: float = 1.0,
        faults: Faults | None = None,
        pulse_us: float | None = None,
    ) -> None:
        self._device = device
        self._blocks = blocks
        self._faults = faults or Faults()
        self._parameters = {
            "playback_speed": Parameter(
                0, "playback_speed", "", "1 = real time, 0 = as fast as possible", 0.0, 1000.0, 1.0, speed
            ),
            "status_interval": Parameter(
                1, "status_interval", "ms", "time between status messages", 20, 5000, 250, 250, persistent=True
            ),
            "sample_frames_sent": Parameter(
                2, "sample_frames_sent", "", "sample frames since START", 0, 2**32, 0, 0, ParameterKind.WHOLE, False
            ),
        }
        if pulse_us is not None:
            self._parameters["pulse_us"] = Parameter(
                3, "pulse_us", "us", "length of the transmit pulse", pulse_us, pulse_us, pulse_us, pulse_us,
                writable=False,
            )  # fmt: skip
        # what its flash would hold; also the speed it was made with, so that a restart plays on as fast as before
        self._stored = {p.name: p.value for p in self._parameters.values() if p.writable}
        warm_up()
        self._decoder = FrameDecoder()
        self._sequence = 0
        self._state = HeadState.IDLE
        self._tick = 0
        self._run = 0
        self._power_cut = threading.Event()
        super().__init__(self._serve, "virtual-head")

    def reset(self) -> None:
        """Switch it off and on: it stops, and parameters are as they were saved, the others at their defaults.

        Nothing is said to the host; its port stays, as that of a USB adapter does.
        """
        self._power_cut.set()

    def _start_up(self) -> None:
        self._power_cut.clear()
        self._state = HeadState.IDLE
        self._sequence = 0
        for p in self._parameters.values():
            self._change(p.name, self._stored.get(p.name, p.default))

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the port was closed under us: the head is unplugged
            while not self._stop.is_set():
                start = self._answer(0.05)
                while start:
                    start = self._play()

    def _answer(self, wait_s: float) -> bool:
        """Take commands for that long; whether one of them was START."""
        ready, _, _ = select.select([self._master], [], [], wait_s)
        if self._power_cut.is_set():
            self._start_up()
        if not ready:
            return False
        try:
            data = os.read(self._master, 4096)
        except BlockingIOError:
            return False
        start = False
        for frame in self._decoder.feed(data):
            if frame.kind != Kind.COMMAND:
                continue
            try:
                command = read_command(frame.payload)
            except WireError:
                continue  # a head has nobody to tell; the host's timeout does
            start |= command.opcode == Opcode.START
            self._obey(command)
        return start

    def _obey(self, c: Command) -> None:
        result, value, text = Result.OK, 0.0, ""
        match c.opcode:
            case Opcode.DESCRIBE:
                table = list(self._parameters.values())
                self._send(Kind.DEVICE, pack_device(self._device, parameter_hash(table)))
                for stream in self._device.streams:
                    self._send(Kind.STREAM, pack_stream(stream))
            case Opcode.START:
                self._state = HeadState.STREAMING
                self._run += 1
            case Opcode.STOP:
                self._state = HeadState.IDLE
            case Opcode.STATUS:
                self._send_status()
            case Opcode.DEFAULTS:
                for p in self._parameters.values():
                    if p.writable:
                        self._change(p.name, p.default)
            case Opcode.SAVE:
                self._stored |= {p.name: p.value for p in self._parameters.values() if p.persistent}
            case Opcode.LIST_PARAMETERS:
                for p in self._parameters.values():
                    self._send(Kind.PARAMETER, pack_parameter(p, len(self._parameters)))
            case Opcode.GET | Opcode.SET:
                result, value, text = self._parameter(c)
            case _:
                result, text = Result.UNKNOWN_COMMAND, f"command {c.opcode} is not known"
        self._send(Kind.REPLY, pack_reply(Reply(c.request, result, value, text)))

    def _parameter(self, c: Command) -> tuple[Result, float, str]:
        p = self._parameters.get(c.name)
        if p is None:
            return Result.UNKNOWN_PARAMETER, 0.0, f"there is no parameter {c.name}"
        if c.opcode == Opcode.SET:
            if refusal := p.refusal(c.value):
                return Result.OUT_OF_RANGE if p.writable else Result.READ_ONLY, p.value, refusal
            self._change(c.name, c.value)
        return Result.OK, self._parameters[c.name].value, ""

    def _change(self, name: str, value: float) -> None:
        self._parameters[name] = replace(self._parameters[name], value=value)

    def _play(self) -> bool:
        """Play from the first record to the last; whether it is to begin again, for a START that came after that."""
        began, first_tick = time.monotonic(), None
        next_status = began
        frames = 0
        self._change("sample_frames_sent", 0)
        for block in self._blocks():
            stream = block.stream
            odometer = bool((block.odometer_um != NO_ODOMETER).all())
            per = records_per_frame(stream, _FRAME_BYTES, odometer)
            per = max(1, min(per, int(stream.rate_hz * _FRAME_S)))
            for i in range(0, len(block), per):
                part = block[i : i + per]
                speed = self._parameters["playback_speed"].value
                first_tick = int(part.tick[0]) if first_tick is None else first_tick
                due = began + (int(part.tick[-1]) - first_tick) / self._device.tick_hz / speed if speed > 0 else 0.0
                while True:
                    wait = due - time.monotonic()
                    self._answer(min(max(0.0, wait), 0.05))
                    if self._stop.is_set() or self._state is not HeadState.STREAMING:
                        return False
                    if due <= time.monotonic():
                        break
                frames += 1
                if self._faults.other_firmware_after and frames > self._faults.other_firmware_after:
                    self._device = replace(self._device, firmware=f"{self._device.firmware} (updated)")
                    self._faults = replace(self._faults, other_firmware_after=0)
                    self._state = HeadState.IDLE
                    return False
                if self._faults.hang_after and frames > self._faults.hang_after:
                    while not self._stop.is_set() and self._state is HeadState.STREAMING:
                        self._stop.wait(0.02)
                        self._answer(0.0)
                    return False
                self._tick = int(part.tick[-1]) + self._faults.first_tick
                self._send_samples(part, odometer, frames)
                self._change("sample_frames_sent", frames)
                if time.monotonic() >= next_status:
                    self._send_status()
                    next_status = time.monotonic() + self._parameters["status_interval"].value / 1e3
        self._state = HeadState.FINISHED
        while not self._stop.is_set() and self._state is HeadState.FINISHED:
            self._send_status()  # again and again: one lost frame must not leave the host waiting
            if self._answer(_STATUS_S):
                return True
        return False

    def _send_samples(self, part: SampleBlock, odometer: bool, frame: int) -> None:
        f = self._faults
        payload = pack_samples(
            part.stream,
            self._run,
            int(part.seq[0]),
            part.tick + f.first_tick,
            part.odometer_um if odometer else None,
            part.raw,
        )

        def due(every: int) -> bool:
            return every > 0 and frame % every == 0

        if due(f.unknown_every):
            self._send(0x7E, b"from a later version")
        if due(f.garbage_every):
            self._write(bytes((frame * 37 + k * 11) % 255 + 1 for k in range(40)) + b"\0")
        data = encode_frame(Kind.SAMPLES, self._sequence, payload)
        self._sequence = (self._sequence + 1) & 0xFFFF
        if due(f.drop_every):
            return
        if due(f.damage_every):
            at = len(data) // 2
            data = data[:at] + bytes([data[at] ^ 0x55 or 1]) + data[at + 1 :]
        self._write(data)
        if due(f.repeat_every):
            self._write(data)

    def _send_status(self) -> None:
        status = HeadStatus(self._state, self._faults.fault_bits, self._tick, 0, 0, 20.0)
        self._send(Kind.STATUS, pack_status(status))

    def _send(self, kind: int, payload: bytes) -> None:
        self._write(encode_frame(kind, self._sequence, payload))
        self._sequence = (self._sequence + 1) & 0xFFFF

    def _write(self, data: bytes) -> None:
        """All of data, waiting for room; gives up when unplugged, so nobody reading is no deadlock."""
        view = memoryview(data)
        while view and not self._stop.is_set():
            _, ready, _ = select.select([], [self._master], [], 0.05)
            if ready:
                with contextlib.suppress(BlockingIOError):
                    view = view[os.write(self._master, view) :]
