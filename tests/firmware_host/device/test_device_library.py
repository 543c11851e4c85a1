"""Two files for any C99 compiler: no warnings, no heap, no globals, no printf, and a stack with a bound."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from firmware_host.device.build import BOARDS, SOURCES, WARNINGS
from tests.firmware_host.device.bridge import SANITIZED

LIBRARY = SOURCES / "groundsweep_device.c"
STRICTER = ("-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wcast-align", "-Wvla", "-Wundef")
THUMB = ("-mthumb", "-mfloat-abi=soft")

ARM = pytest.mark.needs_tools("arm-none-eabi-gcc")
COMPILERS = [
    pytest.param(("gcc", *options), id=f"gcc {options[0]}", marks=pytest.mark.needs_tools("gcc"))
    for options in (("-O0",), ("-O2",), ("-O3",), SANITIZED)
] + [
    pytest.param(("arm-none-eabi-gcc", f"-mcpu={cpu}", *THUMB, "-Os"), id=cpu, marks=ARM)
    for cpu in ("cortex-m0", *BOARDS.values())
]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_it_compiles_without_a_warning(compiler: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [*compiler, *WARNINGS, *STRICTER, "-c", str(LIBRARY), "-o", str(tmp_path / "out.o")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.needs_tools("gcc")
def test_its_header_is_fit_for_c_plus_plus_and_needs_no_other(tmp_path: Path) -> None:
    source = tmp_path / "alone.c"
    source.write_text('#include "groundsweep_device.h"\n#include "groundsweep_device.h"\nint unused(void);\n')
    subprocess.run(["gcc", *WARNINGS, f"-I{SOURCES}", "-fsyntax-only", str(source)], check=True)
    assert 'extern "C"' in (SOURCES / "groundsweep_device.h").read_text()


@pytest.fixture(params=["-Os", "-O2"])
def arm_object(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    out = tmp_path / "device.o"
    subprocess.run(
        ["arm-none-eabi-gcc", "-mcpu=cortex-m3", *THUMB, request.param, *WARNINGS, "-fcallgraph-info=su",
         "-c", str(LIBRARY), "-o", str(out)],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    return out


@ARM
def test_it_owns_no_memory_and_calls_only_the_plainest_of_the_c_library(arm_object: Path) -> None:
    symbols = [
        line.split()[-2:]
        for line in subprocess.run(
            ["arm-none-eabi-nm", str(arm_object)], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    ]
    assert not [name for kind, name in symbols if kind in "bBdDcC"]  # nothing in RAM
    plain = {"memcpy", "memmove", "memset", "memcmp", "strcmp"}
    foreign = {name for kind, name in symbols if kind == "U"} - plain
    assert all(name.startswith("__aeabi_") for name in foreign), foreign  # the compiler's own arithmetic
    assert all(name.startswith("gs_") for kind, name in symbols if kind == "T")


def call_graph(path: Path) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Bytes of stack of each function, and whom it calls, from gcc's -fcallgraph-info."""
    text = path.read_text()
    stack = {}
    for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]+)"', text):
        size = re.search(r"(\d+) bytes \((\w+)\)", label)
        if size:
            assert size[2] == "static", f"{title} has a stack whose size is not known before it runs"
            stack[title] = int(size[1])
    calls: dict[str, set[str]] = {}
    for a, b in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
        calls.setdefault(a, set()).add(b)
    return stack, calls


def deepest(name: str, stack: dict[str, int], calls: dict[str, set[str]], above: tuple[str, ...] = ()) -> int:
    """Bytes of stack of a function and the deepest chain of calls below it; library routines count 32."""
    assert name not in above, f"{name} calls itself through {above}"
    below = (deepest(c, stack, calls, (*above, name)) for c in calls.get(name, ()))
    return stack.get(name, 32) + max(below, default=0)


@ARM
def test_its_stack_has_a_bound(arm_object: Path) -> None:
    stack, calls = call_graph(arm_object.with_suffix(".ci"))
    assert max(stack.values()) <= 256
    worst = {name: deepest(name, stack, calls) for name in stack if name.split(":")[-1].startswith("gs_")}
    assert len(worst) == 11
    # what docs/firmware-guide.md promises, the board's own callbacks apart
    assert max(worst.values()) <= 512, worst
    print({name: worst[name] for name in sorted(worst)})
