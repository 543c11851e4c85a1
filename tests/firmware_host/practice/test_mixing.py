"""The source that mixes: once the lane was begun, the same bits for any blocks, the head's own samples kept."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.detections import TrueObject
from detector.samples import DeviceDescription, Event, SampleBlock
from detector.simulate.hidden import hidden_objects
from firmware_host.practice.mixing import MixedSource
from firmware_host.practice.way import Way
from firmware_host.session import Item, Order
from tests.conftest import nowhere

Head = tuple[DeviceDescription, list[SampleBlock]]
BEGIN = Order("practise", "A")


def long_walk(dual_head: Head, metres: float = 6.0) -> list[SampleBlock]:
    """The made-up head's first records again and again, 2 mm and 2 cm apart, from odometer 10 m on."""
    out = []
    for block, step in zip(dual_head[1], (0.002, 0.02), strict=True):
        n = round(metres / step)
        k = np.arange(n, dtype=np.int64)
        tick = np.round(k * step / 0.4 * 1e6).astype(np.int64)
        out.append(
            SampleBlock(block.stream, k, tick, tick * 1000, np.round(1e7 + k * step * 1e6).astype(np.int64),
                        block.raw[k % 16])
        )  # fmt: skip
    return out


class Given:
    """A source of made-up items."""

    def __init__(self, device: DeviceDescription, items: Sequence[Sequence[Item]]) -> None:
        self.device, self._items = device, items

    def items(self) -> Generator[Sequence[Item]]:
        yield from self._items


class Mixed:
    """A run of the mixing source over given items."""

    def __init__(
        self, device: DeviceDescription, items: Sequence[Sequence[Item]], way: Way, hindrance: str = ""
    ) -> None:
        self.unmixed: list[SampleBlock] = []
        self.truth: list[TrueObject] = []
        source = MixedSource(
            Given(device, items), way, hidden_objects(5, 4.0, 1.2), {}, self.unmixed.append, self.truth.extend,
            lambda: 7, lambda: hindrance,
        )  # fmt: skip
        self.out = [item for got in source.items() for item in got]

    def raw(self, stream_id: int) -> bytes:
        mine = [i for i in self.out if isinstance(i, SampleBlock) and i.stream.stream_id == stream_id]
        return np.concatenate([b.raw for b in mine]).tobytes()

    @property
    def told(self) -> list[str]:
        return [i.text for i in self.out if isinstance(i, Event)]


def test_nothing_is_mixed_before_the_lane_is_begun(dual_head: Head) -> None:
    walk = long_walk(dual_head)
    mixed = Mixed(dual_head[0], [walk], Way(1e6))
    assert [b.raw.tobytes() for b in mixed.out] == [b.raw.tobytes() for b in walk]
    assert not mixed.truth


def test_hidden_objects_are_told_in_the_recordings_places_and_the_heads_own_samples_are_kept(dual_head: Head) -> None:
    walk = long_walk(dual_head)
    mixed = Mixed(dual_head[0], [[BEGIN, *walk]], Way(1e6))
    assert [o.x_m for o in mixed.truth] == [o.x_m + 10.0 for o in hidden_objects(5, 4.0, 1.2)]
    assert {o.confidence for o in mixed.truth} == {"hidden"}
    assert [b.raw.tobytes() for b in mixed.unmixed] == [b.raw.tobytes() for b in walk]
    for block in walk:
        assert mixed.raw(block.stream.stream_id) != block.raw.tobytes()


@given(cuts=st.lists(st.integers(1, 2999), max_size=10), placed_from=st.integers(0, 40))
@settings(max_examples=25, deadline=None)
def test_however_blocks_are_cut_the_mix_is_the_same_to_the_bit(
    dual_head: Head, cuts: list[int], placed_from: int
) -> None:
    metal = long_walk(dual_head)[0]
    place = metal.odometer_um.copy()
    place[:placed_from] = nowhere(placed_from)
    metal = replace(metal, odometer_um=place)
    edges = [0, *sorted(set(cuts)), len(metal)]
    parts = [[metal[a:b]] for a, b in itertools.pairwise(edges)]
    whole = Mixed(dual_head[0], [[BEGIN, metal]], Way(1e6))
    cut = Mixed(dual_head[0], [[BEGIN], *parts], Way(1e6))
    assert whole.raw(0) != metal.raw.tobytes()
    assert cut.raw(0) == whole.raw(0)


def test_by_dead_reckoning_a_head_without_odometer_passes_hidden_objects_too(dual_head: Head) -> None:
    walk = [replace(b, odometer_um=nowhere(len(b))) for b in long_walk(dual_head)]
    assert Mixed(dual_head[0], [[BEGIN, *walk]], Way(1e6)).raw(0) == walk[0].raw.tobytes()
    reckoned = Mixed(dual_head[0], [[BEGIN, *walk]], Way(1e6, 0.4))
    assert reckoned.raw(0) == Mixed(dual_head[0], [[BEGIN, *long_walk(dual_head)]], Way(1e6)).raw(0)


def test_the_lane_is_not_begun_while_start_up_steps_are_missing(dual_head: Head) -> None:
    walk = long_walk(dual_head)
    mixed = Mixed(dual_head[0], [[BEGIN, *walk]], Way(1e6), "not ready: noise missing")
    assert mixed.told == ["not ready: noise missing"]
    assert BEGIN not in mixed.out
    assert mixed.raw(0) == walk[0].raw.tobytes()


def test_the_lane_is_not_begun_while_the_heads_records_have_no_place(dual_head: Head) -> None:
    walk = long_walk(dual_head)
    lost = [replace(b, odometer_um=nowhere(len(b))) for b in walk]
    mixed = Mixed(dual_head[0], [lost, [BEGIN]], Way(1e6))
    assert BEGIN not in mixed.out
    assert "--reckon" in mixed.told[0]
    assert BEGIN in Mixed(dual_head[0], [lost, [BEGIN]], Way(1e6, 0.4)).out
    assert BEGIN in Mixed(dual_head[0], [lost, walk, [BEGIN]], Way(1e6)).out


def test_no_reference_is_measured_or_stored_while_objects_are_mixed_in(dual_head: Head) -> None:
    asked = [Order("store", "A"), Order("begin", "A", "function test")]
    before = Mixed(dual_head[0], [asked], Way(1e6))
    assert [o for o in before.out if isinstance(o, Order)] == asked
    after = Mixed(dual_head[0], [[BEGIN], asked], Way(1e6))
    assert [o for o in after.out if isinstance(o, Order)] == [BEGIN]
    assert len(after.told) == 2


def test_a_stream_that_could_not_be_learned_in_time_is_told(dual_head: Head) -> None:
    metal = long_walk(dual_head)[0]
    few = metal[::60]  # 12 cm from record to record
    told = Mixed(dual_head[0], [[BEGIN], [few[:12]], [few[12:]]], Way(1e6)).told
    assert len(told) == 1
    assert "begin anew, and slower" in told[0]
