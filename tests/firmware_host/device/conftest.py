"""The C device library, built once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware_host.device.bridge import DeviceInC, build_bridge


@pytest.fixture(scope="session")
def bridge_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_bridge(tmp_path_factory.mktemp("device") / "bridge")


@pytest.fixture(scope="module")
def device_in_c(bridge_program: Path) -> Iterator[DeviceInC]:
    device = DeviceInC(bridge_program)
    yield device
    device.close()
