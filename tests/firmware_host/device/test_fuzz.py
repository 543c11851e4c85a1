"""Whatever comes in: the C decoder judges it as Python's does, and only a whole command does anything."""

from __future__ import annotations

import os
import re
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.samples import DeviceDescription
from firmware_host.device.build import SOURCES, WARNINGS
from firmware_host.errors import WireError
from firmware_host.wire import messages as m
from firmware_host.wire.framing import FrameDecoder, encode_frame
from tests.firmware_host.device.bridge import DeviceInC

HERE = Path(__file__).parent
DEVICE = DeviceDescription("m", "s", "f", 1e6, ())
TABLE = [
    m.Parameter(0, "gain", "dB", "", -20.0, 60.0, 0.0, 0.0),
    m.Parameter(1, "n", "", "", 1, 64, 8, 8, m.ParameterKind.WHOLE),
]

COMMANDS = st.builds(
    m.Command, st.integers(0, 65535), st.integers(0, 12),
    st.one_of(st.sampled_from(["gain", "n", ""]), st.text(max_size=30)), st.floats(),
).map(m.pack_command)  # fmt: skip


def frame_of(version: int, kind: int, payload: bytes) -> bytes:
    """A frame with a good CRC whatever its version and length."""
    if version == 1:
        return encode_frame(kind, 0, payload)
    body = bytes([version, kind, 0, 0]) + payload
    body += zlib.crc32(body).to_bytes(4, "little")
    return b"".join(bytes([len(p) + 1]) + p for p in body.split(b"\0")) + b"\0"


