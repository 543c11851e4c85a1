"""Ports: what there is, who has one, opening one, its bytes. Errors say what to do."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getpass
import grp
import os
import select
import socket
import stat
import termios
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports as serial_ports

from firmware_host.errors import LinkError

_READ_BYTES: Final = 1 << 16
"""Most that one read gives; Linux hands out 4095 bytes of a terminal at a time, and more of a socket."""

_WRITE_TIMEOUT_S: Final = 2.0

_PTY_MAJORS: Final = range(136, 144)
"""Linux device numbers of pseudo-terminal slaves (Documentation/admin-guide/devices.txt)."""


@dataclass(frozen=True, slots=True)
class PortUser:
    """A process that has a port open."""

    pid: int
    program: str
    """Its command line, cut short."""
    locked: bool
    """Whether it holds the exclusive lock: another may have it open without, as a virtual head has its own."""

    def __str__(self) -> str:
        return f"{self.program!r} (process {self.pid})"


@dataclass(frozen=True, slots=True)
class PortInfo:
    """What can be known of a port without opening it."""

    device: str
    description: str
    manufacturer: str
    vid_pid: str
    """'VVVV:PPPP' in hex, '' if it is not on USB."""
    serial_number: str
    group: str
    """The group that may open it, '' if it has none."""
    obstacle: str
    """Why this user may not open it, and what to do; '' if he may."""
    users: tuple[PortUser, ...]
    """Who has it open, as far as this user may see; the processes of others are hidden from all but root."""


def list_ports() -> list[PortInfo]:
    """Serial ports of this machine, without opening any."""
    found = sorted(serial_ports.comports(), key=lambda p: p.device)
    users = who_has([p.device for p in found])
    return [
        PortInfo(
            p.device,
            p.description if p.description != "n/a" else "",
            p.manufacturer or "",
            f"{p.vid:04X}:{p.pid:04X}" if p.vid is not None and p.pid is not None else "",
            p.serial_number or "",
            _group(p.device),
            "" if os.access(p.device, os.R_OK | os.W_OK) else obstacle(p.device),
            tuple(users[p.device]),
        )
        for p in found
    ]


def who_has(ports: Iterable[str]) -> dict[str, list[PortUser]]:
    """For each port the processes that have it open, from /proc (Linux; elsewhere nobody is known)."""
    found: dict[str, dict[int, PortUser]] = {p: {} for p in ports}
    # several names may lead to one device, as those in /dev/serial/by-id do
    by_device: dict[str, list[str]] = {}
    for p in found:
        by_device.setdefault(os.path.realpath(p), []).append(p)
    locks = {device: _lock_owners(device) for device in by_device}
    for device, names in by_device.items():
        for pid in locks[device]:
            for name in names:
                found[name][pid] = PortUser(pid, _program(pid), True)
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        for device in _open_files(process) & by_device.keys():
            for name in by_device[device]:
                found[name].setdefault(pid, PortUser(pid, _program(pid), False))
    return {p: sorted(users.values(), key=lambda u: u.pid) for p, users in found.items()}


def _open_files(process: Path) -> set[str]:
    """Names of what a process has open; nothing of one that has ended, or is another user's."""
    names: set[str] = set()
    with contextlib.suppress(OSError):
        for fd in os.listdir(process / "fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                names.add(os.readlink(process / "fd" / fd))
    return names


def _lock_owners(device: str) -> set[int]:
    """Processes that hold a flock on it, from /proc/locks, which also shows those of other users."""
    owners: set[int] = set()
    with contextlib.suppress(OSError, ValueError):
        s = os.stat(device)
        for line in Path("/proc/locks").read_text().splitlines():
            field = line.split()  # 1: FLOCK  ADVISORY  WRITE 708 00:13:9 0 EOF
            if "FLOCK" not in field or "->" in field:
                continue
            major, minor, inode = field[5].split(":")
            if (int(major, 16), int(minor, 16), int(inode)) == (os.major(s.st_dev), os.minor(s.st_dev), s.st_ino):
                owners.add(int(field[4]))
    return owners


def _program(pid: int) -> str:
    if pid == os.getpid():
        return "this program itself"
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        # an interpreter and its script by their names: their folders would take all the room
        text = " ".join([*(Path(w).name for w in words[:2]), *words[2:]]).strip()
        return (text if len(text) <= 60 else text[:57] + "...") or "unknown"
    except OSError:
        return "unknown"


def obstacle(port: str) -> str:
    """Why this user may not open a port that its rights keep from him, and what he can do."""
    try:
        mode = os.stat(port).st_mode
        gid = os.stat(port).st_gid
    except OSError:
        return "It vanished just now."
    group = _group(port)
    if not (mode & stat.S_IRGRP and mode & stat.S_IWGRP):
        return (
            "Only its owner may: no group has the right. A udev rule gives it to one, for example "
            'SUBSYSTEM=="tty", GROUP="dialout", MODE="0660" in /etc/udev/rules.d/.'
        )
    user = getpass.getuser()
    if gid in os.getgroups():
        return f"It belongs to the group '{group}', and {user} is in it, so something else forbids it: see 'getfacl'."
    if _listed_in(user, gid):
        return (
            f"It belongs to the group '{group}'. {user} was put into it, but this log-in is older: log out and in."
        )
    return (
        f"It belongs to the group '{group}', and {user} is not in it: "
        f"run 'sudo usermod -aG {group} {user}', log out and in again."
    )


def _listed_in(user: str, gid: int) -> bool:
    with contextlib.suppress(KeyError, OSError):
        return user in grp.getgrgid(gid).gr_mem
    return False


def _group(port: str) -> str:
    try:
        gid = os.stat(port).st_gid
    except OSError:
        return ""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


class Link(Protocol):
    """Bytes to and from a head; SerialLink is the one with a port behind it."""

    @property
    def port(self) -> str: ...
    def read(self) -> bytes:
        """What has come in; waits a short while for the first byte, b'' if none comes."""
        ...

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class SerialLink:
    """An open port: a device, or a URL of pyserial's (socket://, rfc2217://, loop://).

    A device is opened for this program alone: with a flock, as pyserial and minicom do, and with TIOCEXCL,
    which also keeps out programs that ask for no lock. One thread may read while another writes, and any
    thread may close; a read that is waiting then ends at once.

    Raises
    ------
    LinkError
        when it cannot be opened, read or written, and when it is used after it was closed.
    """

    def __init__(self, port: str, baudrate: int = 921600, timeout_s: float = 0.02) -> None:
        self.port = port
        self.baudrate = baudrate
        self._timeout_s = timeout_s
        self._closed = False
        self._closing = threading.Lock()
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        try:
            self._serial = serial.serial_for_url(port, do_not_open=True)
            self._serial.baudrate = baudrate
            self._serial.timeout = timeout_s
            # pyserial's RFC 2217 client has no write timeout
            self._serial.write_timeout = None if port.startswith("rfc2217:") else _WRITE_TIMEOUT_S
            with contextlib.suppress(AttributeError, ValueError):
                self._serial.exclusive = True
            self._serial.open()
        # pyserial lets a TypeError through where a URL has no port number
        except (serial.SerialException, OSError, ValueError, TypeError, NotImplementedError) as e:
            raise LinkError(_why_not(port, e)) from e
        self._direct = _direct_fd(self._serial)
        if self._direct is not None:
            _keep_others_out(self._direct, True)
            self._wake, self._wake_end = os.pipe()
            self._poll = select.poll()
            self._poll.register(self._direct, select.POLLIN)
            self._poll.register(self._wake, select.POLLIN)

    def read(self) -> bytes:
        """What has come in; waits up to the timeout for the first byte, b'' if none comes."""
        with self._reading:
            if self._closed:
                raise LinkError(f"The port {self.port} was closed.")
            try:
                return self._read_queue() if self._direct is None else self._read_fd(self._direct)
            except (serial.SerialException, OSError, TypeError) as e:
                raise LinkError(
                    f"The port {self.port} stopped answering ({e}). The cable was pulled or the head lost power. "
                    "What was recorded so far is kept; plug it in again."
                ) from e

    def _read_fd(self, fd: int) -> bytes:
        """One system call for all there is: pyserial's own read wants to know how many bytes beforehand, and
        its socket:// can only say 'some', which came to two bytes a read."""
        ready = self._poll.poll(self._timeout_s * 1e3)
        if not ready or any(f == self._wake for f, _ in ready):
            return b""
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("it is ready but gives nothing: its other end is gone, or another program reads from it too")
        return data

    def _read_queue(self) -> bytes:
        """pyserial's queues (rfc2217://, loop://) know how much is in them."""
        first = self._serial.read(1)
        if not first:
            return b""
        rest = min(self._serial.in_waiting, _READ_BYTES)
        return bytes(first + self._serial.read(rest)) if rest else bytes(first)

    def write(self, data: bytes) -> None:
        """All of data, into the port's buffer."""
        with self._writing:
            if self._closed:
                raise LinkError(f"The port {self.port} was closed.")
            try:
                self._serial.write(data)
            except (serial.SerialException, OSError) as e:
                raise LinkError(f"Could not send to {self.port} ({e}). Check the cable and the head's power.") from e

    def close(self) -> None:
        """Close the port, from any thread. Closing again does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        if self._direct is not None:
            os.write(self._wake_end, b"x")
        # a descriptor that is closed under a waiting thread may be another file's by the time it wakes
        with self._reading:
            in_time = self._writing.acquire(timeout=2 * _WRITE_TIMEOUT_S)
            try:
                if self._direct is not None:
                    _keep_others_out(self._direct, False)
                    os.close(self._wake)
                    os.close(self._wake_end)
                with contextlib.suppress(serial.SerialException, OSError):
                    self._serial.close()
            finally:
                if in_time:
                    self._writing.release()


def _direct_fd(port: serial.SerialBase) -> int | None:
    """The descriptor to read from where the port is nothing but one: a device of ours or a TCP connection."""
    if type(port) is serial.Serial or type(port).__module__.endswith("protocol_socket"):
        return int(port.fileno())
    return None


def _keep_others_out(fd: int, out: bool) -> None:
    """TIOCEXCL, or its end. Not for a pseudo-terminal: its other end may keep it open, and with it the ban,
    after this program was killed; a device forgets the ban when the last descriptor closes."""
    with contextlib.suppress(OSError):
        if os.isatty(fd) and os.major(os.fstat(fd).st_rdev) not in _PTY_MAJORS:
            fcntl.ioctl(fd, termios.TIOCEXCL if out else termios.TIOCNXCL)


def _why_not(port: str, error: Exception) -> str:
    if "://" in port:
        return _why_not_url(port, error)
    number = getattr(error, "errno", None)
    cause = error.__context__
    if number is None and isinstance(cause, OSError):
        number = cause.errno
    if number == errno.ENOENT or (port.startswith("/") and not os.path.exists(port)):
        there = ", ".join(p.device for p in list_ports()) or "none"
        return f"There is no port {port}. Ports of this machine: {there}. Plug the head in, or see 'groundsweep ports'."
    if number in (errno.EACCES, errno.EPERM):
        return f"You may not open {port}. {obstacle(port)}"
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "exclusively lock" in str(error):
        users = who_has([port])[port]
        named = [u for u in users if u.locked] or users
        by = ", ".join(map(str, named)) if named else "another program, which only root may see,"
        return f"The port {port} is busy: {by} has it open. Close that program and start again."
    return f"The port {port} cannot be opened ({error}). Check that it is a serial port: see 'groundsweep ports'."


def _why_not_url(url: str, error: Exception) -> str:
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    parts = urlsplit(url)
    if isinstance(error, ValueError):  # pyserial's word for a scheme that it has not
        return f"{url} is not a port: use a device, or socket://HOST:PORT, rfc2217://HOST:PORT or loop://."
    try:
        host, number = parts.hostname, parts.port
    except ValueError:
        host, number = parts.hostname, None
    if parts.scheme != "loop" and (not host or not number):
        return f"{url} names no host and port: write {parts.scheme}://HOST:PORT, the port a number from 1 to 65535."
    if isinstance(cause, socket.gaierror):
        return f"There is no host {host!r} in {url} ({cause.strerror}). Check the name and the network."
    if isinstance(cause, ConnectionRefusedError):
        return f"Nothing listens on port {number} of {host}. Start the serial server there, or check the number."
    if isinstance(cause, TimeoutError):
        return f"{host} did not answer within 5 s on port {number}. Check the address, the network and its firewall."
    if "RFC2217" in str(error):
        return (
            f"{host} answers on port {number}, but does not speak RFC 2217 ({error}). If it passes plain bytes on, "
            f"use socket://{host}:{number}."
        )
    return f"{url} cannot be opened ({error}). Check the address and the options after the '?'."
