"""A detector head whose firmware is real C code on an emulated microcontroller, behind a pseudo-terminal.

QEMU runs the image; its UART goes through two FIFOs and a pump to a pseudo-terminal of ours. QEMU can
make a pseudo-terminal itself, but writes to it byte by byte and throws away what comes while nobody
has it open. Through the FIFOs a line that nobody reads stands still, and the firmware counts what it drops.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import subprocess
import tempfile
import threading
import time
import tty
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from firmware_host.device.build import DEFAULT_BOARD, build_firmware
from firmware_host.errors import FirmwareError

EMULATOR: Final = "qemu-system-arm"

_NOISE_ADDRESS: Final = 0x203FFFFC
"""Word that the firmware takes for the noise of an ADC at power-on: boot_noise in mps2.ld."""

_PIECE: Final = 65536
"""Most that is copied at once, bytes."""


class EmulatedHead:
    """The reference firmware on an emulated board. A context manager; `path` is the port to open.

    Parameters
    ----------
    board : QEMU's name of the board, see BOARDS
    image : an ELF image to run; by default the reference firmware is built for the board
    options : further options for QEMU

    Raises
    ------
    FirmwareError
        if the compiler or QEMU is missing or refuses.
    """

    def __init__(self, board: str = DEFAULT_BOARD, image: Path | None = None, options: Sequence[str] = ()) -> None:
        emulator = shutil.which(EMULATOR)
        if emulator is None:
            raise FirmwareError(
                f"{EMULATOR} is not installed. On Debian and Ubuntu: "
                "sudo apt-get install --no-install-recommends qemu-system-arm"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="groundsweep-")
        folder = Path(self._folder.name)
        try:
            image = image or build_firmware(board, folder / "firmware.elf")
            line = folder / "uart"
            noise = int.from_bytes(os.urandom(4), "little")
            for end in (".in", ".out"):
                os.mkfifo(f"{line}{end}")
        except BaseException:
            self._folder.cleanup()
            raise
        self._command = [
            emulator, "-M", board, "-kernel", str(image), "-display", "none", "-monitor", "none", "-nodefaults",
            "-chardev", f"pipe,id=uart,path={line}", "-serial", "chardev:uart",
            "-device", f"loader,addr={_NOISE_ADDRESS:#x},data={noise:#x},data-len=4", *options,
        ]  # fmt: skip
        self._errors = folder / "errors"
        # both ends open for reading and writing: no end ever sees the other closed, whoever comes first
        self._to_board = os.open(f"{line}.in", os.O_RDWR | os.O_NONBLOCK)
        self._from_board = os.open(f"{line}.out", os.O_RDWR | os.O_NONBLOCK)
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        """Open this with pyserial."""
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._pump, name="emulated-head", daemon=True)
        self._closed = False

    def __enter__(self) -> EmulatedHead:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True
            )
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.unplug()

    def wait(self) -> None:
        """Until the emulator ends, which it does not do by itself.

        Raises
        ------
        FirmwareError
            with what the emulator said, when it ended.
        """
        if self._process is None:
            raise FirmwareError("The emulated board was never switched on: enter it with 'with'.")
        while self._process.poll() is None:
            time.sleep(0.05)
        said = self._errors.read_text(errors="replace").strip() if self._errors.exists() else ""
        raise FirmwareError(
            f"{EMULATOR} ended with code {self._process.returncode}: {said or 'it said nothing'}. "
            "Does it know the board? See 'qemu-system-arm -M help'."
        )

    def unplug(self) -> None:
        """Pull the cable and the power: the port vanishes for whoever has it open, the board is off."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        for fd in (self._master, self._slave, self._to_board, self._from_board):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._folder.cleanup()

    def _pump(self) -> None:
        """Copies both ways. Reads no more of one end before the other has taken what was read."""
        ways = {self._from_board: self._master, self._master: self._to_board}
        held = dict.fromkeys(ways, b"")
        with contextlib.suppress(OSError):  # the ends were closed under us: unplugged
            while not self._stop.is_set():
                idle = [end for end, data in held.items() if not data]
                full = [ways[end] for end, data in held.items() if data]
                readable, writable, _ = select.select(idle, full, [], 0.1)
                for end in readable:
                    with contextlib.suppress(BlockingIOError):
                        held[end] = os.read(end, _PIECE)
                for end, other in ways.items():
                    if held[end] and (other in writable or end in readable):
                        with contextlib.suppress(BlockingIOError):
                            held[end] = held[end][os.write(other, held[end]) :]
