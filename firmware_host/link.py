"""Ports: what there is, opening one, its bytes. Errors say what to do."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
from dataclasses import dataclass
from pathlib import Path

import serial
from serial.tools import list_ports as serial_ports

from firmware_host.errors import LinkError


@dataclass(frozen=True, slots=True)
class PortInfo:
    device: str
    description: str
    vid_pid: str
    """'VVVV:PPPP' in hex, '' if it is not on USB."""
    serial_number: str


def list_ports() -> list[PortInfo]:
    """Serial ports of this machine, without opening any."""
    return [
        PortInfo(
            p.device,
            p.description if p.description != "n/a" else "",
            f"{p.vid:04X}:{p.pid:04X}" if p.vid is not None and p.pid is not None else "",
            p.serial_number or "",
        )
        for p in sorted(serial_ports.comports(), key=lambda p: p.device)
    ]


class SerialLink:
    """An open port. Raises LinkError when it cannot be opened, read or written."""

    def __init__(self, port: str, baudrate: int = 921600, timeout_s: float = 0.02) -> None:
        self.port = port
        try:
            self._serial = serial.serial_for_url(port, do_not_open=True)
            self._serial.baudrate = baudrate
            self._serial.timeout = timeout_s
            self._serial.write_timeout = 2.0
            with contextlib.suppress(AttributeError, ValueError):
                self._serial.exclusive = True
            self._serial.open()
        except (serial.SerialException, OSError, ValueError) as e:
            raise LinkError(_why_not(port, e)) from e

    def read(self) -> bytes:
        """What has come in; waits up to the timeout for the first byte, b'' if none comes."""
        try:
            first = self._serial.read(1)
            if not first:
                return b""
            rest = self._serial.in_waiting
            return bytes(first + self._serial.read(rest)) if rest else bytes(first)
        except (serial.SerialException, OSError, TypeError) as e:
            raise LinkError(
                f"The port {self.port} stopped answering ({e}). The cable was pulled or the head lost power. "
                "What was recorded so far is kept; plug it in and start again."
            ) from e

    def write(self, data: bytes) -> None:
        """All of data."""
        try:
            self._serial.write(data)
            self._serial.flush()
        except (serial.SerialException, OSError) as e:
            raise LinkError(f"Could not send to {self.port} ({e}). Check the cable and the head's power.") from e

    def close(self) -> None:
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.close()


def _why_not(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    cause = error.__context__
    if number is None and isinstance(cause, OSError):
        number = cause.errno
    if number == errno.ENOENT or (port.startswith("/") and not os.path.exists(port)):
        there = ", ".join(p.device for p in list_ports()) or "none"
        return f"There is no port {port}. Ports of this machine: {there}. Plug the head in, or see 'groundsweep ports'."
    if number in (errno.EACCES, errno.EPERM):
        group = _group(port)
        return (
            f"You may not open {port}: it belongs to the group '{group}'. "
            f"Run 'sudo usermod -aG {group} $USER', log out and in again."
        )
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "exclusively lock" in str(error):
        return f"The port {port} is busy: another program has it open. Close that program and start again."
    return f"The port {port} cannot be opened ({error}). Check that it is a serial port: see 'groundsweep ports'."


def _group(port: str) -> str:
    try:
        return grp.getgrgid(Path(port).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"
