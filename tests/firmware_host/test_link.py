"""A port that cannot be opened says what to do."""

from __future__ import annotations

import os
import pty
import tty

import pytest

from firmware_host.errors import LinkError
from firmware_host.link import SerialLink, _why_not


def test_a_port_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(LinkError, match=r"There is no port /dev/ttyNOWHERE\. Ports of this machine"):
        SerialLink("/dev/ttyNOWHERE")


def test_a_busy_port_says_so() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        first = SerialLink(os.ttyname(slave))
        with pytest.raises(LinkError, match="busy"):
            SerialLink(os.ttyname(slave))
        first.close()
        SerialLink(os.ttyname(slave)).close()
    finally:
        os.close(master)
        os.close(slave)


def test_a_port_without_permission_names_the_group() -> None:
    error = PermissionError(13, "Permission denied")
    assert "usermod -aG" in _why_not("/dev/null", error)


def test_a_file_that_is_no_port_is_explained(tmp_path) -> None:
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
