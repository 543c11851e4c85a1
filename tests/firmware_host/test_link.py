"""A port that cannot be opened says what to do; one that is open is ours alone; URLs are ports too."""

from __future__ import annotations

import contextlib
import grp
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import serial
import serial.rfc2217
from serial.tools import list_ports as serial_ports
from serial.tools.list_ports_common import ListPortInfo

from detector.samples import DeviceDescription, SampleBlock
from firmware_host import link as link_module
from firmware_host.errors import LinkError
from firmware_host.head import Head
from firmware_host.link import SerialLink, _why_not, list_ports, obstacle, who_has
from firmware_host.virtual.head import VirtualHead
from firmware_host.wire.messages import HeadState, HeadStatus

DualHead = tuple[DeviceDescription, list[SampleBlock]]


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """Master and path of a pseudo-terminal."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for fd in (master, slave):
        with contextlib.suppress(OSError):
            os.close(fd)


def test_a_port_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(LinkError, match=r"There is no port /dev/ttyNOWHERE\. Ports of this machine"):
        SerialLink("/dev/ttyNOWHERE")


def test_a_busy_port_names_who_has_it(terminal: tuple[int, str]) -> None:
    _, path = terminal
    first = SerialLink(path)
    with pytest.raises(LinkError, match=r"busy: 'this program itself' \(process \d+\) has it open"):
        SerialLink(path)
    first.close()
    SerialLink(path).close()


def test_another_process_is_refused_too_and_is_told_which_process_has_it(terminal: tuple[int, str]) -> None:
    _, path = terminal
    first = SerialLink(path)
    code = f"from firmware_host.link import *; SerialLink({path!r})"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    first.close()
    assert second.returncode != 0
    assert f"(process {os.getpid()}) has it open. Close that program" in second.stderr


def test_a_port_that_another_process_has_open_shows_its_program(terminal: tuple[int, str]) -> None:
    _, path = terminal
    child = subprocess.Popen(["sleep", "60"], stdin=os.open(path, os.O_RDWR | os.O_NOCTTY))
    try:
        users = {u.pid: u for u in who_has([path])[path]}
        assert users[child.pid].program == "sleep 60"
        assert not users[child.pid].locked
        first = SerialLink(path)
        assert {u.pid for u in who_has([path])[path] if u.locked} == {os.getpid()}
        first.close()
    finally:
        child.kill()
        child.wait()


def test_a_device_is_kept_from_programs_that_ask_for_no_lock(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = terminal
    monkeypatch.setattr(link_module, "_PTY_MAJORS", ())  # taken for a real port
    first = SerialLink(path)
    code = f"import os; os.setgid(65534); os.setuid(65534); os.open({path!r}, os.O_RDWR)"
    if os.geteuid() != 0:
        code = f"import os; os.open({path!r}, os.O_RDWR)"
    os.chmod(path, 0o666)

    def stranger() -> str:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stderr

    assert "busy" in stranger()
    first.close()
    assert stranger() == ""


def user_outside(monkeypatch: pytest.MonkeyPatch, mode: int, listed: bool) -> None:
    monkeypatch.setattr(link_module.getpass, "getuser", lambda: "ana")
    monkeypatch.setattr(link_module.os, "getgroups", lambda: [1000])
    monkeypatch.setattr(link_module.os, "stat", lambda path: SimpleNamespace(st_mode=mode, st_gid=20))
    group = SimpleNamespace(gr_name="dialout", gr_mem=["ana"] if listed else [])
    monkeypatch.setattr(grp, "getgrgid", lambda gid: group)


@pytest.mark.parametrize(
    ("mode", "listed", "said"),
    [
        (0o660, False, r"group 'dialout', and ana is not in it: run 'sudo usermod -aG dialout ana'"),
        (0o660, True, "this log-in is older: log out and in"),
        (0o600, False, "no group has the right. A udev rule"),
    ],
)
def test_a_port_without_permission_says_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, mode: int, listed: bool, said: str
) -> None:
    user_outside(monkeypatch, mode, listed)
    error = PermissionError(13, "Permission denied")
    assert obstacle("/dev/ttyUSB0") in _why_not("socketless", error)
    with pytest.raises(LinkError, match=said):
        raise LinkError(obstacle("/dev/ttyUSB0"))


def test_a_file_that_is_no_port_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    with pytest.raises(LinkError, match="cannot be opened"):
        SerialLink(str(file))


def test_a_port_that_vanishes_while_reading_is_a_link_error() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    link = SerialLink(os.ttyname(slave))
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkError, match="stopped answering"):
        link.read()
    link.close()


def test_listing_tells_what_is_known_and_opens_nothing(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    master, path = terminal
    port = ListPortInfo(path)
    port.description, port.manufacturer, port.serial_number = "CP2102N", "Silabs", "7"
    port.vid, port.pid = 0x10C4, 0xEA60
    monkeypatch.setattr(serial_ports, "comports", lambda: [port])
    opened: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda p, *a, **k: (opened.append(str(p)), real(p, *a, **k))[1])
    (found,) = list_ports()
    assert (found.device, found.vid_pid, found.serial_number) == (path, "10C4:EA60", "7")
    assert (found.description, found.manufacturer) == ("CP2102N", "Silabs")
    assert os.getpid() in {u.pid for u in found.users}  # the fixture has it open
    assert path not in opened
    assert not select.select([master], [], [], 0.1)[0]


def test_a_reader_that_waits_is_woken_when_the_port_is_closed(terminal: tuple[int, str]) -> None:
    link = SerialLink(terminal[1], timeout_s=60.0)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(link.read()))
    reader.start()
    time.sleep(0.1)
    link.close()
    reader.join(timeout=10)
    assert got == [b""]
    for use in (link.read, lambda: link.write(b"x")):
        with pytest.raises(LinkError, match="was closed"):
            use()
    link.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("socket://no-such-host.invalid:99", "There is no host 'no-such-host.invalid'"),
        ("socket://127.0.0.1:1", "Nothing listens on port 1 of 127.0.0.1"),
        ("rfc2217://127.0.0.1:1", "Nothing listens on port 1 of 127.0.0.1"),
        ("socket://127.0.0.1", "names no host and port: write socket://HOST:PORT"),
        ("socket://127.0.0.1:99999", "names no host and port"),
        ("rfc2217://", "names no host and port: write rfc2217://HOST:PORT"),
        ("socket://127.0.0.1:9?colour=red", "cannot be opened .*options after"),
        ("telnet://here:23", "is not a port: use a device, or socket://HOST:PORT"),
    ],
)
def test_a_url_that_cannot_be_opened_is_one_sentence_of_help(url: str, said: str) -> None:
    with pytest.raises(LinkError, match=said) as e:
        SerialLink(url)
    assert "\n" not in str(e.value)


def test_loop_gives_back_what_was_written() -> None:
    link = SerialLink("loop://")
    link.write(bytes(range(256)) * 8)
    got = b""
    for _ in range(100):
        got += link.read()
        if len(got) == 2048:
            break
    assert got == bytes(range(256)) * 8
    assert link.read() == b""
    link.close()
    with pytest.raises(LinkError, match="was closed"):
        link.read()


@contextlib.contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection; gives the port number."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                serve(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()
        thread.join(timeout=10)


def bridge(path: str) -> Callable[[socket.socket], None]:
    """Plain bytes between a port and a connection, as ser2net in raw mode."""

    def serve(connection: socket.socket) -> None:
        port = SerialLink(path)
        with contextlib.suppress(OSError, LinkError):
            while True:
                if select.select([connection], [], [], 0)[0]:
                    data = connection.recv(4096)
                    if not data:
                        break
                    port.write(data)
                connection.sendall(port.read())
        port.close()

    return serve


class PortWithModemLines(serial.Serial):
    """A pseudo-terminal has none, and the server side wants to read and set them."""

    cts = dsr = ri = cd = property(lambda self: True)

    def _update_dtr_state(self) -> None: ...
    def _update_rts_state(self) -> None: ...


def rfc2217_server(path: str) -> Callable[[socket.socket], None]:
    """pyserial's own server side of RFC 2217, around a port."""

    def serve(connection: socket.socket) -> None:
        port = PortWithModemLines(path, timeout=0.02)
        lock = threading.Lock()

        def write(data: bytes) -> None:
            with lock:
                connection.sendall(data)

        manager = serial.rfc2217.PortManager(port, SimpleNamespace(write=write))
        with contextlib.suppress(OSError):
            while True:
                if select.select([connection], [], [], 0)[0]:
                    data = connection.recv(1024)
                    if not data:
                        break
                    port.write(b"".join(manager.filter(data)))
                write(b"".join(manager.escape(port.read(port.in_waiting or 1))))
        port.close()

    return serve


