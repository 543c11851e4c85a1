"""Real firmware on an emulated board, through pyserial: what it made is received or counted as missing, exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from detector.samples import Event, Gap, SampleBlock, StreamKind
from firmware_host.device.build import BOARDS, build_firmware
from firmware_host.errors import FirmwareError, HeadError, LinkError
from firmware_host.head import Head
from firmware_host.live_source import LiveSource
from firmware_host.virtual.emulated import EmulatedHead
from firmware_host.wire.messages import HeadState, HeadStatus, Opcode, ParameterKind

pytestmark = pytest.mark.needs_tools("qemu-system-arm", "arm-none-eabi-gcc")


@pytest.fixture
def head() -> Iterator[Head]:
    with EmulatedHead() as emulated, Head.open(emulated.path) as head:
        head.describe(timeout_s=20)
        yield head


def read_for(head: Head, seconds: float) -> list[object]:
    items: list[object] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        items += head.read()
    return items


def sweep(head: Head, seconds: float) -> tuple[list[object], dict[int, int]]:
    """Start, stream, stop, take what is still on the line; the items, and how many records of each stream were made."""
    head.start()
    items = read_for(head, seconds)
    for name in ("drop_every", "damage_every", "hang_after"):
        head.set_parameter(name, 0)  # what is lost last would have nothing after it to tell of it
    items += read_for(head, 0.5)
    head.stop()
    items += read_for(head, 0.5)
    made = {0: int(head.get_parameter("metal_made")), 1: int(head.get_parameter("radar_made"))}
    return items + head.report(), made


def joined(items: list[object], stream_id: int) -> SampleBlock:
    found = [i for i in items if isinstance(i, SampleBlock) and i.stream.stream_id == stream_id]
    return SampleBlock(
        found[0].stream,
        *(np.concatenate([getattr(b, f) for b in found]) for f in ("seq", "tick", "utc_ns", "odometer_um", "raw")),
    )


def missing(items: list[object], stream_id: int) -> list[int]:
    gaps = [i for i in items if isinstance(i, Gap) and i.stream_id == stream_id]
    return [s for g in gaps for s in range(g.first_seq, g.first_seq + g.n_records)]


def all_accounted_for(items: list[object], made: dict[int, int]) -> int:
    """Every record is there once or in a gap once; how many are missing."""
    lost = 0
    for stream_id, n in made.items():
        got, gone = joined(items, stream_id).seq.tolist(), missing(items, stream_id)
        assert sorted(got + gone) == list(range(n))
        lost += len(gone)
    return lost


def texts(items: list[object]) -> str:
    return "\n".join(i.text for i in items if isinstance(i, Event))


@pytest.mark.parametrize("board", list(BOARDS))
def test_both_streams_arrive_whole_from_every_board(board: str) -> None:
    with EmulatedHead(board) as emulated, Head.open(emulated.path) as head:
        device = head.describe(timeout_s=20)
        assert [(s.name, s.kind) for s in device.streams] == [
            ("metal", StreamKind.METAL_PI), ("radar", StreamKind.RADAR)
        ]  # fmt: skip
        items, made = sweep(head, 3.0)
        assert all_accounted_for(items, made) == 0
        assert (head.counters.damaged, head.counters.lost) == (0, 0)
        assert texts(items) == ""
        # a bound on how little, not on how fast: the machine may be busy, the board then makes less
        assert made[0] > 500
        assert made[1] > 25
        for stream in device.streams:
            steps = np.diff(joined(items, stream.stream_id).tick)
            assert (steps == round(device.tick_hz / stream.rate_hz)).all()
        states = [i for i in items if isinstance(i, HeadStatus)]
        assert {s.state for s in states} == {HeadState.STREAMING}
        assert all((s.dropped, s.faults) == (0, ()) for s in states)


def test_a_target_rises_and_falls_as_the_head_passes(head: Head) -> None:
    head.set_parameter("speed", 1.0)
    head.set_parameter("target_spacing", 1.0)
    items, _ = sweep(head, 4.0)
    metal, radar = joined(items, 0), joined(items, 1)
    assert (np.diff(metal.odometer_um) == 2000).all()  # 1 m/s at 500/s
    first_gate = metal.raw[:, 0, 0]
    x = metal.odometer_m % 1.0
    over, away = np.abs(x - 0.5) < 0.02, np.abs(x - 0.5) > 0.4
    assert first_gate[over].mean() > 1.2 * first_gate[away].mean()
    # the echo comes 2 * 0.1 m / 0.1224 m/ns behind the surface's at 1.33 ns: sample 76
    x = radar.odometer_m % 1.0
    over, away = np.abs(x - 0.5) < 0.05, np.abs(x - 0.5) > 0.4
    change = np.abs(radar.raw[over, 0].mean(axis=0) - radar.raw[away, 0].mean(axis=0))
    assert abs(int(change.argmax()) - 76) <= 3


def test_the_table_is_read_set_and_refused_in_the_host_s_words(head: Head) -> None:
    table = {p.name: p for p in head.parameters()}
    assert table["tx_current"].unit == "A"
    assert table["tx_current"].persistent
    assert table["pulse_us"].unit == "us"
    assert not table["pulse_us"].writable
    assert head.get_parameter("pulse_us") == 250.0
    assert table["drop_every"].kind is ParameterKind.WHOLE
    assert table["freeze"].kind is ParameterKind.SWITCH
    assert head.set_parameter("tx_current", 1.25) == 1.25
    refused = [
        ("tx_current", 9.0), ("tx_current", float("nan")), ("noise", -0.001), ("noise", 123456.5), ("drop_every", 2.5),
        ("freeze", 0.5), ("freeze", 2.0), ("metal_made", 1.0), ("tick_offset", 2.0**32), ("target_depth", 1e-9),
    ]  # fmt: skip
    for name, value in refused:
        words = table[name].refusal(value)
        assert words
        with pytest.raises(HeadError) as e:
            head.set_parameter(name, value)
        assert str(e.value) == f"The head refused SET {name}: {words}"
    assert head.get_parameter("tx_current") == 1.25
    with pytest.raises(HeadError, match="there is no parameter nonsense"):
        head.get_parameter("nonsense")


@pytest.mark.parametrize("fault", ["drop_every", "damage_every"])
def test_frames_lost_on_purpose_are_gaps_of_exactly_their_size(head: Head, fault: str) -> None:
    head.set_parameter(fault, 7)
    items, made = sweep(head, 3.0)
    lost = all_accounted_for(items, made)
    frames = head.get_parameter("frames_dropped") + head.get_parameter("frames_damaged")
    assert frames > 5
    assert head.counters.lost == frames
    # a frame holds 10 metal records or one A-scan
    metal, radar = len(missing(items, 0)), len(missing(items, 1))
    assert metal % 10 == 0
    assert metal / 10 + radar == frames
    assert lost == metal + radar
    assert "frames" in texts(items)


def test_garbage_and_repeats_cost_no_record(head: Head) -> None:
    head.set_parameter("garbage_every", 3)
    head.set_parameter("repeat_every", 5)
    items, made = sweep(head, 2.0)
    assert all_accounted_for(items, made) == 0
    assert head.counters.damaged > 5
    assert head.get_parameter("frames_repeated") > 5
    assert "again" in texts(items)


def test_a_line_that_stands_still_loses_records_that_are_counted(head: Head) -> None:
    head.start()
    items = read_for(head, 0.5)
    head.set_parameter("stall", 4000)  # the queue holds less than 2 s of samples
    items += read_for(head, 5.5)
    status = [i for i in items if isinstance(i, HeadStatus)]
    head.stop()
    items += read_for(head, 0.5)
    made = {0: int(head.get_parameter("metal_made")), 1: int(head.get_parameter("radar_made"))}
    lost = all_accounted_for(items, made)
    assert lost > 100
    assert status[-1].dropped == lost
    assert any("sample buffer overrun" in s.faults for s in status)


def test_a_head_that_hangs_still_answers_and_starts_again(head: Head) -> None:
    head.set_parameter("hang_after", 20)
    head.start()
    items = read_for(head, 1.0)
    assert sum(isinstance(i, SampleBlock) for i in read_for(head, 0.5)) == 0
    assert joined(items, 0).seq[-1] < 200
    head.set_parameter("hang_after", 0)
    head.start()
    assert sum(isinstance(i, SampleBlock) for i in read_for(head, 1.0)) > 10


def test_ticks_wrap_at_32_bits(head: Head) -> None:
    head.start()
    tick = int(joined(read_for(head, 0.5), 0).tick[-1])  # it has run since power-on
    head.stop()
    read_for(head, 0.3)
    head.set_parameter("tick_offset", 2**32 - tick - 50_000_000)  # 2 s from now
    head.describe()  # forgets the sweep before
    items, made = sweep(head, 3.0)
    got = joined(items, 0)
    assert (np.diff(got.tick) == 50_000).all()
    assert got.tick[0] < 2**32 < got.tick[-1]
    assert (np.diff(got.utc_ns) >= 0).all()
    assert all_accounted_for(items, made) == 0


def test_faulty_sensors_show_in_status_and_in_the_samples(head: Head) -> None:
    head.set_parameter("fault_bits", 0b100)
    head.set_parameter("saturate", 1)
    items, _ = sweep(head, 1.0)
    assert {f for i in items if isinstance(i, HeadStatus) for f in i.faults} == {"ADC saturated", "battery low"}
    assert (joined(items, 0).raw == 8388607).all()
    head.set_parameter("saturate", 0)
    head.set_parameter("freeze", 1)
    items, _ = sweep(head, 1.0)
    assert np.unique(joined(items, 1).raw, axis=0).shape[0] == 1


def test_a_reset_keeps_what_was_saved_and_begins_another_run(head: Head) -> None:
    head.set_parameter("tx_current", 1.75)
    head._exchange.command(Opcode.SAVE)
    head.set_parameter("speed", 0.9)  # not saved
    head.set_parameter("drop_every", 50)  # cannot be saved
    head.start()
    before = joined(read_for(head, 1.0), 0)
    head.set_parameter("reset", 1)
    read_for(head, 1.0)
    assert head.get_parameter("tx_current") == 1.75
    assert head.get_parameter("speed") == 0.4
    assert head.get_parameter("drop_every") == 0
    head.start()
    items = read_for(head, 1.0)
    after = joined(items, 0)
    assert after.seq[0] > before.seq[-1]
    assert any("restarted" in i.cause for i in items if isinstance(i, Gap))
    head._exchange.command(Opcode.DEFAULTS)
    assert head.get_parameter("tx_current") == 1.0


def test_firmware_that_resets_in_the_middle_of_a_sweep_is_started_again_by_itself() -> None:
    items: list[object] = []
    with EmulatedHead() as emulated, Head.open(emulated.path) as head:
        source = LiveSource(head, duration_s=4.0, silence_s=0.5)
        reset = False
        for got in source.items():
            items += got
            if not reset and sum(len(i) for i in items if isinstance(i, SampleBlock)) > 500:
                reset = True
                head._exchange.send(Opcode.SET, "reset", 1)  # no reply can come: it is gone
    assert "had stopped by itself" in texts(items)
    assert "samples are coming again" in texts(items)
    for stream_id in (0, 1):
        (gap,) = [i for i in items if isinstance(i, Gap) and i.stream_id == stream_id]
        assert "restarted" in gap.cause
        block = joined(items, stream_id)
        assert (np.diff(block.seq) >= 1).all()
        assert (np.diff(block.utc_ns) >= 0).all()
        assert block.seq[-1] - gap.first_seq - gap.n_records > 10


def test_no_two_power_ons_have_the_same_run() -> None:
    runs = set()
    for _ in range(2):
        with EmulatedHead() as emulated, Head.open(emulated.path) as head:
            head.describe(timeout_s=20)
            head.start()
            read_for(head, 0.5)
            assert head._timeline is not None
            runs.add(head._timeline._run)
    assert len(runs) == 2


def test_unplugging_is_a_link_error() -> None:
    with EmulatedHead() as emulated, Head.open(emulated.path) as head:
        head.describe(timeout_s=20)
        head.start()
        read_for(head, 0.3)
        emulated.unplug()
        with pytest.raises(LinkError, match="stopped answering"):
            read_for(head, 5.0)


def test_firmware_run_prints_a_port_and_stops_at_ctrl_c() -> None:
    command = [sys.executable, "-m", "firmware_host.cli.main", "firmware", "run"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "120"}
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Emulated head on /dev/")
        path = line.split()[3]
        with Head.open(path) as head:
            assert head.describe(timeout_s=20).serial == "EMULATED-1"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert not Path(path).exists()


def test_firmware_build_writes_an_image_that_runs(tmp_path: Path) -> None:
    image = tmp_path / "firmware.elf"
    done = subprocess.run(
        [sys.executable, "-m", "firmware_host.cli.main", "firmware", "build", "--out", str(image)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(image) in done.stdout.replace("\n", "")
    with EmulatedHead(image=image) as emulated, Head.open(emulated.path) as head:
        assert head.describe(timeout_s=20).model == "groundsweep reference firmware"


def test_an_emulator_that_ends_says_why(tmp_path: Path) -> None:
    image = tmp_path / "empty.elf"
    image.write_bytes(b"no image at all" * 10)
    with EmulatedHead("mps2-an999", image) as emulated, pytest.raises(FirmwareError, match="unsupported machine type"):
        emulated.wait()


def test_a_board_that_is_not_known_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(FirmwareError, match="The firmware runs on mps2-an385"):
        build_firmware("toaster", tmp_path / "x.elf")


@pytest.mark.parametrize(
    ("make", "package"),
    [
        (lambda folder: build_firmware("mps2-an385", folder / "x.elf"), "gcc-arm-none-eabi"),
        (lambda folder: EmulatedHead(), "qemu-system-arm"),
    ],
)
def test_a_missing_tool_is_named_with_its_package(make, package, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FirmwareError, match=f"apt-get install .*{package}"):
        make(tmp_path)
