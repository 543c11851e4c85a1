"""Parameters: refused alike here and there, read back, kept as presets; the table is fetched once."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.samples import DeviceDescription, ParameterReading, SampleBlock
from firmware_host import exchange
from firmware_host.errors import HeadError, PresetError
from firmware_host.head import Head
from firmware_host.parameters import (
    HeadParameters,
    TableCache,
    differences,
    preset_of,
    read_preset,
    write_preset,
)
from firmware_host.virtual.head import VirtualHead
from firmware_host.wire.framing import FrameDecoder
from firmware_host.wire.messages import Kind, Opcode, Parameter, ParameterKind, parameter_hash, read_command

DualHead = tuple[DeviceDescription, list[SampleBlock]]

NAMES = st.text("abcdefghij_0123456789", min_size=1, max_size=40)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PARAMETERS = st.builds(
    Parameter, st.just(0), NAMES, st.text(max_size=10), st.text(max_size=40), NUMBERS, NUMBERS, NUMBERS, NUMBERS,
    st.sampled_from(ParameterKind), st.booleans(), st.booleans(),
)  # fmt: skip
TABLES = st.lists(PARAMETERS, min_size=1, max_size=6, unique_by=lambda p: p.name).map(
    lambda table: [replace(p, index=i) for i, p in enumerate(table)]
)


class Sent:
    """Opcodes that a head was sent."""

    def __init__(self, head: Head) -> None:
        self.opcodes: list[Opcode] = []
        write, decoder = head._exchange.reader.write, FrameDecoder()

        def listen(data: bytes) -> None:
            commands = [read_command(f.payload) for f in decoder.feed(data) if f.kind == Kind.COMMAND]
            self.opcodes += [Opcode(c.opcode) for c in commands]
            write(data)

        head._exchange.reader.write = listen  # type: ignore[method-assign]


@pytest.fixture
def virtual(dual_head: DualHead) -> Iterator[VirtualHead]:
    with VirtualHead(dual_head[0], list) as v:
        yield v


@pytest.fixture
def cache(tmp_path: Path) -> TableCache:
    return TableCache(tmp_path / "cache")


@given(table=TABLES)
def test_a_cached_table_comes_back_as_it_was_without_its_values(
    tmp_path_factory: pytest.TempPathFactory, table: list[Parameter]
) -> None:
    cache = TableCache(tmp_path_factory.mktemp("c"))
    cache.store(table)
    assert cache.load(parameter_hash(table)) == [replace(p, value=0.0) for p in table]
    assert cache.load(parameter_hash(table) ^ 1) is None


def test_a_known_table_is_not_fetched_again_but_its_values_are(virtual: VirtualHead, cache: TableCache) -> None:
    with Head.open(virtual.path) as head:
        head.describe()
        first = HeadParameters(head, cache)
        before = first.read()
        assert not first.from_cache
        head.set_parameter("status_interval", 125.0)
    with Head.open(virtual.path) as head:
        head.describe()
        sent = Sent(head)
        again = HeadParameters(head, cache)
        assert again.from_cache
        now = {p.name: p for p in again.read()}
        assert Opcode.LIST_PARAMETERS not in sent.opcodes
    assert now["status_interval"].value == 125.0
    assert {n: replace(p, value=0.0) for n, p in now.items()} == {p.name: replace(p, value=0.0) for p in before}


@pytest.mark.parametrize(
    "spoil",
    [b"", b"{", b"[]", b'{"format": 1, "parameters": [{"kind": 9}]}', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "cut", "not a table", "nonsense", "not text", "deep"],
)
def test_a_damaged_cache_is_ignored_and_replaced(virtual: VirtualHead, cache: TableCache, spoil: bytes) -> None:
    with Head.open(virtual.path) as head:
        head.describe()
        HeadParameters(head, cache).read()
        file = cache._path(head.parameter_hash)
        whole = file.read_bytes()
        file.write_bytes(spoil)
        parameters = HeadParameters(head, cache)
        assert not parameters.from_cache
        parameters.read()
        assert file.read_bytes() == whole


def test_a_cache_with_another_range_in_it_does_not_pass_for_the_table(virtual: VirtualHead, cache: TableCache) -> None:
    with Head.open(virtual.path) as head:
        head.describe()
        HeadParameters(head, cache).read()
        file = cache._path(head.parameter_hash)
        text = file.read_text()
        assert "5000" in text
        file.write_text(text.replace("5000", "9000"))
        assert cache.load(head.parameter_hash) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status_interval", 19.0),
        ("status_interval", 1e9),
        ("status_interval", math.nan),
        ("sample_frames_sent", 1.0),
        ("nonsense", 1.0),
    ],
)
def test_the_host_refuses_in_the_words_of_the_firmware_and_sends_nothing(
    virtual: VirtualHead, cache: TableCache, name: str, value: float
) -> None:
    with Head.open(virtual.path) as head:
        head.describe()
        with pytest.raises(HeadError) as firmware:
            head.set_parameter(name, value)
        words = str(firmware.value).partition(": ")[2]
        assert words
        parameters = HeadParameters(head, cache)
        parameters.read()
        sent = Sent(head)
        with pytest.raises(HeadError) as host:
            parameters.set({"playback_speed": 2.0, name: value})
        assert str(host.value).startswith(words)
        assert Opcode.SET not in sent.opcodes
        assert head.get_parameter("playback_speed") == 1.0


def test_a_head_that_takes_a_value_and_holds_another_is_an_error(virtual: VirtualHead) -> None:
    with Head.open(virtual.path) as head:
        head.describe()
        virtual._change = lambda name, value: None  # type: ignore[method-assign]
        with pytest.raises(HeadError, match="took status_interval = 100 and then read back 250"):
            head.set_parameter("status_interval", 100.0)


def test_saved_values_outlive_a_power_cut_and_others_do_not(virtual: VirtualHead) -> None:
    with Head.open(virtual.path) as head:
        head.describe()
        head.set_parameter("status_interval", 100.0)
        head.save_parameters()
        head.set_parameter("status_interval", 300.0)
        head.set_parameter("playback_speed", 5.0)
        virtual.reset()
        assert head.get_parameter("status_interval") == 100.0
        assert head.get_parameter("playback_speed") == 1.0
        head.restore_defaults()
        assert head.get_parameter("status_interval") == 250.0
        virtual.reset()
        assert head.get_parameter("status_interval") == 100.0  # defaults are used, not saved


def test_samples_that_come_while_a_command_waits_are_kept_up_to_a_bound_and_never_dropped(
    dual_head: DualHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, blocks = dual_head
    played = sorted((b[i : i + 8] for b in blocks for i in range(0, len(b), 8)), key=lambda b: int(b.tick[0]))
    monkeypatch.setattr(exchange, "KEPT_BYTES", 2000)
    with VirtualHead(device, lambda: played, 0.0) as virtual, Head.open(virtual.path) as head:
        head.describe()
        virtual._send = lambda kind, payload, send=virtual._send: (  # type: ignore[method-assign]
            None if kind == Kind.REPLY else send(kind, payload)
        )
        head._exchange.send(Opcode.START)
        with pytest.raises(HeadError, match="No samples were lost"):
            head.get_parameter("status_interval")
        got: dict[int, int] = {}
        for _ in range(2000):
            for item in head.read():
                if isinstance(item, SampleBlock):
                    got[item.stream.stream_id] = got.get(item.stream.stream_id, 0) + len(item)
            if got == {0: len(blocks[0]), 1: len(blocks[1])}:
                break
        assert got == {0: len(blocks[0]), 1: len(blocks[1])}


def test_a_change_is_told_to_whoever_reads_the_head(virtual: VirtualHead) -> None:
    with Head.open(virtual.path, clock=lambda: 77) as head:
        head.describe()
        head.parameters()
        head.set_parameter("status_interval", 100.0)
        items = [i for i in head.read() if isinstance(i, ParameterReading)]
        assert items == [ParameterReading(77, "status_interval", "ms", 100.0, 20.0, 5000.0, 250.0, True, True, "T-1")]
        assert not [i for i in head.read() if isinstance(i, ParameterReading)]


def test_a_head_without_parameters_has_an_empty_table(virtual: VirtualHead, cache: TableCache) -> None:
    virtual._parameters.clear()
    with Head.open(virtual.path) as head:
        head.describe()
        assert HeadParameters(head, cache).read() == []


@given(table=TABLES)
def test_a_preset_comes_back_from_its_file(tmp_path_factory: pytest.TempPathFactory, table: list[Parameter]) -> None:
    path = tmp_path_factory.mktemp("p") / "a.toml"
    device = DeviceDescription('m "x"\n', "s\\1", "", 1e6, ())
    preset = preset_of(table, device, 0xABC)
    write_preset(path, preset, table, datetime.datetime(2025, 5, 4, tzinfo=datetime.UTC))
    assert read_preset(path) == preset
    with pytest.raises(PresetError, match="exists already"):
        write_preset(path, preset, table, datetime.datetime(2025, 5, 4, tzinfo=datetime.UTC))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[parameters\n", "not valid TOML"),
        (b"x = 1\n", "has \\[x\\]"),
        (b"", "no table \\[parameters\\]"),
        (b"[parameters]\na = 'fast'\n", "a = 'fast' is not a number"),
        (b"[parameters]\na = " + b"9" * 400, "too large"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_preset_that_cannot_be_used_says_why(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "a.toml").write_bytes(text)
    with pytest.raises(PresetError, match=said):
        read_preset(tmp_path / "a.toml")


def test_differences_name_what_only_one_side_has() -> None:
    found = differences({"a": 1.0, "b": 2.0, "f": 0.1}, {"b": 3.0, "c": 4.0, "f": 0.10000000149011612})
    assert [(d.name, d.a, d.b) for d in found] == [("a", 1.0, None), ("b", 2.0, 3.0), ("c", None, 4.0)]
