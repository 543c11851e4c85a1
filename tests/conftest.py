"""What several tests stand on."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from detector.decide.classifier import Model, load_model
from detector.samples import NO_ODOMETER, DeviceDescription, SampleBlock, StreamDescription, StreamKind

ROOT = Path(__file__).parents[1]

# a deadline would be a claim about wall time, which a first import or a loaded machine breaks
hypothesis.settings.register_profile("groundsweep", deadline=None)
hypothesis.settings.load_profile("groundsweep")

PACKAGES = {
    "gcc": "gcc libc6-dev",
    "clang": "clang libclang-rt-dev",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "powerpc-linux-gnu-gcc": "gcc-powerpc-linux-gnu libc6-dev-powerpc-cross",
    "qemu-ppc": "qemu-user",
    "chromium": "chromium",
    "h5dump": "hdf5-tools",
    "h5ls": "hdf5-tools",
}
"""Programs that some tests need beside Python, and the Debian packages that have them."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked needs_tools are skipped where a tool is missing, and fail there if none may be skipped."""
    missing = [t for mark in item.iter_markers("needs_tools") for t in mark.args if shutil.which(t) is None]
    if missing:
        packages = " ".join(PACKAGES[t] for t in missing)
        reason = f"{', '.join(missing)} not installed: apt-get install --no-install-recommends {packages}"
        if os.environ.get("GROUNDSWEEP_REQUIRE_TOOLS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def pytest_configure() -> None:
    """Worker processes are told of a terminal of 80 columns, and the console keeps what it is told when it is made."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    importlib.import_module("firmware_host.cli.opening")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take longest comes first, or it would be left alone at the end; behind the first waits the shortest."""

    def most_s(item: pytest.Item) -> float:
        stated = item.get_closest_marker("timeout")
        return float(stated.args[0]) if stated else 0.0

    items.sort(key=most_s, reverse=True)
    if items and most_s(items[0]):
        items.insert(1, items.pop())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """What `-n auto` is: one more than there are cores, as some test always waits. Each may take half a gigabyte."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None  # xdist's own answer, which is this variable
    return min(len(os.sched_getaffinity(0)), 4) + 1


@pytest.fixture(scope="session")
def recordings() -> Path:
    return ROOT / "recordings"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Development data beside the checkout, which not every machine has."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data (../shared/data) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="session")
def dual_head() -> tuple[DeviceDescription, list[SampleBlock]]:
    """A small made-up head: 4 metal gates at 200/s and 96-sample A-scans at 20/s, 6 s of them, two targets."""
    rng = np.random.default_rng(11)
    metal = StreamDescription(
        0, "metal", StreamKind.METAL_PI, 1, 4, "int32", 200.0, scale=1e-3, unit="V", axis=(2e-5, 5e-5, 1e-4, 2e-4)
    )
    radar = StreamDescription(
        1, "radar", StreamKind.RADAR, 1, 96, "int16", 20.0, unit="count",
        sampling_interval_s=1e-10, centre_frequency_hz=1e9, step_m=0.02,
    )  # fmt: skip
    t = np.arange(1200) / 200.0
    x = t * 0.4
    bump = sum(np.exp(-0.5 * ((x - c) / 0.06) ** 2) for c in (0.9, 1.7))
    gates = 300 * bump[:, None] * np.exp(-np.array(metal.axis) / 8e-5) + rng.normal(scale=5.0, size=(1200, 4))
    m = SampleBlock(
        metal, np.arange(1200), np.round(t * 1e6).astype(np.int64), np.round(t * 1e9).astype(np.int64),
        np.round(x * 1e6).astype(np.int64), np.round(gates).astype("<i4")[:, None, :],
    )  # fmt: skip
    t = np.arange(120) / 20.0
    x = t * 0.4
    k = np.arange(96)

    def pulse(at: np.ndarray) -> np.ndarray:
        u = (k - at[:, None]) / 3.0
        return (1 - 2 * u**2) * np.exp(-(u**2))

    ascans = 4000 * pulse(np.full(120, 15.0)) + rng.normal(scale=15.0, size=(120, 96))
    for c in (0.9, 1.7):
        ascans += 500 * pulse(15 + np.hypot(2.0e-9, 2 * (x - c) / 1e8) / 1e-10)
    r = SampleBlock(
        radar, np.arange(120), np.round(t * 1e6).astype(np.int64), np.round(t * 1e9).astype(np.int64),
        np.round(x * 1e6).astype(np.int64), np.round(ascans).astype("<i2")[:, None, :],
    )  # fmt: skip
    return DeviceDescription("test head", "T-1", "0.1", 1e6, (metal, radar)), [m, r]


def nowhere(n: int) -> np.ndarray:
    return np.full(n, NO_ODOMETER, np.int64)
