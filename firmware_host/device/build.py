"""Builds the reference firmware for an emulated board."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from firmware_host.errors import FirmwareError

SOURCES: Final = Path(__file__).parent
"""Where the C files of this package are."""

BOARDS: Final = {"mps2-an385": "cortex-m3", "mps2-an386": "cortex-m4", "mps2-an500": "cortex-m7"}
"""QEMU's name of each board that the firmware runs on, and its processor."""

DEFAULT_BOARD: Final = "mps2-an385"

COMPILER: Final = "arm-none-eabi-gcc"

WARNINGS: Final = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion")


def build_firmware(board: str, out: Path) -> Path:
    """Compile and link the reference firmware for a board; returns `out`, an ELF image.

    Raises
    ------
    FirmwareError
        for a board that is not known, and if the compiler is missing or refuses.
    """
    if board not in BOARDS:
        raise FirmwareError(f"There is no board {board!r}. The firmware runs on {', '.join(BOARDS)}.")
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise FirmwareError(
            f"The compiler {COMPILER} is not installed. On Debian and Ubuntu: "
            "sudo apt-get install --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi"
        )
    command = [
        compiler, f"-mcpu={BOARDS[board]}", "-mthumb", "-mfloat-abi=soft", "-O2", *WARNINGS,
        "-ffunction-sections", "-fdata-sections", "-nostartfiles", "-Wl,--gc-sections", "-specs=nosys.specs",
        "-T", str(SOURCES / "reference" / "mps2.ld"),
        str(SOURCES / "groundsweep_device.c"), *map(str, sorted((SOURCES / "reference").glob("*.c"))),
        "-lm", "-o", str(out),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FirmwareError(
            f"The firmware did not build for {board}; {COMPILER} says:\n{done.stderr.strip()}\n"
            "If a header of the C library is missing: sudo apt-get install libnewlib-arm-none-eabi"
        )
    return out
