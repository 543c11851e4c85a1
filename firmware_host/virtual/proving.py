"""Runs exported filters on an emulated microcontroller over real samples: what comes out, and at what cost."""

from __future__ import annotations

import mmap
import re
import shutil
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firmware_host.device.build import BOARDS, COMPILER, SOURCES, WARNINGS
from firmware_host.device.export import CODE, TUNED
from firmware_host.errors import FirmwareError
from firmware_host.virtual.emulated import EMULATOR

WORDS: Final = {"q31": 31, "q15": 15, "f32": 32}

_RAM: Final = 16 << 20
_HEADER: Final = 64
_NS_PER_INSTRUCTION: Final = 8
_NS_PER_TICK: Final = 40
"""Timer of the board: 25 MHz."""

_PATIENCE_S: Final = 300.0
_PSRAM: Final = {"mps2-an385": "0x21000000u", "mps2-an386": "0x21000000u", "mps2-an500": "0x60000000u"}
_FLOAT: Final = {"cortex-m3": ("soft",), "cortex-m4": ("hard", "fpv4-sp-d16"), "cortex-m7": ("hard", "fpv5-sp-d16")}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a board made of the samples."""

    out: NDArray[Any]
    """Same shape as the samples: int32 words, or float32."""
    instructions_per_sample: float
    """Executed, shifting and copying included, not cycles: flash and multiplier wait states come on top."""
    text_bytes: int
    """Code and constants of the filters."""
    stack_bytes: int
    """Deepest frame of a function of them."""


def run_on_board(sources: Path, board: str, stream: int, word: str, samples: NDArray[Any]) -> Ran:
    """Build exported sources for a board, emulate it, and filter samples there.

    sources : folder that :func:`firmware_host.device.export.write_sources` wrote; stream : index of the exported one;
    word : 'q31', 'q15' or 'f32'; samples : (n, lines) readings or (n, samples) A-scans, counts.

    Raises
    ------
    FirmwareError
        if compiler or emulator are missing or refuse, or the samples do not fit the board's memory.
    """
    emulator = shutil.which(EMULATOR)
    compiler = shutil.which(COMPILER)
    if emulator is None or compiler is None:
        raise FirmwareError(
            f"{EMULATOR if emulator is None else COMPILER} is not installed. On Debian and Ubuntu: sudo apt-get "
            "install --no-install-recommends qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi"
        )
    size = samples.size * 4
    if _HEADER + 2 * size > _RAM:
        raise FirmwareError(
            f"{samples.size} samples and their results need {2 * size / 1e6:.1f} MB; the board has {_RAM / 1e6:.1f} "
            "MB. Prove fewer at a time."
        )
    with tempfile.TemporaryDirectory(prefix="groundsweep-proof-") as name:
        folder = Path(name)
        text, stack = _build(compiler, sources, board, folder)
        ram = folder / "ram"
        with ram.open("w+b") as file:
            file.truncate(_RAM)
            with mmap.mmap(file.fileno(), _RAM) as memory:
                memory[:28] = struct.pack("<7I", 0, stream, WORDS[word], len(samples), _HEADER, _HEADER + size, 0)
                memory[_HEADER : _HEADER + size] = np.ascontiguousarray(samples, dtype="<i4").tobytes()
                _emulate(emulator, board, folder / "proof.elf", ram, memory)
                ticks = struct.unpack_from("<I", memory, 24)[0]
                raw = memory[_HEADER + size : _HEADER + 2 * size]
    kind = "<f4" if word == "f32" else "<i4"
    return Ran(
        out=np.frombuffer(raw, kind).reshape(samples.shape).copy(),
        instructions_per_sample=ticks * _NS_PER_TICK / _NS_PER_INSTRUCTION / max(1, samples.size),
        text_bytes=text,
        stack_bytes=stack,
    )


def _build(compiler: str, sources: Path, board: str, folder: Path) -> tuple[int, int]:
    """The image proof.elf; bytes of the filters' code and constants, and of their deepest frame."""
    if board not in BOARDS:
        raise FirmwareError(f"There is no board {board!r}. There are {', '.join(BOARDS)}.")
    kind = _FLOAT[BOARDS[board]]
    machine = [f"-mcpu={BOARDS[board]}", "-mthumb", f"-mfloat-abi={kind[0]}", *(f"-mfpu={f}" for f in kind[1:])]
    flags = [*machine, "-O2", "-ffp-contract=off", *WARNINGS, "-fstack-usage", f"-I{sources}"]
    objects = []
    for name in (CODE[1], TUNED[1]):
        objects.append(folder / f"{Path(name).stem}.o")
        _call([compiler, *flags, "-c", str(sources / name), "-o", str(objects[-1])], folder)
    link = [
        compiler, *flags, "-nostartfiles", "-specs=nosys.specs", "-T", str(SOURCES / "reference" / "mps2.ld"),
        f"-DPSRAM={_PSRAM[board]}", str(SOURCES / "proof" / "proof.c"), *map(str, objects),
        "-o", str(folder / "proof.elf"),
    ]  # fmt: skip
    _call(link, folder)
    sizes = _call([compiler.removesuffix("gcc") + "size", *map(str, objects)], folder)
    text = sum(int(line.split()[0]) + int(line.split()[1]) for line in sizes.splitlines()[1:])
    frames = re.findall(r"\t(\d+)\t", objects[0].with_suffix(".su").read_text())
    return text, max(map(int, frames))


def _emulate(emulator: str, board: str, image: Path, ram: Path, memory: mmap.mmap) -> None:
    command = [
        emulator, "-M", f"{board},memory-backend=ram", "-object",
        f"memory-backend-file,id=ram,size={_RAM},mem-path={ram},share=on", "-kernel", str(image),
        "-display", "none", "-monitor", "none", "-serial", "none", "-nodefaults",
        "-icount", f"shift={_NS_PER_INSTRUCTION.bit_length() - 1},sleep=off",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + _PATIENCE_S
        while (done := struct.unpack_from("<I", memory, 0)[0]) == 0:
            if process.poll() is not None:
                said = (process.stdout.read() if process.stdout else b"").decode(errors="replace").strip()
                raise FirmwareError(f"{EMULATOR} ended with code {process.returncode}: {said or 'it said nothing'}.")
            if time.monotonic() > until:
                raise FirmwareError(f"The board {board} did not finish within {_PATIENCE_S:g} s. Prove fewer samples.")
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    if done != 1:
        raise FirmwareError(
            f"The filters did not run on {board}: not exported for this word, more values than the proof has room for, "
            "or a fault of the processor."
        )


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        raise FirmwareError(f"The exported filters did not build; {command[0]} says:\n{done.stderr.strip()}")
    return done.stdout
