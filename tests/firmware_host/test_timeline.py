"""Counters of a head become one timeline: everything is a record, a gap or a told repeat."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.samples import NO_ODOMETER, DeviceDescription, Event, Gap, SampleBlock, StreamDescription, StreamKind
from firmware_host.timeline import Item, Timeline
from firmware_host.wire.messages import SamplesMessage

S = 1_000_000_000
METAL = StreamDescription(0, "metal", StreamKind.METAL, 1, 1, "int32", 100.0)
RADAR = StreamDescription(1, "radar", StreamKind.RADAR, 1, 4, "int16", 10.0, sampling_interval_s=1e-10)
DEVICE = DeviceDescription("m", "s", "f", 1e6, (METAL, RADAR))


def message(first: int, n: int, run: int = 1, tick0: int = 0, odometer: bool = True) -> SamplesMessage:
    """Records first to first + n - 1 of the metal stream; raw is the record's number."""
    seq = first + np.arange(n, dtype=np.int64)
    return SamplesMessage(
        0, run, first & 0xFFFFFFFF,
        ((tick0 + seq * 10_000) & 0xFFFFFFFF).astype(np.uint32),
        (seq * 5_000 & 0xFFFFFFFF).astype(np.uint32).view(np.int32) if odometer else None,
        seq.astype("<i4").reshape(n, 1, 1),
    )  # fmt: skip


def blocks(items: list[Item]) -> list[SampleBlock]:
    return [i for i in items if isinstance(i, SampleBlock)]


def gaps(items: list[Item]) -> list[Gap]:
    return [i for i in items if isinstance(i, Gap)]


@given(
    kept=st.lists(st.booleans(), min_size=2, max_size=40),
    again=st.sets(st.integers(0, 39)),
    size=st.integers(1, 9),
    together=st.integers(1, 5),
)
def test_records_and_gaps_add_up_and_repeats_are_given_once(
    kept: list[bool], again: set[int], size: int, together: int
) -> None:
    sent = [message(k * size, size) for k, keep in enumerate(kept) for _ in range(1 + (k in again)) if keep]
    timeline = Timeline(DEVICE)
    items = [i for a in range(0, len(sent), together) for i in timeline.add(sent[a : a + together], a * S)]
    seen = np.concatenate([b.seq for b in blocks(items)]) if blocks(items) else np.zeros(0)
    expected = [s for k, keep in enumerate(kept) if keep for s in range(k * size, (k + 1) * size)]
    assert seen.tolist() == expected
    for b in blocks(items):
        np.testing.assert_array_equal(b.raw[:, 0, 0], b.seq)
        np.testing.assert_array_equal(b.tick, b.seq * 10_000)
        np.testing.assert_array_equal(b.odometer_um, b.seq * 5_000)
        assert (np.diff(b.seq) == 1).all()
    missing = [s for g in gaps(items) for s in range(g.first_seq, g.first_seq + g.n_records)]
    assert sorted([*expected, *missing]) == list(range(expected[-1] + 1 if expected else 0))
    repeats = sum(k in again and keep for k, keep in enumerate(kept))
    assert sum(isinstance(i, Event) for i in items) == repeats


def test_record_numbers_and_ticks_go_on_across_their_wrap() -> None:
    timeline = Timeline(DEVICE)
    near = 2**32 - 3
    items = timeline.add([message(near, 3)], 0)
    assert gaps(items)[0].n_records == near
    tick0 = blocks(items)[0].tick[0]
    items = timeline.add([message(2**32, 4)], S // 10)
    assert gaps(items) == []
    assert blocks(items)[0].seq.tolist() == [2**32 + i for i in range(4)]
    assert blocks(items)[0].tick[-1] - tick0 == 6 * 10_000


def test_a_restart_is_a_gap_of_the_length_that_the_host_saw_and_the_place_is_lost() -> None:
    timeline = Timeline(DEVICE)
    before = timeline.add([message(0, 100)], 1 * S)
    # back after 3 s with counters from zero: 10 records just made
    after = timeline.add([message(0, 10, run=2, tick0=55)], 4 * S)
    (gap,) = gaps(after)
    (block,) = blocks(after)
    assert "restarted" in gap.cause
    assert (gap.first_seq, gap.n_records) == (100, 290)
    assert block.seq[0] == 390
    last = blocks(before)[0]
    assert abs((block.tick[0] - last.tick[-1]) / 1e6 - 2.91) < 0.02
    assert (np.diff(block.tick) == 10_000).all()
    assert (block.odometer_um == NO_ODOMETER).all()
    assert block.utc_ns[0] > last.utc_ns[-1]
    assert block.utc_ns[-1] <= 4 * S
    # and from there it goes on by count
    more = timeline.add([message(10, 5, run=2, tick0=55)], 4 * S + S // 20)
    assert gaps(more) == []
    assert blocks(more)[0].seq[0] == 400


def test_a_restart_never_swallows_records_even_if_it_took_no_time() -> None:
    timeline = Timeline(DEVICE)
    timeline.add([message(0, 100)], S)
    after = timeline.add([message(0, 100, run=2)], S)
    assert len(blocks(after)[0]) == 100
    assert gaps(after)[0].n_records == 1


def test_streams_share_the_ticks_of_a_restart() -> None:
    timeline = Timeline(DEVICE)
    radar = SamplesMessage(1, 1, 0, np.array([0], np.uint32), None, np.zeros((1, 1, 4), "<i2"))
    timeline.add([message(0, 100), radar], S)
    late = SamplesMessage(1, 2, 0, np.array([40_000], np.uint32), None, np.zeros((1, 1, 4), "<i2"))
    items = timeline.add([message(0, 10, run=2), late], 4 * S)
    metal_block, radar_block = blocks(items)
    assert radar_block.tick[0] - metal_block.tick[0] == 40_000
    # the radar made 10 records a second while it was away
    assert [g.n_records for g in gaps(items)] == [290, 29]


def test_times_never_go_back_and_never_lie_after_arrival() -> None:
    rng = np.random.default_rng(3)
    timeline = Timeline(DEVICE)
    last = -(2**62)
    arrival = 0
    for k in range(200):
        arrival = max(arrival, (k + 1) * 100_000_000 + int(rng.exponential(2e7)))
        (block,) = blocks(timeline.add([message(10 * k, 10)], arrival))
        assert block.utc_ns[0] >= last
        assert block.utc_ns[-1] <= arrival
        last = int(block.utc_ns[-1])
    # after the first second the smallest delay has been met: true time is 90 ms after each 100 ms
    assert abs(last - (200 * 100_000_000)) < 2_000_000