FRAMES = st.one_of(
    COMMANDS.map(lambda p: encode_frame(m.Kind.COMMAND, 0, p)),
    st.builds(frame_of, st.sampled_from([0, 1, 2]), st.sampled_from([0x80, 0x81, 3]), st.binary(max_size=40)),
    st.binary(max_size=80),
    st.binary(max_size=80).map(lambda b: b + b"\0"),
    st.integers(1, 600).map(lambda n: b"\xff" * n),
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Good frames and bad, then bytes changed, lost, put in and repeated."""
    line = bytearray(b"".join(draw(st.lists(FRAMES, min_size=1, max_size=6))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(line) - 1)))
        match draw(st.integers(0, 3)):
            case 0 if line:
                line[at] ^= draw(st.integers(1, 255))
            case 1:
                del line[at : at + draw(st.integers(1, 9))]
            case 2:
                line[at:at] = draw(st.binary(max_size=9))
            case _:
                line[at:at] = line[at : at + 30]
    return bytes(line) + b"\0"


@pytest.mark.needs_tools("gcc")
@settings(deadline=None, max_examples=1000)
@given(line=lines(), piece=st.integers(1, 300))
def test_both_decoders_judge_any_bytes_alike(device_in_c: DeviceInC, line: bytes, piece: int) -> None:
    decoder = FrameDecoder()
    wanted, unknown, senseless = [], 0, 0
    for f in decoder.feed(line):
        if f.kind != m.Kind.COMMAND:
            unknown += 1
            continue
        try:
            wanted.append(m.read_command(f.payload).request)
        except WireError:
            senseless += 1
    assert device_in_c.define(DEVICE, TABLE) == ""
    taken, sent = device_in_c.feed(line, piece)
    assert taken == len(line)
    answers = FrameDecoder()
    got = [m.read_reply(f.payload).request for f in answers.feed(sent) if f.kind == m.Kind.REPLY]
    assert got == wanted
    assert (answers.counters.damaged, answers._carry) == (0, b"")
    p, c = decoder.counters, device_in_c.counts()
    assert (c.commands, c.unknown, c.senseless) == (len(wanted), unknown, senseless)
    assert (c.bad_cobs, c.bad_crc, c.too_short) == (p.bad_cobs, p.bad_crc, p.too_short)
    assert c.wrong_version == p.wrong_version
    low, whole = device_in_c.values()
    assert -20 <= low <= 60
    assert whole in range(1, 65)


@pytest.mark.needs_tools("gcc")
def test_a_line_without_zeros_is_one_frame_too_long(device_in_c: DeviceInC) -> None:
    device_in_c.define(DEVICE, TABLE)
    for _ in range(20):
        device_in_c.feed(b"\x55" * 10_000)
    assert device_in_c.feed(b"\0")[1] == b""
    assert (device_in_c.counts().too_long, device_in_c.counts().damaged) == (1, 1)
    sent = device_in_c.feed(encode_frame(m.Kind.COMMAND, 0, m.pack_command(m.Command(5, m.Opcode.GET, "gain"))))[1]
    assert len(FrameDecoder().feed(sent)) == 1


@pytest.mark.needs_tools("gcc")
@pytest.mark.parametrize("name", ["", "n", "gain", "x" * 255])
def test_a_command_cut_short_anywhere_is_none(device_in_c: DeviceInC, name: str) -> None:
    whole = m.pack_command(m.Command(1, m.Opcode.GET, name))
    for n in range(len(whole)):
        with pytest.raises(WireError):
            m.read_command(whole[:n])
        device_in_c.define(DEVICE, TABLE)
        assert device_in_c.feed(encode_frame(m.Kind.COMMAND, 0, whole[:n]))[1] == b""
        counts = device_in_c.counts()
        assert (counts.commands, counts.senseless) == (0, 1)
    assert device_in_c.feed(encode_frame(m.Kind.COMMAND, 0, whole))[1] != b""


@pytest.mark.slow
@pytest.mark.needs_tools("clang")
def test_coverage_guided_fuzzing_finds_nothing(tmp_path: Path) -> None:
    """30 s of libFuzzer on whatever a host could send; its inputs may be chosen frame by frame, CRC made good."""
    fuzzer = tmp_path / "fuzz"
    built = subprocess.run(
        ["clang", *WARNINGS, "-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all",
         f"-I{SOURCES}", str(HERE / "fuzz_commands.c"), str(SOURCES / "groundsweep_device.c"), "-o", str(fuzzer)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if built.returncode != 0 and "libclang_rt" in built.stderr and os.environ.get("GROUNDSWEEP_REQUIRE_TOOLS") != "1":
        pytest.skip("clang's fuzzer library is not installed: apt-get install --no-install-recommends libclang-rt-dev")
    assert built.returncode == 0, built.stderr
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    seeds = [m.Command(1, opcode, "gain", 3.0) for opcode in m.Opcode]
    names, values = ("gain", "n", "uptime", "x"), (13.0, 2.5, 99.0)
    seeds += [m.Command(2, m.Opcode.SET, name, value) for name in names for value in values]
    for i, seed in enumerate(seeds):
        payload = m.pack_command(seed)
        (corpus / f"{i}").write_bytes(b"\x01" + bytes([len(payload)]) + payload)
        (corpus / f"raw{i}").write_bytes(b"\x00" + encode_frame(m.Kind.COMMAND, i, payload))
    words = tmp_path / "words"
    words.write_text('"gain"\n"uptime"\n"\\x01n"\n"\\x04gain"\n"\\x06uptime"\n')
    run = subprocess.run(
        [str(fuzzer), "-max_total_time=30", "-max_len=2048", "-timeout=5", "-print_final_stats=1", f"-dict={words}",
         str(corpus)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-4000:]
    print(*(line for line in run.stderr.splitlines() if "number_of_executed_units" in line))
    # behind the frame decoder, where only a good CRC leads: every command obeyed, every result given
    reached = re.search(r"opcodes (\w+) results (\w+)", run.stderr)
    assert reached is not None, run.stderr[-4000:]
    assert all(int(reached[1], 16) >> opcode & 1 for opcode in m.Opcode)
    assert all(int(reached[2], 16) >> result & 1 for result in m.Result)
