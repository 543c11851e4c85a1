"""The main.c of docs/firmware-guide.md compiles as it stands, streams, and says the same on any machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from firmware_host.device.build import SOURCES, WARNINGS
from firmware_host.wire import messages as m
from firmware_host.wire.framing import FrameDecoder, encode_frame

HERE = Path(__file__).parent
GUIDE = Path(__file__).parents[3] / "docs" / "firmware-guide.md"


@pytest.fixture
def main_c(tmp_path: Path) -> Path:
    (block,) = re.findall(r"```c\n(.*?)```", GUIDE.read_text(), re.S)
    path = tmp_path / "main.c"
    path.write_text(block)
    return path


def build(compiler: tuple[str, ...], main_c: Path) -> Path:
    out = main_c.with_name("firmware")
    sources = [main_c, HERE / "guide_board.c", SOURCES / "groundsweep_device.c"]
    subprocess.run([*compiler, *WARNINGS, f"-I{SOURCES}", *map(str, sources), "-o", str(out)], check=True)
    return out


def session() -> bytes:
    """All that a host may ask, and between START and STOP many messages of an unknown type: time goes on in them."""
    commands = [
        m.Command(1, m.Opcode.DESCRIBE), m.Command(2, m.Opcode.LIST_PARAMETERS),
        m.Command(3, m.Opcode.SET, "averages", 16.0), m.Command(4, m.Opcode.SET, "tx_current", 0.1),
        m.Command(5, m.Opcode.START),
    ]  # fmt: skip
    line = [encode_frame(m.Kind.COMMAND, c.request, m.pack_command(c)) for c in commands]
    line += [encode_frame(0x81, 0, b"later") for _ in range(250)]
    line += [encode_frame(m.Kind.COMMAND, 0, m.pack_command(m.Command(6, opcode))) for opcode in (7, 3, 8)]
    return b"".join(line)


@pytest.mark.needs_tools("gcc")
def test_the_guide_s_firmware_streams(main_c: Path) -> None:
    firmware = build(("gcc", "-O2", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"), main_c)
    out = subprocess.run([str(firmware)], input=session(), capture_output=True, check=True).stdout
    decoder = FrameDecoder()
    frames = decoder.feed(out)
    assert (decoder.counters.damaged, decoder.counters.lost) == (0, 0)
    device = m.read_device(frames[0].payload)
    stream = m.read_stream(frames[1].payload)
    assert (device.model, stream.name, stream.rate_hz) == ("my detector", "metal", 500.0)
    texts = [m.read_reply(f.payload).text for f in frames if f.kind == m.Kind.REPLY]
    refused = "tx_current = 0.1 is not allowed: it must be from 0.5 to 2 A"
    assert texts == ["", "", "", refused, "", "", "", "this head has no memory to save to"]
    samples = [m.read_samples(f.payload, {0: stream}) for f in frames if f.kind == m.Kind.SAMPLES]
    numbers = [s.first_seq + i for s in samples for i in range(len(s.ticks))]
    got = np.concatenate([s.ticks for s in samples]) // 2000
    # two readings are missed after the 50th, the 150th and so on: not there, but counted
    missed = 2 * ((got + 50) // 100)
    assert numbers == (got + missed).tolist()
    assert missed[-1] >= 4
    assert m.read_status(next(f for f in frames if f.kind == m.Kind.STATUS).payload).state is m.HeadState.STREAMING


@pytest.mark.needs_tools("arm-none-eabi-gcc")
@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m4"])
def test_the_guide_s_main_compiles_for_a_microcontroller(main_c: Path, cpu: str) -> None:
    subprocess.run(
        ["arm-none-eabi-gcc", f"-mcpu={cpu}", "-mthumb", *WARNINGS, f"-I{SOURCES}", "-c", str(main_c),
         "-o", str(main_c.with_suffix(".o"))],
        check=True,
    )  # fmt: skip


@pytest.mark.needs_tools("gcc", "powerpc-linux-gnu-gcc", "qemu-ppc")
def test_a_big_endian_machine_sends_the_same_bytes(main_c: Path) -> None:
    little = build(("gcc", "-O2"), main_c)
    native = subprocess.run([str(little)], input=session(), capture_output=True, check=True).stdout
    big = build(("powerpc-linux-gnu-gcc", "-O2", "-static"), main_c)
    foreign = subprocess.run(["qemu-ppc", str(big)], input=session(), capture_output=True, check=True).stdout
    assert len(native) > 5000
    assert foreign == native


def test_the_guide_names_every_fault_that_can_be_commanded() -> None:
    main = (SOURCES / "reference" / "main.c").read_text()
    names = re.findall(r'= \{"(\w+)", "[^"]*", "[^"]*", (?:EVERY|SWITCH)\}', main)
    assert len(names) >= 7
    for name in names:
        assert f"`{name}`" in GUIDE.read_text(), name
