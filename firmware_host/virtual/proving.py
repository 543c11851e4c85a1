"""Runs exported code on an emulated microcontroller over real data: what comes out, and at what cost."""

from __future__ import annotations

import mmap
import re
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.detections import CLASSES, FEATURES
from firmware_host.device import export_classifier
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
class Cost:
    """What exported code takes on a board."""

    instructions: float
    """Executed for one sample or alarm, not cycles: wait states of flash and multiplier come on top."""
    text_bytes: int
    """Code and constants, without libm."""
    stack_bytes: int
    """Deepest frame of a function of it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdicts of a board, one row an alarm."""

    decision: NDArray[np.int32]
    """Index into CLASSES, -1 unknown."""
    level: NDArray[np.int32]
    llr: NDArray[np.float32]
    """(n, 2) of radar and metal detector."""
    probability: NDArray[np.float32]
    """(n, K)."""
    novelty: NDArray[np.float32]
    votes: NDArray[np.int64]
    """(n, 2, K)."""


def filter_on_board(
    sources: Path, board: str, stream: int, word: str, samples: NDArray[Any]
) -> tuple[NDArray[Any], Cost]:
    """Build exported filters for a board, emulate it, and filter samples there.

    sources : folder that :func:`firmware_host.device.export.write_sources` wrote; stream : index of the exported one;
    word : 'q31', 'q15' or 'f32'; samples : (n, lines) readings or (n, samples) A-scans, counts.
    Returns an array of the samples' shape, int32 words or float32; and the cost.

    Raises
    ------
    FirmwareError
        if compiler or emulator are missing or refuse, or the samples do not fit the board's memory.
    """
    job = (stream, WORDS[word], len(samples))
    data = np.ascontiguousarray(samples, dtype="<i4").tobytes()
    raw, cost = _run(sources, board, "filter.c", (CODE[1], TUNED[1]), job, data, len(data), samples.size)
    kind = "<f4" if word == "f32" else "<i4"
    return np.frombuffer(raw, kind).reshape(samples.shape).copy(), cost


def judge_on_board(
    sources: Path, board: str, features: NDArray[np.float32], flags: NDArray[np.float32]
) -> tuple[Judged, Cost]:
    """Build an exported classifier for a board, emulate it, and have it judge alarms.

    sources : folder that :func:`firmware_host.device.export_classifier.write_classifier` wrote;
    features : (n, len(FEATURES)), NaN where not seen; flags : (n, 2) as detector.decide.classifier.FLAGS.

    Raises
    ------
    FirmwareError
        as for :func:`filter_on_board`.
    """
    n, k = len(features), len(CLASSES)
    if features.shape != (n, len(FEATURES)) or flags.shape != (n, 2):
        raise ValueError(f"features {features.shape} and flags {flags.shape} do not belong to {len(FEATURES)} features")
    data = np.ascontiguousarray(np.column_stack((features, flags)), dtype="<f4").tobytes()
    files = (export_classifier.CODE[1], export_classifier.TABLES[1])
    raw, cost = _run(sources, board, "classify.c", files, (0, 0, n), data, 64 * n, n)
    whole = np.frombuffer(raw, "<i4").reshape(n, 16)
    real = np.frombuffer(raw, "<f4").reshape(n, 16)
    return Judged(
        decision=whole[:, 0].copy(),
        level=whole[:, 1].copy(),
        llr=real[:, 2:4].copy(),
        probability=real[:, 4 : 4 + k].copy(),
        novelty=real[:, 7].copy(),
        votes=whole[:, 8 : 8 + 2 * k].reshape(n, 2, k).astype(np.int64),
    ), cost


def _run(
    sources: Path, board: str, work: str, files: Sequence[str], job: tuple[int, int, int], data: bytes, room: int,
    parts: int,
) -> tuple[bytes, Cost]:  # fmt: skip
    """Have a board do a job on data laid into its RAM; its results, and the cost of each of so many parts."""
    emulator = shutil.which(EMULATOR)
    compiler = shutil.which(COMPILER)
    if emulator is None or compiler is None:
        raise FirmwareError(
            f"{EMULATOR if emulator is None else COMPILER} is not installed. On Debian and Ubuntu: sudo apt-get "
            "install --no-install-recommends qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi"
        )
    if board not in BOARDS:
        raise FirmwareError(f"There is no board {board!r}. There are {', '.join(BOARDS)}.")
    if _HEADER + len(data) + room > _RAM:
        raise FirmwareError(
            f"Data and results need {(len(data) + room) / 1e6:.1f} MB; the board has {_RAM / 1e6:.1f} MB. "
            "Prove fewer at a time."
        )
    with tempfile.TemporaryDirectory(prefix="groundsweep-proof-") as name:
        folder = Path(name)
        text, stack = _build(compiler, sources, board, work, files, folder)
        ram = folder / "ram"
        with ram.open("w+b") as file:
            file.truncate(_RAM)
            with mmap.mmap(file.fileno(), _RAM) as memory:
                memory[:28] = struct.pack("<7I", 0, *job, _HEADER, _HEADER + len(data), 0)
                memory[_HEADER : _HEADER + len(data)] = data
                _emulate(emulator, board, folder / "proof.elf", ram, memory)
                ticks = struct.unpack_from("<I", memory, 24)[0]
                results = memory[_HEADER + len(data) : _HEADER + len(data) + room]
    return results, Cost(ticks * _NS_PER_TICK / _NS_PER_INSTRUCTION / max(1, parts), text, stack)


def _build(compiler: str, sources: Path, board: str, work: str, files: Sequence[str], folder: Path) -> tuple[int, int]:
    """The image proof.elf; bytes of code and constants of the exported files, and of their deepest frame."""
    kind = _FLOAT[BOARDS[board]]
    machine = [f"-mcpu={BOARDS[board]}", "-mthumb", f"-mfloat-abi={kind[0]}", *(f"-mfpu={f}" for f in kind[1:])]
    flags = [*machine, "-O2", "-ffp-contract=off", *WARNINGS, "-fstack-usage", f"-I{sources}"]
    objects = []
    for name in files:
        objects.append(folder / f"{Path(name).stem}.o")
        _call([compiler, *flags, "-c", str(sources / name), "-o", str(objects[-1])], folder)
    link = [
        compiler, *flags, f"-DPSRAM={_PSRAM[board]}", "-nostartfiles", "-specs=nosys.specs",
        "-T", str(SOURCES / "reference" / "mps2.ld"),
        str(SOURCES / "proof" / "start.c"), str(SOURCES / "proof" / work), *map(str, objects),
        "-lm", "-o", str(folder / "proof.elf"),
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
            f"The exported code did not run on {board}: not exported for this word, more values than the proof has "
            "room for, or a fault of the processor."
        )


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        raise FirmwareError(f"The exported code did not build; {command[0]} says:\n{done.stderr.strip()}")
    return done.stdout
