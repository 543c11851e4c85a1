"""What the device library costs a microcontroller, and how fast it makes frames, against a plain copy."""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from pathlib import Path

import pytest
import serial

from firmware_host.device.build import SOURCES, WARNINGS
from firmware_host.virtual.emulated import EmulatedHead

HERE = Path(__file__).parent / "device"
LIBRARY = SOURCES / "groundsweep_device.c"
pytestmark = pytest.mark.benchmark


@pytest.mark.needs_tools("arm-none-eabi-gcc")
@pytest.mark.parametrize("options", ["-Os", "-O2"])
@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m3", "cortex-m7"])
def test_size_on_a_microcontroller(cpu: str, options: str, tmp_path: Path) -> None:
    arm = ["arm-none-eabi-gcc", f"-mcpu={cpu}", "-mthumb", "-mfloat-abi=soft", options, *WARNINGS, f"-I{SOURCES}"]
    out = tmp_path / "device.o"
    subprocess.run([*arm, "-ffunction-sections", "-fstack-usage", "-c", str(LIBRARY), "-o", str(out)], check=True)
    (tmp_path / "head.c").write_text('#include "groundsweep_device.h"\ngs_head head;\n')
    subprocess.run([*arm, "-c", str(tmp_path / "head.c"), "-o", str(tmp_path / "head.o")], check=True)

    def size(path: Path) -> list[int]:
        lines = subprocess.run(["arm-none-eabi-size", str(path)], capture_output=True, text=True, check=True).stdout
        return list(map(int, lines.splitlines()[1].split()[:3]))

    text, data, bss = size(out)
    stack = [int(line.split("\t")[1]) for line in out.with_suffix(".su").read_text().splitlines()]
    ram = size(tmp_path / "head.o")[2]
    print(f"\n{cpu} {options}: text {text} B, own RAM {data + bss} B, gs_head {ram} B, deepest frame {max(stack)} B")
    assert (data, bss) == (0, 0)
    if options == "-Os":  # what docs/firmware-guide.md says
        assert text < 7_800
        assert ram < 700


@pytest.mark.needs_tools("arm-none-eabi-gcc", "qemu-system-arm")
def test_instructions_a_frame(tmp_path: Path) -> None:
    """Counted, not timed: the emulator advances its clock by the instruction, so every run gives the same."""
    image = tmp_path / "instructions.elf"
    subprocess.run(
        ["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft", "-O2", *WARNINGS, f"-I{SOURCES}",
         f"-I{SOURCES / 'reference'}", "-nostartfiles", "-specs=nosys.specs", "-T", str(SOURCES / "reference/mps2.ld"),
         str(HERE / "instructions.c"), str(HERE / "frames.c"), str(LIBRARY), str(SOURCES / "reference/board_mps2.c"),
         "-o", str(image)],
        check=True,
    )  # fmt: skip
    with (
        EmulatedHead("mps2-an385", image, ("-icount", "shift=0,sleep=off")) as emulated,
        serial.Serial(emulated.path, timeout=1) as port,
    ):
        said = b""
        until = time.monotonic() + 60
        while said.count(b"\n") < 3 and time.monotonic() < until:
            said += port.read(256)
    rounds = re.findall(r"^(\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", said.decode(), re.M)
    assert rounds, said
    figures = list(map(int, rounds[-1]))
    for name, size, instructions in zip(("metal 10 x 8 int32", "radar 256 int16", "4 x 509 int16"), figures[::2],
                                        figures[1::2], strict=True):  # fmt: skip
        print(f"\n{name}: {instructions} instructions for {size} bytes on the line, {instructions / size:.1f} a byte")
        assert instructions / size < 60


@pytest.mark.needs_tools("gcc")
@pytest.mark.parametrize("compiler", ["-O2", "-O3"])
def test_making_frames_against_memcpy(compiler: str, tmp_path: Path) -> None:
    program = tmp_path / "encode"
    subprocess.run(
        ["gcc", compiler, *WARNINGS, f"-I{SOURCES}", str(HERE / "encode.c"), str(HERE / "frames.c"), str(LIBRARY),
         "-o", str(program)],
        check=True,
    )  # fmt: skip
    lines = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.splitlines()
    rounds = [tuple(map(float, line.split())) for line in lines]
    size = rounds[0][0]
    frame = size / statistics.median(r[1] for r in rounds) * 1e3
    copy = size / statistics.median(r[2] for r in rounds) * 1e3
    print(f"\n{compiler}: frames {frame:.0f} MB/s, memcpy {copy:.0f} MB/s, 1 : {copy / frame:.0f}")
    assert frame > 0
