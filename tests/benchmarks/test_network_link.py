"""How much of a TCP connection's rate is left behind SerialLink, against a loop that only receives."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Callable

import pytest

from firmware_host.link import SerialLink

pytestmark = pytest.mark.benchmark

BYTES = 200 << 20


def rate(opener: Callable[[int], tuple[Callable[[], bytes], Callable[[], None]]]) -> float:
    """MB/s at which a reader takes BYTES from a sender in another thread."""
    server = socket.create_server(("127.0.0.1", 0))
    opened = threading.Event()  # opening throws away what came before

    def send() -> None:
        connection, _ = server.accept()
        data = bytes(1 << 16)
        opened.wait()
        with connection:
            for _ in range(BYTES // len(data)):
                connection.sendall(data)

    sender = threading.Thread(target=send)
    sender.start()
    read, close = opener(server.getsockname()[1])
    opened.set()
    began, got = time.perf_counter(), 0
    while got < BYTES:
        got += len(read())
    seconds = time.perf_counter() - began
    sender.join()
    close()
    server.close()
    return BYTES / seconds / 1e6


def link(port: int) -> tuple[Callable[[], bytes], Callable[[], None]]:
    opened = SerialLink(f"socket://127.0.0.1:{port}")
    return opened.read, opened.close


def bare(port: int) -> tuple[Callable[[], bytes], Callable[[], None]]:
    opened = socket.create_connection(("127.0.0.1", port))
    opened.settimeout(0.02)  # as the link has it
    return lambda: opened.recv(1 << 16), opened.close


def test_a_socket_link_keeps_at_least_a_third_of_the_rate_of_a_bare_receive_loop() -> None:
    pairs = [(rate(link), rate(bare)) for _ in range(5)]
    ratio = statistics.median(a / b for a, b in pairs)
    a, b = (statistics.median(x) for x in zip(*pairs, strict=True))
    print(f"\nsocket:// through SerialLink {a:.0f} MB/s, bare recv {b:.0f} MB/s, ratio {ratio:.2f}")
    assert ratio > 1 / 3