@pytest.mark.parametrize(("scheme", "server"), [("socket", bridge), ("rfc2217", rfc2217_server)])
def test_a_head_behind_a_network_gives_every_record_bit_for_bit(dual_head: DualHead, scheme: str, server) -> None:
    device, blocks = dual_head
    played = sorted((b[i : i + 8] for b in blocks for i in range(0, len(b), 8)), key=lambda b: int(b.tick[0]))
    with (
        VirtualHead(device, lambda: played, 0.0) as virtual,
        tcp_server(server(virtual.path)) as number,
        Head.open(f"{scheme}://127.0.0.1:{number}") as head,
    ):
        assert head.describe() == device
        head.start()
        items: list[object] = []
        deadline = time.monotonic() + 60
        while not any(isinstance(i, HeadStatus) and i.state is HeadState.FINISHED for i in items[-3:]):
            assert time.monotonic() < deadline
            items += head.read()
        assert (head.counters.damaged, head.counters.lost) == (0, 0)
    for sent in blocks:
        got = [i.raw for i in items if isinstance(i, SampleBlock) and i.stream == sent.stream]
        np.testing.assert_array_equal(np.concatenate(got), sent.raw)


def test_a_read_of_a_connection_gives_all_that_is_there() -> None:
    sent = bytes(60_000)
    opened, done = threading.Event(), threading.Event()

    def serve(connection: socket.socket) -> None:
        opened.wait(20)  # what comes before the port is open is thrown away, as of every port
        connection.sendall(sent)
        done.wait(20)

    with tcp_server(serve) as number:
        link = SerialLink(f"socket://127.0.0.1:{number}")
        opened.set()
        time.sleep(0.3)
        n, reads = 0, 0
        while n < len(sent):
            n += len(link.read())
            reads += 1
        assert reads < 40  # and not one for every second byte
        done.set()

        def read_on() -> None:
            for _ in range(100):
                link.read()

        with pytest.raises(LinkError, match="stopped answering"):
            read_on()
        link.close()
